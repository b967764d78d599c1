//! T7: a ciphertext that the cipher itself opens under two keys opens under one of them at most, because the key's id
//! certifies the key. Such ciphertexts are made here for real: see `two_keys/forge.rs`.

use std::sync::Arc;

use async_trait::async_trait;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use fireseal::store::FirestoreStore;
use fireseal::{
    Cause, DataKey, Error, KeyError, KeyId, KeyLookup, KeyProvider, KeyRing, OpenError, Repository, Scope,
    Sealable,
};
use fireseal_emulator::{Emulator, Project};
use serde_json::json;

use crate::attack::{bytes, envelope};
use crate::promise::Tally;

#[path = "two_keys/forge.rs"]
mod forge;

#[derive(Sealable)]
#[sealable(collection = "files", debug)]
struct File {
    #[sealable(id)]
    id: String,
    #[sensitive(bytes)]
    content: Vec<u8>,
}

struct Scene {
    project: Project,
    store: FirestoreStore,
    keys: [[u8; 32]; 2],
    ids: [KeyId; 2],
}

impl Scene {
    async fn new() -> Self {
        let project = Emulator::shared().await.unwrap().project().unwrap();
        let store = FirestoreStore::new(project.firestore().await.unwrap());
        let keys = [(); 2].map(|()| *DataKey::generate().unwrap().expose_secret());
        Self { project, store, keys, ids: keys.map(|key| DataKey::from_bytes(&key).id()) }
    }

    fn key(&self, which: usize) -> DataKey {
        DataKey::from_bytes(&self.keys[which])
    }

    async fn put(&self, sealed: &[u8]) {
        let fields = json!({ "id": { "stringValue": "a" }, "content": bytes(sealed) });
        self.project.put("files/a", &fields).await.unwrap();
    }

    async fn read(&self, keys: impl KeyProvider + 'static) -> Result<Vec<u8>, Option<Cause>> {
        match Repository::<File>::new(self.store.clone(), keys).get("a").await {
            Ok(file) => Ok(file.unwrap().content),
            Err(Error::Open(OpenError::Fields { failures, .. })) => Err(Some(failures[0].cause)),
            Err(_) => Err(None),
        }
    }
}

/// T7: eight ciphertexts, each made to open under both of two keys.
pub async fn a_ciphertext_for_two_keys(tally: &Tally) {
    const FORGED: usize = 8;
    for _ in 0..FORGED {
        let scene = Scene::new().await;
        let sealing = scene.keys.map(|key| forge::sealing_key(&key));
        let associated = forge::associated_data(scene.ids[0].as_bytes(), "files", "a", "content");
        // What is assumed of the format is right: a genuine value opens by it.
        let own = Repository::<File>::new(scene.store.clone(), KeyRing::new(scene.key(0)));
        own.create(&File { id: "a".to_owned(), content: b"genuine".to_vec() }).await.unwrap();
        let genuine =
            envelope(&scene.project.document("files/a").await.unwrap().unwrap()["fields"], "/content");
        let open = |key: &[u8; 32], sealed: &[u8]| {
            let payload = Payload { msg: &sealed[57..], aad: &associated };
            XChaCha20Poly1305::new(key.into()).decrypt(<&XNonce>::try_from(&sealed[33..57]).unwrap(), payload)
        };
        assert_eq!(open(&sealing[0], &genuine).unwrap(), [&[2][..], b"genuine"].concat());

        let (nonce, ciphertext) = forge::for_two_keys(&sealing, &associated);
        let sealed = [&[1][..], scene.ids[0].as_bytes(), &nonce, &ciphertext].concat();
        let plain =
            sealing.map(|key| open(&key, &sealed).expect("the cipher itself opens it under both keys"));
        assert!(plain[0] != plain[1] && plain.iter().all(|plain| plain[0] == 2));

        // As it is, under the first key's id: it opens with the first key, as anything that its holder seals.
        scene.put(&sealed).await;
        let both = |primary: usize| KeyRing::new(scene.key(primary)).with_active(scene.key(1 - primary));
        for ring in [KeyRing::new(scene.key(0)), both(0), both(1)] {
            let read = scene.read(ring).await;
            tally
                .holds(read.as_ref().is_ok_and(|read| *read == plain[0][1..]), || format!("first: {read:?}"));
        }
        // Never with the second.
        let read = scene.read(KeyRing::new(scene.key(1))).await;
        tally.holds(read == Err(Some(Cause::KeyUnknown(scene.ids[0]))), || format!("second: {read:?}"));
        // Nor under the second key's id, which is bound as well.
        let renamed = [&[1][..], scene.ids[1].as_bytes(), &nonce, &ciphertext].concat();
        scene.put(&renamed).await;
        for ring in [KeyRing::new(scene.key(1)), both(0), both(1)] {
            let read = scene.read(ring).await;
            tally.holds(read == Err(Some(Cause::DoesNotOpen)), || format!("renamed: {read:?}"));
        }
    }
    tally.note(format!("{FORGED} of {FORGED} forged ciphertexts open under two keys by the cipher alone"));
}

/// Gives a key under another key's id.
struct Liar(DataKey);

#[async_trait]
impl KeyProvider for Liar {
    async fn ring(&self, _: &Scope) -> Result<KeyRing, KeyError> {
        Ok(KeyRing::new(DataKey::from_bytes(self.0.expose_secret())))
    }

    async fn keys(&self, wanted: &[(Scope, KeyId)]) -> Result<Vec<KeyLookup>, KeyError> {
        let key = || Arc::new(DataKey::from_bytes(self.0.expose_secret()));
        Ok(wanted.iter().map(|_| KeyLookup::Found(key())).collect())
    }
}

/// T7: a key service that hands out the wrong key under the right id, of the ciphertext for both.
pub async fn a_wrong_key_under_the_right_id(tally: &Tally) {
    for _ in 0..4 {
        let scene = Scene::new().await;
        let sealing = scene.keys.map(|key| forge::sealing_key(&key));
        let associated = forge::associated_data(scene.ids[0].as_bytes(), "files", "a", "content");
        let (nonce, ciphertext) = forge::for_two_keys(&sealing, &associated);
        scene.put(&[&[1][..], scene.ids[0].as_bytes(), &nonce, &ciphertext].concat()).await;
        let read = scene.read(Liar(scene.key(1))).await;
        tally.holds(read.is_err(), || format!("the wrong key: {read:?}"));
        let read = scene.read(Liar(scene.key(0))).await;
        tally.holds(read.is_ok(), || format!("the right key: {read:?}"));
    }
}
