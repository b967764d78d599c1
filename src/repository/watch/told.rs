//! What a watch has told: the database repeats itself, and after a reset does not say what is gone.

use std::collections::BTreeMap;

use crate::bytes::DocumentPath;
use crate::store::{Document, ResumeToken, Time};

/// The documents that were told, and up to where.
pub(super) struct Told {
    documents: BTreeMap<DocumentPath, Entry>,
    /// Grows with each reset: what is older and not told again by the next consistent state is gone.
    round: u64,
    /// There was a reset since the last consistent state.
    stale: bool,
    /// Up to where the database has told, for the target of that digest.
    pub(super) resume: Option<(ResumeToken, [u8; 32])>,
    /// The last item was that all is told.
    pub(super) settled: bool,
    /// Something was told since that was said last, or it was never said.
    pub(super) unsettled: bool,
}

struct Entry {
    version: Version,
    /// That it does not open was told last.
    unopened: bool,
    /// Whether the document was told, and not only that it does not open.
    shown: bool,
    round: u64,
}

/// A document's update time, in the order of time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Version(pub(super) i64, pub(super) i32);

impl Version {
    fn of(document: &Document) -> Option<Self> {
        document.update_time.map(|Time { seconds, nanos }| Self(seconds, nanos))
    }
}

impl Default for Told {
    fn default() -> Self {
        let (documents, resume) = (BTreeMap::new(), None);
        Self { documents, round: 0, stale: false, resume, settled: false, unsettled: true }
    }
}

impl Told {
    /// Whether this has not been told: neither it nor a later version.
    pub(super) fn is_news(&self, document: &Document) -> bool {
        let told = self.documents.get(&document.path).map(|entry| entry.version);
        told.is_none_or(|told| Version::of(document).is_none_or(|version| version > told))
    }

    /// Whether what was told last of the document is that this version does not open.
    pub(super) fn is_unopened(&self, document: &Document) -> bool {
        let entry = self.documents.get(&document.path);
        entry.is_some_and(|entry| entry.unopened && Some(entry.version) == Version::of(document))
    }

    /// The document is still there.
    pub(super) fn confirm(&mut self, path: &DocumentPath) {
        if let Some(entry) = self.documents.get_mut(path) {
            entry.round = self.round;
        }
    }

    /// The document is told, or that it does not open; whether it was shown before.
    pub(super) fn put(&mut self, document: &Document, opened: bool) -> bool {
        let version = Version::of(document).unwrap_or(Version(i64::MIN, 0));
        let before = self.documents.get(&document.path).is_some_and(|entry| entry.shown);
        let entry = Entry { version, unopened: !opened, shown: before || opened, round: self.round };
        self.documents.insert(document.path.clone(), entry);
        before
    }

    /// The document is not there any more; whether it was told.
    pub(super) fn remove(&mut self, path: &DocumentPath) -> bool {
        self.documents.remove(path).is_some()
    }

    /// Everything that there is will be told anew.
    pub(super) fn reset(&mut self) {
        self.round += 1;
        self.stale = true;
        self.resume = None;
    }

    /// Whether there was a reset, and no consistent state since.
    pub(super) fn is_stale(&self) -> bool {
        self.stale
    }

    /// Everything that there is has been told: what was not since the last reset is gone.
    pub(super) fn sweep(&mut self) -> Vec<DocumentPath> {
        if !std::mem::take(&mut self.stale) {
            return Vec::new();
        }
        let round = self.round;
        let gone = self.documents.iter().filter(|(_, entry)| entry.round < round);
        let gone: Vec<_> = gone.map(|(path, _)| path.clone()).collect();
        for path in &gone {
            self.documents.remove(path);
        }
        gone
    }

    /// Each document's path, its version, and whether it was shown.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&DocumentPath, Version, bool)> {
        self.documents.iter().map(|(path, entry)| (path, entry.version, entry.shown))
    }

    pub(super) fn restore(&mut self, path: DocumentPath, version: Version, shown: bool) {
        self.documents.insert(path, Entry { version, unopened: false, shown, round: self.round });
    }
}
