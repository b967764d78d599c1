//! `fireseal migrate import`: values that were sealed by hand become envelopes.

use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::{Args, ValueEnum, ValueHint};
use fireseal::operations::{
    Import as ImportStep, LegacyAssociatedData, LegacyContent, LegacyEncoding, LegacyKey, LegacyLayout,
};
use zeroize::Zeroizing;

use super::work::Work;
use super::wrong;
use crate::context::Context;
use crate::failure::Failure;
use crate::output::Told;
use crate::{ask, secret};

/// Take over values that were sealed by hand: nonce (12), ChaCha20-Poly1305 ciphertext, tag (16)
///
/// The old key opens, here alone, and never becomes a data key. Where it bound nothing, importing vouches for
/// where each value was found. Every configured field of the collection is imported.
#[derive(Debug, Args)]
pub struct Import {
    /// The old key: 32 bytes in base64, in a file of mode 0600 or `-` for standard input; else it is asked for
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    legacy_key: Option<PathBuf>,
    /// How the old values are stored
    #[arg(long, value_enum, default_value_t = Encoding::Bytes)]
    encoding: Encoding,
    /// What the old values were bound to
    #[arg(long, value_enum, default_value_t = Bound::Nothing)]
    bound_to: Bound,
    /// The text that all of them were bound to
    #[arg(long, value_name = "TEXT", required_if_eq("bound_to", "text"))]
    bound_text: Option<String>,
    /// What is inside the old values
    #[arg(long, value_enum, default_value_t = Content::Text)]
    content: Content,
    #[command(flatten)]
    work: Work,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Encoding {
    Bytes,
    Base64,
    Hex,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Bound {
    /// No associated data
    Nothing,
    /// The document's id
    DocumentId,
    /// The document's path, such as customers/ada
    DocumentPath,
    /// The same text everywhere, given with --bound-text
    Text,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Content {
    Bytes,
    Text,
    Json,
}

impl Import {
    pub async fn run(self, context: &Context<'_>) -> Result<Told, Failure> {
        let config = self.work.collection(context)?;
        let text = match &self.legacy_key {
            Some(path) => secret::read(path, "the old key's file")?,
            None => ask::secret("Old key (32 bytes in base64)", "give a file with --legacy-key FILE")?,
        };
        let key = LegacyKey::from_bytes(&*key(&text)?);
        let layout = LegacyLayout {
            encoding: match self.encoding {
                Encoding::Bytes => LegacyEncoding::Bytes,
                Encoding::Base64 => LegacyEncoding::Base64,
                Encoding::Hex => LegacyEncoding::Hex,
            },
            associated_data: match self.bound_to {
                Bound::Nothing => LegacyAssociatedData::None,
                Bound::DocumentId => LegacyAssociatedData::DocumentId,
                Bound::DocumentPath => LegacyAssociatedData::DocumentPath,
                Bound::Text => LegacyAssociatedData::Fixed(self.bound_text.unwrap_or_default().into_bytes()),
            },
            content: match self.content {
                Content::Bytes => LegacyContent::Bytes,
                Content::Text => LegacyContent::Text,
                Content::Json => LegacyContent::Json,
            },
        };
        let vault = self.work.vault(context).await?;
        self.work.warn_of_loss(context, &vault).await?;
        let step = ImportStep::new(config, vault, key, layout).map_err(wrong)?;
        self.work.run(context, step).await
    }
}

/// 32 bytes in base64.
fn key(text: &str) -> Result<Zeroizing<[u8; 32]>, Failure> {
    let wrong = || Failure::usage("the old key is not 32 bytes in base64 (44 characters on one line)");
    let mut decoded = Zeroizing::new([0; 48]);
    let length = STANDARD.decode_slice(text.trim(), decoded.as_mut_slice()).map_err(|_| wrong())?;
    let mut key = Zeroizing::new([0; 32]);
    key.copy_from_slice(decoded.get(..length).filter(|bytes| bytes.len() == 32).ok_or_else(wrong)?);
    Ok(key)
}
