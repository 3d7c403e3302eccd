//! One measured figure beside its bar.

use std::{fmt, time::Duration};

/// What was measured, in its unit. Two are compared only if they are of one sort.
#[derive(Clone, Debug, PartialEq, PartialOrd)]
pub(super) enum Value {
    /// How many.
    Count(u64),
    /// Seconds.
    Seconds(f64),
    /// KiB, shown as MiB.
    Kib(u64),
    /// Calls per second.
    PerSecond(f64),
    /// Hundredths of one core, or of something else that the figure names.
    Percent(f64),
    /// How many for each object.
    Each(f64),
    /// Cannot be measured here; says why.
    NotMeasured(&'static str),
}

/// What a figure may be.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Bar {
    /// This or less.
    AtMost(Value),
    /// Exactly this.
    Is(Value),
}

/// How a figure stands to its bar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is met.
    Ok,
    /// It is not.
    Short,
    /// There is no bar, or nothing was measured.
    None,
}

/// A line of a result.
#[derive(Clone, Debug)]
pub(super) struct Figure {
    pub(super) what: String,
    pub(super) value: Value,
    pub(super) bar: Option<Bar>,
}

impl Figure {
    /// How it stands to its bar.
    pub(super) fn verdict(&self) -> Verdict {
        if matches!(self.value, Value::NotMeasured(_)) {
            return Verdict::None;
        }
        match &self.bar {
            None => Verdict::None,
            Some(Bar::AtMost(most)) if self.value <= *most => Verdict::Ok,
            Some(Bar::Is(wanted)) if self.value == *wanted => Verdict::Ok,
            Some(_) => Verdict::Short,
        }
    }
}

/// How many there are of something.
pub(super) fn count(number: usize) -> Value {
    Value::Count(number as u64)
}

/// A time that passed.
pub(super) fn seconds(passed: Duration) -> Value {
    Value::Seconds(passed.as_secs_f64())
}

/// How many for each of several.
pub(super) fn each(number: u64, of: u64) -> Value {
    Value::Each(float(number) / float(of.max(1)))
}

/// Calls per second.
pub(super) fn per_second(calls: usize, passed: Duration) -> Value {
    Value::PerSecond(float(calls as u64) / passed.as_secs_f64())
}

/// A count as a number to reckon with.
#[allow(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
pub(super) fn float(number: u64) -> f64 {
    number as f64
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(number) => write!(f, "{number}"),
            Self::Seconds(seconds) if *seconds < 10.0 => write!(f, "{seconds:.3} s"),
            Self::Seconds(seconds) => write!(f, "{seconds:.1} s"),
            Self::Kib(kib) => write!(f, "{:.1} MiB", float(*kib) / 1024.0),
            Self::PerSecond(rate) => write!(f, "{rate:.3} /s"),
            Self::Percent(percent) => write!(f, "{percent:.2} %"),
            Self::Each(number) => write!(f, "{number:.2}"),
            Self::NotMeasured(why) => write!(f, "not measured: {why}"),
        }
    }
}

impl fmt::Display for Bar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtMost(Value::Kib(kib)) => write!(f, "<= {} MiB", kib / 1024),
            Self::AtMost(Value::Seconds(seconds)) => write!(f, "<= {seconds} s"),
            Self::AtMost(Value::PerSecond(rate)) => write!(f, "<= {rate} /s"),
            Self::AtMost(Value::Percent(percent)) => write!(f, "<= {percent} %"),
            Self::AtMost(value) => write!(f, "<= {value}"),
            Self::Is(value) => write!(f, "= {value}"),
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ok => "ok",
            Self::Short => "SHORT",
            Self::None => "",
        })
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bar = self.bar.as_ref().map(ToString::to_string).unwrap_or_default();
        let line = format!("{:<64} {:>14}  {bar:<12} {}", self.what, self.value.to_string(), self.verdict());
        f.write_str(line.trim_end())
    }
}

/// The value below which `percent` of a hundred lie, by the nearest rank; `None` of nothing.
pub(super) fn percentile(sorted: &[Duration], percent: usize) -> Option<Duration> {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(value: Value, bar: Bar) -> Verdict {
        Figure { what: String::new(), value, bar: Some(bar) }.verdict()
    }

    #[test]
    fn a_bar_is_met_by_what_reaches_it_exactly() {
        let most = || Bar::AtMost(Value::Count(20));
        assert_eq!(verdict(Value::Count(20), most()), Verdict::Ok);
        assert_eq!(verdict(Value::Count(21), most()), Verdict::Short);
        assert_eq!(verdict(Value::Count(1), Bar::Is(Value::Count(0))), Verdict::Short);
        assert_eq!(verdict(Value::Count(0), Bar::Is(Value::Count(0))), Verdict::Ok);
    }

    #[test]
    fn what_was_not_measured_is_neither_met_nor_short() {
        let bar = Bar::AtMost(Value::Kib(1));
        assert_eq!(verdict(Value::NotMeasured("no /proc"), bar), Verdict::None);
    }

    #[test]
    fn values_of_two_sorts_never_meet() {
        assert_eq!(verdict(Value::Seconds(1.0), Bar::AtMost(Value::Count(2))), Verdict::Short);
        assert_eq!(verdict(Value::Seconds(f64::NAN), Bar::AtMost(Value::Seconds(2.0))), Verdict::Short);
    }

    #[test]
    fn a_percentile_is_a_value_that_occurred() {
        let sorted: Vec<_> = (1..=50).map(Duration::from_millis).collect();
        assert_eq!(percentile(&sorted, 50), Some(Duration::from_millis(25)));
        assert_eq!(
            percentile(&sorted, 99),
            Some(Duration::from_millis(50)),
            "of few values p99 is the largest"
        );
        assert_eq!(percentile(&sorted, 100), Some(Duration::from_millis(50)));
        assert_eq!(percentile(&sorted[..1], 1), Some(Duration::from_millis(1)));
        assert_eq!(percentile(&[], 50), None);
    }

    #[test]
    fn a_line_shows_figure_bar_and_verdict() {
        let figure = Figure {
            what: "memory".to_owned(),
            value: Value::Kib(150 * 1024),
            bar: Some(Bar::AtMost(Value::Kib(120 * 1024))),
        };
        let words: Vec<_> = figure.to_string().split_whitespace().map(str::to_owned).collect();
        assert_eq!(words, ["memory", "150.0", "MiB", "<=", "120", "MiB", "SHORT"]);
    }
}
