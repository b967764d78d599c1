//! Associated data: the one encoding of what a ciphertext is bound to, for both directions.
//!
//! ```text
//! label      u32 length, "fireseal v1"
//! kind       u8: 1 = field of a document, 2 = field of a message
//! realm      u32 length, bytes; empty where none is set
//! scope      u32 length, bytes
//! key id     32 bytes
//! place      kind 1: u32 count, then components of kind 1 (collection) and 2 (document)
//!            kind 2: channel, direction, type, sender, expiry, request as below
//! field      u32 count, then components of kind 3 (key) and 4 (index)
//! component  u8 kind, then u32 length and bytes, or for an index a u64
//!
//! channel    u8: 1 = subject, 2 = method; u32 length, bytes
//! direction  u8: 1 = event, 2 = request, 3 = response
//! type       u32 length, bytes
//! sender     u8 = 0, or u8 = 1 and u32 length, bytes
//! expiry     u8 = 0, or u8 = 1 and u64 seconds since 1970
//! request    u8 = 0, or u8 = 1 and 16 bytes
//! ```
//!
//! All integers are little-endian. Every part has its length in front, so two different places
//! never have the same encoding.

use super::envelope::KeyId;
use super::location::{FieldPath, FieldStep, Location, Scope};
use super::message::{Direction, MessageContext};

const LABEL: &[u8] = b"fireseal v1";
const KIND_DOCUMENT_FIELD: u8 = 1;
const KIND_MESSAGE_FIELD: u8 = 2;

pub(crate) const COLLECTION: u8 = 1;
pub(crate) const DOCUMENT: u8 = 2;
pub(crate) const KEY: u8 = 3;
const INDEX: u8 = 4;

/// A stored field path while it is walked, kept in the encoding above.
#[derive(Debug, Clone)]
pub(crate) struct StepPath {
    encoded: Vec<u8>,
    steps: u32,
}

impl From<&FieldPath> for StepPath {
    fn from(path: &FieldPath) -> Self {
        let mut steps = Self::default();
        for step in path.steps() {
            match step {
                FieldStep::Key(key) => steps.push_key(key),
                FieldStep::Index(index) => steps.push_index(usize::try_from(*index).unwrap_or(usize::MAX)),
            };
        }
        steps
    }
}

/// A place in a [`StepPath`] to go back to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mark {
    len: usize,
    steps: u32,
}

impl Default for StepPath {
    /// The document's root.
    fn default() -> Self {
        // Room for three or four steps, so that a walk over most documents allocates once.
        Self { encoded: Vec::with_capacity(64), steps: 0 }
    }
}

impl StepPath {
    #[inline]
    pub(crate) fn push_key(&mut self, key: &str) -> Mark {
        let mark = self.mark();
        push_component(&mut self.encoded, KEY, key.as_bytes());
        self.steps += 1;
        mark
    }

    pub(crate) fn push_index(&mut self, index: usize) -> Mark {
        let mark = self.mark();
        self.encoded.push(INDEX);
        self.encoded.extend_from_slice(&(index as u64).to_le_bytes());
        self.steps += 1;
        mark
    }

    #[inline]
    pub(crate) fn back_to(&mut self, mark: Mark) {
        self.encoded.truncate(mark.len);
        self.steps = mark.steps;
    }

    /// Goes back to the root.
    pub(crate) fn clear(&mut self) {
        self.encoded.clear();
        self.steps = 0;
    }

    fn mark(&self) -> Mark {
        Mark { len: self.encoded.len(), steps: self.steps }
    }

    /// How many steps it has.
    pub(crate) fn len(&self) -> usize {
        self.steps as usize
    }

    /// The same path with another key at one of its steps.
    pub(crate) fn with_key(&self, step: usize, key: &str) -> Self {
        let mut path = Self::default();
        for (position, old) in self.decode().steps().iter().enumerate() {
            match old {
                FieldStep::Key(_) if position == step => path.push_key(key),
                FieldStep::Key(old) => path.push_key(old),
                FieldStep::Index(index) => path.push_index(usize::try_from(*index).unwrap_or(usize::MAX)),
            };
        }
        path
    }

    /// The path for an error message or a report.
    pub(crate) fn decode(&self) -> FieldPath {
        let mut steps = Vec::new();
        let mut rest = self.encoded.as_slice();
        while let Some((&kind, after)) = rest.split_first() {
            let (step, after) = match kind {
                INDEX => decode_index(after),
                _ => decode_key(after),
            }
            .expect("a step path holds what push_key and push_index wrote");
            steps.push(step);
            rest = after;
        }
        FieldPath::new(steps)
    }

