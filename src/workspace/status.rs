//! From a decision to the status that says so: pure.

use emnify_engine::{
    decide::{
        conditions::{self, Wanted, clear, is_true},
        known::Explanation,
    },
    kind::reason::{
        self,
        condition::{GUARD_TRIPPED, READY, RECONCILING, RESTRICTED, STALLED},
    },
    session::guard::{Trip, humane},
};
use jiff::{SignedDuration, Timestamp};

use super::{
    decide::{Decision, Memory, Verdict},
    session_secret::CurrentLogin,
    spec::{CredentialStatus, KindCount, Organisation, WorkspaceStatus},
};

/// A wait that is over sooner is worth no event.
const A_WHILE: SignedDuration = SignedDuration::from_secs(30);

/// What the status is made of.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a> {
    /// What was decided.
    pub decision: &'a Decision,
    /// What attempts taught.
    pub memory: &'a Memory,
    /// The token at hand.
    pub current_login: Option<&'a CurrentLogin>,
    /// Generation of the workspace.
    pub generation: Option<i64>,
    /// Wall clock.
    pub now: Timestamp,
}

/// Writes what the decision means. Counts, tariff plan and budget are left to those who know them.
pub fn show(shown: &Shown<'_>, status: &mut WorkspaceStatus) {
    let Shown { decision, memory, generation, .. } = shown;
    status.observed_generation = *generation;
    let current_login = shown.current_login.filter(|_| decision.serve);
    if let Some(CurrentLogin { identity, origin, .. }) = current_login {
        let id = identity.organisation_id.to_string();
        // what was read of it stays until it is read again
        let known = status.organisation.take().filter(|known| known.id == id).unwrap_or_default();
        let (name, base_url) = (identity.organisation_name.clone(), Some(origin.clone()));
        status.organisation = Some(Organisation { id, name, base_url, ..known });
    }
    if decision.verdict != Verdict::Suspended {
        status.token_expires_at =
            current_login.map(|current_login| current_login.identity.expires_at.to_string().into());
    }
    status.credential = Some(memory.credential.clone()).filter(|known| *known != CredentialStatus::default());
    status.last_handled_refresh_at.clone_from(&memory.refreshed);
    status.last_error = match &decision.verdict {
        Verdict::Stalled { message, .. } => Some(message.clone()),
        Verdict::Waiting { .. } => memory.pause.as_ref().map(|pause| pause.message.clone()),
        Verdict::Ready => None,
        Verdict::Suspended => status.last_error.take(),
    };
    settle(shown, status);
}

/// Writes how many objects each kind has, in the order of their names; `None` is not counted now, and what was known stays.
pub fn counts<'a>(status: &mut WorkspaceStatus, kinds: impl Iterator<Item = (&'a str, Option<usize>)>) {
    let known = std::mem::take(&mut status.counts);
    let counts = kinds.filter_map(|(kind, now)| {
        let before = known.iter().find(|known| known.kind == kind);
        let count = now.and_then(|now| i64::try_from(now).ok()).or_else(|| Some(before?.count))?;
        let listed_at = before.and_then(|before| before.listed_at.clone());
        Some(KindCount { kind: kind.to_owned(), count, listed_at })
    });
    status.counts = counts.collect();
    status.counts.sort_by(|a, b| a.kind.cmp(&b.kind));
}

fn settle(shown: &Shown<'_>, status: &mut WorkspaceStatus) {
    let all = &mut status.conditions;
    let generation = shown.generation;
    let put = |all: &mut Vec<_>, kind, status, reason, message: &str| {
        conditions::set(all, &Wanted { kind, status, reason, message }, generation, shown.now);
    };
    match &shown.decision.verdict {
        Verdict::Ready => {
            put(all, READY, true, reason::UP_TO_DATE, "");
            clear(all, RECONCILING);
            clear(all, STALLED);
        }
        Verdict::Suspended => {
            if conditions::get(all, READY).is_none() {
                put(all, READY, false, reason::SUSPENDED, "");
            }
            clear(all, RECONCILING);
            clear(all, STALLED);
        }
        // A session that works is not less ready because a login waits.
        Verdict::Waiting { .. } if shown.decision.serve && is_true(all, READY, generation) => {
            clear(all, RECONCILING);
            clear(all, STALLED);
        }
        Verdict::Waiting { reason, message } => {
            put(all, READY, false, reason, message);
            put(all, RECONCILING, true, reason, message);
            clear(all, STALLED);
        }
        Verdict::Stalled { reason, message } => {
            put(all, READY, false, reason, message);
            put(all, STALLED, true, reason, message);
            clear(all, RECONCILING);
        }
    }
}

