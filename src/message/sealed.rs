//! A sealed message: the companion, what it claims of itself in the clear, and its id.

use std::fmt;
use std::ops::Deref;

use super::error::MessageError;
use super::replay::{ReplayWindow, check_expiry, unix_now};
use crate::bytes::context::Place;
use crate::bytes::envelope::Header;
use crate::bytes::{KeyId, MessageContext, MessageId};
use crate::keys::{KeyLookup, MessageRing};
use crate::seal::{Companion, Sealable, Slot, Walk, for_each_slot, reveal, seal_draft};

/// A [`Sealable`] type that is sent. Its name is bound into every sealed value:
///
/// ```
/// use fireseal::{Channel, Message, MessageKey, MessageRing, Sealable};
///
/// #[derive(Sealable)]
/// struct Order {
///     number: u64, // in the clear
///     #[sensitive]
///     card: String,
/// }
///
/// impl Message for Order {
///     const TYPE: &'static str = "shop.v1.Order";
/// }
///
/// let ring = MessageRing::new(MessageKey::generate()?);
/// let created = Channel::subject("orders.created")?.event();
/// let sealed = Order { number: 1, card: "4111 1111".to_owned() }.seal_message(&created, &ring)?;
/// assert_eq!(sealed.number, 1);
/// assert_eq!(sealed.open(&created, &ring)?.card, "4111 1111");
///
/// let cancelled = Channel::subject("orders.cancelled")?.event();
/// assert!(sealed.open(&cancelled, &ring).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Message: Sealable<Sealed: Companion<Open = Self>> {
    /// The type's name for all who speak of it, such as `shop.v1.Order`. To change it is to refuse
    /// what is under way.
    const TYPE: &'static str;

    /// Seals every sensitive field for this message alone: all values share one draw of 16 bytes,
    /// which is the message's id. Sealing again makes another message.
    ///
    /// # Errors
    /// As [`Sealable::seal`]; [`MessageError::NothingSealed`] where there is no value to seal.
    fn seal_message(
        &self,
        context: &MessageContext,
        ring: &MessageRing,
    ) -> Result<SealedMessage<Self>, MessageError> {
        let mut walk = Walk::draft();
        let draft = self.draft(&mut walk)?;
        let companion = seal_draft::<Self>(draft, walk, Place::Message(context, Self::TYPE), ring.keys())?;
        SealedMessage::new(companion, Claims::of(context))
    }
}

/// What a message claims of itself in the clear. Each claim is authenticated when the message opens.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Claims {
    /// Who sends it.
    pub sender: Option<String>,
    /// When it is refused, in seconds since 1970.
    pub expiry: Option<u64>,
    /// The id of the request that it answers.
    pub answers: Option<MessageId>,
}

impl Claims {
    pub(super) fn of(context: &MessageContext) -> Self {
        let sender = context.sender().map(str::to_owned);
        Self { sender, expiry: context.expiry(), answers: context.answers() }
    }
}

/// The companion of `T` as a message: to be sent, stored and forwarded without a key, and opened with
/// one. It dereferences to the companion, whose clear fields are neither hidden nor authenticated.
pub struct SealedMessage<T: Sealable> {
    companion: T::Sealed,
    claims: Claims,
    id: MessageId,
    key_id: KeyId,
}

impl<T: Message> SealedMessage<T> {
    /// A message from its parts, such as a protobuf message's fields and its metadata.
    ///
    /// # Errors
    /// Without a sealed value, with something else in its place, or with values of several messages.
    pub fn new(mut companion: T::Sealed, claims: Claims) -> Result<Self, MessageError> {
        let mut found = Ok(None);
        for_each_slot::<T>(&mut companion, |_, slot| {
            let header = match slot {
                Slot::Absent => return,
                Slot::Stored(stored) => Header::decode(stored),
                Slot::Foreign(_) | Slot::Draft(_) => None,
            };
            found = match (&found, header.map(|header| (header.draw(), header.key_id))) {
                (Err(_), _) => return,
                (_, None) => Err(MessageError::NotAnEnvelope),
                (Ok(Some(first)), Some(this)) if *first != this => Err(MessageError::Mixed),
                (_, this) => Ok(this),
            };
        });
        let (draw, key_id) = found?.ok_or(MessageError::NothingSealed)?;
        Ok(Self { companion, claims, id: MessageId::from_bytes(draw), key_id })
    }

