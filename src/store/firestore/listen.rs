//! Listening over one `Listen` call.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use ::firestore::gcloud_sdk::RequestTimeouts;
use ::firestore::gcloud_sdk::google::firestore::v1::{
    ListenRequest, ListenResponse, Target as WireTarget, TargetChange, listen_request,
    listen_response::ResponseType,
    target::{DocumentsTarget, QueryTarget, ResumeType, TargetType, query_target::QueryType},
    target_change::TargetChangeType,
};
use ::firestore::gcloud_sdk::tonic::{Code, Request, Status, Streaming};
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use tokio::sync::mpsc;

use super::FirestoreStore;
use super::status::read_error;
use super::wire::Names;
use crate::bytes::DocumentPath;
use crate::store::query::rules;
use crate::store::{ListenEvent, ResumeToken, StoreError, Target};

impl FirestoreStore {
    /// Opens the call and waits for the server's first word.
    pub(super) async fn open_listener(
        &self,
        target: &Target,
        resume: Option<ResumeToken>,
    ) -> Result<BoxStream<'static, Result<ListenEvent, StoreError>>, StoreError> {
        target.check()?;
        let (requests, mut queue) = mpsc::unbounded_channel();
        // It ends with the listener, which holds the other side: else the call would stay open.
        let mut call = Request::new(stream::poll_fn(move |context| queue.poll_recv(context)));
        call.extensions_mut().insert(RequestTimeouts::new());
        let known = if resume.is_none() { Some(HashSet::new()) } else { None };
        let add = Add {
            database: self.db.get_database_path().clone(),
            target: match target {
                Target::Documents(paths) => TargetType::Documents(DocumentsTarget {
                    documents: paths.iter().map(|path| self.names.full(path)).collect(),
                }),
                Target::Query(query) => {
                    let query = query.clone().with_implicit_order();
                    rules::check(&query)?;
                    TargetType::Query(QueryTarget {
                        parent: self.names.parent(&query.from),
                        query_type: Some(QueryType::StructuredQuery(self.names.query(&query))),
                    })
                }
            },
        };
        // Before the call, which may not be answered until something is asked.
        let _ = requests.send(add.request(FIRST_TARGET, resume));
        let answers = self.client().listen(call).await.map_err(|status| read_error(status, self.deadline))?;
        let mut listener = Listener {
            answers: answers.into_inner(),
            requests,
            add,
            names: self.names.clone(),
            target: target.clone(),
            id: FIRST_TARGET,
            known,
            current: false,
            resume: None,
            events: VecDeque::new(),
            deadline: self.deadline,
            idle_limit: self.idle_limit,
        };
        listener.receive().await?;
        let events = stream::unfold(Some(listener), |listener| async move {
            let mut listener = listener?;
            match listener.next().await {
                Ok(event) => Some((Ok(event), Some(listener))),
                Err(error) => Some((Err(error), None)),
            }
        });
        Ok(events.boxed())
    }
}

const FIRST_TARGET: i32 = 1;

/// How the target is asked for.
struct Add {
    database: String,
    target: TargetType,
}

impl Add {
    fn request(&self, id: i32, resume: Option<ResumeToken>) -> ListenRequest {
        let target = WireTarget {
            target_id: id,
            target_type: Some(self.target.clone()),
            resume_type: resume.map(|token| ResumeType::ResumeToken(token.as_bytes().to_vec())),
            ..Default::default()
        };
        self.change(listen_request::TargetChange::AddTarget(target))
    }

    fn change(&self, change: listen_request::TargetChange) -> ListenRequest {
        let database = self.database.clone();
        ListenRequest { database, target_change: Some(change), ..Default::default() }
    }
}

/// A call with one target.
struct Listener {
    answers: Streaming<ListenResponse>,
    requests: mpsc::UnboundedSender<ListenRequest>,
    add: Add,
    names: Names,
    target: Target,
    /// What the call calls the target. It grows when the target is asked for anew, so that late
    /// words about the old one are known as such.
    id: i32,
    /// The documents that were told and not taken back, to be compared with the server's count;
    /// `None` after resuming, where those from before are not known.
    known: Option<HashSet<DocumentPath>>,
    /// Whether everything that there was at first has been told.
    current: bool,
    resume: Option<ResumeToken>,
    events: VecDeque<ListenEvent>,
    deadline: Duration,
    idle_limit: Duration,
}