/// The Secrets were there for this generation of the spec, as its last status tells.
pub fn came(status: &WorkspaceStatus, generation: Option<i64>) -> bool {
    let all = &status.conditions;
    let gone = || conditions::get(all, STALLED).is_some_and(|c| c.reason == reason::REFERENCE_NOT_READY);
    is_true(all, READY, generation) || (is_true(all, STALLED, generation) && gone())
}

/// It has waited for longer than what is made together with it takes.
pub fn waits_long(status: &WorkspaceStatus, now: Timestamp) -> bool {
    conditions::get(&status.conditions, RECONCILING)
        .is_some_and(|c| now.duration_since(c.last_transition_time.0) >= A_WHILE)
}

/// Says what the API server refuses; a session that works is not less ready.
pub fn refused(
    status: &mut WorkspaceStatus,
    told: &Explanation,
    serves: bool,
    generation: Option<i64>,
    now: Timestamp,
) {
    if serves && is_true(&status.conditions, READY, generation) {
        return;
    }
    let all = &mut status.conditions;
    let Explanation { reason, message } = told;
    for (kind, status) in [(READY, false), (STALLED, true)] {
        conditions::set(all, &Wanted { kind, status, reason, message }, generation, now);
    }
    clear(all, RECONCILING);
}

/// Says what emnify does not allow the login, and returns what it said; nothing else of the workspace is less ready for that.
pub fn restricted(
    status: &mut WorkspaceStatus,
    lacks: &[String],
    generation: Option<i64>,
    now: Timestamp,
) -> Option<String> {
    if lacks.is_empty() {
        clear(&mut status.conditions, RESTRICTED);
        return None;
    }
    let message = format!(
        "emnify does not allow this login to {}; use a token with a role that may, or set managementPolicy: Observe on \
         the objects; it is tried again every few minutes, and at once after a new value of the annotation {}",
        lacks.join(", "),
        reason::annotation::REFRESH,
    );
    let wanted = Wanted { kind: RESTRICTED, status: true, reason: reason::UNAUTHORIZED, message: &message };
    conditions::set(&mut status.conditions, &wanted, generation, now);
    Some(message)
}

/// Says how many devices would be disturbed, and how to approve that. `approval`: the command, up to the hash.
pub fn guard(
    status: &mut WorkspaceStatus,
    tripped: Option<&Trip>,
    approval: &str,
    generation: Option<i64>,
    now: Timestamp,
) {
    let Some(trip) = tripped else { return clear(&mut status.conditions, GUARD_TRIPPED) };
    // after a restart, what was said before holds until those who wait have asked again
    let Some(hash) = &trip.hash else { return };
    let Trip { done, asked, objects, limit, .. } = trip;
    let message = format!(
        "{} devices would be disturbed within {} ({done} done, {asked} asked for by {objects} objects), and \
         spec.guard.maxDevices is {}; what was asked for waits; to approve it: {approval}{hash}",
        done + asked,
        humane(limit.window),
        limit.devices,
    );
    let wanted =
        Wanted { kind: GUARD_TRIPPED, status: true, reason: reason::GUARD_TRIPPED, message: &message };
    conditions::set(&mut status.conditions, &wanted, generation, now);
}

#[cfg(test)]
mod tests {
    use emnify::Identity;
    use emnify_engine::session::guard::GuardLimit;

    use super::*;
    use crate::workspace::decide::{Pause, Step};

