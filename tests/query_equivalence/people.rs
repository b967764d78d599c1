//! The documents: sealed and indexed for fireseal, in plaintext for the oracle.

use std::collections::HashMap;

use fireseal::Sealable;
use fireseal::store::{Fields, Value, ValueType};
use firestore::gcloud_sdk::google::firestore::v1::ArrayValue;

use super::draw::Draw;

#[derive(Sealable, Clone, PartialEq)]
#[sealable(
    collection = "people",
    debug,
    compound(name = "full_name", fields(first, last), normalize(casefold), bits = 8)
)]
pub struct Person {
    #[sealable(id)]
    pub id: String,
    pub country: Option<String>,
    pub level: i64,
    pub score: f64,
    pub tags: Vec<String>,
    #[sensitive(index(normalize(trim, casefold), bits = 8))]
    pub city: String,
    #[sensitive(unique(normalize(email)))]
    pub email: String,
    #[sensitive(prefix(min = 1, max = 3, normalize(casefold)))]
    pub first: String,
    #[sensitive(index)]
    pub last: Option<String>,
    #[sensitive(words(normalize(nfkc, casefold), bits = 16))]
    pub note: String,
    #[sensitive(range(min = 0, max = 200, step = 5), index(bits = 8))]
    pub age: i64,
    #[sensitive(range(min = "0.00", max = "1000.00", step = "0.01"))]
    pub price: f64,
    #[sensitive(range(min = "1900-01-01", max = "2100-01-01", step = "1d"))]
    pub born: String,
}

pub const FIRST: [&str; 7] = ["Ada", "adam", "Adele", "Bob", "Bobby", "Åsa", "a"];
pub const LAST: [&str; 4] = ["Lovelace", "Byron", "byron", "Smith"];
pub const COLOURS: [&str; 6] = ["red", "Green", "BLUE", "white", "black", "grey"];
pub const COUNTRIES: [&str; 4] = ["DE", "FR", "GB", "IT"];
pub const TAGS: [&str; 4] = ["a", "b", "c", "d"];

pub fn city(draw: &mut Draw) -> String {
    match draw.below(3) {
        0 => draw.of(&["London", " london ", "LONDON", "Paris", "paris"]).to_owned(),
        _ => format!("City {}", draw.below(60)),
    }
}

pub fn price(draw: &mut Draw) -> f64 {
    f64::from(u32::try_from(draw.below(4_800)).unwrap()) / 4.0
}

pub fn day(draw: &mut Draw) -> String {
    format!("{:04}-{:02}-{:02}", 1930 + draw.below(100), 1 + draw.below(12), 1 + draw.below(28))
}

pub fn person(draw: &mut Draw, number: usize) -> Person {
    let mut tags = TAGS.map(str::to_owned).to_vec();
    tags.retain(|_| draw.one_in(3));
    Person {
        id: format!("p{number:03}"),
        country: (!draw.one_in(5)).then(|| draw.of(&COUNTRIES).to_owned()),
        level: i64::try_from(draw.below(6)).unwrap() - 2,
        score: draw.of(&[-1.5, 0.0, 0.5, 2.0, 3.25]),
        tags,
        city: city(draw),
        email: draw.of(&[format!("user{number}@example.com"), format!(" User{number}@EXAMPLE.com")]),
        first: draw.of(&FIRST).to_owned(),
        last: (!draw.one_in(6)).then(|| draw.of(&LAST).to_owned()),
        note: (0..1 + draw.below(3)).map(|_| draw.of(&COLOURS)).collect::<Vec<_>>().join(", "),
        age: i64::try_from(draw.below(230)).unwrap(),
        price: price(draw),
        born: day(draw),
    }
}

pub fn text(text: impl Into<String>) -> Value {
    Value { value_type: Some(ValueType::StringValue(text.into())) }
}

pub fn integer(integer: i64) -> Value {
    Value { value_type: Some(ValueType::IntegerValue(integer)) }
}

pub fn double(double: f64) -> Value {
    Value { value_type: Some(ValueType::DoubleValue(double)) }
}

pub fn array(values: impl IntoIterator<Item = Value>) -> Value {
    let array = ArrayValue { values: values.into_iter().collect() };
    Value { value_type: Some(ValueType::ArrayValue(array)) }
}

pub fn normal_email(email: &str) -> String {
    email.trim().to_lowercase()
}

pub fn full_name(first: &str, last: &str) -> String {
    format!("{}|{}", first.to_lowercase(), last.to_lowercase())
}

/// The same person in plaintext, with each indexed value as the index compares it.
pub fn plain(person: &Person) -> Fields {
    let mut fields = HashMap::from(
        [
            ("id", text(&*person.id)),
            ("level", integer(person.level)),
            ("score", double(person.score)),
            ("tags", array(person.tags.iter().map(text))),
            ("city", text(person.city.trim().to_lowercase())),
            ("email", text(normal_email(&person.email))),
            ("first", text(person.first.to_lowercase())),
            ("note", array(person.note.split(", ").map(|word| text(word.to_lowercase())))),
            ("age", integer(person.age)),
            ("price", double(person.price)),
            ("born", text(&*person.born)),
        ]
        .map(|(name, value)| (name.to_owned(), value)),
    );
    if let Some(country) = &person.country {
        fields.insert("country".to_owned(), text(country));
    }
    if let Some(last) = &person.last {
        fields.insert("last".to_owned(), text(last));
        fields.insert("full_name".to_owned(), text(full_name(&person.first, last)));
    }
    fields
}
