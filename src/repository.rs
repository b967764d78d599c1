//! Floor 4: documents of one type in one collection, sealed on the way in and opened on the way out.

mod batch;
mod carry;
mod change;
mod collection;
mod forget;
mod guarded;
mod keyed;
mod keyless;
mod list;
mod opener;
mod outcome;
mod parallel;
mod query;
mod reindex;
mod renew;
pub(crate) mod seal_map;
mod stored;
mod transaction;
mod unique;
mod watch;
mod write;

pub use batch::{Batch, BatchFailure, BatchReport};
pub use change::{Change, ClearField, FieldAt, Numeric};
pub use forget::Forgotten;
pub use keyed::Repository;
pub use keyless::SealedRepository;
pub use list::{List, Page};
pub use query::{
    Access, AskedWith, Number, Overfetch, PlaceInOrder, Projected, Query, QueryPage, QueryPlan, QueryStream,
    Select,
};
pub use reindex::{IndexFailure, IndexState, Reindex, Reindexed};
pub(crate) use renew::{Renewal, Standing};
pub use stored::Stored;
pub use transaction::{OverStore, Transaction, snapshot, transaction};
pub use watch::{Checkpoint, NotACheckpoint, Watch, WatchEvent};
