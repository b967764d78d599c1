//! Counts, sums and means: by the database where nothing is checked here, else over what is read.

use super::run::Run;
use super::{Access, Query};
use crate::error::Error;
use crate::query::{Clear, Plan, Queryable, fields};
use crate::seal::Document;
use crate::store::query::{Total, rules};
use crate::store::{Aggregation, StoreError, Value, ValueType};

/// A sum as Firestore computes it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Number {
    /// Of integers, where it fits.
    Integer(i64),
    /// Of other numbers.
    Double(f64),
}

impl Number {
    /// The nearest double.
    #[must_use]
    pub fn as_f64(self) -> f64 {
        match self {
            Self::Integer(number) => number as f64,
            Self::Double(number) => number,
        }
    }
}

impl<T: Document + Queryable + Send + Sync + 'static, A: Access<T>> Query<T, A> {
    /// How many documents are in the result. Where a part of the condition is checked here, each document is
    /// read, but only the fields that are checked travel, and only these are opened. Unverified: no document
    /// seal is looked at, and whoever writes the database changes what is counted.
    ///
    /// # Errors
    /// As for [`all`](Self::all); of the fields of a document, only those that decide need to open.
    pub async fn count(&self) -> Result<u64, Error> {
        let plan = self.planned(Some(Vec::new())).await?;
        if let Some(value) = self.aggregated(&plan, &Aggregation::Count).await? {
            return match value.value_type {
                Some(ValueType::IntegerValue(count)) => u64::try_from(count).map_err(|_| unexpected()),
                _ => Err(unexpected()),
            };
        }
        Ok(self.total(plan, &[]).await?.0)
    }

    /// The sum of the numbers in a clear field. Documents whose field holds no number count as nothing.
    /// Unverified, as [`count`](Self::count).
    ///
    /// # Errors
    /// As for [`count`](Self::count).
    pub async fn sum<F>(&self, field: impl FnOnce(T::Handles<T>) -> Clear<T, F>) -> Result<Number, Error> {
        let path = field(fields::<T>()).at().path();
        let plan = self.planned(Some(vec![path.clone()])).await?;
        let sum = match self.aggregated(&plan, &Aggregation::Sum(path.clone())).await? {
            Some(value) => value.value_type,
            None => Some(self.total(plan, &path).await?.1.sum()),
        };
        match sum {
            Some(ValueType::IntegerValue(sum)) => Ok(Number::Integer(sum)),
            Some(ValueType::DoubleValue(sum)) => Ok(Number::Double(sum)),
            _ => Err(unexpected()),
        }
    }

    /// The mean of the numbers in a clear field; `None` of no numbers. Unverified, as [`count`](Self::count).
    ///
    /// # Errors
    /// As for [`count`](Self::count).
    pub async fn average<F>(
        &self,
        field: impl FnOnce(T::Handles<T>) -> Clear<T, F>,
    ) -> Result<Option<f64>, Error> {
        let path = field(fields::<T>()).at().path();
        let plan = self.planned(Some(vec![path.clone()])).await?;
        let average = match self.aggregated(&plan, &Aggregation::Average(path.clone())).await? {
            Some(value) => value.value_type,
            None => Some(self.total(plan, &path).await?.1.average()),
        };
        match average {
            Some(ValueType::DoubleValue(average)) => Ok(Some(average)),
            Some(ValueType::NullValue(_)) | None => Ok(None),
            _ => Err(unexpected()),
        }
    }

    /// What the database says, where its answer is that of the query.
    async fn aggregated(&self, plan: &Plan, over: &Aggregation) -> Result<Option<Value>, Error> {
        let over = std::slice::from_ref(over);
        match (&plan.queries[..], &plan.check) {
            ([query], None) if rules::check_aggregations(query, over).is_ok() => {
                let query = crate::store::Query { mask: None, ..query.clone() };
                let values = self.collection.store().aggregate(&query, over, None).await?;
                values.into_iter().next().map(Some).ok_or_else(unexpected)
            }
            _ => Ok(None),
        }
    }

    /// Reads the documents, counts them, and adds up one field.
    async fn total(&self, plan: Plan, path: &[String]) -> Result<(u64, Total), Error> {
        let mut run = Run::new(self.collection.shared_store(), &self.from, plan, self.parts());
        let (mut count, mut total) = (0, Total::default());
        while let Some(answers) = run.next().await {
            for answer in answers {
                total.add(path, &answer.item?.document);
                count += 1;
            }
        }
        Ok((count, total))
    }
}

fn unexpected() -> Error {
    let reason = "the aggregation's result is not one of its kind".to_owned();
    StoreError::UnexpectedAnswer { reason }.into()
}
