//! Queries: made of conditions, planned, run, and opened.

mod aggregate;
mod documents;
mod page;
mod projected;
mod reader;
mod run;
mod told;
mod watch;

use std::sync::Arc;

use futures::StreamExt;

pub use aggregate::Number;
pub use projected::{Projected, Select};
use reader::{Companions, Opened, Parts, Reader};
use run::Run;
pub use run::{QueryPage, QueryStream};
pub use told::{Overfetch, QueryPlan};

use super::collection::Collection;
use super::keyed::Repository;
use super::keyless::SealedRepository;
use super::opener::Opener;
use super::stored::Stored;
use crate::bytes::{DocumentPath, LocationError, Scope};
use crate::error::Error;
use crate::keys::KeyRing;
use crate::query::{
    Condition, InClear, IndexKeys, Keyed, Node, Order, Plan, Position, QueryError, Queryable, Wanted, fields,
    has_index, name, named, plan, whole_order,
};
use crate::seal::Document;
use crate::store::{
    self, Cursor, Document as RawDocument, Explanation, FieldRef, Filter, From, Op, Value, ValueType,
};

/// A query over documents of type `T`, as it is being made. With `A` = [`Keyed`] it comes from a
/// [`Repository`]: sealed fields can be asked for and results are opened. With [`InClear`] it comes from a
/// [`SealedRepository`], asks clear fields only and gives companions.
///
/// What goes to the database keeps within Firestore's rules; the rest, and every question to an index, is
/// checked on the documents that it sends. [`plan`](Self::plan) tells. `limit`, `offset` and counts are
/// those of the documents that fulfil the whole condition.
#[must_use = "a query does nothing until its result is asked for, with `all` or `stream` for example"]
pub struct Query<T: Document, A: Access<T>> {
    collection: Collection<T>,
    opener: Option<Opener>,
    reader: Arc<dyn Reader<Item = Stored<A::Value>>>,
    from: From,
    nodes: Vec<Node>,
    order: Vec<store::Order>,
    start: Option<Edge>,
    end: Option<Edge>,
    offset: u32,
    limit: Option<u32>,
    last: bool,
    scan: bool,
}

impl<T: Document, A: Access<T>> Clone for Query<T, A> {
    fn clone(&self) -> Self {
        Self {
            collection: self.collection.clone(),
            opener: self.opener.clone(),
            reader: Arc::clone(&self.reader),
            from: self.from.clone(),
            nodes: self.nodes.clone(),
            order: self.order.clone(),
            start: self.start.clone(),
            end: self.end.clone(),
            offset: self.offset,
            limit: self.limit,
            last: self.last,
            scan: self.scan,
        }
    }
}

/// An end of the result.
#[derive(Clone)]
struct Edge {
    place: Place,
    before: bool,
}

#[derive(Clone)]
pub enum Place {
    Values(Result<Vec<(FieldRef, Value)>, QueryError>),
    Document(Box<RawDocument>),
}

/// A place in the order of a query over documents of type `T`: one [`Position`], an array or `Vec` of them,
/// one for each of the first fields of the order, or a document that was read.
pub trait PlaceInOrder<T>: sealed::PlaceInOrder<T> {}

impl<T, P: sealed::PlaceInOrder<T>> PlaceInOrder<T> for P {}

/// What a query may ask and what it gives: [`Keyed`] or [`InClear`].
pub trait Access<T: Document> {
    /// What a document comes to.
    type Value: Send + 'static;
}

/// A kind of condition that a query with this access takes.
#[diagnostic::on_unimplemented(
    message = "this condition asks an index of a sealed field, which needs the index key",
    label = "a `SealedRepository` has no key, so its queries ask clear fields only",
    note = "query a `Repository`, which has keys, or leave the sealed field out of the condition"
)]
pub trait AskedWith<A> {}

impl AskedWith<Keyed> for Keyed {}
impl AskedWith<Keyed> for InClear {}
impl AskedWith<InClear> for InClear {}

mod sealed {
    use super::{Place, Position, RawDocument, Stored};

    pub trait PlaceInOrder<T> {
        fn place(self) -> Place;
    }

    impl<T> PlaceInOrder<T> for Vec<Position<T>> {
        fn place(self) -> Place {
            Place::Values(self.into_iter().map(Position::into_inner).collect())
        }
    }

