//! Checkpoints of one process, in memory and perhaps in a file.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Claim, Header, Held, Record, Then};
use crate::operations::job::error::CheckpointError;
use crate::operations::job::part::Part;

/// How long to wait for parts that other lanes of the process work on.
const POLL: Duration = Duration::from_millis(20);

/// The file, as JSON.
#[derive(Serialize, Deserialize)]
struct Kept {
    job: Header,
    parts: Vec<Part>,
}

struct Content {
    kept: Option<Kept>,
    /// Which parts are being worked on.
    taken: Vec<bool>,
}

pub(in crate::operations::job) struct Local {
    content: Mutex<Content>,
    file: Option<CheckpointFile>,
}

/// A file that is replaced as a whole, and locked as long as this lives.
struct CheckpointFile {
    path: PathBuf,
    lock: Arc<File>,
    /// One writer at a time.
    writing: Arc<tokio::sync::Mutex<()>>,
}

impl Local {
    pub(super) fn in_memory(_: &Header) -> Self {
        Self { content: Mutex::new(Content { kept: None, taken: Vec::new() }), file: None }
    }

    /// Opens the file, or makes it when the job begins.
    pub(super) async fn open(path: &Path, header: &Header) -> Result<Self, CheckpointError> {
        let (file, text) = {
            let path = path.to_owned();
            blocking(move || CheckpointFile::open(path)).await?
        };
        let kept = match text {
            None => None,
            Some(text) => {
                let kept: Kept = serde_json::from_slice(&text).map_err(|error| {
                    let reason = format!("{} is no checkpoint file ({error})", path.display());
                    CheckpointError::Malformed { job: header.name.clone(), reason }
                })?;
                header.check(&kept.job)?;
                if kept.parts.len() != usize::try_from(kept.job.parts).unwrap_or(usize::MAX) {
                    let reason = format!("{} does not have all parts", path.display());
                    return Err(CheckpointError::Malformed { job: header.name.clone(), reason });
                }
                Some(kept)
            }
        };
        let taken = vec![false; kept.as_ref().map_or(0, |kept| kept.parts.len())];
        Ok(Self { content: Mutex::new(Content { kept, taken }), file: Some(file) })
    }

    fn content(&self) -> MutexGuard<'_, Content> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn header(&self) -> Option<Header> {
        self.content().kept.as_ref().map(|kept| kept.job.clone())
    }

    pub(super) async fn begin(&self, header: Header, parts: Vec<Part>) -> Result<(), CheckpointError> {
        {
            let mut content = self.content();
            content.taken = vec![false; parts.len()];
            content.kept = Some(Kept { job: header, parts });
        }
        self.write().await
    }

    pub(super) fn claim(&self) -> Claim {
        let mut content = self.content();
        let Content { kept, taken } = &mut *content;
        let parts = kept.iter().flat_map(|kept| &kept.parts);
        for ((index, part), taken) in (0..).zip(parts).zip(taken.iter_mut()) {
            if !part.done && !*taken {
                *taken = true;
                let part = part.clone();
                return Claim::Part(Box::new(Held {
                    index,
                    part,
                    owner: String::new(),
                    epoch: 0,
                    beat: 0,
                    recorded: None,
                }));
            }
        }
        if taken.contains(&true) { Claim::Wait(POLL) } else { Claim::AllDone }
    }

    pub(super) async fn save(&self, held: &mut Held, then: Then) -> Result<(), CheckpointError> {
        {
            let mut content = self.content();
            let at = usize::try_from(held.index).unwrap_or(usize::MAX);
            let Content { kept, taken } = &mut *content;
            if let Some(part) = kept.as_mut().and_then(|kept| kept.parts.get_mut(at)) {
                *part = held.part.clone();
            }
            if let (Then::Release, Some(taken)) = (then, taken.get_mut(at)) {
                *taken = false;
            }
        }
        self.write().await
    }

    pub(super) fn records(&self) -> Vec<Record> {
        let content = self.content();
        let parts = content.kept.iter().flat_map(|kept| &kept.parts);
        let record = |((index, part), taken): ((u32, &Part), &bool)| Record {
            index,
            part: part.clone(),
            owner: taken.then(|| "this process".to_owned()),
            epoch: 0,
            beat: 0,
            lease: Duration::ZERO,
            recorded: None,
        };
        (0..).zip(parts).zip(&content.taken).map(record).collect()
    }

    pub(super) async fn forget(&self) -> Result<(), CheckpointError> {
        {
            let mut content = self.content();
            content.kept = None;
            content.taken.clear();
        }
        let Some(file) = &self.file else { return Ok(()) };
        let path = file.path.clone();
        blocking(move || match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(&path, "written", error)),
            _ => Ok(()),
        })
        .await
    }

    async fn write(&self) -> Result<(), CheckpointError> {
        let Some(file) = &self.file else { return Ok(()) };
        // Whoever waits for a write may be dropped and the write goes on: so long it keeps both.
        let alone = Arc::clone(&file.writing).lock_owned().await;
        let locked = Arc::clone(&file.lock);
        let text = {
            let content = self.content();
            content.kept.as_ref().map(serde_json::to_vec)
        };
        let path = file.path.clone();
        let text = match text {
            None => return Ok(()),
            Some(text) => text.map_err(|error| failed(&path, "written", io::Error::other(error)))?,
        };
        blocking(move || {
            let _held = (alone, locked);
            replace(&path, &text).map_err(|error| failed(&path, "written", error))
        })
        .await
    }
}

impl CheckpointFile {
    fn open(path: PathBuf) -> Result<(Self, Option<Vec<u8>>), CheckpointError> {
        // Beside the file, which is replaced: a lock on it would be lost with it.
        let lock = beside(&path, ".lock");
        let locked = OpenOptions::new().create(true).truncate(false).write(true).open(&lock);
        let locked = locked.map_err(|error| failed(&path, "locked", error))?;
        match locked.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(CheckpointError::InUse { path }),
            Err(TryLockError::Error(error)) => return Err(failed(&path, "locked", error)),
        }
        let text = match fs::read(&path) {
            Ok(text) => Some(text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(failed(&path, "read", error)),
        };
        Ok((Self { path, lock: Arc::new(locked), writing: Arc::default() }, text))
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Puts a file in the place of another so that at any moment one of the two is there, whole.
fn replace(path: &Path, text: &[u8]) -> io::Result<()> {
    let new = beside(path, ".new");
    let written = (|| {
        let mut file = File::create(&new)?;
        file.write_all(text)?;
        file.sync_all()?;
        fs::rename(&new, path)
    })();
    if written.is_err() {
        let _ = fs::remove_file(&new);
        return written;
    }
    // The name itself is on the disk with the directory; a system that has no such thing refuses.
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    match File::open(directory.unwrap_or(Path::new("."))) {
        Ok(directory) if cfg!(unix) => directory.sync_all(),
        _ => Ok(()),
    }
}

fn failed(path: &Path, action: &'static str, source: io::Error) -> CheckpointError {
    CheckpointError::File { path: path.to_owned(), action, source }
}

/// Runs what waits for a disk where it holds up nobody.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is shutting down, and whoever waits here with it.
            Err(_) => std::future::pending().await,
        },
    }
}
