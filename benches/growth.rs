//! How time and memory grow with fields, bytes, documents and live keys.
//!
//! `cargo bench --bench growth` prints the figures and draws `docs/growth.svg`; without `--bench` it
//! only makes sure that everything runs, on a thousandth of it.

#![allow(missing_docs, clippy::unwrap_used)]

#[path = "support/measure.rs"]
mod measure;

use std::hint::black_box;
use std::time::Instant;

use async_trait::async_trait;
use fireseal::store::{
    Commit, Document, FieldMask, ListPage, ListRequest, Store, StoreError, Value, ValueType, Write,
};
use fireseal::{DataKey, DocumentPath, KeyRing, Location, Repository, Sealable};
use futures::TryStreamExt;
use measure::{real, settle, time};
use plotters::prelude::*;

#[derive(Sealable, Clone)]
#[sealable(collection = "customers")]
struct Customer {
    #[sealable(id)]
    id: String,
    #[sensitive]
    ssn: String,
}

#[derive(Sealable, Clone)]
struct Order {
    #[sealable(nested)]
    items: Vec<Item>,
}

#[derive(Sealable, Clone)]
struct Item {
    #[sensitive]
    text: String,
}

#[derive(Sealable, Clone)]
struct Photo {
    #[sensitive(bytes)]
    image: Vec<u8>,
}

fn customer(id: &str) -> Customer {
    Customer { id: id.to_owned(), ssn: "078-05-1120".to_owned() }
}

fn location(path: &str) -> Location {
    Location::new(DocumentPath::parse(path).unwrap())
}

fn ring() -> KeyRing {
    KeyRing::new(DataKey::generate().unwrap())
}

/// The least of some rounds, in nanoseconds: what else the machine does only adds.
fn least(mut work: impl FnMut() -> f64) -> f64 {
    (0..if real() { 51 } else { 1 }).map(|_| work()).fold(f64::INFINITY, f64::min)
}

/// Nanoseconds of sealing and of opening one value.
fn crossing<T: Sealable>(plain: &T) -> (f64, f64) {
    let (here, ring) = (location("customers/ada"), ring());
    let sealed = plain.seal(&here, &ring).unwrap();
    let seal = least(|| time(1, || drop(black_box(plain.seal(&here, &ring)))));
    let open = least(|| {
        let mut copy = Some(sealed.clone());
        time(1, || drop(black_box(T::open(copy.take().unwrap(), &here, &ring))))
    });
    (seal, open)
}

/// The most memory that sealing and opening hold at once, in bytes.
fn memory<T: Sealable>(plain: &T) -> (f64, f64) {
    let (here, ring) = (location("customers/ada"), ring());
    let sealed = plain.seal(&here, &ring).unwrap();
    let seal = allocation_counter::measure(|| drop(black_box(plain.seal(&here, &ring))));
    let open = allocation_counter::measure(|| drop(black_box(T::open(sealed, &here, &ring))));
    (seal.bytes_max as f64, open.bytes_max as f64)
}

/// The same sealed text in documents of one key each, opened with a ring of all these keys.
fn with_keys(keys: usize) -> f64 {
    let here = location("customers/ada");
    let secrets: Vec<[u8; 32]> = (0..keys).map(|_| *DataKey::generate().unwrap().expose_secret()).collect();
    let sealed: Vec<_> = secrets
        .iter()
        .map(|secret| {
            let ring = KeyRing::new(DataKey::from_bytes(secret));
            let item = Item { text: "078-05-1120".to_owned() };
            Order { items: vec![item; 10] }.seal(&here, &ring).unwrap()
        })
        .collect();
    let primary = KeyRing::new(DataKey::from_bytes(&secrets[0]));
    let ring = secrets.iter().fold(primary, |ring, secret| ring.with_active(DataKey::from_bytes(secret)));
    let mut next = 0;
    least(|| {
        let mut copies: Vec<_> = (0..100).map(|i| sealed[(next + i) % keys].clone()).collect();
        next += 100;
        time(100, || drop(black_box(Order::open(copies.pop().unwrap(), &here, &ring)))) / 10.0
    })
}