    impl<T, const N: usize> PlaceInOrder<T> for [Position<T>; N] {
        fn place(self) -> Place {
            PlaceInOrder::<T>::place(Vec::from(self))
        }
    }

    impl<T> PlaceInOrder<T> for Position<T> {
        fn place(self) -> Place {
            PlaceInOrder::<T>::place(vec![self])
        }
    }

    impl<T, V> PlaceInOrder<T> for &Stored<V> {
        fn place(self) -> Place {
            Place::Document(Box::new(RawDocument::clone(self.document())))
        }
    }
}

impl<T: Document + Send + Sync + 'static> Access<T> for Keyed {
    type Value = T;
}

impl<T: Document + 'static> Access<T> for InClear {
    type Value = T::Sealed;
}

impl<T: Document + Queryable + Send + Sync + 'static> Repository<T> {
    /// A query over the collection's documents.
    pub fn query(&self) -> Query<T, Keyed> {
        self.query_from(From::Collection(self.collection.path().clone()))
    }

    /// A query over the documents of all collections with this one's id, wherever they stand: see
    /// [`Query::below`]. Each opens at the path that the database names. All are looked for in the
    /// repository's scope, unless each document names its own (`#[sealable(scope = ..)]`); one of another
    /// scope does not open.
    pub fn query_group(&self) -> Query<T, Keyed> {
        self.query_from(From::Group { id: self.collection.path().id().to_owned(), under: None })
    }

    fn query_from(&self, from: From) -> Query<T, Keyed> {
        let (collection, opener) = (self.collection.clone(), self.opener());
        let reader = Opened { collection: collection.clone(), opener: opener.clone() };
        Query::new(collection, Some(opener), Arc::new(reader), from)
    }
}

impl<T: Document + Queryable + Send + Sync + 'static> SealedRepository<T> {
    /// A query over the collection's documents, of their clear fields.
    pub fn query(&self) -> Query<T, InClear> {
        self.query_from(From::Collection(self.collection.path().clone()))
    }

    /// A query over the documents of all collections with this one's id, wherever they stand: see
    /// [`Query::below`].
    pub fn query_group(&self) -> Query<T, InClear> {
        self.query_from(From::Group { id: self.collection.path().id().to_owned(), under: None })
    }

    fn query_from(&self, from: From) -> Query<T, InClear> {
        let reader = Companions { collection: self.collection.clone() };
        Query::new(self.collection.clone(), None, Arc::new(reader), from)
    }
}

