//! T2: a sealed value that was changed in any way does not open.

use fireseal::{Cause, DataKey, KeyId, Repository};
use getrandom::u64 as random;

use crate::attack::{Attack, PLACES, bytes, envelope, with};
use crate::promise::Tally;

/// The bytes before the ciphertext: version, key id, nonce.
const HEADER: usize = 57;

/// T2: every single bit of a sealed value, one at a time.
pub async fn every_bit_is_flipped(tally: &Tally) {
    let attack = Attack::begin().await;
    let ada = attack.fields("customers/ada").await;
    let sealed = envelope(&ada, "/ssn");
    for bit in 0..sealed.len() * 8 {
        let mut changed = sealed.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        let causes = attack.causes(&with(&ada, "/ssn", bytes(&changed))).await;
        let refused = matches!(
            (bit / 8, causes.as_slice()),
            (0, [(_, Cause::Malformed)])
                | (1..33, [(_, Cause::KeyUnknown(_))])
                | (33.., [(_, Cause::DoesNotOpen)])
        );
        tally.holds(refused, || format!("bit {bit}: {causes:?}"));
    }
}

/// T2: every shorter length, and bytes added behind.
pub async fn every_length_is_tried(tally: &Tally) {
    let attack = Attack::begin().await;
    let ada = attack.fields("customers/ada").await;
    let sealed = envelope(&ada, "/ssn");
    let mut lengths: Vec<Vec<u8>> = (0..sealed.len()).map(|length| sealed[..length].to_vec()).collect();
    for added in [&[0][..], &[0xff], &sealed] {
        lengths.push([&sealed[..], added].concat());
    }
    for changed in lengths {
        // Header, one byte of ciphertext and the tag: below that it is no envelope.
        let cause = if changed.len() < HEADER + 1 + 16 { Cause::Malformed } else { Cause::DoesNotOpen };
        let fields = with(&ada, "/ssn", bytes(&changed));
        attack.refused(tally, &fields, &[("ssn", cause)], &format!("{} bytes", changed.len())).await;
    }
}

/// T2: bytes are exchanged at random, in every sealed place.
pub async fn bytes_are_scrambled(tally: &Tally) {
    let attack = Attack::begin().await;
    let ada = attack.fields("customers/ada").await;
    for (name, at) in PLACES {
        for _ in 0..30 {
            let mut changed = envelope(&ada, at);
            let draw = random().unwrap().to_le_bytes();
            let start = HEADER + usize::from(draw[0]) % (changed.len() - HEADER - 8);
            for (byte, random) in changed[start..].iter_mut().zip(draw) {
                // Never the same byte.
                *byte ^= random | 1;
            }
            let fields = with(&ada, at, bytes(&changed));
            attack.refused(tally, &fields, &[(name, Cause::DoesNotOpen)], name).await;
        }
    }
}

/// T2, T7: another key's id, whether that key is known, destroyed or unknown.
pub async fn another_key_is_named(tally: &Tally) {
    let mut attack = Attack::begin().await;
    let known = DataKey::generate().unwrap();
    let (known_id, destroyed) = (known.id(), DataKey::generate().unwrap().id());
    let ring = attack.keys.clone().with_active(known).with_destroyed(destroyed);
    attack.customers = Repository::new(attack.store.clone(), ring);
    let ada = attack.fields("customers/ada").await;
    let unknown = KeyId::from_bytes([0; 32]);
    let cases = [
        (known_id, Cause::DoesNotOpen),
        (destroyed, Cause::KeyDestroyed(destroyed)),
        (unknown, Cause::KeyUnknown(unknown)),
    ];
    for (name, at) in PLACES {
        for (id, cause) in cases {
            let mut changed = envelope(&ada, at);
            changed[1..33].copy_from_slice(id.as_bytes());
            let fields = with(&ada, at, bytes(&changed));
            attack.refused(tally, &fields, &[(name, cause)], "another key id").await;
        }
    }
}
