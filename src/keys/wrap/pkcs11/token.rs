//! The blocking calls to a token.

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Function, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::mechanism::aead::GcmParams;
use cryptoki::object::{Attribute, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::Slot;
use secrecy::SecretString;
use zeroize::Zeroizing;

use super::Pkcs11Key;
use crate::keys::wrap::WrapError;

const NONCE_BYTES: usize = 12;
const TAG_BYTES: usize = 16;
/// More than this was not wrapped from a record of 4 KiB, and is not handed to the token.
const MAX_WRAPPED_BYTES: usize = NONCE_BYTES + 4 * 1024 + TAG_BYTES;

/// Why a call failed, before it is known under which root's name.
pub(super) enum Failure {
    Unavailable(Error),
    Denied(String),
    DoesNotUnwrap,
    Unusable(String),
}

impl Failure {
    pub(super) fn named(self, root: &str) -> WrapError {
        let root = root.to_owned();
        match self {
            Self::Unavailable(error) => {
                WrapError::Unavailable { root, reason: error.to_string(), source: Some(Box::new(error)) }
            }
            Self::Denied(reason) => WrapError::Denied { root, reason },
            Self::DoesNotUnwrap => WrapError::DoesNotUnwrap { root },
            Self::Unusable(reason) => WrapError::Unusable { root, reason },
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let Error::Pkcs11(code, _) = &error else {
            return Self::Unusable(error.to_string());
        };
        match code {
            RvError::PinIncorrect
            | RvError::PinInvalid
            | RvError::PinLenRange
            | RvError::PinExpired
            | RvError::PinLocked
            | RvError::UserPinNotInitialized
            | RvError::KeyFunctionNotPermitted
            | RvError::ActionProhibited => Self::Denied(error.to_string()),
            RvError::MechanismInvalid | RvError::MechanismParamInvalid => {
                Self::Unusable(format!("the token does not do AES-GCM: {error}"))
            }
            _ => Self::Unavailable(error),
        }
    }
}

pub(super) struct Token {
    module: Pkcs11,
    key: Pkcs11Key,
    pin: SecretString,
}

impl Token {
    pub(super) fn load(key: Pkcs11Key, pin: SecretString) -> Result<Self, Failure> {
        let unusable =
            |error: Error| Failure::Unusable(format!("the module {}: {error}", key.module.display()));
        let module = Pkcs11::new(&key.module).map_err(unusable)?;
        match module.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
            Ok(()) | Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => {}
            Err(error) => return Err(unusable(error)),
        }
        Ok(Self { module, key, pin })
    }

    /// Makes sure that the key is there.
    pub(super) fn find(&self) -> Result<(), Failure> {
        let session = self.session(false)?;
        self.object(&session).map(drop)
    }

    pub(super) fn create(&self) -> Result<(), Failure> {
        let session = self.session(true)?;
        if !session.find_objects(&self.template())?.is_empty() {
            return Err(Failure::Unusable("there is a key with this label and id already".to_owned()));
        }
        let mut template = self.template();
        template.extend([
            Attribute::ValueLen(32.into()),
            Attribute::Token(true),
            Attribute::Private(true),
            Attribute::Sensitive(true),
            Attribute::Extractable(false),
            Attribute::Encrypt(true),
            Attribute::Decrypt(true),
        ]);
        session.generate_key(&Mechanism::AesKeyGen, &template)?;
        Ok(())
    }

    pub(super) fn encrypt(&self, record: &[u8], context: &[u8]) -> Result<Vec<u8>, Failure> {
        let mut nonce = [0; NONCE_BYTES];
        getrandom::fill(&mut nonce)
            .map_err(|_| Failure::Unusable("the operating system gives no random numbers".to_owned()))?;
        let sealed = self.twice(|session, key| {
            let gcm = Mechanism::AesGcm(GcmParams::new(&mut nonce, context, tag_bits())?);
            session.encrypt(&gcm, key, record)
        })?;
        // A token that insists on its own nonce has put it there meanwhile.
        Ok([&nonce[..], &sealed].concat())
    }

    pub(super) fn decrypt(&self, wrapped: &[u8], context: &[u8]) -> Result<Zeroizing<Vec<u8>>, Failure> {
        let (nonce, sealed) = wrapped.split_first_chunk::<NONCE_BYTES>().ok_or(Failure::DoesNotUnwrap)?;
        if sealed.len() < TAG_BYTES || wrapped.len() > MAX_WRAPPED_BYTES {
            return Err(Failure::DoesNotUnwrap);
        }
        match self.decrypt_raw(nonce, sealed, context) {
            // A tag that does not match is any of these, depending on the module.
            Err(Failure::Unavailable(Error::Pkcs11(
                RvError::EncryptedDataInvalid
                | RvError::EncryptedDataLenRange
                | RvError::DataInvalid
                | RvError::DataLenRange,
                Function::Decrypt,
            ))) => Err(Failure::DoesNotUnwrap),
            // Or these, which say that the device failed too: SoftHSM2 answers so. If it works otherwise,
            // it was the tag.
            Err(Failure::Unavailable(Error::Pkcs11(
                RvError::GeneralError | RvError::FunctionFailed,
                Function::Decrypt,
            ))) if self.works() => Err(Failure::DoesNotUnwrap),
            other => other,
        }
    }

    fn decrypt_raw(
        &self,
        nonce: &[u8; NONCE_BYTES],
        sealed: &[u8],
        context: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, Failure> {
        self.twice(|session, key| {
            let mut nonce = *nonce;
            let gcm = Mechanism::AesGcm(GcmParams::new(&mut nonce, context, tag_bits())?);
            session.decrypt(&gcm, key, sealed)
        })
        .map(Zeroizing::new)
    }

    /// Whether the token decrypts what it has just encrypted.
    fn works(&self) -> bool {
        let Ok(wrapped) = self.encrypt(b"probe", b"") else {
            return false;
        };
        wrapped
            .split_first_chunk()
            .is_some_and(|(nonce, sealed)| self.decrypt_raw(nonce, sealed, b"").is_ok())
    }

    /// Calls the token, and once more in a new session where the session, the login or the device was lost.
    fn twice<T>(
        &self,
        mut call: impl FnMut(&Session, ObjectHandle) -> Result<T, Error>,
    ) -> Result<T, Failure> {
        let mut once = || {
            let session = self.session(false)?;
            let key = self.object(&session)?;
            Ok(call(&session, key)?)
        };
        match once() {
            Err(Failure::Unavailable(Error::Pkcs11(
                RvError::SessionHandleInvalid
                | RvError::SessionClosed
                | RvError::UserNotLoggedIn
                | RvError::DeviceError
                | RvError::DeviceRemoved
                | RvError::ObjectHandleInvalid
                | RvError::KeyHandleInvalid,
                _,
            ))) => once(),
            other => other,
        }
    }

    /// A session of our own. The login is the whole process's, and ends with its last session.
    fn session(&self, writes: bool) -> Result<Session, Failure> {
        let slot = self.slot()?;
        let session =
            if writes { self.module.open_rw_session(slot) } else { self.module.open_ro_session(slot) }?;
        match session.login(UserType::User, Some(&self.pin)) {
            Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => Ok(session),
            Err(error) => Err(error.into()),
        }
    }

    fn slot(&self) -> Result<Slot, Failure> {
        let mut found = None;
        for slot in self.module.get_slots_with_token()? {
            let label = self.module.get_token_info(slot)?.label().to_owned();
            if label.trim_end() == self.key.token && found.replace(slot).is_some() {
                return Err(Failure::Unusable("several tokens have this label".to_owned()));
            }
        }
        found.ok_or_else(|| Failure::Unusable("there is no token with this label".to_owned()))
    }

    fn object(&self, session: &Session) -> Result<ObjectHandle, Failure> {
        match session.find_objects(&self.template())?.as_slice() {
            [key] => Ok(*key),
            [] => Err(Failure::Unusable(
                "there is no AES key with this label and id: create it with `create_key`".to_owned(),
            )),
            _ => Err(Failure::Unusable("several AES keys have this label and id".to_owned())),
        }
    }

    fn template(&self) -> Vec<Attribute> {
        vec![
            Attribute::Class(ObjectClass::SECRET_KEY),
            Attribute::KeyType(KeyType::AES),
            Attribute::Label(self.key.label.as_bytes().to_vec()),
            Attribute::Id(self.key.id.clone()),
        ]
    }
}

fn tag_bits() -> cryptoki::types::Ulong {
    128.into()
}
