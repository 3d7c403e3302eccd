//! Logging in as the platform wants it.

use std::time::Duration;

use emnify::{Credentials, Error, Jwt, Lane};
use emnify_simulator::state::MfaKey;
use emnify_simulator::{Fault, Seed, Simulator};
use secrecy::{ExposeSecret, SecretString};

use crate::stage::{calls, client, client_of, example, logins, start};

const PASSWORD: &str = "correct horse";
const TOTP_KEY: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
const HOURS: Duration = Duration::from_secs(3_600);

fn secret(text: &str) -> SecretString {
    SecretString::from(text.to_owned())
}

fn ada(password: &str, totp_key: Option<&str>) -> Credentials {
    Credentials::User {
        username: "ada@example.com".into(),
        password: secret(password),
        totp_key: totp_key.map(secret),
        trusted_device: None,
        mfa_code: None,
    }
}

/// The example workspace, where Ada has a second factor.
fn with_second_factor() -> Simulator {
    let mut state = Seed::example().state().clone();
    let key =
        MfaKey { id: 1, status: 1, secret_key: TOTP_KEY.into(), creation_date: jiff::Timestamp::UNIX_EPOCH };
    state.users.get_mut(&301).unwrap().mfa_keys.insert(key.id, key);
    start(Seed::from_state(state).unwrap())
}

#[tokio::test(start_paused = true)]
async fn an_application_token_names_its_organisation_and_its_lifetime() {
    let simulator = example();
    let client = client(&simulator);
    let identity = client.login().await.unwrap();
    assert_eq!((identity.organisation_id, identity.application_token_id), (1001, Some(501)));
    assert_eq!(identity.organisation_name, "Example");
    let lifetime = identity.expires_at.duration_since(identity.issued_at);
    assert_eq!(lifetime.as_hours(), 4, "the lifetime is the organisation's");
    assert!(client.token().unwrap().refresh_token.is_none(), "never a refresh token for application tokens");
}

#[tokio::test(start_paused = true)]
async fn a_user_logs_in_with_a_clear_password_and_refreshes_without_it() {
    let simulator = example();
    let client = client_of(&simulator, ada(PASSWORD, None));
    let identity = client.login().await.unwrap();
    assert_eq!((identity.organisation_id, identity.application_token_id), (1001, None));
    let first = client.token().unwrap();
    simulator.advance(5 * HOURS);
    client.api(Lane::Interactive).services().await.unwrap();
    let second = client.token().unwrap();
    assert_ne!(first.token.expose_secret(), second.token.expose_secret(), "the expired token was replaced");
    assert_eq!(logins(&simulator), 2);
    let digest = "2f9e53523b62abc141a2b4d6019d23cba835dbd0";
    assert!(client_of(&simulator, ada(digest, None)).login().await.is_ok(), "a digest is taken as it is");
}

#[tokio::test(start_paused = true)]
async fn a_second_factor_follows_the_simulated_clock() {
    let simulator = with_second_factor();
    simulator.advance(1_000 * HOURS);
    let refused = client_of(&simulator, ada(PASSWORD, None)).login().await.unwrap_err();
    assert!(refused.to_string().contains("second factor"), "{refused}");
    let client = client_of(&simulator, ada(PASSWORD, Some(TOTP_KEY)));
    assert_eq!(client.login().await.unwrap().organisation_id, 1001);
}

#[tokio::test(start_paused = true)]
async fn a_device_is_trusted_after_one_code() {
    let simulator = with_second_factor();
    let device = |mfa_code: Option<SecretString>| Credentials::User {
        username: "ada@example.com".into(),
        password: secret(PASSWORD),
        totp_key: None,
        trusted_device: Some(secret("fingerprint-1")),
        mfa_code,
    };
    let stranger = client_of(&simulator, device(None)).login().await;
    assert!(matches!(stranger, Err(Error::Unauthorized { status: 0, .. })));
    let wrong = client_of(&simulator, device(Some(secret("000000")))).login().await;
    assert!(matches!(wrong, Err(Error::Unauthorized { status: 401, .. })));
    // The code of RFC 6238 for this second.
    simulator.set_clock(jiff::Timestamp::from_second(20_000_000_000).unwrap());
    let code = Some(secret("353130"));
    assert!(client_of(&simulator, device(code)).login().await.is_ok());
    assert!(client_of(&simulator, device(None)).login().await.is_ok(), "no code is needed from then on");
}

