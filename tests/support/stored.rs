//! A document as the `firestore` crate would store it, and the way there and back.

#![allow(dead_code)]

use std::collections::BTreeMap;

use fireseal::{Companion, DataKey, DocumentPath, KeyRing, Location, OpenError, Sealable};
use firestore::FirestoreDb;
use firestore::errors::FirestoreError;
use gcloud_sdk::google::firestore::v1::{Document, MapValue, Value, value::ValueType};
use serde::Serialize;
use serde::de::DeserializeOwned;

use firestore::gcloud_sdk;

/// The fields of a document, in a fixed order.
pub type Fields = BTreeMap<String, Value>;

/// Keys and a place, the same for every call.
pub struct Place {
    pub location: Location,
    pub ring: KeyRing,
}

impl Place {
    pub fn new() -> Self {
        let location = Location::new(DocumentPath::parse("things/one").unwrap());
        Self { location, ring: KeyRing::new(DataKey::from_bytes(&[7; 32])) }
    }

    pub fn seal<T: Sealable>(&self, plain: &T) -> T::Sealed {
        plain.seal(&self.location, &self.ring).unwrap()
    }

    pub fn open<T: Sealable>(&self, sealed: T::Sealed) -> Result<T, OpenError> {
        T::open(sealed, &self.location, &self.ring)
    }

    /// Seals, stores, reads and opens.
    pub fn round<T: Sealable<Sealed: Companion<Open = T>>>(&self, plain: &T) -> T {
        let document = stored(&self.seal(plain));
        self.open(read::<T::Sealed>(&document).unwrap()).unwrap()
    }
}

/// What the `firestore` crate stores for a value. A value that is no map stands in a field `value`.
pub fn stored<T: Serialize>(value: &T) -> Document {
    #[derive(Serialize)]
    struct Held<'a, T> {
        value: &'a T,
    }
    FirestoreDb::serialize_to_doc("projects/p/databases/d/documents/things/one", &Held { value }).unwrap()
}

/// Reads what [`stored`] gave.
pub fn read<T: DeserializeOwned>(document: &Document) -> Result<T, FirestoreError> {
    #[derive(serde::Deserialize)]
    struct Held<T> {
        value: T,
    }
    FirestoreDb::deserialize_doc_to::<Held<T>>(document).map(|held| held.value)
}

/// The value as [`stored`] holds it.
pub fn value(document: &Document) -> &Value {
    &document.fields["value"]
}

/// A copy of the document with the value changed.
pub fn changed(document: &Document, change: impl FnOnce(&mut MapValue)) -> Document {
    let mut document = document.clone();
    let Some(ValueType::MapValue(map)) = &mut document.fields.get_mut("value").unwrap().value_type else {
        panic!("not a map: {document:?}");
    };
    change(map);
    document
}

/// The value's shape: names and structure, with `_` for each value that is not a map or an array, so
/// that a sealed value and a plain one look alike.
pub fn shape(value: &Value) -> String {
    match &value.value_type {
        Some(ValueType::MapValue(map)) => {
            let fields: Fields = map.fields.clone().into_iter().collect();
            let fields: Vec<_> =
                fields.iter().map(|(name, value)| format!("{name}: {}", shape(value))).collect();
            format!("{{{}}}", fields.join(", "))
        }
        Some(ValueType::ArrayValue(array)) => {
            let values: Vec<_> = array.values.iter().map(shape).collect();
            format!("[{}]", values.join(", "))
        }
        Some(_) => "_".to_owned(),
        None => "nothing".to_owned(),
    }
}
