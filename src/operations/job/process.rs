//! A page is planned and written: in batches, each document only if it is as it was read.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use tokio::time::sleep;
use tracing::debug;

use super::report::{Failure, Tally};
use super::run::{Halt, Outage, Run};
use crate::bytes::DocumentPath;
use crate::error::Error;
use crate::operations::step::{Counts, FailureKind, Outcome, Planned, StepFailure};
use crate::store::{
    Document, FieldMask, Precondition, StoreError, Time, Write, WriteKind, same, same_fields, value_at,
    write_bytes,
};

/// How often a document is planned again when others write it in between.
const ATTEMPTS: u32 = 40;
/// Documents that others have just changed are written with few others, for they may change again.
const AGAIN_AT_ONCE: usize = 20;
/// As many attempts as make batches small.
const SMALL: u32 = 4;

/// A document that is to be written.
struct Pending {
    write: Write,
    /// What is committed with it or not at all.
    also: Vec<Write>,
    counts: Counts,
    read_at: Option<Time>,
    /// How often it was planned.
    attempt: u32,
}

/// What became of a page.
#[derive(Default)]
struct Done {
    tally: Tally,
    failures: Vec<Failure>,
}

impl Done {
    fn fail(&mut self, document: &DocumentPath, kind: FailureKind, reason: String) {
        self.tally.failed += 1;
        self.failures.push(StepFailure::of(document.clone(), kind, reason).into());
    }
}

impl Run {
    /// Plans documents and writes what is to be written. They count as read by the caller.
    pub(super) async fn process(&self, documents: Vec<Document>) -> Result<(Tally, Vec<Failure>), Halt> {
        let mut done = Done::default();
        let pending = self.plan(documents, 1, &mut done).await?;
        if self.dry_run {
            for pending in pending {
                done.tally.written += 1;
                done.tally.counts.add(&pending.counts);
            }
        } else {
            self.write(pending, &mut done).await?;
        }
        Ok((done.tally, done.failures))
    }

    /// What is to be written of these documents. Waits for keys.
    async fn plan(
        &self,
        documents: Vec<Document>,
        attempt: u32,
        done: &mut Done,
    ) -> Result<Vec<Pending>, Halt> {
        let read: Vec<(DocumentPath, Option<Time>)> =
            documents.iter().map(|document| (document.path.clone(), document.update_time)).collect();
        if read.is_empty() {
            return Ok(Vec::new());
        }
        let outcomes =
            self.patiently(|| async { self.step.plan(documents.clone()).await.map_err(Halt::Error) }).await?;
        if outcomes.len() != read.len() {
            let reason = format!(
                "the step {} says {} times what is to be done with {} documents",
                self.step.name(),
                outcomes.len(),
                read.len()
            );
            return Err(Halt::Error(Error::Store(StoreError::UnexpectedAnswer { reason })));
        }
        let mut pending = Vec::new();
        for (outcome, (path, read_at)) in outcomes.into_iter().zip(read) {
            match outcome {
                Outcome::Unchanged(counts) => {
                    done.tally.unchanged += 1;
                    done.tally.counts.add(&counts);
                }
                Outcome::Failed(failure) => {
                    done.tally.failed += 1;
                    done.failures.push(failure.into());
                }
                Outcome::Write(Planned { write, .. }) if write.path != path => {
                    let reason = format!("the step {} writes another document", self.step.name());
                    done.fail(&path, FailureKind::Other, reason);
                }
                Outcome::Write(Planned { write, also, counts }) => {
                    pending.push(Pending { write, also, counts, read_at, attempt });
                }
            }
        }
        Ok(pending)
    }

