//! What the answer to one change means for the mirror: the same whoever sent it.

use emnify::Error;
use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use super::{
    KindState, Session,
    batch::{RetryGroup, RetryGroups},
    counts, role,
};
use crate::kind::{Change, Id, Managed, Reply};

/// Events of our own write carry times up to this long after its answer.
const ECHO: SignedDuration = SignedDuration::from_secs(5);

/// A change succeeded; `ends`: nothing of the object is left.
pub(crate) fn learn<K: Managed>(
    session: &Session,
    id: Option<&Id>,
    change: &K::Change,
    reply: Reply<K>,
    ends: bool,
) {
    let Reply { id: made, row, named, .. } = reply;
    let kind_state = session.kind_state::<K>();
    let now = Instant::now();
    let used = |id: Option<&Id>| counts::uses::<K>(id.and_then(|id| kind_state.mirror.row(id)).as_deref());
    let before = used(id);
    if id.is_none() {
        session.hints.made();
    }
    if let Some(table) = change.refreshes() {
        match named {
            Some(row) => session.lookups.learn(table, &row),
            None => session.lookups.refresh(table),
        }
    }
    match (row, id) {
        (Some(row), _) => {
            kind_state.mirror.wrote(row, now);
        }
        (None, Some(id)) if change.accepted() => kind_state.mirror.accepted(id, change, ends),
        (None, Some(id)) if ends => kind_state.mirror.forget(id),
        (None, Some(id)) => assume(&kind_state, id, change, now),
        (None, None) => {}
    }
    if id.is_none() || ends || used(id) != before {
        session.counts.moved();
    }
    if let Some(other) = K::RENEWAL.and_then(|renewal| (renewal.ends)(change)) {
        kind_state.mirror.forget(&other);
    }
    if let Some(id) = made.as_ref().or(id) {
        let until = session.server_time().saturating_add(ECHO).unwrap_or(Timestamp::MAX);
        kind_state.mirror.expect_echo(id, until);
    }
    if let (Some(id), true) = (id, change.unsettles()) {
        kind_state.mirror.doubt(id);
        kind_state.mirror.doubt_parts(id);
    }
}

/// What a bodiless success means for what we know.
fn assume<K: Managed>(kind_state: &KindState<K>, id: &Id, change: &K::Change, at: Instant) {
    let Some(row) = kind_state.mirror.row(id) else { return };
    let (mut row, mut parts) =
        (K::Row::clone(&row), K::Parts::clone(&kind_state.mirror.parts(id, &[], None).0));
    K::assume(change, &mut row, &mut parts);
    kind_state.mirror.wrote(row, at);
    kind_state.mirror.put_parts(id, parts, &[], at);
}

/// A bulk call failed for what may be wrong with one of its items only.
pub(crate) fn may_be_one_items_fault(error: &Error) -> bool {
    match error {
        Error::Rejected { .. } | Error::NotFound { .. } | Error::Conflict { .. } => true,
        // what is used up is used up for all of them
        Error::Capacity { .. }
        | Error::Unauthorized { .. }
        | Error::OtherOrganisation { .. }
        | Error::Throttled { .. }
        | Error::Ambiguous { .. }
        | Error::Unavailable { .. }
        | Error::Unreadable { .. } => false,
    }
}

/// Who shares the next calls with whom after one of so many items failed, where that may be the fault of one of them.
pub(crate) fn parted(retry_groups: &RetryGroups, items: usize, error: &Error) -> Vec<RetryGroup> {
    match error {
        // or of the login, which three in a row would show
        Error::Rejected { status: 403, .. } => retry_groups.halve_behind(role::IN_A_ROW, items),
        _ => retry_groups.halve(items),
    }
}

/// The failed call may have taken effect all the same: look before it is sent again.
pub(crate) fn may_have_happened(error: &Error, repeatable: bool) -> bool {
    match error {
        Error::Ambiguous { .. } => true,
        // an answer that cannot be read is a success of something
        Error::Unavailable { .. } | Error::Unreadable { .. } => !repeatable,
        Error::Rejected { .. }
        | Error::NotFound { .. }
        | Error::Capacity { .. }
        | Error::Conflict { .. }
        | Error::Unauthorized { .. }
        | Error::OtherOrganisation { .. }
        | Error::Throttled { .. } => false,
    }
}

/// What a call tells the guard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Disturbed {
    /// It took effect, or nobody knows.
    Yes,
    /// It certainly did nothing.
    No,
    /// It was refused together with others and not every one of them may have failed, or it is sent again in any case.
    Unsure,
}

/// Whether a call of so many changes, that may be repeated or not, disturbed anybody.
pub(crate) fn disturbed(error: Option<&Error>, changes: usize, repeatable: bool) -> Disturbed {
    let Some(error) = error else { return Disturbed::Yes };
    match error {
        Error::Ambiguous { .. } | Error::Unreadable { .. } => Disturbed::Yes,
        Error::Capacity { .. } if changes > 1 => Disturbed::Unsure,
        _ if changes > 1 && may_be_one_items_fault(error) => Disturbed::Unsure,
        // what may be repeated may have been carried out, everything else was not sent
        Error::Unavailable { .. } if repeatable => Disturbed::Unsure,
        Error::Rejected { .. }
        | Error::NotFound { .. }
        | Error::Capacity { .. }
        | Error::Conflict { .. }
        | Error::Unauthorized { .. }
        | Error::OtherOrganisation { .. }
        | Error::Throttled { .. }
        | Error::Unavailable { .. } => Disturbed::No,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_have_happened_is_looked_for_before_it_is_sent_again() {
        let message = String::new;
        let rows = [
            (Error::Rejected { status: 422, code: None, message: message() }, false, false),
            (Error::NotFound { message: message() }, false, false),
            (Error::Capacity { message: message() }, false, false),
            (Error::Conflict { code: None, message: message() }, false, false),
            (Error::Unauthorized { status: 401, message: message() }, false, false),
            (Error::OtherOrganisation { pinned: 1, found: 2, name: message() }, false, false),
            (Error::Throttled { retry_after: None }, false, false),
            (Error::Ambiguous { message: message() }, true, true),
            (Error::Unavailable { message: message() }, true, false),
            (Error::Unreadable { message: message() }, true, false),
        ];
        for (error, create, edit) in rows {
            let said = (may_have_happened(&error, false), may_have_happened(&error, true));
            assert_eq!(said, (create, edit), "{}: a create, an edit", error.kind());
        }
    }
}
