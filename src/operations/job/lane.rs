//! A lane takes one part after the other, and each page by page.

use std::sync::Arc;
use std::time::Duration;

use futures::TryStreamExt;
use futures::future::{Either, join, select};
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};
use tracing::{Instrument, debug, debug_span, warn};

use super::ledger::{Claim, Held, SaveError, Then};
use super::part::Part;
use super::report::{End, Failure, Tally};
use super::run::{Halt, Run};
use crate::bytes::DocumentPath;
use crate::store::{Document, document_bytes};

/// How many documents the first page of a part asks for, while their size is not known.
const FIRST_PAGE: u32 = 25;

/// How long to wait for what other lanes may give back of the budget.
const OTHERS_READ: Duration = Duration::from_millis(10);

/// Documents read, in the order of their names.
struct Page {
    documents: Vec<Document>,
    bytes: usize,
    /// Whether nothing comes after it.
    last: bool,
}

/// Works on parts until none is left.
pub(super) async fn lane(run: Arc<Run>) -> Result<(), Halt> {
    loop {
        run.rest().await?;
        // From before the parts are looked at, so that no end is missed.
        let mut ended = run.ended.subscribe();
        match run.patiently(|| async { Ok(run.ledger.claim().await?) }).await? {
            Claim::AllDone => return Ok(()),
            Claim::Wait(time) => {
                run.note(|now| {
                    now.waiting.get_or_insert_with(|| "parts that others hold".to_owned());
                });
                run.wait_for_parts(time, &mut ended).await;
                run.note(|now| now.waiting = None);
            }
            Claim::Part(held) => {
                let span = debug_span!("part", index = held.index);
                match run.part(*held).instrument(span).await {
                    Err(Halt::Lost) => warn!("another task has taken the part over"),
                    ended => ended?,
                }
            }
        }
    }
}

/// Keeps the lease of a part, and its checkpoints.
struct Keeper<'a> {
    run: &'a Run,
    held: Mutex<Kept>,
}

struct Kept {
    held: Held,
    /// Whether there is something that no checkpoint says yet.
    news: bool,
    saved: Instant,
}

impl Keeper<'_> {
    async fn note(&self, after: &DocumentPath, tally: &Tally, failures: Vec<Failure>) {
        let mut kept = self.held.lock().await;
        kept.held.part.advance(after, tally, failures);
        kept.news = true;
    }

    async fn save(&self, then: Then) -> Result<(), Halt> {
        let mut kept = self.held.lock().await;
        let saved = Instant::now();
        match self.run.ledger.save(&mut kept.held, then).await {
            Ok(()) => {
                (kept.news, kept.saved) = (false, saved);
                Ok(())
            }
            Err(SaveError::Lost) => Err(Halt::Lost),
            Err(SaveError::Checkpoint(error)) => Err(Halt::Checkpoint(error)),
        }
    }

    /// Writes checkpoints until one cannot be written.
    async fn keep(&self) -> Halt {
        let renew = self.run.lease / 3;
        let every = self.run.checkpoint_every.min(renew).max(Duration::from_millis(10));
        loop {
            sleep(every).await;
            let (news, saved) = {
                let kept = self.held.lock().await;
                (kept.news, kept.saved)
            };
            if !news && saved.elapsed() < renew {
                continue;
            }
            match self.save(Then::Keep).await {
                Ok(()) => {}
                // While the lease lasts nobody else takes the part.
                Err(halt) if halt.passing().is_some() && saved.elapsed() < self.run.lease => {
                    debug!(?halt, "a checkpoint could not be written");
                }
                Err(halt) if halt.passing().is_some() => return Halt::Lost,
                Err(halt) => return halt,
            }
        }
    }
}

impl Run {
    async fn part(&self, held: Held) -> Result<(), Halt> {
        let part = held.part.clone();
        let held = Mutex::new(Kept { held, news: false, saved: Instant::now() });
        let keeper = Keeper { run: self, held };
        let ended = {
            let (keep, work) = (std::pin::pin!(keeper.keep()), std::pin::pin!(self.pages(&part, &keeper)));
            match select(keep, work).await {
                Either::Left((halt, _)) => Err(halt),
                Either::Right((ended, _)) => ended,
            }
        };
        match ended {
            Ok(()) => {
                keeper.held.lock().await.held.part.done = true;
                self.patiently(|| keeper.save(Then::Release)).await?;
                self.note(|now| now.parts_done += 1);
                self.ended.send_modify(|parts| *parts += 1);
                Ok(())
            }
            Err(Halt::Lost) => Err(Halt::Lost),
            Err(halt) => {
                // Somebody else may go on at once; where that cannot be said, once the lease is over.
                if let Err(error) = keeper.save(Then::Release).await {
                    debug!(?error, "a part could not be given back");
                }
                Err(halt)
            }
        }
    }

    /// Works on all pages of a part that are left, reading the next while one is written.
    async fn pages(&self, part: &Part, keeper: &Keeper<'_>) -> Result<(), Halt> {
        let mut page = self.page(part, None, FIRST_PAGE).await?;
        loop {
            let Page { documents, bytes, last } = page;
            let Some(after) = documents.last().map(|document| document.path.clone()) else { return Ok(()) };
            let read = u64::try_from(documents.len()).unwrap_or(u64::MAX);
            let size = (bytes / documents.len().max(1)).max(1);
            let next = async {
                if last {
                    return Ok(None);
                }
                let fit = u32::try_from(self.limits.page_bytes / size).unwrap_or(u32::MAX);
                let limit = fit.clamp(1, self.limits.page_documents.max(1));
                self.page(part, Some(&after), limit).await.map(Some)
            };
            let (done, next) = join(self.process(documents), next).await;
            let (mut tally, failures) = done?;
            tally.documents = read;
            tally.bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
            keeper.note(&after, &tally, failures).await;
            self.note(|now| now.done.add(&tally));
            match next? {
                None => return Ok(()),
                Some(next) => page = next,
            }
            self.rest().await?;
        }
    }

    /// The next page: so many documents at most, and only so many bytes that one more document may go
    /// over the limit.
    async fn page(&self, part: &Part, after: Option<&DocumentPath>, limit: u32) -> Result<Page, Halt> {
        let mut reserved = loop {
            match self.pace.reserve(limit) {
                Some(reserved) => break reserved,
                None => sleep(OTHERS_READ).await,
            }
        };
        let granted = reserved.documents;
        if granted == 0 {
            return Err(Halt::End(End::Budget));
        }
        let read = self
            .patiently(|| async {
                let query = part.query(&self.target, after, granted);
                let mut found = self.store.query(&query, None).await?;
                let (mut documents, mut bytes) = (Vec::new(), 0);
                let mut last = true;
                while let Some(document) = found.try_next().await? {
                    bytes += document_bytes(&document);
                    documents.push(document);
                    if bytes >= self.limits.page_bytes {
                        last = false;
                        break;
                    }
                }
                last = last && documents.len() < usize::try_from(granted).unwrap_or(usize::MAX);
                Ok(Page { documents, bytes, last })
            })
            .await;
        let page = read?;
        reserved.read = page.documents.len() as u64;
        self.pace.note_bytes(page.bytes as u64);
        Ok(page)
    }
}
