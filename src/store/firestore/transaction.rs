//! Transactions as Firestore runs them.

use ::firestore::gcloud_sdk::google::firestore::v1::{
    BeginTransactionRequest, RollbackRequest, TransactionOptions,
    transaction_options::{Mode, ReadOnly, ReadWrite, read_only::ConsistencySelector},
};

use super::status::{read_error, read_may_succeed};
use super::{FirestoreStore, copies};
use crate::store::{StoreError, Transaction, TransactionMode};

impl FirestoreStore {
    /// Begins a transaction. Sending it again after a lost answer leaves one behind that holds
    /// nothing and ends by itself.
    pub(super) async fn send_begin(&self, mode: &TransactionMode) -> Result<Transaction, StoreError> {
        let mode = match mode {
            TransactionMode::ReadOnly { at } => {
                Mode::ReadOnly(ReadOnly { consistency_selector: at.map(ConsistencySelector::ReadTime) })
            }
            TransactionMode::ReadWrite { retry } => Mode::ReadWrite(ReadWrite {
                retry_transaction: retry.as_ref().map(|retry| retry.0.clone()).unwrap_or_default(),
                ..Default::default()
            }),
        };
        let message = BeginTransactionRequest {
            database: self.db.get_database_path().clone(),
            options: Some(TransactionOptions { mode: Some(mode) }),
            ..Default::default()
        };
        let begun = self
            .attempts(copies(message), read_may_succeed, |mut client, message| async move {
                Ok(client.begin_transaction(message).await?.into_inner())
            })
            .await
            .map_err(|status| read_error(status, self.deadline))?;
        if begun.transaction.is_empty() {
            let reason = "a transaction was begun, but has no name".to_owned();
            return Err(StoreError::UnexpectedAnswer { reason });
        }
        Ok(Transaction(begun.transaction))
    }

    pub(super) async fn send_rollback(&self, transaction: &Transaction) -> Result<(), StoreError> {
        let message = RollbackRequest {
            database: self.db.get_database_path().clone(),
            transaction: transaction.0.clone(),
            ..Default::default()
        };
        self.attempts(copies(message), read_may_succeed, |mut client, message| async move {
            client.rollback(message).await.map(|_| ())
        })
        .await
        .map_err(|status| read_error(status, self.deadline))
    }
}
