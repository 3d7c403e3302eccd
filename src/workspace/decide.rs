//! What to do about a workspace's login: one pure function of what is known, and one that learns from an outcome.
//!
//! A token that works is never given up for one that might: a changed credential is tried beside it.

use emnify::{Error, Identity};
use emnify_engine::kind::reason;
use jiff::{SignedDuration, Timestamp};

use super::{
    credentials::{Digests, Lack},
    passwords::Passwords,
    session_secret::Foreign,
    spec::{Cause, CredentialStatus, Organisation, Refused},
};
use crate::workspace::session_secret::CurrentLogin;

/// A refused application token is probed this often: at most 12 logins an hour.
pub const PROBE: SignedDuration = SignedDuration::from_secs(330);
/// The first pause after a login without an answer; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: SignedDuration = SignedDuration::from_secs(5);
const LONGEST_PAUSE: SignedDuration = SignedDuration::from_mins(5);
/// A token this close to its end may expire under way.
const MARGIN: SignedDuration = SignedDuration::from_secs(30);

/// Everything a decision depends on.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// Wall clock.
    pub now: Timestamp,
    /// `spec.suspend`, or the annotation.
    pub suspended: bool,
    /// Origin of `spec.baseUrl`, or why it may not be used.
    pub origin: Result<&'a str, &'a str>,
    /// `spec.organisationId`, else the organisation of the first login.
    pub pinned: Option<i64>,
    /// What the Secrets hold, or what is wrong with them.
    pub offer: Result<&'a Digests, &'a Problem>,
    /// The token at hand.
    pub current_login: Option<&'a CurrentLogin>,
    /// What earlier attempts taught.
    pub memory: &'a Memory,
    /// Passwords that were sent.
    pub passwords: &'a Passwords,
    /// The Secrets were there for this generation of the spec: what is missing now was taken away.
    pub came: bool,
    /// Value of the annotation `emnify.io/refresh`.
    pub refresh: Option<&'a str>,
}

/// Why there is nothing to log in with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Condition reason.
    pub reason: &'static str,
    /// Names the field and the mend.
    pub message: String,
    /// It may end by itself.
    pub passes: bool,
}

impl Problem {
    /// A person must act.
    pub fn stays(reason: &'static str, message: String) -> Self {
        Self { reason, message, passes: false }
    }
}

impl From<Lack> for Problem {
    /// A Secret that is missing, or does not hold what the spec says.
    fn from(Lack { invalid, absent }: Lack) -> Self {
        Self { reason: reason::REFERENCE_NOT_READY, message: invalid.to_string(), passes: absent }
    }
}

impl From<Foreign> for Problem {
    fn from(foreign: Foreign) -> Self {
        Self::stays(reason::SECRET_NOT_OWNED, foreign.to_string())
    }
}

/// What earlier attempts taught. All but the pause survives a restart in the status.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Memory {
    /// Accepted and refused credentials.
    pub credential: CredentialStatus,
    /// Value of the annotation `emnify.io/refresh` that was last handled.
    pub refreshed: Option<String>,
    /// Where the organisation was found: the objects of the workspace live there.
    pub lives_at: Option<String>,
    /// No login before this time.
    pub pause: Option<Pause>,
}

/// A pause after logins that failed without a verdict on the credential.
#[derive(Clone, Debug, PartialEq)]
pub struct Pause {
    /// No login before.
    pub until: Timestamp,
    /// Failures in a row.
    pub failures: u32,
    /// Reason of the condition.
    pub reason: &'static str,
    /// What happened.
    pub message: String,
}

/// What to do, and what to show meanwhile.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// The token at hand may be used for calls.
    pub serve: bool,
    /// What to send now.
    pub step: Step,
    /// What the conditions say.
    pub verdict: Verdict,
    /// Look again at this time even if nothing changes.
    pub wake_at: Option<Timestamp>,
}

/// What to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing.
    Rest,
    /// A new token for the session at hand: by its refresh token, else by the same credential.
    Refresh,
    /// A login with what the Secrets hold now, beside the session at hand.
    Login,
    /// A login with the password of before.
    LoginBefore,
    /// The password is changed to the new one, with the session at hand, which is one with the password of before.
    ChangePassword,
}

