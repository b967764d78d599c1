//! A key service for tests, which fails, lags and lies as its script says.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::{KeyWrapper, LocalRoot, SECRET_BYTES, WrapError};

/// What a [`ScriptedService`] does with one call, instead of answering truly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// [`WrapError::Unavailable`].
    Unavailable,
    /// [`WrapError::Denied`].
    Denied,
    /// [`WrapError::Unavailable`], as of a root whose service sent another checksum than its answer's.
    WrongChecksum,
    /// A true answer, late.
    Slow(Duration),
    /// No answer at all.
    Hangs,
    /// An answer with one bit of it flipped.
    FlippedBit,
    /// The answer to another call of the same kind: the service's first one under another context. Of a
    /// service that has seen none, the answer is cut short.
    OtherAnswer,
    /// On unwrapping, a well-formed record for the right scope, purpose and key id with another secret in
    /// it: only the key id can tell. On wrapping, as [`OtherAnswer`](Self::OtherAnswer).
    OtherSecret,
}

/// A key service for tests: many roots under one roof, true unless scripted otherwise, with its calls
/// counted. Clones share everything, and two services unwrap what the other wrapped under the same root
/// name. Its keys are derived from the names, so it protects nothing.
#[derive(Clone, Default)]
pub struct ScriptedService(Arc<Mutex<BTreeMap<String, State>>>);

#[derive(Default)]
struct State {
    faults: VecDeque<Fault>,
    always: Option<Fault>,
    calls: Calls,
    wraps: Vec<Answered>,
    unwraps: Vec<Answered>,
}

/// A true answer, and the context that it was for.
struct Answered {
    context: Vec<u8>,
    answer: Zeroizing<Vec<u8>>,
}

/// How many calls a root has seen, the failed ones included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Calls {
    /// Calls that wrap.
    pub wrap: usize,
    /// Calls that unwrap.
    pub unwrap: usize,
}

impl ScriptedService {
    /// A service that answers truly.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The root of this name, such as `scripted:hsm`. It appears in [`calls`](Self::calls) from its first
    /// call.
    #[must_use]
    pub fn root(&self, name: &str) -> ScriptedRoot {
        let key: [u8; 32] = Sha256::digest(name.as_bytes()).into();
        ScriptedRoot {
            service: self.clone(),
            name: name.to_owned(),
            truth: Arc::new(LocalRoot::from_bytes(&key)),
        }
    }

    /// The root of this name meets its next calls with these faults, one each, after those that wait
    /// already; then it answers truly again.
    pub fn next(&self, root: &str, faults: impl IntoIterator<Item = Fault>) {
        self.states().entry(root.to_owned()).or_default().faults.extend(faults);
    }

    /// The root of this name meets every call with this fault, once those of [`next`](Self::next) are used
    /// up; `None` ends it.
    pub fn always(&self, root: &str, fault: Option<Fault>) {
        self.states().entry(root.to_owned()).or_default().always = fault;
    }

    /// The calls to the root of this name.
    #[must_use]
    pub fn calls(&self, root: &str) -> Calls {
        self.states().get(root).map(|state| state.calls).unwrap_or_default()
    }

    /// The names of all roots that were called, in order.
    #[must_use]
    pub fn called(&self) -> Vec<String> {
        let states = self.states();
        let called = states.iter().filter(|(_, state)| state.calls != Calls::default());
        called.map(|(name, _)| name.clone()).collect()
    }

    fn states(&self) -> MutexGuard<'_, BTreeMap<String, State>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A root of a [`ScriptedService`].
#[derive(Clone)]
pub struct ScriptedRoot {
    service: ScriptedService,
    name: String,
    truth: Arc<LocalRoot>,
}

#[derive(Clone, Copy, PartialEq)]
enum Call {
    Wrap,
    Unwrap,
}

impl ScriptedRoot {
    /// Counts a call, and says how it is to be met.
    fn begin(&self, call: Call) -> Option<Fault> {
        let mut states = self.service.states();
        let state = states.entry(self.name.clone()).or_default();
        match call {
            Call::Wrap => state.calls.wrap += 1,
            Call::Unwrap => state.calls.unwrap += 1,
        }
        state.faults.pop_front().or(state.always)
    }

