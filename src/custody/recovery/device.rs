//! Trusted devices: each makes its own identity and asks; who holds the authority compares and approves.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::super::authority::{Authority, AuthorityKey};
use super::super::codec::{Reader, Writer};
use super::super::error::VaultError;
use super::super::manifest::SlotKind;
use super::super::slots::NewSlot;
use super::super::vault::KeyVault;
use super::crockford;
use super::error::RecoveryError;
use crate::bytes::Scope;
use crate::keys::{AgeRecipient, KeyWrapper as _};

const LABEL: &str = "fireseal-device-v1";
const FINGERPRINT_LABEL: &[u8] = b"fireseal-device-fingerprint-v1";
/// 100 bits.
const FINGERPRINT_DIGITS: usize = 20;
const MAX_NAME_CHARS: usize = 64;
/// A longer line is refused unread.
const MAX_LINE_BYTES: usize = 8 * 1024;

/// What a device asks to be approved: its recipient, its name, the scope, and the authority that it
/// trusts. No secret, but not to be believed before its [`fingerprint`](Self::fingerprint) was compared.
///
/// `Display` gives one line, which [`FromStr`] reads.
#[derive(Debug, Clone)]
pub struct DeviceRequest {
    recipient: AgeRecipient,
    name: String,
    scope: Scope,
    authority: AuthorityKey,
}

impl DeviceRequest {
    /// The request of a device, made on the device: of its own identity's recipient, under the name that
    /// people will see, 1 to 64 characters.
    ///
    /// # Errors
    /// [`RecoveryError::DeviceName`].
    pub fn new(
        recipient: &AgeRecipient,
        name: &str,
        scope: &Scope,
        authority: AuthorityKey,
    ) -> Result<Self, RecoveryError> {
        check_name(name)?;
        Ok(Self { recipient: recipient.clone(), name: name.to_owned(), scope: scope.clone(), authority })
    }

    /// The device's recipient.
    #[must_use]
    pub fn recipient(&self) -> &AgeRecipient {
        &self.recipient
    }

    /// The device's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The scope whose ring it asks for.
    #[must_use]
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// 100 bits of SHA-256 over recipient, authority, scope and name, as 20 characters in groups of four.
    /// The device shows it; its owner reads it out, on the phone say, to whoever approves.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        crockford::print(&self.fingerprint_digits()).to_string()
    }

    fn fingerprint_digits(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.bytes(FINGERPRINT_LABEL);
        writer.bytes(&self.record());
        let mut digits = crockford::encode(&Sha256::digest(writer.finish())).to_vec();
        digits.truncate(FINGERPRINT_DIGITS);
        digits
    }

    fn record(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.bytes(self.recipient.to_string().as_bytes());
        writer.fixed(self.authority.as_bytes());
        writer.bytes(self.scope.as_str().as_bytes());
        writer.bytes(self.name.as_bytes());
        writer.finish()
    }

    fn read(line: &str) -> Option<Self> {
        let encoded = line.strip_prefix(LABEL)?.strip_prefix(':')?;
        let record = URL_SAFE_NO_PAD.decode(encoded).ok()?;
        let mut reader = Reader(&record);
        let recipient: AgeRecipient = reader.text()?.parse().ok()?;
        let authority = AuthorityKey::from_bytes(&reader.fixed()?)?;
        let scope = Scope::new(reader.text()?).ok()?;
        let name = reader.text()?.to_owned();
        let request = Self { recipient, name, scope, authority };
        // One spelling only, and nothing behind it.
        (request.record() == record).then_some(request)
    }
}

impl fmt::Display for DeviceRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{LABEL}:{}", URL_SAFE_NO_PAD.encode(self.record()))
    }
}

impl FromStr for DeviceRequest {
    type Err = RecoveryError;

    fn from_str(text: &str) -> Result<Self, RecoveryError> {
        if text.len() > MAX_LINE_BYTES {
            return Err(RecoveryError::NoRequest);
        }
        let request = Self::read(text.trim()).ok_or(RecoveryError::NoRequest)?;
        check_name(&request.name)?;
        Ok(request)
    }
}

