//! Splits the work into parts that hold about as many documents each.

use std::future::Future;
use std::time::Duration;

use futures::TryStreamExt;
use tokio::time::{Instant, sleep};
use tracing::warn;

use super::error::JobError;
use super::handle::{JobHandle, Wish};
use super::part::{Part, by_name, cursor};
use super::run::{FIRST_PAUSE, LONGEST_PAUSE};
use crate::bytes::DocumentPath;
use crate::store::{Aggregation, FieldMask, From, Query, Store, StoreError, ValueType};

/// The most parts that one job has: they are recorded in one commit.
pub(super) const MAX_PARTS: u32 = 400;

/// A part is not made for fewer documents than this unless there are more tasks than parts.
const PART_DOCUMENTS: u64 = 5_000;
/// Parts for each task: one that is slow or dies leaves little to the others.
const PARTS_PER_TASK: u32 = 4;

/// Asks until the database answers, fails for good, has not answered for as long as the job's patience, or
/// nobody waits any more.
pub(super) async fn patiently<T, F>(
    patience: Duration,
    handle: &JobHandle,
    ask: impl Fn() -> F,
) -> Result<T, JobError>
where
    F: Future<Output = Result<T, StoreError>>,
{
    let (begun, mut pause) = (Instant::now(), FIRST_PAUSE);
    loop {
        let error = match ask().await {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        let passing = matches!(
            error,
            StoreError::Unavailable { .. } | StoreError::Deadline { .. } | StoreError::Aborted { .. }
        );
        if !passing || begun.elapsed() + pause > patience || handle.wish() == Wish::Stop {
            return Err(JobError::Start(error));
        }
        warn!(%error, "the job cannot start yet");
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// How many documents there are.
pub(super) async fn count(store: &dyn Store, target: &From) -> Result<u64, StoreError> {
    let counted = store.aggregate(&Query::new(target.clone()), &[Aggregation::Count], None).await?;
    match counted.first().and_then(|value| value.value_type.as_ref()) {
        Some(ValueType::IntegerValue(count)) => Ok(u64::try_from(*count).unwrap_or_default()),
        _ => Err(StoreError::UnexpectedAnswer { reason: "a count is no integer".to_owned() }),
    }
}

/// How many parts there should be.
pub(super) fn parts_for(documents: u64, tasks: u32) -> u32 {
    let by_size = u32::try_from(documents / PART_DOCUMENTS).unwrap_or(MAX_PARTS);
    let most = u32::try_from(documents).unwrap_or(MAX_PARTS);
    by_size.max(tasks.saturating_mul(PARTS_PER_TASK)).min(most).clamp(1, MAX_PARTS)
}

/// The parts. The database says where to split, where it can; elsewhere each part begins as many
/// documents after the one before as there are to a part, which skips over every name once.
pub(super) async fn split(
    store: &dyn Store,
    target: &From,
    documents: u64,
    parts: u32,
) -> Result<Vec<Part>, StoreError> {
    if parts <= 1 {
        return Ok(Part::between(&[]));
    }
    let points = match store.partitions(target, parts - 1).await {
        Err(StoreError::Unsupported { .. }) => every(store, target, documents, parts).await?,
        points => points?,
    };
    Ok(Part::between(&points))
}

/// Whether splitting reads every name: what [`split`] does where the store has no partitions.
pub(super) async fn skips_over_names(store: &dyn Store, target: &From, parts: u32) -> bool {
    parts > 1 && matches!(store.partitions(target, 1).await, Err(StoreError::Unsupported { .. }))
}

async fn every(
    store: &dyn Store,
    target: &From,
    documents: u64,
    parts: u32,
) -> Result<Vec<DocumentPath>, StoreError> {
    let step = documents.div_ceil(u64::from(parts)).clamp(1, u64::from(u32::MAX / 2));
    let step = u32::try_from(step).unwrap_or(u32::MAX / 2);
    let mut points: Vec<DocumentPath> = Vec::new();
    while points.len() + 1 < usize::try_from(parts).unwrap_or(usize::MAX) {
        let query = Query {
            start: points.last().map(|last| cursor(last.as_str(), true)),
            offset: step,
            limit: Some(1),
            mask: Some(FieldMask::default()),
            ..by_name(target)
        };
        match store.query(&query, None).await?.try_next().await? {
            Some(document) => points.push(document.path),
            None => break,
        }
    }
    Ok(points)
}
