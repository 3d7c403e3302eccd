//! What emnify does not allow the login of one Workspace to do, as its refusals tell: a state of (Workspace, kind), told
//! once on the Workspace. Of all who wait for it one call finds out, now and then, whether it is allowed by now.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;

use crate::kind::Managed;

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

pub(crate) type What = (&'static str, Doing);

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
    /// A call for `who` was refused, as the error says; true if that is news about the login. `sure`: it is not the fault of
    /// the object alone.
    pub(crate) fn refuse(&self, what: What, (who, sure): (&str, bool), words: &str, now: Timestamp) -> bool {
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
    pub(crate) fn allow(&self, what: &What) -> bool {
        self.0.lock().remove(what).is_some_and(|lack| lack.until.is_some())
    }

    /// Until when nothing of this is tried.
    pub(crate) fn pauses(&self, what: &What, now: Timestamp) -> Option<Timestamp> {
        self.0.lock().get(what)?.pauses(now)
    }

    /// True for one caller at a time when it is due, and always where nothing was refused.
    pub(crate) fn turn(&self, what: &What, now: Timestamp) -> bool {
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
    pub(crate) fn give_back(&self, what: &What, now: Timestamp) {
        if let Some(until) = self.0.lock().get_mut(what).and_then(|lack| lack.until.as_mut()) {
            *until = now;
        }
    }

    pub(crate) fn lacks(&self, what: &What) -> bool {
        self.0.lock().get(what).is_some_and(|lack| lack.until.is_some())
    }

    /// What is refused, each with emnify's words.
    pub(crate) fn all(&self) -> Vec<String> {
        let lacks = self.0.lock();
        let known = lacks.iter().filter(|(_, lack)| lack.until.is_some());
        known.map(|((kind, doing), lack)| format!("{doing} {kind} ({})", lack.words)).collect()
    }

    /// Another login may be allowed more; true if something was refused.
    pub(crate) fn reset(&self) -> bool {
        let before = std::mem::take(&mut *self.0.lock());
        before.values().any(|lack| lack.until.is_some())
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
        assert!(role.refuse(WHAT, ("a", true), "no", at(0)), "told");
        assert!(!role.turn(&WHAT, at(329)));
        assert!(role.turn(&WHAT, at(330)) && !role.turn(&WHAT, at(330)), "one finds out for all");
        assert!(!role.refuse(WHAT, ("b", true), "no", at(331)), "told once");
        assert!(!role.turn(&WHAT, at(600)) && role.turn(&("Toy", Doing::Delete), at(600)), "of this alone");
        assert!(role.allow(&WHAT) && role.turn(&WHAT, at(601)) && !role.allow(&WHAT));
    }

    #[test]
    fn a_turn_that_was_not_used_is_the_next_ones() {
        let role = Role::default();
        role.give_back(&WHAT, at(0));
        assert!(role.turn(&WHAT, at(0)), "nothing was refused");
        role.refuse(WHAT, ("a", true), "no", at(0));
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
                !role.refuse(WHAT, (who, false), "no", at(0)) && role.turn(&WHAT, at(0)),
                "{who}: two objects"
            );
        }
        role.allow(&WHAT);
        assert!(!role.refuse(WHAT, ("c", false), "no", at(1)), "another was allowed between");
        role.refuse(WHAT, ("d", false), "no", at(1));
        assert!(role.refuse(WHAT, ("e", false), "no", at(1)) && !role.turn(&WHAT, at(2)));
    }

    #[test]
    fn a_clock_that_is_set_back_makes_nobody_wait_longer() {
        let role = Role::default();
        role.refuse(WHAT, ("a", true), "no", at(100_000));
        assert!(role.turn(&WHAT, at(0)));
    }
}