/// A collection that makes each page when it is asked for, so that what grows is not the store.
struct Endless {
    documents: usize,
    ring: KeyRing,
}

#[async_trait]
impl Store for Endless {
    async fn list(&self, request: &ListRequest) -> Result<ListPage, StoreError> {
        let start: usize = request.page_token.as_deref().unwrap_or("0").parse().unwrap();
        let end = (start + request.page_size as usize).min(self.documents);
        let document = |number: usize| {
            let path = request.collection.document(&format!("{number:08}")).unwrap();
            let here = Location::new(path.clone());
            let sealed = customer(path.id()).seal(&here, &self.ring).unwrap();
            let text = Value { value_type: Some(ValueType::StringValue(sealed.id)) };
            let bytes = sealed.ssn.as_bytes().unwrap().to_vec();
            let bytes = Value { value_type: Some(ValueType::BytesValue(bytes)) };
            let fields = [("id".to_owned(), text), ("ssn".to_owned(), bytes)].into();
            Document { path, fields, create_time: None, update_time: None }
        };
        Ok(ListPage {
            documents: (start..end).map(document).collect(),
            next_page_token: (end < self.documents).then(|| end.to_string()),
        })
    }

    async fn read(
        &self,
        _: &[DocumentPath],
        _: Option<&FieldMask>,
    ) -> Result<Vec<Option<Document>>, StoreError> {
        Err(StoreError::Unsupported { what: "reading" })
    }

    async fn commit(&self, _: &[Write]) -> Result<Commit, StoreError> {
        Err(StoreError::Unsupported { what: "writing" })
    }
}

/// Memory that this process has, in MiB, where the system tells.
fn resident() -> f64 {
    let pages = std::fs::read_to_string("/proc/self/statm")
        .ok()
        .and_then(|text| text.split(' ').nth(1)?.parse::<f64>().ok());
    pages.unwrap_or_default() * 4_096.0 / f64::from(1 << 20)
}

/// Seconds and MiB after each hundredth of a stream.
fn stream(documents: usize) -> (Points, Points) {
    let ring = ring();
    let customers = Repository::<Customer>::new(Endless { documents, ring: ring.clone() }, ring);
    let (mut seconds, mut mebibytes) = (Points::new(), Points::new());
    let runtime = tokio::runtime::Builder::new_multi_thread().build().unwrap();
    runtime.block_on(async {
        let start = Instant::now();
        let mut stream = customers.list().stream();
        let mut count = 0;
        while let Some(stored) = stream.try_next().await.unwrap() {
            assert_eq!(stored.ssn, "078-05-1120");
            count += 1;
            if count % (documents / 100) == 0 {
                seconds.push((count as f64, start.elapsed().as_secs_f64()));
                mebibytes.push((count as f64, resident()));
            }
        }
        assert_eq!(count, documents);
    });
    (seconds, mebibytes)
}

type Points = Vec<(f64, f64)>;

struct Panel {
    title: &'static str,
    x: &'static str,
    y: &'static str,
    lines: Vec<(&'static str, Points)>,
}

fn draw(panels: &[Panel]) {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/growth.svg");
    let root = SVGBackend::new(file, (1_080, 680)).into_drawing_area();
    root.fill(&WHITE).unwrap();
    for (area, panel) in root.split_evenly((2, 3)).iter().zip(panels) {
        let most = |pick: fn(&(f64, f64)) -> f64| {
            panel.lines.iter().flat_map(|(_, points)| points.iter().map(pick)).fold(0.0, f64::max)
        };
        let mut chart = ChartBuilder::on(area)
            .caption(panel.title, ("sans-serif", 16))
            .margin(14)
            .margin_right(34)
            .x_label_area_size(38)
            .y_label_area_size(58)
            .build_cartesian_2d(0.0..most(|point| point.0) * 1.02, 0.0..most(|point| point.1) * 1.25)
            .unwrap();
        let plain = |value: &f64| value.to_string();
        let mut mesh = chart.configure_mesh();
        mesh.x_label_formatter(&plain).y_label_formatter(&plain).x_labels(5).y_labels(6);
        mesh.x_desc(panel.x).y_desc(panel.y).draw().unwrap();
        for (number, (name, points)) in panel.lines.iter().enumerate() {
            let colour = Palette99::pick(number).to_rgba();
            let line = LineSeries::new(points.iter().copied(), colour.stroke_width(2)).point_size(2);
            let series = chart.draw_series(line).unwrap();
            if !name.is_empty() {
                series
                    .label(*name)
                    .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], colour.stroke_width(2)));
            }
        }
        if panel.lines.len() > 1 {
            let mut labels = chart.configure_series_labels();
            labels.position(SeriesLabelPosition::UpperLeft).draw().unwrap();
        }
    }
    root.present().unwrap();
    println!("drawn: docs/growth.svg");
}