    async fn write(&self, pending: Vec<Pending>, done: &mut Done) -> Result<(), Halt> {
        let wanted = pending.len();
        let mut refused: Vec<StoreError> = Vec::new();
        let mut work = VecDeque::from(self.batches(pending, self.limits.batch_documents));
        let mut outage = Outage::default();
        while let Some(mut batch) = work.pop_front() {
            self.pace.writes(batch.iter().map(|pending| 1 + pending.also.len()).sum()).await;
            let writes = batch.iter().flat_map(Pending::guarded).collect::<Vec<_>>();
            let error = match self.store.commit(&writes).await {
                Ok(_) => {
                    self.is_over(&mut outage);
                    for pending in batch {
                        done.tally.written += 1;
                        done.tally.counts.add(&pending.counts);
                    }
                    continue;
                }
                Err(error) => error,
            };
            match error {
                StoreError::Refused { .. } | StoreError::Limit(_) => {
                    if batch.len() > 1 {
                        let rest = batch.split_off(batch.len() / 2);
                        work.push_front(rest);
                        work.push_front(batch);
                    } else if let Some(pending) = batch.first() {
                        let limit = matches!(error, StoreError::Limit(_));
                        let kind = if limit { FailureKind::Limit } else { FailureKind::Other };
                        done.fail(&pending.write.path, kind, error.to_string());
                        refused.extend(Some(error).filter(|_| !limit));
                    }
                }
                StoreError::Conflict { .. } | StoreError::NotFound { .. } | StoreError::Aborted { .. } => {
                    debug!(documents = batch.len(), %error, "reading again");
                    self.is_over(&mut outage);
                    let attempt = last_attempt(&batch) + 1;
                    let again = self.settle(batch, attempt, done).await?;
                    again.into_iter().for_each(|batch| work.push_back(batch));
                }
                // They may have been applied all the same. It makes batches small, but however long it lasts
                // no document is given up for it.
                StoreError::Unavailable { .. } | StoreError::Deadline { .. } => {
                    debug!(documents = batch.len(), %error, "reading what was written");
                    self.outlast(&mut outage, error.into()).await?;
                    let attempt = last_attempt(&batch);
                    let attempt = attempt.max((attempt + 1).min(SMALL));
                    let again = self.settle(batch, attempt, done).await?;
                    again.into_iter().for_each(|batch| work.push_back(batch));
                }
                StoreError::UnexpectedAnswer { .. } => {
                    debug!(documents = batch.len(), %error, "reading what was written");
                    let attempt = last_attempt(&batch) + 1;
                    let again = self.settle(batch, attempt, done).await?;
                    again.into_iter().for_each(|batch| work.push_back(batch));
                }
                error => return Err(error.into()),
            }
        }
        // It is not the documents then.
        let all = wanted > 1 && refused.len() == wanted;
        let reason = refused.first().map(ToString::to_string);
        match refused.pop() {
            Some(error) if all && refused.iter().all(|other| Some(other.to_string()) == reason) => {
                Err(error.into())
            }
            _ => Ok(()),
        }
    }

    /// Looks what has become of a batch that was not applied as a whole, or perhaps was. What is as it was
    /// read is written again, what others have changed is planned anew.
    async fn settle(
        &self,
        batch: Vec<Pending>,
        attempt: u32,
        done: &mut Done,
    ) -> Result<Vec<Vec<Pending>>, Halt> {
        let paths: Vec<DocumentPath> = batch.iter().map(|pending| pending.write.path.clone()).collect();
        let times = self.read(&paths, Some(&FieldMask::default())).await?;
        let mut same = Vec::new();
        let mut others = HashMap::new();
        for (mut pending, now) in batch.into_iter().zip(times) {
            // Where others stand in the way of what goes along, it is planned anew as well.
            if pending.also.is_empty() && now.is_some_and(|now| now.update_time == pending.read_at) {
                pending.attempt = attempt;
                same.push(pending);
            } else {
                others.insert(pending.write.path.clone(), pending);
            }
        }
        let paths: Vec<DocumentPath> = others.keys().cloned().collect();
        let (mut changed, mut landed) = (Vec::new(), Vec::new());
        for now in self.read(&paths, None).await?.into_iter().flatten() {
            let Some(pending) = others.remove(&now.path) else { continue };
            if now.update_time != pending.read_at && pending.landed(&now) {
                done.tally.written += 1;
                landed.push((now, pending.counts));
            } else {
                done.tally.conflicts += 1;
                changed.push(now);
            }
        }
        // Those that are gone are left.
        done.tally.vanished += others.len() as u64;
        let mut again = self.plan(changed, attempt, done).await?;
        again.extend(self.plan_again(landed, attempt, done).await?);

        let given_up = |pending: &Pending| pending.attempt > ATTEMPTS;
        for pending in same.iter().chain(&again).filter(|pending| given_up(pending)) {
            let reason = format!(
                "it was changed or held by others {ATTEMPTS} times; to have it done, forget the job's checkpoints (`--again`) and run it anew"
            );
            done.fail(&pending.write.path, FailureKind::Other, reason);
        }
        same.retain(|pending| !given_up(pending));
        let again = again.into_iter().filter(|pending| !given_up(pending)).collect();
        pause(attempt).await;
        let whole = same.len().div_ceil(if attempt > 2 { 2 } else { 1 });
        let few = if attempt >= SMALL { 1 } else { AGAIN_AT_ONCE };
        let mut batches = self.batches(same, whole.max(1));
        batches.extend(self.batches(again, few));
        Ok(batches)
    }

