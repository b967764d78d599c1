//! A quorum: an age identity in n shares, of which k open the ring. It stays the same identity when the
//! ring is rotated, so the shares stay good.

use std::collections::HashSet;
use std::sync::Arc;

use bech32::{Bech32, Hrp};
use getrandom::SysRng;
use getrandom::rand_core::UnwrapErr;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use vsss_rs::Gf256;
use zeroize::{Zeroize as _, Zeroizing};

use super::super::authority::Authority;
use super::super::manifest::SlotKind;
use super::super::slots::NewSlot;
use super::super::vault::KeyVault;
use super::crockford;
use super::error::RecoveryError;
use super::share::{SET_DIGITS, Share, ShareError};
use crate::bytes::Scope;
use crate::keys::{AgeIdentity, AgeRecipient};

const SET_LABEL: &[u8] = b"fireseal-share-set-v1\0";
const MAX_SHARES: usize = 64;
/// What an age identity's text begins with, before the `1` that ends it.
const IDENTITY_HRP: Hrp = Hrp::parse_unchecked("AGE-SECRET-KEY-");

/// Splits an identity into `count` shares, any `threshold` of which make it whole. Shamir's scheme over
/// GF(256), byte by byte. 2 ≤ threshold ≤ count ≤ 64.
///
/// # Errors
/// [`ShareError::Quorum`] for other numbers; [`ShareError::Random`].
pub fn split_identity(
    identity: &AgeIdentity,
    threshold: usize,
    count: usize,
) -> Result<Vec<Share>, ShareError> {
    let wrong = ShareError::Quorum { threshold, count };
    let needed = u8::try_from(threshold).map_err(|_| wrong.clone())?;
    if needed < 2 || threshold > count || count > MAX_SHARES {
        return Err(wrong);
    }
    // The generator below panics where the operating system fails it: asked once before.
    getrandom::fill(&mut [0; 32]).map_err(|_| ShareError::Random)?;
    let secret = secret_bytes(identity);
    let mut parts =
        Gf256::split_bytes(threshold, count, secret.as_slice(), UnwrapErr(SysRng)).map_err(|_| wrong)?;
    let set = set_of(identity.recipient());
    let share = |part: &Vec<u8>| {
        let (index, bytes) = part.split_first().expect("a number, then a byte for each of the secret's");
        let mut secret = Zeroizing::new([0; 32]);
        secret.copy_from_slice(bytes);
        Share { set, index: *index, threshold: needed, secret }
    };
    let shares = parts.iter().map(share).collect();
    parts.zeroize();
    Ok(shares)
}

/// Makes the identity whole from at least as many shares as are needed, in any order.
///
/// # Errors
/// [`ShareError`] for too few, for one twice, for those of different sets, and where what they make is
/// not the identity of their set.
pub fn combine_shares(shares: &[Share]) -> Result<AgeIdentity, ShareError> {
    let first = shares.first().ok_or(ShareError::None)?;
    let mut indexes = HashSet::new();
    for share in shares {
        if share.set != first.set {
            return Err(ShareError::MixedSets { first: first.set(), second: share.set() });
        }
        if !indexes.insert(share.index) {
            return Err(ShareError::Duplicate { set: share.set(), index: share.index });
        }
    }
    let needed = shares.iter().map(|share| share.threshold).max().unwrap_or(first.threshold);
    if shares.len() < usize::from(needed) {
        return Err(ShareError::TooFew { set: first.set(), needed, given: shares.len() });
    }
    let not_whole = || ShareError::NotWhole { set: first.set() };
    let part = |share: &Share| [&[share.index], share.secret.as_slice()].concat();
    let mut parts: Vec<Vec<u8>> = shares.iter().map(part).collect();
    let secret = Gf256::combine_bytes(&parts).map(Zeroizing::new);
    parts.zeroize();
    let identity = identity_of(&secret.map_err(|_| not_whole())?).ok_or_else(not_whole)?;
    if set_of(identity.recipient()) == first.set { Ok(identity) } else { Err(not_whole()) }
}

impl KeyVault {
    /// Makes a quorum for a scope: an identity that exists as shares only, any `threshold` of `count`, and
    /// a slot of it named by the set and the numbers. Give each share to another person; nobody can show
    /// them again. The slot is not verified until [`combine_shares`] and [`drill`](Self::drill) prove it.
    ///
    /// # Errors
    /// [`ShareError::Quorum`]; as [`add_slot`](Self::add_slot).
    pub async fn create_quorum(
        &self,
        authority: &Authority,
        scope: &Scope,
        threshold: usize,
        count: usize,
    ) -> Result<Vec<Share>, RecoveryError> {
        self.check_authority(authority)?;
        let identity = AgeIdentity::generate();
        let shares = split_identity(&identity, threshold, count)?;
        let set = shares.first().map(Share::set).unwrap_or_default();
        let slot = NewSlot::new(SlotKind::Quorum).named(format!("{set}, {threshold} of {count}"));
        self.add_slot(authority, scope, Arc::new(identity.recipient().clone()), slot).await?;
        Ok(shares)
    }
}

fn set_of(recipient: &AgeRecipient) -> [u8; SET_DIGITS] {
    let mut hash = Sha256::new();
    hash.update(SET_LABEL);
    hash.update(recipient.to_string().as_bytes());
    let digits = crockford::encode(&hash.finalize());
    let mut set = [0; SET_DIGITS];
    set.copy_from_slice(digits.get(..SET_DIGITS).expect("32 bytes are 52 digits"));
    set
}

fn secret_bytes(identity: &AgeIdentity) -> Zeroizing<Vec<u8>> {
    let (_, bytes) = bech32::decode(identity.expose_text().expose_secret()).expect("age writes bech32");
    Zeroizing::new(bytes)
}

fn identity_of(secret: &[u8]) -> Option<AgeIdentity> {
    let text = bech32::encode_upper::<Bech32>(IDENTITY_HRP, secret).ok()?;
    AgeIdentity::parse(&SecretString::from(text)).ok()
}
