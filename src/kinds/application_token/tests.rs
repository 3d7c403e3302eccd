//! The rules of tokens: made once, replaced with overlap, revoked, never lost.

mod calls;

use std::{collections::HashMap, sync::Arc};

use data_encoding::BASE64URL_NOPAD;
use emnify_engine::{
    cluster::secrets::{NONCE as NONCE_ANNOTATION, TOKEN_ID},
    kind::{
        Change as _, Context, Diff, Have, Id, Inputs, Managed, Output, Verb,
        spec::{Intent, Provenance},
    },
};
use jiff::{Timestamp, ToSpan};
use serde_json::{Value, json};

use super::{
    ApplicationToken, ApplicationTokenSpec, ApplicationTokenStatus, Retiring,
    change::Change,
    renewed,
    rows::{Cidr, Parts, Row, Want},
};
use crate::kinds::laws::kind_laws;

const OWNER: &str = "prod/fleet/ci";

fn at(hour: i64) -> Timestamp {
    "2026-11-01T00:00:00Z".parse::<Timestamp>().unwrap().checked_add(hour.hours()).unwrap()
}

fn object(spec: Value) -> ApplicationToken {
    let spec: ApplicationTokenSpec = serde_json::from_value(spec).unwrap();
    ApplicationToken::new("ci", spec)
}

fn want(spec: Value) -> Want {
    object(spec).want(&Inputs::new("prod", "fleet/ci", Some("n1".into()))).unwrap()
}

fn row(id: i64, nonce: &str) -> Row {
    Row {
        id,
        text: String::new(),
        owner: Some(OWNER.into()),
        nonce: Some(nonce.into()),
        created: Some(at(0)),
        expires: None,
        cidr: None,
    }
}

kind_laws!(
    ApplicationToken,
    there: (row(7, "n1"), Parts { siblings: Some(Vec::new()) }),
    inputs: Inputs::new("prod", "fleet/ci", Some("n1".into())),
    bare: json!({"jwt": {"enabled": false}}),
    // what it asks for depends on the Secret, which its own tests have
    others: [] as [Value; 0],
    new: json!({"description": "for the pipeline", "jwt": {"enabled": false}}),
);

fn jwt(id: i64, issued: Timestamp, ends: Timestamp) -> String {
    let claims = json!({"esc.org": 42, "esc.orgName": "Example", "esc.app": id, "iat": issued.as_second(), "exp": ends.as_second()});
    format!("e30.{}.sig", BASE64URL_NOPAD.encode(claims.to_string().as_bytes()))
}

/// Token 7 with its value in the Secret.
struct Case {
    now: Timestamp,
    row: Row,
    siblings: Vec<Row>,
    data: Vec<(&'static str, String)>,
    token_id: Option<&'static str>,
    nonce: Option<&'static str>,
    status: ApplicationTokenStatus,
    own_tokens: Vec<i64>,
}

impl Default for Case {
    fn default() -> Self {
        let mut status =
            ApplicationTokenStatus { token_id: Some("7".into()), ..ApplicationTokenStatus::default() };
        status.common.id = Some("7".into());
        status.common.provenance = Some(Provenance::Created);
        Self {
            now: at(1),
            row: row(7, "n1"),
            siblings: vec![],
            data: vec![("token", "hush".into())],
            token_id: Some("7"),
            nonce: Some("n1"),
            status,
            own_tokens: Vec::new(),
        }
    }
}

impl Case {
    fn have(&self) -> Have<ApplicationToken> {
        let annotations = [(TOKEN_ID, self.token_id), (NONCE_ANNOTATION, self.nonce)];
        let annotations =
            annotations.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?.to_owned())));
        let data: HashMap<_, _> =
            self.data.iter().map(|(key, value)| ((*key).to_owned(), value.clone().into())).collect();
        Have {
            row: Arc::new(self.row.clone()),
            parts: Arc::new(Parts { siblings: Some(self.siblings.clone()) }),
            output: Some(Arc::new(Output { data, annotations: annotations.collect() })),
        }
    }

    fn context(&self) -> Context<'_, ApplicationToken> {
        Context {
            now: self.now,
            object_created: Some(at(-1)),
            status: Some(&self.status),
            edited: false,
            factory_test: false,
            own_tokens: self.own_tokens.clone(),
            own_users: Vec::new(),
            as_user: false,
        }
    }

    fn diff(&self, spec: Value) -> Diff<Change> {
        ApplicationToken::diff(&want(spec), &self.have(), &self.context())
    }

    fn retire(&self) -> Vec<String> {
        ApplicationToken::retire(&self.have(), &self.context()).iter().map(ToString::to_string).collect()
    }
}

