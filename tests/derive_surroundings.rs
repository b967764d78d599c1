//! Generated code names nothing that its surroundings can hide, and disturbs no lint.

#![deny(warnings, missing_docs, unreachable_pub, unused_qualifications, missing_copy_implementations)]
#![deny(clippy::all, clippy::pedantic)]
#![forbid(unsafe_code)]

/// A module in which every usual name means something else.
pub mod hostile {
    #![allow(dead_code)]

    use ::fireseal::Sealable as Derive;

    struct Option;
    struct Result;
    struct Sealed;
    struct Walk;
    struct Box;
    struct Clone;
    struct Default;
    trait Sealable {}
    trait Serialize {}
    fn missing() {}
    mod core {}
    mod std {}
    mod serde {}
    mod fireseal {}
    #[allow(unused_macros)]
    macro_rules! assert {
        () => {};
    }

    type Text = ::std::string::String;

    /// A customer.
    #[derive(Derive)]
    #[sealable(
        collection = "customers",
        debug,
        zeroize,
        compound(name = "both", fields(walk, indexed, __walk))
    )]
    #[serde(default = "customer")]
    pub struct Customer {
        /// The id.
        #[sealable(id)]
        pub id: Text,
        /// Sealed.
        #[sensitive]
        pub walk: Text,
        /// Nested.
        #[sealable(nested)]
        pub contacts: ::std::vec::Vec<Contact>,
        /// One value, with every index.
        #[sealable(nested)]
        pub address: ::std::option::Option<Address>,
        /// Indexed.
        #[sensitive(index)]
        pub indexed: Text,
        /// Ranged.
        #[sensitive(range(min = 0, max = 10, step = 1), unique)]
        u8: u8,
        pub(super) sealed: u8,
        __walk: u8,
    }

    /// An address.
    #[derive(Derive)]
    #[sealable(debug, compound(name = "at", fields(schema, walk), bits = 16))]
    pub struct Address {
        /// Indexed.
        #[sensitive(index, prefix(min = 1, max = 2), words)]
        schema: Text,
        /// Indexed as bytes.
        #[sensitive(unique, bytes)]
        pub walk: ::std::vec::Vec<u8>,
    }

    /// A contact.
    #[derive(Derive)]
    #[sealable(debug)]
    pub enum Contact {
        /// Nobody.
        None,
        /// Someone.
        Some {
            /// Sealed.
            #[sensitive]
            __sealed: Text,
            /// Clear.
            __f: u8,
        },
        /// Good.
        Ok(#[sensitive] Text),
        /// Bad.
        Err(#[sensitive] Text, u8),
    }

    fn customer() -> Customer {
        Customer {
            id: Text::new(),
            walk: Text::new(),
            contacts: ::std::vec::Vec::new(),
            address: ::std::option::Option::None,
            indexed: Text::new(),
            u8: 0,
            sealed: 1,
            __walk: 2,
        }
    }
}

macro_rules! made {
    ($name:ident, $field:ident: $type:ty, $word:literal) => {
        /// Made by a macro.
        #[derive(fireseal::Sealable)]
        #[sealable(derive(PartialEq, Eq, Hash))]
        pub struct $name<T = $type> {
            /// Sealed.
            #[sensitive]
            #[serde(rename = $word)]
            pub $field: $type,
            /// Clear.
            pub clear: Vec<$type>,
            /// Generic.
            #[sensitive]
            pub generic: T,
            __field0: u8,
        }
    };
}

made!(Made, secret: Option<String>, "s");

/// Old.
#[deprecated]
#[derive(fireseal::Sealable)]
#[non_exhaustive]
pub struct Old {
    /// Sealed.
    #[sensitive]
    #[deprecated]
    pub ssn: String,
}

// The code is compiled, and that is the test.
#[test]
fn compiles() {}
