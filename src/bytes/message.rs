//! Where a message belongs: its channel, its direction, and what it claims of itself.

use std::fmt;
use std::str::FromStr;

use super::location::{MAX_ID_BYTES, Scope};

/// Why a channel or a name is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChannelError {
    /// No subject that can be published to.
    #[error(
        "{name:?} is no subject: it needs 1 to {MAX_ID_BYTES} bytes of tokens joined by `.`, without wildcards and white space"
    )]
    Subject {
        /// The subject as it was given.
        name: String,
    },
    /// No fully qualified method.
    #[error("{name:?} is no method; it needs a service and a method, such as `/shop.v1.Orders/Create`")]
    Method {
        /// The method as it was given.
        name: String,
    },
    /// A sender or a realm is empty or longer than [`MAX_ID_BYTES`].
    #[error("a sender or realm has {len} bytes; it takes 1 to {MAX_ID_BYTES}")]
    Name {
        /// Its length in bytes.
        len: usize,
    },
}

/// Which way a message goes: a subject of a broker, or a method of a service.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Channel {
    kind: u8,
    name: String,
}

impl Channel {
    /// A subject such as `orders.acme.created`, without wildcards: 1 to [`MAX_ID_BYTES`] bytes.
    ///
    /// # Errors
    /// [`ChannelError::Subject`].
    pub fn subject(name: impl Into<String>) -> Result<Self, ChannelError> {
        let name = name.into();
        let token = |token: &str| {
            !token.is_empty() && !token.contains(['*', '>', '\0']) && !token.contains(char::is_whitespace)
        };
        if name.len() > MAX_ID_BYTES || !name.split('.').all(token) {
            return Err(ChannelError::Subject { name });
        }
        Ok(Self { kind: 1, name })
    }

    /// A fully qualified method such as `/shop.v1.Orders/Create`: at most [`MAX_ID_BYTES`] bytes.
    ///
    /// # Errors
    /// [`ChannelError::Method`].
    pub fn method(name: impl Into<String>) -> Result<Self, ChannelError> {
        let name = name.into();
        let parts: Vec<_> = name.split('/').collect();
        let complete =
            matches!(parts[..], ["", service, method] if !service.is_empty() && !method.is_empty());
        if name.len() > MAX_ID_BYTES || !complete {
            return Err(ChannelError::Method { name });
        }
        Ok(Self { kind: 2, name })
    }

    /// The context of a message that nobody answers.
    #[must_use]
    pub fn event(&self) -> MessageContext {
        MessageContext::new(self.clone(), Direction::Event, None)
    }

    /// The context of a message that is to be answered.
    #[must_use]
    pub fn request(&self) -> MessageContext {
        MessageContext::new(self.clone(), Direction::Request, None)
    }

    /// The context of the answer to the request with this id.
    #[must_use]
    pub fn response(&self, request: MessageId) -> MessageContext {
        MessageContext::new(self.clone(), Direction::Response, Some(request))
    }

    /// The subject or the method as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.name
    }

    pub(super) fn kind(&self) -> u8 {
        self.kind
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// Which way a message goes on its channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Direction {
    /// Published; nobody answers.
    Event,
    /// To be answered.
    Request,
    /// The answer to a request, whose id it is bound to.
    Response,
}

/// The id of a message: the 16 bytes that the nonces of its sealed values share. Each value
/// authenticates them, so whoever changes the id, or mixes the values of two messages, makes
/// something that does not open.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MessageId([u8; 16]);

impl MessageId {
    /// The id with these 16 bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The 16 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for MessageId {
    /// 32 hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text is not 32 lower-case hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a message id is written as 32 lower-case hexadecimal digits")]
pub struct NotAMessageId;

impl FromStr for MessageId {
    type Err = NotAMessageId;

