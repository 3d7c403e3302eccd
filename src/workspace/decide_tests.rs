//! Each rule of the login with its table.

use emnify_engine::kind::{Invalid, reason};
use jiff::ToSpan;

use super::*;

const ORIGIN: &str = "https://cdn.emnify.net";

fn at(minute: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH.checked_add((1_000_000 + minute).minutes()).unwrap()
}

fn token(digest: &str) -> Digests {
    Digests {
        credential: digest.into(),
        code: None,
        probing: true,
        path: "spec.credentials.applicationTokenSecretRef",
        ..Digests::default()
    }
}

fn user(digest: &str) -> Digests {
    Digests { probing: false, path: "spec.credentials.user.passwordSecretRef", ..token(digest) }
}

fn identity(organisation: i64) -> Identity {
    Identity {
        organisation_id: organisation,
        organisation_name: format!("Org {organisation}"),
        application_token_id: Some(7),
        issued_at: at(0),
        expires_at: at(240),
    }
}

fn current_login(credential: &str) -> CurrentLogin {
    CurrentLogin {
        identity: identity(42),
        origin: ORIGIN.into(),
        credential: credential.into(),
        refused: false,
    }
}

/// Facts with defaults that tests override.
struct Case {
    now: Timestamp,
    suspended: bool,
    origin: Result<&'static str, &'static str>,
    pinned: Option<i64>,
    offer: Result<Digests, Problem>,
    current_login: Option<CurrentLogin>,
    memory: Memory,
    passwords: Passwords,
    came: bool,
    refresh: Option<&'static str>,
}

impl Default for Case {
    fn default() -> Self {
        Self {
            now: at(1),
            suspended: false,
            origin: Ok(ORIGIN),
            pinned: Some(42),
            offer: Ok(token("a")),
            current_login: Some(current_login("a")),
            memory: Memory::default(),
            passwords: Passwords::default(),
            came: false,
            refresh: None,
        }
    }
}

impl Case {
    fn facts(&self) -> Facts<'_> {
        Facts {
            now: self.now,
            suspended: self.suspended,
            origin: self.origin,
            pinned: self.pinned,
            offer: self.offer.as_ref(),
            current_login: self.current_login.as_ref(),
            memory: &self.memory,
            passwords: &self.passwords,
            came: self.came,
            refresh: self.refresh,
        }
    }

    fn decide(&self) -> Decision {
        decide(&self.facts())
    }

    /// Learns from an outcome of an attempt with the present offer; returns whether the token may be used.
    fn learn(&mut self, outcome: &Result<Identity, Error>) -> bool {
        let offer = self.offer.clone().expect("an offer was tried");
        let (memory, swap) = learn(&self.facts(), &offer, outcome.as_ref());
        self.memory = memory;
        swap
    }
}

fn refusal() -> Error {
    Error::Unauthorized { status: 401, message: "HTTP 401 Unauthorized".into() }
}

fn reason_of(decision: &Decision) -> Option<&'static str> {
    match &decision.verdict {
        Verdict::Stalled { reason, .. } | Verdict::Waiting { reason, .. } => Some(reason),
        Verdict::Ready | Verdict::Suspended => None,
    }
}

fn stall_message(decision: &Decision) -> &str {
    match &decision.verdict {
        Verdict::Stalled { message, .. } => message,
        other => panic!("expected a stall, got {other:?}"),
    }
}

#[test]
fn a_kept_token_saves_the_login_after_a_restart() {
    let decision = Case::default().decide();
    assert_eq!((decision.serve, decision.step, decision.verdict), (true, Step::Rest, Verdict::Ready));
    assert_eq!(decision.wake_at, Some(identity(42).refresh_at()), "it wakes to refresh before the end");
}

#[test]
fn a_token_is_refreshed_before_its_end_and_serves_meanwhile() {
    let decision = Case { now: at(230), ..Case::default() }.decide();
    assert_eq!((decision.serve, decision.step), (true, Step::Refresh));
}

#[test]
fn a_token_that_cannot_be_used_leads_to_a_login() {
    let current_login = current_login("a");
    let expired = Case { now: at(240), ..Case::default() };
    let nearly = Case { now: at(240).checked_sub(10.seconds()).unwrap(), ..Case::default() };
    let elsewhere = Case {
        current_login: Some(CurrentLogin { origin: "https://other.example".into(), ..current_login.clone() }),
        ..Case::default()
    };
    let foreign = Case { pinned: Some(43), ..Case::default() };
    let refused =
        Case { current_login: Some(CurrentLogin { refused: true, ..current_login }), ..Case::default() };
    let none = Case { current_login: None, pinned: None, ..Case::default() };
    let cases = [
        ("expired", expired),
        ("about to expire", nearly),
        ("issued by another host", elsewhere),
        ("of another organisation than the spec names", foreign),
        ("refused by a call", refused),
        ("missing", none),
    ];
    for (what, case) in cases {
        let decision = case.decide();
        assert_eq!((decision.serve, decision.step), (false, Step::Login), "a token {what} is not used");
    }
}

