//! Runs a test over memory and over the emulator, each in a store of its own.

/// Instantiates each test for both stores; a test takes an `Arc<dyn Store>`.
macro_rules! on_both_stores {
    ($($name:ident),* $(,)?) => {
        mod memory {
            $(#[tokio::test]
            async fn $name() {
                super::$name(std::sync::Arc::new(fireseal::store::MemoryStore::new())).await;
            })*
        }

        mod emulator {
            $(#[tokio::test]
            async fn $name() {
                let emulator = fireseal_emulator::Emulator::shared().await.unwrap();
                let project = emulator.project().unwrap();
                let store = fireseal::store::FirestoreStore::new(project.firestore().await.unwrap());
                super::$name(std::sync::Arc::new(store)).await;
            })*
        }
    };
}
