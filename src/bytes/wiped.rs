//! That secrets are wiped: checked by the compiler, so that a `zeroize` feature that an upgrade loses fails the
//! build, and mended where a library leaves some.

use std::hint::black_box;

use zeroize::ZeroizeOnDrop;

/// Compiles only for what wipes itself on drop.
pub(crate) const fn wiped<T: ZeroizeOnDrop + ?Sized>(_: &T) {}

/// Writes over what the calls before it left of a key on the stack: libraries wipe what they keep, not every
/// intermediate result. Reaches 16 KiB below the caller, which is more than HKDF uses.
#[inline(never)]
pub(crate) fn wipe_stack_below() {
    black_box(&mut [0_u8; 16 * 1024]);
}
