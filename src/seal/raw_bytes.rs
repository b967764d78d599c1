//! Values that are sealed as the bytes they are: files, images, protobuf messages.

/// A type that `#[sensitive(bytes)]` seals without an encoding of its own.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not raw bytes",
    label = "not raw bytes",
    note = "`#[sensitive(bytes)]` takes `Vec<u8>`, `Box<[u8]>`, `[u8; N]`, or an `Option` of one; seal other types with `#[sensitive]`"
)]
pub trait RawBytes: Sized {
    /// The bytes; `None` for an absent optional value.
    fn as_raw_bytes(&self) -> Option<&[u8]>;

    /// The value with these bytes; `None` where they are not such a value, for instance of another
    /// length.
    fn from_raw_bytes(bytes: Option<Vec<u8>>) -> Option<Self>;
}

impl RawBytes for Vec<u8> {
    fn as_raw_bytes(&self) -> Option<&[u8]> {
        Some(self)
    }

    fn from_raw_bytes(bytes: Option<Vec<u8>>) -> Option<Self> {
        bytes
    }
}

impl RawBytes for Box<[u8]> {
    fn as_raw_bytes(&self) -> Option<&[u8]> {
        Some(self)
    }

    fn from_raw_bytes(bytes: Option<Vec<u8>>) -> Option<Self> {
        Some(bytes?.into_boxed_slice())
    }
}

impl<const N: usize> RawBytes for [u8; N] {
    fn as_raw_bytes(&self) -> Option<&[u8]> {
        Some(self)
    }

    fn from_raw_bytes(bytes: Option<Vec<u8>>) -> Option<Self> {
        let bytes = zeroize::Zeroizing::new(bytes?);
        bytes.as_slice().try_into().ok()
    }
}

impl<B: RawBytes> RawBytes for Option<B> {
    fn as_raw_bytes(&self) -> Option<&[u8]> {
        self.as_ref()?.as_raw_bytes()
    }

    fn from_raw_bytes(bytes: Option<Vec<u8>>) -> Option<Self> {
        match bytes {
            None => Some(None),
            bytes => B::from_raw_bytes(bytes).map(Some),
        }
    }
}
