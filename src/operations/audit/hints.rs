//! Plaintext look-alikes: texts that have the form of personal data and, where there is one, its checksum.

mod card;
mod email;
mod national;
mod phone;
mod words;

use std::fmt;

use serde::{Deserialize, Serialize};

use words::Words;

/// How much of a text is looked at, in bytes.
const LOOKED_AT: usize = 4_096;
/// The fewest digits that any look-alike but an e-mail address has; an IBAN and an Italian tax code have
/// letters besides.
const FEWEST_DIGITS: usize = 6;

/// What a text in the clear looks like. A hint, not a proof: one random number in ten has the check digit of
/// a card, but only one text in many is of its form and its issuer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum LookAlike {
    /// An e-mail address.
    Email,
    /// A number of a payment card: 13 to 19 digits of a known issuer that pass Luhn's check.
    Card,
    /// An international bank account number: its country's form, and the check modulo 97.
    Iban,
    /// A telephone number in the international form of E.164, with a country code that is assigned.
    Phone,
    /// A social security number of the United States, with its hyphens or spaces.
    UsSsn,
    /// A national insurance number of the United Kingdom.
    UkNino,
    /// A Spanish DNI or NIE, with its check letter.
    SpanishDni,
    /// An Italian codice fiscale, with its check letter.
    ItalianTaxCode,
    /// A French NIR, with its key.
    FrenchNir,
    /// A Brazilian CPF, with its check digits.
    BrazilianCpf,
    /// An Indian Aadhaar number, with its check digit.
    IndianAadhaar,
}

impl fmt::Display for LookAlike {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Email => "e-mail address",
            Self::Card => "payment card number",
            Self::Iban => "IBAN",
            Self::Phone => "telephone number",
            Self::UsSsn => "US social security number",
            Self::UkNino => "UK national insurance number",
            Self::SpanishDni => "Spanish DNI or NIE",
            Self::ItalianTaxCode => "Italian codice fiscale",
            Self::FrenchNir => "French NIR",
            Self::BrazilianCpf => "Brazilian CPF",
            Self::IndianAadhaar => "Indian Aadhaar number",
        })
    }
}

