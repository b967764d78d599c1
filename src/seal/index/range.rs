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

#[cfg(test)]
mod tests {
    use super::*;

    const INTEGERS: Range = Range::Integer { min: 0, max: 99, step: 1 };
    const DECIMALS: Range = Range::Decimal { min: "-10", max: "10", step: "0.5" };
    const TIMES: Range = Range::Time { min: 0, max: 4_102_444_800, step: 86_400 };

    fn texts(texts: &[&str]) -> Vec<Scalar> {
        texts.iter().map(|text| Scalar::Text((*text).to_owned())).collect()
    }

    /// Values of each kind, each above the one before, also outside the domain.
    fn rising() -> [(Range, Vec<Scalar>); 3] {
        let mut decimals = vec![Scalar::Real(f64::NEG_INFINITY)];
        decimals.extend(texts(&["-12.5", "-0.25"]));
        decimals.extend([Scalar::Real(-0.125), Scalar::Integer(0), Scalar::Real(0.001)]);
        decimals.extend(texts(&["0.0011", "2"]));
        decimals.extend([Scalar::Integer(3), Scalar::Real(f64::INFINITY)]);
        let times = [
            "1900-01-01",
            "2026-01-31",
            "2026-01-31T00:00:00.5Z",
            "2026-02-01T00:00:00+02:00",
            "2026-02-01",
            "2200-01-01",
        ];
        [
            (INTEGERS, [i128::MIN, -1, 0, 3, 4, 99, 100, i128::MAX].map(Scalar::Integer).to_vec()),
            (DECIMALS, decimals),
            (TIMES, texts(&times)),
        ]
    }

    #[test]
    fn a_range_holds_exactly_what_is_between_its_bounds() {
        for (range, values) in rising() {
            let buckets = Buckets::of(&range).expect("valid");
            for (at, value) in values.iter().enumerate() {
                assert!(buckets.holds(value, Bound::Unbounded, Bound::Unbounded));
                for (end, bound) in values.iter().enumerate() {
                    let told = format!("{range:?} {at} {end}");
                    let from = |bound| buckets.holds(value, bound, Bound::Unbounded);
                    assert_eq!(
                        (from(Bound::Included(bound)), from(Bound::Excluded(bound))),
                        (at >= end, at > end),
                        "{told}"
                    );
                    let to = |bound| buckets.holds(value, Bound::Unbounded, bound);
                    assert_eq!(
                        (to(Bound::Included(bound)), to(Bound::Excluded(bound))),
                        (at <= end, at < end),
                        "{told}"
                    );
                }
            }
            let (low, high) = (Bound::Included(&values[1]), Bound::Included(&values[3]));
            let held: Vec<_> = values.iter().map(|value| buckets.holds(value, low, high)).collect();
            assert_eq!(held[..5], [false, true, true, true, false], "{range:?}");
            assert!(!buckets.holds(&Scalar::Bool(true), Bound::Unbounded, Bound::Unbounded));
        }
    }

    #[test]
    fn a_value_is_in_its_bucket_and_in_the_one_at_the_end_where_it_is_outside() {
        let buckets = [[0, 0, 0, 3, 4, 99, 99, 99].to_vec(), vec![0, 0, 19, 19, 20, 20, 20, 24, 26, 40]];
        for ((range, values), expected) in rising().into_iter().zip(buckets) {
            let all = Buckets::of(&range).expect("valid");
            let found: Vec<_> =
                values.iter().map(|value| all.bucket(&all.point(value).expect("of its kind"))).collect();
            assert_eq!(found, expected, "{range:?}");
        }
    }

    #[test]
    fn bounds_beyond_what_numbers_take_are_refused() {
        const MOST: &str = "99999999999999999999999999999999999999999999999999";
        const LEAST: &str = "-99999999999999999999999999999999999999999999999999";
        for (min, max, step) in
            [("0", MOST, "1"), (LEAST, "0", "1"), ("0", "1", MOST), ("0", "1", "0"), ("1", "1", "1")]
        {
            assert_eq!(
                Buckets::of(&Range::Decimal { min, max, step }),
                Err(NotIndexable::Bounds),
                "{min} {max}"
            );
        }
        let halves = Buckets::of(&DECIMALS).expect("valid");
        let expected = Buckets { unit: Unit::Decimal { scale: 1 }, min: -100, max: 100, step: 5 };
        assert_eq!(halves, expected);
    }

    fn covered(range: &Range, from: Bound<i128>, to: Bound<i128>, budget: usize) -> Vec<(u8, u128)> {
        let (from, to) = (from.map(Scalar::Integer), to.map(Scalar::Integer));
        let cover =
            Buckets::of(range).expect("valid").cover(from.as_ref(), to.as_ref(), budget).expect("integers");
        cover.intervals.iter().map(|interval| (interval.level, interval.index)).collect()
    }

    #[test]
    fn an_excluded_integer_is_outside_the_cover() {
        let three_to_seven = [(0, 3), (2, 1)];
        for (from, to) in [
            (Bound::Included(3), Bound::Included(7)),
            (Bound::Excluded(2), Bound::Excluded(8)),
            (Bound::Included(3), Bound::Excluded(8)),
        ] {
            assert_eq!(covered(&INTEGERS, from, to, 30), three_to_seven);
        }
        let widest = Range::Integer { min: i128::MIN, max: i128::MAX, step: 1 };
        assert!(covered(&widest, Bound::Excluded(i128::MAX), Bound::Unbounded, 1).len() <= 1);
    }

    #[test]
    fn a_cover_up_to_the_end_reaches_beyond_it_where_that_is_shorter() {
        let to_the_end = covered(&INTEGERS, Bound::Included(1), Bound::Unbounded, 30);
        assert_eq!(to_the_end, [(0, 1), (1, 1), (2, 1), (3, 1), (4, 1), (5, 1), (6, 1)]);
        assert_eq!(covered(&INTEGERS, Bound::Included(1), Bound::Included(99), 30), to_the_end);
        let one = Range::Integer { min: 0, max: 9, step: 10 };
        assert_eq!(
            covered(&one, Bound::Included(3), Bound::Unbounded, 30),
            [(0, 0)],
            "there is one bucket only"
        );
    }
}
