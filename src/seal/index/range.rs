//! Range indexes: buckets, the dyadic intervals that hold one, and the intervals that cover a range.

use std::cmp::Ordering;
use std::ops::Bound;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::Offset;
use zeroize::Zeroizing;

use super::info::Range;
use super::number::Number;
use super::scalar::{NotIndexable, Scalar};

/// The `index`-th of the intervals of `2^level` buckets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Interval {
    pub(super) level: u8,
    pub(super) index: u128,
}

/// The intervals that cover a range.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Cover {
    pub(super) intervals: Vec<Interval>,
    /// Whether they hold more buckets than the range, to be few enough.
    pub(super) widened: bool,
}

/// A range's domain in whole units: integers, powers of ten, or seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Buckets {
    pub(super) unit: Unit,
    pub(super) min: i128,
    pub(super) max: i128,
    pub(super) step: u128,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    One,
    /// `10^-scale`.
    Decimal {
        scale: usize,
    },
    Second,
}

/// A value of a range index, exactly.
#[derive(PartialEq, PartialOrd)]
pub(super) enum Point {
    Integer(i128),
    Decimal(Number),
    Time(Timestamp),
}

impl Buckets {
    pub(super) fn of(range: &Range) -> Result<Self, NotIndexable> {
        let buckets = match *range {
            Range::Integer { min, max, step } => Self { unit: Unit::One, min, max, step },
            Range::Decimal { min, max, step } => Self::decimal(min, max, step)?,
            Range::Time { min, max, step } => {
                Self { unit: Unit::Second, min: min.into(), max: max.into(), step: step.into() }
            }
        };
        if buckets.min >= buckets.max || buckets.step == 0 {
            return Err(NotIndexable::Bounds);
        }
        Ok(buckets)
    }

    fn decimal(min: &str, max: &str, step: &str) -> Result<Self, NotIndexable> {
        let numbers = [min, max, step].map(Number::parse);
        let scale = numbers.iter().flatten().map(Number::scale).max().unwrap_or(0);
        let [min, max, step] = numbers.map(|number| {
            let units = number?.floor(scale);
            (units > i128::MIN && units < i128::MAX).then_some(units)
        });
        let step = step.and_then(|step| u128::try_from(step).ok());
        let (Some(min), Some(max), Some(step)) = (min, max, step) else { return Err(NotIndexable::Bounds) };
        Ok(Self { unit: Unit::Decimal { scale }, min, max, step })
    }

    /// The value that a scalar is in this range.
    pub(super) fn point(&self, value: &Scalar) -> Result<Point, NotIndexable> {
        let point = match (self.unit, value) {
            (Unit::One, Scalar::Integer(integer)) => Some(Point::Integer(*integer)),
            (Unit::Decimal { .. }, Scalar::Text(text)) => Number::parse(text).map(Point::Decimal),
            (Unit::Decimal { .. }, Scalar::Integer(integer)) => {
                Number::parse(&Zeroizing::new(integer.to_string())).map(Point::Decimal)
            }
            (Unit::Decimal { .. }, Scalar::Real(real)) => {
                return Number::of_real(*real).map(Point::Decimal).ok_or(NotIndexable::Real);
            }
            (Unit::Second, Scalar::Text(text)) => time(text).map(Point::Time),
            _ => None,
        };
        point.ok_or(NotIndexable::NotInRange)
    }

    /// Which bucket a value is in; what is outside the domain is in the bucket at its end.
    pub(super) fn bucket(&self, point: &Point) -> u128 {
        let units = match (point, self.unit) {
            (Point::Integer(integer), _) => *integer,
            (Point::Decimal(number), Unit::Decimal { scale }) => number.floor(scale),
            (Point::Decimal(number), _) => number.floor(0),
            (Point::Time(time), _) => time.as_nanosecond().div_euclid(1_000_000_000),
        };
        units.clamp(self.min, self.max).abs_diff(self.min) / self.step
    }

    fn last(&self) -> u128 {
        self.max.abs_diff(self.min) / self.step
    }

    /// The level at which one interval holds all buckets.
    fn top(&self) -> u8 {
        u8::try_from(u128::BITS - self.last().leading_zeros()).expect("at most 128")
    }

    /// The intervals that hold a value, one of each level.
    pub(super) fn intervals(&self, point: &Point) -> impl Iterator<Item = Interval> + use<> {
        let bucket = self.bucket(point);
        (0..=self.top()).map(move |level| Interval { level, index: at_level(bucket, level) })
    }

