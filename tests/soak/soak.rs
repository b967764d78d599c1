//! Half an hour of reads and writes by many tasks over a network that fails: operations a second, errors and memory
//! over time, as a table and as `docs/soak.svg`. Not part of the tests' run; `tests/soak/run` starts it.
//!
//! Row 35 of the plan.

#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing)]

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use fireseal::store::FirestoreStore;
use fireseal_emulator::Emulator;
use plotters::prelude::*;

#[path = "../support/chaos.rs"]
mod chaos;
#[path = "../support/random.rs"]
mod random;
#[path = "../support/workload.rs"]
mod workload;

use chaos::{Chaos, Rates};
use workload::{Repositories, Tally, Task, verify_shared};

const SEED: u64 = 42;
/// Of so many queries one is made: the emulator looks at all documents for each, which here are 200,000.
const QUERIES: usize = 20;
/// How many points the plot has, and how many lines the table.
const SAMPLES: u32 = 120;
const LINES: usize = 15;

/// What one span of time was like.
struct Sample {
    minute: f64,
    operations: f64,
    p50: f64,
    p99: f64,
    errors: f64,
    unknown: f64,
    memory: f64,
}

#[tokio::main]
async fn main() {
    let argument = |at: usize, default: usize| {
        std::env::args().nth(at).map_or(default, |text| text.parse().expect("minutes, documents, tasks"))
    };
    let (minutes, documents, tasks) = (argument(1, 30), argument(2, 100_000), argument(3, 16));
    let emulator = Emulator::builder().start().await.unwrap();
    let project = emulator.project().unwrap();
    let store = FirestoreStore::new(project.firestore().await.unwrap());
    // At the end whole collections are read at once.
    let direct = Repositories::new(store.with_deadline(Duration::from_secs(600)));
    direct.set_up().await;
    let chaos = Chaos::new(emulator.host(), SEED, Rates::LONG).await;
    let through = Repositories::new(chaos.store(project.id()).await.with_deadline(Duration::from_secs(10)));
    let tally = Arc::<Mutex<Tally>>::default();

    let start = Instant::now();
    let filled = (0..tasks).map(|number| {
        let mut task = Task::new(number, documents / tasks, SEED, through.clone(), Arc::clone(&tally));
        task.queries = QUERIES;
        let direct = direct.clone();
        tokio::spawn(async move {
            task.fill(&direct).await;
            task
        })
    });
    let filled: Vec<Task> = futures::future::try_join_all(filled).await.unwrap();
    println!(
        "{documents} documents created in {} s, {tasks} tasks, {minutes} minutes",
        start.elapsed().as_secs()
    );

    let over = Arc::<AtomicBool>::default();
    let running = filled.into_iter().map(|mut task| {
        let over = Arc::clone(&over);
        tokio::spawn(async move {
            while !over.load(Ordering::SeqCst) {
                task.step().await;
            }
            task
        })
    });
    let running: Vec<_> = running.collect();
    let samples = watch(&tally, Duration::from_secs(60 * u64::try_from(minutes).unwrap())).await;
    over.store(true, Ordering::SeqCst);
    let tasks: Vec<Task> = futures::future::try_join_all(running).await.unwrap();
    chaos.calm();

    table(&samples);
    draw(&samples);
    println!("{}", chaos.told());
    let all = direct.all().await;
    tasks.iter().for_each(|task| task.compare(&all));
    verify_shared(&direct, &all, &tally).await;
    let mut tally = tally.lock().unwrap();
    println!(
        "{} writes acknowledged, {} reads, {} of unknown outcome; {} documents compared at the end",
        tally.writes,
        tally.reads,
        tally.unknown,
        all.len()
    );
    println!("failure to next success: {}", workload::quantiles(&mut tally.recoveries));
    println!("wrong data, lost or doubled writes: {}", tally.wrong.len());
    assert!(tally.wrong.is_empty(), "{:#?}", &tally.wrong[..tally.wrong.len().min(20)]);
}

