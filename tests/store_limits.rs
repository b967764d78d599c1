//! Our verdict on a document against the server's, one byte or level to either side of each limit.
//!
//! T28 of docs/threat-model.md.

#![allow(missing_docs, clippy::unwrap_used)]

#[path = "support/promise.rs"]
mod promise;

use fireseal::DocumentPath;
use fireseal::store::{
    Fields, LimitError, MAX_DEPTH, MAX_FIELD_NAME_BYTES, MAX_NAME_BYTES, MAX_VALUE_BYTES, Time, Value,
    ValueType, check_document,
};
use fireseal_emulator::{Emulator, Project};
use firestore::FirestoreDb;
use firestore::gcloud_sdk::google::firestore::v1::{
    ArrayValue, CommitRequest, Document, MapValue, Write, write::Operation,
};
use firestore::gcloud_sdk::google::r#type::LatLng;

/// The server, asked directly: nothing of ours stands in between.
struct Server {
    db: FirestoreDb,
    _project: Project,
}

impl Server {
    async fn new() -> Self {
        let project = Emulator::shared().await.unwrap().project().unwrap();
        Self { db: project.firestore().await.unwrap(), _project: project }
    }

    async fn takes(&self, path: &DocumentPath, fields: Fields) -> bool {
        let name = format!("{}/{path}", self.db.get_documents_path());
        let document = Document { name, fields, create_time: None, update_time: None };
        let write = Write { operation: Some(Operation::Update(document)), ..Default::default() };
        let database = self.db.get_database_path().clone();
        let request = CommitRequest { database, writes: vec![write], ..Default::default() };
        self.db.client().get().commit(request).await.is_ok()
    }

    /// Both verdicts on one document; they must agree.
    async fn agrees(&self, what: &str, path: &str, fields: Fields) -> bool {
        let path = DocumentPath::parse(path).unwrap();
        let ours = check_document(&path, &fields);
        let theirs = self.takes(&path, fields).await;
        assert_eq!(ours.is_ok(), theirs, "{what}: we say {ours:?}, the server {theirs}");
        theirs
    }
}

fn val(value: ValueType) -> Value {
    Value { value_type: Some(value) }
}

fn bytes(size: usize) -> Value {
    val(ValueType::BytesValue(vec![7; size]))
}

fn text(text: &str) -> Value {
    val(ValueType::StringValue(text.to_owned()))
}

fn array(values: Vec<Value>) -> Value {
    val(ValueType::ArrayValue(ArrayValue { values }))
}

fn map<const N: usize>(fields: [(&str, Value); N]) -> Value {
    val(ValueType::MapValue(MapValue { fields: some(fields) }))
}