fn said(diff: &Diff<Change>) -> Vec<String> {
    diff.changes.iter().map(ToString::to_string).collect()
}

fn settled(diff: &Diff<Change>) -> bool {
    diff.changes.is_empty() && diff.renew.is_none() && diff.waiting.is_none()
}

fn retiring(id: i64, since: Timestamp, undelivered: bool) -> Retiring {
    Retiring { id: id.to_string(), since: since.to_string().into(), revoke_after: None, undelivered }
}

#[test]
fn a_create_can_be_found_again_by_its_nonce() {
    let want = want(json!({"description": "CI"}));
    let intent = Intent { nonce: "n2".into(), since: at(0).to_string() };
    let Some(Change::Create { description, .. }) = ApplicationToken::create(&want, Some(&intent)) else {
        panic!("tokens can be made")
    };
    assert_eq!(description, "CI [k8s prod/fleet/ci#n2]");
    let seen = Row::live(emnify::wire::application_token::ApplicationToken {
        id: 9,
        description: Some(description),
        created: None,
        status: Some(0),
        expiry_date: None,
        ip: None,
    })
    .unwrap();
    let mut keys = Vec::new();
    ApplicationToken::keys(&seen, &mut |key| keys.push(key));
    assert!(
        keys.contains(ApplicationToken::find(&want, Some(&intent))[0].key()),
        "the nonce leads to the new token"
    );
    assert_eq!(ApplicationToken::mark(&seen).as_deref(), Some(OWNER), "the nonce is no part of the mark");
    assert_eq!((seen.text.as_str(), ApplicationToken::id(&seen)), ("CI", Id::Int(9)));
    assert!(
        ApplicationToken::find(&want, None).is_empty(),
        "an orphan of an earlier object is not taken over"
    );
}

#[test]
fn a_revoked_token_is_absent() {
    let revoked = emnify::wire::application_token::ApplicationToken {
        id: 9,
        description: None,
        created: None,
        status: Some(1),
        expiry_date: None,
        ip: None,
    };
    assert_eq!(Row::live(revoked), None);
}

#[test]
fn a_delivered_token_needs_nothing() {
    assert!(settled(&Case::default().diff(json!({}))));
    let crashed = Case { token_id: None, ..Case::default() };
    assert!(settled(&crashed.diff(json!({}))), "stored before the crash: the nonce says whose value it is");
}

#[test]
fn a_lost_or_foreign_value_makes_a_new_token() {
    let lost = Case { data: vec![], ..Case::default() };
    let empty = Case { data: vec![("token", String::new())], ..Case::default() };
    let other = Case { token_id: Some("6"), ..Case::default() };
    let unknown = Case { token_id: None, nonce: Some("n0"), ..Case::default() };
    for (what, case) in [("lost", lost), ("empty", empty), ("of another token", other), ("unknown", unknown)]
    {
        assert!(case.diff(json!({})).renew.is_some(), "a value that is {what} is replaced");
    }
}

#[test]
fn at_most_one_token_an_hour_is_made_anew() {
    let mut case = Case { data: vec![], now: at(10), ..Case::default() };
    renewed(&mut case.status, &Id::Int(6), at(10));
    case.now = at(10).checked_add(59.minutes()).unwrap();
    let diff = case.diff(json!({}));
    assert!(
        diff.renew.is_none() && diff.waiting.is_some(),
        "somebody who deletes the Secret again and again"
    );
    assert_eq!(diff.wake_at, Some(at(11)));
    case.now = at(11);
    assert!(case.diff(json!({})).renew.is_some(), "an hour later");
}

#[test]
fn a_change_of_what_emnify_cannot_change_makes_a_new_token() {
    let mut case = Case::default();
    case.row.cidr = Some("203.0.113.0/24".into());
    case.row.expires = Some(at(1000));
    let same = json!({"cidr": "203.0.113.7/24", "expiry": at(1000).to_string()});
    assert!(settled(&case.diff(same)), "the same network and the same instant");
    assert!(settled(&case.diff(json!({}))), "unset is unmanaged");
    let cidr = case.diff(json!({"cidr": "198.51.100.0/24"})).renew;
    assert_eq!(cidr.as_deref(), Some("cidr: 203.0.113.0/24 -> 198.51.100.0/24"));
    let expiry = case.diff(json!({"expiry": at(2000).to_string()})).renew;
    assert!(expiry.is_some_and(|reason| reason.starts_with("expiry: ")));
    case.row.expires = Some(at(24));
    assert!(
        settled(&case.diff(json!({"expiry": at(31).to_string()}))),
        "an API that keeps days only is no reason"
    );
}

