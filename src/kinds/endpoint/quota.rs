//! Allowances of data (MB) and SMS (messages): one rule for both.
//!
//! emnify keeps one number, the remaining volume, and every POST overwrites it. The spec's allowance is not that
//! number. So an allowance is posted in full only when it changed in the spec; when only its end or its settings
//! changed, what remains is posted back unchanged.

use emnify::wire::quota::status;
use emnify_engine::kind::Invalid;
use jiff::Timestamp;

use super::spec::SetAllowance;
use crate::api::{Date, Duration};

/// A quota as emnify shows it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Live {
    /// What remains, in MB or messages; may be slightly negative.
    pub volume: f64,
    /// What was last given.
    pub last_added: Option<f64>,
    /// Its end.
    pub expiry: Option<Timestamp>,
    /// Refilled daily.
    pub auto_refill: Option<bool>,
    /// Percentage for the warning event.
    pub threshold: Option<f64>,
    /// What we posted since the last start, for the status; emnify knows nothing of it.
    pub posted: Option<SetAllowance>,
}

/// When an allowance ends.
#[derive(Clone, Debug, PartialEq)]
pub enum Term {
    /// So long after it is set.
    Period(String, std::time::Duration),
    /// Then.
    Expiry(Timestamp),
}

impl Term {
    fn text(&self) -> String {
        match self {
            Self::Period(text, _) => text.clone(),
            Self::Expiry(at) => at.to_string(),
        }
    }

    fn end(&self, now: Timestamp) -> Timestamp {
        match self {
            Self::Period(_, length) => {
                let length = jiff::SignedDuration::try_from(*length).unwrap_or(jiff::SignedDuration::MAX);
                now.checked_add(length).unwrap_or(Timestamp::MAX)
            }
            Self::Expiry(at) => *at,
        }
    }
}

/// An allowance as the spec wants it.
#[derive(Clone, Debug, PartialEq)]
pub struct Want {
    /// MB or messages.
    pub allowance: f64,
    /// Its end.
    pub term: Term,
    /// Unset: unmanaged.
    pub auto_refill: Option<bool>,
    /// Unset: unmanaged.
    pub threshold: Option<f64>,
}

impl Want {
    /// Reads the end of an allowance at `path`.
    pub fn term(path: &str, period: Option<&Duration>, expiry: Option<&Date>) -> Result<Term, Invalid> {
        match (period, expiry) {
            (Some(period), None) => {
                let path = format!("{path}.period");
                Ok(Term::Period(period.to_string(), period.get(&path)?))
            }
            (None, Some(expiry)) => {
                let at = expiry.get(&format!("{path}.expiry"))?;
                // The API keeps whole seconds. [R]
                Ok(Term::Expiry(Timestamp::from_second(at.as_second()).unwrap_or(at)))
            }
            _ => Err(Invalid::new(path, "set exactly one of period, expiry")),
        }
    }

    /// How the status remembers it, with its end where that is known.
    pub fn remembered(&self, ends: Option<Timestamp>) -> SetAllowance {
        let ends = ends.map(|at| at.to_string());
        SetAllowance { allowance: self.allowance.to_string(), term: self.term.text(), ends }
    }

    /// It was given as it is wanted, and that is over, or may be: giving it again would restore what was used.
    fn spent(&self, given: &SetAllowance, now: Timestamp) -> bool {
        let ends = match self.term {
            Term::Expiry(at) => Some(at),
            Term::Period(..) => given.ends.as_deref().and_then(|at| at.parse().ok()),
        };
        let same = given.allowance == self.allowance.to_string() && given.term == self.term.text();
        same && ends.is_none_or(|ends| ends <= now)
    }
}

