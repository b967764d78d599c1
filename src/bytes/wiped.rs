//! That secrets are wiped on drop, checked by the compiler: a `zeroize` feature that an upgrade loses
//! fails the build.

use zeroize::ZeroizeOnDrop;

/// Compiles only for what wipes itself on drop.
pub(crate) const fn wiped<T: ZeroizeOnDrop + ?Sized>(_: &T) {}
