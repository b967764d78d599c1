//! The parts of a job and who works on them: kept in a store, in a file, or in memory.

mod local;
mod shared;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::error::CheckpointError;
use super::part::Part;
use crate::bytes::CollectionPath;
use crate::store::{Store, Time};
use local::Local;
use shared::Shared;

/// Where a job keeps how far it is.
#[derive(Clone, Default)]
pub struct Checkpoints {
    pub(super) place: Place,
}

#[derive(Clone, Default)]
pub(super) enum Place {
    #[default]
    Nowhere,
    File(PathBuf),
    Store(Arc<dyn Store>, CollectionPath),
}

impl Checkpoints {
    /// In a collection of a store, by all means not one that the job works on: what several tasks need
    /// to share the work. It holds names of documents and numbers, no values.
    #[must_use]
    pub fn in_store(store: impl Store + 'static, collection: CollectionPath) -> Self {
        Self { place: Place::Store(Arc::new(store), collection) }
    }

    /// In a file, for one process: another that opens it is refused. Each checkpoint replaces the one
    /// before as a whole, and is on the disk before the job goes on. It holds names of documents and
    /// numbers, no values.
    #[must_use]
    pub fn in_file(path: impl Into<PathBuf>) -> Self {
        Self { place: Place::File(path.into()) }
    }

    /// Nowhere: a job that is killed begins anew, which is safe and reads everything again.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }
}

impl fmt::Debug for Checkpoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Nowhere => f.write_str("Nowhere"),
            Place::File(path) => f.debug_tuple("File").field(path).finish(),
            Place::Store(_, collection) => f.debug_tuple("Store").field(collection).finish(),
        }
    }
}

/// The version of what is kept; others are refused.
const VERSION: u32 = 1;

/// What a job is, so that no other takes its checkpoints for its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Header {
    pub(super) version: u32,
    pub(super) name: String,
    pub(super) step: String,
    pub(super) target: String,
    /// The step's fingerprint, in hexadecimal.
    pub(super) fingerprint: String,
    /// How many documents there were at the start.
    pub(super) documents: u64,
    pub(super) parts: u32,
}

impl Header {
    pub(super) fn new(name: &str, step: &str, target: String, fingerprint: &[u8; 32]) -> Self {
        let fingerprint = fingerprint.iter().map(|byte| format!("{byte:02x}")).collect();
        let (name, step) = (name.to_owned(), step.to_owned());
        Self { version: VERSION, name, step, target, fingerprint, documents: 0, parts: 0 }
    }

    /// Refuses what was kept by another job.
    fn check(&self, found: &Self) -> Result<(), CheckpointError> {
        let other = |reason: String| Err(CheckpointError::OtherJob { job: self.name.clone(), reason });
        if found.version != VERSION {
            let reason = format!("they have version {}, and this library reads {VERSION}", found.version);
            return Err(CheckpointError::Malformed { job: self.name.clone(), reason });
        }
        if found.name != self.name {
            return other(format!("its name is {}", found.name));
        }
        if found.step != self.step || found.target != self.target {
            return other(format!("it does {} on {}", found.step, found.target));
        }
        if found.fingerprint != self.fingerprint {
            return other("it does the same with other settings, such as other fields or keys".to_owned());
        }
        Ok(())
    }
}

/// A part that this process works on.
#[derive(Debug, Clone)]
pub(super) struct Held {
    pub(super) index: u32,
    pub(super) part: Part,
    /// Told apart from every other time that it was taken.
    owner: String,
    /// One more with each time that it is taken.
    epoch: u64,
    /// One more with each checkpoint.
    beat: u64,
    /// When its record was last written.
    recorded: Option<Time>,
}

/// What there is to do next.
#[derive(Debug)]
pub(super) enum Claim {
    Part(Box<Held>),
    /// Others hold what is left: ask again after this time.
    Wait(Duration),
    AllDone,
}

/// What becomes of a part with its checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    Keep,
    /// Somebody else may go on.
    Release,
}

/// Why a checkpoint was not written.
#[derive(Debug)]
pub(super) enum SaveError {
    /// Somebody else has the part now.
    Lost,
    Checkpoint(CheckpointError),
}

/// A part as it is recorded.
#[derive(Debug, Clone)]
pub(super) struct Record {
    pub(super) index: u32,
    pub(super) part: Part,
    /// Who holds it.
    pub(super) owner: Option<String>,
    pub(super) epoch: u64,
    beat: u64,
    /// How long it is held without a sign of life.
    lease: Duration,
    pub(super) recorded: Option<Time>,
}

pub(super) enum Ledger {
    Local(Local),
    Shared(Shared),
}

impl Ledger {
    /// The ledger of a job, and whether it knows the parts already.
    pub(super) async fn open(
        place: &Place,
        header: &Header,
        lease: Duration,
        first: u32,
    ) -> Result<Self, CheckpointError> {
        match place {
            Place::Nowhere => Ok(Self::Local(Local::in_memory(header))),
            Place::File(path) => Ok(Self::Local(Local::open(path, header).await?)),
            Place::Store(store, collection) => {
                Ok(Self::Shared(Shared::open(store.clone(), collection, header, lease, first).await?))
            }
        }
    }

    /// What the job was when it began; `None` before [`begin`](Self::begin).
    pub(super) async fn header(&self) -> Result<Option<Header>, CheckpointError> {
        match self {
            Self::Local(local) => Ok(local.header()),
            Self::Shared(shared) => shared.header().await,
        }
    }

    /// Records the parts, unless another task was faster: then its parts hold.
    pub(super) async fn begin(&self, header: Header, parts: Vec<Part>) -> Result<(), CheckpointError> {
        match self {
            Self::Local(local) => local.begin(header, parts).await,
            Self::Shared(shared) => shared.begin(header, parts).await,
        }
    }

    pub(super) async fn claim(&self) -> Result<Claim, CheckpointError> {
        match self {
            Self::Local(local) => Ok(local.claim()),
            Self::Shared(shared) => shared.claim().await,
        }
    }

    /// Writes a checkpoint, which also renews the lease.
    pub(super) async fn save(&self, held: &mut Held, then: Then) -> Result<(), SaveError> {
        match self {
            Self::Local(local) => local.save(held, then).await.map_err(SaveError::Checkpoint),
            Self::Shared(shared) => shared.save(held, then).await,
        }
    }

    /// All parts as they are recorded now.
    pub(super) async fn records(&self) -> Result<Vec<Record>, CheckpointError> {
        match self {
            Self::Local(local) => Ok(local.records()),
            Self::Shared(shared) => shared.records().await,
        }
    }

    /// Forgets the job.
    pub(super) async fn forget(&self) -> Result<(), CheckpointError> {
        match self {
            Self::Local(local) => local.forget().await,
            Self::Shared(shared) => shared.forget().await,
        }
    }
}