    /// At most `budget` intervals, which hold every value between the bounds.
    pub(super) fn cover(
        &self,
        from: Bound<&Scalar>,
        to: Bound<&Scalar>,
        budget: usize,
    ) -> Result<Cover, NotIndexable> {
        let from = self.bound(from, 1)?;
        let to = self.bound(to, -1)?;
        let mut cover = Cover { intervals: Vec::new(), widened: false };
        if is_empty(&from, &to) {
            return Ok(cover);
        }
        let first = inner(&from).map_or(0, |point| self.bucket(point));
        let last = inner(&to).map_or(self.last(), |point| self.bucket(point));
        // Nothing is behind the last bucket, so the interval that holds it may reach further.
        let beyond = u128::MAX.checked_shr(u128::BITS - u32::from(self.top())).unwrap_or(0);
        for level in 0..=self.top() {
            let up_to = |last| exact(at_level(first, level), at_level(last, level), level);
            cover.intervals = up_to(last);
            if last == self.last() {
                let further = up_to(beyond);
                if further.len() < cover.intervals.len() {
                    cover.intervals = further;
                }
            }
            cover.widened = level > 0;
            if cover.intervals.len() <= budget {
                break;
            }
        }
        Ok(cover)
    }

    /// A bound as a value. Of integers an excluded one is the next one, included.
    fn bound(&self, bound: Bound<&Scalar>, inwards: i128) -> Result<Bound<Point>, NotIndexable> {
        Ok(match bound {
            Bound::Unbounded => Bound::Unbounded,
            Bound::Included(value) => Bound::Included(self.point(value)?),
            Bound::Excluded(value) => match self.point(value)? {
                Point::Integer(integer) => match integer.checked_add(inwards) {
                    Some(next) => Bound::Included(Point::Integer(next)),
                    None => Bound::Excluded(Point::Integer(integer)),
                },
                point => Bound::Excluded(point),
            },
        })
    }

    /// Whether a value is between the bounds, exactly.
    pub(super) fn holds(&self, value: &Scalar, from: Bound<&Scalar>, to: Bound<&Scalar>) -> bool {
        let Ok(value) = self.point(value) else { return false };
        let order = |bound| self.point(bound).ok().and_then(|bound| value.partial_cmp(&bound));
        let above = match from {
            Bound::Unbounded => true,
            Bound::Included(from) => order(from).is_some_and(Ordering::is_ge),
            Bound::Excluded(from) => order(from).is_some_and(Ordering::is_gt),
        };
        above
            && match to {
                Bound::Unbounded => true,
                Bound::Included(to) => order(to).is_some_and(Ordering::is_le),
                Bound::Excluded(to) => order(to).is_some_and(Ordering::is_lt),
            }
    }
}

fn inner(bound: &Bound<Point>) -> Option<&Point> {
    match bound {
        Bound::Included(point) | Bound::Excluded(point) => Some(point),
        Bound::Unbounded => None,
    }
}

fn is_empty(from: &Bound<Point>, to: &Bound<Point>) -> bool {
    match (inner(from), inner(to)) {
        (Some(low), Some(high)) => match low.partial_cmp(high) {
            Some(Ordering::Less) => false,
            Some(Ordering::Equal) => !matches!((from, to), (Bound::Included(_), Bound::Included(_))),
            _ => true,
        },
        _ => false,
    }
}

fn at_level(bucket: u128, level: u8) -> u128 {
    bucket.checked_shr(level.into()).unwrap_or(0)
}

/// The fewest intervals that are together the intervals `first` to `last` of a level.
fn exact(mut first: u128, mut last: u128, mut level: u8) -> Vec<Interval> {
    let mut intervals = Vec::new();
    while first < last {
        if !first.is_multiple_of(2) {
            intervals.push(Interval { level, index: first });
            first += 1;
        }
        if last.is_multiple_of(2) {
            intervals.push(Interval { level, index: last });
            last -= 1;
        }
        first /= 2;
        last /= 2;
        level += 1;
    }
    if first == last {
        intervals.push(Interval { level, index: first });
    }
    intervals
}

/// A time (RFC 3339), or a date, which is its midnight in UTC.
fn time(text: &str) -> Option<Timestamp> {
    const DATE: usize = "2026-01-31".len();
    if text.len() == DATE {
        let date: Date = text.parse().ok()?;
        return Offset::UTC.to_timestamp(date.at(0, 0, 0, 0)).ok();
    }
    text.parse().ok()
}
