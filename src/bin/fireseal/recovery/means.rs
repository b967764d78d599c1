//! What a person recovers with: a code, an identity, or shares; told apart by itself.

use std::path::PathBuf;

use clap::{Args, ValueHint};
use fireseal::AgeIdentity;
use fireseal::custody::{RecoveryCode, Share, ShareError, combine_shares};
use zeroize::Zeroizing;

use crate::failure::{Exit, Failure};
use crate::{ask, roots, secret};

/// Where it comes from.
#[derive(Debug, Args)]
pub struct From {
    /// A file of mode 0600, or `-` for standard input, with a recovery code, an age identity, or shares;
    /// else it is asked for without echo
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    from: Option<PathBuf>,
}

/// A way back, as a person gave it.
pub enum Means {
    Code(RecoveryCode),
    Identity(AgeIdentity),
}

impl From {
    pub fn read(&self) -> Result<Means, Failure> {
        let Some(path) = &self.from else { return asked() };
        let text = secret::read(path, "the file")?;
        if !text.contains("fireseal-share-v1") {
            return one(&text);
        }
        let shares: Result<Vec<Share>, ShareError> = lines(&text).map(Share::parse).collect();
        whole(&shares.map_err(wrong)?)
    }
}

/// Asks until there is enough.
fn asked() -> Result<Means, Failure> {
    let ask = |what: &str| ask::secret(what, "give a file with --from FILE, or standard input with --from -");
    let first = ask("Recovery code, age identity or first share")?;
    if !first.trim().starts_with("fireseal-share-v1") {
        return one(&first);
    }
    let mut shares = vec![Share::parse(&first).map_err(wrong)?];
    while shares.first().is_some_and(|share| shares.len() < usize::from(share.threshold())) {
        let text = ask(&format!("Share {}", shares.len() + 1))?;
        match Share::parse(&text) {
            Ok(share) => shares.push(share),
            Err(error) => eprintln!("{error}"),
        }
    }
    whole(&shares)
}

fn one(text: &Zeroizing<String>) -> Result<Means, Failure> {
    if text.to_uppercase().contains("AGE-SECRET-KEY-") {
        return roots::identity(text).map(Means::Identity);
    }
    let mut lines = lines(text);
    let (Some(line), None) = (lines.next(), lines.next()) else {
        return Err(Failure::usage("give one recovery code, one identity, or the shares of one quorum")
            .advise("of a list of codes, take the line of one"));
    };
    RecoveryCode::parse(line).map(Means::Code).map_err(|error| Failure::of(Exit::Error, &error))
}

fn whole(shares: &[Share]) -> Result<Means, Failure> {
    combine_shares(shares).map(Means::Identity).map_err(wrong)
}

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
}

fn wrong(error: ShareError) -> Failure {
    Failure::of(Exit::Error, &error)
}