    fn from_str(text: &str) -> Result<Self, NotAMessageId> {
        let mut id = [0; 16];
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        if pairs.len() != id.len() || !rest.is_empty() {
            return Err(NotAMessageId);
        }
        for (byte, &[high, low]) in id.iter_mut().zip(pairs) {
            *byte = (digit(high)? << 4) | digit(low)?;
        }
        Ok(Self(id))
    }
}

fn digit(character: u8) -> Result<u8, NotAMessageId> {
    match character {
        b'0'..=b'9' => Ok(character - b'0'),
        b'a'..=b'f' => Ok(character - b'a' + 10),
        _ => Err(NotAMessageId),
    }
}

/// What the sealed values of a message are bound to, besides its type and their fields: the channel
/// and the direction, whose keys, and, where they are set, the sender, the expiry and the request
/// that is answered.
///
/// Made by [`Channel::event`], [`Channel::request`] and [`Channel::response`]. The receiver states
/// what it expects in the same way: a sender or an expiry that it sets must be the message's; one
/// that it leaves out is taken from the message, and counts only because the message then opens.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct MessageContext {
    realm: Option<String>,
    scope: Scope,
    channel: Channel,
    direction: Direction,
    sender: Option<String>,
    expiry: Option<u64>,
    request: Option<MessageId>,
}

impl MessageContext {
    fn new(channel: Channel, direction: Direction, request: Option<MessageId>) -> Self {
        let scope = Scope::default();
        Self { realm: None, scope, channel, direction, sender: None, expiry: None, request }
    }

    /// The same under another scope.
    #[must_use]
    pub fn with_scope(self, scope: Scope) -> Self {
        Self { scope, ..self }
    }

    /// The same in a realm, such as `staging`: 1 to [`MAX_ID_BYTES`] bytes.
    ///
    /// # Errors
    /// [`ChannelError::Name`].
    pub fn with_realm(self, realm: impl Into<String>) -> Result<Self, ChannelError> {
        Ok(Self { realm: Some(checked(realm.into())?), ..self })
    }

    /// The same from this sender: 1 to [`MAX_ID_BYTES`] bytes. Everybody who holds the ring can name
    /// any sender; nobody else can.
    ///
    /// # Errors
    /// [`ChannelError::Name`].
    pub fn with_sender(self, sender: impl Into<String>) -> Result<Self, ChannelError> {
        Ok(Self { sender: Some(checked(sender.into())?), ..self })
    }

    /// The same until this time, in seconds since 1970: from then on the message is refused.
    #[must_use]
    pub fn with_expiry(self, seconds: u64) -> Self {
        Self { expiry: Some(seconds), ..self }
    }

    /// The realm, if one is set.
    #[must_use]
    pub fn realm(&self) -> Option<&str> {
        self.realm.as_deref()
    }

    /// Whose keys seal the message.
    #[must_use]
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// The subject or the method.
    #[must_use]
    pub fn channel(&self) -> &Channel {
        &self.channel
    }

    /// Which way it goes.
    #[must_use]
    pub fn direction(&self) -> Direction {
        self.direction
    }

    /// Who sends it, if that is bound.
    #[must_use]
    pub fn sender(&self) -> Option<&str> {
        self.sender.as_deref()
    }

    /// When it is refused, in seconds since 1970, if that is bound.
    #[must_use]
    pub fn expiry(&self) -> Option<u64> {
        self.expiry
    }

    /// The id of the request that it answers; a response has one.
    #[must_use]
    pub fn answers(&self) -> Option<MessageId> {
        self.request
    }

    /// The same with what a message claims of itself.
    pub(crate) fn claiming(&self, sender: Option<&str>, expiry: Option<u64>) -> Self {
        Self { sender: sender.map(str::to_owned), expiry, ..self.clone() }
    }
}

