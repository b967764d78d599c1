//! Random queries over random documents give the same from memory and from the emulator.

#![allow(missing_docs, clippy::unwrap_used)]

use std::collections::BTreeMap;

use fireseal::store::{
    Aggregation, Cursor, Direction, Document, FieldMask, FieldRef, Fields, Filter, FirestoreStore, From, Is,
    MemoryStore, Op, Order, Query, Store, StoreError, Time, Value, ValueType, Write,
};
use fireseal::{CollectionPath, DocumentPath};
use fireseal_emulator::Emulator;
use firestore::gcloud_sdk::google::firestore::v1::{ArrayValue, MapValue};
use firestore::gcloud_sdk::google::r#type::LatLng;
use futures::TryStreamExt;

const WORLDS: u64 = 24;
const DOCUMENTS: usize = 30;
const QUERIES: usize = 100;

/// What the drawn numbers come from: SplitMix64, so that a world's number draws it again.
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap()
    }

    fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    fn of<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())].clone()
    }

    fn some<T>(&mut self, least: usize, most: usize, mut draw: impl FnMut(&mut Self) -> T) -> Vec<T> {
        let count = least + self.below(most - least + 1);
        (0..count).map(|_| draw(self)).collect()
    }

    // Values: few, so that they meet.

    fn scalar(&mut self) -> Value {
        let value = match self.below(13) {
            0 => ValueType::NullValue(0),
            12 => ValueType::DoubleValue(f64::NAN),
            1 => ValueType::BooleanValue(self.one_in(2)),
            2 | 3 => {
                ValueType::IntegerValue(self.of(&[-1, 0, 1, 2, 3, 9_007_199_254_740_993, i64::MAX, i64::MIN]))
            }
            4 | 5 => ValueType::DoubleValue(self.of(&[
                -0.5,
                0.0,
                -0.0,
                1.0,
                1.5,
                2.0,
                9_007_199_254_740_992.0,
                9_223_372_036_854_775_808.0,
                f64::NAN,
                f64::INFINITY,
                f64::NEG_INFINITY,
            ])),
            6 => ValueType::TimestampValue(Time {
                seconds: self.of(&[-1, 0, 5]),
                nanos: self.of(&[0, 1_000, 999_999_000]),
            }),
            7 | 8 => ValueType::StringValue(self.of(&["", "a", "ab", "b", "ä", "\u{ffee}", "😀"]).to_owned()),
            9 => ValueType::BytesValue(self.of(&[vec![], vec![0], vec![1, 2], vec![255]])),
            10 => ValueType::ReferenceValue(format!(
                "projects/p/databases/(default)/documents/{}",
                self.of(&["c/a", "c/b", "c/a/d/e", "c!/a"])
            )),
            _ => ValueType::GeoPointValue(LatLng {
                latitude: self.of(&[-1.0, 0.0, 1.5]),
                longitude: self.of(&[-1.0, 0.0, 2.0]),
            }),
        };
        Value { value_type: Some(value) }
    }

    fn map(&mut self, depth: usize) -> Value {
        let fields = self.some(0, 2, |draw| (draw.of(&["x", "y"]).to_owned(), draw.value(depth)));
        val(ValueType::MapValue(MapValue { fields: fields.into_iter().collect() }))
    }

    fn vector(&mut self) -> Value {
        let values = self.some(1, 3, |draw| val(ValueType::DoubleValue(draw.of(&[0.0, 1.0, 2.5]))));
        let fields = [
            ("__type__".to_owned(), val(ValueType::StringValue("__vector__".to_owned()))),
            ("value".to_owned(), array(values)),
        ];
        val(ValueType::MapValue(MapValue { fields: fields.into_iter().collect() }))
    }

    fn value(&mut self, depth: usize) -> Value {
        match self.below(10) {
            0 if depth > 0 => array(self.some(0, 3, Self::scalar)),
            1 if depth > 0 => self.map(depth - 1),
            2 if depth > 0 && self.one_in(3) => self.vector(),
            _ => self.scalar(),
        }
    }

    fn number(&mut self) -> Value {
        match self.below(8) {
            0 => self.scalar(),
            1 => val(ValueType::DoubleValue(self.of(&[0.5, -2.25, 1024.0]))),
            2 => val(ValueType::IntegerValue(self.of(&[i64::MAX, i64::MIN, 7]))),
            _ => val(ValueType::IntegerValue(self.of(&[-3, 0, 1, 10]))),
        }
    }

    fn fields(&mut self) -> Fields {
        let mut fields = Fields::new();
        for name in ["a", "b", "c d"] {
            if !self.one_in(6) {
                fields.insert(name.to_owned(), self.value(2));
            }
        }
        if !self.one_in(6) {
            fields.insert("n".to_owned(), self.number());
        }
        if !self.one_in(5) {
            fields.insert("tags".to_owned(), array(self.some(0, 3, Self::scalar)));
        }
        if !self.one_in(4) {
            fields.insert("m".to_owned(), self.map(1));
        }
        fields
    }

    fn field(&mut self) -> Vec<String> {
        let path: &[&str] =
            self.of(&[&["a"][..], &["a"], &["b"], &["c d"], &["n"], &["m", "x"], &["m"], &["tags"]]);
        path.iter().map(|name| (*name).to_owned()).collect()
    }

    /// A value that a document in the store has there, or any other.
    fn operand(&mut self, field: &[String], documents: &[Document]) -> Value {
        let document = &documents[self.below(documents.len())];
        match lookup(&document.fields, field) {
            Some(value) if !self.one_in(4) => value.clone(),
            _ => self.value(1),
        }
    }

    fn name(&mut self, documents: &[Document]) -> Value {
        let path = documents[self.below(documents.len())].path.to_string();
        val(ValueType::ReferenceValue(path))
    }

    fn condition(&mut self, documents: &[Document]) -> Filter {
        use Op::{
            Contains, ContainsAny, Equal, Greater, GreaterOrEqual, In, Less, LessOrEqual, NotEqual, NotIn,
        };
        if self.one_in(8) {
            let is = self.of(&[Is::Null, Is::NotNull, Is::Nan, Is::NotNan]);
            return Filter::Is { field: FieldRef::Path(self.field()), is };
        }
        let op = self.of(&[
            Equal,
            Equal,
            NotEqual,
            Less,
            LessOrEqual,
            Greater,
            GreaterOrEqual,
            In,
            NotIn,
            Contains,
            ContainsAny,
        ]);
        if self.one_in(10) && !matches!(op, Contains | ContainsAny) {
            let value = match op {
                In | NotIn => array(self.some(1, 3, |draw| draw.name(documents))),
                _ => self.name(documents),
            };
            return Filter::Field { field: FieldRef::Name, op, value };
        }
        let field = match op {
            Contains | ContainsAny => vec!["tags".to_owned()],
            _ => self.field(),
        };
        let value = match op {
            In | NotIn => array(self.some(1, 4, |draw| draw.operand(&field, documents))),
            Contains => self.element(&field, documents),
            ContainsAny => array(self.some(1, 4, |draw| draw.element(&field, documents))),
            _ => self.operand(&field, documents),
        };
        Filter::Field { field: FieldRef::Path(field), op, value }
    }

    fn element(&mut self, field: &[String], documents: &[Document]) -> Value {
        match self.operand(field, documents).value_type {
            Some(ValueType::ArrayValue(array)) if !array.values.is_empty() => self.of(&array.values),
            _ => self.scalar(),
        }
    }

    fn filter(&mut self, documents: &[Document], depth: usize) -> Filter {
        match self.below(6) {
            0 | 1 if depth > 0 => Filter::All(self.some(1, 3, |draw| draw.filter(documents, depth - 1))),
            2 if depth > 0 => Filter::Any(self.some(1, 3, |draw| draw.filter(documents, depth - 1))),
            _ => self.condition(documents),
        }
    }

    fn cursor(&mut self, order: &[Order], documents: &[Document]) -> Cursor {
        let length = 1 + self.below(order.len());
        let document = documents[self.below(documents.len())].clone();
        let values = order.iter().take(length).map(|order| match &order.field {
            FieldRef::Name => val(ValueType::ReferenceValue(document.path.to_string())),
            FieldRef::Path(path) => match lookup(&document.fields, path) {
                Some(value) => value.clone(),
                None => self.scalar(),
            },
        });
        Cursor { values: values.collect(), before: self.one_in(2) }
    }

    fn query(&mut self, documents: &[Document]) -> Query {
        let from = match self.below(5) {
            0 => From::Group { id: "items".to_owned(), under: None },
            1 => {
                From::Group { id: "items".to_owned(), under: Some(DocumentPath::parse("items/d0").unwrap()) }
            }
            _ => From::Collection(CollectionPath::parse("items").unwrap()),
        };
        let mut query = Query::new(from);
        if !self.one_in(8) {
            query.filter = Some(self.filter(documents, 2));
        }
        if self.one_in(2) {
            let direction = |draw: &mut Self| draw.of(&[Direction::Ascending, Direction::Descending]);
            query.order = self
                .some(1, 2, |draw| Order { field: FieldRef::Path(draw.field()), direction: direction(draw) });
            query.order.dedup_by(|a, b| a.field == b.field);
            if self.one_in(3) {
                query.order.push(Order { field: FieldRef::Name, direction: direction(self) });
            }
        }
        query = query.with_implicit_order();
        if self.one_in(3) {
            query.start = Some(self.cursor(&query.order, documents));
        }
        if self.one_in(3) {
            query.end = Some(self.cursor(&query.order, documents));
        }
        if self.one_in(4) {
            query.offset = u32::try_from(self.below(5)).unwrap();
        }
        if self.one_in(3) {
            query.limit = Some(u32::try_from(self.below(12)).unwrap());
        }
        if self.one_in(4) {
            query.mask = Some(FieldMask::new(self.some(0, 2, Self::field)));
        }
        query
    }

    fn aggregations(&mut self) -> Vec<Aggregation> {
        self.some(1, 3, |draw| match draw.below(3) {
            0 => Aggregation::Count,
            1 => Aggregation::Sum(draw.of(&[vec!["n".to_owned()], vec!["a".to_owned()]])),
            _ => Aggregation::Average(draw.of(&[vec!["n".to_owned()], vec!["m".to_owned(), "x".to_owned()]])),
        })
    }
}