    fn current_login() -> CurrentLogin {
        let identity = Identity {
            organisation_id: 42,
            organisation_name: "Example".into(),
            application_token_id: None,
            issued_at: Timestamp::UNIX_EPOCH,
            expires_at: Timestamp::MAX,
        };
        CurrentLogin {
            identity,
            origin: "https://cdn.emnify.net".into(),
            credential: "a".into(),
            refused: false,
        }
    }

    fn show_verdict(status: &mut WorkspaceStatus, verdict: Verdict, serve: bool, memory: &Memory) {
        let decision = Decision { serve, step: Step::Rest, verdict, wake_at: None };
        let current_login = current_login();
        let shown = Shown {
            decision: &decision,
            memory,
            current_login: Some(&current_login),
            generation: Some(1),
            now: Timestamp::UNIX_EPOCH,
        };
        show(&shown, status);
    }

    fn says(status: &WorkspaceStatus, kind: &str) -> Option<String> {
        conditions::get(&status.conditions, kind)
            .map(|condition| format!("{} {}", condition.status, condition.reason))
    }

    #[test]
    fn a_tripped_guard_says_what_was_exceeded_and_how_to_approve() {
        let mut status = WorkspaceStatus::default();
        let mut trip =
            Trip { hash: Some("abc".into()), done: 3, asked: 4, objects: 2, limit: GuardLimit::default() };
        let show = |status: &mut WorkspaceStatus, trip: Option<&Trip>| {
            guard(status, trip, "kubectl annotate x emnify.io/approve=", Some(1), Timestamp::UNIX_EPOCH);
        };
        show(&mut status, Some(&trip));
        assert_eq!(
            status.conditions[0].message,
            "7 devices would be disturbed within 10m (3 done, 4 asked for by 2 objects), and spec.guard.maxDevices is 100; \
             what was asked for waits; to approve it: kubectl annotate x emnify.io/approve=abc"
        );
        let before = status.clone();
        trip.hash = None;
        show(&mut status, Some(&trip));
        assert_eq!(status, before, "after a restart it stays until all of them have asked again");
        show(&mut status, None);
        assert!(status.conditions.is_empty(), "nothing is left after the approval");
    }

    #[test]
    fn what_a_login_may_not_do_is_told_beside_ready_while_it_is_so() {
        let mut status = ready();
        let lacks = ["create Endpoint (no)".to_owned(), "list Sim (no)".to_owned()];
        let told = restricted(&mut status, &lacks, Some(1), Timestamp::UNIX_EPOCH).unwrap();
        assert!(told.contains("create Endpoint (no), list Sim (no)") && told.contains("Observe"), "{told}");
        assert_eq!(says(&status, RESTRICTED).as_deref(), Some("True Unauthorized"));
        assert_eq!(says(&status, READY).as_deref(), Some("True UpToDate"), "the login itself works");
        assert_eq!(restricted(&mut status, &[], Some(1), Timestamp::UNIX_EPOCH), None);
        assert_eq!(says(&status, RESTRICTED), None);
    }

    #[test]
    fn each_kind_has_its_count_and_what_is_not_counted_now_keeps_the_last() {
        let mut status = WorkspaceStatus::default();
        counts(&mut status, [("Sim", Some(3)), ("EndpointSet", None), ("Endpoint", Some(2))].into_iter());
        counts(&mut status, [("Sim", None), ("EndpointSet", None), ("Endpoint", Some(0))].into_iter());
        let told: Vec<_> = status.counts.iter().map(|of| (of.kind.as_str(), of.count)).collect();
        assert_eq!(told, [("Endpoint", 0), ("Sim", 3)], "a kind that was never counted has no entry");
        status.counts.iter_mut().for_each(|of| of.listed_at = Some("2026-05-01T12:00:00Z".to_owned().into()));
        let before = status.clone();
        counts(&mut status, [("Sim", None), ("Endpoint", Some(0))].into_iter());
        assert_eq!(status, before, "when they were listed is told by others, and stays");
        counts(&mut status, [("Endpoint", Some(1))].into_iter());
        assert_eq!(status.counts.len(), 1, "a kind that is no more has none");
    }

