//! What emnify does not allow the login of one Workspace to do, as its refusals tell: a state of (Workspace, kind), told
//! once on the Workspace. Of all who wait for it one call finds out, now and then, whether it is allowed by now.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use emnify::Error;
use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;

use crate::{
    caller::Caller,
    kind::{Change, Managed, Verb},
    plan::{Step, Told, Trouble},
    reason,
    shared::Shared,
    verdict::Effect,
};

/// What was refused is tried again after this time, by one call.
const PROBE: SignedDuration = SignedDuration::from_secs(330);
/// A 403 in emnify's own words may be about one object: it is about the login when so many objects met it in a row.
pub(crate) const IN_A_ROW: usize = 3;

/// What a call does, as far as a role may allow it or not.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Doing {
    /// Reads the listing.
    List,
    /// Reads one object.
    Read,
    /// Reads a piece of one object.
    Piece(String),
    /// Makes an object.
    Create,
    /// Changes one.
    Update,
    /// Deletes or revokes one.
    Delete,
}

impl fmt::Display for Doing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::List => f.write_str("list"),
            Self::Read => f.write_str("read"),
            Self::Piece(piece) => write!(f, "read the {piece} of"),
            Self::Create => f.write_str("create"),
            Self::Update => f.write_str("change"),
            Self::Delete => f.write_str("delete"),
        }
    }
}