#[test]
fn a_token_is_replaced_before_it_ends_and_wakes_for_it() {
    let spec = json!({"expiresIn": "100h", "rotateBefore": "10h"});
    let mut case = Case::default();
    case.row.expires = Some(at(100));
    let diff = case.diff(spec.clone());
    assert!(settled(&diff));
    assert_eq!(diff.wake_at, Some(at(90)));
    case.now = at(90);
    assert!(case.diff(spec.clone()).renew.is_some());
    case.now = at(1);
    case.row.expires = None;
    assert!(case.diff(spec.clone()).renew.is_some(), "a token that never ends outlives any lifetime");
    case.row.expires = Some(at(101));
    assert!(case.diff(spec).renew.is_none(), "clocks that differ are no reason");
}

#[test]
fn a_token_is_replaced_at_its_age() {
    let spec = json!({"rotateEvery": "24h"});
    assert_eq!(Case::default().diff(spec.clone()).wake_at, Some(at(24)));
    assert!(Case { now: at(24), ..Case::default() }.diff(spec).renew.is_some());
}

#[test]
fn a_replaced_token_works_until_its_grace_is_over() {
    let mut case = Case { siblings: vec![row(6, "n0")], now: at(10), ..Case::default() };
    case.status.retiring = vec![retiring(6, at(9), false)];
    let diff = case.diff(json!({"gracePeriod": "2h"}));
    assert!(settled(&diff), "workloads may still use it");
    assert_eq!(diff.wake_at, Some(at(11)));
    case.now = at(11);
    assert_eq!(said(&case.diff(json!({"gracePeriod": "2h"}))), ["revoke the earlier application token 6"]);
}

#[test]
fn a_token_that_nobody_was_given_is_revoked_at_once() {
    let mut case = Case { siblings: vec![row(6, "n0")], ..Case::default() };
    assert_eq!(said(&case.diff(json!({}))), ["revoke the earlier application token 6"], "leaked by a crash");
    case.status.retiring = vec![retiring(6, case.now, true)];
    assert_eq!(said(&case.diff(json!({}))).len(), 1, "replaced because its value never arrived");
    let orphan = Row { created: Some(at(-2)), ..row(5, "old") };
    case = Case { siblings: vec![orphan], ..Case::default() };
    assert!(settled(&case.diff(json!({}))), "an earlier object of this name left it behind on purpose");
}

#[test]
fn a_replacement_remembers_whether_the_old_value_was_delivered() {
    let mut status = Case::default().status;
    renewed(&mut status, &Id::Int(7), at(3));
    renewed(&mut status, &Id::Int(7), at(4));
    renewed(&mut status, &Id::Int(8), at(5));
    let seen: Vec<_> = status.retiring.iter().map(|old| (old.id.as_str(), old.undelivered)).collect();
    assert_eq!(seen, [("7", false), ("8", true)], "each once, and only 7 was in the Secret");
}

#[test]
fn the_operators_own_token_is_never_revoked() {
    let mut case = Case { own_tokens: vec![7], siblings: vec![row(6, "n0")], ..Case::default() };
    case.status.retiring = vec![retiring(6, at(0), false)];
    assert_eq!(case.retire(), ["revoke the earlier application token 6"]);
    case.own_tokens = vec![6];
    case.now = at(100);
    assert!(settled(&case.diff(json!({}))));
    assert_eq!(case.retire(), ["revoke application token 7"]);
}

#[test]
fn deletion_revokes_predecessors_first() {
    let mut case = Case { siblings: vec![row(6, "n0")], ..Case::default() };
    case.status.retiring = vec![retiring(6, at(0), false)];
    assert_eq!(case.retire(), ["revoke the earlier application token 6", "revoke application token 7"]);
    let last = ApplicationToken::retire(&case.have(), &case.context()).pop().unwrap();
    assert_eq!(last.class().verb, Verb::Delete, "the last call ends the object");
}

#[test]
fn deletion_revokes_what_a_crash_left_behind_and_not_what_an_earlier_object_left_on_purpose() {
    let before = Row { created: Some(at(-5)), ..row(4, "n-9") };
    let unmarked = Row { nonce: None, ..row(3, "") };
    let case = Case { siblings: vec![row(6, "n0"), before, unmarked], ..Case::default() };
    assert_eq!(case.retire(), ["revoke the earlier application token 6", "revoke application token 7"]);
}