    /// Plans what was written and its answer lost, for others may have changed it since. If not, it counts as
    /// what was written, and not as unchanged too.
    async fn plan_again(
        &self,
        landed: Vec<(Document, Counts)>,
        attempt: u32,
        done: &mut Done,
    ) -> Result<Vec<Pending>, Halt> {
        let mut since = Done::default();
        let mut counts = HashMap::with_capacity(landed.len());
        let mut documents = Vec::with_capacity(landed.len());
        for (document, count) in landed {
            counts.insert(document.path.clone(), count);
            documents.push(document);
        }
        let again = self.plan(documents, attempt, &mut since).await?;
        again.iter().for_each(|pending| drop(counts.remove(&pending.write.path)));
        counts.values().for_each(|count| done.tally.counts.add(count));
        done.tally.failed += since.tally.failed;
        done.failures.extend(since.failures);
        Ok(again)
    }

    async fn read(
        &self,
        paths: &[DocumentPath],
        mask: Option<&FieldMask>,
    ) -> Result<Vec<Option<Document>>, Halt> {
        if paths.is_empty() {
            return Ok(Vec::new());
        }
        self.patiently(|| async { Ok(self.store.read(paths, mask).await?) }).await
    }

    /// Commits under the limits. No document stands in one twice.
    fn batches(&self, pending: Vec<Pending>, documents: usize) -> Vec<Vec<Pending>> {
        let most = self.pace.batch(documents.min(self.limits.batch_documents));
        let mut batches: Vec<Vec<Pending>> = Vec::new();
        let (mut bytes, mut writes) = (0, 0);
        let mut named = HashSet::new();
        for pending in pending {
            let all = || std::iter::once(&pending.write).chain(&pending.also);
            let size: usize = all().map(write_bytes).sum();
            let fits = bytes + size <= self.limits.batch_bytes
                && writes + all().count() <= most
                && !all().any(|write| named.contains(&write.path));
            if !fits || batches.is_empty() {
                batches.push(Vec::new());
                (bytes, writes) = (0, 0);
                named.clear();
            }
            bytes += size;
            writes += all().count();
            named.extend(all().map(|write| write.path.clone()));
            if let Some(batch) = batches.last_mut() {
                batch.push(pending);
            }
        }
        batches
    }
}

impl Pending {
    fn guarded(&self) -> impl Iterator<Item = Write> {
        let unchanged = self.read_at.map_or(Precondition::Exists(true), Precondition::UpdatedAt);
        let write = self.write.clone().with_precondition(unchanged);
        std::iter::once(write).chain(self.also.iter().cloned())
    }

    /// Whether the document holds what was to be written.
    fn landed(&self, now: &Document) -> bool {
        match &self.write.kind {
            WriteKind::Delete => false,
            WriteKind::Set { fields, mask: None } => same_fields(fields, &now.fields),
            WriteKind::Set { fields, mask: Some(mask) } => {
                mask.paths().iter().all(|path| match (value_at(fields, path), value_at(&now.fields, path)) {
                    (Some(written), Some(now)) => same(written, now),
                    (written, now) => written.is_none() && now.is_none(),
                })
            }
        }
    }
}

/// How often the documents of a batch were planned, at most.
fn last_attempt(batch: &[Pending]) -> u32 {
    batch.iter().map(|pending| pending.attempt).max().unwrap_or_default()
}

/// Lets others go first: the longer the more often, at most half a second.
async fn pause(attempt: u32) {
    let random = getrandom::u32().unwrap_or_default() % 20;
    sleep(Duration::from_millis(u64::from((attempt * random).min(500)))).await;
}
