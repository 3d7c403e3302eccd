use std::time::Duration;

use serde_json::{Value, json};

use super::totp;
use crate::state::MfaKey;
use crate::testing::{Answered, Driver};
use crate::{Limits, Options};

const KEY: &str = "GEZDGNBVGY3TQOJQ";

async fn password(driver: &Driver, password_sha1: &str) -> Answered {
    let body = json!({"username": "ada@example.com", "password": password_sha1});
    driver.post("/api/v1/authenticate", body).await
}

async fn right(driver: &Driver) -> Answered {
    password(driver, "2f9e53523b62abc141a2b4d6019d23cba835dbd0").await
}

fn anonymous() -> Driver {
    Driver::anonymous(Options::default())
}

fn text(answered: &Answered, field: &str) -> String {
    answered.body[field].as_str().unwrap_or_default().to_owned()
}

#[tokio::test(start_paused = true)]
async fn an_application_token_gives_a_jwt_that_ends_with_its_organisations_lifetime() {
    let mut driver = anonymous();
    assert_eq!(driver.get("/api/v1/endpoint").await.status, 401);
    let answered = driver.post("/api/v1/authenticate", json!({"application_token": "example-token"})).await;
    assert_eq!(answered.status, 200);
    assert!(answered.body.get("refresh_token").is_none(), "applications get no refresh token");
    driver.token = text(&answered, "auth_token");
    assert_eq!(driver.get("/api/v1/country").await.status, 200);
    driver.simulator.advance(Duration::from_secs(14_400));
    let expired = driver.get("/api/v1/country").await;
    assert_eq!((expired.status, &expired.body["error_code"]), (401, &json!(1103)));
}

#[tokio::test(start_paused = true)]
async fn what_is_no_token_is_refused_by_the_gateway() {
    let mut driver = anonymous();
    driver.token = "None".to_owned();
    let refused = driver.get("/api/v1/endpoint").await;
    assert_eq!(refused.status, 401);
    assert_eq!(refused.header("x-amzn-errortype"), "AccessDeniedException");
    assert!(refused.body["message"].is_string() && refused.body.get("error_code").is_none());
}

#[tokio::test(start_paused = true)]
async fn a_revoked_token_logs_nobody_in_but_its_jwts_live_on() {
    let driver = Driver::example().await;
    driver
        .simulator
        .edit(|state| {
            let org = state.organisations.get_mut(&1001).expect("the example's organisation");
            org.application_tokens.get_mut(&501).expect("its token").revoked = true;
        })
        .expect("still sound");
    assert_eq!(driver.get("/api/v1/country").await.status, 200, "the JWT lives on");
    let refused = driver.post("/api/v1/authenticate", json!({"application_token": "example-token"})).await;
    assert_eq!((refused.status, &refused.body), (401, &Value::Null), "401 with an empty body");
    assert_eq!(driver.event_types(), [7]);
}

#[tokio::test(start_paused = true)]
async fn three_wrong_passwords_lock_an_account_for_five_minutes() {
    let driver = anonymous();
    for _ in 0..2 {
        let wrong = password(&driver, "wrong").await;
        assert_eq!((wrong.status, &wrong.body), (401, &Value::Null));
    }
    let third = password(&driver, "wrong").await;
    assert_eq!((third.status, &third.body["error_code"]), (401, &json!(1105)));
    let locked = right(&driver).await;
    assert_eq!((locked.status, &locked.body["error_code"]), (401, &json!(1105)));
    driver.simulator.advance(Duration::from_secs(300));
    assert_eq!(right(&driver).await.status, 200, "the lock ends by itself");
}

#[tokio::test(start_paused = true)]
async fn a_person_refreshes_and_switches_workspaces() {
    let mut driver = anonymous();
    let answered = right(&driver).await;
    let refresh = text(&answered, "refresh_token");
    driver.token = text(&answered, "auth_token");
    let again = driver.post("/api/v1/authenticate", json!({"refresh_token": refresh})).await;
    assert_eq!(again.status, 200);
    assert_ne!(text(&again, "auth_token"), driver.token, "a new token");
    let misuse = driver.post("/api/v1/authenticate", json!({"refresh_token": driver.token})).await;
    assert_eq!(misuse.status, 401, "an auth token refreshes nothing");

    let other =
        driver.post("/api/v1/authenticate/workspace", json!({"target_organisation": {"id": 1002}})).await;
    assert_eq!(other.status, 200);
    assert_eq!(driver.post("/api/v1/dns", json!({})).await.status, 422, "an Administrator may write");
    driver.token = text(&other, "auth_token");
    assert_eq!(driver.get("/api/v1/dns").await.status, 200);
    let refused = driver.post("/api/v1/dns", json!({})).await;
    assert_eq!((refused.status, &refused.body["error_code"]), (403, &json!(1104)), "an Observer may not");
}

