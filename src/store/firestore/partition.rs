//! Names that split a collection or a group into parts of about the same size.

use ::firestore::gcloud_sdk::google::firestore::v1::{
    PartitionQueryRequest, partition_query_request::QueryType,
};
use ::firestore::gcloud_sdk::tonic::Code;

use super::status::{read_error, read_may_succeed};
use super::{FirestoreStore, copies};
use crate::bytes::DocumentPath;
use crate::store::{Direction, FieldRef, From, Order, Query, StoreError, ValueType};

impl FirestoreStore {
    pub(super) async fn run_partition(
        &self,
        from: &From,
        count: u32,
    ) -> Result<Vec<DocumentPath>, StoreError> {
        // Firestore splits whole groups only, and in the order of the names.
        let id = match from {
            From::Collection(collection) => collection.id().to_owned(),
            From::Group { id, .. } => id.clone(),
        };
        let order = vec![Order { field: FieldRef::Name, direction: Direction::Ascending }];
        let query = Query { order, ..Query::new(From::Group { id, under: None }) };
        let mut request = PartitionQueryRequest {
            parent: self.names.root.clone(),
            query_type: Some(QueryType::StructuredQuery(self.names.query(&query))),
            partition_count: i64::from(count.max(1)),
            ..Default::default()
        };
        let mut names = Vec::new();
        loop {
            let answer = self
                .attempts(copies(request.clone()), read_may_succeed, |mut client, request| async move {
                    Ok(client.partition_query(request).await?.into_inner())
                })
                .await
                .map_err(|status| match status.code() {
                    // The emulator has none.
                    Code::Unimplemented => StoreError::Unsupported { what: "partitions" },
                    _ => read_error(status, self.deadline),
                })?;
            for value in answer.partitions.into_iter().flat_map(|cursor| cursor.values.into_iter().next()) {
                let Some(ValueType::ReferenceValue(name)) = value.value_type else {
                    let reason = "a partition begins with something else than a name".to_owned();
                    return Err(StoreError::UnexpectedAnswer { reason });
                };
                names.push(self.names.relative(&name)?);
            }
            if answer.next_page_token.is_empty() || names.len() > usize::try_from(count).unwrap_or(usize::MAX)
            {
                break;
            }
            request.page_token = answer.next_page_token;
        }
        names.retain(|name| from.holds(name));
        // In no order where they came in several pages.
        names.sort_by(|a, b| a.segments().cmp(b.segments()));
        names.dedup();
        names.truncate(usize::try_from(count).unwrap_or(usize::MAX));
        Ok(names)
    }
}