impl Listener {
    async fn next(&mut self) -> Result<ListenEvent, StoreError> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Ok(event);
            }
            match tokio::time::timeout(self.idle_limit, self.receive()).await {
                Ok(received) => received?,
                Err(_) => {
                    let reason = format!("a listener was told nothing for {:?}", self.idle_limit);
                    return Err(StoreError::Unavailable { reason, source: None });
                }
            }
        }
    }

    /// Takes one message.
    async fn receive(&mut self) -> Result<(), StoreError> {
        match self.answers.try_next().await {
            Ok(Some(message)) => self.take(message),
            Ok(None) => {
                let reason = "it has ended the listener's call".to_owned();
                Err(StoreError::Unavailable { reason, source: None })
            }
            Err(status) => Err(read_error(status, self.deadline)),
        }
    }

    fn take(&mut self, message: ListenResponse) -> Result<(), StoreError> {
        match message.response_type {
            Some(ResponseType::TargetChange(change)) => self.target_change(change)?,
            Some(ResponseType::DocumentChange(change)) => {
                let Some(document) = change.document else { return Ok(()) };
                if change.target_ids.contains(&self.id) {
                    let document = self.names.document(document)?;
                    self.check(&document.path)?;
                    self.known.as_mut().map(|known| known.insert(document.path.clone()));
                    self.events.push_back(ListenEvent::Changed(document));
                } else if change.removed_target_ids.contains(&self.id) {
                    self.removed(&document.name, false)?;
                }
            }
            Some(ResponseType::DocumentDelete(delete)) if delete.removed_target_ids.contains(&self.id) => {
                self.removed(&delete.document, true)?;
            }
            Some(ResponseType::DocumentRemove(remove)) if remove.removed_target_ids.contains(&self.id) => {
                self.removed(&remove.document, false)?;
            }
            Some(ResponseType::Filter(filter)) => {
                let count = self.known.as_ref().and_then(|known| i32::try_from(known.len()).ok());
                if filter.target_id == self.id && count != Some(filter.count) {
                    self.ask_anew();
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn target_change(&mut self, change: TargetChange) -> Result<(), StoreError> {
        if !change.target_ids.is_empty() && !change.target_ids.contains(&self.id) {
            return Ok(());
        }
        match TargetChangeType::try_from(change.target_change_type) {
            Ok(TargetChangeType::Remove) => return Err(self.ended(change)),
            Ok(TargetChangeType::Reset) => self.reset(),
            Ok(TargetChangeType::Current) => self.current = true,
            Ok(TargetChangeType::Add | TargetChangeType::NoChange) | Err(_) => {}
        }
        if !change.resume_token.is_empty() {
            self.resume = Some(ResumeToken::new(change.resume_token));
        }
        // Only with a time is it a consistent state.
        if self.current && change.read_time.is_some() {
            let resume = self.resume.clone();
            self.events.push_back(ListenEvent::Current { resume, at: change.read_time });
        }
        Ok(())
    }

    /// Why the server listens for the target no longer.
    fn ended(&self, change: TargetChange) -> StoreError {
        match change.cause {
            Some(cause) => read_error(Status::new(Code::from(cause.code), cause.message), self.deadline),
            None => {
                let reason = "it has ended the listener".to_owned();
                StoreError::Unavailable { reason, source: None }
            }
        }
    }

    fn removed(&mut self, name: &str, deleted: bool) -> Result<(), StoreError> {
        let path = self.names.relative(name)?;
        self.check(&path)?;
        self.known.as_mut().map(|known| known.remove(&path));
        self.events.push_back(ListenEvent::Removed { path, deleted });
        Ok(())
    }

    fn check(&self, path: &DocumentPath) -> Result<(), StoreError> {
        if self.target.may_hold(path) {
            return Ok(());
        }
        Err(StoreError::UnexpectedAnswer { reason: format!("{path} is not listened to") })
    }

    fn reset(&mut self) {
        self.known = Some(HashSet::new());
        self.current = false;
        self.resume = None;
        self.events.push_back(ListenEvent::Reset);
    }

    /// What was told is not what the server counts: everything is asked for again, in the same call.
    fn ask_anew(&mut self) {
        self.reset();
        let _ = self.requests.send(self.add.change(listen_request::TargetChange::RemoveTarget(self.id)));
        self.id += 1;
        let _ = self.requests.send(self.add.request(self.id, None));
    }
}
