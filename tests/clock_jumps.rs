//! Clocks that jump, by hours and by years, forwards and back: no key lives longer, no message is taken twice or late,
//! and nothing stops working for good. Prints how many jumps were tried.
//!
//! The plaintext window is tried where it is made (`src/seal/window.rs`).

#![allow(missing_docs, clippy::unwrap_used)]

#[path = "support/promise.rs"]
mod promise;
#[path = "support/custody.rs"]
mod support;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use fireseal::custody::{Authority, Clock, KeyVault, Lifetimes, Moment};
use fireseal::{
    Channel, KeyProvider as _, Message, MessageError, MessageKey, MessageRing, ReplayError, ReplayWindow,
    Sealable,
};
use promise::Promise;
use support::{Fault, Held, Service, scope};

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const YEAR: u64 = 365 * 24 * HOUR;
/// Seconds that the calendar's clock jumps.
const JUMPS: [u64; 4] = [MINUTE, HOUR, 25 * HOUR, 30 * YEAR];
const START: u64 = 1_700_000_000;

/// Two clocks that are moved each by itself.
#[derive(Clone)]
struct Clocks(Arc<Mutex<Moment>>);

impl Clocks {
    fn new() -> Self {
        let unix = Duration::from_secs(START);
        Self(Arc::new(Mutex::new(Moment { monotonic: Duration::ZERO, unix })))
    }

    /// Time goes by.
    fn pass(&self, time: Duration) {
        let mut now = self.0.lock().unwrap();
        now.monotonic += time;
        now.unix += time;
    }

    /// The calendar's clock is set.
    fn jump(&self, seconds: u64, forward: bool) {
        let mut now = self.0.lock().unwrap();
        let by = Duration::from_secs(seconds);
        now.unix = if forward { now.unix + by } else { now.unix.saturating_sub(by) };
    }
}

#[async_trait]
impl Clock for Clocks {
    fn now(&self) -> Moment {
        *self.0.lock().unwrap()
    }

    async fn sleep(&self, duration: Duration) {
        self.pass(duration);
        tokio::task::yield_now().await;
    }
}

async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn no_key_lives_longer_because_a_clock_was_set() {
    let hard = Lifetimes::default().hard;
    let promise = Promise::new("clock_jumps");
    for seconds in JUMPS {
        for forward in [true, false] {
            // Before the key is denied, at once after it, and late in its life.
            for at in [Duration::ZERO, Duration::from_secs(1), hard - Duration::from_secs(30)] {
                let (clocks, held, service) = (Clocks::new(), Held::default(), Service::new(1));
                let (authority, acme) = (Authority::generate().unwrap(), scope("acme"));
                let vault = KeyVault::over(held, "test", authority.key())
                    .with_root(service.clone())
                    .with_clock(clocks.clone());
                vault.create_scope(&authority, &acme).await.unwrap();
                vault.wipe();
                let key = vault.ring(&acme).await.unwrap().primary().id();
                service.always(Some(Fault::Denied));
                clocks.pass(at);
                clocks.jump(seconds, forward);
                // Used the whole time, also while it is renewed in the background.
                let mut lived = at;
                while lived <= hard {
                    let _ = vault.ring(&acme).await;
                    settle().await;
                    let step =
                        Duration::from_secs(600).min(hard.saturating_sub(lived) + Duration::from_secs(1));
                    clocks.pass(step);
                    lived += step;
                }
                let sealed = vault.ring(&acme).await;
                assert!(
                    sealed.is_err(),
                    "{seconds} s, forward {forward}, at {at:?}: it seals after {lived:?}"
                );
                // The clock set right again brings nothing back.
                clocks.jump(seconds, !forward);
                assert!(vault.ring(&acme).await.is_err(), "{seconds} s, forward {forward}: it came back");
                // And nothing is broken for good.
                service.always(None);
                clocks.pass(Duration::from_secs(60));
                assert_eq!(vault.ring(&acme).await.unwrap().primary().id(), key);
                promise.held(1);
            }
        }
    }
    promise.finish();
}

/// Changes are ordered by their epochs, not by the administrator's clock.
#[tokio::test]
async fn an_administrator_whose_clock_jumps_changes_rings_all_the_same() {
    let (clocks, held) = (Clocks::new(), Held::default());
    let (authority, acme) = (Authority::generate().unwrap(), scope("acme"));
    let vault = || {
        KeyVault::over(held.clone(), "test", authority.key())
            .with_root(support::root(1))
            .with_clock(clocks.clone())
    };
    vault().create_scope(&authority, &acme).await.unwrap();
    // One who saw all changes, and one who sees the last alone.
    let witness = vault();
    let (mut changes, promise) = (0, Promise::new("clock_jumps"));
    for seconds in JUMPS {
        for forward in [true, false, false, true] {
            clocks.jump(seconds, forward);
            vault().rotate(&authority, &acme).await.unwrap();
            changes += 1;
            witness.wipe();
            let primary = witness.ring(&acme).await.unwrap().primary().id();
            assert_eq!(vault().ring(&acme).await.unwrap().primary().id(), primary);
        }
    }
    assert_eq!(vault().manifest(&acme).await.unwrap().epoch, changes + 1);
    promise.held(changes);
    promise.finish();
}

#[derive(Sealable)]
struct Order {
    #[sensitive]
    card: String,
}

impl Message for Order {
    const TYPE: &'static str = "shop.v1.Order";
}

#[test]
fn no_message_is_taken_twice_or_late_because_a_clock_was_set() {
    let ring = MessageRing::new(MessageKey::generate().unwrap());
    let channel = Channel::subject("orders.created").unwrap();
    let promise = Promise::new("clock_jumps");
    for seconds in JUMPS {
        for forward in [true, false] {
            let hand = Arc::new(AtomicU64::new(START));
            let clock = Arc::clone(&hand);
            let window = ReplayWindow::new(Duration::from_secs(10 * MINUTE), 100)
                .with_clock(move || clock.load(Ordering::SeqCst));
            let message = |expiry: u64| {
                let order = Order { card: "4111".to_owned() };
                order.seal_message(&channel.event().with_expiry(expiry), &ring).unwrap()
            };
            let open = |message: &fireseal::SealedMessage<Order>| match message.open_once(
                &channel.event(),
                &ring,
                &window,
            ) {
                Ok(_) => "taken",
                Err(MessageError::Replay(ReplayError::Duplicate { .. })) => "duplicate",
                Err(MessageError::Replay(ReplayError::Expired { .. })) => "expired",
                Err(MessageError::Replay(ReplayError::BeyondWindow { .. })) => "beyond",
                Err(error) => panic!("{error}"),
            };
            let (taken, late) = (message(START + 5 * MINUTE), message(START));
            assert_eq!((open(&taken), open(&late)), ("taken", "expired"));
            let set = if forward { START + seconds } else { START - seconds };
            hand.store(set, Ordering::SeqCst);
            // Forward: expired, and forgotten. Back: as if it stood still.
            assert!(["duplicate", "expired"].contains(&open(&taken)), "{seconds} s, forward {forward}");
            assert_eq!(open(&late), "expired");
            // Set right again, a message that was forgotten must not come back to life.
            hand.store(START, Ordering::SeqCst);
            assert!(["duplicate", "expired"].contains(&open(&taken)), "{seconds} s, forward {forward}");
            assert_eq!(open(&late), "expired");
            // One of the time that the window thinks it is.
            let now = if forward { set } else { START };
            assert_eq!(open(&message(now + 5 * MINUTE)), "taken");
            promise.held(1);
        }
    }
    promise.finish();
}
