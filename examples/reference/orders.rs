//! The protobuf messages and the service of the tests, as `protoc` would make them from
//!
//! ```proto
//! service Orders { rpc Create(CreateOrder) returns (OrderCreated); }
//! message CreateOrder { string id = 1; string country = 2; bytes card = 3; bytes note = 4; }
//! message OrderCreated { uint64 number = 1; bytes holder = 2; }
//! ```

#![allow(dead_code)]

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use fireseal::NotSealed;
use http::uri::PathAndQuery;
use tonic::body::Body;
use tonic::client::Grpc as ClientGrpc;
use tonic::codegen::{Service, http};
use tonic::server::{Grpc as ServerGrpc, NamedService, UnaryService};
use tonic::transport::Channel;
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;

use crate::shop::{SealedOrder, SealedReceipt};

pub const CREATE: &str = "/shop.v1.Orders/Create";

/// An order: sealed values are `bytes`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct CreateOrder {
    #[prost(string, tag = "1")]
    pub id: String,
    #[prost(string, tag = "2")]
    pub country: String,
    #[prost(bytes = "vec", tag = "3")]
    pub card: Vec<u8>,
    #[prost(bytes = "vec", tag = "4")]
    pub note: Vec<u8>,
}

/// The answer to it.
#[derive(Clone, PartialEq, prost::Message)]
pub struct OrderCreated {
    #[prost(uint64, tag = "1")]
    pub number: u64,
    #[prost(bytes = "vec", tag = "2")]
    pub holder: Vec<u8>,
}

impl TryFrom<SealedOrder> for CreateOrder {
    type Error = NotSealed;

    fn try_from(order: SealedOrder) -> Result<Self, NotSealed> {
        let SealedOrder { id, country, card, note } = order;
        Ok(Self { id, country, card: card.try_into()?, note: note.try_into()? })
    }
}

impl From<CreateOrder> for SealedOrder {
    fn from(order: CreateOrder) -> Self {
        let CreateOrder { id, country, card, note } = order;
        Self { id, country, card: card.into(), note: note.into() }
    }
}

impl TryFrom<SealedReceipt> for OrderCreated {
    type Error = NotSealed;

    fn try_from(receipt: SealedReceipt) -> Result<Self, NotSealed> {
        let SealedReceipt { number, holder } = receipt;
        Ok(Self { number, holder: holder.try_into()? })
    }
}

impl From<OrderCreated> for SealedReceipt {
    fn from(created: OrderCreated) -> Self {
        let OrderCreated { number, holder } = created;
        Self { number, holder: holder.into() }
    }
}

#[tonic::async_trait]
pub trait Orders: Send + Sync + 'static {
    async fn create(&self, request: Request<CreateOrder>) -> Result<Response<OrderCreated>, Status>;
}

/// The service as a server takes it.
pub struct OrdersServer<S>(Arc<S>);

impl<S> OrdersServer<S> {
    pub fn new(service: S) -> Self {
        Self(Arc::new(service))
    }
}

impl<S> Clone for OrdersServer<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S> NamedService for OrdersServer<S> {
    const NAME: &'static str = "shop.v1.Orders";
}

type Later<T> = Pin<Box<dyn Future<Output = T> + Send>>;

impl<S: Orders> Service<http::Request<Body>> for OrdersServer<S> {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Later<Result<http::Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let create = Create(Arc::clone(&self.0));
        Box::pin(async move {
            if request.uri().path() != CREATE {
                return Ok(Status::unimplemented("no such method").into_http());
            }
            Ok(ServerGrpc::new(ProstCodec::default()).unary(create, request).await)
        })
    }
}

struct Create<S>(Arc<S>);

impl<S: Orders> UnaryService<CreateOrder> for Create<S> {
    type Response = OrderCreated;
    type Future = Later<Result<Response<OrderCreated>, Status>>;

    fn call(&mut self, request: Request<CreateOrder>) -> Self::Future {
        let service = Arc::clone(&self.0);
        Box::pin(async move { service.create(request).await })
    }
}

/// The service as a client calls it.
pub async fn create(
    channel: Channel,
    request: Request<CreateOrder>,
) -> Result<Response<OrderCreated>, Status> {
    let mut grpc = ClientGrpc::new(channel);
    grpc.ready().await.map_err(|error| Status::from_error(error.into()))?;
    grpc.unary(request, PathAndQuery::from_static(CREATE), ProstCodec::default()).await
}
