//! Logging in.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use emnify::{Credentials, Error, Jwt, Lane, TransportError};
use http::header;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use crate::stage::{Stage, answer, jwt, logged_in};

fn secret(text: &str) -> SecretString {
    SecretString::from(text.to_owned())
}

fn user(totp_key: Option<&str>, trusted_device: Option<&str>, mfa_code: Option<&str>) -> Credentials {
    Credentials::User {
        username: "ops@example.com".into(),
        password: secret("test"),
        totp_key: totp_key.map(secret),
        trusted_device: trusted_device.map(secret),
        mfa_code: mfa_code.map(secret),
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_call_logs_in_and_the_token_is_used_from_then_on() {
    let stage = Stage::new(|asked, _| if asked.is_login() { logged_in(1) } else { answer(200, &json!([])) });
    let client = stage.app_client();
    assert_eq!(client.identity(), None, "nobody is known before the first login");
    client.api(Lane::Sweep).services().await.unwrap();
    client.api(Lane::Sweep).services().await.unwrap();
    let asked = stage.asked();
    assert_eq!(asked.len(), 3, "one login, two calls");
    assert_eq!(asked[0].body, json!({"application_token": "app-token-hush"}));
    assert_eq!(asked[1].bearer.as_deref(), Some(jwt(1).as_str()));
    let identity = client.identity().unwrap();
    assert_eq!((identity.organisation_id, identity.application_token_id), (42, Some(7)));
    let due = identity.refresh_at();
    assert_eq!(client.refresh_due(identity.issued_at), Some(due));
    assert_eq!(client.refresh_due(identity.expires_at), Some(identity.expires_at), "overdue means now");
}

#[tokio::test(start_paused = true)]
async fn a_hundred_refused_calls_share_one_login() {
    let stage = Stage::new(|asked, _| match asked.bearer.as_deref() {
        None => logged_in(2),
        Some(bearer) if bearer == jwt(2) => answer(200, &json!([])),
        Some(_) => answer(401, &json!({"message": "Unauthorized"})),
    });
    let client = stage.app_client();
    client.set_token(Jwt::parse(jwt(1).into()).unwrap()).unwrap();
    let api = client.api(Lane::Interactive);
    let calls = futures::future::join_all((0..100).map(|_| api.services())).await;
    assert!(calls.iter().all(Result::is_ok), "every call is repeated once with the new token");
    assert_eq!(stage.logins(), 1, "one login serves all");
}

#[tokio::test(start_paused = true)]
async fn a_hundred_callers_share_one_refusal_and_nobody_tries_again() {
    let stage =
        Stage::new(
            |asked, _| {
                if asked.is_login() { answer(401, &json!(null)) } else { answer(200, &json!([])) }
            },
        );
    let client = stage.app_client();
    let api = client.api(Lane::Interactive);
    let calls = futures::future::join_all((0..100).map(|_| api.services())).await;
    assert!(calls.iter().all(|call| matches!(call, Err(Error::Unauthorized { status: 401, .. }))));
    assert!(api.services().await.is_err());
    assert_eq!(stage.logins(), 1, "a refused credential is tried once");
    assert!(client.login().await.is_err());
    assert_eq!(stage.logins(), 2, "except when someone asks for it");
    client.set_credentials(Credentials::ApplicationToken(secret("other")));
    assert!(api.services().await.is_err());
    assert_eq!(stage.logins(), 3, "and new credentials are tried");
}

#[tokio::test(start_paused = true)]
async fn a_login_that_found_no_answer_is_tried_again_by_the_next_call() {
    let stage = Stage::new(|asked, before| match (asked.is_login(), before) {
        (true, 0) => Err(TransportError::Connect("the connection failed".into())),
        (true, _) => logged_in(1),
        _ => answer(200, &json!([])),
    });
    let api = stage.app_client().api(Lane::Interactive);
    assert!(matches!(api.services().await, Err(Error::Unavailable { .. })));
    assert!(api.services().await.is_ok(), "only a refusal is remembered");
}

#[tokio::test(start_paused = true)]
async fn a_token_refused_right_after_the_login_is_not_replaced() {
    let stage = Stage::new(
        |asked, before| if asked.is_login() { logged_in(before) } else { answer(401, &json!(null)) },
    );
    let client = stage.app_client();
    let api = client.api(Lane::Interactive);
    for _ in 0..5 {
        assert!(matches!(api.services().await, Err(Error::Unauthorized { .. })));
    }
    assert_eq!(stage.logins(), 1, "another login would give the same");
}

#[tokio::test(start_paused = true)]
async fn a_token_that_expired_unused_is_replaced() {
    let stage = Stage::new(|asked, before| match (asked.is_login(), before) {
        (true, _) => logged_in(before),
        (_, 1) => {
            let mut late = answer(401, &json!(null))?;
            // An hour after the token's end.
            late.headers_mut().insert(header::DATE, "Tue, 02 Oct 2096 12:06:40 GMT".parse().unwrap());
            Ok(late)
        }
        _ => answer(200, &json!([])),
    });
    let client = stage.app_client();
    client.login().await.unwrap();
    assert!(client.api(Lane::Sweep).services().await.is_ok());
    assert_eq!(stage.logins(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_expired_token_is_replaced_every_time() {
    let valid = Arc::new(AtomicUsize::new(1));
    let stage = Stage::new({
        let valid = Arc::clone(&valid);
        move |asked, _| {
            let now = valid.load(Ordering::Relaxed);
            match asked.bearer.as_deref() {
                None => logged_in(now),
                Some(bearer) if bearer == jwt(now) => answer(200, &json!([])),
                Some(_) => answer(401, &json!(null)),
            }
        }
    });
    let api = stage.app_client().api(Lane::Interactive);
    for round in 1..4 {
        valid.store(round, Ordering::Relaxed);
        api.services().await.unwrap();
        api.services().await.unwrap();
        assert_eq!(stage.logins(), round, "a token that worked is replaced when it works no more");
    }
}

#[tokio::test(start_paused = true)]
async fn a_user_logs_in_with_a_digest_and_refreshes_without_it() {
    let stage = Stage::new(|_, before| {
        answer(200, &json!({"auth_token": jwt(before), "refresh_token": format!("refresh-{before}")}))
    });
    let client = stage.client(user(None, None, None));
    client.login().await.unwrap();
    client.login().await.unwrap();
    let asked = stage.asked();
    assert_eq!(
        asked[0].body,
        json!({"username": "ops@example.com", "password": "a94a8fe5ccb19ba61c4c0873d391e987982fbbd3"})
    );
    assert_eq!(asked[1].body, json!({"refresh_token": "refresh-0"}), "the password is not sent twice");
    let token = client.token().unwrap();
    assert_eq!(token.refresh_token.unwrap().expose_secret(), "refresh-1");
}

#[tokio::test(start_paused = true)]
async fn a_refused_refresh_token_falls_back_to_the_password() {
    let stage = Stage::new(|asked, before| match asked.body.get("refresh_token") {
        Some(_) => answer(401, &json!(null)),
        None => answer(200, &json!({"auth_token": jwt(before), "refresh_token": "stale"})),
    });
    let client = stage.client(user(None, None, None));
    client.login().await.unwrap();
    client.login().await.unwrap();
    assert_eq!(stage.logins(), 3, "password, refresh token, password");
}

#[tokio::test(start_paused = true)]
async fn a_second_factor_is_answered_by_the_servers_clock() {
    let stage = Stage::new(|asked, _| {
        if asked.body.get("mfa_token").is_some() {
            return logged_in(1);
        }
        let mut asks = answer(200, &json!({"mfa_token": "mfa"})).unwrap();
        // 1,111,111,109 s after the epoch, a time of RFC 6238's table.
        asks.headers_mut().insert(header::DATE, "Fri, 18 Mar 2005 01:58:29 GMT".parse().unwrap());
        Ok(asks)
    });
    let key = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
    stage.client(user(Some(key), None, None)).login().await.unwrap();
    assert_eq!(stage.asked()[1].body, json!({"mfa_token": "mfa", "code": "081804"}));
}

#[tokio::test(start_paused = true)]
async fn a_device_is_registered_with_a_code_and_trusted_from_then_on() {
    let stage = Stage::new(|asked, before| match (asked.body.get("mfa_token"), before) {
        (None, 0) => answer(200, &json!({"mfa_token": "mfa"})),
        _ => logged_in(before),
    });
    let client = stage.client(user(None, Some("finger"), Some("123456")));
    client.login().await.unwrap();
    client.login().await.unwrap();
    let asked = stage.asked();
    assert_eq!(asked[0].body["fingerprint"], "finger");
    assert_eq!(asked[1].body["code"], "123456");
    assert_eq!(asked[1].body["trusted_device"]["fingerprint"], "finger");
    assert_eq!(asked.len(), 3, "a trusted device needs no second step");
}

#[tokio::test(start_paused = true)]
async fn a_second_factor_that_nobody_can_answer_is_a_refusal() {
    let stage = Stage::new(|_, _| answer(200, &json!({"mfa_token": "mfa"})));
    let client = stage.client(user(None, None, None));
    let refused = client.login().await.unwrap_err();
    assert!(
        matches!(&refused, Error::Unauthorized { status: 0, message } if message.contains("second factor"))
    );
    let wrong = stage.client(user(Some("not base32!"), None, None)).login().await.unwrap_err();
    assert!(wrong.to_string().contains("base32"), "{wrong}");
}

#[tokio::test(start_paused = true)]
async fn a_kept_token_saves_the_login() {
    let stage = Stage::new(|_, _| answer(200, &json!([])));
    let client = stage.app_client();
    client.set_token(Jwt::parse(jwt(9).into()).unwrap()).unwrap();
    client.api(Lane::Sweep).services().await.unwrap();
    assert_eq!((stage.logins(), stage.asked()[0].bearer.clone()), (0, Some(jwt(9))));
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_gives_up_does_not_lose_the_login_for_others() {
    let stage = Stage::new(|asked, _| if asked.is_login() { logged_in(1) } else { answer(200, &json!([])) });
    let api = stage.app_client().api(Lane::Interactive);
    drop(tokio::time::timeout(Duration::from_millis(5), api.services()).await);
    assert!(api.services().await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_jwt_that_is_handed_out_is_not_the_clients_own() {
    let stage = Stage::new(|asked, _| match asked.body["application_token"].as_str() {
        Some("app-token-hush") => logged_in(1),
        Some("workload") => logged_in(2),
        Some(_) => answer(401, &json!(null)),
        None => answer(200, &json!([])),
    });
    let client = stage.app_client();
    let api = client.api(Lane::Interactive);
    api.services().await.unwrap();
    assert_eq!(api.mint_jwt(secret("workload")).await.unwrap().token.expose_secret(), jwt(2));
    assert!(matches!(api.mint_jwt(secret("revoked")).await, Err(Error::Unauthorized { .. })));
    api.services().await.unwrap();
    assert_eq!(
        stage.asked().last().unwrap().bearer.as_deref(),
        Some(jwt(1).as_str()),
        "the own login goes on"
    );
}

#[tokio::test(start_paused = true)]
async fn a_login_with_credentials_that_were_replaced_meanwhile_brings_nothing() {
    for by_hand in [true, false] {
        let stage = Stage::new(|asked, _| match asked.bearer.as_deref() {
            None if asked.body["application_token"] == "app-token-hush" => logged_in(2),
            None => logged_in(3),
            Some(bearer) if bearer == jwt(1) => answer(401, &json!({"message": "Unauthorized"})),
            Some(_) => answer(200, &json!([])),
        });
        let client = stage.app_client();
        client.set_token(Jwt::parse(jwt(1).into()).unwrap()).unwrap();
        let call = tokio::spawn({
            let api = client.api(Lane::Interactive);
            async move { api.services().await }
        });
        while stage.logins() == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        client.set_credentials(Credentials::ApplicationToken(secret("next")));
        if by_hand {
            client.set_token(Jwt::parse(jwt(3).into()).unwrap()).unwrap();
        }
        call.await.unwrap().unwrap();
        let live = client.token().unwrap().token.expose_secret().to_owned();
        assert_eq!(live, jwt(3), "nobody goes on with what the old ones brought");
        let used = stage.asked().iter().any(|asked| asked.bearer.as_deref() == Some(&jwt(2)));
        assert!(!used, "and it is used for nothing");
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_that_was_given_is_all_there_is() {
    let stage = Stage::new(|_, before| {
        if before == 0 { answer(200, &json!([])) } else { answer(401, &json!({"message": "Unauthorized"})) }
    });
    let client = stage.client(Credentials::Given);
    client.set_token(Jwt::parse(jwt(1).into()).unwrap()).unwrap();
    let api = client.api(Lane::Interactive);
    api.services().await.unwrap();
    for _ in 0..2 {
        let refused = api.services().await.unwrap_err();
        assert!(
            matches!(&refused, Error::Unauthorized { message, .. } if message.contains("nothing to log in with"))
        );
    }
    assert_eq!((stage.logins(), stage.asked().len()), (0, 2), "a refused token is not sent again");
}