type What = (&'static str, Doing);

/// What was refused to one login.
#[derive(Debug, Default)]
pub(crate) struct Role(Mutex<BTreeMap<What, Lack>>);

#[derive(Debug, Default)]
struct Lack {
    /// Who met it, since it was last allowed.
    met: BTreeSet<String>,
    words: String,
    /// When it is tried again; unset while it may be the fault of few objects.
    until: Option<Timestamp>,
}

impl Lack {
    /// When it is tried again, unless that is due. A clock that was set back makes nobody wait longer.
    fn pauses(&self, now: Timestamp) -> Option<Timestamp> {
        self.until.filter(|until| *until > now && until.duration_since(now) <= PROBE)
    }
}

impl Role {
    /// A call for `who` was refused; true if that is news about the login.
    fn refuse(&self, what: What, who: &str, sure: bool, words: &str, now: Timestamp) -> bool {
        let mut lacks = self.0.lock();
        let lack = lacks.entry(what).or_default();
        lack.met.insert(who.to_owned());
        if !sure && lack.until.is_none() && lack.met.len() < IN_A_ROW {
            return false;
        }
        lack.met.clear();
        let news = lack.until.is_none();
        words.clone_into(&mut lack.words);
        lack.until = now.checked_add(PROBE).ok();
        news
    }

    /// A call was carried out; true if the login was not allowed that before.
    fn allow(&self, what: &What) -> bool {
        self.0.lock().remove(what).is_some_and(|lack| lack.until.is_some())
    }

    /// Until when nothing of this is tried.
    fn pauses(&self, what: &What, now: Timestamp) -> Option<Timestamp> {
        self.0.lock().get(what)?.pauses(now)
    }

    /// True for one caller at a time when it is due, and always where nothing was refused.
    fn turn(&self, what: &What, now: Timestamp) -> bool {
        let mut lacks = self.0.lock();
        let Some(lack) = lacks.get_mut(what) else { return true };
        if lack.pauses(now).is_some() {
            return false;
        }
        if lack.until.is_some() {
            lack.until = now.checked_add(PROBE).ok();
        }
        true
    }

    /// Who had the turn did not use it: it is the next one's.
    fn give_back(&self, what: &What, now: Timestamp) {
        if let Some(until) = self.0.lock().get_mut(what).and_then(|lack| lack.until.as_mut()) {
            *until = now;
        }
    }

    fn lacks(&self, what: &What) -> bool {
        self.0.lock().get(what).is_some_and(|lack| lack.until.is_some())
    }
}

impl Caller {
    /// What emnify does not allow the login, each with emnify's words.
    pub fn lacks(&self) -> Vec<String> {
        let lacks = self.role.0.lock();
        let known = lacks.iter().filter(|(_, lack)| lack.until.is_some());
        known.map(|((kind, doing), lack)| format!("{doing} {kind} ({})", lack.words)).collect()
    }

    /// It has another login, which may be one to a larger role; true if something was refused to the one before.
    pub fn renewed(&self) -> bool {
        self.clear_refusal();
        let before = std::mem::take(&mut *self.role.0.lock());
        before.values().any(|lack| lack.until.is_some())
    }

    /// The login may read the listing of a kind, as far as is known.
    pub(crate) fn lists(&self, kind: &'static str) -> bool {
        !self.role.lacks(&(kind, Doing::List))
    }

    /// This call may be sent now: nothing of the kind was refused, or it is its turn to find out.
    pub(crate) fn may_try<K: Managed>(&self, doing: Doing, now: Timestamp) -> bool {
        self.role.turn(&(K::KIND, doing), now)
    }

    /// What [`Self::may_try`] allowed was not sent after all.
    pub(crate) fn not_tried<K: Managed>(&self, doing: Doing, now: Timestamp) {
        self.role.give_back(&(K::KIND, doing), now);
    }

    /// Why this is not tried now, if it was refused to the login.
    pub(crate) fn barred<K: Managed>(&self, doing: Doing, now: Timestamp) -> Option<Trouble> {
        let what = (K::KIND, doing);
        let until = self.role.pauses(&what, now)?;
        let message = format!(
            "emnify does not allow the login of {} to {} {}; the condition {} of the workspace says more",
            self.key,
            what.1,
            K::KIND,
            reason::condition::RESTRICTED,
        );
        Some(Trouble { reason: reason::UNAUTHORIZED, message, effect: Effect::Keep, until })
    }

    /// A reading failed that is for everybody; whether the login still works is found out by its owner.
    pub(crate) fn unheard(&self, error: &Error) {
        if let Error::Unauthorized { status: 401, .. } | Error::OtherOrganisation { .. } = error {
            self.report_refusal(error);
        }
    }

    /// A call failed, and perhaps not for the sake of `who` alone.
    pub(crate) fn failed<K: Managed>(&self, doing: Doing, who: &str, error: &Error, now: Timestamp) {
        let changes = matches!(doing, Doing::Create | Doing::Update | Doing::Delete);
        let sure = match error {
            Error::Unauthorized { status: 403, .. } => true,
            Error::Rejected { status: 403, .. } if changes => false,
            Error::Unauthorized { .. } | Error::OtherOrganisation { .. } => {
                return self.report_refusal(error);
            }
            _ => return,
        };
        if self.role.refuse((K::KIND, doing), who, sure, &error.to_string(), now) {
            tracing::warn!(kind = K::KIND, workspace = %self.key, %error, "the login may not do this");
            self.wake();
        }
    }
}

impl Shared {
    /// A call was carried out. If the login was not allowed that until now, whoever waits for it tries again.
    pub(crate) fn allowed<K: Managed>(&self, caller: &Caller, doing: Doing) {
        if caller.role.allow(&(K::KIND, doing)) {
            tracing::info!(kind = K::KIND, workspace = %caller.key, "the login may do this again");
            caller.wake();
            self.kinds().for_each(|kind| kind.allowed_again(&caller.key));
        }
    }
}

/// A step that was refused to the login is not taken now.
pub(crate) fn held_back<K: Managed>(
    step: &Step<K>,
    caller: &Caller,
    now: Timestamp,
) -> Option<(Told, Timestamp)> {
    let trouble = of_step(step).into_iter().find_map(|doing| caller.barred::<K>(doing, now))?;
    Some((Told::new(trouble.reason, trouble.message), trouble.until))
}

/// What the next call of a step does.
fn of_step<K: Managed>(step: &Step<K>) -> Vec<Doing> {
    match step {
        Step::Read(_) if K::FACTS.has_read => vec![Doing::Read],
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

/// Reading a piece of an object.
pub(crate) fn piece<K: Managed>(part: &K::Part) -> Doing {
    Doing::Piece(format!("{part:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHAT: What = ("Toy", Doing::Create);

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    #[test]
    fn a_refusal_by_role_lets_one_call_through_every_five_and_a_half_minutes() {
        let role = Role::default();
        assert!(role.turn(&WHAT, at(0)), "nothing was refused");
        assert!(role.refuse(WHAT, "a", true, "no", at(0)), "told");
        assert!(!role.turn(&WHAT, at(329)));
        assert!(role.turn(&WHAT, at(330)) && !role.turn(&WHAT, at(330)), "one finds out for all");
        assert!(!role.refuse(WHAT, "b", true, "no", at(331)), "told once");
        assert!(!role.turn(&WHAT, at(600)) && role.turn(&("Toy", Doing::Delete), at(600)), "of this alone");
        assert!(role.allow(&WHAT) && role.turn(&WHAT, at(601)) && !role.allow(&WHAT));
    }

    #[test]
    fn a_turn_that_was_not_used_is_the_next_ones() {
        let role = Role::default();
        role.give_back(&WHAT, at(0));
        assert!(role.turn(&WHAT, at(0)), "nothing was refused");
        role.refuse(WHAT, "a", true, "no", at(0));
        assert!(role.turn(&WHAT, at(330)));
        role.give_back(&WHAT, at(331));
        assert!(role.turn(&WHAT, at(331)), "nobody has found out");
        assert!(!role.turn(&WHAT, at(332)), "and again one at a time");
        assert!(role.lacks(&WHAT), "what was refused is still told");
    }

    #[test]
    fn a_403_in_emnifys_words_is_about_the_login_once_three_objects_met_it() {
        let role = Role::default();
        for who in ["a", "b", "b", "a"] {
            assert!(
                !role.refuse(WHAT, who, false, "no", at(0)) && role.turn(&WHAT, at(0)),
                "{who}: two objects"
            );
        }
        role.allow(&WHAT);
        assert!(!role.refuse(WHAT, "c", false, "no", at(1)), "another was allowed between");
        role.refuse(WHAT, "d", false, "no", at(1));
        assert!(role.refuse(WHAT, "e", false, "no", at(1)) && !role.turn(&WHAT, at(2)));
    }

    #[test]
    fn a_clock_that_is_set_back_makes_nobody_wait_longer() {
        let role = Role::default();
        role.refuse(WHAT, "a", true, "no", at(100_000));
        assert!(role.turn(&WHAT, at(0)));
    }
}
