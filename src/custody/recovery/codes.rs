//! Sets of recovery codes in a vault: made, tried, used up.
//!
//! A code's slot is an age identity of its own, and the code opens that: the slot's attachment is the
//! identity as an age file with the code as its passphrase. So a rotation wraps the new key for every
//! code without any code at hand, and however many keys there are, one passphrase is stretched.

use std::sync::Arc;

use zeroize::Zeroizing;

use super::super::authority::Authority;
use super::super::manifest::{Slot, SlotKind};
use super::super::slots::NewSlot;
use super::super::vault::KeyVault;
use super::code::RecoveryCode;
use super::crockford;
use super::error::RecoveryError;
use crate::bytes::Scope;
use crate::keys::{AgeIdentity, AgePassphrase, KeyWrapper, WrapError};

/// The most codes in a set.
pub const MAX_CODES: usize = 31;

impl KeyVault {
    /// Makes a set of recovery codes for a scope, each with a slot of its own named by the code's first
    /// group. Print them: nobody can show them again. Each takes about a second and 256 MiB for a moment.
    ///
    /// The slots are not verified until somebody types each code from the paper into
    /// [`drill_code`](Self::drill_code).
    ///
    /// # Errors
    /// [`RecoveryError::CodeCount`]; as [`add_slot`](Self::add_slot).
    pub async fn create_recovery_codes(
        &self,
        authority: &Authority,
        scope: &Scope,
        count: usize,
    ) -> Result<Vec<RecoveryCode>, RecoveryError> {
        self.create_codes(authority, scope, count, |passphrase| passphrase).await
    }

    /// The same with a work factor of 2^`log_n`, which makes guessing cheap.
    ///
    /// # Errors
    /// As [`create_recovery_codes`](Self::create_recovery_codes).
    #[cfg(feature = "testing")]
    pub async fn create_weak_recovery_codes_for_tests(
        &self,
        authority: &Authority,
        scope: &Scope,
        count: usize,
        log_n: u8,
    ) -> Result<Vec<RecoveryCode>, RecoveryError> {
        let weak = |passphrase: AgePassphrase| passphrase.with_weak_work_factor_for_tests(log_n);
        self.create_codes(authority, scope, count, weak).await
    }

    async fn create_codes(
        &self,
        authority: &Authority,
        scope: &Scope,
        count: usize,
        tune: impl Fn(AgePassphrase) -> AgePassphrase,
    ) -> Result<Vec<RecoveryCode>, RecoveryError> {
        let last = u8::try_from(count).ok().filter(|_| (1..=MAX_CODES).contains(&count));
        let last = last.ok_or(RecoveryError::CodeCount { count })?;
        self.check_authority(authority)?;
        let set = new_set(&self.slots(scope, SlotKind::RecoveryCode).await?)?;
        let (mut codes, mut slots) = (Vec::new(), Vec::<(Arc<dyn KeyWrapper>, NewSlot)>::new());
        for number in 1..=last {
            let code = RecoveryCode::generate(set, number).map_err(|_| RecoveryError::Random)?;
            let identity = AgeIdentity::generate();
            let locked = lock(&identity, &tune(passphrase(&code)?)).await?;
            let slot = NewSlot::new(SlotKind::RecoveryCode).named(code.name()).with_attachment(locked);
            // The recipient only: that the code opens its slot is for the paper to prove.
            slots.push((Arc::new(identity.recipient().clone()), slot));
            codes.push(code);
        }
        let (draft, _) = self.reslotted(authority, scope, slots, &[], false).await?;
        self.commit(authority, draft).await?;
        Ok(codes)
    }

    /// The drill of a code: proves that it opens the ring by itself, and records when. The code stays
    /// good. Returns its slot's number.
    ///
    /// # Errors
    /// As [`open_with_code`](Self::open_with_code) and [`drill`](Self::drill).
    pub async fn drill_code(
        &self,
        authority: &Authority,
        scope: &Scope,
        code: &RecoveryCode,
    ) -> Result<u32, RecoveryError> {
        let (_, identity) = self.unlock(scope, code).await?;
        Ok(self.drill(authority, scope, &identity).await?)
    }

    /// Opens a ring with a code alone: the vault that is returned has no other root. Changes nothing, and
    /// needs no authority; the code stays good. **It should not**: whoever has the authority calls
    /// [`recover_with_code`](Self::recover_with_code) next, which uses the code up.
    ///
    /// # Errors
    /// [`RecoveryError::CodeUnknown`] where no slot has the code's name, before any slow work;
    /// [`RecoveryError::CodeDoesNotOpen`].
    pub async fn open_with_code(
        &self,
        scope: &Scope,
        code: &RecoveryCode,
    ) -> Result<KeyVault, RecoveryError> {
        let (_, identity) = self.unlock(scope, code).await?;
        tracing::warn!(
            scope = %scope, code = code.name(),
            "a recovery code opened the ring and is still good; use it up with `recover_with_code`"
        );
        Ok(self.with_only_root(identity))
    }