#[tokio::test(start_paused = true)]
async fn a_hundred_calls_after_expiry_share_one_login() {
    let simulator = example();
    let client = client(&simulator);
    client.api(Lane::Interactive).services().await.unwrap();
    simulator.advance(5 * HOURS);
    let slow = Fault { method: Some("GET".into()), delay: Some("1s".into()), ..Fault::default() };
    simulator.fault(slow).unwrap();
    let api = client.api(Lane::Interactive);
    let all = futures::future::join_all((0..100).map(|_| api.services())).await;
    assert!(all.iter().all(Result::is_ok));
    assert_eq!(calls(&simulator, "GET", "/api/v1/service", 401), 100, "all of them were refused first");
    assert_eq!(logins(&simulator), 2, "the first login and one more");
}

#[tokio::test(start_paused = true)]
async fn a_revoked_token_refuses_the_login_but_its_jwt_lives_on() {
    let simulator = example();
    let client = client(&simulator);
    client.login().await.unwrap();
    let revoke = |state: &mut emnify_simulator::State| {
        let organisation = state.organisations.get_mut(&1001).unwrap();
        organisation.application_tokens.get_mut(&501).unwrap().revoked = true;
    };
    simulator.edit(revoke).unwrap();
    let api = client.api(Lane::Interactive);
    assert!(api.services().await.is_ok());
    simulator.advance(5 * HOURS);
    for _ in 0..3 {
        assert!(matches!(api.services().await, Err(Error::Unauthorized { status: 401, .. })));
    }
    assert_eq!(calls(&simulator, "POST", "/api/v1/authenticate", 401), 1, "the refusal is not tried again");
    assert_eq!(calls(&simulator, "GET", "/api/v1/service", 401), 1, "nor is the dead token");
    assert!(client.identity().is_some(), "whose it was is still known");
}

#[tokio::test(start_paused = true)]
async fn a_locked_account_says_so() {
    let simulator = example();
    for _ in 0..3 {
        assert!(client_of(&simulator, ada("wrong", None)).login().await.is_err());
    }
    let locked = client_of(&simulator, ada(PASSWORD, None)).login().await.unwrap_err();
    assert!(matches!(locked, Error::Unauthorized { status: 401, .. }));
    assert!(locked.to_string().contains("TooManyRequests"), "{locked}");
    simulator.advance(Duration::from_secs(301));
    assert!(client_of(&simulator, ada(PASSWORD, None)).login().await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_kept_token_serves_a_second_client() {
    let simulator = example();
    let first = client(&simulator);
    first.login().await.unwrap();
    let kept = first.token().unwrap();
    let second = client(&simulator);
    second.set_token(Jwt::parse(kept.token).unwrap()).unwrap();
    second.api(Lane::Sweep).services().await.unwrap();
    assert_eq!(logins(&simulator), 1, "a restart does not log in again");
}

/// Makes another workspace Ada's default, as the portal does.
fn move_home(simulator: &Simulator, organisation: u64) {
    let edit = |state: &mut emnify_simulator::State| {
        for membership in &mut state.users.get_mut(&301).unwrap().workspaces {
            membership.default = membership.organisation == organisation;
        }
    };
    simulator.edit(edit).unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_pinned_client_stays_in_its_workspace_when_the_users_default_moves() {
    let simulator = example();
    let client = client_of(&simulator, ada(PASSWORD, None));
    client.login().await.unwrap();
    client.pin(1001).unwrap();
    move_home(&simulator, 1002);
    assert_eq!(client.login().await.unwrap().organisation_id, 1001, "a refresh is switched back");
    simulator.advance(5 * HOURS);
    client.api(Lane::Interactive).services().await.unwrap();
    assert_eq!(client.identity().unwrap().organisation_id, 1001, "and so is a login after a 401");
    let leave = |state: &mut emnify_simulator::State| {
        state.users.get_mut(&301).unwrap().workspaces.retain(|membership| membership.organisation == 1002);
    };
    simulator.edit(leave).unwrap();
    let refused = client.login().await.unwrap_err();
    assert!(matches!(refused, Error::OtherOrganisation { pinned: 1001, found: 1002, .. }), "{refused}");
    assert_eq!(client.identity().unwrap().organisation_id, 1001);
}