/// What the conditions say; `Ready` is kept where a session goes on working.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// In step.
    Ready,
    /// Suspended on request.
    Suspended,
    /// Under way or waiting; nobody has to act.
    Waiting {
        /// Condition reason.
        reason: &'static str,
        /// For people.
        message: String,
    },
    /// A person must act.
    Stalled {
        /// Condition reason.
        reason: &'static str,
        /// Names the field and the mend.
        message: String,
    },
}

impl CurrentLogin {
    fn usable(&self, origin: &str, pinned: Option<i64>, now: Timestamp) -> bool {
        let alive = self.identity.expires_at.duration_since(now) > MARGIN && !self.refused;
        alive && self.origin == origin && pinned.is_none_or(|pinned| pinned == self.identity.organisation_id)
    }
}

/// What to do about the login.
pub fn decide(facts: &Facts<'_>) -> Decision {
    if facts.suspended {
        return Decision { serve: false, step: Step::Rest, verdict: Verdict::Suspended, wake_at: None };
    }
    let origin = match facts.origin {
        Ok(origin) => origin,
        Err(message) => return stalled(None, reason::INVALID_SPEC, format!("spec.baseUrl: {message}"), None),
    };
    if let Some(home) = facts.memory.lives_at.as_deref().filter(|home| *home != origin && !forced(facts)) {
        return stalled(None, reason::WORKSPACE_CHANGED, moved(home, origin), None);
    }
    let current_login =
        facts.current_login.filter(|current_login| current_login.usable(origin, facts.pinned, facts.now));
    let offer = match facts.offer {
        Ok(offer) => offer,
        // in Git's order the Secret may well come after the workspace; who waits for both would take a stall for the end
        Err(problem) if problem.passes && !facts.came => {
            let verdict = Verdict::Waiting { reason: problem.reason, message: problem.message.clone() };
            let wake_at = current_login.map(|current_login| current_login.identity.expires_at);
            return Decision { serve: current_login.is_some(), step: Step::Rest, verdict, wake_at };
        }
        Err(problem) => return stalled(current_login, problem.reason, problem.message.clone(), None),
    };
    match current_login {
        Some(same) if same.credential == offer.credential => {
            let due = same.identity.refresh_at();
            if facts.now < due && !forced(facts) {
                return Decision {
                    serve: true,
                    step: Step::Rest,
                    verdict: Verdict::Ready,
                    wake_at: Some(due),
                };
            }
            gate(facts, current_login, offer, Step::Refresh)
        }
        _ => gate(facts, current_login, offer, Step::Login),
    }
}

/// An id says nothing at another address.
fn moved(home: &str, origin: &str) -> String {
    format!(
        "spec.baseUrl: the objects of this workspace live at {home}, and this is {origin}; set it back, or, if the same organisation is \
         found there, confirm it with a new value of the annotation {}",
        reason::annotation::REFRESH
    )
}

/// Lets a step through unless an earlier attempt says that it is useless or too early.
fn gate(facts: &Facts<'_>, current_login: Option<&CurrentLogin>, offer: &Digests, step: Step) -> Decision {
    let attempt = offer.attempt(facts.memory.credential.used_code.as_deref());
    let refused = refusal(facts, &attempt);
    if let Some(refused) = refused.as_ref().filter(|refused| stands(refused, facts)) {
        if let Some(decision) = rotate(facts, current_login, offer, refused) {
            return decision;
        }
        let message = mend(refused, offer, facts);
        let reason = match refused.cause {
            Cause::OtherOrganisation => reason::WORKSPACE_CHANGED,
            Cause::Credential | Cause::SecondFactor => reason::UNAUTHORIZED,
        };
        let probe =
            (offer.probing && refused.cause == Cause::Credential).then(|| probe_at(refused)).flatten();
        let due = probe.is_some_and(|at| at <= facts.now);
        let decision = stalled(current_login, reason, message, probe);
        return if due { Decision { step, wake_at: None, ..decision } } else { decision };
    }
    if let Some(decision) = paused(facts, current_login) {
        return decision;
    }
    let worked = facts.memory.credential.accepted.as_ref() == Some(&offer.credential);
    let by_password = !offer.probing && step == Step::Login;
    if by_password && !forced(facts) && !facts.passwords.may_send(&attempt, worked) {
        return stalled(current_login, reason::UNAUTHORIZED, doubt(offer), None);
    }
    let verdict = Verdict::Waiting { reason: reason::PROGRESSING, message: "logging in to emnify".into() };
    Decision { serve: current_login.is_some(), step, verdict, wake_at: None }
}