    /// The names along the path, without its array positions.
    pub(crate) fn names(&self) -> Vec<String> {
        let mut names = Vec::with_capacity(self.len());
        let mut rest = self.encoded.as_slice();
        while let Some((&kind, after)) = rest.split_first() {
            let (step, after) = match kind {
                INDEX => decode_index(after),
                _ => decode_key(after),
            }
            .expect("a step path holds what push_key and push_index wrote");
            if let FieldStep::Key(name) = step {
                names.push(name);
            }
            rest = after;
        }
        names
    }

    /// The name of the field at the document's root that the path leads into.
    pub(crate) fn root(&self) -> Option<&str> {
        match self.encoded.split_first()? {
            (&KEY, rest) => Some(split_key(rest)?.0),
            _ => None,
        }
    }
}

fn decode_index(bytes: &[u8]) -> Option<(FieldStep, &[u8])> {
    let (index, rest) = bytes.split_first_chunk()?;
    Some((FieldStep::Index(u64::from_le_bytes(*index)), rest))
}

fn decode_key(bytes: &[u8]) -> Option<(FieldStep, &[u8])> {
    let (key, rest) = split_key(bytes)?;
    Some((FieldStep::Key(key.to_owned()), rest))
}

fn split_key(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let (len, rest) = bytes.split_first_chunk()?;
    let (key, rest) = rest.split_at_checked(u32::from_le_bytes(*len) as usize)?;
    Some((str::from_utf8(key).ok()?, rest))
}

/// What a value is sealed in.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Place<'a> {
    Document(&'a Location),
    /// A message, and its type's name.
    Message(&'a MessageContext, &'a str),
}

impl<'a> Place<'a> {
    pub(crate) fn scope(self) -> &'a Scope {
        match self {
            Self::Document(location) => location.scope(),
            Self::Message(context, _) => context.scope(),
        }
    }

    fn realm(self) -> Option<&'a str> {
        match self {
            Self::Document(location) => location.realm(),
            Self::Message(context, _) => context.realm(),
        }
    }
}

impl<'a> From<&'a Location> for Place<'a> {
    fn from(location: &'a Location) -> Self {
        Self::Document(location)
    }
}

/// The associated data of the fields of one document or message under one key: the part that they share is
/// encoded once.
#[derive(Debug, Clone)]
pub(crate) struct AssociatedData {
    bytes: Vec<u8>,
    shared: usize,
}

impl AssociatedData {
    pub(crate) fn new<'a>(place: impl Into<Place<'a>>, key_id: &KeyId) -> Self {
        let place = place.into();
        let mut bytes = Vec::with_capacity(256);
        push_bytes(&mut bytes, LABEL);
        bytes.push(match place {
            Place::Document(_) => KIND_DOCUMENT_FIELD,
            Place::Message(..) => KIND_MESSAGE_FIELD,
        });
        push_bytes(&mut bytes, place.realm().unwrap_or_default().as_bytes());
        push_bytes(&mut bytes, place.scope().as_str().as_bytes());
        bytes.extend_from_slice(key_id.as_bytes());
        match place {
            Place::Document(location) => push_document(&mut bytes, location),
            Place::Message(context, message_type) => push_message(&mut bytes, context, message_type),
        }
        let shared = bytes.len();
        Self { bytes, shared }
    }

    /// The whole associated data of the field at `path`.
    pub(crate) fn of_field(&mut self, path: &StepPath) -> &[u8] {
        self.bytes.truncate(self.shared);
        self.bytes.extend_from_slice(&path.steps.to_le_bytes());
        self.bytes.extend_from_slice(&path.encoded);
        &self.bytes
    }
}

pub(crate) fn push_document(out: &mut Vec<u8>, location: &Location) {
    let slashes = location.document().as_str().bytes().filter(|&byte| byte == b'/').count();
    push_length(out, slashes + 1);
    for (position, segment) in location.document().segments().enumerate() {
        let kind = if position % 2 == 0 { COLLECTION } else { DOCUMENT };
        push_component(out, kind, segment.as_bytes());
    }
}

fn push_message(out: &mut Vec<u8>, context: &MessageContext, message_type: &str) {
    push_component(out, context.channel().kind(), context.channel().as_str().as_bytes());
    out.push(match context.direction() {
        Direction::Event => 1,
        Direction::Request => 2,
        Direction::Response => 3,
    });
    push_bytes(out, message_type.as_bytes());
    push_optional(out, context.sender(), |out, sender| push_bytes(out, sender.as_bytes()));
    push_optional(out, context.expiry(), |out, expiry| out.extend_from_slice(&expiry.to_le_bytes()));
    push_optional(out, context.answers(), |out, request| out.extend_from_slice(request.as_bytes()));
}

