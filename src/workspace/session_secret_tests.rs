//! The Secret that keeps a login.

use data_encoding::BASE64URL_NOPAD;
use serde_json::json;

use super::*;

const NAME: &str = "session.workspace.ns.main";

fn kept() -> SessionSecret {
    let claims = json!({"esc.org": 42, "esc.orgName": "Example", "iat": 1_000_000, "exp": 1_014_400});
    let token = format!("e30.{}.sig", BASE64URL_NOPAD.encode(claims.to_string().as_bytes()));
    let jwt = Jwt::parse(token.into()).unwrap().with_refresh_token(Some("refresh-hush".to_owned().into()));
    let login = Login { jwt, origin: "https://cdn.emnify.net".into(), credential: "abc".into() };
    let secrets = Secrets::from([("emnify".into(), Some([("token".into(), b"hush-hush".to_vec())].into()))]);
    SessionSecret { login: Some(login), copied: Copied::of(&secrets), ..SessionSecret::fresh() }
}

#[test]
fn a_login_survives_a_restart() {
    let kept = kept();
    let again = SessionSecret::read(&kept.write(NAME, "u", None), "u").unwrap();
    assert_eq!(again.trusted_device.salt.expose_secret(), kept.trusted_device.salt.expose_secret());
    assert_eq!(
        again.trusted_device.fingerprint.expose_secret(),
        kept.trusted_device.fingerprint.expose_secret()
    );
    assert_eq!(again.copied, kept.copied);
    let (before, after) = (kept.login.unwrap(), again.login.unwrap());
    assert_eq!(after.current_login(false), before.current_login(false));
    assert_eq!(after.jwt.token.expose_secret(), before.jwt.token.expose_secret());
    assert_eq!(after.jwt.refresh_token.unwrap().expose_secret(), "refresh-hush");
}

#[test]
fn a_namesake_inherits_neither_login_nor_credentials() {
    let secret = kept().write(NAME, "u", None);
    let namesake = SessionSecret::read(&secret, "other").unwrap();
    assert!(namesake.login.is_none(), "the login of a workspace that is gone is nobody's");
    assert!(namesake.copied.is_empty(), "and so are its credentials");
    assert_eq!(
        namesake.trusted_device.fingerprint.expose_secret(),
        kept_fingerprint(&secret),
        "after a restore the operator is still a trusted device"
    );
    assert!(
        belongs(&secret, "u") && !belongs(&secret, "other"),
        "and it is removed by its own workspace only"
    );
}

fn kept_fingerprint(secret: &Secret) -> String {
    String::from_utf8(secret.data.as_ref().unwrap()["fingerprint"].0.clone()).unwrap()
}

#[test]
fn a_secret_of_somebody_else_is_neither_read_nor_overwritten() {
    let opaque = Secret { type_: Some("Opaque".into()), ..kept().write(NAME, "u", None) };
    let error = SessionSecret::read(&opaque, "u").unwrap_err().to_string();
    assert!(error.starts_with("Secret session.workspace.ns.main in the operator's namespace"), "{error}");
}

#[test]
fn what_an_earlier_release_kept_is_read_where_the_operator_made_it() {
    let owner = OwnerReference { uid: "u".into(), ..OwnerReference::default() };
    let former = kept().write("main-session", "u", Some(owner));
    let read = SessionSecret::read_former(&former, "u").unwrap();
    assert!(
        read.login.is_some() && read.copied.is_empty(),
        "a tenant's copy of credentials is not taken over"
    );
    assert!(SessionSecret::read_former(&former, "other").is_none(), "that of another workspace is not");
    let opaque = Secret { type_: Some("Opaque".into()), ..former };
    assert!(SessionSecret::read_former(&opaque, "u").is_none(), "and no Secret of a user's");
}

#[test]
fn secrets_that_are_gone_are_stood_in_for_and_no_others() {
    let copied = kept().copied;
    let own: BTreeMap<String, Vec<u8>> = [("token".to_owned(), b"new".to_vec())].into();
    let mut secrets = Secrets::from([("emnify".into(), None), ("other".into(), None)]);
    copied.stand_in(&mut secrets);
    assert_eq!(secrets["emnify"].as_ref().unwrap()["token"], b"hush-hush");
    assert_eq!(secrets["other"], None, "of what was not copied nothing is made up");
    let mut secrets = Secrets::from([("emnify".into(), Some(own.clone()))]);
    copied.stand_in(&mut secrets);
    assert_eq!(secrets["emnify"], Some(own), "what is there is what counts");
}

#[test]
fn what_went_a_moment_before_its_workspace_is_still_known() {
    let mut read = kept().copied;
    read.update(&Secrets::from([("emnify".into(), None)]));
    let mut secrets = Secrets::from([("emnify".into(), None)]);
    read.stand_in(&mut secrets);
    assert_eq!(secrets["emnify"].as_ref().unwrap()["token"], b"hush-hush");
    read.update(&Secrets::from([("other".into(), None)]));
    assert!(read.is_empty(), "what the spec no longer names is forgotten");
}

#[test]
fn damage_costs_a_login_and_nothing_more() {
    let mut secret = kept().write(NAME, "u", None);
    let data = secret.data.as_mut().unwrap();
    data.insert("jwt".into(), ByteString(b"garbage".to_vec()));
    data.insert("credentials".into(), ByteString(b"{\"emnify\":{\"token\":\"%\"}}".to_vec()));
    let damaged = SessionSecret::read(&secret, "u").unwrap();
    assert!(damaged.login.is_none() && damaged.copied.is_empty());
    secret.data = None;
    let emptied = SessionSecret::read(&secret, "u").unwrap();
    assert_eq!(emptied.trusted_device.salt.expose_secret().len(), 32, "new randomness");
    assert_ne!(
        SessionSecret::fresh().trusted_device.salt.expose_secret(),
        emptied.trusted_device.salt.expose_secret(),
        "never the same twice"
    );
}

#[test]
fn no_token_shows_in_debug_output() {
    let shown = format!("{:?}", kept());
    assert!(!shown.contains("hush") && !shown.contains("e30."), "{shown}");
}
