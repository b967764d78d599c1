//! The emulator's REST interface: HTTP on the loopback.

use std::sync::LazyLock;
use std::time::Duration;

use reqwest::{Client, Method, StatusCode, Url};
use serde_json::Value;

use crate::Error;

/// The token with which the Firebase tools act as the owner, past all security rules.
pub(crate) const OWNER: &str = "Bearer owner";

/// One client for every test of the process. It keeps no connections, for those would end with the runtime of the test
/// that opened them; it knows neither proxies nor certificates, for the emulator is on this machine.
static CLIENT: LazyLock<Client> = LazyLock::new(|| {
    Client::builder()
        .no_proxy()
        .tls_certs_only([])
        .pool_max_idle_per_host(0)
        .timeout(Duration::from_secs(30))
        .build()
        .expect("a client without proxies and certificates needs nothing of the system")
});

/// Whether an emulator answers at `host`.
pub(crate) async fn answers(host: &str) -> bool {
    let request = CLIENT.get(format!("http://{host}/")).timeout(Duration::from_secs(5));
    match request.send().await {
        Ok(response) => response.text().await.is_ok_and(|text| text.trim() == "Ok"),
        Err(_) => false,
    }
}

/// Sends one request. `None` is the answer "not found".
pub(crate) async fn call(method: Method, url: Url, body: Option<&Value>) -> Result<Option<Value>, Error> {
    let mut request = CLIENT.request(method, url).header(reqwest::header::AUTHORIZATION, OWNER);
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