#[test]
fn nothing_is_revoked_before_it_is_known_which_tokens_the_object_made() {
    assert_eq!(
        ApplicationToken::parts_to_retire(None),
        [super::rows::Part::Kin],
        "after a restart they are not known"
    );
}

#[test]
fn a_jwt_is_made_when_missing_ending_or_of_another_token() {
    let spec = json!({"jwt": {"enabled": true}});
    let with = |jwt: Option<String>, now| {
        let mut data = vec![("token", "hush".to_owned())];
        data.extend(jwt.map(|jwt| ("jwt", jwt)));
        Case { now, data, ..Case::default() }
    };
    let fresh = with(Some(jwt(7, at(0), at(100))), at(1)).diff(spec.clone());
    assert!(settled(&fresh));
    assert_eq!(fresh.wake_at, Some(at(90)), "a tenth of the lifetime before the end");
    for (what, case) in [
        ("missing", with(None, at(1))),
        ("unreadable", with(Some("garbage".into()), at(1))),
        ("of the token before", with(Some(jwt(6, at(0), at(100))), at(1))),
        ("about to end", with(Some(jwt(7, at(0), at(100))), at(95))),
    ] {
        assert_eq!(
            said(&case.diff(spec.clone())),
            ["make a JWT from application token 7"],
            "a JWT that is {what}"
        );
    }
    let long = json!({"jwt": {"enabled": true, "refreshBefore": "1000h"}});
    let diff = with(Some(jwt(7, at(0), at(100))), at(1)).diff(long);
    assert!(settled(&diff), "a long refreshBefore must not log in all the time");
    assert_eq!(diff.wake_at, Some(at(50)));
    assert!(settled(&with(None, at(1)).diff(json!({"jwt": {"enabled": false}}))));
}

#[test]
fn a_jwt_is_never_made_from_a_value_of_another_token() {
    let case = Case { token_id: Some("6"), ..Case::default() };
    let mut status = case.status.clone();
    renewed(&mut status, &Id::Int(6), at(1));
    let diff = Case { status, ..case }.diff(json!({"jwt": {"enabled": true}}));
    assert!(diff.changes.is_empty(), "{:?}", said(&diff));
}

#[test]
fn a_description_is_compared_without_the_mark_and_keeps_its_nonce() {
    let mut case = Case::default();
    case.row.text = "CI".into();
    assert!(settled(&case.diff(json!({"description": "CI"}))));
    assert!(settled(&case.diff(json!({}))), "unset is unmanaged");
    let diff = case.diff(json!({"description": "build"}));
    let [Change::Describe { field, description }] = &diff.changes[..] else { panic!("{:?}", said(&diff)) };
    assert_eq!(
        (field.to_string().as_str(), description.as_str()),
        ("description: CI -> build", "build [k8s prod/fleet/ci#n1]")
    );
    let mut after = case.row.clone();
    ApplicationToken::assume(&diff.changes[0], &mut after, &mut Parts::default());
    case.row = after;
    assert!(settled(&case.diff(json!({"description": "build"}))), "a 204 is knowledge");
    (case.row.owner, case.row.nonce) = (None, None);
    assert_eq!(case.diff(json!({})).changes.len(), 1, "a mark that was removed comes back");
}

#[test]
fn an_adopted_token_is_described_and_left_alone() {
    let mut case = Case { data: vec![], token_id: None, ..Case::default() };
    case.status.common.provenance = Some(Provenance::Adopted);
    (case.row.owner, case.row.nonce) = (None, None);
    assert!(settled(&case.diff(json!({"id": "7"}))), "its value cannot be read, so it cannot be lost");
    let diff = case.diff(json!({"id": "7", "description": "mine"}));
    let [Change::Describe { description, .. }] = &diff.changes[..] else { panic!("{:?}", said(&diff)) };
    assert_eq!(description, "mine", "a mark would make it look created");
}

#[test]
fn a_revoked_predecessor_is_forgotten() {
    let mut parts = Parts { siblings: Some(vec![row(6, "n0")]) };
    ApplicationToken::assume(&Change::RevokeOld { id: 6 }, &mut row(7, "n1"), &mut parts);
    assert_eq!(parts.siblings, Some(vec![]), "or it would be revoked again and again");
    let case = Case::default();
    let mut status =
        ApplicationTokenStatus { retiring: vec![retiring(6, at(0), false)], ..case.status.clone() };
    object(json!({})).report(&case.have(), None, &mut status);
    assert!(status.retiring.is_empty());
}

