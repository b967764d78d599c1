//! Who holds a unique value: the code in a reservation document that vouches for its owner's path.

use super::place::{push_segments, reservations};
use crate::bytes::Location;
use crate::bytes::context::push_length;
use crate::keys::{IndexKey, TokenKey};
use std::sync::Arc;

/// The code over a reservation: the token, and the path of the document that holds the value.
pub(crate) fn vouch(key: &IndexKey, token: &[u8; 32], owner: &Location) -> [u8; 32] {
    reservation_key(key, owner).token(&message(token, owner))
}

/// Whether a code is that of this reservation, compared in constant time.
pub(crate) fn is_vouched(key: &IndexKey, token: &[u8; 32], owner: &Location, code: &[u8]) -> bool {
    reservation_key(key, owner).verifies(&message(token, owner), code)
}

fn reservation_key(key: &IndexKey, owner: &Location) -> Arc<TokenKey> {
    key.place(&reservations(owner)).key(key, &[], &mut 0)
}

fn message(token: &[u8; 32], owner: &Location) -> Vec<u8> {
    let mut message = token.to_vec();
    push_length(&mut message, owner.document().segments().count());
    push_segments(&mut message, owner.document().segments());
    message
}
