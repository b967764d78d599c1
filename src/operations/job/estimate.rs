//! What a job will cost, before it starts.

use serde::{Deserialize, Serialize};

/// What the database charges, in any currency. Ask its price list: prices differ by region and change.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Prices {
    /// Of 100,000 document reads.
    pub per_100k_reads: f64,
    /// Of 100,000 document writes.
    pub per_100k_writes: f64,
}

/// What a job will do at most.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Estimate {
    /// Documents there are now.
    pub documents: u64,
    /// Documents that will be read: each once, those for splitting the work where the store has no
    /// partitions, and the checkpoints. A document that others change meanwhile is read again.
    pub reads: u64,
    /// Documents that will be written at most: each once, and the checkpoints. A job that was done before
    /// writes less.
    pub writes: u64,
    /// The least time that it takes under its budget of writes per second, in seconds; 0 without one.
    pub seconds: f64,
    /// What reads and writes cost at most, in the currency of the prices; 0 without any.
    pub cost: f64,
}

impl Estimate {
    pub(super) fn priced(mut self, prices: Prices) -> Self {
        let cost = |count: u64, price: f64| count as f64 / 100_000.0 * price;
        self.cost = cost(self.reads, prices.per_100k_reads) + cost(self.writes, prices.per_100k_writes);
        self
    }
}