    fn ready() -> WorkspaceStatus {
        let mut status = WorkspaceStatus::default();
        show_verdict(&mut status, Verdict::Ready, true, &Memory::default());
        status
    }

    #[test]
    fn a_working_login_pins_the_organisation_and_is_ready() {
        let status = ready();
        assert_eq!(says(&status, READY).as_deref(), Some("True UpToDate"));
        assert_eq!(
            status.organisation.map(|found| (found.id, found.name)),
            Some(("42".into(), "Example".into()))
        );
        assert!(status.token_expires_at.is_some() && status.last_error.is_none());
    }

    #[test]
    fn a_token_that_may_not_be_used_pins_nothing() {
        let mut status = WorkspaceStatus::default();
        let verdict =
            Verdict::Stalled { reason: reason::UNAUTHORIZED, message: "spec.credentials: no".into() };
        show_verdict(&mut status, verdict, false, &Memory::default());
        assert!(status.organisation.is_none() && status.token_expires_at.is_none());
        assert_eq!(says(&status, STALLED).as_deref(), Some("True Unauthorized"));
        assert_eq!(says(&status, READY).as_deref(), Some("False Unauthorized"));
        assert_eq!(status.last_error.as_deref(), Some("spec.credentials: no"));
    }

    #[test]
    fn a_pause_never_lowers_ready_while_the_session_works() {
        let pause = Pause {
            until: Timestamp::MAX,
            failures: 1,
            reason: reason::UNAVAILABLE,
            message: "emnify is unavailable".into(),
        };
        let memory = Memory { pause: Some(pause), ..Memory::default() };
        let waiting =
            || Verdict::Waiting { reason: reason::UNAVAILABLE, message: "emnify is unavailable".into() };
        let mut status = ready();
        show_verdict(&mut status, waiting(), true, &memory);
        assert_eq!(says(&status, READY).as_deref(), Some("True UpToDate"));
        assert_eq!(says(&status, RECONCILING), None, "never Ready and Reconciling at once");
        assert_eq!(status.last_error.as_deref(), Some("emnify is unavailable"), "but it is told");
        show_verdict(&mut status, waiting(), false, &memory);
        assert_eq!(says(&status, READY).as_deref(), Some("False Unavailable"), "without a session it is");
        assert_eq!(says(&status, RECONCILING).as_deref(), Some("True Unavailable"));
    }

    #[test]
    fn a_missing_right_stalls_unless_the_session_works() {
        let tell = |status: &mut WorkspaceStatus, serves| {
            let told = Explanation { reason: reason::NOT_ALLOWED, message: "secrets is forbidden".into() };
            refused(status, &told, serves, Some(1), Timestamp::UNIX_EPOCH);
        };
        let mut fresh = WorkspaceStatus::default();
        tell(&mut fresh, false);
        assert_eq!(says(&fresh, STALLED).as_deref(), Some("True NotAllowed"), "somebody must act");
        assert_eq!(says(&fresh, READY).as_deref(), Some("False NotAllowed"));
        let mut served = ready();
        tell(&mut served, true);
        assert_eq!(served, ready(), "what works goes on");
    }

    #[test]
    fn suspension_keeps_what_was_true() {
        let mut status = ready();
        show_verdict(&mut status, Verdict::Suspended, false, &Memory::default());
        assert_eq!(says(&status, READY).as_deref(), Some("True UpToDate"));
        assert!(status.token_expires_at.is_some());
        let mut fresh = WorkspaceStatus::default();
        show_verdict(&mut fresh, Verdict::Suspended, false, &Memory::default());
        assert_eq!(says(&fresh, READY).as_deref(), Some("False Suspended"));
    }

    #[test]
    fn mending_clears_the_stall() {
        let mut status = WorkspaceStatus::default();
        let verdict = Verdict::Stalled { reason: reason::UNAUTHORIZED, message: "no".into() };
        show_verdict(&mut status, verdict, false, &Memory::default());
        show_verdict(&mut status, Verdict::Ready, true, &Memory::default());
        assert_eq!((says(&status, STALLED), status.last_error), (None, None));
    }
}
