//! When each kind was last listed completely, for people: pure.

use jiff::{SignedDuration, Timestamp};

use super::spec::WorkspaceStatus;

/// These times alone are worth a write this often, of however many kinds.
const EVERY: SignedDuration = SignedDuration::from_mins(10);

/// Puts the times into `status` where that costs no write of its own, or one every ten minutes. `before` is what was written
/// last; `listed` tells when the last complete listing of a kind began.
pub fn keep(
    before: Option<&WorkspaceStatus>,
    status: &mut WorkspaceStatus,
    listed: impl Fn(&str) -> Option<Timestamp>,
    now: Timestamp,
) {
    if before == Some(&*status) && !is_due(status, &listed, now) {
        return;
    }
    for of in &mut status.counts {
        // what a fresh process has not listed yet was listed by the one before
        if let Some(at) = listed(&of.kind) {
            of.listed_at = Some(whole(at).to_string().into());
        }
    }
}

/// Some of what is told is too old, and all of it was told a while ago; or a clock was set back.
fn is_due(status: &WorkspaceStatus, listed: impl Fn(&str) -> Option<Timestamp>, now: Timestamp) -> bool {
    let all = status.counts.iter().filter_map(|of| {
        let told = of.listed_at.as_ref().and_then(|at| at.as_str().parse::<Timestamp>().ok());
        Some((whole(listed(&of.kind)?), told))
    });
    let news: Vec<_> = all.filter(|(listed, told)| *told != Some(*listed)).collect();
    let told =
        status.counts.iter().filter_map(|of| of.listed_at.as_ref()?.as_str().parse::<Timestamp>().ok());
    // one in the future, of a kind that nobody lists any more, would hold up the others
    let newest = told.filter(|told| *told <= now).max();
    let long_ago = newest.is_none_or(|newest| now.duration_since(newest) >= EVERY);
    news.iter().any(|(listed, told)| long_ago || told.is_some_and(|told| *listed < told))
}

fn whole(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::spec::KindCount;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    fn of(kinds: &[(&str, Option<i64>)]) -> WorkspaceStatus {
        let count = |(kind, listed): &(&str, Option<i64>)| {
            let listed_at = listed.map(|seconds| at(seconds).to_string().into());
            KindCount { kind: (*kind).to_owned(), count: 1, listed_at }
        };
        WorkspaceStatus { counts: kinds.iter().map(count).collect(), ..WorkspaceStatus::default() }
    }

    #[test]
    fn times_ride_along_with_what_is_written_anyhow() {
        let before = of(&[("Endpoint", Some(1_000)), ("Sim", Some(1_300))]);
        let listed = |kind: &str| Some(at(if kind == "Sim" { 1_310 } else { 1_010 }));
        let mut status = before.clone();
        keep(Some(&before), &mut status, listed, at(1_320));
        assert_eq!(status, before, "listings go on all the time; that is not written");
        status.last_error = Some("something else".into());
        keep(Some(&before), &mut status, listed, at(1_320));
        assert_eq!(status.counts, of(&[("Endpoint", Some(1_010)), ("Sim", Some(1_310))]).counts);
    }

    #[test]
    fn kinds_that_are_listed_one_after_the_other_cost_one_write_in_ten_minutes() {
        let kinds = ["a", "b", "c", "d", "e", "f", "g", "h", "i"].map(|kind| (kind, None));
        let (mut status, mut writes) = (of(&kinds), 0);
        for now in (1_800..1_800 + 6 * 3_600).step_by(20) {
            // each once in a quarter of an hour, a hundred seconds after the one before
            let listed = |kind: &str| {
                let phase = i64::from(kind.as_bytes()[0] - b'a') * 100;
                Some(at((now - phase) / 900 * 900 + phase))
            };
            let before = status.clone();
            keep(Some(&before), &mut status, listed, at(now));
            writes += u32::from(status != before);
        }
        assert!((30..=37).contains(&writes), "six an hour, for six hours: {writes}");
    }

    #[test]
    fn what_is_listed_rarely_is_told_when_it_was() {
        let before = of(&[("Endpoint", Some(1_000))]);
        let mut status = before.clone();
        keep(Some(&before), &mut status, |_| Some(at(1_000)), at(9_000));
        assert_eq!(status, before, "there is nothing new to tell");
        keep(Some(&before), &mut status, |_| Some(at(8_990)), at(9_000));
        assert_eq!(status, of(&[("Endpoint", Some(8_990))]));
    }

    #[test]
    fn a_fresh_process_keeps_what_the_one_before_it_told() {
        let before = of(&[("Endpoint", Some(1_000)), ("Sim", None)]);
        let mut status = before.clone();
        keep(Some(&before), &mut status, |kind| (kind == "Sim").then(|| at(5_000)), at(5_010));
        assert_eq!(status, of(&[("Endpoint", Some(1_000)), ("Sim", Some(5_000))]));
    }

    #[test]
    fn a_time_in_the_future_or_of_somebodys_making_does_not_stay() {
        let mut before = of(&[("Endpoint", Some(90_000))]);
        let mut status = before.clone();
        keep(Some(&before), &mut status, |_| Some(at(1_000)), at(1_010));
        assert_eq!(status, of(&[("Endpoint", Some(1_000))]), "the clock was set back");
        let unlisted = of(&[("Endpoint", Some(1_000)), ("Tag", Some(90_000))]);
        let mut status = unlisted.clone();
        keep(Some(&unlisted), &mut status, |kind| (kind == "Endpoint").then(|| at(2_000)), at(2_010));
        assert_eq!(status, of(&[("Endpoint", Some(2_000)), ("Tag", Some(90_000))]), "it holds up no other");
        before.counts[0].listed_at = Some("yesterday".to_owned().into());
        let mut status = before.clone();
        keep(Some(&before), &mut status, |_| Some(at(1_000)), at(1_010));
        assert_eq!(status, of(&[("Endpoint", Some(1_000))]));
    }
}
