//! The derive under another name of the crate, and without serde among the dependencies.

use other::query::{Condition, Keyed, fields};
use other::{Companion, DataKey, DocumentPath, KeyRing, Location, Sealable};

/// A type that uses every part of the derive.
#[derive(Sealable, PartialEq)]
#[sealable(collection = "customers", crate = other, debug, zeroize, derive(PartialEq))]
#[sealable(compound(name = "both", fields(ssn, name)))]
#[serde(rename_all = "camelCase", tag = "type")]
pub struct Customer<T: Copy = u8> {
    /// The id.
    #[sealable(id)]
    pub id: String,
    /// Sealed.
    #[sensitive(pad = 32, index(normalize(digits)), prefix(min = 2, max = 4))]
    pub ssn: String,
    /// Clear.
    pub name: String,
    /// Sealed through functions of its own.
    #[sensitive(range(min = 0, max = 100, step = 1))]
    #[serde(with = "text")]
    pub number: u32,
    /// Sealed as bytes.
    #[sensitive(bytes, unique)]
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
        name: "Ada".to_owned(),
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

/// A condition on every kind of field.
pub fn condition() -> Condition<Customer, Keyed> {
    let c = fields::<Customer>();
    let clear = c.name.eq("Ada").and(c.generic.lt(9));
    clear.and(c.ssn.starts_with("07")).and(c.number.between(1..9)).and(c.both.eq(("078-05-1120", "Ada")))
}

#[cfg(test)]
mod tests {
    #[test]
    fn conditions_are_made() {
        assert!(format!("{:?}", super::condition()).contains("both"));
    }

    #[test]
    #[allow(clippy::unwrap_used)]
    fn the_round_trip_works() {
        assert!(super::round_trip().unwrap());
    }
}
