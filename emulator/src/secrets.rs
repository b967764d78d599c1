//! Looking for secrets in every form in which they could show, and assertions that they do not.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use memchr::memmem;

use crate::search::{Hit, Needle};
use crate::{Error, Project};

/// A shorter secret would be found by chance.
const SHORTEST: usize = 4;

/// The form in which a secret shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Form {
    /// As it is.
    Raw,
    /// Hexadecimal digits of either case.
    Hexadecimal,
    /// Base64, of the standard or the URL-safe alphabet, wherever it begins.
    Base64,
    /// UTF-16 of either byte order.
    Utf16,
    /// A list of bytes in decimal, as `Debug` and JSON write it.
    Numbers,
    /// A number's bytes: those of a 64-bit integer or float of either byte order, or of a protobuf varint.
    Binary,
}

/// A secret that shows. It never holds the secret itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Shown {
    /// Which one, counted from 0 in the list that was looked for.
    pub secret: usize,
    /// In which form.
    pub form: Form,
    /// Where, in bytes from the beginning.
    pub at: usize,
}

/// How much was searched, without a hit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Searched {
    /// Documents, streams, texts.
    pub places: usize,
    /// Their length, in bytes.
    pub bytes: usize,
}

impl fmt::Display for Searched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} places, {} bytes", self.places, self.bytes)
    }
}

/// Every place where one of the secrets shows, in any [`Form`]. An empty answer means something only where the same
/// search would have found them: look for something that is there, too.
///
/// # Panics
/// For a secret of less than 4 bytes, which would be found by chance.
pub fn find_secrets(secrets: &[impl AsRef<[u8]>], content: impl AsRef<[u8]>) -> Vec<Shown> {
    let content = content.as_ref();
    let mut shown = Vec::new();
    for (secret, form, bytes) in forms(secrets) {
        shown.extend(memmem::find_iter(content, &bytes).map(|at| Shown { secret, form, at }));
    }
    shown
}

/// Asserts that none of the secrets shows in the content, in any [`Form`]: a log, the output of a program, a file.
///
/// ```
/// use fireseal_emulator::assert_nowhere;
///
/// let log = "customer ada was created";
/// let searched = assert_nowhere(&["078-05-1120"], log);
/// println!("{searched}: nothing found");
/// ```
///
/// # Panics
/// Where one shows, with all the places. Where there is nothing to search, and for a secret of less than 4 bytes.
#[allow(clippy::must_use_candidate)]
#[track_caller]
pub fn assert_nowhere(secrets: &[impl AsRef<[u8]>], content: impl AsRef<[u8]>) -> Searched {
    let content = content.as_ref();
    assert!(!content.is_empty(), "there is nothing to search, which proves nothing");
    let shown = find_secrets(secrets, content);
    assert!(shown.is_empty(), "secrets show in {} places: {shown:?}", shown.len());
    Searched { places: 1, bytes: content.len() }
}

impl Project {
    /// Asserts that none of the secrets is anywhere in this database, in any [`Form`]: neither in a document's path, a
    /// field's name or a map's key, nor in any value. Says how much was searched.
    ///
    /// ```no_run
    /// # async fn example(project: fireseal_emulator::Project) -> Result<(), fireseal_emulator::Error> {
    /// // ... after your program wrote customers, their numbers sealed:
    /// let searched = project.assert_sealed(&["078-05-1120", "4111 1111 1111 1111"]).await?;
    /// println!("{searched}: nothing found");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Http`] and [`Error::Refused`].
    ///
    /// # Panics
    /// Where one is found, with all the places. Where the database is empty, which would prove nothing. For a secret
    /// of less than 4 bytes.
    pub async fn assert_sealed(&self, secrets: &[impl AsRef<[u8]>]) -> Result<Searched, Error> {
        let (searched, hits) = self.find_secrets(secrets).await?;
        assert!(searched.places > 0, "the database is empty, which proves nothing");
        assert!(hits.is_empty(), "secrets are stored in the clear in {} places: {hits:#?}", hits.len());
        Ok(searched)
    }

