//! Which passwords of a person were sent and what is known of each. It is written down before one is sent: emnify locks a user
//! out after three refusals in a row [S], and neither a restart nor a lost answer may make the operator the cause.

use serde::{Deserialize, Serialize};

/// So many refusals in a row, or sendings that may have been refused, and a person has to say that it goes on.
const MOST: usize = 2;

/// What was sent since emnify last took a password of this user.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Passwords {
    /// In order.
    #[serde(default)]
    row: Vec<Sent>,
    /// The credential that the password is being changed to. Whether it was, is not known.
    #[serde(default)]
    changing: Option<String>,
    /// The credential that emnify itself says the password was changed to.
    #[serde(default)]
    right: Option<String>,
    /// Credentials that were not right when another one was.
    #[serde(default)]
    wrong: Vec<String>,
}

/// So many that were wrong are remembered.
const MOST_WRONG: usize = 8;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Sent {
    /// Digest of the credential.
    credential: String,
    /// What emnify said.
    said: Said,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Said {
    /// Nobody knows.
    Unknown,
    /// It is not the password.
    No,
    /// It was not the password before it was changed to it.
    NotThen,
}

impl Passwords {
    /// emnify refused this credential.
    pub fn refused(&self, credential: &str) -> bool {
        self.wrong.iter().any(|wrong| wrong == credential)
            || self.row.iter().any(|sent| sent.said == Said::No && sent.credential == credential)
    }

    /// It was sent, and nobody knows what emnify said.
    pub fn in_doubt(&self, credential: &str) -> bool {
        self.row.iter().any(|sent| sent.said == Said::Unknown && sent.credential == credential)
            && !self.outdated(credential)
    }

    /// The password was changed to it since emnify refused it.
    pub fn outdated(&self, credential: &str) -> bool {
        let own = || self.row.iter().filter(|sent| sent.credential == credential);
        let changed =
            self.right.as_deref() == Some(credential) || own().any(|sent| sent.said == Said::NotThen);
        changed && own().all(|sent| sent.said != Said::No)
    }

    /// This credential may be sent without a person saying so. `worked`: it did the last time, so that a lost answer was
    /// hardly a refusal.
    pub fn may_send(&self, credential: &str, worked: bool) -> bool {
        let surely = worked || self.right.as_deref() == Some(credential);
        let own = self.row.iter().all(|sent| sent.credential == credential && sent.said != Said::No);
        !self.refused(credential) && (self.row.len() < MOST || (surely && own))
    }

    /// It is about to be sent.
    pub fn sends(&mut self, credential: &str) {
        self.row.push(Sent { credential: credential.to_owned(), said: Said::Unknown });
        // what matters is whether there are too many
        self.row.truncate(MOST + 1);
    }

    /// emnify said no to what was sent last.
    pub fn was_refused(&mut self, credential: &str) {
        if let Some(sent) = self.row.iter_mut().rev().find(|sent| sent.credential == credential) {
            sent.said = Said::No;
        }
        self.right = self.right.take().filter(|right| right != credential);
    }

    /// What was to be sent last never reached emnify.
    pub fn was_not_sent(&mut self) {
        if self.row.last().is_some_and(|sent| sent.said == Said::Unknown) {
            self.row.pop();
        }
    }

    /// emnify took this one: it counts from none again, and what was sent in vain before is not the password.
    pub fn worked(&mut self, credential: &str) {
        for sent in self.row.drain(..).filter(|sent| sent.said != Said::NotThen) {
            if !self.wrong.contains(&sent.credential) {
                self.wrong.push(sent.credential);
            }
        }
        self.wrong.retain(|wrong| wrong != credential);
        let old = self.wrong.len().saturating_sub(MOST_WRONG);
        self.wrong.drain(..old);
        self.right = None;
    }

    /// A person says that a credential is tried again.
    pub fn forget(&mut self) {
        self.row.clear();
        self.wrong.clear();
    }

    /// The password is about to be changed to that of a credential; true if it was so before, and may have been changed.
    pub fn changes_to(&mut self, credential: &str) -> bool {
        let before = self.changing.replace(credential.to_owned());
        before.as_deref() == Some(credential)
    }

    /// It was (`surely`: emnify says so), or may have been: what was said of that credential holds no more. It counts all the same.
    pub fn changed(&mut self, credential: &str, surely: bool) {
        self.wrong.retain(|wrong| wrong != credential);
        self.right = surely.then(|| credential.to_owned());
        for sent in self.row.iter_mut().filter(|sent| sent.credential == credential) {
            sent.said = Said::NotThen;
        }
        self.changing = None;
    }

    /// It was not.
    pub fn unchanged(&mut self) {
        self.changing = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_refused_is_not_sent_again() {
        let mut passwords = Passwords::default();
        passwords.sends("a");
        passwords.was_refused("a");
        assert!(!passwords.may_send("a", true), "however well it once worked");
        assert!(passwords.may_send("b", false), "another one may be right");
        passwords.worked("b");
        assert!(passwords.refused("a"), "nor after another one worked");
        passwords.worked("a");
        assert!(passwords.may_send("a", false), "until it works itself");
    }

    #[test]
    fn a_third_that_may_be_refused_is_never_sent() {
        let mut passwords = Passwords::default();
        for (credential, refused) in [("a", true), ("b", false)] {
            assert!(passwords.may_send(credential, false));
            passwords.sends(credential);
            if refused {
                passwords.was_refused(credential);
            }
        }
        for credential in ["a", "b", "c"] {
            assert!(!passwords.may_send(credential, true), "{credential} would be the third in a row");
        }
        passwords.forget();
        assert!(passwords.may_send("c", false), "unless a person says so");
    }

    #[test]
    fn lost_answers_do_not_stop_a_password_that_worked() {
        let mut passwords = Passwords::default();
        for _ in 0..9 {
            passwords.sends("a");
        }
        assert!(passwords.may_send("a", true) && !passwords.may_send("a", false));
        assert!(!passwords.may_send("b", true), "another one could be the third refusal");
    }

    #[test]
    fn what_was_in_doubt_when_another_one_worked_is_not_sent_again() {
        let mut passwords = Passwords::default();
        passwords.sends("new");
        passwords.sends("old");
        passwords.worked("old");
        assert!(passwords.refused("new") && passwords.may_send("old", false));
    }

    #[test]
    fn a_password_that_emnify_says_it_changed_to_is_tried_until_it_is_refused() {
        let mut passwords = Passwords::default();
        passwords.sends("new");
        passwords.was_refused("new");
        passwords.changed("new", true);
        for _ in 0..4 {
            passwords.sends("new");
            assert!(
                passwords.may_send("new", false) && passwords.outdated("new") && !passwords.in_doubt("new")
            );
        }
        passwords.was_refused("new");
        assert!(!passwords.may_send("new", true) && !passwords.outdated("new"));
    }

    #[test]
    fn what_never_reached_emnify_does_not_count() {
        let mut passwords = Passwords::default();
        for _ in 0..9 {
            assert!(passwords.may_send("a", false));
            passwords.sends("a");
            passwords.was_not_sent();
        }
        assert_eq!(passwords, Passwords::default());
    }

    #[test]
    fn a_change_that_was_begun_before_may_have_been_made() {
        let mut passwords = Passwords::default();
        passwords.sends("new");
        passwords.was_refused("new");
        assert!(!passwords.changes_to("new"), "the first time");
        let text = serde_json::to_string(&passwords).unwrap();
        let mut passwords: Passwords = serde_json::from_str(&text).unwrap();
        assert!(passwords.changes_to("new"), "after a crash");
        passwords.changed("new", false);
        assert!(passwords.may_send("new", false) && !passwords.in_doubt("new"), "it may be right by now");
        passwords.sends("new");
        passwords.was_refused("new");
        assert!(!passwords.may_send("old", true), "what was refused before the change counts");
    }
}
