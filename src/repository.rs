//! Floor 4: documents of one type in one collection, sealed on the way in and opened on the way out.

mod carry;
mod collection;
mod keyed;
mod keyless;
mod list;
mod parallel;
mod stored;

pub use keyed::Repository;
pub use keyless::SealedRepository;
pub use list::{List, Page};
pub use stored::Stored;
