//! The service's side: who calls, with whose keys, and what is answered.

use std::sync::Arc;
use std::time::Duration;

use tonic::metadata::MetadataValue;
use tonic::{Request, Response, Status};

use super::peer::PeerName;
use super::{CUSTOMER_METADATA, EXPIRY_METADATA, denied, does_not_open, key_status, refused};
use crate::bytes::{Channel, MessageId, Scope};
use crate::keys::{MessageKeyProvider, MessageRing};
use crate::message::{Claims, Message, ReplayWindow, SealedMessage, unix_now};

const LIFE: Duration = Duration::from_secs(60);
const WINDOW: Duration = Duration::from_secs(600);
const WINDOW_MESSAGES: usize = 100_000;

/// Admits callers to the handlers of a service. Clones share the replay window.
///
/// Answers live for one minute, and requests may live for up to ten, unless it is told otherwise.
#[derive(Clone)]
pub struct Guard {
    keys: Arc<dyn MessageKeyProvider>,
    peers: PeerName,
    window: Arc<ReplayWindow>,
    life: Duration,
}

impl Guard {
    /// A guard that takes keys from here, and knows customers by their certificates' names.
    #[must_use]
    pub fn new(keys: impl MessageKeyProvider + 'static, peers: PeerName) -> Self {
        let window = Arc::new(ReplayWindow::new(WINDOW, WINDOW_MESSAGES));
        Self { keys: Arc::new(keys), peers, window, life: LIFE }
    }

    /// Remembers requests in this window.
    #[must_use]
    pub fn with_window(self, window: Arc<ReplayWindow>) -> Self {
        Self { window, ..self }
    }

    /// How long answers live, in whole seconds.
    #[must_use]
    pub fn with_life(self, life: Duration) -> Self {
        Self { life, ..self }
    }

    /// Admits the caller of a method, such as `/shop.v1.Orders/Create`: its certificate has to vouch
    /// for the customer that the request's metadata names. Opens nothing yet.
    ///
    /// # Errors
    /// `UNAUTHENTICATED` without a client certificate, `PERMISSION_DENIED` with another customer's,
    /// `UNAVAILABLE` where the key service is down.
    pub async fn admit<B>(&self, method: &str, request: &Request<B>) -> Result<Admitted, Status> {
        let channel =
            Channel::method(method).map_err(|_| Status::internal("the method has no valid name"))?;
        let certificates = request.peer_certs().unwrap_or_default();
        let certificate = certificates
            .first()
            .ok_or_else(|| Status::unauthenticated("the connection has no client certificate"))?;
        let metadata = |name| request.metadata().get(name).map(MetadataValue::to_str);
        let Some(Ok(customer)) = metadata(CUSTOMER_METADATA) else { return Err(denied()) };
        if !self.peers.vouches(certificate, customer) {
            tracing::warn!(target: "fireseal::grpc", method, customer, "another customer's certificate");
            return Err(denied());
        }
        let expiry = match metadata(EXPIRY_METADATA) {
            Some(text) => Some(text.ok().and_then(|text| text.parse().ok()).ok_or_else(does_not_open)?),
            None => None,
        };
        let scope = Scope::new(customer).map_err(|_| denied())?;
        let ring = self.keys.message_ring(&scope).await.map_err(|error| {
            tracing::warn!(target: "fireseal::grpc", method, customer, %error, "no keys");
            key_status(&error)
        })?;
        Ok(Admitted { guard: self.clone(), channel, scope, ring, expiry })
    }
}

/// A caller who may be listened to, and the customer's keys.
pub struct Admitted {
    guard: Guard,
    channel: Channel,
    scope: Scope,
    ring: MessageRing,
    expiry: Option<u64>,
}

impl Admitted {
    /// The customer that the caller's certificate vouches for.
    #[must_use]
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// Opens the sealed fields of the request, once, and gives what answers it.
    ///
    /// # Errors
    /// One indistinct `INVALID_ARGUMENT`; the reason goes to the log. `UNAVAILABLE` where the replay
    /// window is full.
    pub fn open<T: Message>(self, companion: impl Into<T::Sealed>) -> Result<(T, Answer), Status> {
        let Self { guard, channel, scope, ring, expiry } = self;
        let context = channel.request().with_scope(scope.clone());
        let claims = Claims { expiry, ..Claims::default() };
        let opened = SealedMessage::<T>::new(companion.into(), claims).and_then(|message| {
            let value = message.open_once(&context, &ring, &guard.window)?;
            Ok((value, message.id()))
        });
        let (value, request) = opened.map_err(|error| refused(channel.as_str(), &error))?;
        Ok((value, Answer { channel, scope, ring, request, life: guard.life }))
    }
}

/// Seals what answers one request.
pub struct Answer {
    channel: Channel,
    scope: Scope,
    ring: MessageRing,
    request: MessageId,
    life: Duration,
}

impl Answer {
    /// The id of the request.
    #[must_use]
    pub fn request(&self) -> MessageId {
        self.request
    }

    /// The response: its sealed fields open as the answer to this request only.
    ///
    /// # Errors
    /// `INTERNAL` where a field has no encoding.
    pub fn seal<T: Message, B: TryFrom<T::Sealed>>(self, answer: &T) -> Result<Response<B>, Status> {
        let expiry = unix_now().saturating_add(self.life.as_secs());
        let context = self.channel.response(self.request).with_scope(self.scope).with_expiry(expiry);
        let message = answer
            .seal_message(&context, &self.ring)
            .map_err(|error| refused(self.channel.as_str(), &error))?;
        let body = B::try_from(message.into_companion())
            .map_err(|_| Status::internal("the response could not be sealed"))?;
        let mut response = Response::new(body);
        response.metadata_mut().insert(EXPIRY_METADATA, expiry.into());
        Ok(response)
    }
}