#[tokio::test(start_paused = true)]
async fn an_application_token_cannot_switch_workspaces() {
    let driver = Driver::example().await;
    let target = json!({"target_organisation": {"id": 1002}});
    assert_eq!(driver.post("/api/v1/authenticate/workspace", target).await.status, 403);
}

#[tokio::test(start_paused = true)]
async fn a_second_factor_is_asked_unless_the_device_is_trusted() {
    let driver = anonymous();
    let now = driver.simulator.now();
    let key = MfaKey { id: 7, status: 1, secret_key: KEY.to_owned(), creation_date: now };
    driver
        .simulator
        .edit(|state| {
            state.users.get_mut(&301).expect("Ada").mfa_keys.insert(7, key);
        })
        .expect("still sound");
    let first = right(&driver).await;
    assert!(first.body.get("auth_token").is_none(), "the first step gives no token for the API");
    let mfa_token = text(&first, "mfa_token");
    let wrong = json!({"mfa_token": mfa_token, "code": "000000"});
    assert_eq!(driver.post("/api/v1/authenticate", wrong).await.status, 401);
    let code = totp::now(KEY, driver.simulator.now()).expect("a base32 key");
    let second = json!({"mfa_token": mfa_token, "code": code, "trusted_device": {"fingerprint": "laptop"}});
    let answered = driver.post("/api/v1/authenticate", second).await;
    assert!(answered.body["auth_token"].is_string() && answered.body["refresh_token"].is_string());

    let body = json!({"username": "ada@example.com", "password": "2f9e53523b62abc141a2b4d6019d23cba835dbd0", "fingerprint": "laptop"});
    let trusted = driver.post("/api/v1/authenticate", body.clone()).await;
    assert!(trusted.body["auth_token"].is_string(), "a trusted device skips the second step");
    driver.simulator.advance(Duration::from_secs(90 * 24 * 3600));
    let forgotten = driver.post("/api/v1/authenticate", body).await;
    assert!(forgotten.body["mfa_token"].is_string(), "trust ends after 90 days");
}

#[tokio::test(start_paused = true)]
async fn a_key_is_made_activated_and_removed() {
    let mut driver = anonymous();
    driver.token = text(&right(&driver).await, "auth_token");
    let wanted = json!({"type": {"id": 0}, "password": "2f9e53523b62abc141a2b4d6019d23cba835dbd0"});
    let made = driver.post("/api/v1/user/mfa", wanted).await;
    assert_eq!((made.status, &made.body["status"]["id"]), (200, &json!(0)), "activation is pending");
    assert!(right(&driver).await.body["auth_token"].is_string(), "a pending key is not asked for");
    let path = format!("/api/v1/user/mfa/{}", made.body["id"]);
    let activation = |code: String| json!({"status": {"id": 1}, "code": code});
    assert_eq!(driver.patch(&path, activation("000000".to_owned())).await.status, 422);
    let code = totp::now(&text(&made, "secret_key"), driver.simulator.now()).expect("a base32 key");
    assert_eq!(driver.patch(&path, activation(code.clone())).await.status, 204);
    assert_eq!(driver.patch(&path, activation(code)).await.status, 409);
    assert!(right(&driver).await.body["mfa_token"].is_string());
    let path = format!("/api/v1/user/301/mfa/{}", made.body["id"]);
    assert_eq!(driver.delete(&path).await.status, 204);
    assert_eq!(driver.delete(&path).await.status, 404);
}

#[tokio::test(start_paused = true)]
async fn a_source_may_log_in_100_times_in_five_minutes() {
    let driver = Driver::anonymous(Options { limits: Limits::Real, ..Options::default() });
    let body = json!({"application_token": "example-token"});
    for _ in 0..100 {
        assert_eq!(driver.post("/api/v1/authenticate", body.clone()).await.status, 200);
    }
    let refused = driver.post("/api/v1/authenticate", body.clone()).await;
    assert_eq!((refused.status, refused.header("retry-after")), (429, ""), "no Retry-After unless told");
    driver.simulator.advance(Duration::from_secs(300));
    assert_eq!(driver.post("/api/v1/authenticate", body).await.status, 200);
}
