//! Passing HTTP/2 calls on as they come, and recording what is in them: headers that the wire compresses, and
//! messages that it cuts into frames.

use bytes::Bytes;
use h2::client::SendRequest;
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, Request, Response};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::Record;
use super::tap::Tap;

/// Serves one connection of a client until it ends.
pub(super) async fn pass(client: Tap, server: TcpStream, emulator: &str, record: &Record) {
    let Ok((upstream, driver)) = h2::client::handshake(server).await else { return };
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        // How the connection ends is told by its calls.
        let _ = driver.await;
    });
    let Ok(mut connection) = h2::server::handshake(client).await else { return };
    while let Some(Ok((request, respond))) = connection.accept().await {
        let (upstream, emulator, record) = (upstream.clone(), emulator.to_owned(), record.clone());
        tasks.spawn(async move {
            // A call that breaks off on one side is broken off on the other.
            let _ = call(request, respond, upstream, &emulator, &record).await;
        });
    }
}

async fn call(
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    upstream: SendRequest<Bytes>,
    emulator: &str,
    record: &Record,
) -> Result<(), h2::Error> {
    let (asked, answered) = (record.open(), record.open());
    let (mut head, body) = request.into_parts();
    record.add(asked, head.uri.to_string().as_bytes());
    note(record, asked, &head.headers);
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
    head.uri = format!("http://{emulator}{path}").parse().map_err(|_| Reason::PROTOCOL_ERROR)?;
    let (answer, sink) = upstream.ready().await?.send_request(Request::from_parts(head, ()), false)?;
    let ask = async {
        carry(body, sink, record, asked).await?;
        // The call lives on until it is answered.
        std::future::pending::<Result<(), h2::Error>>().await
    };
    let reply = async {
        let (head, body) = answer.await?.into_parts();
        note(record, answered, &head.headers);
        let ends = body.is_end_stream();
        let sink = respond.send_response(Response::from_parts(head, ()), ends)?;
        if ends { Ok(()) } else { carry(body, sink, record, answered).await }
    };
    tokio::select! {
        ended = ask => ended,
        ended = reply => ended,
    }
}

/// Carries one direction's body and trailers over.
async fn carry(
    mut body: RecvStream,
    mut sink: SendStream<Bytes>,
    record: &Record,
    stream: usize,
) -> Result<(), h2::Error> {
    while let Some(chunk) = body.data().await {
        let chunk = chunk.inspect_err(|_| sink.send_reset(Reason::CANCEL))?;
        body.flow_control().release_capacity(chunk.len())?;
        record.add(stream, &chunk);
        sink.send_data(chunk, false)?;
    }
    match body.trailers().await? {
        Some(trailers) => {
            note(record, stream, &trailers);
            sink.send_trailers(trailers)
        }
        None => sink.send_data(Bytes::new(), true),
    }
}

fn note(record: &Record, stream: usize, headers: &HeaderMap) {
    for (name, value) in headers {
        for part in [b"\n", name.as_str().as_bytes(), b": ", value.as_bytes(), b"\n"] {
            record.add(stream, part);
        }
    }
}