impl<T: Document + Queryable + Send + Sync + 'static, A: Access<T>> Query<T, A> {
    fn new(
        collection: Collection<T>,
        opener: Option<Opener>,
        reader: Arc<dyn Reader<Item = Stored<A::Value>>>,
        from: From,
    ) -> Self {
        Self {
            collection,
            opener,
            reader,
            from,
            nodes: Vec::new(),
            order: Vec::new(),
            start: None,
            end: None,
            offset: 0,
            limit: None,
            last: false,
            scan: false,
        }
    }

    /// Looks below this document only, at any depth: of a query over a collection group. Of one over a
    /// single collection it is without effect.
    ///
    /// # Errors
    /// Not the path of a document.
    pub fn below(mut self, document: &str) -> Result<Self, LocationError> {
        let document = DocumentPath::parse(document)?;
        if let From::Group { under, .. } = &mut self.from {
            *under = Some(document);
        }
        Ok(self)
    }

    /// Takes the documents that fulfil this condition, and those given before.
    pub fn filter<S: AskedWith<A>>(
        mut self,
        condition: impl FnOnce(T::Handles<T>) -> Condition<T, S>,
    ) -> Self {
        self.nodes.push(condition(fields::<T>()).into_node());
        self
    }

    /// Orders by a clear field, after those given before. Documents without the field are not in the result.
    pub fn order_by(mut self, order: impl FnOnce(T::Handles<T>) -> Order<T>) -> Self {
        self.order.push(order(fields::<T>()).into_inner());
        self
    }

    /// Starts at a place of the order, with what stands there: `|c| c.name.position("Ada")`,
    /// `|c| [c.name.position("Ada"), c.id.position("1")]`, or `|_| &document`.
    pub fn start_at<P: PlaceInOrder<T>>(mut self, place: impl FnOnce(T::Handles<T>) -> P) -> Self {
        self.start = Some(Edge { place: place(fields::<T>()).place(), before: true });
        self
    }

    /// Starts after a place of the order.
    pub fn start_after<P: PlaceInOrder<T>>(mut self, place: impl FnOnce(T::Handles<T>) -> P) -> Self {
        self.start = Some(Edge { place: place(fields::<T>()).place(), before: false });
        self
    }

    /// Ends at a place of the order, with what stands there.
    pub fn end_at<P: PlaceInOrder<T>>(mut self, place: impl FnOnce(T::Handles<T>) -> P) -> Self {
        self.end = Some(Edge { place: place(fields::<T>()).place(), before: false });
        self
    }

    /// Ends before a place of the order.
    pub fn end_before<P: PlaceInOrder<T>>(mut self, place: impl FnOnce(T::Handles<T>) -> P) -> Self {
        self.end = Some(Edge { place: place(fields::<T>()).place(), before: true });
        self
    }

    /// At most this many documents, the first ones.
    pub fn limit(self, documents: u32) -> Self {
        Self { limit: Some(documents), last: false, ..self }
    }

    /// At most this many documents, the last ones; they come in the order of the query. All of them are held
    /// in memory. Firestore has no descending order of ids alone: order by a field besides.
    pub fn limit_to_last(self, documents: u32) -> Self {
        Self { limit: Some(documents), last: true, ..self }
    }

    /// Leaves out this many documents at the start. They are read, and charged, all the same:
    /// [`page`](Self::page) and [`start_after`](Self::start_after) read none twice.
    pub fn offset(self, documents: u32) -> Self {
        Self { offset: documents, ..self }
    }

    /// Runs the query also where no part of its condition can be left to the database: then every document
    /// is read, and checked here.
    pub fn allow_scan(self) -> Self {
        Self { scan: true, ..self }
    }

    /// All documents of the result.
    ///
    /// # Errors
    /// What cannot be asked, the database's and the keys' errors, and that of the first document that does
    /// not open; [`stream`](Self::stream) gives the others too.
    pub async fn all(&self) -> Result<Vec<Stored<A::Value>>, Error> {
        let mut stream = self.stream().await?;
        let mut all = Vec::new();
        while let Some(document) = stream.next().await {
            all.push(document?);
        }
        Ok(all)
    }

    /// The first document of the result; `None` of an empty one.
    ///
    /// # Errors
    /// As for [`all`](Self::all).
    pub async fn first(&self) -> Result<Option<Stored<A::Value>>, Error> {
        if self.last {
            return Ok(self.all().await?.into_iter().next());
        }
        let limit = self.limit.map_or(1, |limit| limit.min(1));
        self.clone().limit(limit).stream().await?.next().await.transpose()
    }

    /// The documents of the result as a stream, which reads as it is polled.
    ///
    /// # Errors
    /// What cannot be asked, and the keys' errors; all else stands in the stream.
    pub async fn stream(&self) -> Result<QueryStream<Stored<A::Value>>, Error> {
        let plan = self.planned(None).await?;
        let reversed = plan.reversed;
        let run = Run::new(self.collection.shared_store(), &self.from, plan, Arc::clone(&self.reader));
        Ok(QueryStream::new(run, reversed, |stored| stored))
    }

    /// What is done to answer the query. Nothing is read but the ring, if an index is asked.
    ///
    /// # Errors
    /// What cannot be asked, and the keys' errors.
    pub async fn plan(&self) -> Result<QueryPlan, Error> {
        Ok(QueryPlan::new(self.planned(None).await?))
    }

    /// Has the database run what it is asked, which is charged, and say how it did: once for each query of
    /// the [`plan`](Self::plan).
    ///
    /// # Errors
    /// As for [`plan`](Self::plan); the database's; [`MemoryStore`](store::MemoryStore) cannot tell.
    pub async fn explain(&self) -> Result<Vec<Explanation>, Error> {
        let mut explanations = Vec::new();
        for query in self.planned(None).await?.queries {
            explanations.push(self.collection.store().explain(&query).await?);
        }
        Ok(explanations)
    }

    fn parts(&self) -> Parts<T> {
        let opener = self.opener.clone().filter(|_| self.nodes.iter().any(has_index));
        Parts { collection: self.collection.clone(), opener }
    }

    fn node(&self) -> Result<Option<Node>, QueryError> {
        let nodes: Vec<_> =
            self.nodes.iter().map(|node| named(node.clone(), &self.from)).collect::<Result<_, _>>()?;
        Ok(if nodes.is_empty() { None } else { Some(Node::All(nodes)) })
    }

    fn edge(&self, edge: Option<&Edge>, order: &[store::Order]) -> Result<Option<Cursor>, QueryError> {
        let Some(edge) = edge else { return Ok(None) };
        let wrong = || {
            let names = order.iter().map(|order| match &order.field {
                FieldRef::Path(path) => path.join("."),
                FieldRef::Name => T::ID_FIELD.to_owned(),
            });
            QueryError::Position { order: names.collect::<Vec<_>>().join(", ") }
        };
        let values = match &edge.place {
            Place::Document(document) => Cursor::after(document, order).ok_or_else(wrong)?.values,
            Place::Values(values) => {
                let values = values.clone()?;
                let fits = !values.is_empty()
                    && values.len() <= order.len()
                    && values.iter().zip(order).all(|((field, _), order)| *field == order.field);
                if !fits {
                    return Err(wrong());
                }
                let named = |(field, value)| match field {
                    FieldRef::Name => name(value, &self.from),
                    FieldRef::Path(_) => Ok(value),
                };
                values.into_iter().map(named).collect::<Result<_, _>>()?
            }
        };
        Ok(Some(Cursor { values, before: edge.before }))
    }

    fn wanted(&self, fields: Option<Vec<Vec<String>>>) -> Result<Wanted, QueryError> {
        if self.last && self.offset > 0 {
            return Err(QueryError::FromTheEnd);
        }
        let node = self.node()?;
        let order = whole_order(node.as_ref(), self.order.clone());
        Ok(Wanted {
            from: self.from.clone(),
            start: self.edge(self.start.as_ref(), &order)?,
            end: self.edge(self.end.as_ref(), &order)?,
            node,
            order,
            offset: self.offset,
            limit: self.limit,
            last: self.last,
            scan: self.scan,
            fields,
        })
    }

    async fn planned(&self, fields: Option<Vec<Vec<String>>>) -> Result<Plan, Error> {
        self.planned_of(self.wanted(fields)?).await
    }

    async fn planned_of(&self, mut wanted: Wanted) -> Result<Plan, Error> {
        let mut rings = Vec::new();
        let indexed = wanted.node.as_ref().is_some_and(has_index);
        if let (Some(node), Some(opener), true) = (&wanted.node, &self.opener, indexed) {
            for scope in self.scopes(node)? {
                let ring: KeyRing = opener.keys.ring(&scope).await?;
                rings.push((scope, ring));
            }
            if let (Some(fields), Some(scope)) = (&mut wanted.fields, T::SCOPE_FIELD) {
                fields.push(vec![scope.to_owned()]);
            }
        }
        let path = self.collection.path();
        let keys = IndexKeys { realm: self.collection.realm(), collection: path.id(), rings: &rings };
        Ok(plan(&wanted, &keys)?)
    }

    /// The scopes in which the tokens of documents are made.
    fn scopes(&self, node: &Node) -> Result<Vec<Scope>, Error> {
        let Some(field) = T::SCOPE_FIELD else { return Ok(vec![self.collection.scope().clone()]) };
        let ids = scope_ids(node, field).ok_or(QueryError::ScopeOpen { field })?;
        ids.into_iter().map(|id| Ok(Scope::new(id)?)).collect()
    }
}

/// The values that a condition demands of the field that names the scope.
fn scope_ids(node: &Node, field: &str) -> Option<Vec<String>> {
    let text = |value: &Value| match &value.value_type {
        Some(ValueType::StringValue(text)) => Some(text.clone()),
        _ => None,
    };
    match node {
        Node::All(nodes) => nodes.iter().find_map(|node| scope_ids(node, field)),
        Node::Clear(Filter::Field { field: FieldRef::Path(path), op, value }) if *path == [field] => match op
        {
            Op::Equal => Some(vec![text(value)?]),
            Op::In => match &value.value_type {
                Some(ValueType::ArrayValue(array)) => array.values.iter().map(text).collect(),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    }
}