impl KeyVault {
    /// Approves a device, after its fingerprint was read out and typed in here: adds its slot, with its
    /// full recipient and its name, to the ring of the scope that it asked for. Typing is forgiven case,
    /// dashes and `O` for 0. The slot is verified once the device has opened the ring and says so:
    /// [`verify`](Self::verify) there, [`mark_verified`](Self::mark_verified) here. Called again for the
    /// same device, it does nothing; under another name, it renames. Returns the slot's number.
    ///
    /// # Errors
    /// [`RecoveryError::Fingerprint`] for any other fingerprint;
    /// [`RecoveryError::RequestForOtherAuthority`]; [`RecoveryError::DeviceNameTaken`];
    /// [`RecoveryError::RecipientTaken`]; as [`add_slot`](Self::add_slot).
    pub async fn approve_device(
        &self,
        authority: &Authority,
        request: &DeviceRequest,
        fingerprint: &str,
    ) -> Result<u32, RecoveryError> {
        self.check_authority(authority)?;
        let typed = crockford::digits(fingerprint).map_err(|_| RecoveryError::Fingerprint)?;
        if !bool::from(typed.ct_eq(&request.fingerprint_digits())) {
            return Err(RecoveryError::Fingerprint);
        }
        if request.authority != authority.key() {
            return Err(RecoveryError::RequestForOtherAuthority);
        }
        let slots = self.manifest(&request.scope).await?.slots;
        for slot in &slots {
            let same = slot.root == request.recipient.root();
            match slot.kind {
                SlotKind::Device if slot.name == request.name && same => return Ok(slot.id),
                SlotKind::Device if slot.name == request.name => {
                    return Err(RecoveryError::DeviceNameTaken { name: request.name.clone() });
                }
                // It would take the place of that slot.
                kind if same && kind != SlotKind::Device => {
                    return Err(RecoveryError::RecipientTaken { kind });
                }
                _ => {}
            }
        }
        let slot = NewSlot::new(SlotKind::Device).named(request.name.as_str());
        let recipient = Arc::new(request.recipient.clone());
        Ok(self.add_slot(authority, &request.scope, recipient, slot).await?)
    }

    /// Gives a device another name.
    ///
    /// # Errors
    /// [`RecoveryError::DeviceName`], [`RecoveryError::DeviceNameTaken`];
    /// [`VaultError::SlotUnknown`] where the slot is no device's.
    pub async fn rename_device(
        &self,
        authority: &Authority,
        scope: &Scope,
        slot: u32,
        name: &str,
    ) -> Result<(), RecoveryError> {
        check_name(name)?;
        let mut draft = self.change(authority, scope).await?;
        let devices = || draft.manifest.slots.iter().filter(|slot| slot.kind == SlotKind::Device);
        if devices().any(|device| device.name == name && device.id != slot) {
            return Err(RecoveryError::DeviceNameTaken { name: name.to_owned() });
        }
        let mut devices = draft.manifest.slots.iter_mut().filter(|slot| slot.kind == SlotKind::Device);
        let device = devices.find(|device| device.id == slot);
        device.ok_or_else(|| VaultError::SlotUnknown { scope: scope.clone(), slot })?.name = name.to_owned();
        self.commit(authority, draft).await?;
        Ok(())
    }
}

fn check_name(name: &str) -> Result<(), RecoveryError> {
    let length = name.chars().count();
    let good =
        (1..=MAX_NAME_CHARS).contains(&length) && !name.chars().any(char::is_control) && name.trim() == name;
    if good { Ok(()) } else { Err(RecoveryError::DeviceName) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::AgeIdentity;

    #[test]
    fn the_fingerprint_is_the_documented_hash_and_sees_every_part() {
        let (identity, other) = (AgeIdentity::generate(), AgeIdentity::generate());
        let keys = [(); 2].map(|()| Authority::generate().expect("random").key());
        let scopes = ["acme", "acmelaptop"].map(|name| Scope::new(name).expect("valid"));
        let make = |recipient: &AgeIdentity, name: &str, scope: usize, key: usize| {
            DeviceRequest::new(recipient.recipient(), name, &scopes[scope], keys[key]).expect("good name")
        };
        let request = make(&identity, "laptop ü", 0, 0);
        let mut hashed = Vec::new();
        let mut sized = |bytes: &[u8]| {
            hashed.extend(u32::try_from(bytes.len()).expect("short").to_be_bytes());
            hashed.extend(bytes);
        };
        sized(FINGERPRINT_LABEL);
        let recipient = identity.recipient().to_string();
        let parts = [62_u32.to_be_bytes().to_vec(), recipient.into_bytes(), keys[0].as_bytes().to_vec()];
        sized(&[parts.concat(), b"\0\0\0\x04acme\0\0\0\x09laptop \xc3\xbc".to_vec()].concat());
        let printed = crockford::print(&crockford::encode(&Sha256::digest(&hashed)));
        assert_eq!(request.fingerprint(), printed[..24]);
        let others = [
            make(&other, "laptop ü", 0, 0),
            make(&identity, "laptop u", 0, 0),
            make(&identity, "laptop ü", 1, 0),
            make(&identity, "laptop ü", 0, 1),
        ];
        assert!(others.iter().all(|other| other.fingerprint() != request.fingerprint()));

        let line = request.to_string();
        let read: DeviceRequest = format!(" {line}\n").parse().expect("ours");
        assert_eq!((read.to_string(), read.fingerprint()), (line.clone(), request.fingerprint()));
        for cut in 0..line.len() {
            assert!(line[..cut].parse::<DeviceRequest>().is_err(), "at {cut}");
        }
        assert!(format!("{line}AA").parse::<DeviceRequest>().is_err());
        for name in ["", " laptop", "lap\ntop", &"x".repeat(65)] {
            assert!(DeviceRequest::new(identity.recipient(), name, &scopes[0], keys[0]).is_err(), "{name}");
        }
    }
}