/// A pause after logins that failed without a verdict.
fn paused(facts: &Facts<'_>, current_login: Option<&CurrentLogin>) -> Option<Decision> {
    let pause = facts.memory.pause.as_ref().filter(|pause| facts.now < pause.until)?;
    let verdict = Verdict::Waiting { reason: pause.reason, message: pause.message.clone() };
    Some(Decision { serve: current_login.is_some(), step: Step::Rest, verdict, wake_at: Some(pause.until) })
}

/// What is known to have been refused: by the status, or where a crash came before that, by the session's Secret.
fn refusal(facts: &Facts<'_>, attempt: &str) -> Option<Refused> {
    let told = facts.memory.credential.refused.as_ref().filter(|refused| refused.credential == attempt);
    let passwords = facts.passwords;
    // the status is written after the session's Secret
    let told = told.filter(|refused| refused.cause != Cause::Credential || !passwords.outdated(attempt));
    // with another password to go on with, one that may have been refused is not tried a second time
    let before = facts.offer.ok().and_then(|offer| offer.previous.as_deref());
    let goes_on = before.is_some_and(|before| {
        passwords.may_send(before, false)
            || facts.current_login.is_some_and(|login| login.credential == before)
    });
    let said_no = passwords.refused(attempt) || (goes_on && passwords.in_doubt(attempt));
    told.cloned().or_else(|| {
        said_no.then(|| Refused {
            credential: attempt.to_owned(),
            cause: Cause::Credential,
            organisation: None,
            wanted: None,
            at: facts.now.to_string().into(),
        })
    })
}

/// The new password was refused, and there is the one of before: with that the new one is put in its place.
fn rotate(
    facts: &Facts<'_>,
    current_login: Option<&CurrentLogin>,
    offer: &Digests,
    refused: &Refused,
) -> Option<Decision> {
    let previous = offer.previous.as_deref().filter(|_| refused.cause == Cause::Credential)?;
    if facts.memory.credential.change_refused.as_deref() == Some(&pair(&offer.credential, previous)) {
        return None;
    }
    let step = match current_login {
        Some(login) if login.credential == previous => Step::ChangePassword,
        _ if facts.passwords.may_send(previous, false) => Step::LoginBefore,
        _ => return None,
    };
    if let Some(decision) = paused(facts, current_login) {
        return Some(decision);
    }
    let message = "changing the password to the new one".to_owned();
    let verdict = Verdict::Waiting { reason: reason::PROGRESSING, message };
    Some(Decision { serve: current_login.is_some(), step, verdict, wake_at: None })
}

/// Two credentials, as `status.credential.changeRefused` holds them.
pub fn pair(new: &str, previous: &str) -> String {
    format!("{new}/{previous}")
}

/// Nobody knows whether the password was refused.
fn doubt(offer: &Digests) -> String {
    format!(
        "{}: it is not known what emnify said to the last two logins as this user, and a third refusal would lock the user out;          see that the Secret is right, then set a new value of the annotation {} to try again",
        offer.path,
        reason::annotation::REFRESH
    )
}

/// Whether a refusal still says something: not when the refresh annotation asks anew, nor when the spec now names the
/// organisation that the credential belongs to.
fn stands(refused: &Refused, facts: &Facts<'_>) -> bool {
    let wanted =
        |organisation: &Organisation| facts.pinned.is_some_and(|id| id.to_string() == organisation.id);
    let same = |before: &String| facts.pinned.is_some_and(|id| id.to_string() == *before);
    !forced(facts)
        && !refused.organisation.as_ref().is_some_and(wanted)
        && refused.wanted.as_ref().is_none_or(same)
}

