//! The calls, against a simulated platform.

use emnify::{
    Api, BaseUrl, Client, Config, Credentials, Cursor, Error, HostLimits, Jwt, Lane, ServiceTransport,
};
use emnify_simulator::{Fault, Options, Simulator};
use secrecy::ExposeSecret;

use super::*;

/// The organisation of the example seed has one token, 501, which the operator logs in with.
fn platform() -> (Simulator, Api) {
    let simulator = Simulator::start(Options::default());
    let config = Config::new(
        BaseUrl::parse("http://127.0.0.1:1").unwrap(),
        Credentials::ApplicationToken("example-token".to_owned().into()),
        Arc::new(ServiceTransport::new(simulator.router())),
        HostLimits::new(1.0),
    );
    let api = Client::new(config).api(Lane::Interactive);
    (simulator, api)
}

fn intent(nonce: &str) -> Intent {
    Intent { nonce: nonce.into(), since: at(0).to_string() }
}

/// Makes a token and finds it as the engine does: by the key of its nonce.
async fn made(api: &Api, spec: Value, nonce: &str) -> (Row, String) {
    let want = want(spec);
    let create = ApplicationToken::create(&want, Some(&intent(nonce))).unwrap();
    let mut reply = ApplicationToken::make(api, &create).await.unwrap();
    let secret = reply.secret.remove("token").expect("the answer is the only chance to learn the token");
    let rows = ApplicationToken::list(api, Cursor::first()).await.unwrap().items;
    let key = ApplicationToken::find(&want, Some(&intent(nonce)))[0].key().clone();
    let found = rows.into_iter().filter(|row| {
        let mut keys = Vec::new();
        ApplicationToken::keys(row, &mut |key| keys.push(key));
        keys.contains(&key)
    });
    let found: Vec<_> = found.collect();
    assert_eq!(found.len(), 1, "a nonce leads to exactly one token");
    (found[0].clone(), secret.expose_secret().to_owned())
}

async fn send(api: &Api, id: i64, change: Change) -> Result<(), Error> {
    ApplicationToken::apply(api, &Id::Int(id), &change).await.map(drop)
}

fn mint(id: i64, token: &str) -> Change {
    Change::MintJwt { id, token: token.to_owned().into(), key: "jwt".into(), ends: None }
}

#[tokio::test(start_paused = true)]
async fn a_new_token_is_as_wanted_and_needs_nothing_more() {
    let (_simulator, api) = platform();
    let spec =
        json!({"description": "CI", "cidr": "203.0.113.7/24", "expiresIn": "48h", "rotateBefore": "2h"});
    let (row, token) = made(&api, spec.clone(), "n1").await;
    assert_eq!((row.text.as_str(), row.owner.as_deref()), ("CI", Some(OWNER)));
    let mut case =
        Case { now: row.created.unwrap(), data: vec![("token", token)], token_id: None, ..Case::default() };
    case.status.common.id = Some(row.id.to_string());
    let ends = row.expires.unwrap();
    case.row = row;
    let diff = case.diff(spec);
    assert!(settled(&diff), "{diff:?}");
    assert_eq!(diff.wake_at, Some(ends.checked_sub(2.hours()).unwrap()));
    let fixed = json!({"expiry": "2027-03-01T12:30:15Z"});
    let (row, _) = made(&api, fixed.clone(), "n2").await;
    let case = Case { row, token_id: None, nonce: Some("n2"), ..Case::default() };
    assert!(settled(&case.diff(fixed)), "a date survives the way there and back");
}

#[tokio::test(start_paused = true)]
async fn a_jwt_comes_from_the_token_and_leaves_the_own_login_alone() {
    let (_simulator, api) = platform();
    let (row, token) = made(&api, json!({}), "n1").await;
    let change = mint(row.id, &token);
    let replies = [ApplicationToken::apply(&api, &Id::Int(row.id), &change).await.unwrap()];
    let jwt = Jwt::parse(replies[0].secret["jwt"].clone()).unwrap();
    assert_eq!(jwt.identity.application_token_id, Some(row.id));
    assert_eq!(
        api.client().identity().unwrap().application_token_id,
        Some(501),
        "the operator stays who it is"
    );
}

#[tokio::test(start_paused = true)]
async fn a_token_that_is_refused_does_not_put_the_workspace_in_doubt() {
    let (_simulator, api) = platform();
    let refused = send(&api, 7, mint(7, "made-up")).await.unwrap_err();
    let Error::Rejected { message, .. } = refused else { panic!("{refused:?}") };
    assert!(message.starts_with("jwt: ") && message.contains("cidr"), "field and mend: {message}");
    assert!(ApplicationToken::list(&api, Cursor::first()).await.is_ok(), "the own login is fine");
}

