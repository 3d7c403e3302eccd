//! Dates: each back end writes its own form. All times are UTC.

use jiff::civil::{Date, DateTime};
use jiff::fmt::strtime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// `2022-03-27T23:20:49.000+0000`: the Java service, whole seconds, rounded so that the result may be up to a second
/// late. [R]
pub fn java(time: Timestamp) -> String {
    let seconds =
        if time.subsec_nanosecond() >= 500_000_000 { time + SignedDuration::from_secs(1) } else { time };
    seconds.strftime("%Y-%m-%dT%H:%M:%S.000+0000").to_string()
}

/// `2022-03-27T23:20:49.298Z`: the Express services. [R]
pub fn express(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

/// `2019-10-11 08:54:20`: the PHP service, and quotas. [D]
pub fn php(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// The UTC day of a time.
pub fn day(time: Timestamp) -> Date {
    TimeZone::UTC.to_datetime(time).date()
}

/// Midnight UTC at the start of a day.
pub fn midnight(day: Date) -> Timestamp {
    TimeZone::UTC.to_timestamp(day.to_datetime(jiff::civil::Time::midnight())).unwrap_or(Timestamp::MAX)
}

/// Reads every form the API has been seen to use: with or without milliseconds, `Z` or any offset with or without
/// colon, without offset (UTC), a blank instead of `T`, or a day alone (its midnight).
pub fn read(text: &str) -> Option<Timestamp> {
    const WITH_OFFSET: [&str; 2] = ["%Y-%m-%dT%H:%M:%S%.f%z", "%Y-%m-%d %H:%M:%S%.f%z"];
    if let Ok(time) = text.parse::<Timestamp>() {
        return Some(time);
    }
    let offset = WITH_OFFSET.iter().find_map(|format| strtime::parse(format, text).ok()?.to_timestamp().ok());
    if offset.is_some() {
        return offset;
    }
    if let Ok(time) = DateTime::strptime("%Y-%m-%dT%H:%M:%S%.f", text.replacen(' ', "T", 1)) {
        return TimeZone::UTC.to_timestamp(time).ok();
    }
    Date::strptime("%Y-%m-%d", text).ok().map(midnight)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    #[test]
    fn each_back_end_has_its_own_form() {
        let time = at("2022-03-27T23:20:49.298Z");
        assert_eq!(java(time), "2022-03-27T23:20:49.000+0000");
        assert_eq!(express(time), "2022-03-27T23:20:49.298Z");
        assert_eq!(php(time), "2022-03-27 23:20:49");
    }

    #[test]
    fn java_rounds_to_the_next_second_as_recorded() {
        assert_eq!(java(at("2022-03-27T23:59:59.500Z")), "2022-03-28T00:00:00.000+0000");
    }

    #[test]
    fn every_known_form_is_read() {
        let expected = at("2022-03-27T23:20:49Z");
        for text in [
            "2022-03-27T23:20:49Z",
            "2022-03-27T23:20:49.000Z",
            "2022-03-27T23:20:49.000+0000",
            "2022-03-27T23:20:49+0000",
            "2022-03-28T01:20:49+02:00",
            "2022-03-27T23:20:49",
            "2022-03-27 23:20:49",
        ] {
            assert_eq!(read(text), Some(expected), "{text} is a known form");
        }
        assert_eq!(read("2022-03-27"), Some(at("2022-03-27T00:00:00Z")));
        for text in ["", "yesterday", "2022-13-01", "2022-03-27T25:00:00Z"] {
            assert_eq!(read(text), None, "{text} is no date");
        }
    }

    #[test]
    fn days_begin_at_midnight_utc() {
        let time = at("2022-03-27T23:20:49Z");
        assert_eq!(midnight(day(time)), at("2022-03-27T00:00:00Z"));
    }
}
