//! When each kind was last listed completely, for people: pure.

use jiff::{SignedDuration, Timestamp};

use super::spec::WorkspaceStatus;

/// These times alone are worth a write this often.
const EVERY: SignedDuration = SignedDuration::from_mins(10);

/// Puts the times into `status` where that costs no write of its own, or one every ten minutes. `before` is what was written
/// last; `listed` tells when the last complete listing of a kind began.
pub fn keep(
    before: Option<&WorkspaceStatus>,
    status: &mut WorkspaceStatus,
    listed: impl Fn(&str) -> Option<Timestamp>,
) {
    let written = before != Some(&*status);
    let due = status.counts.iter().any(|of| {
        let told = of.listed_at.as_ref().and_then(|at| at.as_str().parse::<Timestamp>().ok());
        listed(&of.kind)
            .is_some_and(|at| told.is_none_or(|told| at < told || at.duration_since(told) >= EVERY))
    });
    if !written && !due {
        return;
    }
    for of in &mut status.counts {
        // what a fresh process has not listed yet was listed by the one before
        if let Some(at) = listed(&of.kind) {
            of.listed_at = Some(Timestamp::from_second(at.as_second()).unwrap_or(at).to_string().into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::spec::KindCount;

    fn at(seconds: i64) -> Option<Timestamp> {
        Timestamp::from_second(seconds).ok()
    }

    fn of(kinds: &[(&str, Option<i64>)]) -> WorkspaceStatus {
        let count = |(kind, listed): &(&str, Option<i64>)| {
            let listed_at = listed.and_then(at).map(|at| at.to_string().into());
            KindCount { kind: (*kind).to_owned(), count: 1, listed_at }
        };
        WorkspaceStatus { counts: kinds.iter().map(count).collect(), ..WorkspaceStatus::default() }
    }

    #[test]
    fn times_ride_along_and_are_worth_one_write_every_ten_minutes() {
        let before = of(&[("Endpoint", Some(1_000)), ("Sim", Some(1_300))]);
        let mut status = before.clone();
        keep(Some(&before), &mut status, |_| at(1_599));
        assert_eq!(status, before, "listings go on all the time; that is not written");
        keep(Some(&before), &mut status, |_| at(1_600));
        assert_eq!(status, of(&[("Endpoint", Some(1_600)), ("Sim", Some(1_600))]), "all of them at once");
        let mut status = WorkspaceStatus { last_error: Some("something else".into()), ..before.clone() };
        keep(Some(&before), &mut status, |kind| at(if kind == "Sim" { 1_310 } else { 1_010 }));
        assert_eq!(status.counts, of(&[("Endpoint", Some(1_010)), ("Sim", Some(1_310))]).counts);
    }

    #[test]
    fn a_fresh_process_keeps_what_the_one_before_it_told() {
        let before = of(&[("Endpoint", Some(1_000)), ("Sim", None)]);
        let mut status = before.clone();
        keep(Some(&before), &mut status, |kind| (kind == "Sim").then(|| at(5_000)).flatten());
        assert_eq!(status, of(&[("Endpoint", Some(1_000)), ("Sim", Some(5_000))]));
    }

    #[test]
    fn a_time_in_the_future_or_of_somebodys_making_does_not_stay() {
        let mut before = of(&[("Endpoint", Some(90_000))]);
        let mut status = before.clone();
        keep(Some(&before), &mut status, |_| at(1_000));
        assert_eq!(status, of(&[("Endpoint", Some(1_000))]), "the clock was set back");
        before.counts[0].listed_at = Some("yesterday".to_owned().into());
        let mut status = before.clone();
        keep(Some(&before), &mut status, |_| at(1_000));
        assert_eq!(status, of(&[("Endpoint", Some(1_000))]));
    }
}