fn push_optional<T>(out: &mut Vec<u8>, value: Option<T>, push: impl FnOnce(&mut Vec<u8>, T)) {
    out.push(u8::from(value.is_some()));
    if let Some(value) = value {
        push(out, value);
    }
}

pub(crate) fn push_component(out: &mut Vec<u8>, kind: u8, bytes: &[u8]) {
    out.reserve(5 + bytes.len());
    out.push(kind);
    push_bytes(out, bytes);
}

#[inline]
pub(crate) fn push_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    push_length(out, bytes.len());
    out.extend_from_slice(bytes);
}

pub(crate) fn push_length(out: &mut Vec<u8>, length: usize) {
    let length = u32::try_from(length).expect("ids, names and map keys are far below 4 GiB");
    out.extend_from_slice(&length.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::{Channel, DocumentPath, MessageId};

    #[test]
    fn the_encoding_is_the_documented_one() {
        let location = Location::new(DocumentPath::parse("customers/ada").expect("valid"));
        let mut data = AssociatedData::new(&location, &KeyId::from_bytes([7; 32]));
        let mut path = StepPath::default();
        path.push_key("tags");
        path.push_index(2);

        let mut expected = Vec::new();
        expected.extend_from_slice(b"\x0b\0\0\0fireseal v1\x01");
        expected.extend_from_slice(b"\0\0\0\0");
        expected.extend_from_slice(b"\x07\0\0\0default");
        expected.extend_from_slice(&[7; 32]);
        expected.extend_from_slice(b"\x02\0\0\0\x01\x09\0\0\0customers\x02\x03\0\0\0ada");
        expected.extend_from_slice(b"\x02\0\0\0\x03\x04\0\0\0tags\x04\x02\0\0\0\0\0\0\0");
        assert_eq!(data.of_field(&path), expected);
        assert_eq!(path.decode().to_string(), "tags[2]");
    }

    #[test]
    fn the_encoding_of_a_message_is_the_documented_one() {
        let context = Channel::subject("orders.new")
            .expect("valid")
            .response(MessageId::from_bytes([5; 16]))
            .with_sender("billing")
            .expect("short")
            .with_expiry(258);
        let mut data = AssociatedData::new(Place::Message(&context, "Order"), &KeyId::from_bytes([7; 32]));
        let mut path = StepPath::default();
        path.push_key("card");

        let mut expected = Vec::new();
        expected.extend_from_slice(b"\x0b\0\0\0fireseal v1\x02");
        expected.extend_from_slice(b"\0\0\0\0");
        expected.extend_from_slice(b"\x07\0\0\0default");
        expected.extend_from_slice(&[7; 32]);
        expected.extend_from_slice(b"\x01\x0a\0\0\0orders.new\x03\x05\0\0\0Order");
        expected.extend_from_slice(b"\x01\x07\0\0\0billing\x01\x02\x01\0\0\0\0\0\0\x01");
        expected.extend_from_slice(&[5; 16]);
        expected.extend_from_slice(b"\x01\0\0\0\x03\x04\0\0\0card");
        assert_eq!(data.of_field(&path), expected);
    }

    #[test]
    fn going_back_restores_the_path() {
        let mut path = StepPath::default();
        path.push_key("a.b");
        let before = path.clone();
        let mark = path.push_index(1);
        path.back_to(mark);
        assert_eq!(path.encoded, before.encoded);
        assert_eq!(path.steps, before.steps);
    }

    /// `a.b[7].c`, whose first name has a dot.
    fn nested() -> FieldPath {
        let key = |name: &str| FieldStep::Key(name.to_owned());
        FieldPath::new(vec![key("a.b"), FieldStep::Index(7), key("c")])
    }

    #[test]
    fn a_path_is_walked_and_read_back() {
        let mut path = StepPath::from(&nested());
        assert_eq!((path.decode(), path.len()), (nested(), 3));
        assert_eq!(path.names(), ["a.b", "c"]);
        assert_eq!(path.root(), Some("a.b"));
        path.clear();
        assert_eq!((path.decode(), path.len(), path.root()), (FieldPath::default(), 0, None));
        path.push_index(0);
        assert_eq!((path.len(), path.root()), (1, None), "an index is no field of the document");
    }

    #[test]
    fn one_step_is_renamed_and_no_other() {
        let path = StepPath::from(&nested());
        let renamed = |step| path.with_key(step, "x").decode().to_string();
        assert_eq!(renamed(0), "x[7].c");
        assert_eq!(renamed(1), "`a.b`[7].c", "an index has no name");
        assert_eq!(renamed(2), "`a.b`[7].x");
        assert_eq!(path.with_key(2, "x").len(), 3);
    }
}
