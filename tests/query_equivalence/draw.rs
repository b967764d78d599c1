//! What is drawn: numbers, conditions with their plaintext counterparts, and orders.

use fireseal::query::{Condition, Keyed, Order, Position, all, any, fields};
use fireseal::store::{self, Direction, FieldRef, Filter, Is, Op, Value, ValueType};

use super::people::{
    COLOURS, COUNTRIES, FIRST, LAST, Person, TAGS, array, city, day, double, full_name, integer,
    normal_email, price, text,
};

/// What the drawn numbers come from: SplitMix64.
pub struct Draw(pub u64);

impl Draw {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap()
    }

    pub fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    pub fn of<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())].clone()
    }

    pub fn some<T>(&mut self, least: usize, most: usize, mut draw: impl FnMut(&mut Self) -> T) -> Vec<T> {
        let count = least + self.below(most - least + 1);
        (0..count).map(|_| draw(self)).collect()
    }
}

/// A condition for fireseal, and as a tree of filters on plaintext.
#[derive(Clone)]
pub enum Tree {
    /// Its kind, for the count of what was drawn.
    Leaf(&'static str, Filter, Condition<Person, Keyed>),
    All(Vec<Tree>),
    Any(Vec<Tree>),
}

impl Tree {
    pub fn condition(&self) -> Condition<Person, Keyed> {
        match self {
            Self::Leaf(_, _, condition) => condition.clone(),
            Self::All(trees) => all(trees.iter().map(Self::condition)),
            Self::Any(trees) => any(trees.iter().map(Self::condition)),
        }
    }

