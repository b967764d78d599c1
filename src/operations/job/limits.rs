//! How much a job has in hand at once.

/// How much is in hand at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Documents read at once, at most: 300.
    pub page_documents: u32,
    /// Bytes read at once, and the last document over it: 4 MiB.
    pub page_bytes: usize,
    /// Documents written in one commit, at most: 200. Firestore takes 500.
    pub batch_documents: usize,
    /// Bytes written in one commit, at most: 3.5 MiB. The emulator takes 4 MiB in a request, production
    /// 10 MiB.
    pub batch_bytes: usize,
    /// How many parts one task works on at once: 4. For each, up to two pages and what is made of them are
    /// in memory.
    pub parts_at_once: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            page_documents: 300,
            page_bytes: 4 << 20,
            batch_documents: 200,
            batch_bytes: 7 << 19,
            parts_at_once: 4,
        }
    }
}