/// Whether something begins at a word.
type BeginsAt = fn(&Words<'_>, usize) -> bool;

/// The first look-alike in the first 4,096 bytes of a text.
pub(super) fn in_text(text: &str) -> Option<LookAlike> {
    let text = &text[..text.floor_char_boundary(LOOKED_AT)];
    if email::is_in(text) {
        return Some(LookAlike::Email);
    }
    if text.bytes().filter(u8::is_ascii_digit).take(FEWEST_DIGITS).count() < FEWEST_DIGITS {
        return None;
    }
    let words = Words::of(text);
    let tests: [(LookAlike, BeginsAt); 10] = [
        (LookAlike::Phone, phone::begins_at),
        (LookAlike::Iban, card::iban_begins_at),
        (LookAlike::Card, card::begins_at),
        (LookAlike::UsSsn, national::us_ssn),
        (LookAlike::UkNino, national::uk_nino),
        (LookAlike::SpanishDni, national::spanish_dni),
        (LookAlike::ItalianTaxCode, national::italian_tax_code),
        (LookAlike::FrenchNir, national::french_nir),
        (LookAlike::BrazilianCpf, national::brazilian_cpf),
        (LookAlike::IndianAadhaar, national::indian_aadhaar),
    ];
    (0..words.len()).find_map(|at| tests.iter().find(|(_, test)| test(&words, at)).map(|(kind, _)| *kind))
}

/// What a whole number looks like: cards alone are told from other numbers.
pub(super) fn in_integer(number: i64) -> Option<LookAlike> {
    card::is_card(&number.to_string()).then_some(LookAlike::Card)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_found_alone_and_within_a_text() {
        let examples = [
            // RFC 2606 and RFC 5322.
            (LookAlike::Email, "ada@example.com"),
            (LookAlike::Email, "first.last+tag@mail.example.co.uk"),
            (LookAlike::Email, "用户@例子.公司"),
            // The issuers' published test numbers.
            (LookAlike::Card, "4111 1111 1111 1111"),
            (LookAlike::Card, "5555-5555-5555-4444"),
            (LookAlike::Card, "2223003122003222"),
            (LookAlike::Card, "3782 822463 10005"),
            (LookAlike::Card, "6011111111111117"),
            (LookAlike::Card, "30569309025904"),
            (LookAlike::Card, "3530111333300000"),
            // The SWIFT registry's examples.
            (LookAlike::Iban, "GB29NWBK60161331926819"),
            (LookAlike::Iban, "DE89 3704 0044 0532 0130 00"),
            (LookAlike::Iban, "NO93 8601 1117 947"),
            // Ofcom's and the FCC's numbers for fiction.
            (LookAlike::Phone, "+442079460958"),
            (LookAlike::Phone, "+44 20 7946 0958"),
            (LookAlike::Phone, "+1 (202) 555-0143"),
            // Numbers that the agencies print in their own leaflets.
            (LookAlike::UsSsn, "078-05-1120"),
            (LookAlike::UkNino, "AB 12 34 56 C"),
            (LookAlike::UkNino, "AB123456C"),
            (LookAlike::SpanishDni, "12345678Z"),
            (LookAlike::SpanishDni, "X1234567L"),
            (LookAlike::SpanishDni, "12345678-Z"),
            (LookAlike::ItalianTaxCode, "RSSMRA85T10A562S"),
            (LookAlike::FrenchNir, "255081416802538"),
            (LookAlike::FrenchNir, "2 55 08 14 168 025 38"),
            (LookAlike::BrazilianCpf, "111.444.777-35"),
            (LookAlike::BrazilianCpf, "11144477735"),
            (LookAlike::IndianAadhaar, "9999 4105 7058"),
        ];
        for (kind, text) in examples {
            assert_eq!(in_text(text), Some(kind), "{text}");
            let bare = text.bytes().all(|byte| byte.is_ascii_digit()) && text.len() < 13;
            if !bare {
                let within = format!("the value is {text}, as he said.");
                assert_eq!(in_text(&within), Some(kind), "{within}");
            }
        }
    }

    #[test]
    fn what_only_resembles_is_let_be() {
        let texts = [
            "",
            "Ada Lovelace",
            "logo@2x.png",
            "package@1.2.3",
            "@example.com",
            "a@b",
            "2026-11-23T02:29:47.123456Z",
            "1700000000000",
            "1700000000000000",
            "550e8400-e29b-41d4-a716-446655440000",
            "4111 1111 1111 1112",
            "4111 1111 11111 111",
            "9111111111111111",
            "0000000000000000",
            "DE88370400440532013000",
            "XX89370400440532013000",
            "000-05-1120",
            "666-05-1120",
            "900-05-1120",
            "078-00-1120",
            "078-05-0000",
            "078051120",
            "078-05 1120",
            "BG123456C",
            "DA123456C",
            "AB123456E",
            "12345678A",
            "X1234567A",
            "RSSMRA85T10A562T",
            "255081416802539",
            "111.444.777-36",
            "111.111.111-11",
            "9999 4105 7059",
            "0999 4105 7058",
            "+999 123 456 789",
            "+12",
            "+0 123 456 789",
            "3.14159265358979",
            "-78.05.1120",
            "v1.22.333.4444",
        ];
        for text in texts {
            assert_eq!(in_text(text), None, "{text}");
        }
    }

    #[test]
    fn numbers_are_told_from_cards() {
        assert_eq!(in_integer(4_111_111_111_111_111), Some(LookAlike::Card));
        for other in [0, -4_111_111_111_111_111, 4_111_111_111_111_112, i64::MAX, i64::MIN, 1_700_000_000_000]
        {
            assert_eq!(in_integer(other), None, "{other}");
        }
    }

    #[test]
    fn a_long_text_is_looked_at_in_part_and_never_cut_inside_a_letter() {
        let long = format!("{} ada@example.com", "é".repeat(3_000));
        assert_eq!(in_text(&long), None);
        let long = format!("{} ada@example.com", "é".repeat(2_000));
        assert_eq!(in_text(&long), Some(LookAlike::Email));
    }
}
