//! Why an index file was not merged.

/// Why the indexes were not merged into a file. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IndexFileError {
    /// The file is no JSON.
    #[error(
        "the index file is not JSON: {source}; the Firebase tools also take comments, which a merge cannot keep: take them out first"
    )]
    Syntax {
        /// Where, and what was expected there.
        #[source]
        source: serde_json::Error,
    },
    /// A part of the file is not of the kind that the Firebase tools take.
    #[error("in the index file, {part} is not {expected}; look it up in the file's reference at Firebase")]
    Shape {
        /// Which part.
        part: String,
        /// What it should be.
        expected: &'static str,
    },
}