/// A quota to post: everything that emnify needs, since a POST overwrites. [S]
#[derive(Clone, Debug, PartialEq)]
pub struct Post {
    /// What remains, MB or messages.
    pub volume: f64,
    /// The allowance.
    pub last_added: f64,
    /// Status id.
    pub status: i64,
    /// Its end.
    pub expiry: Timestamp,
    /// Refilled daily.
    pub auto_refill: Option<bool>,
    /// Percentage for the warning event.
    pub threshold: Option<f64>,
    /// For the status, once it was accepted.
    pub remember: SetAllowance,
    /// What it changes, for people: `(field, old, new)`.
    pub changed: Vec<(&'static str, String, String)>,
}

impl Post {
    /// What emnify holds afterwards.
    pub fn live(&self) -> Live {
        Live {
            volume: self.volume,
            last_added: Some(self.last_added),
            expiry: Some(self.expiry),
            auto_refill: self.auto_refill,
            threshold: self.threshold,
            posted: Some(self.remember.clone()),
        }
    }
}

/// Decides whether an allowance has to be posted. `remembered` is what the status says was set last.
pub fn diff(
    want: &Want,
    live: Option<&Live>,
    remembered: Option<&SetAllowance>,
    now: Timestamp,
) -> Option<Post> {
    let remember = want.remembered(None);
    let Some(live) = live else {
        if remembered.is_some_and(|given| want.spent(given, now)) {
            return None;
        }
        let changed = vec![("allowance", "none".into(), remember.allowance.clone())];
        return Some(full(want, None, remember, now, changed));
    };
    let remembered = live.posted.as_ref().or(remembered);
    let given = live.last_added == Some(want.allowance);
    let same_allowance = given || remembered.is_some_and(|r| r.allowance == remember.allowance);
    let changed = settings(want, live, remembered);
    if !same_allowance {
        let old = remembered.map_or_else(
            || live.last_added.map_or_else(|| "unknown".into(), |v| v.to_string()),
            |r| r.allowance.clone(),
        );
        let mut all = vec![("allowance", old, remember.allowance.clone())];
        all.extend(changed);
        return Some(full(want, Some(live), remember, now, all));
    }
    if changed.is_empty() {
        return None;
    }
    let expiry = match &want.term {
        Term::Period(..) if !changed.iter().any(|(field, ..)| *field == "period") => live.expiry,
        _ => None,
    };
    let expiry = expiry.unwrap_or_else(|| want.term.end(now));
    Some(Post {
        volume: live.volume,
        status: if live.volume > 0.0 { status::ACTIVE } else { status::EXHAUSTED },
        expiry,
        remember: want.remembered(Some(expiry)),
        ..full(want, Some(live), remember, now, changed)
    })
}

/// What differs besides the allowance.
fn settings(
    want: &Want,
    live: &Live,
    remembered: Option<&SetAllowance>,
) -> Vec<(&'static str, String, String)> {
    let mut changed = Vec::new();
    let text = |value: Option<String>| value.unwrap_or_else(|| "unset".into());
    match &want.term {
        Term::Expiry(at) if live.expiry != Some(*at) => {
            changed.push(("expiry", text(live.expiry.map(|at| at.to_string())), at.to_string()));
        }
        Term::Period(period, _) => {
            if let Some(old) = remembered.map(|r| &r.term).filter(|term| *term != period) {
                changed.push(("period", old.clone(), period.clone()));
            }
        }
        Term::Expiry(_) => {}
    }
    if let Some(refill) = want.auto_refill
        && live.auto_refill.unwrap_or(false) != refill
    {
        changed.push(("autoRefill", text(live.auto_refill.map(|b| b.to_string())), refill.to_string()));
    }
    if let Some(threshold) = want.threshold
        && live.threshold != Some(threshold)
    {
        let old = text(live.threshold.map(|t| t.to_string()));
        changed.push(("thresholdPercentage", old, threshold.to_string()));
    }
    changed
}

/// The whole allowance anew; settings that the spec leaves out stay as they are.
fn full(
    want: &Want,
    live: Option<&Live>,
    remember: SetAllowance,
    now: Timestamp,
    changed: Vec<(&'static str, String, String)>,
) -> Post {
    let expiry = want.term.end(now);
    let remember = SetAllowance { ends: Some(expiry.to_string()), ..remember };
    Post {
        volume: want.allowance,
        last_added: want.allowance,
        status: status::ACTIVE,
        expiry,
        auto_refill: want.auto_refill.or(live.and_then(|l| l.auto_refill)),
        threshold: want.threshold.or(live.and_then(|l| l.threshold)),
        remember,
        changed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-06-01T00:00:00Z".parse().unwrap()
    }

    fn want(allowance: f64) -> Want {
        let term = Want::term("quota.data", Some(&"720h".into()), None).unwrap();
        Want { allowance, term, auto_refill: None, threshold: None }
    }

    fn used(post: &Post, volume: f64) -> Live {
        Live { volume, posted: None, ..post.live() }
    }

    #[test]
    fn an_allowance_is_posted_once_and_use_never_restored() {
        let post = diff(&want(100.0), None, None, now()).expect("there is none yet");
        assert_eq!((post.volume, post.expiry), (100.0, "2026-07-01T00:00:00Z".parse().unwrap()));
        for volume in [60.0, 0.0, -0.5] {
            let live = used(&post, volume);
            assert_eq!(
                diff(&want(100.0), Some(&live), Some(&post.remember), now()),
                None,
                "{volume} MB left"
            );
        }
    }

    #[test]
    fn an_allowance_whose_end_has_passed_is_not_given_again() {
        let post = diff(&want(100.0), None, None, now()).unwrap();
        let (before, after) =
            ("2026-06-30T00:00:00Z".parse().unwrap(), "2026-07-02T00:00:00Z".parse().unwrap());
        let given = Some(&post.remember);
        assert!(diff(&want(100.0), None, given, before).is_some(), "somebody deleted it before its end");
        assert_eq!(diff(&want(100.0), None, given, after), None, "it has ended: a period is given once");
        assert!(diff(&want(200.0), None, given, after).is_some(), "another allowance is a new one");
        let old = SetAllowance { ends: None, ..post.remember.clone() };
        assert_eq!(
            diff(&want(100.0), None, Some(&old), before),
            None,
            "whose end nobody knows is not repeated"
        );
        let term = Want::term("q", None, Some(&"2026-06-15T00:00:00Z".into())).unwrap();
        let dated = Want { term, ..want(100.0) };
        let post = diff(&dated, None, None, now()).unwrap();
        assert_eq!(diff(&dated, None, Some(&post.remember), before), None, "a date that has passed neither");
    }

    #[test]
    fn a_top_up_in_the_portal_is_not_taken_back() {
        let post = diff(&want(100.0), None, None, now()).unwrap();
        let topped_up = Live { last_added: Some(50.0), volume: 90.0, ..used(&post, 40.0) };
        assert_eq!(diff(&want(100.0), Some(&topped_up), Some(&post.remember), now()), None);
    }

    #[test]
    fn a_changed_allowance_is_posted_in_full() {
        let post = diff(&want(100.0), None, None, now()).unwrap();
        let more = diff(&want(200.0), Some(&used(&post, 3.0)), Some(&post.remember), now()).unwrap();
        assert_eq!((more.volume, more.last_added), (200.0, 200.0));
        assert_eq!(more.changed[0], ("allowance", "100".into(), "200".into()));
    }

    #[test]
    fn a_crash_between_post_and_status_does_not_give_the_allowance_twice() {
        let old = diff(&want(100.0), None, None, now()).unwrap();
        let post = diff(&want(200.0), Some(&used(&old, 3.0)), Some(&old.remember), now()).unwrap();
        let found = used(&post, 150.0);
        assert_eq!(
            diff(&want(200.0), Some(&found), Some(&old.remember), now()),
            None,
            "the status is one step behind"
        );
        assert_eq!(diff(&want(200.0), Some(&found), None, now()), None, "the status is lost");
    }

    #[test]
    fn a_changed_end_or_setting_keeps_what_remains() {
        let post = diff(&want(100.0), None, None, now()).unwrap();
        let live = used(&post, 12.5);
        let longer = Want { term: Want::term("q", Some(&"1440h".into()), None).unwrap(), ..want(100.0) };
        let longer = diff(&longer, Some(&live), Some(&post.remember), now()).unwrap();
        assert!((longer.volume - 12.5).abs() < f64::EPSILON, "used volume stays used");
        let refill = Want { auto_refill: Some(true), ..want(100.0) };
        let later = "2026-06-11T00:00:00Z".parse().unwrap();
        let refill = diff(&refill, Some(&live), Some(&post.remember), later).unwrap();
        assert_eq!((refill.volume, refill.expiry), (12.5, post.expiry), "and the end stays the end");
        let exhausted = Want { threshold: Some(80.0), ..want(100.0) };
        let exhausted = diff(&exhausted, Some(&used(&post, 0.0)), Some(&post.remember), now()).unwrap();
        assert_eq!(exhausted.status, status::EXHAUSTED, "an exhausted quota stays exhausted");
    }

    #[test]
    fn an_end_moved_in_the_portal_is_moved_back_only_when_the_spec_names_a_date() {
        let fixed = Want {
            term: Want::term("q", None, Some(&"2026-12-31T00:00:00Z".into())).unwrap(),
            ..want(100.0)
        };
        let post = diff(&fixed, None, None, now()).unwrap();
        let moved = Live { expiry: Some(now()), ..used(&post, 7.0) };
        let back = diff(&fixed, Some(&moved), Some(&post.remember), now()).unwrap();
        assert_eq!((back.volume, back.expiry), (7.0, post.expiry));
        let post = diff(&want(100.0), None, None, now()).unwrap();
        let moved = Live { expiry: Some(now()), ..used(&post, 7.0) };
        assert_eq!(
            diff(&want(100.0), Some(&moved), Some(&post.remember), now()),
            None,
            "a period is not a date"
        );
    }

    #[test]
    fn exactly_one_end() {
        let error = Want::term("quota.sms", None, None).unwrap_err();
        assert_eq!(error.path, "quota.sms");
    }
}
