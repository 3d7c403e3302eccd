//! A client that is pinned to organisation 42 and never speaks for another.

use std::sync::Arc;

use emnify::{Client, Credentials, Error, Jwt, Lane};
use http::StatusCode;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::stage::{Answer, Asked, Stage, answer, jwt, jwt_of};

const SWITCH: &str = "/api/v1/authenticate/workspace";

fn user() -> Credentials {
    Credentials::User {
        username: "ops@example.com".into(),
        password: "test".to_owned().into(),
        totp_key: None,
        trusted_device: None,
        mfa_code: None,
    }
}

/// Organisation 42's first token is refused from the second call on; every login answers `login`.
fn moved(login: Value, switch: impl Fn() -> Answer + Send + Sync + 'static) -> Arc<Stage> {
    Stage::new(move |asked, _| match (asked.path.as_str(), asked.bearer.as_deref()) {
        ("/api/v1/authenticate", _) => answer(200, &login),
        (SWITCH, _) => switch(),
        (_, Some(bearer)) if bearer == jwt(1) => answer(401, &json!({"message": "Unauthorized"})),
        _ => answer(200, &json!([])),
    })
}

fn kept(refresh: Option<&str>) -> Jwt {
    Jwt::parse(jwt(1).into()).unwrap().with_refresh_token(refresh.map(|text| text.to_owned().into()))
}

fn not_a_member() -> Answer {
    answer(401, &json!({"error_code": 1101, "message": "no access"}))
}

/// Requests other than logins that carried a token of another organisation than 42.
fn foreign(stage: &Stage) -> Vec<Asked> {
    let ours = |bearer: &str| {
        Jwt::parse(bearer.to_owned().into()).is_ok_and(|jwt| jwt.identity.organisation_id == 42)
    };
    let mut asked = stage.asked();
    asked.retain(|asked| asked.path != SWITCH && asked.bearer.as_deref().is_some_and(|b| !ours(b)));
    asked
}

fn belongs_elsewhere(error: &Error) -> bool {
    matches!(error, Error::OtherOrganisation { pinned: 42, found: 43, .. })
}

async fn calls_go_nowhere_else(stage: &Stage, client: &Client) {
    let api = client.api(Lane::Interactive);
    for _ in 0..5 {
        let refused = api.services().await.unwrap_err();
        assert!(belongs_elsewhere(&refused), "the call says whose login it is: {refused}");
    }
    assert!(foreign(stage).is_empty(), "no request carries a token of another organisation");
    assert_eq!(client.identity().unwrap().organisation_id, 42, "the live token is not replaced");
}

#[tokio::test(start_paused = true)]
async fn a_login_after_a_401_never_brings_a_token_of_another_organisation() {
    let stage = moved(json!({"auth_token": jwt_of(43, 2)}), not_a_member);
    let client = stage.app_client();
    client.set_token(kept(None)).unwrap();
    client.pin(42).unwrap();
    calls_go_nowhere_else(&stage, &client).await;
    assert_eq!(stage.logins(), 1, "the refusal is remembered: calls do not log in again and again");
    assert!(
        !stage.asked().iter().any(|asked| asked.path == SWITCH),
        "an application token has one workspace"
    );
}

#[tokio::test(start_paused = true)]
async fn a_refresh_never_brings_a_token_of_another_organisation() {
    let stage = moved(json!({"auth_token": jwt_of(43, 2), "refresh_token": "r"}), not_a_member);
    let client = stage.client(user());
    client.set_token(kept(Some("refresh"))).unwrap();
    client.pin(42).unwrap();
    let refused = client.login().await.unwrap_err();
    assert!(belongs_elsewhere(&refused), "{refused}");
    assert_eq!(stage.asked()[0].body, json!({"refresh_token": "refresh"}));
    calls_go_nowhere_else(&stage, &client).await;
}

#[tokio::test(start_paused = true)]
async fn a_token_of_another_organisation_is_not_taken_over() {
    let stage = moved(json!({"auth_token": jwt_of(43, 2)}), not_a_member);
    let client = stage.app_client();
    client.pin(42).unwrap();
    let foreign = Jwt::parse(jwt_of(43, 1).into()).unwrap();
    assert!(belongs_elsewhere(&client.set_token(foreign).unwrap_err()));
    assert_eq!(client.identity(), None);
    client.set_token(kept(None)).unwrap();
    assert!(client.pin(43).is_err() && client.pin(42).is_ok(), "a pin is for good");
    let late = stage.app_client();
    late.set_token(kept(None)).unwrap();
    assert!(late.pin(43).is_err(), "nor is a client pinned away from its live token");
}

#[tokio::test(start_paused = true)]
async fn a_user_whose_default_workspace_moved_is_switched_back() {
    let login = json!({"auth_token": jwt_of(43, 2), "refresh_token": "next"});
    let stage = moved(login, || answer(200, &json!({"auth_token": jwt(3)})));
    let client = stage.client(user());
    client.set_token(kept(None)).unwrap();
    client.pin(42).unwrap();
    client.login().await.unwrap();
    client.api(Lane::Interactive).services().await.unwrap();
    let asked = stage.asked();
    let switch = asked.iter().find(|asked| asked.path == SWITCH).expect("a switch");
    assert_eq!(switch.body, json!({"target_organisation": {"id": 42}}));
    assert_eq!(switch.bearer.as_deref(), Some(jwt_of(43, 2).as_str()), "the user's token asks for it");
    assert!(foreign(&stage).is_empty(), "and no other request carries it");
    let token = client.token().unwrap();
    assert_eq!(token.token.expose_secret(), jwt(3));
    assert_eq!(token.refresh_token.unwrap().expose_secret(), "next", "the user's refresh token goes on");
}

#[tokio::test(start_paused = true)]
async fn a_switch_that_lands_elsewhere_is_refused_too() {
    let login = json!({"auth_token": jwt_of(43, 2)});
    let stage = moved(login, || answer(200, &json!({"auth_token": jwt_of(43, 4)})));
    let client = stage.client(user());
    client.set_token(kept(None)).unwrap();
    client.pin(42).unwrap();
    let refused = client.login().await.unwrap_err();
    assert!(belongs_elsewhere(&refused), "{refused}");
    calls_go_nowhere_else(&stage, &client).await;
}

#[tokio::test(start_paused = true)]
async fn a_login_that_ends_does_not_send_the_password_of_a_person() {
    let stage = moved(json!({"auth_token": jwt(2)}), not_a_member);
    let client = stage.client(user());
    client.set_token(kept(None)).unwrap();
    let api = client.api(Lane::Interactive);
    for _ in 0..5 {
        let ended = api.services().await.unwrap_err();
        assert!(matches!(ended, Error::Unauthorized { .. }), "{ended}");
    }
    assert_eq!(stage.logins(), 0, "three refusals lock the person out, so whoever owns the client decides");
    client.login().await.unwrap();
    api.services().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_switch_that_found_no_answer_says_nothing_about_the_login() {
    let stage = moved(json!({"auth_token": jwt_of(43, 2)}), || {
        answer(StatusCode::BAD_GATEWAY.as_u16(), &json!(null))
    });
    let client = stage.client(user());
    client.pin(42).unwrap();
    let failed = client.login().await.unwrap_err();
    assert!(matches!(failed, Error::Unavailable { .. }), "{failed}");
    assert_eq!(client.identity(), None);
}
