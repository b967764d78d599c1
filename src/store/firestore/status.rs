//! What a gRPC status means: which error it becomes, and whether to ask again.

use std::error::Error;
use std::time::Duration;

use ::firestore::gcloud_sdk::tonic::{Code, Status};

use crate::store::{Precondition, StoreError, Transaction, Write};

/// Server messages are cut to this many characters.
const MAX_REASON_CHARS: usize = 300;

/// Whether a read that failed so may succeed when sent again.
pub(super) fn read_may_succeed(status: &Status) -> bool {
    match status.code() {
        Code::Unavailable | Code::DeadlineExceeded | Code::Internal | Code::Aborted | Code::Cancelled => true,
        Code::ResourceExhausted => !too_large(status),
        // A server sends no source: this one was made here, of a broken connection.
        Code::Unknown => status.source().is_some(),
        _ => false,
    }
}

/// Whether a commit that failed so was certainly not applied, and may succeed when sent again:
/// only contention. After a lost answer, sending again could apply it twice.
pub(super) fn commit_may_succeed(status: &Status) -> bool {
    status.code() == Code::Aborted
}

/// The error that a status means for a whole transaction: it must be run again.
pub(super) fn transaction_error(status: &Status) -> Option<StoreError> {
    // What Firestore says of a transaction that took too long.
    let expired =
        status.code() == Code::InvalidArgument && status.message().contains("transaction has expired");
    (expired || status.code() == Code::Aborted).then(|| StoreError::Aborted { reason: reason(status) })
}

/// The error that a status of a read becomes.
pub(super) fn read_error(status: Status, deadline: Duration) -> StoreError {
    let reason = reason(&status);
    match status.code() {
        Code::PermissionDenied | Code::Unauthenticated => StoreError::Denied { reason },
        Code::InvalidArgument
        | Code::OutOfRange
        | Code::Unimplemented
        | Code::AlreadyExists
        | Code::FailedPrecondition => StoreError::Refused { reason },
        // The database itself: an absent document is no failure.
        Code::NotFound => StoreError::Refused { reason },
        Code::ResourceExhausted if too_large(&status) => StoreError::Refused { reason },
        Code::DeadlineExceeded => deadline_error(deadline),
        _ => StoreError::Unavailable { reason, source: Some(Box::new(status)) },
    }
}

/// The error that a status of a read becomes, which may be one of a transaction.
pub(super) fn read_within_error(
    status: Status,
    within: Option<&Transaction>,
    deadline: Duration,
) -> StoreError {
    within.and_then(|_| transaction_error(&status)).unwrap_or_else(|| read_error(status, deadline))
}

/// The error that a status of a commit becomes.
pub(super) fn commit_error(status: Status, writes: &[Write], deadline: Duration) -> StoreError {
    let conflict = |document, reason| StoreError::Conflict { document, reason };
    let needed = |write: &Write| write.precondition == Some(Precondition::Exists(true));
    let updated_at = |write: &Write| matches!(write.precondition, Some(Precondition::UpdatedAt(_)));
    match status.code() {
        Code::AlreadyExists => {
            let created = |write: &Write| write.precondition == Some(Precondition::Exists(false));
            conflict(blamed(writes, created, &status), "it exists already".to_owned())
        }
        Code::NotFound if writes.iter().any(needed) => {
            StoreError::NotFound { document: blamed(writes, needed, &status) }
        }
        Code::NotFound if writes.iter().any(updated_at) => {
            conflict(blamed(writes, updated_at, &status), reason(&status))
        }
        Code::FailedPrecondition => conflict(blamed(writes, updated_at, &status), reason(&status)),
        // What the emulator says of an update time later than the document's.
        Code::InvalidArgument if status.message().contains("base version") => {
            conflict(blamed(writes, updated_at, &status), reason(&status))
        }
        Code::Aborted => {
            StoreError::Aborted { reason: format!("others hold the documents ({})", reason(&status)) }
        }
        _ => match read_error(status, deadline) {
            StoreError::Unavailable { reason, source } => StoreError::Unavailable {
                reason: format!("{reason}; the writes may still have been applied"),
                source,
            },
            error => error,
        },
    }
}

pub(super) fn deadline_error(deadline: Duration) -> StoreError {
    StoreError::Deadline { seconds: deadline.as_millis().div_ceil(1_000).try_into().unwrap_or(u64::MAX) }
}

/// The documents that a failed precondition may be about: the server's message names one in
/// several ways or not at all.
fn blamed(writes: &[Write], suspect: impl Fn(&Write) -> bool, status: &Status) -> String {
    let mut suspects: Vec<&str> =
        writes.iter().filter(|write| suspect(write)).map(|write| write.path.as_str()).collect();
    if suspects.is_empty() {
        suspects = writes.iter().map(|write| write.path.as_str()).collect();
    }
    let named =
        suspects.iter().filter(|path| status.message().contains(&format!("/{path}"))).max_by_key(|p| p.len());
    match (named, suspects.as_slice()) {
        (Some(path), _) => (*path).to_owned(),
        (None, [path]) => (*path).to_owned(),
        (None, [first, second, third, _, ..]) => {
            format!("one of {} documents ({first}, {second}, {third}, ..)", suspects.len())
        }
        (None, few) => format!("one of {}", few.join(", ")),
    }
}

/// Whether the message itself is too large; else it is a quota, which time refills.
fn too_large(status: &Status) -> bool {
    ["exceeds maximum size", "larger than max", "too large"]
        .iter()
        .any(|text| status.message().contains(text))
}

fn reason(status: &Status) -> String {
    let text = status.message().split_whitespace().collect::<Vec<_>>().join(" ");
    let text: String = text.chars().take(MAX_REASON_CHARS).collect();
    format!("{:?}: {text}", status.code())
}