#[test]
fn a_suspended_workspace_makes_no_call() {
    let decision = Case { suspended: true, current_login: None, ..Case::default() }.decide();
    assert_eq!((decision.serve, decision.step, decision.verdict), (false, Step::Rest, Verdict::Suspended));
}

#[test]
fn a_host_that_is_not_allowed_is_never_called() {
    let decision = Case { origin: Err("https://evil.example is not allowed"), ..Case::default() }.decide();
    assert_eq!((decision.serve, decision.step), (false, Step::Rest));
    assert_eq!(stall_message(&decision), "spec.baseUrl: https://evil.example is not allowed");
}

#[test]
fn a_missing_secret_is_named_and_the_session_goes_on() {
    let missing = Invalid::new("spec.credentials.applicationTokenSecretRef", "Secret s does not exist");
    let offer = Err(Problem::from(Lack { invalid: missing, absent: true }));
    let decision = Case { offer: offer.clone(), came: true, ..Case::default() }.decide();
    assert!(decision.serve, "a token that works is not given up");
    assert_eq!(
        stall_message(&decision),
        "spec.credentials.applicationTokenSecretRef: Secret s does not exist"
    );
    let decision = Case { offer, current_login: None, ..Case::default() }.decide();
    assert_eq!((decision.serve, decision.step), (false, Step::Rest), "nothing to log in with");
}

#[test]
fn a_secret_that_is_not_there_yet_is_waited_for() {
    let lack = |absent| {
        let invalid = Invalid::new("spec.credentials.applicationTokenSecretRef", "Secret s");
        Err(Problem::from(Lack { invalid, absent }))
    };
    let stalls = |case: Case| matches!(case.decide().verdict, Verdict::Stalled { .. });
    for current_login in [None, Some(current_login("a"))] {
        let case = |absent, came| Case {
            offer: lack(absent),
            came,
            current_login: current_login.clone(),
            ..Case::default()
        };
        assert!(!stalls(case(true, false)), "who applies it may not have got to it yet");
        assert_eq!(case(true, false).decide().serve, current_login.is_some(), "a session goes on meanwhile");
        assert!(stalls(case(true, true)), "what was there and was taken away does not come by itself");
        assert!(stalls(case(false, false)), "nor does what is there change by itself");
    }
}

#[test]
fn a_changed_credential_is_tried_at_once_beside_the_session() {
    let mut case = Case { offer: Ok(token("b")), ..Case::default() };
    let decision = case.decide();
    assert_eq!((decision.serve, decision.step), (true, Step::Login));
    assert!(case.learn(&Ok(identity(42))), "it works and names the same organisation: swap");
    assert_eq!(case.memory.credential.accepted.as_deref(), Some("b"));
}

#[test]
fn a_changed_credential_that_is_refused_leaves_the_session_alone() {
    let mut case = Case { offer: Ok(token("b")), ..Case::default() };
    assert!(!case.learn(&Err(refusal())), "no swap");
    let decision = case.decide();
    assert_eq!((decision.serve, decision.step), (true, Step::Rest));
    assert_eq!(reason_of(&decision), Some(reason::UNAUTHORIZED));
    case.offer = Ok(token("a"));
    assert_eq!(case.decide().verdict, Verdict::Ready, "putting the old one back mends it without a login");
}

#[test]
fn a_credential_of_another_organisation_is_refused_loudly() {
    let thrown_away = Err(Error::OtherOrganisation { pinned: 42, found: 43, name: "Org 43".into() });
    for (current_login, outcome) in [(Some(current_login("a")), thrown_away), (None, Ok(identity(43)))] {
        let mut case = Case { offer: Ok(token("b")), current_login, ..Case::default() };
        assert!(!case.learn(&outcome), "never swapped: everything would look absent");
        let decision = case.decide();
        assert_eq!(
            (decision.serve, decision.step),
            (case.current_login.is_some(), Step::Rest),
            "and not tried again"
        );
        let message = stall_message(&decision);
        for part in [
            "applicationTokenSecretRef",
            "organisation 43 (Org 43)",
            "pinned to 42",
            "set spec.organisationId to 43",
        ] {
            assert!(message.contains(part), "`{part}` is missing in: {message}");
        }
        case.now = at(100);
        assert_eq!(case.decide().step, Step::Rest, "time does not change whose token it is");
        case.pinned = Some(43);
        assert_eq!(case.decide().step, Step::Login, "naming the organisation in the spec is consent");
        assert!(case.learn(&Ok(identity(43))));
    }
}