fn val(value: ValueType) -> Value {
    Value { value_type: Some(value) }
}

fn array(values: Vec<Value>) -> Value {
    val(ValueType::ArrayValue(ArrayValue { values }))
}

fn lookup<'a>(fields: &'a Fields, path: &[String]) -> Option<&'a Value> {
    let (first, rest) = path.split_first()?;
    let value = fields.get(first)?;
    if rest.is_empty() {
        return Some(value);
    }
    match &value.value_type {
        Some(ValueType::MapValue(map)) => lookup(&map.fields, rest),
        _ => None,
    }
}

/// Values as text that is the same only for the same values, doubles by their bits.
fn text(value: &Value) -> String {
    match &value.value_type {
        Some(ValueType::DoubleValue(number)) => format!("{number:?}"),
        Some(ValueType::ArrayValue(array)) => {
            format!("{:?}", array.values.iter().map(text).collect::<Vec<_>>())
        }
        Some(ValueType::MapValue(map)) => fields_text(&map.fields),
        other => format!("{other:?}"),
    }
}

fn fields_text(fields: &Fields) -> String {
    let sorted: BTreeMap<_, _> = fields.iter().map(|(name, value)| (name, text(value))).collect();
    format!("{sorted:?}")
}

async fn answer(store: &dyn Store, query: &Query) -> Result<Vec<(String, String)>, String> {
    let documents: Result<Vec<Document>, StoreError> = match store.query(query, None).await {
        Ok(stream) => stream.try_collect().await,
        Err(error) => Err(error),
    };
    match documents {
        Ok(documents) => Ok(documents.iter().map(|d| (d.path.to_string(), fields_text(&d.fields))).collect()),
        Err(StoreError::Refused { reason }) => Err(reason),
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn memory_answers_what_the_emulator_answers() {
    let (mut queries, mut refused, mut found) = (0, 0, 0);
    let (mut aggregations, mut not_aggregated) = (0, 0);
    let mut wrong = Vec::new();
    for world in 0..WORLDS {
        let mut draw = Draw(world);
        let project = Emulator::shared().await.unwrap().project().unwrap();
        let server = FirestoreStore::new(project.firestore().await.unwrap());
        let memory = MemoryStore::new();
        let paths = (0..DOCUMENTS).map(|at| match at % 5 {
            0..3 => format!("items/d{at}"),
            3 => format!("items/d{}/items/e{at}", draw.below(3)),
            _ => format!("other/o{}/items/e{at}", draw.below(3)),
        });
        let paths: Vec<DocumentPath> = paths.map(|path| DocumentPath::parse(&path).unwrap()).collect();
        let writes: Vec<Write> = paths.into_iter().map(|path| Write::set(path, draw.fields())).collect();
        memory.commit(&writes).await.unwrap();
        server.commit(&writes).await.unwrap();
        let documents = memory.documents();
        for _ in 0..QUERIES {
            let query = draw.query(&documents);
            let ours = answer(&memory, &query).await;
            let theirs = answer(&server, &query).await;
            queries += 1;
            found += ours.as_ref().map_or(0, Vec::len);
            refused += usize::from(ours.is_err());
            match (&ours, &theirs) {
                (Ok(ours), Ok(theirs)) if ours == theirs => {}
                (Err(_), Err(_)) => {}
                _ => wrong.push(format!("{query:?}\n  ours   {ours:?}\n  theirs {theirs:?}")),
            }
            if draw.one_in(4) && ours.is_ok() {
                aggregations += 1;
                let over = draw.aggregations();
                let query = match draw.one_in(2) {
                    true => Query { start: None, end: None, offset: 0, limit: None, ..query },
                    false => query,
                };
                let ours = memory.aggregate(&query, &over, None).await;
                let theirs = server.aggregate(&query, &over, None).await;
                let text = |values: Result<Vec<Value>, StoreError>| {
                    values.map(|v| v.iter().map(text).collect::<Vec<_>>()).map_err(|e| e.to_string())
                };
                let (ours, theirs) = (text(ours), text(theirs));
                not_aggregated += usize::from(ours.is_err());
                if ours != theirs {
                    wrong.push(format!("{over:?} {query:?}\n  ours   {ours:?}\n  theirs {theirs:?}"));
                }
            }
        }
    }
    println!(
        "{queries} queries, {refused} of them refused by both, {found} documents found; \
         {aggregations} aggregations, {not_aggregated} of them refused by both; {} mismatches, no deviation excluded",
        wrong.len()
    );
    assert!(queries - refused >= 1_500 && aggregations - not_aggregated >= 100, "too few were run");
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}
