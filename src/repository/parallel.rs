//! The same work on many documents, on all cores, in order.

use std::num::NonZero;
use std::sync::{Arc, OnceLock};

use tokio::runtime::Handle;

/// From how many bytes on it pays to wake other threads, each item with [`ITEM_BYTES`] more than it weighs:
/// `benches/bulk.rs` measures it. 1,024 small documents, or 128 of 16 KiB.
const CUT_OVER: usize = 2 << 20;

/// How many bytes take as long to open as what each document takes besides.
const ITEM_BYTES: usize = 2 << 10;

/// Applies `work` to each item, and keeps their order; the first failure in that order is the result. `weigh` tells
/// how many bytes there are to work on. Little work, or any without a runtime, is done here and now.
pub(super) async fn try_map<I, O, E, W>(
    items: Vec<I>,
    weigh: impl Fn(&I) -> usize,
    work: W,
) -> Result<Vec<O>, E>
where
    I: Send + 'static,
    O: Send + 'static,
    E: Send + 'static,
    W: Fn(I) -> Result<O, E> + Send + Sync + 'static,
{
    let bytes = || items.iter().map(|item| ITEM_BYTES + weigh(item)).sum::<usize>();
    let runtime = match Handle::try_current() {
        Ok(runtime) if items.len() > 1 && cores() > 1 && bytes() >= CUT_OVER => runtime,
        _ => return items.into_iter().map(work).collect(),
    };
    let (share, work) = (items.len().div_ceil(cores()), Arc::new(work));
    let mut own = items;
    let mut others = Vec::new();
    while own.len() > share {
        let part = own.split_off(own.len() - share);
        let work = Arc::clone(&work);
        let part = move || part.into_iter().map(|item| work(item)).collect::<Result<Vec<O>, E>>();
        others.push(runtime.spawn_blocking(part));
    }
    let mut done = own.into_iter().map(|item| work(item)).collect::<Result<Vec<O>, E>>()?;
    // They were cut off from the end.
    while let Some(part) = others.pop() {
        match part.await {
            Ok(part) => done.extend(part?),
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The runtime is shutting down, and whoever waits here with it.
                Err(_) => std::future::pending().await,
            },
        }
    }
    Ok(done)
}

/// Asking the system takes longer than opening a document.
fn cores() -> usize {
    static CORES: OnceLock<usize> = OnceLock::new();
    *CORES.get_or_init(|| std::thread::available_parallelism().map_or(1, NonZero::get))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many items without weight are worth it.
    const SMALL: usize = CUT_OVER / ITEM_BYTES;

    #[tokio::test(flavor = "multi_thread")]
    async fn the_order_is_kept_and_the_first_failure_told() {
        for count in [0, 1, SMALL - 1, SMALL, SMALL + 1, 10 * SMALL + 3] {
            let items: Vec<usize> = (0..count).collect();
            let doubled = try_map(items.clone(), |_| 0, |item| Ok::<_, usize>(2 * item)).await;
            assert_eq!(doubled, Ok((0..count).map(|item| 2 * item).collect()));
            let failed = try_map(items, |_| 0, |item| if item % 50 == 49 { Err(item) } else { Ok(()) }).await;
            assert_eq!(failed.err(), (count >= 50).then_some(49));
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn many_are_worked_on_by_several_threads() {
        let thread = |_| Ok::<_, ()>(std::thread::current().id());
        for (count, bytes, shared) in [
            (SMALL - 1, 0, false),
            (SMALL, 0, true),
            (127, 14 << 10, false),
            (128, 14 << 10, true),
            (1, CUT_OVER, false),
        ] {
            let ids = try_map(vec![(); count], |()| bytes, thread).await.expect("no failure");
            assert_eq!(ids.iter().any(|id| *id != ids[0]), shared && cores() > 1, "{count} of {bytes}");
        }
    }

    #[test]
    fn without_a_runtime_the_caller_works() {
        let done = futures::executor::block_on(try_map(vec![1; 10 * SMALL], |_| 0, Ok::<i32, ()>));
        assert_eq!(done, Ok(vec![1; 10 * SMALL]));
    }
}
