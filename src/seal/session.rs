//! One write's nonces: one draw from the operating system, each nonce handed out once.

use super::error::SealError;
use super::sealed::Slot;
use crate::bytes::aead::Subcipher;
use crate::bytes::context::{AssociatedData, Place, StepPath};
use crate::bytes::envelope::{Header, NONCE_BYTES};
use crate::keys::{DataKey, KeyRing};

/// Seals the values of one document or message.
///
/// The i-th value gets the drawn 24 bytes with i XORed into the last 8 (little-endian). A session is
/// not `Clone`, works through `&mut`, and lives within one call without an await, so that no nonce
/// is handed out twice; sealing again draws again.
pub(super) struct SealSession<'a> {
    key: &'a DataKey,
    cipher: Subcipher,
    associated_data: AssociatedData,
    draw: [u8; NONCE_BYTES],
    next: u32,
}

impl<'a> SealSession<'a> {
    /// Draws. Everything that is to be sealed has been encoded by now.
    pub(super) fn new<'p>(place: impl Into<Place<'p>>, ring: &'a KeyRing) -> Result<Self, SealError> {
        let place = place.into();
        if ring.scope() != place.scope() {
            return Err(SealError::OtherScope {
                ring: ring.scope().clone(),
                document: place.scope().clone(),
            });
        }
        let mut draw = [0; NONCE_BYTES];
        getrandom::fill(&mut draw).map_err(SealError::Random)?;
        Ok(Self::with_draw(place, ring, draw))
    }

    fn with_draw(place: Place<'_>, ring: &'a KeyRing, draw: [u8; NONCE_BYTES]) -> Self {
        let key = ring.primary();
        Self {
            key,
            cipher: key.cipher().for_nonce(&draw),
            associated_data: AssociatedData::new(place, &key.id()),
            draw,
            next: 0,
        }
    }

    /// A session with a draw of the test's own choice, for the vectors.
    #[cfg(test)]
    pub(super) fn drawn<'p>(place: impl Into<Place<'p>>, ring: &'a KeyRing, draw: [u8; NONCE_BYTES]) -> Self {
        Self::with_draw(place.into(), ring, draw)
    }

    /// Turns a draft into an envelope; anything else stays as it is.
    pub(super) fn seal(&mut self, path: &StepPath, slot: &mut Slot) -> Result<(), SealError> {
        let Slot::Draft(draft) = slot else { return Ok(()) };
        let header = Header { key_id: self.key.id(), nonce: self.next_nonce()? };
        let (header_place, plaintext, tag) = draft.parts_mut();
        header.encode(header_place);
        self.cipher
            .seal(&header.nonce, self.associated_data.of_field(path), plaintext, tag)
            .map_err(|_| SealError::TooLong { field: path.decode() })?;
        if let Slot::Draft(draft) = std::mem::replace(slot, Slot::Absent) {
            *slot = Slot::Stored(draft.into_envelope());
        }
        Ok(())
    }

    fn next_nonce(&mut self) -> Result<[u8; NONCE_BYTES], SealError> {
        let mut nonce = self.draw;
        let last = nonce.last_chunk_mut().expect("a nonce is longer than 8 bytes");
        *last = (u64::from_le_bytes(*last) ^ u64::from(self.next)).to_le_bytes();
        self.next = self.next.checked_add(1).ok_or(SealError::TooManyValues)?;
        Ok(nonce)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::bytes::{DocumentPath, Location};

    fn location() -> Location {
        Location::new(DocumentPath::parse("customers/ada").expect("valid"))
    }

    #[test]
    fn nonces_count_by_xor_in_the_last_eight_bytes() {
        let ring = KeyRing::new(DataKey::from_bytes(&[1; 32]));
        let mut session = SealSession::drawn(&location(), &ring, [0xff; 24]);
        let nonces: Vec<_> = (0..600).map(|_| session.next_nonce().expect("few")).collect();
        assert_eq!(nonces[0], [0xff; 24]);
        assert_eq!(nonces[1][16..], [0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
        assert_eq!(nonces[258][16..], [0xfd, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
        assert!(nonces.iter().all(|nonce| nonce[..16] == [0xff; 16]));
        assert_eq!(nonces.iter().collect::<HashSet<_>>().len(), 600);
    }

    #[test]
    fn the_count_ends_before_it_repeats() {
        let ring = KeyRing::new(DataKey::from_bytes(&[1; 32]));
        let mut session = SealSession::drawn(&location(), &ring, [0; 24]);
        session.next = u32::MAX - 1;
        let last = session.next_nonce().expect("one is left");
        assert_eq!(last[16..], [0xfe, 0xff, 0xff, 0xff, 0, 0, 0, 0]);
        for _ in 0..3 {
            assert!(matches!(session.next_nonce(), Err(SealError::TooManyValues)));
        }
    }

    #[test]
    fn a_million_nonces_on_sixteen_threads() {
        const THREADS: usize = 16;
        const DOCUMENTS: usize = 2_500;
        const VALUES: usize = 25;
        let ring = KeyRing::new(DataKey::from_bytes(&[1; 32]));
        let work = || {
            let document = |_| {
                let mut session = SealSession::new(&location(), &ring).expect("random numbers");
                (0..VALUES).map(|_| session.next_nonce().expect("few")).collect::<Vec<_>>()
            };
            (0..DOCUMENTS).flat_map(document).collect::<Vec<_>>()
        };
        let nonces: Vec<[u8; NONCE_BYTES]> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(work)).collect();
            threads.into_iter().flat_map(|thread| thread.join().expect("no panic")).collect()
        });
        assert_eq!(nonces.len(), 1_000_000);
        assert_eq!(nonces.iter().collect::<HashSet<_>>().len(), 1_000_000);
        let draws: HashSet<_> = nonces.iter().map(|nonce| &nonce[..16]).collect();
        assert_eq!(draws.len(), THREADS * DOCUMENTS);
    }
}