#[test]
fn the_status_tells_where_and_until_when_but_never_what() {
    let mut case = Case { siblings: vec![row(6, "n0")], ..Case::default() };
    case.data.push(("jwt", jwt(7, at(0), at(100))));
    case.row.expires = Some(at(500));
    let mut status =
        ApplicationTokenStatus { retiring: vec![retiring(6, at(0), false)], ..case.status.clone() };
    object(json!({"jwt": {"enabled": true}, "gracePeriod": "2h"})).report(&case.have(), None, &mut status);
    assert_eq!(status.secret_name.as_deref(), Some("ci-token"));
    assert_eq!(status.token_id.as_deref(), Some("7"));
    assert_eq!(status.expires_at, Some(at(500).to_string().into()));
    assert_eq!(status.jwt_expires_at, Some(at(100).to_string().into()));
    assert_eq!(status.retiring[0].revoke_after, Some(at(2).to_string().into()));
    let text = serde_json::to_string(&status).unwrap();
    assert!(!text.contains("hush") && !text.contains("e30."), "{text}");
}

#[test]
fn no_secret_shows_in_a_change() {
    let diff = Case::default().diff(json!({"jwt": {"enabled": true}}));
    assert_eq!(diff.changes.len(), 1);
    let shown = format!("{diff:?} {:?} {}", diff.changes[0].fields(), diff.changes[0]);
    assert!(!shown.contains("hush"), "{shown}");
}

#[test]
fn an_orphaned_token_keeps_its_secret() {
    let keep = |spec: Value| object(spec).output().unwrap().keep;
    assert!(keep(json!({"deletionPolicy": "Orphan"})));
    assert!(!keep(json!({})) && !keep(json!({"deletionPolicy": "Delete"})));
}

#[test]
fn specs_that_would_make_tokens_without_end_are_refused() {
    let problem = |spec: Value| {
        let error = object(spec).want(&Inputs::new("prod", "fleet/ci", None)).unwrap_err();
        error.path
    };
    assert_eq!(problem(json!({"expiresIn": "10m"})), "expiresIn");
    assert_eq!(problem(json!({"expiresIn": "10h", "rotateBefore": "10h"})), "rotateBefore");
    assert_eq!(problem(json!({"rotateEvery": "1m"})), "rotateEvery");
    assert_eq!(problem(json!({"expiresIn": "10h", "rotateEvery": "10h"})), "rotateEvery");
    assert_eq!(problem(json!({"cidr": "203.0.113.0/33"})), "cidr");
    let keys = json!({"jwt": {"enabled": true}, "secretRef": {"tokenKey": "k", "jwtKey": "k"}});
    assert_eq!(problem(keys), "secretRef.jwtKey");
}

#[test]
fn the_schema_refuses_contradictions() {
    let refused = |spec: Value| object(spec).validate_cel().err().map(|errors| format!("{errors:?}"));
    for spec in [json!({}), json!({"expiresIn": "48h", "rotateBefore": "2h"}), json!({"id": "7"})] {
        assert_eq!(refused(spec), None);
    }
    let date = at(0).to_string();
    for (spec, part) in [
        (json!({"expiry": date, "expiresIn": "48h"}), "at most one of expiry, expiresIn"),
        (json!({"expiry": date, "rotateBefore": "2h"}), "rotateBefore needs expiresIn"),
        (json!({"id": "7", "gracePeriod": "2h"}), "adopted token"),
        (json!({"id": "7", "jwt": {"enabled": true}}), "shows only once"),
    ] {
        let errors = refused(spec.clone()).unwrap_or_else(|| panic!("{spec} is refused"));
        assert!(errors.contains(part), "`{part}` is missing in {errors}");
    }
}

#[test]
fn networks_are_compared_by_meaning() {
    let same = |a: &str, b: &str| Cidr::parse(a) == Cidr::parse(b);
    assert!(same("203.0.113.7/24", "203.0.113.0/24") && same("203.0.113.7", "203.0.113.7/32"));
    assert!(same("2001:db8::1/32", "2001:db8::/32") && same("1.2.3.4/0", "0.0.0.0/0"));
    assert!(Cidr::parse("203.0.113.0/33").is_none() && Cidr::parse("x/8").is_none());
}
