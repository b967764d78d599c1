//! A network between a store and the emulator that fails at random, by a seed: it delays, cuts and half-closes
//! connections, swallows answers, and changes bits inside DATA frames and anywhere else.
//!
//! ```ignore
//! let chaos = Chaos::new(emulator.host(), 7, Rates::ROUGH).await;
//! let store = chaos.store(project.id()).await; // every byte of it passes through
//! // ..
//! chaos.calm(); // from now on nothing goes wrong
//! println!("{}", chaos.told());
//! ```
//!
//! It passes whole HTTP/2 frames on, and decides for each what becomes of it.

#![allow(dead_code, clippy::unwrap_used, clippy::indexing_slicing)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use fireseal::store::FirestoreStore;
use firestore::gcloud_sdk::google_cloud_auth::credentials::anonymous;
use firestore::{FirestoreDb, FirestoreDbOptions};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

use super::random::Random;

/// How many of 10,000 frames each thing happens to.
#[derive(Debug, Clone, Copy)]
pub struct Rates {
    /// The frame comes up to 100 ms later.
    pub delay: usize,
    /// The connection closes before the frame.
    pub cut: usize,
    /// This direction of the connection ends before the frame; the other goes on for a moment.
    pub half_close: usize,
    /// The frame and all after it are lost; after 300 ms the connection closes.
    pub swallow: usize,
    /// A bit of what a DATA frame carries is another.
    pub corrupt_data: usize,
    /// A bit anywhere in the frame is another.
    pub corrupt_any: usize,
}

impl Rates {
    /// Nothing goes wrong.
    pub const NONE: Self =
        Self { delay: 0, cut: 0, half_close: 0, swallow: 0, corrupt_data: 0, corrupt_any: 0 };
    /// Nothing changes on the way, as under TLS; all else goes wrong.
    pub const ROUGH: Self =
        Self { delay: 400, cut: 40, half_close: 20, swallow: 25, corrupt_data: 0, corrupt_any: 0 };
    /// Much less of it, for hours.
    pub const LONG: Self =
        Self { delay: 20, cut: 4, half_close: 2, swallow: 2, corrupt_data: 0, corrupt_any: 0 };
    /// Cleartext, and somebody changes bits besides.
    pub const CORRUPT: Self =
        Self { delay: 100, cut: 10, half_close: 5, swallow: 5, corrupt_data: 400, corrupt_any: 60 };
}

const LONGEST_DELAY: Duration = Duration::from_millis(100);
/// How long a connection lives on that is of no more use.
const LAST_MOMENT: Duration = Duration::from_millis(300);

/// Frames of HTTP/2 are shorter here; a corrupt length is not believed.
const LONGEST_FRAME: usize = 1 << 20;
const PREFACE_BYTES: usize = 24;
const HEADER_BYTES: usize = 9;
const DATA: u8 = 0;
/// In front of each message: a flag and the length.
const GRPC_PREFIX: usize = 5;

pub struct Chaos {
    url: String,
    shared: Arc<Shared>,
}

struct Shared {
    emulator: String,
    seed: u64,
    rates: Rates,
    calm: AtomicBool,
    connections: AtomicU64,
    delays: AtomicUsize,
    cuts: AtomicUsize,
    half_closes: AtomicUsize,
    swallowed: AtomicUsize,
    corrupted: AtomicUsize,
}