    /// Every place of the whole database where one of the secrets stands, in any [`Form`], and how much was searched.
    ///
    /// # Errors
    /// [`Error::Http`] and [`Error::Refused`].
    ///
    /// # Panics
    /// For a secret of less than 4 bytes.
    pub async fn find_secrets(&self, secrets: &[impl AsRef<[u8]>]) -> Result<(Searched, Vec<Hit>), Error> {
        let forms = forms(secrets);
        let prefix = self.prefix();
        let (mut searched, mut hits) = (Searched::default(), Vec::new());
        for document in self.documents().await? {
            searched.places += 1;
            searched.bytes += document.to_string().len();
            for (_, _, bytes) in &forms {
                if let Some(needle) = Needle::new(bytes) {
                    needle.search(&document, &prefix, &mut hits);
                }
            }
        }
        Ok((searched, hits))
    }
}

/// Every form of every secret.
fn forms(secrets: &[impl AsRef<[u8]>]) -> Vec<(usize, Form, Vec<u8>)> {
    let mut all = Vec::new();
    for (index, secret) in secrets.iter().enumerate() {
        let secret = secret.as_ref();
        assert!(secret.len() >= SHORTEST, "a secret of {} bytes would be found by chance", secret.len());
        let mut add = |form, bytes: Vec<u8>| all.push((index, form, bytes));
        add(Form::Raw, secret.to_vec());
        let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
        if hex.to_uppercase() != hex {
            add(Form::Hexadecimal, hex.to_uppercase().into_bytes());
        }
        add(Form::Hexadecimal, hex.into_bytes());
        for shift in 0..3 {
            let standard = base64_within(&STANDARD_NO_PAD, secret, shift);
            let url_safe = base64_within(&URL_SAFE_NO_PAD, secret, shift);
            if standard != url_safe {
                add(Form::Base64, url_safe);
            }
            add(Form::Base64, standard);
        }
        for separator in [", ", ","] {
            let numbers: Vec<String> = secret.iter().map(u8::to_string).collect();
            add(Form::Numbers, numbers.join(separator).into_bytes());
        }
        if let Ok(text) = std::str::from_utf8(secret) {
            add(Form::Utf16, text.encode_utf16().flat_map(u16::to_le_bytes).collect());
            add(Form::Utf16, text.encode_utf16().flat_map(u16::to_be_bytes).collect());
            binary(text).into_iter().for_each(|bytes| add(Form::Binary, bytes));
        }
    }
    all
}

/// What is certain to stand in the base64 of any text that holds the secret `shift` bytes after a group's beginning.
fn base64_within(engine: &impl Engine, secret: &[u8], shift: usize) -> Vec<u8> {
    let encoded = engine.encode([&[0; 2][..shift], secret].concat());
    // A character that also depends on what is in front or behind is left out.
    let first = (shift * 8).div_ceil(6);
    let last = (shift + secret.len()) * 8 / 6;
    encoded.as_bytes()[first..last].to_vec()
}

/// The bytes of a number that is long enough not to be found by chance.
fn binary(text: &str) -> Vec<Vec<u8>> {
    if let Ok(number) = text.parse::<i64>() {
        let wide = number.unsigned_abs() >= 1 << 32;
        let mut varint = Vec::new();
        let mut rest = number.cast_unsigned();
        while rest >= 0x80 {
            varint.push(rest.to_le_bytes()[0] | 0x80);
            rest >>= 7;
        }
        varint.push(rest.to_le_bytes()[0]);
        if wide { vec![varint, number.to_le_bytes().into(), number.to_be_bytes().into()] } else { Vec::new() }
    } else if let Ok(number) = text.parse::<f64>() {
        vec![number.to_le_bytes().into(), number.to_be_bytes().into()]
    } else {
        Vec::new()
    }
}