fn forced(facts: &Facts<'_>) -> bool {
    facts.refresh.is_some() && facts.refresh != facts.memory.refreshed.as_deref()
}

fn probe_at(refused: &Refused) -> Option<Timestamp> {
    let at: Timestamp = refused.at.get("status.credential.refused.at").ok()?;
    at.checked_add(PROBE).ok()
}

/// A person must act; the token at hand goes on working until it ends.
fn stalled(
    current_login: Option<&CurrentLogin>,
    reason: &'static str,
    message: String,
    wake: Option<Timestamp>,
) -> Decision {
    let end = current_login.map(|current_login| current_login.identity.expires_at);
    Decision {
        serve: current_login.is_some(),
        step: Step::Rest,
        verdict: Verdict::Stalled { reason, message },
        wake_at: wake.into_iter().chain(end).min(),
    }
}

/// The field and what to do about it.
fn mend(refused: &Refused, offer: &Digests, facts: &Facts<'_>) -> String {
    let (path, pinned) = (offer.path, facts.pinned);
    match (refused.cause, &refused.organisation) {
        (Cause::OtherOrganisation, Some(found)) if offer.switches => format!(
            "spec.credentials.user.switchTo: this user, whose login is one to organisation {} ({}), is no active member of {}; invite \
             the user there, then set a new value of the annotation {}, or name another organisation",
            found.id,
            found.name,
            pinned.unwrap_or_default(),
            reason::annotation::REFRESH
        ),
        (Cause::OtherOrganisation, Some(found)) => {
            let pinned = pinned.map_or_else(|| "another one".to_owned(), |id| id.to_string());
            format!(
                "{path}: this credential belongs to organisation {} ({}), but the workspace is pinned to {pinned}; put a \
                 credential of {pinned} into the Secret, or, to move the workspace, set spec.organisationId to {}",
                found.id, found.name, found.id
            )
        }
        (Cause::SecondFactor, _) if offer.second_factor.is_some() => format!(
            "spec.credentials.user.mfa.managed: emnify asks for a second factor, and Secret {} does not hold its key; restore the \
             Secret, or have an Administrator remove the second factor of this user, then set a new value of the annotation {}",
            offer.second_factor.as_deref().unwrap_or_default(),
            reason::annotation::REFRESH
        ),
        (Cause::SecondFactor, _) => {
            "spec.credentials.user.mfa: emnify asks for a second factor; set totpSecretRef to the \
                                     user's base32 key, or put a fresh six-digit code into the Secret of \
                                     trustedDevice.codeSecretRef"
                .into()
        }
        _ if offer.probing => {
            format!(
                "{path}: emnify refuses this application token; put one that is neither revoked nor expired into the Secret"
            )
        }
        _ if offer.previous.as_deref().is_some_and(|before| {
            facts.memory.credential.change_refused.as_deref() == Some(&pair(&offer.credential, before))
        }) =>
        {
            format!(
                "{path}: emnify refuses to change the password from that of previousPasswordSecretRef to this one; put a stronger \
                 one into the Secret, or the one that is in force"
            )
        }
        _ if offer.previous.is_some() => format!(
            "{path}: emnify refuses this user, and what previousPasswordSecretRef holds is no help; put the right password into \
             one of the two Secrets. If one of them was right all along, change the annotation {} to try again",
            reason::annotation::REFRESH
        ),
        _ => format!(
            "{path}: emnify refuses this user; put the right password (or code) into the Secret. If the Secret was right \
             all along, change the annotation {} to try again",
            reason::annotation::REFRESH
        ),
    }
}

/// What a login brought.
pub type Outcome<'a> = Result<&'a Identity, &'a Error>;