    /// The faults that come before an answer.
    async fn before(&self, fault: Option<Fault>) -> Result<(), WrapError> {
        let (root, reason) = (self.name.clone(), "so says the script".to_owned());
        match fault {
            Some(Fault::Unavailable) => Err(WrapError::Unavailable { root, reason, source: None }),
            Some(Fault::Denied) => Err(WrapError::Denied { root, reason }),
            Some(Fault::WrongChecksum) => Err(WrapError::Unavailable {
                root,
                reason: "its answer does not have the checksum that it names".to_owned(),
                source: None,
            }),
            Some(Fault::Slow(delay)) => {
                tokio::time::sleep(delay).await;
                Ok(())
            }
            Some(Fault::Hangs) => std::future::pending().await,
            _ => Ok(()),
        }
    }

    /// The answer as the fault leaves it. True answers are kept, to be given to others.
    fn after(&self, call: Call, fault: Option<Fault>, context: &[u8], truth: &[u8]) -> Zeroizing<Vec<u8>> {
        let mut answer = Zeroizing::new(truth.to_vec());
        match fault {
            Some(Fault::FlippedBit) => {
                if let Some(last) = answer.last_mut() {
                    *last ^= 1;
                }
            }
            Some(Fault::OtherSecret) if call == Call::Unwrap => replace_secret(&mut answer),
            Some(Fault::OtherAnswer | Fault::OtherSecret) => match self.other(call, context) {
                Some(other) => answer = other,
                None => answer.truncate(truth.len() / 2),
            },
            _ => {
                let mut states = self.service.states();
                let state = states.entry(self.name.clone()).or_default();
                let kept = if call == Call::Wrap { &mut state.wraps } else { &mut state.unwraps };
                if kept.iter().all(|kept| kept.context != context) {
                    kept.push(Answered { context: context.to_vec(), answer: answer.clone() });
                }
            }
        }
        answer
    }

    fn other(&self, call: Call, context: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let states = self.service.states();
        let state = states.get(&self.name)?;
        let kept = if call == Call::Wrap { &state.wraps } else { &state.unwraps };
        kept.iter().find(|kept| kept.context != context).map(|kept| kept.answer.clone())
    }

    /// The error of the root that stands behind, under this root's name.
    fn renamed(&self, error: WrapError) -> WrapError {
        match error {
            WrapError::DoesNotUnwrap { .. } => WrapError::DoesNotUnwrap { root: self.name.clone() },
            other => other,
        }
    }
}

/// Puts another secret into a record, on its fourth line.
fn replace_secret(record: &mut [u8]) {
    let breaks = record.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at);
    let Some(start) = breaks.take(3).last().map(|at| at + 1) else {
        return;
    };
    // The last character before the padding stays: some of its bits must be zero.
    if let Some(secret) = record.get_mut(start..start + SECRET_BYTES - 2) {
        let filler = if secret.first() == Some(&b'A') { b'B' } else { b'A' };
        secret.fill(filler);
    }
}

#[async_trait]
impl KeyWrapper for ScriptedRoot {
    fn root(&self) -> &str {
        &self.name
    }

    async fn wrap(&self, record: &[u8], context: &[u8]) -> Result<Vec<u8>, WrapError> {
        let fault = self.begin(Call::Wrap);
        self.before(fault).await?;
        let wrapped = self.truth.wrap(record, context).await.map_err(|error| self.renamed(error))?;
        Ok(self.after(Call::Wrap, fault, context, &wrapped).to_vec())
    }

    async fn unwrap(&self, wrapped: &[u8], context: &[u8]) -> Result<Zeroizing<Vec<u8>>, WrapError> {
        let fault = self.begin(Call::Unwrap);
        self.before(fault).await?;
        let record = self.truth.unwrap(wrapped, context).await.map_err(|error| self.renamed(error))?;
        Ok(self.after(Call::Unwrap, fault, context, &record))
    }
}
