//! A second factor that the operator gives the user it logs in as: the key, and what to do next about it.
//!
//! emnify shows the key once, and from the moment that it is active nobody logs in without it. So the key is written into two Secrets
//! before it is activated: that of the session, and the one that the spec names. A key that was made and is in neither is removed.

use std::fmt;

use emnify::wire::user::SecondFactor as Shown;
use secrecy::SecretString;

/// Key of the Secret that holds the base32 key.
pub const KEY: &str = "totp";

/// A key that the operator made.
#[derive(Clone)]
pub struct SecondFactor {
    /// Secret that the spec names.
    pub secret: String,
    /// Id in emnify.
    pub id: i64,
    /// Base32 key.
    pub key: SecretString,
    /// The same for authenticators.
    pub otpauth: SecretString,
}

impl fmt::Debug for SecondFactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecondFactor")
            .field("secret", &self.secret)
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// What of the second factor was last seen to be in order: the generation, and whether the Secret was there.
pub type Checked = (Option<i64>, bool);

/// The Secret that the spec names.
#[derive(Clone, Debug)]
pub enum Output {
    /// It is not there.
    Missing,
    /// Somebody else's.
    Foreign,
    /// Ours, with the key or without.
    Ours(Option<SecondFactor>),
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// The key is active and where it belongs.
    Done,
    /// The Secret is somebody else's.
    Foreign,
    /// The user has another second factor.
    Occupied,
    /// The Secret is made, empty.
    Reserve,
    /// A key that nobody has is removed.
    Drop(i64),
    /// A key is made.
    Make,
    /// It is written into the Secret.
    Write,
    /// It is activated.
    Activate(i64),
}

/// What to do, given the key that is kept, the Secret, and what emnify has.
pub fn next(kept: Option<&SecondFactor>, output: &Output, active: &[i64], pending: &[i64]) -> Next {
    let written = match output {
        Output::Foreign => return Next::Foreign,
        Output::Missing | Output::Ours(None) => None,
        Output::Ours(Some(key)) => Some(key.id),
    };
    if let Some(id) = kept.map(|key| key.id).filter(|id| active.contains(id) || pending.contains(id)) {
        return match (output, written == Some(id), active.contains(&id)) {
            (Output::Missing, ..) => Next::Reserve,
            (_, false, _) => Next::Write,
            (_, true, true) => Next::Done,
            (_, true, false) => Next::Activate(id),
        };
    }
    match (active, pending, output) {
        ([_, ..], ..) => Next::Occupied,
        (_, [left, ..], _) => Next::Drop(*left),
        (_, _, Output::Missing) => Next::Reserve,
        _ => Next::Make,
    }
}

/// The ids of the keys that are active, and of those that are not yet.
pub fn keys(shown: &[Shown]) -> (Vec<i64>, Vec<i64>) {
    let (active, pending): (Vec<_>, Vec<_>) = shown.iter().partition(|key| key.is_active());
    let ids = |keys: Vec<&Shown>| keys.into_iter().map(|key| key.id).collect();
    (ids(active), ids(pending))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(id: i64) -> SecondFactor {
        let text = |text: &str| SecretString::from(text.to_owned());
        SecondFactor { secret: "mfa".into(), id, key: text("JBSWY3DP"), otpauth: text("otpauth://x") }
    }

    #[test]
    fn a_key_is_active_only_after_both_secrets_hold_it() {
        let (seven, none) = (key(7), Output::Ours(None));
        assert_eq!(next(None, &Output::Missing, &[], &[]), Next::Reserve, "the Secret first");
        assert_eq!(next(None, &none, &[], &[]), Next::Make);
        assert_eq!(next(None, &none, &[], &[7]), Next::Drop(7), "of which nobody has the key");
        assert_eq!(next(Some(&seven), &none, &[], &[7]), Next::Write);
        assert_eq!(next(Some(&seven), &Output::Ours(Some(key(7))), &[], &[7]), Next::Activate(7));
        assert_eq!(next(Some(&seven), &Output::Ours(Some(key(7))), &[7], &[]), Next::Done);
    }

    #[test]
    fn a_secret_that_was_lost_is_written_again_and_one_of_an_earlier_key_too() {
        let seven = key(7);
        assert_eq!(next(Some(&seven), &Output::Missing, &[7], &[]), Next::Reserve);
        assert_eq!(next(Some(&seven), &Output::Ours(None), &[7], &[]), Next::Write);
        assert_eq!(next(Some(&seven), &Output::Ours(Some(key(5))), &[7], &[]), Next::Write);
    }

    #[test]
    fn what_somebody_else_made_is_left_alone() {
        assert_eq!(next(None, &Output::Foreign, &[], &[]), Next::Foreign);
        assert_eq!(next(None, &Output::Ours(None), &[9], &[]), Next::Occupied);
        assert_eq!(
            next(Some(&key(7)), &Output::Ours(Some(key(7))), &[9], &[]),
            Next::Occupied,
            "ours is gone"
        );
        assert_eq!(
            next(Some(&key(7)), &Output::Ours(Some(key(7))), &[], &[]),
            Next::Make,
            "and a new one is made"
        );
    }

    #[test]
    fn no_key_shows_in_debug_output() {
        let shown = format!("{:?}", Output::Ours(Some(key(7))));
        assert!(!shown.contains("JBSWY3DP") && !shown.contains("otpauth"), "{shown}");
    }
}