    /// Recovers a ring with a code alone, and uses the code up: adds the new roots, removes the slots that
    /// are lost and the code's own, and makes a new primary data key that the code never opened. All of it
    /// is one commit, or nothing. Returns this vault with the new roots.
    ///
    /// Slots that stay need their roots supplied, besides people's, which the ring lists in full; name the
    /// others as lost. The index key is as it was: where the code may have been in others' hands,
    /// [`rotate_index`](Self::rotate_index) too.
    ///
    /// # Errors
    /// As [`open_with_code`](Self::open_with_code) and [`rewrap`](Self::rewrap);
    /// [`VaultError::LastUsableWrap`](super::super::VaultError::LastUsableWrap) where no new root was given
    /// and no slot that stays is proved.
    pub async fn recover_with_code(
        &self,
        authority: &Authority,
        scope: &Scope,
        code: &RecoveryCode,
        new: Vec<(Arc<dyn KeyWrapper>, NewSlot)>,
        lost: &[u32],
    ) -> Result<KeyVault, RecoveryError> {
        self.check_authority(authority)?;
        let (slot, identity) = self.unlock(scope, code).await?;
        let roots: Vec<_> = new.iter().map(|(root, _)| Arc::clone(root)).collect();
        let recovered = roots.iter().cloned().fold(self.clone(), KeyVault::with_shared_root);
        // Opened through the code alone, and wrapped for every root at hand.
        let alone: Arc<dyn KeyWrapper> = Arc::new(identity);
        let opening = recovered.clone().edit(|shared| shared.roots.insert(0, alone));
        let mut remove = lost.to_vec();
        remove.push(slot.id);
        let (mut draft, _) = opening.reslotted(authority, scope, new, &remove, false).await?;
        opening.renew_data_key(&mut draft).await?;
        recovered.commit(authority, draft).await?;
        Ok(recovered)
    }

    async fn unlock(&self, scope: &Scope, code: &RecoveryCode) -> Result<(Slot, AgeIdentity), RecoveryError> {
        let name = || code.name().to_owned();
        let slots = self.slots(scope, SlotKind::RecoveryCode).await?;
        let slot = slots.into_iter().find(|slot| slot.name == code.name());
        let slot = slot.ok_or_else(|| RecoveryError::CodeUnknown { scope: scope.clone(), name: name() })?;
        let refused = || RecoveryError::CodeDoesNotOpen { scope: scope.clone(), name: name() };
        let opened = passphrase(code)?.unwrap(&slot.attachment, b"").await;
        let text = opened.map_err(|error| match error {
            WrapError::DoesNotUnwrap { .. } => refused(),
            other => other.into(),
        })?;
        let text = std::str::from_utf8(&text).map_err(|_| refused())?;
        let identity = AgeIdentity::parse(&text.to_owned().into()).map_err(|_| refused())?;
        if identity.root() == slot.root { Ok((slot, identity)) } else { Err(refused()) }
    }
}

fn passphrase(code: &RecoveryCode) -> Result<AgePassphrase, WrapError> {
    AgePassphrase::new(code.name(), code.expose_text().to_owned().into())
}

/// The identity as an age file that the passphrase opens: what `age -d -i` takes as an identity.
async fn lock(identity: &AgeIdentity, passphrase: &AgePassphrase) -> Result<Vec<u8>, WrapError> {
    use secrecy::ExposeSecret as _;
    let secret = identity.expose_text();
    let mut text = Zeroizing::new(String::with_capacity(secret.expose_secret().len() + 1));
    text.push_str(secret.expose_secret());
    text.push('\n');
    passphrase.wrap(text.as_bytes(), b"").await
}

/// The name of a set that no slot has.
fn new_set(slots: &[Slot]) -> Result<[u8; 3], RecoveryError> {
    loop {
        let mut set = [0; 3];
        getrandom::fill(&mut set).map_err(|_| RecoveryError::Random)?;
        let set = set.map(|byte| byte & 31);
        let name: String = set.iter().map(|digit| crockford::character(*digit)).collect();
        if slots.iter().all(|slot| !slot.name.starts_with(&name)) {
            return Ok(set);
        }
    }
}
