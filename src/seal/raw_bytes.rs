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

#[cfg(test)]
mod tests {
    use super::*;

    fn goes_round<B: RawBytes + PartialEq + std::fmt::Debug>(value: &B, bytes: Option<&[u8]>) {
        assert_eq!(value.as_raw_bytes(), bytes);
        assert_eq!(B::from_raw_bytes(bytes.map(<[u8]>::to_vec)).as_ref(), Some(value));
    }

    #[test]
    fn a_value_is_its_bytes() {
        let bytes = &[3, 1, 4][..];
        goes_round(&bytes.to_vec(), Some(bytes));
        goes_round(&bytes.to_vec().into_boxed_slice(), Some(bytes));
        goes_round(&[3, 1, 4], Some(bytes));
        goes_round(&Some(bytes.to_vec()), Some(bytes));
        goes_round(&Some([3, 1, 4]), Some(bytes));
        goes_round(&None::<Vec<u8>>, None);
    }

    #[test]
    fn what_is_no_such_value_is_none() {
        assert_eq!(<[u8; 3]>::from_raw_bytes(Some(vec![1, 2])), None);
        assert_eq!(<Option<[u8; 3]>>::from_raw_bytes(Some(vec![1, 2, 3, 4])), None);
        assert_eq!((Vec::from_raw_bytes(None), <Box<[u8]>>::from_raw_bytes(None)), (None, None));
        assert_eq!(<[u8; 0]>::from_raw_bytes(None), None);
    }
}