#[test]
fn the_first_login_pins_the_organisation() {
    let mut case = Case { current_login: None, pinned: None, ..Case::default() };
    assert!(case.learn(&Ok(identity(42))), "whatever the organisation is");
}

#[test]
fn a_refused_application_token_costs_at_most_twelve_logins_an_hour() {
    let mut case = Case { current_login: None, ..Case::default() };
    let mut logins = 0;
    for second in 0..3600 {
        case.now = at(1).checked_add(second.seconds()).unwrap();
        let decision = case.decide();
        if decision.step == Step::Login {
            logins += 1;
            case.learn(&Err(refusal()));
        }
        if second > 0 {
            assert!(
                matches!(decision.verdict, Verdict::Stalled { .. }),
                "a probe does not clear the condition"
            );
        }
    }
    assert!((2..=12).contains(&logins), "{logins} logins: it is probed, but rarely");
}

#[test]
fn probing_goes_on_at_its_pace_after_a_restart() {
    let mut case = Case { current_login: None, ..Case::default() };
    case.learn(&Err(refusal()));
    case.memory = Memory { credential: case.memory.credential.clone(), ..Memory::default() };
    case.now = at(2);
    let decision = case.decide();
    assert_eq!(decision.step, Step::Rest, "the status remembers the refusal");
    assert_eq!(decision.wake_at, Some(at(1).checked_add(PROBE).unwrap()));
}

#[test]
fn a_refused_password_is_never_tried_again_unasked() {
    let mut case = Case { current_login: None, offer: Ok(user("u")), ..Case::default() };
    case.learn(&Err(refusal()));
    for minute in [2, 10, 60, 10_000] {
        case.now = at(minute);
        let decision = case.decide();
        assert_eq!((decision.step, decision.wake_at), (Step::Rest, None), "after {minute} minutes");
        assert!(stall_message(&decision).contains("spec.credentials.user.passwordSecretRef"));
    }
    case.refresh = Some("now");
    assert_eq!(case.decide().step, Step::Login, "the refresh annotation asks for one more attempt");
    case.learn(&Err(refusal()));
    assert_eq!(case.decide().step, Step::Rest, "exactly one");
    case.offer = Ok(user("v"));
    assert_eq!(case.decide().step, Step::Login, "another password is tried at once");
}

#[test]
fn a_session_whose_password_is_refused_is_not_refreshed_with_it() {
    let mut case = Case { now: at(230), offer: Ok(user("a")), ..Case::default() };
    assert_eq!(case.decide().step, Step::Refresh);
    case.learn(&Err(refusal()));
    let decision = case.decide();
    assert_eq!((decision.serve, decision.step), (true, Step::Rest), "it serves until its end");
    assert_eq!(decision.wake_at, Some(at(240)));
}

#[test]
fn a_locked_user_is_tried_again_after_the_lock_and_not_called_wrong() {
    let mut case = Case { current_login: None, offer: Ok(user("u")), ..Case::default() };
    case.learn(&Err(Error::Unauthorized { status: 401, message: "TooManyRequests".into() }));
    assert!(case.memory.credential.refused.is_none(), "a lock says nothing of this password");
    assert_eq!(case.decide().step, Step::Rest);
    case.now = at(1).checked_add(PROBE).unwrap();
    assert_eq!(case.decide().step, Step::Login, "five minutes later the lock is over");
}

#[test]
fn a_missing_second_factor_is_asked_for_and_a_fresh_code_heals() {
    let mut case = Case { current_login: None, offer: Ok(user("u")), ..Case::default() };
    case.learn(&Err(Error::Unauthorized { status: 0, message: "the user needs a second factor".into() }));
    let decision = case.decide();
    assert_eq!(decision.step, Step::Rest);
    assert!(stall_message(&decision).starts_with("spec.credentials.user.mfa: "));
    case.offer = Ok(Digests { code: Some("c1".into()), ..user("u") });
    assert_eq!(case.decide().step, Step::Login, "a code has arrived");
    assert!(case.learn(&Ok(identity(42))));
    assert_eq!(case.memory.credential.used_code.as_deref(), Some("c1"), "it is remembered as used");
    case.current_login = Some(current_login("u"));
    assert_eq!(case.decide().verdict, Verdict::Ready, "and the used code in the Secret disturbs nobody");
}

