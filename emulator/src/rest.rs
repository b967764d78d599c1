//! The emulator's REST interface: loopback HTTP, one client per call.
//!
//! A client kept between calls would belong to the runtime of its first call, and every test has its own.

use std::time::Duration;

use reqwest::{Client, Method, StatusCode};
use serde_json::Value;

use crate::Error;

/// The token with which the Firebase tools act as the owner, past all security rules.
pub(crate) const OWNER: &str = "Bearer owner";

/// A client that knows neither proxies nor certificates: the emulator is on this machine.
pub(crate) fn client() -> Result<Client, Error> {
    Ok(Client::builder().no_proxy().tls_certs_only([]).timeout(Duration::from_secs(30)).build()?)
}

/// Whether an emulator answers at `host`.
pub(crate) async fn answers(client: &Client, host: &str) -> bool {
    let request = client.get(format!("http://{host}/")).timeout(Duration::from_secs(5));
    match request.send().await {
        Ok(response) => response.text().await.is_ok_and(|text| text.trim() == "Ok"),
        Err(_) => false,
    }
}

/// Sends one request. `None` is the answer "not found".
pub(crate) async fn call(
    method: Method,
    url: reqwest::Url,
    body: Option<&Value>,
) -> Result<Option<Value>, Error> {
    let mut request = client()?.request(method, url).header(reqwest::header::AUTHORIZATION, OWNER);
    if let Some(body) = body {
        request = request.json(body);
    }
    let response = request.send().await?;
    let status = response.status();
    if status.is_success() {
        return Ok(Some(response.json().await?));
    }
    let text = response.text().await?;
    let message = serde_json::from_str::<Value>(&text)
        .ok()
        .and_then(|answer| Some(answer.pointer("/error/message")?.as_str()?.to_owned()));
    match message {
        // An address that the emulator does not know is answered with bare text: a fault, not an absent document.
        Some(_) if status == StatusCode::NOT_FOUND => Ok(None),
        message => Err(Error::Refused { status: status.as_u16(), message: message.unwrap_or(text) }),
    }
}
