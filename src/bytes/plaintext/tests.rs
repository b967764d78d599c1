//! Plaintexts: lengths and depths at their limits, padding, and what is refused.

use super::*;

fn written<T: Serialize>(value: &T) -> Vec<u8> {
    let mut out = Vec::new();
    write_message_pack(value, &mut Growing(&mut out)).expect("has a MessagePack form");
    out
}

/// Arrays in arrays, as many as asked for.
struct Nested(usize);

impl Serialize for Nested {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            0 => serializer.serialize_unit(),
            1 => serializer.collect_seq([(); 0]),
            more => serializer.collect_seq([Nested(more - 1)]),
        }
    }
}

#[test]
fn what_is_written_at_the_depth_limit_is_read() {
    for depth in [1, 2, MAX_DEPTH - 1, MAX_DEPTH] {
        let bytes = written(&Nested(depth));
        assert!(read_message_pack::<serde::de::IgnoredAny>(&bytes).is_ok(), "{depth} levels");
    }
    for depth in [MAX_DEPTH + 1, MAX_DEPTH + 2, 1_100] {
        let encoded = Plaintext::encode(&Nested(depth), Format::new());
        assert_eq!(encoded.err(), Some(EncodeError::TooDeep), "{depth} levels");
    }
}

#[test]
fn nothing_stands_behind_the_value() {
    for behind in [&b"\xc0"[..], b"\x91", b"\xd9", b"\xc1", b"\0"] {
        let bytes = [&written(&7u8), behind].concat();
        assert_eq!(read_message_pack::<u8>(&bytes), Err(NotDecodable), "{behind:x?}");
        assert_eq!(read_message_pack::<Option<u8>>(&bytes), Err(NotDecodable), "{behind:x?}");
    }
    assert_eq!(read_message_pack::<u8>(&[]), Err(NotDecodable));
}

/// Announces two elements and writes one.
struct Miscounted;

impl Serialize for Miscounted {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeSeq;
        let mut seq = serializer.serialize_seq(Some(2))?;
        seq.serialize_element("one")?;
        seq.end()
    }
}

#[test]
fn a_value_that_could_not_be_read_is_not_written() {
    let encoded = Plaintext::encode(&Miscounted, Format::new());
    assert_eq!(encoded.err(), Some(EncodeError::Unserializable));
}

/// What the decoder makes of bytes, in the words of [`skip_one`].
fn decoded(bytes: &[u8]) -> Result<(), EncodeError> {
    match read_one::<serde::de::IgnoredAny>(bytes) {
        Ok(_) => Ok(()),
        Err(rmp_serde::decode::Error::DepthLimitExceeded) => Err(EncodeError::TooDeep),
        Err(_) => Err(EncodeError::Unserializable),
    }
}

fn skipped(mut bytes: &[u8]) -> Result<(), EncodeError> {
    skip_one(&mut bytes, MAX_DEPTH)?;
    if bytes.is_empty() { Ok(()) } else { Err(EncodeError::Unserializable) }
}

#[test]
fn every_marker_is_skipped_as_it_is_decoded() {
    for marker in 0..=u8::MAX {
        for length in 0..=20 {
            let bytes = [&[marker, 0, 0, 0, 1, 2][..], &[0; 16]].concat();
            assert_eq!(skipped(&bytes[..length]), decoded(&bytes[..length]), "{:x?}", &bytes[..length]);
        }
    }
}

proptest::proptest! {
    #[test]
    fn what_is_skipped_is_what_is_decoded(
        bytes in proptest::collection::vec(
            proptest::prop_oneof![
                proptest::prelude::any::<u8>(),
                proptest::prelude::Just(0x92),
                proptest::prelude::Just(0x81),
                proptest::prelude::Just(0xa1),
                0xc0..0xe0u8,
                0..3u8,
            ],
            0..40,
        ),
    ) {
        proptest::prop_assert_eq!(skipped(&bytes).is_ok(), decoded(&bytes).is_ok());
    }
}

#[derive(Serialize, serde::Deserialize, PartialEq, Debug)]
#[serde(untagged)]
enum Upload {
    Full { name: String, data: Vec<u8> },
    Bare { name: String },
}

#[test]
fn bytes_keep_their_variant() {
    // Written as `bin`, an untagged reader takes a `Vec<u8>` for bytes, which is no sequence to
    // it: the value came back as `Bare`, without its data.
    let upload = Upload::Full { name: "a".to_owned(), data: vec![1, 200] };
    let bytes = written(&upload);
    assert_eq!(read_message_pack::<Upload>(&bytes), Ok(upload));
}

#[test]
fn lengths_of_every_width_are_skipped() {
    for length in [0_usize, 1, 15, 16, 31, 32, 255, 256, 65_535, 65_536] {
        let bytes = vec![0xc1; length];
        let map: std::collections::BTreeMap<usize, ()> = (0..length).map(|key| (key, ())).collect();
        for encoded in [
            Plaintext::encode(&"x".repeat(length), Format::new()),
            Plaintext::encode(bytes.as_slice(), Format::new()),
            Plaintext::encode(&ByteBuf::from(bytes.clone()), Format::new()),
            Plaintext::encode(&map, Format::new()),
        ] {
            assert!(encoded.is_ok(), "{length}");
        }
        let length = u32::try_from(length).expect("small").to_be_bytes();
        for (marker, width) in [(0xc7, 1), (0xc8, 2), (0xc9, 4)] {
            // An extension has a type in front, which its length does not count.
            let whole = [&[marker], &length[4 - width..], &[5], &bytes].concat();
            for cut in [0, 1] {
                let some = &whole[..whole.len() - cut];
                assert_eq!(skipped(some), decoded(some), "{marker:x} {length:?} {cut}");
            }
        }
    }
}