#[test]
fn failures_without_a_verdict_double_the_pause_and_keep_the_session() {
    let mut case = Case { offer: Ok(token("b")), ..Case::default() };
    let mut pauses = Vec::new();
    for _ in 0..9 {
        case.learn(&Err(Error::Unavailable { message: "connection refused".into() }));
        let decision = case.decide();
        assert_eq!((decision.serve, decision.step), (true, Step::Rest));
        assert_eq!(reason_of(&decision), Some(reason::UNAVAILABLE));
        let until = decision.wake_at.expect("it wakes by itself");
        pauses.push(until.duration_since(case.now).as_secs());
        case.now = until;
        assert_eq!(case.decide().step, Step::Login, "the pause is over");
    }
    assert_eq!(pauses, [5, 10, 20, 40, 80, 160, 300, 300, 300]);
}

#[test]
fn the_pause_is_as_long_as_emnify_asks() {
    let mut case = Case { current_login: None, ..Case::default() };
    case.learn(&Err(Error::Throttled { retry_after: Some(std::time::Duration::from_secs(120)) }));
    let decision = case.decide();
    assert_eq!(decision.wake_at, Some(at(3)));
    assert_eq!(reason_of(&decision), Some(reason::THROTTLED));
}

#[test]
fn messages_are_the_same_every_time() {
    let mut case = Case { current_login: None, ..Case::default() };
    case.learn(&Err(refusal()));
    let first = case.decide().verdict;
    case.now = at(20);
    case.learn(&Err(refusal()));
    assert_eq!(
        case.decide().verdict,
        first,
        "a message with a time in it would write the status at every probe"
    );
}

#[test]
fn another_organisation_to_switch_to_is_another_attempt_and_the_same_one_is_not() {
    let switching = || Digests { switches: true, ..user("a") };
    let mut case = Case { offer: Ok(switching()), current_login: None, ..Case::default() };
    let found = Error::OtherOrganisation { pinned: 42, found: 7, name: "Own".into() };
    assert!(!case.learn(&Err(found)));
    let told = case.decide();
    assert_eq!((told.step, reason_of(&told)), (Step::Rest, Some(reason::WORKSPACE_CHANGED)));
    let Verdict::Stalled { message, .. } = &told.verdict else { panic!("somebody must act: {told:?}") };
    assert!(
        message
            .starts_with("spec.credentials.user.switchTo: this user, whose login is one to organisation 7"),
        "{message}"
    );
    case.pinned = Some(43);
    assert_eq!(case.decide().step, Step::Login, "what was refused for 42 says nothing of 43");
}

#[test]
fn a_refused_password_is_followed_by_the_one_before_and_that_by_the_change() {
    let both = || Digests { previous: Some("old".into()), ..user("new") };
    let mut case = Case { offer: Ok(both()), current_login: None, ..Case::default() };
    assert_eq!(case.decide().step, Step::Login, "the new one first: it may be in force already");
    case.passwords.sends("new");
    assert_eq!(case.decide().step, Step::LoginBefore, "after a crash it is not sent a second time");
    case.passwords.was_refused("new");
    assert!(!case.learn(&Err(refusal())));
    assert_eq!(case.decide().step, Step::LoginBefore);
    case.current_login = Some(current_login("old"));
    assert_eq!(case.decide().step, Step::ChangePassword, "a login of the one before is enough");
    assert!(case.decide().serve, "which serves meanwhile");
    case.memory.credential.change_refused = Some(pair("new", "old"));
    let told = case.decide();
    assert_eq!((told.step, reason_of(&told)), (Step::Rest, Some(reason::UNAUTHORIZED)));
    case.memory.credential.change_refused = None;
    case.current_login = None;
    case.passwords.sends("old");
    let told = case.decide();
    assert_eq!(
        (told.step, reason_of(&told)),
        (Step::Rest, Some(reason::UNAUTHORIZED)),
        "a third is never sent"
    );
    case.refresh = Some("1");
    assert_eq!(case.decide().step, Step::Login, "unless a person says so");
}

#[test]
fn lost_answers_end_with_a_question_unless_the_password_worked_before() {
    let mut case = Case { offer: Ok(user("a")), current_login: None, ..Case::default() };
    case.passwords.sends("a");
    assert_eq!(case.decide().step, Step::Login);
    case.passwords.sends("a");
    let told = case.decide();
    assert_eq!((told.step, reason_of(&told)), (Step::Rest, Some(reason::UNAUTHORIZED)));
    case.memory.credential.accepted = Some("a".into());
    assert_eq!(case.decide().step, Step::Login, "an outage asks nobody");
}
