//! Conditions that change only when a reader could tell the difference.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

/// A condition as it should be, but for its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted<'a> {
    /// Its type.
    pub kind: &'a str,
    /// True or false; this operator never says `Unknown`.
    pub status: bool,
    /// A constant of [`crate::kind::reason`].
    pub reason: &'a str,
    /// Deterministic text for people.
    pub message: &'a str,
}

/// Brings one condition up to date. `lastTransitionTime` moves only with `status`, and is cut to whole seconds
/// because that is what the API server gives back.
pub fn set(all: &mut Vec<Condition>, wanted: &Wanted<'_>, generation: Option<i64>, now: Timestamp) {
    let status = if wanted.status { "True" } else { "False" };
    let seconds = Timestamp::from_second(now.as_second()).unwrap_or(now);
    let at = all.iter().position(|c| c.type_ == wanted.kind);
    let since = at.map(|i| &all[i]).filter(|c| c.status == status).map(|c| c.last_transition_time.clone());
    let fresh = Condition {
        type_: wanted.kind.into(),
        status: status.into(),
        reason: wanted.reason.into(),
        message: cut(wanted.message),
        observed_generation: generation,
        last_transition_time: since.unwrap_or(Time(seconds)),
    };
    match at {
        Some(i) => all[i] = fresh,
        None => all.push(fresh),
    }
}

/// Removes a condition that exists only while true.
pub fn clear(all: &mut Vec<Condition>, kind: &str) {
    all.retain(|c| c.type_ != kind);
}

/// The condition of a type.
pub fn get<'a>(all: &'a [Condition], kind: &str) -> Option<&'a Condition> {
    all.iter().find(|c| c.type_ == kind)
}

/// True if the condition is true for exactly this generation.
pub fn is_true(all: &[Condition], kind: &str, generation: Option<i64>) -> bool {
    get(all, kind).is_some_and(|c| c.status == "True" && c.observed_generation == generation)
}

/// The API server refuses messages over 32 KiB; nobody reads that much anyway.
fn cut(message: &str) -> String {
    const LIMIT: usize = 2048;
    if message.len() <= LIMIT {
        return message.to_owned();
    }
    let end = (0..=LIMIT).rev().find(|i| message.is_char_boundary(*i)).unwrap_or(0);
    format!("{}…", &message[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ready(status: bool, reason: &str) -> Wanted<'_> {
        Wanted { kind: "Ready", status, reason, message: "" }
    }

    #[test]
    fn only_a_new_status_moves_the_transition_time() {
        let t = |s: &str| s.parse::<Timestamp>().unwrap();
        let mut all = Vec::new();
        set(&mut all, &ready(true, "UpToDate"), Some(1), t("2026-01-01T00:00:00.9Z"));
        let first = all.clone();
        set(&mut all, &ready(true, "UpToDate"), Some(1), t("2026-01-02T00:00:00Z"));
        assert_eq!(all, first, "saying the same thing twice is not a change");
        set(&mut all, &ready(true, "Adopted"), Some(2), t("2026-01-03T00:00:00Z"));
        assert_eq!(all[0].last_transition_time, first[0].last_transition_time);
        set(&mut all, &ready(false, "Rejected"), Some(2), t("2026-01-04T00:00:00Z"));
        assert_ne!(all[0].last_transition_time, first[0].last_transition_time);
        assert!(!is_true(&all, "Ready", Some(2)));
    }

    #[test]
    fn a_long_message_is_cut_at_a_character() {
        let mut all = Vec::new();
        let long = "ä".repeat(3000);
        set(
            &mut all,
            &Wanted { kind: "Ready", status: false, reason: "Rejected", message: &long },
            None,
            Timestamp::UNIX_EPOCH,
        );
        assert!(all[0].message.len() < 2100 && all[0].message.ends_with('…'));
    }
}
