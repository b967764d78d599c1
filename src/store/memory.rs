//! Documents in memory, for tests without a database.

/// Documents in memory.
pub struct MemoryStore;
