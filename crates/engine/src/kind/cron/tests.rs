use rand::{Rng, SeedableRng, rngs::StdRng};

use super::*;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn cron(fields: &str, zone: &str) -> Cron {
    Cron::parse(fields, Some(zone)).unwrap()
}

/// The first `count` times after `after`.
fn times(cron: &Cron, after: &str, count: usize) -> Vec<String> {
    let first = cron.next(at(after));
    let all = std::iter::successors(first, |last| cron.next(*last));
    all.take(count).map(|at| at.to_string()).collect()
}

#[test]
fn each_field_says_when() {
    let cases = [
        ("0 3 * * 1", "2026-11-29T18:00:00Z", "2026-11-30T03:00:00Z"),
        ("*/15 * * * *", "2026-11-29T18:00:00Z", "2026-11-29T18:15:00Z"),
        ("5/20 * * * *", "2026-11-29T18:26:00Z", "2026-11-29T18:45:00Z"),
        ("0 8-10,20 * * *", "2026-11-29T10:00:00Z", "2026-11-29T20:00:00Z"),
        ("30 6 1 jan ?", "2026-11-29T18:00:00Z", "2027-01-01T06:30:00Z"),
        ("0 0 29 2 *", "2097-01-01T00:00:00Z", "2104-02-29T00:00:00Z"),
        ("0 0 * * 7", "2026-11-28T18:00:00Z", "2026-11-29T00:00:00Z"),
        ("0 0 * * Fri-Sat", "2026-11-29T18:00:00Z", "2026-12-04T00:00:00Z"),
        ("0 0 * * 5-7", "2026-11-28T18:00:00Z", "2026-11-29T00:00:00Z"),
        // either day is enough where both are named, and both are needed where one begins with a star
        ("0 0 13 * 5", "2026-11-01T00:00:00Z", "2026-11-06T00:00:00Z"),
        ("0 0 13 * */5", "2026-11-01T00:00:00Z", "2026-11-13T00:00:00Z"),
        ("0 0 31 2 1", "2026-01-31T00:00:00Z", "2026-02-02T00:00:00Z"),
    ];
    for (fields, after, due) in cases {
        assert_eq!(times(&cron(fields, "UTC"), after, 1), [due], "{fields} after {after}");
    }
}

#[test]
fn what_is_wrong_is_named() {
    let cases = [
        ("* * * *", "not 4"),
        ("0 0 3 * * 1", "not 6"),
        ("@daily", "not 1"),
        ("60 * * * *", "minute: 60 is not between 0 and 59"),
        ("* 24 * * *", "hour: 24"),
        ("* * 0 * *", "day of the month: 0"),
        ("* * * foo *", "month: foo"),
        ("* * * * 8", "day of the week: 8"),
        ("*/0 * * * *", "0 is no step"),
        ("5-3 * * * *", "5-3 ends before it begins"),
        ("1,,2 * * * *", "minute:  is not"),
        ("+1 * * * *", "minute: +1"),
        ("0 0 30 2 *", "no such day"),
    ];
    for (fields, why) in cases {
        let error = Cron::parse(fields, None).unwrap_err();
        assert!(error.contains(why), "{fields}: {error}");
    }
    let error = Cron::parse("* * * * *", Some("Europe/Berln")).unwrap_err();
    assert!(error.contains("Europe/Berln"), "{error}");
}

#[test]
fn a_time_of_day_that_clocks_skip_comes_later_on_the_same_day() {
    let nightly = cron("30 2 * * *", "Europe/Berlin");
    let due = times(&nightly, "2026-03-28T00:00:00Z", 3);
    assert_eq!(due, ["2026-03-28T01:30:00Z", "2026-03-29T01:30:00Z", "2026-03-30T00:30:00Z"]);
    // 02:30 is 03:30 on that day, which is named as well: one time
    let both = cron("30 2,3 * * *", "Europe/Berlin");
    assert_eq!(times(&both, "2026-03-29T00:00:00Z", 2), ["2026-03-29T01:30:00Z", "2026-03-30T00:30:00Z"]);
}

#[test]
fn a_time_of_day_that_clocks_show_twice_comes_once() {
    let nightly = cron("30 2 * * *", "Europe/Berlin");
    let due = times(&nightly, "2026-10-24T12:00:00Z", 2);
    assert_eq!(due, ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]);
}

#[test]
fn an_interval_goes_by_the_time_that_passes() {
    let hourly = cron("0 * * * *", "Europe/Berlin");
    let spring = times(&hourly, "2026-03-28T23:30:00Z", 3);
    assert_eq!(spring, ["2026-03-29T00:00:00Z", "2026-03-29T01:00:00Z", "2026-03-29T02:00:00Z"]);
    let autumn = times(&hourly, "2026-10-24T23:30:00Z", 3);
    assert_eq!(autumn, ["2026-10-25T00:00:00Z", "2026-10-25T01:00:00Z", "2026-10-25T02:00:00Z"]);
}

#[test]
fn a_day_that_a_zone_leaves_out_is_left_out() {
    // Samoa had no 30 December 2011; its noon comes a day later, with the next one
    let noon = cron("0 12 * * *", "Pacific/Apia");
    let due = times(&noon, "2011-12-29T12:00:00Z", 2);
    assert_eq!(due, ["2011-12-29T22:00:00Z", "2011-12-30T22:00:00Z"]);
}

#[test]
fn the_last_time_is_the_last_that_next_comes_to_and_times_only_go_forward() {
    let mut random = StdRng::seed_from_u64(20_261_129);
    let zones = ["UTC", "Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "Asia/Kathmandu"];
    for _ in 0..80 {
        let minute = ["*/11", "0", "*/7", "15,45", "59"][random.random_range(0..5)];
        let hour = ["*", "2", "*/3", "1-3", "0,23"][random.random_range(0..5)];
        let day = ["*", "1", "*/9", "28-31"][random.random_range(0..4)];
        let weekday = ["*", "0", "1-5"][random.random_range(0..3)];
        let cron = cron(&format!("{minute} {hour} {day} * {weekday}"), zones[random.random_range(0..5)]);
        // around both changes of the clocks of 2026
        let from =
            [1_774_000_000, 1_792_500_000][random.random_range(0..2)] + random.random_range(0..1_000_000);
        let (from, until) =
            (Timestamp::from_second(from).unwrap(), Timestamp::from_second(from + 86_400).unwrap());
        let all: Vec<_> = std::iter::successors(cron.next(from), |last| cron.next(*last))
            .take_while(|at| *at <= until)
            .collect();
        assert!(all.is_sorted_by(|a, b| a < b), "{cron:?}");
        assert_eq!(cron.last(from, until), all.last().copied(), "{cron:?} from {from}");
    }
}
