//! Calling a key service over a network: twice at most, within one deadline.

use std::time::Duration;

use super::WrapError;

/// How long a call may take with its retry, unless told otherwise.
pub(super) const DEADLINE: Duration = Duration::from_secs(5);
/// What a service is given to recover before the second call.
const PAUSE: Duration = Duration::from_millis(100);

/// Calls, and once more where the root was unavailable or used up half of the deadline.
pub(super) async fn attempt<T, F: Future<Output = Result<T, WrapError>>>(
    root: &str,
    deadline: Duration,
    call: impl Fn() -> F,
) -> Result<T, WrapError> {
    let twice = async {
        match tokio::time::timeout(deadline / 2, call()).await {
            Ok(Err(WrapError::Unavailable { .. })) => {
                tokio::time::sleep(PAUSE).await;
                call().await
            }
            Ok(result) => result,
            Err(_) => call().await,
        }
    };
    tokio::time::timeout(deadline, twice).await.unwrap_or_else(|_| {
        Err(WrapError::Unavailable {
            root: root.to_owned(),
            reason: format!("it did not answer within {deadline:?}"),
            source: None,
        })
    })
}