/// Looks at the tally from time to time, and empties what grows in it.
async fn watch(tally: &Mutex<Tally>, time: Duration) -> Vec<Sample> {
    let (start, span) = (Instant::now(), time / SAMPLES);
    let (mut samples, mut before, mut last) = (Vec::new(), (0, 0), start);
    for number in 1..=SAMPLES {
        tokio::time::sleep_until((start + span * number).into()).await;
        let (mut latencies, errors, unknown) = {
            let mut tally = tally.lock().unwrap();
            // As much room again, so that its growth is not taken for a leak.
            let room = tally.latencies.capacity();
            let taken = std::mem::replace(&mut tally.latencies, Vec::with_capacity(room));
            (taken, tally.errors, tally.unknown)
        };
        let seconds = last.elapsed().as_secs_f64();
        last = Instant::now();
        latencies.sort();
        let at = |share: usize| {
            latencies.get(latencies.len() * share / 100).map_or(0.0, |time| time.as_secs_f64())
        };
        samples.push(Sample {
            minute: start.elapsed().as_secs_f64() / 60.0,
            operations: count(latencies.len()) / seconds,
            p50: at(50) * 1_000.0,
            p99: at(99) * 1_000.0,
            errors: share(errors - before.0, latencies.len()),
            unknown: share(unknown - before.1, latencies.len()),
            memory: resident(),
        });
        before = (errors, unknown);
    }
    samples
}

fn count(number: usize) -> f64 {
    f64::from(u32::try_from(number).unwrap())
}

/// In per cent.
fn share(some: u64, all: usize) -> f64 {
    100.0 * f64::from(u32::try_from(some).unwrap()) / count(all).max(1.0)
}

/// Memory that this process has, in MiB.
fn resident() -> f64 {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<f64>().unwrap() * 4_096.0 / f64::from(1 << 20)
}

fn table(samples: &[Sample]) {
    println!(
        "{:>7} {:>12} {:>8} {:>8} {:>9} {:>9} {:>8}",
        "minute", "operations/s", "p50 ms", "p99 ms", "errors", "unknown", "MiB"
    );
    let every = samples.len().div_ceil(LINES).max(1);
    for some in samples.chunks(every) {
        let mean = |of: fn(&Sample) -> f64| some.iter().map(of).sum::<f64>() / count(some.len());
        println!(
            "{:>7.1} {:>12.1} {:>8.0} {:>8.0} {:>7.2} % {:>7.2} % {:>8.1}",
            some.last().unwrap().minute,
            mean(|one| one.operations),
            mean(|one| one.p50),
            mean(|one| one.p99),
            mean(|one| one.errors),
            mean(|one| one.unknown),
            mean(|one| one.memory),
        );
    }
    // The first fifth is for pools and caches to fill.
    let settled = &samples[samples.len() / 5..];
    let points = |of: fn(&Sample) -> f64| settled.iter().map(|one| (one.minute, of(one))).collect::<Vec<_>>();
    println!(
        "after the first fifth, per hour: memory {:+.2} MiB, errors {:+.3} percentage points, operations/s {:+.1}",
        60.0 * slope(&points(|one| one.memory)),
        60.0 * slope(&points(|one| one.errors)),
        60.0 * slope(&points(|one| one.operations)),
    );
}

/// The slope of the line through the points with the least squares.
fn slope(points: &[(f64, f64)]) -> f64 {
    let number = count(points.len());
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / number;
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let (mut above, mut below) = (0.0, 0.0);
    for point in points {
        above += (point.0 - x) * (point.1 - y);
        below += (point.0 - x).powi(2);
    }
    above / below
}

/// A panel's title, and what it shows.
type Panel = (&'static str, fn(&Sample) -> f64);

fn draw(samples: &[Sample]) {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/soak.svg");
    let root = SVGBackend::new(file, (1_080, 300)).into_drawing_area();
    root.fill(&WHITE).unwrap();
    let panels: [Panel; 3] = [
        ("operations/s", |one| one.operations),
        ("errors, %", |one| one.errors),
        ("memory, MiB", |one| one.memory),
    ];
    for (number, (area, (title, of))) in root.split_evenly((1, 3)).iter().zip(panels).enumerate() {
        let points: Vec<_> = samples.iter().map(|one| (one.minute, of(one))).collect();
        let most = points.iter().map(|point| point.1).fold(0.1, f64::max);
        let last = points.last().unwrap().0;
        let mut chart = ChartBuilder::on(area)
            .caption(title, ("sans-serif", 16))
            .margin(14)
            .x_label_area_size(38)
            .y_label_area_size(48)
            .build_cartesian_2d(0.0..last, 0.0..most * 1.25)
            .unwrap();
        chart.configure_mesh().x_desc("minutes").x_labels(6).y_labels(6).draw().unwrap();
        let colour = Palette99::pick(number).to_rgba();
        chart.draw_series(LineSeries::new(points, colour.stroke_width(2))).unwrap();
    }
    root.present().unwrap();
    println!("drawn: docs/soak.svg");
}
