//! From a message into a document and back: one call that opens and seals again, and is told.

use super::error::MessageError;
use super::sealed::{Claims, Message, SealedMessage};
use crate::bytes::{KeyId, Location, MessageContext};
use crate::keys::{KeyRing, MessageRing};
use crate::seal::{Sealable, Walk, key_ids};

impl<T: Message> SealedMessage<T> {
    /// The message as the fields of a document: opened as the message that `from` describes, and
    /// sealed again for its new place. Emits an event to the `tracing` target `fireseal::audit`.
    ///
    /// # Errors
    /// As [`open`](Self::open) and [`Sealable::seal`].
    pub fn rebind_to_document(
        self,
        from: &MessageContext,
        messages: &MessageRing,
        to: &Location,
        data: &KeyRing,
    ) -> Result<T::Sealed, MessageError> {
        let mut stored = self.open(from, messages)?.seal(to, data)?;
        tell(&Move {
            scope: [from.scope().as_str(), to.scope().as_str()],
            from: &format!("message {} on {}", self.id(), from.channel()),
            to: &format!("document {}", to.document()),
            fields: &sealed_fields::<T>(&mut stored),
            key_ids: [self.key_id(), data.primary().id()],
        });
        Ok(stored)
    }
}

/// A document's fields as a message: opened in the place that was asked for, and sealed again for
/// its way. Emits an event to the `tracing` target `fireseal::audit`.
///
/// # Errors
/// As [`Sealable::open`] and [`Message::seal_message`].
pub fn rebind_to_message<T: Message>(
    mut stored: T::Sealed,
    from: &Location,
    data: &KeyRing,
    to: &MessageContext,
    messages: &MessageRing,
) -> Result<SealedMessage<T>, MessageError> {
    let sealed_with = key_ids::<T>(&mut stored);
    let mut message = T::open(stored, from, data)?.seal_message(to, messages)?.into_companion();
    let fields = sealed_fields::<T>(&mut message);
    let message = SealedMessage::<T>::new(message, Claims::of(to))?;
    for key_id in sealed_with {
        tell(&Move {
            scope: [from.scope().as_str(), to.scope().as_str()],
            from: &format!("document {}", from.document()),
            to: &format!("message {} on {}", message.id(), to.channel()),
            fields: &fields,
            key_ids: [key_id, message.key_id()],
        });
    }
    Ok(message)
}

/// What is told of a move: never a value.
struct Move<'a> {
    scope: [&'a str; 2],
    from: &'a str,
    to: &'a str,
    fields: &'a str,
    key_ids: [KeyId; 2],
}

fn tell(moved: &Move<'_>) {
    let Move { scope: [from_scope, to_scope], from, to, fields, key_ids: [opened_with, sealed_with] } = moved;
    tracing::info!(
        target: "fireseal::audit",
        from_scope, to_scope, from, to, fields, %opened_with, %sealed_with,
        "rebind"
    );
}

/// The stored paths of all sealed fields, joined by commas.
fn sealed_fields<T: Sealable>(companion: &mut T::Sealed) -> String {
    let mut paths = Vec::new();
    let visited = T::visit(
        companion,
        &mut Walk::visit(&mut |path, _| {
            paths.push(path.decode().to_string());
            Ok(())
        }),
    );
    debug_assert!(visited.is_ok(), "a visit fails only where it is told to");
    paths.join(",")
}
