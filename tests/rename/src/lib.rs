//! The derive under another name of the crate, and without serde among the dependencies.

use other::{Companion, DataKey, DocumentPath, KeyRing, Location, Sealable};

/// A type that uses every part of the derive.
#[derive(Sealable, PartialEq)]
#[sealable(collection = "customers", crate = other, debug, zeroize, derive(PartialEq))]
#[serde(rename_all = "camelCase", tag = "type")]
pub struct Customer<T: Copy = u8> {
    /// The id.
    #[sealable(id)]
    pub id: String,
    /// Sealed.
    #[sensitive(pad = 32)]
    pub ssn: String,
    /// Sealed through functions of its own.
    #[sensitive]
    #[serde(with = "text")]
    pub number: u32,
    /// Sealed as bytes.
    #[sensitive(bytes)]
    pub photo: Vec<u8>,
    /// Clear.
    pub generic: T,
    /// Nested.
    #[sealable(nested)]
    #[serde(default)]
    pub contacts: Vec<Contact>,
}

/// An enum, whose struct variants are read through a hidden type.
#[derive(Sealable, PartialEq, Debug)]
#[sealable(crate = ::other, derive(PartialEq))]
pub enum Contact {
    /// A struct variant.
    Mail {
        /// Sealed.
        #[sensitive]
        address: String,
    },
}

mod text {
    use other::__private::serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(value: &u32, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
        <String as Deserialize>::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// Seals and opens one value.
///
/// # Errors
/// None: the example is fixed.
pub fn round_trip() -> Result<bool, Box<dyn std::error::Error>> {
    let customer = || Customer {
        id: "ada".to_owned(),
        ssn: "078-05-1120".to_owned(),
        number: 7,
        photo: vec![1, 2, 3],
        generic: 8_u8,
        contacts: vec![Contact::Mail { address: "ada@example.com".to_owned() }],
    };
    let location = Location::new(DocumentPath::parse("customers/ada")?);
    let ring = KeyRing::new(DataKey::generate()?);
    let sealed: SealedCustomer = customer().seal(&location, &ring)?;
    fn opens_to<C: Companion<Open = T>, T>(_: &C) {}
    opens_to::<_, Customer>(&sealed);
    Ok(Customer::open(sealed, &location, &ring)? == customer())
}

#[cfg(test)]
mod tests {
    #[test]
    #[allow(clippy::unwrap_used)]
    fn the_round_trip_works() {
        assert!(super::round_trip().unwrap());
    }
}