fn some<const N: usize>(fields: [(&str, Value); N]) -> Fields {
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

#[tokio::test]
async fn the_largest_value() {
    let server = Server::new().await;
    for size in [MAX_VALUE_BYTES, MAX_VALUE_BYTES + 1] {
        let fits = size == MAX_VALUE_BYTES;
        let string = text(&"a".repeat(size));
        let unicode = text(&("é".repeat(size / 2) + &"a".repeat(size % 2)));
        let cases = [
            ("bytes", bytes(size)),
            ("string", string),
            ("unicode", unicode),
            ("in a map", map([("k", bytes(size))])),
            ("in an array", array(vec![bytes(size)])),
        ];
        for (what, value) in cases {
            assert_eq!(server.agrees(what, "x/a", some([("v", value)])).await, fits, "{what} of {size}");
        }
    }
    promise::Promise::kept("limits", 1);
}

#[tokio::test]
async fn the_largest_document() {
    let server = Server::new().await;
    let null = || val(ValueType::NullValue(0));
    let number = val(ValueType::DoubleValue(0.5));
    let reference = |name: &str| val(ValueType::ReferenceValue(name.to_owned()));
    let mut many = Fields::new();
    for n in 0..500 {
        many.insert(format!("i{n}"), val(ValueType::IntegerValue(n)));
        many.insert(format!("b{n}"), val(ValueType::BooleanValue(true)));
        many.insert(format!("n{n}"), null());
    }
    let fillings = [
        ("nothing", "x/a", Fields::new()),
        ("a long name", "xxxxxxxxxx/aaaaaaaaaa/y/12345678901234", Fields::new()),
        ("a unicode name", "é/日本", some([("ä", text("ä")), ("🦀", text("🦀"))])),
        ("many small ones", "x/a", many),
        ("a time", "x/a", some([("m", val(ValueType::TimestampValue(Time { seconds: 1, nanos: 1_000 })))])),
        (
            "a point",
            "x/a",
            some([("m", val(ValueType::GeoPointValue(LatLng { latitude: 1.0, longitude: 1.0 })))]),
        ),
        (
            "references",
            "x/a",
            some([
                ("m", reference("projects/p/databases/(default)/documents/aaaa/bbbb")),
                ("n", reference("projects/quite-another-project/databases/(default)/documents/a/b/c/日本")),
            ]),
        ),
        ("an array", "x/a", some([("m", array(vec![number.clone(); 1_000]))])),
        ("an array of maps", "x/a", some([("m", array(vec![map([("k", null())]); 10]))])),
        ("an array of empty maps", "x/a", some([("m", array(vec![map([]); 10]))])),
        ("a map", "x/a", some([("m", map([("k", text("four")), ("l", map([("deep", number.clone())]))]))])),
        ("an empty map", "x/a", some([("m", map([]))])),
        ("an empty array", "x/a", some([("m", array(vec![]))])),
        (
            "empty in a map",
            "x/a",
            some([("m", map([("k", map([])), ("l", array(vec![])), ("s", text(""))]))]),
        ),
        (
            "a vector",
            "x/a",
            some([("m", map([("__type__", text("__vector__")), ("value", array(vec![number; 100]))]))]),
        ),
    ];
    for (what, path, filling) in fillings {
        let filled = |size| {
            let mut fields = filling.clone();
            fields.insert("k".to_owned(), bytes(500_000));
            fields.insert("l".to_owned(), bytes(size));
            fields
        };
        // The largest that we take, by halving.
        let document = DocumentPath::parse(path).unwrap();
        let (mut taken, mut refused) = (0, 600_000);
        while refused - taken > 1 {
            let middle = usize::midpoint(taken, refused);
            match check_document(&document, &filled(middle)) {
                Ok(()) => taken = middle,
                Err(LimitError::Document { .. }) => refused = middle,
                Err(error) => panic!("{what}: {error}"),
            }
        }
        assert!(taken > 500_000, "{what}: {taken}");
        assert!(server.agrees(what, path, filled(taken)).await, "{what}: {taken}");
        assert!(!server.agrees(what, path, filled(refused)).await, "{what}: {refused}");
    }
    promise::Promise::kept("limits", 1);
}

/// The emulator takes an empty array one level deeper still; we do not.
#[tokio::test]
async fn the_deepest_value() {
    let server = Server::new().await;
    let maps = |levels| (0..levels).fold(val(ValueType::NullValue(0)), |inner, _| map([("k", inner)]));
    let mixed = |levels| {
        (0..levels).fold(val(ValueType::NullValue(0)), |inner, level| {
            if level % 2 == 0 { array(vec![inner]) } else { map([("k", inner)]) }
        })
    };
    let empty = |levels: usize| (1..levels).fold(map([]), |inner, _| map([("k", inner)]));
    let vector =
        || map([("__type__", text("__vector__")), ("value", array(vec![val(ValueType::DoubleValue(1.0))]))]);
    let vectors = |levels| (0..levels).fold(vector(), |inner, _| map([("k", inner)]));
    for levels in [MAX_DEPTH - 1, MAX_DEPTH, MAX_DEPTH + 1] {
        let fits = levels <= MAX_DEPTH;
        let cases = [
            ("maps", maps(levels)),
            ("mixed", mixed(levels)),
            ("empty", empty(levels)),
            ("vectors", vectors(levels)),
        ];
        for (what, value) in cases {
            let taken = server.agrees(what, "x/a", some([("v", value)])).await;
            assert_eq!(taken, fits, "{what}: {levels} levels");
        }
    }
    promise::Promise::kept("limits", 1);
}

#[tokio::test]
async fn the_longest_field_name() {
    let server = Server::new().await;
    let null = || val(ValueType::NullValue(0));
    for size in [MAX_FIELD_NAME_BYTES, MAX_FIELD_NAME_BYTES + 1] {
        let fits = size == MAX_FIELD_NAME_BYTES;
        let name = |taken: usize| "n".repeat(size - taken);
        let cases = [
            ("top", some([(&name(0), null())])),
            ("unicode", some([(&("é".repeat(size / 2) + &"a".repeat(size % 2)), null())])),
            ("in a map", some([("v", map([(&name(2), null())]))])),
            ("two maps deep", some([("v", map([("w", map([(&name(4), null())]))]))])),
            ("in an array", some([("v", array(vec![map([(&name(2), null())])]))])),
            ("in an array in a map", some([("v", map([("w", array(vec![map([(&name(4), null())])]))]))])),
            ("to be quoted", some([("v", map([(&name(2).replace('n', "."), null())]))])),
            ("to be escaped", some([("v", map([(&name(2).replace('n', "\\"), null())]))])),
        ];
        for (what, fields) in cases {
            assert_eq!(server.agrees(what, "x/a", fields).await, fits, "{what}: {size}");
        }
    }
    promise::Promise::kept("limits", 1);
}

#[tokio::test]
async fn reserved_names_and_other_refusals() {
    let server = Server::new().await;
    let null = || val(ValueType::NullValue(0));
    let geo = |latitude, longitude| val(ValueType::GeoPointValue(LatLng { latitude, longitude }));
    let time = |seconds, nanos| val(ValueType::TimestampValue(Time { seconds, nanos }));
    for name in
        ["", "_", "__", "___", "____", "_____", "__a__", "__name__", "a\0b", "_firestore_id", "é", " "]
    {
        server.agrees(name, "x/a", some([(name, null())])).await;
        server.agrees(name, "x/a", some([("m", map([(name, null())]))])).await;
        server.agrees(name, "x/a", some([("l", array(vec![map([(name, null())])]))])).await;
    }
    let vector = |values| map([("__type__", text("__vector__")), ("value", array(values))]);
    let one = || val(ValueType::DoubleValue(1.0));
    let values = [
        Value { value_type: None },
        array(vec![array(vec![])]),
        array(vec![map([("a", array(vec![null()]))])]),
        array(vec![vector(vec![one()])]),
        array(vec![map([("v", vector(vec![one()]))])]),
        vector(vec![]),
        vector(vec![one(); 2_048]),
        vector(vec![one(); 2_049]),
        vector(vec![val(ValueType::IntegerValue(1))]),
        vector(vec![val(ValueType::DoubleValue(f64::INFINITY))]),
        vector(vec![val(ValueType::DoubleValue(f64::NAN))]),
        map([("__type__", text("__vector__"))]),
        map([("__type__", text("other"))]),
        map([("__type__", text("__vector__")), ("value", array(vec![one()])), ("x", null())]),
        geo(90.0, 180.0),
        geo(90.000_001, 0.0),
        geo(-90.000_001, 0.0),
        geo(0.0, 180.000_001),
        geo(f64::INFINITY, 0.0),
        geo(0.0, f64::NAN),
        time(-62_135_596_800, 0),
        time(-62_135_596_801, 999_999_999),
        time(253_402_300_799, 999_999_999),
        time(253_402_300_800, 0),
        time(0, -1),
        time(0, 1_000_000_000),
        val(ValueType::ReferenceValue(String::new())),
        val(ValueType::ReferenceValue("c/a".to_owned())),
        val(ValueType::ReferenceValue("projects/p/databases/(default)/documents/c/a".to_owned())),
        val(ValueType::FieldReferenceValue("a".to_owned())),
    ];
    for value in values {
        let what = format!("{value:?}").chars().take(120).collect::<String>();
        server.agrees(&what, "x/a", some([("v", value.clone())])).await;
        server.agrees(&what, "x/a", some([("m", map([("v", value)]))])).await;
    }
}

#[tokio::test]
async fn the_deepest_path() {
    let server = Server::new().await;
    assert!(server.agrees("100 collections", &vec!["a"; 200].join("/"), Fields::new()).await);
    assert!(!server.agrees("101 collections", &vec!["a"; 202].join("/"), Fields::new()).await);
}

/// The emulator takes longer names than Firestore's documentation allows; we keep to the latter.
#[test]
fn the_longest_document_name() {
    let path = |last: usize| {
        let id = "i".repeat(1_000);
        DocumentPath::parse(&format!("{id}/{id}/{id}/{id}/{id}/{}", "i".repeat(last))).unwrap()
    };
    let fits = MAX_NAME_BYTES - 5_005;
    assert!(check_document(&path(fits), &Fields::new()).is_ok());
    let error = check_document(&path(fits + 1), &Fields::new()).unwrap_err();
    assert!(matches!(error, LimitError::Name { size: 6_145, .. }), "{error}");
}

#[test]
fn errors_name_the_field_and_never_show_the_value() {
    let path = DocumentPath::parse("customers/ada").unwrap();
    let secret = "the canary sings";
    let long = secret.repeat(70_000);
    let mut deep = text(secret);
    for _ in 0..21 {
        deep = map([("k", deep)]);
    }
    let cases = [
        (
            some([("a b", map([("c", array(vec![text("x"), map([("d", text(&long))])]))]))]),
            "`a b`.c[1].d of customers/ada has 1120000 bytes",
        ),
        (
            some([("a", text(&long[..600_000])), ("b", text(&long[..700_000]))]),
            "largest field is b with 700003",
        ),
        (some([("deep", deep)]), "nests deeper than 20"),
        (some([("l", array(vec![array(vec![text(secret)])]))]), "l[0] of customers/ada is an array"),
        (some([("m", map([("__x__", text(secret))]))]), "m.__x__ of customers/ada has a name"),
        (
            some([("r", val(ValueType::ReferenceValue(secret.to_owned())))]),
            "r of customers/ada cannot be stored",
        ),
    ];
    for (fields, expected) in cases {
        let error = check_document(&path, &fields).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        assert!(!format!("{error} {error:?}").contains("canary"), "{error:?}");
    }
}
