//! `fireseal vectors`: the test vectors of the format, for programs in other languages.

use clap::{Args, ValueEnum};
use serde_json::{Map, Value};

use crate::failure::{Exit, Failure};
use crate::output::Told;

/// Print the test vectors of format version 1
///
/// They are those that the project's own tests run; docs/format.md says what they mean.
#[derive(Debug, Args)]
pub struct Vectors {
    /// Which ones; all of them as one object where none is named
    set: Option<Set>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Set {
    /// The keys that the others use
    Keys,
    /// Envelopes that open, and to what
    Open,
    /// Bytes that must be refused, and why
    Refuse,
    /// Tokens of blind indexes
    Tokens,
    /// Sealed messages
    Messages,
}

impl Set {
    fn text(self) -> &'static str {
        match self {
            Self::Keys => include_str!("../../../tests/vectors/keys.json"),
            Self::Open => include_str!("../../../tests/vectors/open.json"),
            Self::Refuse => include_str!("../../../tests/vectors/refuse.json"),
            Self::Tokens => include_str!("../../../tests/vectors/tokens.json"),
            Self::Messages => include_str!("../../../tests/vectors/messages.json"),
        }
    }
}

impl Vectors {
    pub fn run(self) -> Result<Told, Failure> {
        if let Some(set) = self.set {
            return Ok(Told::raw(set.text()));
        }
        let mut all = Map::new();
        for set in Set::value_variants() {
            let name = set.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
            let value: Value = serde_json::from_str(set.text())
                .map_err(|error| Failure::new(Exit::Error, format!("the vectors {name}: {error}")))?;
            all.insert(name, value);
        }
        Ok(Told::raw(format!("{:#}\n", Value::Object(all))))
    }
}
