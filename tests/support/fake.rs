//! A gRPC server that plays a script in the place of Firestore.

#![allow(dead_code)]

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use fireseal::store::FirestoreStore;
use firestore::gcloud_sdk::google::firestore::v1::{
    BatchGetDocumentsRequest, BatchGetDocumentsResponse, GetDocumentRequest,
    batch_get_documents_response::Result as Answer,
};
use firestore::gcloud_sdk::google_cloud_auth::credentials::anonymous;
use firestore::gcloud_sdk::prost::Message;
use firestore::gcloud_sdk::tonic::Code;
use firestore::{FirestoreDb, FirestoreDbOptions};
use http::{HeaderMap, Request, Response};
use tokio::net::{TcpListener, TcpStream};

pub const ROOT: &str = "projects/p/databases/(default)/documents";

/// What the server does with one request.
#[derive(Clone)]
pub enum Step {
    /// Sends these messages, then the status.
    Answer(Vec<Vec<u8>>, Code, &'static str),
    /// Sends these messages, then resets the stream.
    Reset(Vec<Vec<u8>>),
    /// Says of every document asked for that it is missing.
    AllMissing,
    /// Closes the whole connection.
    Hangup,
    /// Sends these messages, then nothing more.
    Silence(Vec<Vec<u8>>),
}

/// A gRPC server that plays a script, one step for each request, and keeps what it was asked.
pub struct Fake {
    pub store: FirestoreStore,
    pub asked: Arc<Mutex<Vec<Asked>>>,
}

/// A request as it came in.
pub struct Asked {
    pub method: String,
    pub timeout: Option<String>,
    pub message: Bytes,
}

impl Fake {
    pub async fn new(script: impl IntoIterator<Item = Step>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let script = Arc::new(Mutex::new(script.into_iter().collect::<VecDeque<_>>()));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = asked.clone();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(serve(socket, script.clone(), log.clone()));
            }
        });
        Self { store: store(url).await, asked }
    }

    pub fn requests(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

pub async fn store(url: String) -> FirestoreStore {
    let options = FirestoreDbOptions::new("p".to_owned()).with_firebase_api_url(url);
    FirestoreStore::new(
        FirestoreDb::with_options_auth(options, anonymous::Builder::new().build()).await.unwrap(),
    )
}

async fn serve(socket: TcpStream, script: Arc<Mutex<VecDeque<Step>>>, asked: Arc<Mutex<Vec<Asked>>>) {
    let mut connection = h2::server::handshake(socket).await.unwrap();
    let (hangup, mut hung_up) = tokio::sync::mpsc::channel::<()>(1);
    loop {
        let accepted = tokio::select! {
            accepted = connection.accept() => accepted,
            _ = hung_up.recv() => return,
        };
        let Some(Ok((request, respond))) = accepted else { return };
        tokio::spawn(answer(request, respond, script.clone(), asked.clone(), hangup.clone()));
    }
}

/// What the streaming call would say of one document, as the plain call says it.
fn of_one(step: Step) -> Step {
    let of_one = |messages: Vec<Vec<u8>>| {
        let results =
            messages.iter().map(|message| BatchGetDocumentsResponse::decode(&message[..]).unwrap().result);
        results.collect::<Vec<_>>()
    };
    match step {
        Step::Answer(messages, Code::Ok, text) => match of_one(messages).pop().flatten() {
            Some(Answer::Found(document)) => Step::Answer(vec![document.encode_to_vec()], Code::Ok, text),
            Some(Answer::Missing(name)) => {
                Step::Answer(vec![], Code::NotFound, format!("Document \"{name}\" not found.").leak())
            }
            None => Step::Answer(vec![], Code::Ok, text),
        },
        step => step,
    }
}

async fn answer(
    request: Request<h2::RecvStream>,
    mut respond: h2::server::SendResponse<Bytes>,
    script: Arc<Mutex<VecDeque<Step>>>,
    asked: Arc<Mutex<Vec<Asked>>>,
    hangup: tokio::sync::mpsc::Sender<()>,
) {
    let (head, mut body) = request.into_parts();
    let mut message = BytesMut::new();
    while let Some(chunk) = body.data().await {
        let chunk = chunk.unwrap();
        let _ = body.flow_control().release_capacity(chunk.len());
        message.extend_from_slice(&chunk);
    }
    let message = message.freeze().split_off(5);
    asked.lock().unwrap().push(Asked {
        method: head.uri.path().to_owned(),
        timeout: head.headers.get("grpc-timeout").map(|timeout| timeout.to_str().unwrap().to_owned()),
        message: message.clone(),
    });
    let mut step = script.lock().unwrap().pop_front().expect("the script has a step for each request");
    if let Step::AllMissing = step {
        let names = if head.uri.path().ends_with("/GetDocument") {
            vec![GetDocumentRequest::decode(message).unwrap().name]
        } else {
            BatchGetDocumentsRequest::decode(message).unwrap().documents
        };
        step = answers(names.iter().map(|name| missing(name)).collect());
    }
    if head.uri.path().ends_with("/GetDocument") {
        step = of_one(step);
    }
    let (Step::Answer(messages, ..) | Step::Reset(messages) | Step::Silence(messages)) = &step else {
        hangup.send(()).await.unwrap();
        return;
    };
    let response = Response::builder().header("content-type", "application/grpc").body(()).unwrap();
    let mut stream = respond.send_response(response, false).unwrap();
    for message in messages {
        let mut frame = BytesMut::new();
        frame.put_u8(0);
        frame.put_u32(u32::try_from(message.len()).unwrap());
        frame.put_slice(message);
        stream.send_data(frame.freeze(), false).unwrap();
    }
    match step {
        Step::Answer(_, code, text) => {
            let mut trailers = HeaderMap::new();
            trailers.insert("grpc-status", (code as i32).into());
            trailers.insert("grpc-message", text.parse().unwrap());
            stream.send_trailers(trailers).unwrap();
        }
        Step::Reset(_) => {
            tokio::time::sleep(Duration::from_millis(50)).await;
            stream.send_reset(h2::Reason::INTERNAL_ERROR);
        }
        _ => std::future::pending().await,
    }
}

pub fn fail(code: Code) -> Step {
    Step::Answer(vec![], code, "so it is")
}

pub fn answers(messages: Vec<Vec<u8>>) -> Step {
    Step::Answer(messages, Code::Ok, "")
}

pub fn name(path: &str) -> String {
    format!("{ROOT}/{path}")
}

pub fn missing(name: &str) -> Vec<u8> {
    BatchGetDocumentsResponse { result: Some(Answer::Missing(name.to_owned())), ..Default::default() }
        .encode_to_vec()
}
