//! What a normaliser does to a text. Frozen: the tests hold a hash over every code point.

use std::borrow::Cow;
use std::ops::Deref;

use icu_casemap::CaseMapper;
use icu_normalizer::ComposingNormalizerBorrowed as Composing;
use icu_properties::CodePointMapData;
use icu_properties::props::GeneralCategory;
use unicode_segmentation::UnicodeSegmentation;
use zeroize::{Zeroize, Zeroizing};

use super::info::Normalizer;

/// A text after its normalisers. Wiped on drop where it is a copy.
pub(super) struct Normal<'a>(Cow<'a, str>);

impl<'a> Normal<'a> {
    pub(super) fn of(text: &'a str, steps: &[Normalizer]) -> Self {
        steps.iter().fold(Self(Cow::Borrowed(text)), |text, step| text.step(*step))
    }

    fn step(self, step: Normalizer) -> Self {
        match step {
            Normalizer::Trim => self.map(|text| text.trim().into()),
            Normalizer::CaseFold => self.map(|text| CaseMapper::new().fold_string(text)),
            Normalizer::Nfc => self.map(|text| Composing::new_nfc().normalize(text)),
            Normalizer::Nfkc => self.map(|text| Composing::new_nfkc().normalize(text)),
            Normalizer::Email => {
                self.step(Normalizer::Nfkc).step(Normalizer::Trim).map(|text| email(text).into())
            }
            Normalizer::Digits => self.map(|text| text.chars().filter_map(digit).collect()),
        }
    }

    fn map(self, change: impl FnOnce(&str) -> Cow<'_, str>) -> Self {
        match change(&self.0) {
            Cow::Borrowed(same) if same.len() == self.0.len() => self,
            changed => Self(Cow::Owned(changed.into_owned())),
        }
    }

    /// The words, by Unicode's rules (UAX #29); what holds no letter and no digit is none.
    pub(super) fn words(&self) -> impl Iterator<Item = &str> {
        self.0.unicode_words()
    }
}

impl Deref for Normal<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Drop for Normal<'_> {
    fn drop(&mut self) {
        if let Cow::Owned(text) = &mut self.0 {
            text.zeroize();
        }
    }
}

/// Case folding for the mailbox; for the domain lower case letter by letter, since folding would make two
/// domains one: `straße.example` is not `strasse.example`.
fn email(address: &str) -> String {
    let (mailbox, domain) = address.rsplit_once('@').map_or((address, None), |(m, d)| (m, Some(d)));
    let mut normal = String::with_capacity(address.len() + 16);
    normal.push_str(&Zeroizing::new(CaseMapper::new().fold_string(mailbox).into_owned()));
    if let Some(domain) = domain {
        normal.push('@');
        normal.extend(domain.chars().map(|letter| CaseMapper::new().simple_lowercase(letter)));
    }
    // Folding can undo the composition.
    match Composing::new_nfkc().normalize(&normal) {
        Cow::Borrowed(_) => normal,
        Cow::Owned(composed) => {
            normal.zeroize();
            composed
        }
    }
}

/// The decimal digits of every script stand ten in a row, and so do the rows that touch.
fn digit(letter: char) -> Option<char> {
    let is_digit =
        |code| CodePointMapData::<GeneralCategory>::new().get32(code) == GeneralCategory::DecimalNumber;
    let code = u32::from(letter);
    if !is_digit(code) {
        return None;
    }
    let before = (0..code).rev().take_while(|code| is_digit(*code)).count();
    char::from_digit(u32::try_from(before % 10).ok()?, 10)
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    use super::*;

    fn normal(text: &str, steps: &[Normalizer]) -> String {
        Normal::of(text, steps).to_string()
    }

    #[test]
    fn each_does_what_it_says() {
        use Normalizer::{CaseFold, Digits, Email, Nfc, Nfkc, Trim};
        assert_eq!(normal(" \u{3000}Ada\u{a0}\n", &[Trim]), "Ada");
        assert_eq!(normal("Straße ΣΊΣΥΦΟΣ", &[CaseFold]), "strasse σίσυφοσ");
        assert_eq!(normal("Cafe\u{301}", &[Nfc]), "Café");
        assert_eq!(normal("ﬁＡ①", &[Nfc]), "ﬁＡ①");
        assert_eq!(normal("ﬁＡ①", &[Nfkc]), "fiA1");
        assert_eq!(normal("  Ada.L+x@MAIL.Example\t", &[Email]), "ada.l+x@mail.example");
        assert_eq!(normal("Ａda＠straße.example", &[Email]), "ada@straße.example");
        assert_eq!(normal("STRASSE", &[Email]), normal("straße", &[Email]));
        assert_eq!(normal("+44 (0)20 7946-0958", &[Digits]), "4402079460958");
        assert_eq!(normal("٠١٢ ９８ 𝟘𝟡𝟯", &[Digits]), "01298093");
        assert_eq!(normal(" ＡＤＡ ", &[Nfkc, Trim, CaseFold]), "ada");
    }

    /// The planes that have letters, and the tags.
    fn letters() -> impl Iterator<Item = char> {
        ('\0'..='\u{323af}').chain('\u{e0000}'..='\u{e0fff}')
    }

    #[test]
    fn steps_that_do_it_twice_change_nothing() {
        for letter in letters() {
            let text = format!("x{letter}\u{301}@{letter}");
            for step in [
                Normalizer::Trim,
                Normalizer::CaseFold,
                Normalizer::Nfc,
                Normalizer::Nfkc,
                Normalizer::Digits,
            ] {
                let once = normal(&text, &[step]);
                assert_eq!(normal(&once, &[step]), once, "{step:?} of {:x}", u32::from(letter));
            }
        }
    }

    /// A new version of a Unicode table must not change a token in silence: what it changes is told in the
    /// change log, with whether indexes have to be made again.
    #[test]
    fn every_code_point_gives_what_it_gave() {
        let hash = |step: Option<Normalizer>| {
            let mut hash = Sha256::new();
            for letter in letters() {
                match step {
                    Some(step) => {
                        hash.update(normal(&format!("{letter}aA\u{301}@{letter}b{letter}"), &[step]))
                    }
                    None => Normal::of(&format!("a{letter}b{letter}1"), &[]).words().for_each(|word| {
                        hash.update(word);
                        hash.update([0]);
                    }),
                }
            }
            hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect::<String>()
        };
        let found = [
            hash(Some(Normalizer::Trim)),
            hash(Some(Normalizer::CaseFold)),
            hash(Some(Normalizer::Nfc)),
            hash(Some(Normalizer::Nfkc)),
            hash(Some(Normalizer::Email)),
            hash(Some(Normalizer::Digits)),
            hash(None),
        ];
        assert_eq!(
            found,
            [
                "a767b627e3fb90c2",
                "a060e4f5fe4e9fda",
                "ad8e26befc00b8d4",
                "d6acde608cc048e3",
                "f6d5fd9d2fa87b5d",
                "549015113af29346",
                "8c0c6303313c9218"
            ]
        );
    }
}