impl Chaos {
    /// A network to the emulator at this `host:port`.
    pub async fn new(emulator: &str, seed: u64, rates: Rates) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let shared = Arc::new(Shared {
            emulator: emulator.to_owned(),
            seed,
            rates,
            calm: AtomicBool::default(),
            connections: AtomicU64::default(),
            delays: AtomicUsize::default(),
            cuts: AtomicUsize::default(),
            half_closes: AtomicUsize::default(),
            swallowed: AtomicUsize::default(),
            corrupted: AtomicUsize::default(),
        });
        let taken = shared.clone();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(connection(socket, taken.clone()));
            }
        });
        Self { url, shared }
    }

    /// A store of this project, over this network.
    pub async fn store(&self, project: &str) -> FirestoreStore {
        let options = FirestoreDbOptions::new(project.to_owned()).with_firebase_api_url(self.url.clone());
        let anyone = anonymous::Builder::new().build();
        FirestoreStore::new(FirestoreDb::with_options_auth(options, anyone).await.unwrap())
    }

    /// From now on nothing goes wrong.
    pub fn calm(&self) {
        self.shared.calm.store(true, Ordering::SeqCst);
    }

    /// How often things went wrong.
    pub fn faults(&self) -> usize {
        let Shared { delays, cuts, half_closes, swallowed, corrupted, .. } = &*self.shared;
        [delays, cuts, half_closes, swallowed, corrupted]
            .iter()
            .map(|count| count.load(Ordering::SeqCst))
            .sum()
    }

    /// How often bits were changed.
    pub fn corrupted(&self) -> usize {
        self.shared.corrupted.load(Ordering::SeqCst)
    }

    /// What went wrong, in words.
    pub fn told(&self) -> String {
        let Shared { connections, delays, cuts, half_closes, swallowed, corrupted, .. } = &*self.shared;
        format!(
            "{} connections, {} cut, {} half-closed, {} answers swallowed, {} frames delayed, {} corrupted",
            connections.load(Ordering::SeqCst),
            cuts.load(Ordering::SeqCst),
            half_closes.load(Ordering::SeqCst),
            swallowed.load(Ordering::SeqCst),
            delays.load(Ordering::SeqCst),
            corrupted.load(Ordering::SeqCst),
        )
    }
}

async fn connection(client: TcpStream, shared: Arc<Shared>) {
    let number = shared.connections.fetch_add(1, Ordering::SeqCst);
    let Ok(server) = TcpStream::connect(&shared.emulator).await else { return };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
    let random = |direction: u64| Random(shared.seed ^ (number << 8) ^ direction.wrapping_mul(0x5851_f42d));
    // Whichever direction ends first ends both.
    tokio::select! {
        () = pass(from_client, to_server, random(1), &shared, true) => {}
        () = pass(from_server, to_client, random(2), &shared, false) => {}
    }
}

/// Passes frames on in one direction, until the connection is to be closed.
async fn pass(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut random: Random,
    shared: &Shared,
    to_server: bool,
) {
    if to_server {
        let mut preface = [0; PREFACE_BYTES];
        if from.read_exact(&mut preface).await.is_err() || to.write_all(&preface).await.is_err() {
            return;
        }
    }
    while let Some(mut frame) = read_frame(&mut from).await {
        let rates = shared.rates;
        // Whether something goes wrong with this frame; counted, if so.
        let mut wrong = |rate: usize, counter: &AtomicUsize| {
            let wrong = random.below(10_000) < rate && !shared.calm.load(Ordering::SeqCst);
            counter.fetch_add(usize::from(wrong), Ordering::SeqCst);
            wrong
        };
        let delayed = wrong(rates.delay, &shared.delays);
        let cut = wrong(rates.cut, &shared.cuts);
        let half_closed = wrong(rates.half_close, &shared.half_closes);
        let swallowed = !to_server && wrong(rates.swallow, &shared.swallowed);
        let carried = frame.len().saturating_sub(HEADER_BYTES + GRPC_PREFIX);
        let data = frame[3] == DATA && carried > 0 && wrong(rates.corrupt_data, &shared.corrupted);
        let any = wrong(rates.corrupt_any, &shared.corrupted);
        if delayed {
            tokio::time::sleep(LONGEST_DELAY * u32::from(random.byte()) / 255).await;
        }
        if cut {
            return;
        }
        if half_closed {
            let _ = to.shutdown().await;
        }
        if half_closed || swallowed {
            return tokio::time::sleep(LAST_MOMENT).await;
        }
        if data {
            flip(&mut frame[HEADER_BYTES + GRPC_PREFIX..], &mut random);
        }
        if any {
            flip(&mut frame, &mut random);
        }
        if to.write_all(&frame).await.is_err() {
            return;
        }
    }
}

fn flip(bytes: &mut [u8], random: &mut Random) {
    let at = random.below(bytes.len());
    bytes[at] ^= 1 << random.below(8);
}

/// A frame with its header; `None` at the end.
async fn read_frame(from: &mut OwnedReadHalf) -> Option<Vec<u8>> {
    let mut frame = vec![0; HEADER_BYTES];
    from.read_exact(&mut frame).await.ok()?;
    let length = frame[..3].iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
    if length > LONGEST_FRAME {
        return None;
    }
    frame.resize(HEADER_BYTES + length, 0);
    from.read_exact(&mut frame[HEADER_BYTES..]).await.ok()?;
    Some(frame)
}