#[tokio::test(start_paused = true)]
async fn a_revoked_token_is_gone_and_revoking_again_does_no_harm() {
    let (_simulator, api) = platform();
    let (row, token) = made(&api, json!({}), "n1").await;
    for change in [Change::Revoke { id: row.id }, Change::RevokeOld { id: row.id }] {
        send(&api, row.id, change).await.unwrap();
    }
    let unknown = send(&api, row.id, Change::Revoke { id: 999 }).await;
    assert!(matches!(unknown, Err(Error::NotFound { .. })), "that is for the mirror to judge: {unknown:?}");
    assert_eq!(ApplicationToken::read(&api, &Id::Int(row.id)).await.unwrap(), None);
    assert!(send(&api, row.id, mint(row.id, &token)).await.is_err(), "it opens no session any more");
    assert!(ApplicationToken::read(&api, &Id::Int(501)).await.unwrap().is_some(), "others are untouched");
}

#[tokio::test(start_paused = true)]
async fn kin_are_the_other_live_tokens_of_the_same_object() {
    let (_simulator, api) = platform();
    let (old, _) = made(&api, json!({}), "n0").await;
    let (gone, _) = made(&api, json!({}), "n1").await;
    let (new, _) = made(&api, json!({}), "n2").await;
    send(&api, gone.id, Change::RevokeOld { id: gone.id }).await.unwrap();
    let mut parts = Parts::default();
    ApplicationToken::read_part(
        &api,
        &Id::Int(new.id),
        crate::kinds::application_token::rows::Part::Kin,
        &mut parts,
    )
    .await
    .unwrap();
    assert_eq!(
        parts.siblings,
        Some(vec![old]),
        "neither revoked ones, nor itself, nor those without our mark"
    );
}

#[tokio::test(start_paused = true)]
async fn a_token_whose_answer_was_lost_is_found_and_replaced() {
    let (simulator, api) = platform();
    ApplicationToken::list(&api, Cursor::first()).await.unwrap();
    let lost = Fault {
        method: Some("POST".into()),
        route: Some("/api/v1/application_token".into()),
        reset: true,
        commit: true,
        ..Fault::default()
    };
    simulator.fault(lost).unwrap();
    let create = ApplicationToken::create(&want(json!({})), Some(&intent("n1"))).unwrap();
    let outcome = ApplicationToken::make(&api, &create).await;
    assert!(matches!(outcome, Err(Error::Ambiguous { .. })), "{outcome:?}");
    simulator.clear_faults();
    let rows = ApplicationToken::list(&api, Cursor::first()).await.unwrap().items;
    let row = rows.into_iter().find(|row| row.nonce.as_deref() == Some("n1")).expect("it was made");
    let mut case = Case { row, data: vec![], token_id: None, nonce: None, ..Case::default() };
    case.status.token_id = None;
    assert!(case.diff(json!({})).renew.is_some(), "nobody will ever see its value");
    let old = Id::Int(case.row.id);
    renewed(&mut case.status, &old, case.now);
    let (new, token) = made(&api, json!({}), "n2").await;
    let id = new.id.to_string();
    let after = Case {
        siblings: vec![case.row.clone()],
        row: new,
        data: vec![("token", token)],
        token_id: Some(id.leak()),
        ..case
    };
    let diff = after.diff(json!({}));
    assert_eq!(
        said(&diff),
        [format!("revoke the earlier application token {old}")],
        "no live unknown token is left"
    );
}

#[tokio::test(start_paused = true)]
async fn a_description_can_be_changed() {
    let (_simulator, api) = platform();
    let (row, _) = made(&api, json!({"description": "CI"}), "n1").await;
    let case = Case { row: row.clone(), token_id: None, ..Case::default() };
    let change = case.diff(json!({"description": "build"})).changes.remove(0);
    let mut assumed = row.clone();
    ApplicationToken::assume(&change, &mut assumed, &mut Parts::default());
    send(&api, row.id, change).await.unwrap();
    let read = ApplicationToken::read(&api, &Id::Int(row.id)).await.unwrap().unwrap();
    assert_eq!(read, assumed, "what a 204 is taken to mean is what is there");
    assert_eq!((read.text.as_str(), read.nonce.as_deref()), ("build", Some("n1")));
}