/// The figures of sealing and opening at some sizes.
fn both(sizes: &[usize], unit: f64, mut at: impl FnMut(usize) -> (f64, f64)) -> Vec<(&'static str, Points)> {
    let (mut seal, mut open) = (Points::new(), Points::new());
    for &size in sizes {
        let (sealing, opening) = at(size);
        println!("  {size}: seal {:.3}, open {:.3}", sealing / unit, opening / unit);
        seal.push((size as f64, sealing / unit));
        open.push((size as f64, opening / unit));
    }
    vec![("seal", seal), ("open", open)]
}

fn order(fields: usize) -> Order {
    Order { items: vec![Item { text: "078-05-1120".to_owned() }; fields] }
}

fn main() {
    let large = if real() { 1_000 } else { 1 };
    // First, while the process has nothing else in memory.
    println!("a stream of documents, seconds and MiB");
    let (seconds, mebibytes) = stream(1_000 * large);
    for (at, mebibyte) in seconds.iter().zip(&mebibytes).skip(9).step_by(10) {
        println!("  {}: {:.2} s, {:.1} MiB", at.0, at.1, mebibyte.1);
    }

    settle();
    let fields: Vec<usize> = [1, 2, 4, 6, 8, 10].map(|n| n * large).to_vec();
    println!("fields of one document, microseconds");
    let fields_time = both(&fields, 1e3, |fields| crossing(&order(fields)));
    println!("fields of one document, KiB");
    let fields_memory = both(&fields, 1_024.0, |fields| memory(&order(fields)));

    let bytes: Vec<usize> = [1, 2, 4, 6, 8].map(|n| n * large * 1_024).to_vec();
    println!("bytes of one field, milliseconds");
    let mut bytes_time = both(&bytes, 1e6, |bytes| crossing(&Photo { image: vec![7; bytes] }));
    let in_mebibytes =
        |points: &mut Points| points.iter_mut().for_each(|point| point.0 /= f64::from(1 << 20));
    bytes_time.iter_mut().for_each(|(_, points)| in_mebibytes(points));

    println!("live keys, nanoseconds a field");
    let keys: &[usize] = if real() { &[1, 10, 100, 250, 500, 750, 1_000] } else { &[1, 2] };
    let per_key: Points = keys.iter().map(|&keys| (keys as f64, with_keys(keys))).collect();
    per_key.iter().for_each(|(keys, time)| println!("  {keys}: {time:.0}"));

    if real() {
        let one = |points| vec![("", points)];
        draw(&[
            Panel { title: "Time by fields", x: "fields", y: "µs", lines: fields_time },
            Panel { title: "Memory by fields", x: "fields", y: "KiB", lines: fields_memory },
            Panel { title: "Time by bytes", x: "MiB", y: "ms", lines: bytes_time },
            Panel { title: "A field's opening by live keys", x: "keys", y: "ns", lines: one(per_key) },
            Panel { title: "A stream's time", x: "documents", y: "s", lines: one(seconds) },
            Panel { title: "A stream's memory", x: "documents", y: "MiB", lines: one(mebibytes) },
        ]);
    }
}