    pub fn leaves(&self) -> Vec<(&'static str, &Filter)> {
        match self {
            Self::Leaf(kind, filter, _) => vec![(kind, filter)],
            Self::All(trees) | Self::Any(trees) => trees.iter().flat_map(Self::leaves).collect(),
        }
    }
}

fn field(name: &str) -> FieldRef {
    FieldRef::Path(vec![name.to_owned()])
}

fn on(name: &str, op: Op, value: Value) -> Filter {
    Filter::Field { field: field(name), op, value }
}

fn name(number: usize) -> Value {
    Value { value_type: Some(ValueType::ReferenceValue(format!("people/p{number:03}"))) }
}

const DOCUMENTS: usize = super::DOCUMENTS;

/// One condition of any kind. In a collection group, ids are whole paths, which this does not draw.
pub fn leaf(draw: &mut Draw, group: bool) -> Tree {
    let c = fields::<Person>();
    let compared = |draw: &mut Draw| draw.of(&[Op::Less, Op::LessOrEqual, Op::Greater, Op::GreaterOrEqual]);
    let leaf = |kind, filter, condition: Condition<Person, Keyed>| Tree::Leaf(kind, filter, condition);
    match draw.below(if group { 24 } else { 26 }) {
        0 | 1 => {
            let country = draw.of(&COUNTRIES);
            leaf("clear ==", on("country", Op::Equal, text(country)), c.country.eq(country).into())
        }
        2 => {
            let level = i64::try_from(draw.below(6)).unwrap() - 2;
            let not = on("level", Op::NotEqual, integer(level));
            leaf("clear !=", not, c.level.ne(level).into())
        }
        3 => {
            let (op, level) = (compared(draw), i64::try_from(draw.below(6)).unwrap() - 2);
            let condition = match op {
                Op::Less => c.level.lt(level),
                Op::LessOrEqual => c.level.le(level),
                Op::Greater => c.level.gt(level),
                _ => c.level.ge(level),
            };
            leaf("clear <", on("level", op, integer(level)), condition.into())
        }
        4 => {
            let (op, score) = (compared(draw), draw.of(&[-1.5, 0.0, 0.5, 1.0, 2.0]));
            let condition = match op {
                Op::Less => c.score.lt(score),
                Op::LessOrEqual => c.score.le(score),
                Op::Greater => c.score.gt(score),
                _ => c.score.ge(score),
            };
            leaf("clear <", on("score", op, double(score)), condition.into())
        }
        5 => {
            let countries = draw.some(1, 3, |draw| draw.of(&COUNTRIES));
            let filter = on("country", Op::In, array(countries.iter().map(|country| text(*country))));
            leaf("clear in", filter, c.country.is_in(countries).into())
        }
        6 => {
            let countries = draw.some(1, 2, |draw| draw.of(&COUNTRIES));
            let filter = on("country", Op::NotIn, array(countries.iter().map(|country| text(*country))));
            leaf("clear not-in", filter, c.country.not_in(countries).into())
        }
        7 => {
            let filter = Filter::Is { field: field("country"), is: Is::NotNull };
            leaf("clear not null", filter, c.country.is_not_null().into())
        }
        8 => {
            let tag = draw.of(&TAGS);
            leaf("clear contains", on("tags", Op::Contains, text(tag)), c.tags.contains(tag).into())
        }
        9 => {
            let tags = draw.some(1, 3, |draw| draw.of(&TAGS));
            let filter = on("tags", Op::ContainsAny, array(tags.iter().map(|tag| text(*tag))));
            leaf("clear contains any", filter, c.tags.contains_any(tags).into())
        }
        10 | 11 => {
            let city = city(draw);
            let filter = on("city", Op::Equal, text(city.trim().to_lowercase()));
            leaf("equality", filter, c.city.eq(city))
        }
        12 => {
            let cities = draw.some(1, 4, city);
            let plain = cities.iter().map(|city| text(city.trim().to_lowercase()));
            leaf("equality in", on("city", Op::In, array(plain)), c.city.is_in(&cities))
        }
        13 => {
            let email = format!("user{}@example.COM", draw.below(DOCUMENTS));
            let filter = on("email", Op::Equal, text(normal_email(&email)));
            leaf("unique", filter, c.email.eq(email))
        }
        14 => {
            // More than Firestore takes in one query, twice the distinct values at times.
            let count = draw.of(&[3, 25, 45]);
            let emails: Vec<_> =
                (0..count).map(|_| format!("user{}@example.com", draw.below(DOCUMENTS))).collect();
            let each = emails.iter().map(|email| on("email", Op::Equal, text(email)));
            leaf("unique in", Filter::Any(each.collect()), c.email.is_in(&emails))
        }
        15 | 16 => {
            let start = draw.of(&["a", "A", "ad", "ADA", "adam", "b", "Bobb", "å"]);
            let folded = start.to_lowercase();
            let range = vec![
                on("first", Op::GreaterOrEqual, text(&*folded)),
                on("first", Op::Less, text(format!("{folded}\u{10ffff}"))),
            ];
            leaf("prefix", Filter::All(range), c.first.starts_with(start))
        }
        17 => {
            let words = draw.some(1, 2, |draw| draw.of(&COLOURS));
            let held = words.iter().map(|word| on("note", Op::Contains, text(word.to_lowercase())));
            // Firestore takes one array filter in a conjunction; the oracle takes them apart.
            let held: Vec<Tree> = held
                .zip(&words)
                .map(|(filter, word)| Tree::Leaf("words", filter, c.note.has_word(*word)))
                .collect();
            if draw.one_in(2) { Tree::All(held) } else { both_words(&words) }
        }
        18 => {
            let age = i64::try_from(draw.below(230)).unwrap();
            leaf("range ==", on("age", Op::Equal, integer(age)), c.age.eq(age))
        }
        19 => {
            let (from, to) = (draw.below(230), draw.below(230));
            let (from, to) = (i64::try_from(from.min(to)).unwrap(), i64::try_from(from.max(to)).unwrap());
            let filter = vec![on("age", Op::GreaterOrEqual, integer(from)), on("age", Op::Less, integer(to))];
            leaf("range integer", Filter::All(filter), c.age.between(from..to))
        }
        20 => {
            let (op, price) = (compared(draw), price(draw));
            let condition = match op {
                Op::Less => c.price.lt(price),
                Op::LessOrEqual => c.price.le(price),
                Op::Greater => c.price.gt(price),
                _ => c.price.ge(price),
            };
            leaf("range decimal", on("price", op, double(price)), condition)
        }
        21 => {
            let (from, to) = (price(draw), price(draw));
            let (from, to) = (from.min(to), from.max(to));
            let filter =
                vec![on("price", Op::GreaterOrEqual, double(from)), on("price", Op::LessOrEqual, double(to))];
            leaf("range decimal", Filter::All(filter), c.price.between(from..=to))
        }
        22 => {
            let (from, to) = (day(draw), day(draw));
            let (from, to) = (from.clone().min(to.clone()), from.max(to));
            let filter =
                vec![on("born", Op::GreaterOrEqual, text(&*from)), on("born", Op::LessOrEqual, text(&*to))];
            leaf("range date", Filter::All(filter), c.born.between(from..=to))
        }
        23 => {
            let (first, last) = (draw.of(&FIRST), draw.of(&LAST));
            let filter = on("full_name", Op::Equal, text(full_name(first, last)));
            leaf("compound", filter, c.full_name.eq((first, last)))
        }
        24 => {
            let (op, number) = (compared(draw), draw.below(DOCUMENTS));
            let id = format!("p{number:03}");
            let condition = match op {
                Op::Less => c.id.lt(id),
                Op::LessOrEqual => c.id.le(id),
                Op::Greater => c.id.gt(id),
                _ => c.id.ge(id),
            };
            let filter = Filter::Field { field: FieldRef::Name, op, value: name(number) };
            leaf("id <", filter, condition.into())
        }
        _ => {
            let numbers = draw.some(1, 5, |draw| draw.below(DOCUMENTS));
            let value = array(numbers.iter().map(|number| name(*number)));
            let filter = Filter::Field { field: FieldRef::Name, op: Op::In, value };
            leaf("id in", filter, c.id.is_in(numbers.iter().map(|number| format!("p{number:03}"))).into())
        }
    }
}

/// Several words in one condition.
fn both_words(words: &[&'static str]) -> Tree {
    let c = fields::<Person>();
    let held: Vec<_> = words.iter().map(|word| on("note", Op::Contains, text(word.to_lowercase()))).collect();
    // The oracle runs the parts of `All` one by one.
    Tree::Leaf("words", Filter::All(held), c.note.has_words(words.iter().copied()))
}

pub fn tree(draw: &mut Draw, depth: usize, group: bool) -> Tree {
    match draw.below(5) {
        _ if depth == 0 => leaf(draw, group),
        0 | 1 => leaf(draw, group),
        2 | 3 => Tree::All(draw.some(2, 4, |draw| tree(draw, depth - 1, group))),
        _ => Tree::Any(draw.some(2, 3, |draw| tree(draw, depth - 1, group))),
    }
}

/// The orders of a query, for both.
pub fn orders(draw: &mut Draw) -> Vec<(Order<Person>, store::Order)> {
    let c = fields::<Person>();
    let mut names = vec!["country", "level", "score"];
    let mut orders = Vec::new();
    for _ in 0..draw.of(&[0, 1, 1, 2]) {
        let name = names.remove(draw.below(names.len()));
        let descending = draw.one_in(2);
        let order = match (name, descending) {
            ("country", false) => c.country.ascending(),
            ("country", true) => c.country.descending(),
            ("level", false) => c.level.ascending(),
            ("level", true) => c.level.descending(),
            (_, false) => c.score.ascending(),
            (_, true) => c.score.descending(),
        };
        orders.push((order, plain_order(field(name), descending)));
    }
    if draw.one_in(4) {
        // Firestore has no descending order of ids alone.
        let descending = !orders.is_empty() && draw.one_in(2);
        let order = if descending { c.id.descending() } else { c.id.ascending() };
        orders.push((order, plain_order(FieldRef::Name, descending)));
    }
    orders
}

fn plain_order(field: FieldRef, descending: bool) -> store::Order {
    let direction = if descending { Direction::Descending } else { Direction::Ascending };
    store::Order { field, direction }
}

/// A position in an order, for both; `None` where the order goes on with fields that none is drawn for.
pub fn position(draw: &mut Draw, order: &[store::Order]) -> Option<(Vec<Position<Person>>, Vec<Value>)> {
    let c = fields::<Person>();
    let count = 1 + draw.below(order.len().min(2));
    let both = order.iter().take(count).map(|order| match &order.field {
        FieldRef::Name => {
            let number = draw.below(DOCUMENTS);
            Some((c.id.position(format!("p{number:03}")), name(number)))
        }
        FieldRef::Path(path) => match path[0].as_str() {
            "country" => {
                let country = draw.of(&COUNTRIES);
                Some((c.country.position(country), text(country)))
            }
            "level" => {
                let level = i64::try_from(draw.below(6)).unwrap() - 2;
                Some((c.level.position(level), integer(level)))
            }
            "score" => {
                let score = draw.of(&[-1.5, 0.0, 0.5, 1.0]);
                Some((c.score.position(score), double(score)))
            }
            _ => None,
        },
    });
    both.collect::<Option<Vec<_>>>().map(|both| both.into_iter().unzip())
}
