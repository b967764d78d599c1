//! Makes ciphertexts of XChaCha20-Poly1305 that open under two keys.
//!
//! The tag is a polynomial in a secret point, one point for each key. With two blocks of ciphertext free, "this tag
//! under the first key" and "the same tag under the second" are two linear equations modulo 2^130 - 5 in two unknowns.

use chacha20::cipher::{KeyIvInit, StreamCipher};
use chacha20::{ChaCha20, R20, hchacha};
use hkdf::Hkdf;
use num_bigint::BigUint;
use sha2::Sha256;

/// A block of Poly1305, and of ciphertext.
const BLOCK: usize = 16;
/// Ciphertext: one block that holds the content byte, one at random, and the two unknowns.
const BLOCKS: usize = 4;

/// The sealing key of a data key, as docs/format.md has it.
pub fn sealing_key(data_key: &[u8; 32]) -> [u8; 32] {
    let mut key = [0; 32];
    Hkdf::<Sha256>::new(Some(b"fireseal v1 data key"), data_key)
        .expand(b"fireseal v1 sealing key", &mut key)
        .unwrap();
    key
}

/// What a field of a document at the root is bound to, in the default scope, as docs/format.md has it.
pub fn associated_data(key_id: &[u8; 32], collection: &str, document: &str, field: &str) -> Vec<u8> {
    let mut data = Vec::new();
    let text = |data: &mut Vec<u8>, text: &str| {
        data.extend(u32::try_from(text.len()).unwrap().to_le_bytes());
        data.extend(text.as_bytes());
    };
    text(&mut data, "fireseal v1");
    data.push(1);
    text(&mut data, "");
    text(&mut data, "default");
    data.extend(key_id);
    for (count, components) in [(2, &[(1, collection), (2, document)][..]), (1, &[(3, field)])] {
        data.extend(u32::to_le_bytes(count));
        for (kind, name) in components {
            data.push(*kind);
            text(&mut data, name);
        }
    }
    data
}

/// One key's view of a nonce: the first byte of its keystream, its point, and what is added at the end.
struct View {
    first: u8,
    point: BigUint,
    added: BigUint,
}

impl View {
    fn new(key: &[u8; 32], nonce: &[u8; 24]) -> Self {
        let (prefix, rest) = nonce.split_first_chunk::<16>().unwrap();
        let subkey = hchacha::<R20>(key.into(), prefix.into());
        let short: [u8; 12] = [&[0; 4][..], rest].concat().try_into().unwrap();
        // Block 0 is Poly1305's key, block 1 begins the keystream.
        let mut blocks = [0; 65];
        ChaCha20::new(&subkey, &short.into()).apply_keystream(&mut blocks);
        let mut point: [u8; 16] = blocks[..16].try_into().unwrap();
        for (at, mask) in [(3, 0x0f), (7, 0x0f), (11, 0x0f), (15, 0x0f), (4, 0xfc), (8, 0xfc), (12, 0xfc)] {
            point[at] &= mask;
        }
        Self {
            first: blocks[64],
            point: BigUint::from_bytes_le(&point),
            added: BigUint::from_bytes_le(&blocks[16..32]),
        }
    }
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).unwrap();
    bytes
}

/// A nonce, and a ciphertext with its tag, that opens under both keys to raw bytes.
pub fn for_two_keys(keys: &[[u8; 32]; 2], associated_data: &[u8]) -> ([u8; 24], Vec<u8>) {
    // A nonce under which the content byte, 2, is the same ciphertext byte for both.
    let (nonce, views) = loop {
        let nonce = random();
        let views = [View::new(&keys[0], &nonce), View::new(&keys[1], &nonce)];
        if views[0].first == views[1].first {
            break (nonce, views);
        }
    };
    let prime = (BigUint::from(1_u8) << 130) - 5_u8;
    let high = BigUint::from(1_u8) << 128;
    // What the unknown blocks are multiplied with: two and three blocks from the end, the lengths being the last.
    let powers =
        [0, 1].map(|view: usize| [3_u8, 2].map(|power| views[view].point.modpow(&power.into(), &prime)));
    let minus = |one: &BigUint, other: &BigUint| (one + &prime - other % &prime) % &prime;
    let determinant = minus(&(&powers[0][0] * &powers[1][1]), &(&powers[1][0] * &powers[0][1]));
    let inverse = determinant.modpow(&(&prime - 2_u8), &prime);
    // A solution is one of 2^130 numbers, and a block with its high bit one of 2^128: one in sixteen fits twice.
    loop {
        let (mut ciphertext, tag) = (random::<{ BLOCK * BLOCKS }>(), random::<BLOCK>());
        ciphertext[0] = views[0].first ^ 2;
        ciphertext[2 * BLOCK..].fill(0);
        // What each of the two equations still lacks.
        let lacking = [0, 1].map(|view: usize| {
            let known = polynomial(associated_data, &ciphertext, &views[view].point, &prime, &high);
            let wanted = (BigUint::from_bytes_le(&tag) + &high - &views[view].added) % &high;
            // The blocks' high bits are part of the unknowns, so the known part has them not.
            minus(&wanted, &known)
        });
        let first = minus(&(&lacking[0] * &powers[1][1]), &(&lacking[1] * &powers[0][1])) * &inverse % &prime;
        let second =
            minus(&(&powers[0][0] * &lacking[1]), &(&powers[1][0] * &lacking[0])) * &inverse % &prime;
        let fits = |block: &BigUint| *block >= high && *block < &high * 2_u8;
        if fits(&first) && fits(&second) {
            for (at, block) in [(2, first), (3, second)] {
                let bytes = (block - &high).to_bytes_le();
                ciphertext[at * BLOCK..][..bytes.len()].copy_from_slice(&bytes);
            }
            return (nonce, [&ciphertext[..], &tag].concat());
        }
    }
}

/// Poly1305 of all but the two unknown blocks, which count as nothing, high bit included.
fn polynomial(
    associated_data: &[u8],
    ciphertext: &[u8],
    point: &BigUint,
    prime: &BigUint,
    high: &BigUint,
) -> BigUint {
    let mut message = associated_data.to_vec();
    message.resize(associated_data.len().next_multiple_of(BLOCK), 0);
    let unknown = message.len() / BLOCK + 2..message.len() / BLOCK + 4;
    message.extend(ciphertext);
    for length in [associated_data.len(), ciphertext.len()] {
        message.extend((length as u64).to_le_bytes());
    }
    let blocks = message.chunks(BLOCK).enumerate();
    blocks.fold(BigUint::ZERO, |sum, (at, block)| {
        let block = if unknown.contains(&at) { BigUint::ZERO } else { BigUint::from_bytes_le(block) + high };
        (sum + block) * point % prime
    })
}
