//! The `firestore` crate's index management with an index file, against a server that keeps what it is told.

#![allow(missing_docs, clippy::unwrap_used, dead_code)]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use bytes::{BufMut, Bytes, BytesMut};
use fireseal::indexes::IndexFile;
use fireseal::store::{Direction, FieldRef, Filter, From, Op, Order, Query, Value};
use fireseal::{CollectionPath, Sealable};
use firestore::gcloud_sdk::google::firestore::admin::v1::field::IndexConfig;
use firestore::gcloud_sdk::google::firestore::admin::v1::index::index_field::{
    ArrayConfig, Order as ModeOrder, ValueMode,
};
use firestore::gcloud_sdk::google::firestore::admin::v1::index::{IndexField, QueryScope, State};
use firestore::gcloud_sdk::google::firestore::admin::v1::{
    CreateIndexRequest, Field, Index, ListFieldsRequest, ListFieldsResponse, ListIndexesRequest,
    ListIndexesResponse, UpdateFieldRequest,
};
use firestore::gcloud_sdk::google::longrunning::Operation;
use firestore::gcloud_sdk::google_cloud_auth::credentials::anonymous;
use firestore::gcloud_sdk::prost::Message;
use firestore::{FirestoreDb, FirestoreDbOptions};
use http::{HeaderMap, Request, Response};
use tokio::net::{TcpListener, TcpStream};

#[derive(Sealable)]
#[sealable(collection = "customers")]
struct Customer {
    #[sealable(id)]
    id: String,
    name: String,
    #[sensitive]
    #[serde(rename = "tax/no")]
    tax_number: String,
    #[sensitive(index, prefix(min = 2, max = 8))]
    email: String,
    #[sealable(nested)]
    address: Address,
}

#[derive(Sealable)]
struct Address {
    #[sensitive(index)]
    street: String,
}

#[derive(Sealable)]
#[sealable(collection = "orders")]
struct Note {
    #[sealable(id)]
    id: String,
    #[sensitive]
    text: String,
}

fn indexes() -> IndexFile {
    let by_prefix = Query {
        filter: Some(Filter::Field {
            field: FieldRef::Path(["_seal", "idx", "email", "prefix"].map(str::to_owned).to_vec()),
            op: Op::ContainsAny,
            value: Value::default(),
        }),
        order: vec![Order {
            field: FieldRef::Path(vec!["name".to_owned()]),
            direction: Direction::Descending,
        }],
        ..Query::new(From::Collection(CollectionPath::parse("customers").unwrap()))
    };
    IndexFile::of::<Customer>().for_group_queries().and(IndexFile::of::<Note>()).with_query(&by_prefix)
}

/// What the server has been told.
#[derive(Default)]
struct Kept {
    indexes: Vec<Index>,
    fields: BTreeMap<String, Field>,
    writes: usize,
}

type Shared = Arc<Mutex<Kept>>;

/// A client of a server that has no indexes yet.
async fn server() -> (FirestoreDb, Shared) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let kept = Shared::default();
    let state = kept.clone();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            tokio::spawn(serve(socket, state.clone()));
        }
    });
    let options = FirestoreDbOptions::new("p".to_owned()).with_firebase_api_url(url);
    (FirestoreDb::with_options_auth(options, anonymous::Builder::new().build()).await.unwrap(), kept)
}

async fn serve(socket: TcpStream, kept: Shared) {
    let mut connection = h2::server::handshake(socket).await.unwrap();
    while let Some(Ok((request, respond))) = connection.accept().await {
        tokio::spawn(answer(request, respond, kept.clone()));
    }
}

async fn answer(
    request: Request<h2::RecvStream>,
    mut respond: h2::server::SendResponse<Bytes>,
    kept: Shared,
) {
    let (head, mut body) = request.into_parts();
    let mut message = BytesMut::new();
    while let Some(chunk) = body.data().await {
        message.extend_from_slice(&chunk.unwrap());
    }
    let method = head.uri.path().rsplit('/').next().unwrap();
    let reply = kept.lock().unwrap().answer(method, message.freeze().split_off(5));
    let response = Response::builder().header("content-type", "application/grpc").body(()).unwrap();
    let mut stream = respond.send_response(response, false).unwrap();
    let mut frame = BytesMut::new();
    frame.put_u8(0);
    frame.put_u32(u32::try_from(reply.len()).unwrap());
    frame.put_slice(&reply);
    stream.send_data(frame.freeze(), false).unwrap();
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", 0.into());
    stream.send_trailers(trailers).unwrap();
}

