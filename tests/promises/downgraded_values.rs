//! T4: nothing but an envelope of the known version is taken where a sealed value belongs.

use fireseal::Cause;
use serde_json::json;

use crate::attack::{Attack, PLACES, SECRET, bytes, envelope, with};
use crate::promise::Tally;

/// T4: plaintext of every type of Firestore's, null and empty maps among them, in every sealed place.
pub async fn plaintext_is_put_there(tally: &Tally) {
    let attack = Attack::begin().await;
    let ada = attack.fields("customers/ada").await;
    let reference = format!("projects/{}/databases/(default)/documents/a/b", attack.project.id());
    let plain = [
        json!({ "stringValue": SECRET }),
        json!({ "stringValue": "" }),
        json!({ "stringValue": "fireseal" }),
        json!({ "nullValue": null }),
        json!({ "booleanValue": true }),
        json!({ "integerValue": "1" }),
        json!({ "doubleValue": "NaN" }),
        json!({ "timestampValue": "2026-01-01T00:00:00Z" }),
        json!({ "mapValue": {} }),
        json!({ "mapValue": { "fields": { "a": { "arrayValue": {} } } } }),
        json!({ "arrayValue": {} }),
        json!({ "arrayValue": { "values": [ada["ssn"]] } }),
        json!({ "mapValue": { "fields": { "ssn": ada["ssn"] } } }),
        json!({ "geoPointValue": { "latitude": 1, "longitude": 2 } }),
        json!({ "referenceValue": reference }),
    ];
    for (name, at) in PLACES {
        for value in &plain {
            let fields = with(&ada, at, value.clone());
            attack.refused(tally, &fields, &[(name, Cause::Plaintext)], &format!("{value} as {name}")).await;
        }
    }
}

/// T4: bytes and texts that are no envelope, in every sealed place.
pub async fn other_bytes_are_put_there(tally: &Tally) {
    let attack = Attack::begin().await;
    let ada = attack.fields("customers/ada").await;
    let other = [
        bytes(b""),
        bytes(SECRET.as_bytes()),
        bytes(&[0; 200]),
        // As other systems begin: an age file, a JWE, a Tink and a Fernet ciphertext.
        bytes(format!("age-encryption.org/v1\n-> X25519 {}", "x".repeat(100)).as_bytes()),
        bytes(format!("eyJhbGciOiJkaXIiLCJlbmMiOiJub25lIn0..{}", "x".repeat(100)).as_bytes()),
        bytes(&[&[0x80, 0, 0, 0, 1][..], &[7; 100]].concat()),
        json!({ "stringValue": "fireseal:" }),
        json!({ "stringValue": "fireseal:AQ==" }),
    ];
    for (name, at) in PLACES {
        for value in &other {
            let fields = with(&ada, at, value.clone());
            attack.refused(tally, &fields, &[(name, Cause::Malformed)], &format!("{value} as {name}")).await;
        }
    }
}

/// T4: every other version byte, the lower one among them. The version is the one thing that names a cipher, so this
/// is every other algorithm as well.
pub async fn another_version_is_named(tally: &Tally) {
    let attack = Attack::begin().await;
    let ada = attack.fields("customers/ada").await;
    for version in (0..=u8::MAX).filter(|version| *version != 1) {
        let mut changed = envelope(&ada, "/email");
        changed[0] = version;
        let fields = with(&ada, "/email", bytes(&changed));
        attack.refused(tally, &fields, &[("email", Cause::Malformed)], &format!("version {version}")).await;
    }
}
