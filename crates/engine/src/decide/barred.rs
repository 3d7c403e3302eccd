//! What the login may not do now.

use jiff::Timestamp;

use super::{
    error_policy::Effect,
    known::{Explanation, Step, Trouble},
};
use crate::{
    kind::{Change, Managed, Verb, reason},
    session::{
        caller::Caller,
        role::{Doing, piece},
    },
};

/// A step that was refused to the login is not taken now.
pub(crate) fn defer<K: Managed>(
    step: &Step<K>,
    caller: &Caller,
    now: Timestamp,
) -> Option<(Explanation, Timestamp)> {
    let trouble = of_step(step).into_iter().find_map(|doing| barred::<K>(caller, doing, now))?;
    Some((Explanation::new(trouble.reason, trouble.message), trouble.until))
}

/// Why a call is not tried now, if it was refused to the login.
pub(crate) fn barred<K: Managed>(caller: &Caller, doing: Doing, now: Timestamp) -> Option<Trouble> {
    let (message, until) = caller.barred::<K>(doing, now)?;
    Some(Trouble { reason: reason::UNAUTHORIZED, message, effect: Effect::Keep, until })
}

/// What the next call of a step does.
fn of_step<K: Managed>(step: &Step<K>) -> Vec<Doing> {
    match step {
        Step::Read(_) | Step::Busy { .. } if K::FACTS.has_read => vec![Doing::Read],
        Step::ReadParts(_, parts) => parts.iter().map(piece::<K>).collect(),
        Step::Create(_) => vec![Doing::Create],
        Step::Apply(..) => vec![Doing::Update],
        Step::Retire(_, changes) => match changes.as_slice() {
            [last] if last.class().verb == Verb::Delete => vec![Doing::Delete],
            _ => vec![Doing::Update],
        },
        _ => Vec::new(),
    }
}
