use super::*;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

const LATE: SignedDuration = SignedDuration::from_secs(300);

#[test]
fn of_several_missed_times_the_last_is_made_and_none_that_is_too_late() {
    let cron = Cron::parse("*/2 * * * *", None).unwrap();
    let seen = at("2026-11-29T10:00:00Z");
    let missed = due(&cron, seen, LATE, at("2026-11-29T10:07:30Z"));
    assert_eq!(missed.at, Some(at("2026-11-29T10:06:00Z")));
    assert_eq!(missed.next, Some(at("2026-11-29T10:08:00Z")));
    let nightly = Cron::parse("0 3 * * *", None).unwrap();
    let seen = at("2026-11-28T03:00:00Z");
    assert_eq!(due(&nightly, seen, LATE, at("2026-11-29T03:04:59Z")).at, Some(at("2026-11-29T03:00:00Z")));
    let late = due(&nightly, seen, LATE, at("2026-11-29T03:05:01Z"));
    assert_eq!((late.at, late.missed), (None, true), "it is too late, which is told");
    assert!(!missed.missed, "the last of them makes up for those before");
    let done = at("2026-11-29T03:00:00Z");
    assert_eq!(due(&nightly, done, LATE, at("2026-11-29T03:00:10Z")).at, None, "it was made");
    assert_eq!(due(&nightly, at("2027-01-01T00:00:00Z"), LATE, done).at, None, "a clock that went back");
}

#[test]
fn names_say_when_or_what_for_and_are_the_same_every_time() {
    assert_eq!(name_at("reset", at("1970-01-01T01:00:59Z")), "reset-60");
    assert_eq!(name_of("apn", 0), "apn-0");
    assert_eq!(name_of("apn", 35), "apn-z");
    assert_eq!(name_of("apn", 36), "apn-10");
    assert_eq!(name_of("apn", 281_474_976_710_777), "apn-2rrvthnxx5");
}

fn made(name: &str, minute: i64, succeeded: Option<bool>) -> Made {
    let at = Timestamp::from_second(1_800_000_000 + minute * 60).unwrap();
    Made { name: name.to_owned(), uid: name.to_owned(), at, succeeded }
}

#[test]
fn the_oldest_of_each_kind_go_and_what_may_be_read_again_stays() {
    let all = vec![
        made("a", 0, Some(true)),
        made("b", 1, Some(true)),
        made("c", 2, Some(false)),
        made("d", 3, None),
        made("e", 4, Some(true)),
        made("f", 5, Some(false)),
    ];
    let gone = |limits, position| -> Vec<String> {
        pruned(all.clone(), limits, position).into_iter().map(|made| made.name).collect()
    };
    assert_eq!(gone((1, 1), None), ["c", "b", "a"]);
    assert_eq!(gone((3, 3), None), [""; 0]);
    assert_eq!(gone((0, 0), None), ["f", "e", "c", "b", "a"], "what is not over stays");
    let position = made("", 3, None).at;
    assert_eq!(gone((0, 0), Some(position)), ["b", "a"], "two minutes behind what the status says");
}