fn checked(name: String) -> Result<String, ChannelError> {
    if name.is_empty() || name.len() > MAX_ID_BYTES {
        return Err(ChannelError::Name { len: name.len() });
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_and_methods_are_checked() {
        for name in ["orders", "orders.acme.created", "a/b.c"] {
            assert!(Channel::subject(name).is_ok(), "{name}");
        }
        for name in ["", "orders.", ".orders", "orders..new", "orders.*", "orders.>", "two words"] {
            assert!(Channel::subject(name).is_err(), "{name}");
        }
        let (subject, method) = (Channel::subject("orders"), Channel::method("/shop.v1.Orders/Create"));
        let kinds = (subject.map(|channel| channel.kind()), method.map(|channel| channel.kind()));
        assert_eq!(kinds, (Ok(1), Ok(2)), "as the associated data has them");
        for name in ["", "shop.v1.Orders/Create", "/Orders", "/a/b/c", "//Create", "/Orders/"] {
            assert!(Channel::method(name).is_err(), "{name}");
        }
    }

    #[test]
    fn an_id_reads_back() {
        let id = MessageId::from_bytes([0xa5; 16]);
        assert_eq!(id.to_string().parse(), Ok(id));
        for text in ["", "a5", &"A5".repeat(16), &"a5".repeat(17), &"é".repeat(16)] {
            assert_eq!(text.parse::<MessageId>(), Err(NotAMessageId), "{text}");
        }
    }

    #[test]
    fn a_channel_has_at_most_1500_bytes() {
        let method = |len: usize| Channel::method(format!("/a/{}", "b".repeat(len - 3)));
        let longest = "a".repeat(MAX_ID_BYTES);
        assert_eq!(Channel::subject(&longest).expect("short enough").as_str(), longest);
        assert_eq!(method(MAX_ID_BYTES).expect("short enough").as_str().len(), MAX_ID_BYTES);
        for len in [MAX_ID_BYTES + 1, MAX_ID_BYTES + 2] {
            assert!(matches!(Channel::subject("a".repeat(len)), Err(ChannelError::Subject { .. })));
            assert!(matches!(method(len), Err(ChannelError::Method { .. })));
        }
    }

    #[test]
    fn a_context_is_what_it_was_made_of() {
        let channel = Channel::method("/shop.v1.Orders/Create").expect("valid");
        assert_eq!(channel.to_string(), "/shop.v1.Orders/Create");
        for (bare, direction) in
            [(channel.event(), Direction::Event), (channel.request(), Direction::Request)]
        {
            assert_eq!((bare.channel(), bare.direction()), (&channel, direction));
            assert_eq!((bare.realm(), bare.scope()), (None, &Scope::default()));
            assert_eq!((bare.sender(), bare.expiry(), bare.answers()), (None, None, None));
        }
        let (id, scope) = (MessageId::from_bytes([3; 16]), Scope::new("acme").expect("valid"));
        let full = channel.response(id).with_scope(scope.clone()).with_expiry(258);
        let full =
            full.with_realm("staging").and_then(|context| context.with_sender("billing")).expect("valid");
        assert_eq!((full.channel(), full.direction()), (&channel, Direction::Response));
        assert_eq!((full.realm(), full.scope()), (Some("staging"), &scope));
        assert_eq!((full.sender(), full.expiry(), full.answers()), (Some("billing"), Some(258), Some(id)));
        let claimed = full.claiming(Some("shop"), None);
        assert_eq!((claimed.sender(), claimed.expiry(), claimed.answers()), (Some("shop"), None, Some(id)));
        let again = claimed.claiming(full.sender(), full.expiry());
        assert_eq!(again, full, "nothing else is claimed");
    }

    #[test]
    fn a_sender_and_a_realm_have_1_to_1500_bytes() {
        let event = Channel::subject("orders").expect("valid").event();
        let longest = "a".repeat(MAX_ID_BYTES);
        assert_eq!(
            event.clone().with_sender(&longest).expect("short enough").sender(),
            Some(longest.as_str())
        );
        for len in [0, MAX_ID_BYTES + 1, MAX_ID_BYTES + 2] {
            let name = || "a".repeat(len);
            assert_eq!(event.clone().with_sender(name()), Err(ChannelError::Name { len }));
            assert_eq!(event.clone().with_realm(name()), Err(ChannelError::Name { len }));
        }
    }

    #[test]
    fn an_id_is_written_as_32_digits() {
        let id = MessageId::from_bytes(std::array::from_fn(|byte| {
            u8::try_from(byte * 17).expect("15 * 17 is 255")
        }));
        assert_eq!(
            format!("{id} {id:?}"),
            "00112233445566778899aabbccddeeff 00112233445566778899aabbccddeeff"
        );
        assert_eq!("00112233445566778899aabbccddeeff".parse(), Ok(id));
    }
}