impl Kept {
    fn answer(&mut self, method: &str, message: Bytes) -> Vec<u8> {
        match method {
            "ListIndexes" => {
                let parent = ListIndexesRequest::decode(message).unwrap().parent;
                let of_group = self.indexes.iter().filter(|index| index.name.starts_with(&parent));
                ListIndexesResponse { indexes: of_group.cloned().collect(), ..Default::default() }
                    .encode_to_vec()
            }
            "ListFields" => {
                let request = ListFieldsRequest::decode(message).unwrap();
                let overrides = request.filter.contains("usesAncestorConfig");
                let of_group = self.fields.values().filter(|field| field.name.starts_with(&request.parent));
                let fields = of_group.filter(|_| overrides).cloned().collect();
                ListFieldsResponse { fields, ..Default::default() }.encode_to_vec()
            }
            "CreateIndex" => {
                let request = CreateIndexRequest::decode(message).unwrap();
                let mut index = request.index.unwrap();
                index.name = format!("{}/indexes/i{}", request.parent, self.indexes.len());
                index.state = State::Ready.into();
                // As the service does.
                let last = index.fields.last().unwrap().value_mode.clone();
                let order = match last {
                    Some(ValueMode::Order(order)) => order,
                    _ => ModeOrder::Ascending.into(),
                };
                let value_mode = Some(ValueMode::Order(order));
                index.fields.push(IndexField { field_path: "__name__".to_owned(), value_mode });
                self.indexes.push(index);
                self.done()
            }
            "UpdateField" => {
                let field = UpdateFieldRequest::decode(message).unwrap().field.unwrap();
                self.fields.insert(field.name.clone(), field);
                self.done()
            }
            other => panic!("{other}"),
        }
    }

    fn done(&mut self) -> Vec<u8> {
        self.writes += 1;
        Operation { name: format!("operations/{}", self.writes), done: true, ..Default::default() }
            .encode_to_vec()
    }
}

/// `+` ascending, `-` descending, `@` elements; doubled for groups.
fn said(index: &Index, field: &IndexField) -> String {
    let sign = match field.value_mode {
        Some(ValueMode::Order(order)) if order == i32::from(ModeOrder::Ascending) => "+",
        Some(ValueMode::Order(_)) => "-",
        Some(ValueMode::ArrayConfig(config)) if config == i32::from(ArrayConfig::Contains) => "@",
        ref other => panic!("{other:?}"),
    };
    sign.repeat(1 + usize::from(index.query_scope() == QueryScope::CollectionGroup))
}

#[tokio::test]
async fn a_plan_and_a_sync_bring_the_declared_indexes_and_a_second_sync_nothing() {
    let (db, kept) = server().await;
    let plans = indexes().plan(&db).await.unwrap();
    let planned: Vec<_> = plans
        .iter()
        .map(|(group, plan)| {
            (group.as_str(), plan.create_indexes.len(), plan.update_fields.len(), plan.skipped)
        })
        .collect();
    assert_eq!(planned, [("customers", 1, 7, None), ("orders", 0, 2, None)]);
    assert_eq!(kept.lock().unwrap().writes, 0, "a plan writes nothing");

    let reports = indexes().sync(&db).await.unwrap();
    let done: Vec<_> = reports
        .iter()
        .map(|(group, report)| (group.as_str(), report.created_indexes.len(), report.updated_fields.len()))
        .collect();
    assert_eq!(done, [("customers", 1, 7), ("orders", 0, 2)]);
    {
        let kept = kept.lock().unwrap();
        let group = "projects/p/databases/(default)/collectionGroups/";
        let fields: BTreeMap<_, _> = kept
            .fields
            .iter()
            .map(|(name, field)| {
                let Some(IndexConfig { indexes, uses_ancestor_config: false, .. }) = &field.index_config
                else {
                    panic!("{name}")
                };
                let said: String = indexes.iter().map(|index| said(index, &index.fields[0])).collect();
                (name.strip_prefix(group).unwrap(), said)
            })
            .collect();
        let expected = [
            ("customers/fields/_seal", ""),
            ("customers/fields/_seal.idx.`address.street`.eq", "+++"),
            ("customers/fields/_seal.idx.email.eq", "+++"),
            ("customers/fields/_seal.idx.email.prefix", "@@@"),
            ("customers/fields/address.street", ""),
            ("customers/fields/email", ""),
            ("customers/fields/`tax/no`", ""),
            ("orders/fields/_seal", ""),
            ("orders/fields/text", ""),
        ];
        assert_eq!(fields, expected.map(|(name, said)| (name, said.to_owned())).into());
        let [index] = kept.indexes.as_slice() else { panic!("{} indexes", kept.indexes.len()) };
        let fields: Vec<_> =
            index.fields.iter().map(|field| format!("{}{}", said(index, field), field.field_path)).collect();
        assert_eq!(fields, ["@_seal.idx.email.prefix", "-name", "-__name__"]);
    }

    let before = kept.lock().unwrap().writes;
    let reports = indexes().sync(&db).await.unwrap();
    assert!(
        reports
            .iter()
            .all(|(_, report)| report.created_indexes.is_empty() && report.updated_fields.is_empty())
    );
    assert_eq!(kept.lock().unwrap().writes, before, "all is there already");
}

#[tokio::test]
async fn an_index_of_the_name_alone_is_the_crates_error() {
    let (db, kept) = server().await;
    let newest = Query {
        order: vec![Order { field: FieldRef::Name, direction: Direction::Descending }],
        ..Query::new(From::Collection(CollectionPath::parse("orders").unwrap()))
    };
    let error = IndexFile::of::<Note>().with_query(&newest).sync(&db).await.unwrap_err();
    assert!(error.to_string().contains("at least two fields"), "{error}");
    assert_eq!(kept.lock().unwrap().writes, 0);
}