    /// Opens every sensitive field, or none, as the message that the context describes. The context
    /// is what the receiver expects of whom it listens to, never what the message says of itself.
    /// Refuses an expired message by the system's clock; does not notice a second delivery.
    ///
    /// # Errors
    /// [`MessageError`] says why not.
    pub fn open(&self, context: &MessageContext, ring: &MessageRing) -> Result<T, MessageError> {
        let open = self.authenticate(context, ring)?;
        if let Some(expiry) = self.claims.expiry {
            check_expiry(self.id, expiry, unix_now())?;
        }
        Ok(open)
    }

    /// Opens a message once: one that has expired, by the window's clock, or was taken before, is
    /// refused.
    ///
    /// # Errors
    /// [`MessageError`] says why not; [`MessageError::Replay`] for a message that is authentic.
    pub fn open_once(
        &self,
        context: &MessageContext,
        ring: &MessageRing,
        window: &ReplayWindow,
    ) -> Result<T, MessageError> {
        let open = self.authenticate(context, ring)?;
        // Only after opening: a forged message must not use up an id.
        window.take(self.key_id, self.id, self.claims.expiry)?;
        Ok(open)
    }

    fn authenticate(&self, context: &MessageContext, ring: &MessageRing) -> Result<T, MessageError> {
        let Claims { sender, expiry, answers } = &self.claims;
        if context.answers() != *answers {
            return Err(MessageError::OtherRequest { expected: context.answers(), found: *answers });
        }
        if context.sender().is_some() && context.sender() != sender.as_deref() {
            return Err(MessageError::OtherClaim { claim: "sender" });
        }
        if context.expiry().is_some() && context.expiry() != *expiry {
            return Err(MessageError::OtherClaim { claim: "expiry" });
        }
        let claimed = context.claiming(sender.as_deref(), *expiry);
        let same_scope = ring.scope() == context.scope();
        let look_up = |id: &KeyId| if same_scope { ring.look_up(id) } else { KeyLookup::Unknown };
        let place = Place::Message(&claimed, T::TYPE);
        reveal(self.companion.clone(), place, &look_up, None)
            .map_err(|failures| MessageError::Fields { channel: context.channel().clone(), failures })
    }
}

impl<T: Sealable> SealedMessage<T> {
    /// The message's id. Authentic once the message has opened.
    #[must_use]
    pub fn id(&self) -> MessageId {
        self.id
    }

    /// Which key sealed it, by its own account.
    #[must_use]
    pub fn key_id(&self) -> KeyId {
        self.key_id
    }

    /// What it claims of itself. Authentic once the message has opened.
    #[must_use]
    pub fn claims(&self) -> &Claims {
        &self.claims
    }

    /// The companion alone.
    #[must_use]
    pub fn into_companion(self) -> T::Sealed {
        self.companion
    }
}

impl<T: Sealable> Clone for SealedMessage<T> {
    fn clone(&self) -> Self {
        let Self { companion, claims, id, key_id } = self;
        Self { companion: companion.clone(), claims: claims.clone(), id: *id, key_id: *key_id }
    }
}

impl<T: Sealable> fmt::Debug for SealedMessage<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { companion, claims, id, .. } = self;
        f.debug_struct("SealedMessage")
            .field("id", id)
            .field("claims", claims)
            .field("companion", companion)
            .finish_non_exhaustive()
    }
}

impl<T: Sealable> Deref for SealedMessage<T> {
    type Target = T::Sealed;

    fn deref(&self) -> &T::Sealed {
        &self.companion
    }
}
