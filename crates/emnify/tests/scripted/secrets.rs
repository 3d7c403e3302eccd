//! No secret leaves the client but in requests.

use std::io;
use std::sync::{Arc, Mutex};

use emnify::wire::application_token::ApplicationTokenCreate;
use emnify::{Credentials, Lane};
use serde_json::json;
use tracing_subscriber::fmt::MakeWriter;

use crate::stage::{Stage, answer, jwt};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Log;

    fn make_writer(&'a self) -> Log {
        self.clone()
    }
}

#[tokio::test(start_paused = true)]
async fn no_secret_is_logged_or_shown() {
    let log = Log::default();
    let subscriber =
        tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(log.clone()).finish();
    // For all threads: what the tests beside this one log must be free of secrets, too.
    tracing::subscriber::set_global_default(subscriber).unwrap();
    let stage = Stage::new(|asked, before| {
        if asked.body.get("mfa_token").is_some() {
            return answer(200, &json!({"auth_token": jwt(before), "refresh_token": "refresh-hush"}));
        }
        if asked.is_login() && before > 1 {
            let said = format!("refused {}", asked.body);
            return answer(
                401,
                &json!({"error_code": 1101, "error_token": "InvalidCredentials", "message": said}),
            );
        }
        match asked.path.as_str() {
            "/api/v1/authenticate" => answer(200, &json!({"mfa_token": "mfa-hush"})),
            "/api/v1/application_token" => answer(200, &json!({"application_token": "minted-hush"})),
            _ => answer(
                400,
                &json!({"message": format!("bad token {}", asked.bearer.as_deref().unwrap_or(""))}),
            ),
        }
    });
    let credentials = Credentials::User {
        username: "ops@example.com".into(),
        password: "password-hush".to_owned().into(),
        totp_key: Some("GEZDGNBVGY3TQOJQ".to_owned().into()),
        trusted_device: Some("finger-hush".to_owned().into()),
        mfa_code: Some("424242".to_owned().into()),
    };
    let client = stage.client(credentials.clone());
    client.login().await.unwrap();
    let api = client.api(Lane::Interactive);
    let minted = api.create_application_token(&ApplicationTokenCreate::default()).await.unwrap();
    let rejected = api.services().await.unwrap_err();
    let refused = client.login().await.unwrap_err();
    let shown = format!(
        "{credentials:?} {client:?} {api:?} {minted:?} {rejected} {rejected:?} {refused} {refused:?} {:?} {:?} {:?}",
        client.token(),
        client.identity(),
        client.limits(),
    );
    let logged = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(logged.contains("/api/v1/application_token"), "requests are logged by route");
    let bearer = client.token().map(|_| jwt(1)).unwrap();
    let secrets = ["hush", "GEZDGNBVGY3TQOJQ", "424242", "eyJ", bearer.as_str()];
    for secret in secrets {
        assert!(!shown.contains(secret), "{secret} is shown: {shown}");
        assert!(!logged.contains(secret), "{secret} is logged: {logged}");
    }
    assert!(refused.to_string().contains("InvalidCredentials"), "the reason is still told: {refused}");
}
