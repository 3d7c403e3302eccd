//! What emnify says of the organisation itself, told on its Workspaces.

use emnify::wire::event::Event;
use emnify_engine::{
    decide::conditions::{self, Wanted, clear},
    kind::reason::{self, condition::ORGANISATION_BLOCKED},
};
use jiff::{SignedDuration, Timestamp};

use super::spec::WorkspaceStatus;

/// emnify says that it blocks an organisation, and never that it does no more: what was said so long ago is over.
const BLOCKED_FOR: SignedDuration = SignedDuration::from_hours(24);

/// Types of events. [P]
mod kind {
    pub(super) const USER_REFUSED: i64 = 6;
    pub(super) const TOKEN_REFUSED: i64 = 7;
    pub(super) const BLOCKED: i64 = 12;
    pub(super) const UPDATED: i64 = 31;
    pub(super) const BILLING: i64 = 32;
}

/// Something that people want to know of their organisation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Notice {
    /// Reason of the event.
    pub(super) reason: &'static str,
    /// emnify's words.
    pub(super) note: String,
    /// Equal for what is said once.
    pub(super) key: String,
    /// When it happened.
    pub(super) at: Timestamp,
}

/// The notice about an event, if it is worth one.
pub(super) fn about(event: &Event, at: Timestamp) -> Option<Notice> {
    let reason = match event.kind()? {
        kind::USER_REFUSED | kind::TOKEN_REFUSED => reason::LOGIN_REFUSED,
        kind::BLOCKED => reason::ORGANISATION_BLOCKED,
        kind::BILLING => reason::BILLING_CHANGED,
        _ => return None,
    };
    let name = event.event_type.as_ref().and_then(|kind| kind.name.as_deref()).unwrap_or("emnify");
    let said = event.description.trim();
    let note = if said.is_empty() || said == name { name.to_owned() } else { format!("{name}: {said}") };
    // whoever guesses a password does so often
    let key = match reason {
        reason::LOGIN_REFUSED => format!("{reason}/{}", at.as_second().div_euclid(3_600)),
        _ => event.id.to_string(),
    };
    Some(Notice { reason, note, key, at })
}

/// The event says that something about the organisation itself is no longer as it was.
pub(super) fn changes_organisation(event: &Event) -> bool {
    matches!(event.kind(), Some(kind::BLOCKED | kind::UPDATED | kind::BILLING))
}

/// Says whether emnify blocks the organisation, from what came in since the last look; `refreshed`: a person says that it
/// is over. Returns whether it does.
pub(super) fn show(
    events: &[(Event, Timestamp)],
    refreshed: bool,
    status: &mut WorkspaceStatus,
    generation: Option<i64>,
    now: Timestamp,
) -> bool {
    let old = |at: Timestamp| now.duration_since(at) >= BLOCKED_FOR;
    // who joins an organisation late reads what was said long ago
    let said = events.iter().filter(|(_, at)| !old(*at));
    let last = said.filter_map(|(event, at)| match event.kind()? {
        kind::BLOCKED => Some((*at, Some(about(event, *at)?))),
        kind::UPDATED | kind::BILLING => Some((*at, None)),
        _ => None,
    });
    let last = last.max_by_key(|(at, _)| *at).map(|(_, notice)| notice);
    let known = conditions::get(&status.conditions, ORGANISATION_BLOCKED).cloned();
    match (last, known) {
        (Some(Some(notice)), _) => {
            let message = format!(
                "{}; devices have no service until the limit or the balance is mended in emnify, which nobody tells: \
                 set a new value of the annotation {} when it is",
                notice.note,
                reason::annotation::REFRESH,
            );
            let wanted = Wanted {
                kind: ORGANISATION_BLOCKED,
                status: true,
                reason: reason::ORGANISATION_BLOCKED,
                message: &message,
            };
            conditions::set(&mut status.conditions, &wanted, generation, now);
            true
        }
        (None, Some(known)) if !refreshed && !old(known.last_transition_time.0) => true,
        (None, None) => false,
        (Some(None), _) | (None, Some(_)) => {
            clear(&mut status.conditions, ORGANISATION_BLOCKED);
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn at(hour: i64) -> Timestamp {
        Timestamp::from_second(hour * 3_600).unwrap()
    }

    fn event(id: i64, kind: i64, hour: i64) -> (Event, Timestamp) {
        let kind = json!({"id": kind, "description": "Organisation blocked"});
        let event = json!({"id": id, "event_type": kind, "description": "Cost limit of 100 EUR reached"});
        (serde_json::from_value(event).unwrap(), at(hour))
    }

    #[test]
    fn what_concerns_the_organisation_is_told_in_emnifys_words() {
        let (blocked, when) = event(9, 12, 1);
        let notice = about(&blocked, when).unwrap();
        assert_eq!((notice.reason, notice.key.as_str()), (reason::ORGANISATION_BLOCKED, "9"));
        assert_eq!(notice.note, "Organisation blocked: Cost limit of 100 EUR reached");
        assert_eq!(about(&event(9, 31, 1).0, when), None, "nobody is told of every update");
        let refused = |id: i64| about(&event(id, 7, 1).0, when).unwrap().key;
        assert_eq!(refused(1), refused(2), "logins that fail are told once an hour");
    }

    #[test]
    fn a_blocked_organisation_is_told_until_it_is_mended() {
        let blocked =
            |events: &[(Event, Timestamp)], refreshed: bool, status: &mut WorkspaceStatus, hour: i64| {
                let is = show(events, refreshed, status, Some(1), at(hour));
                assert_eq!(is, conditions::get(&status.conditions, ORGANISATION_BLOCKED).is_some());
                is
            };
        let mut status = WorkspaceStatus::default();
        assert!(!blocked(&[], false, &mut status, 1));
        assert!(blocked(&[event(9, 12, 1)], false, &mut status, 1));
        assert!(blocked(&[], false, &mut status, 2), "also after a restart");
        assert!(!blocked(&[event(10, 32, 2)], false, &mut status, 2), "the billing was changed");
        assert!(blocked(&[event(10, 32, 2), event(11, 12, 3)], false, &mut status, 3), "and blocked again");
        assert!(!blocked(&[], true, &mut status, 3), "a person says so");
        assert!(blocked(&[event(12, 12, 4)], false, &mut status, 4));
        assert!(!blocked(&[], false, &mut status, 28), "nothing was said for a day");
        assert!(!blocked(&[event(12, 12, 4)], false, &mut status, 29), "read late, by who joins late");
    }
}
