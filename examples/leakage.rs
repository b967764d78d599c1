//! Prints what an index would reveal of the values on standard input, one a line:
//!
//! ```text
//! cargo run --example leakage -- equality casefold bits=16 < emails.txt
//! cargo run --example leakage -- prefix min=2 max=6 trim casefold < names.txt
//! cargo run --example leakage -- words nfkc casefold < notes.txt
//! cargo run --example leakage -- integers min=0 max=200000 step=1000 < salaries.txt
//! cargo run --example leakage -- decimals min=0.00 max=1000.00 step=0.50 < prices.txt
//! cargo run --example leakage -- times min=-2208988800 max=4102444800 step=86400 < birthdays.txt
//! ```

use std::error::Error;
use std::io::BufRead;
use std::str::FromStr;

use fireseal::{IndexInfo, IndexKind, Leakage, Normalizer, Range, Scalar};

/// The words of the command line.
struct Words(Vec<String>);

impl Words {
    /// What stands behind `name=`.
    fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
    }

    fn number<T: FromStr<Err: Error + 'static>>(&self, name: &str) -> Result<T, Box<dyn Error>> {
        Ok(self.text(name).ok_or_else(|| format!("{name}=.. is missing"))?.parse()?)
    }

    /// Bounds are texts in the program that uses an index; here they live as long as the program.
    fn bound(&self, name: &str) -> Result<&'static str, Box<dyn Error>> {
        let text = self.text(name).ok_or_else(|| format!("{name}=.. is missing"))?;
        Ok(text.to_owned().leak())
    }

    fn kind(&self) -> Result<IndexKind, Box<dyn Error>> {
        Ok(match self.0.first().map(String::as_str) {
            Some("equality") => IndexKind::Equality,
            Some("unique") => IndexKind::Unique,
            Some("prefix") => IndexKind::Prefix { min: self.number("min")?, max: self.number("max")? },
            Some("words") => IndexKind::Words,
            Some("integers") => IndexKind::Range(Range::Integer {
                min: self.number("min")?,
                max: self.number("max")?,
                step: self.number("step")?,
            }),
            Some("decimals") => IndexKind::Range(Range::Decimal {
                min: self.bound("min")?,
                max: self.bound("max")?,
                step: self.bound("step")?,
            }),
            Some("times") => IndexKind::Range(Range::Time {
                min: self.number("min")?,
                max: self.number("max")?,
                step: self.number("step")?,
            }),
            _ => {
                return Err(
                    "name an index: equality, unique, prefix, words, integers, decimals, times".into()
                );
            }
        })
    }

    fn normalize(&self) -> Vec<Normalizer> {
        let known = |word: &String| match word.as_str() {
            "trim" => Some(Normalizer::Trim),
            "casefold" => Some(Normalizer::CaseFold),
            "nfc" => Some(Normalizer::Nfc),
            "nfkc" => Some(Normalizer::Nfkc),
            "email" => Some(Normalizer::Email),
            "digits" => Some(Normalizer::Digits),
            _ => None,
        };
        self.0.iter().filter_map(known).collect()
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let words = Words(std::env::args().skip(1).collect());
    let kind = words.kind()?;
    let bits = words.text("bits").map_or(Ok(128), str::parse)?;
    let info = IndexInfo { kind, normalize: words.normalize().leak(), bits };
    let integers = matches!(kind, IndexKind::Range(Range::Integer { .. }));
    let mut values = Vec::new();
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        values.push(if integers { Scalar::Integer(line.trim().parse()?) } else { Scalar::Text(line) });
    }
    print!("{}", Leakage::of(info, &values)?);
    Ok(())
}
