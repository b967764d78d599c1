//! The scripted key service does what its script says, and nothing that it says passes for a key.
//!
//! T20 of docs/threat-model.md.

#![allow(missing_docs, clippy::unwrap_used)]

use std::time::Duration;

use fireseal::{
    Binding, Calls, Fault, KeyId, Purpose, Scope, ScriptedService, WrapError, unwrap_key, wrap_key,
};

const NAME: &str = "scripted:hsm";

fn binding(scope: &str) -> Binding {
    Binding { scope: Scope::new(scope).unwrap(), purpose: Purpose::Data, key_id: KeyId::from_bytes([1; 32]) }
}

#[tokio::test]
async fn it_is_true_unless_scripted_otherwise() {
    let service = ScriptedService::new();
    let root = service.root(NAME);
    let wrapped = wrap_key(&root, &[9; 32], &binding("a")).await.unwrap();
    assert_eq!(*unwrap_key(&root, &wrapped, &binding("a")).await.unwrap(), [9; 32]);
    // Another process, a run later.
    let again = ScriptedService::new().root(NAME);
    assert_eq!(*unwrap_key(&again, &wrapped, &binding("a")).await.unwrap(), [9; 32]);
    let error = unwrap_key(&service.root("scripted:other"), &wrapped, &binding("a")).await.unwrap_err();
    assert!(matches!(&error, WrapError::DoesNotUnwrap { root } if root == "scripted:other"), "{error}");
    assert_eq!(service.calls(NAME), Calls { wrap: 1, unwrap: 1 });
    assert_eq!(service.calls("scripted:other"), Calls { wrap: 0, unwrap: 1 });
    assert_eq!(service.called(), [NAME, "scripted:other"]);
}

#[tokio::test]
async fn it_fails_as_often_as_told() {
    let service = ScriptedService::new();
    let root = service.root(NAME);
    service.next(NAME, [Fault::Unavailable; 4]);
    for _ in 0..4 {
        let error = wrap_key(&root, &[9; 32], &binding("a")).await.unwrap_err();
        assert!(matches!(&error, WrapError::Unavailable { root, .. } if root == NAME), "{error}");
    }
    wrap_key(&root, &[9; 32], &binding("a")).await.unwrap();
    service.always(NAME, Some(Fault::Denied));
    for _ in 0..10 {
        let error = wrap_key(&root, &[9; 32], &binding("a")).await.unwrap_err();
        assert!(matches!(error, WrapError::Denied { .. }), "{error}");
    }
    service.always(NAME, None);
    service.next(NAME, [Fault::WrongChecksum]);
    let error = wrap_key(&root, &[9; 32], &binding("a")).await.unwrap_err();
    assert!(error.to_string().contains("checksum"), "{error}");
    wrap_key(&root, &[9; 32], &binding("a")).await.unwrap();
    assert_eq!(service.calls(NAME).wrap, 17);
}

#[tokio::test]
async fn it_lags_and_hangs() {
    let service = ScriptedService::new();
    let root = service.root(NAME);
    service.next(NAME, [Fault::Slow(Duration::from_millis(50)), Fault::Hangs]);
    let started = std::time::Instant::now();
    wrap_key(&root, &[9; 32], &binding("a")).await.unwrap();
    assert!(started.elapsed() >= Duration::from_millis(50));
    let binding = binding("a");
    let soon = Duration::from_millis(50);
    assert!(tokio::time::timeout(soon, wrap_key(&root, &[9; 32], &binding)).await.is_err());
}

#[tokio::test]
async fn its_lies_are_seen_through_or_left_to_the_key_id() {
    let service = ScriptedService::new();
    let root = service.root(NAME);
    let a = wrap_key(&root, &[9; 32], &binding("a")).await.unwrap();
    let b = wrap_key(&root, &[8; 32], &binding("b")).await.unwrap();
    service.next(NAME, [Fault::OtherAnswer]);
    assert!(unwrap_key(&root, &b, &binding("b")).await.is_err(), "cut short");
    unwrap_key(&root, &a, &binding("a")).await.unwrap();
    for fault in [Fault::FlippedBit, Fault::OtherAnswer] {
        service.next(NAME, [fault]);
        let error = unwrap_key(&root, &b, &binding("b")).await.unwrap_err();
        assert!(matches!(error, WrapError::DoesNotUnwrap { .. }), "{fault:?}: {error}");
        service.next(NAME, [fault]);
        let wrapped = wrap_key(&root, &[8; 32], &binding("b")).await.unwrap();
        assert!(unwrap_key(&root, &wrapped, &binding("b")).await.is_err(), "{fault:?}");
    }
    for secret in [[0; 32], [8; 32]] {
        let wrapped = wrap_key(&root, &secret, &binding("b")).await.unwrap();
        service.next(NAME, [Fault::OtherSecret]);
        assert_ne!(*unwrap_key(&root, &wrapped, &binding("b")).await.unwrap(), secret);
        assert_eq!(*unwrap_key(&root, &wrapped, &binding("b")).await.unwrap(), secret);
    }
}