/// The plaintext in front of the tag's place, behind the header's.
fn content(mut plaintext: Plaintext) -> Vec<u8> {
    let (header, content, tag) = plaintext.parts_mut();
    assert_eq!((*header, *tag), ([0; HEADER_BYTES], [0; TAG_BYTES]));
    content.to_vec()
}

#[test]
fn padding_ends_at_a_multiple_and_is_taken_off() {
    for multiple in [0, 1, 2, 16, 300] {
        let format = Format::new().padded(multiple);
        for length in 0..40 {
            let bytes = vec![0x80; length];
            let mut padded = content(Plaintext::encode_bytes(&bytes, format));
            let least = 1 + length + 1;
            assert!(padded.len() >= least && padded.len() < least + multiple.max(1) as usize);
            assert!(padded.len().is_multiple_of(multiple.max(1) as usize));
            assert_eq!(take_bytes(&mut padded), Ok(Some(bytes)));
            let text = "x".repeat(length);
            let padded = content(Plaintext::encode(&text, format).expect("a text"));
            assert!(padded.len().is_multiple_of(multiple.max(1) as usize));
            assert_eq!(decode(&padded), Ok(text));
        }
    }
    let not_padded = content(Plaintext::encode_bytes(b"ab", Format::new()));
    assert_eq!(not_padded, b"\x02ab");
    assert_eq!(content(Plaintext::encode_bytes(b"ab", Format::new().padded(5))), b"\x12ab\x80\0");
}

#[test]
fn only_the_documented_content_is_read() {
    for content in 0..=u8::MAX {
        let kind = match Content::decode(&[content, 0xc0, 0x80, 0]) {
            Ok(Content::MessagePack(value)) => Some((1, value.to_vec())),
            Ok(Content::Bytes(value)) => Some((2, value.to_vec())),
            Err(NotDecodable) => None,
        };
        let expected = match content {
            0x01 | 0x02 => Some((content, vec![0xc0, 0x80, 0])),
            0x11 | 0x12 => Some((content & 3, vec![0xc0])),
            _ => None,
        };
        assert_eq!(kind, expected, "{content:x}");
    }
    for broken in [&b""[..], b"\x11", b"\x11\0\0", b"\x11\xc0", b"\x12ab\x81\0"] {
        assert!(Content::decode(broken).is_err(), "{broken:x?}");
    }
}

#[test]
fn bytes_are_taken_out_whole_or_not_at_all() {
    let taken = |plaintext: &[u8]| take_bytes(&mut plaintext.to_vec());
    assert_eq!(taken(b"\x02"), Ok(Some(Vec::new())));
    assert_eq!(taken(b"\x02abc"), Ok(Some(b"abc".to_vec())));
    assert_eq!(taken(b"\x01\xc0"), Ok(None), "an absent optional value");
    assert_eq!(taken(b"\x01\xc4\x02ab"), Ok(Some(b"ab".to_vec())));
    assert_eq!(taken(b"\x01\xa2ab"), Ok(Some(b"ab".to_vec())));
    assert_eq!(taken(b"\x01\x07"), Err(NotDecodable));
    assert_eq!(decode::<Vec<u8>>(b"\x02abc"), Err(NotDecodable), "raw bytes are no value");
    assert_eq!(decode::<u8>(b"\x01\x07"), Ok(7));
}

#[test]
fn what_was_opened_is_sealed_anew_as_it_is() {
    assert_eq!(content(Plaintext::again(b"\x01\x07")), b"\x01\x07");
    assert_eq!(Plaintext::again(b"\x01\x07").into_envelope().len(), HEADER_BYTES + 2 + TAG_BYTES);
}

#[test]
fn plaintext_in_the_clear_is_read_like_an_opened_one() {
    let foreign = Foreign::encode(&"ada").expect("a text");
    assert_eq!(foreign.as_bytes(), written(&"ada"));
    assert_eq!(*foreign.to_plaintext(), content(Plaintext::encode("ada", Format::new()).expect("a text")));
    assert_eq!(to_message_pack("ada"), Ok(written(&"ada")));
    assert_eq!(to_message_pack(&Nested(MAX_DEPTH + 1)), Err(EncodeError::TooDeep));
}

#[test]
fn memory_moves_only_where_there_is_no_room() {
    use std::io::Write as _;
    let mut bytes = Vec::with_capacity(16);
    bytes.extend_from_slice(b"some secret");
    let (before, room) = (bytes.capacity(), bytes.capacity() - bytes.len());
    let mut growing = Growing(&mut bytes);
    growing.reserve(room);
    assert_eq!(growing.0.capacity(), before);
    // By itself, and not by the vector, which would leave the old bytes behind.
    growing.reserve(room + 1);
    assert!(growing.0.capacity() > before);
    assert_eq!(growing.write(b" is kept").ok(), Some(8));
    growing.write_all(b" here").expect("there is memory");
    assert_eq!(bytes, b"some secret is kept here");
}