/// Memory after an attempt, and whether its token may be used.
pub fn learn(facts: &Facts<'_>, offer: &Digests, outcome: Outcome<'_>) -> (Memory, bool) {
    let mut memory = facts.memory.clone();
    memory.refreshed = facts.refresh.map(str::to_owned).or(memory.refreshed);
    let attempt = offer.attempt(memory.credential.used_code.as_deref());
    let refused = |cause, organisation| {
        let wanted = facts.pinned.filter(|_| cause == Cause::OtherOrganisation).map(|id| id.to_string());
        let at = facts.now.to_string().into();
        Some(Refused { credential: attempt.clone(), cause, organisation, wanted, at })
    };
    match outcome {
        Ok(identity) if facts.pinned.is_none_or(|pinned| pinned == identity.organisation_id) => {
            memory.credential = CredentialStatus {
                accepted: Some(offer.credential.clone()),
                refused: None,
                used_code: offer.code.clone().or(memory.credential.used_code),
                previous_obsolete: offer.previous.is_some().then_some(true),
                change_refused: None,
            };
            memory.pause = None;
            memory.lives_at = facts.origin.ok().map(str::to_owned);
            return (memory, true);
        }
        Ok(identity) => {
            let found = Organisation {
                id: identity.organisation_id.to_string(),
                name: identity.organisation_name.clone(),
                ..Organisation::default()
            };
            memory.credential.refused = refused(Cause::OtherOrganisation, Some(found));
            memory.pause = None;
        }
        // the client is pinned too, and threw the token away
        Err(Error::OtherOrganisation { found, name, .. }) => {
            let found = Organisation { id: found.to_string(), name: name.clone(), ..Organisation::default() };
            memory.credential.refused = refused(Cause::OtherOrganisation, Some(found));
            memory.pause = None;
        }
        Err(error) => match judge(error) {
            Some(cause) => {
                memory.credential.refused = refused(cause, None);
                memory.pause = None;
            }
            None => memory.pause = Some(pause(&memory, facts.now, error)),
        },
    }
    (memory, false)
}

/// Whether the failure says something about the credential.
pub fn judge(error: &Error) -> Option<Cause> {
    match error {
        Error::Unauthorized { .. } if locked(error) => None,
        Error::Unauthorized { status: 0, .. } => Some(Cause::SecondFactor),
        Error::Unauthorized { .. } | Error::Rejected { .. } => Some(Cause::Credential),
        // whose it is, is told by `learn`
        Error::OtherOrganisation { .. }
        | Error::NotFound { .. }
        | Error::Capacity { .. }
        | Error::Conflict { .. }
        | Error::Throttled { .. }
        | Error::Ambiguous { .. }
        | Error::Unavailable { .. }
        | Error::Unreadable { .. } => None,
    }
}

/// Three refusals in a row lock a user out for five minutes, and say nothing of this password. [S]
fn locked(error: &Error) -> bool {
    matches!(error, Error::Unauthorized { message, .. } if message.contains("TooManyRequests"))
}

/// The pause after a login that failed for this.
pub fn pause(memory: &Memory, now: Timestamp, error: &Error) -> Pause {
    let failures = memory.pause.as_ref().map_or(0, |pause| pause.failures).saturating_add(1);
    let doubled = FIRST_PAUSE.saturating_mul(1 << failures.saturating_sub(1).min(10)).min(LONGEST_PAUSE);
    let (length, reason, message) = match error {
        Error::Throttled { retry_after } => {
            let asked = retry_after.and_then(|wait| SignedDuration::try_from(wait).ok()).unwrap_or_default();
            (doubled.max(asked), reason::THROTTLED, error.to_string())
        }
        Error::Unauthorized { .. } => (
            PROBE,
            reason::UNAUTHORIZED,
            "emnify has locked the user for a few minutes after refused logins".into(),
        ),
        Error::Unreadable { .. } => (doubled, reason::UNREADABLE, error.to_string()),
        _ => (doubled, reason::UNAVAILABLE, error.to_string()),
    };
    Pause { until: now.checked_add(length).unwrap_or(Timestamp::MAX), failures, reason, message }
}

#[cfg(test)]
#[path = "decide_tests.rs"]
mod tests;
