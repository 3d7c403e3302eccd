//! Lookup tables, on which edits depend: one reading that fails holds nobody up for long, nor does a login that may not read.

use emnify_engine::{kind::spec::WorkspaceKey, session::caller::Caller};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::{stage::Stage, wire::Wrong};

/// A device whose tags and operators are looked up by name.
fn device(name: &str) -> Value {
    json!({
        "name": name, "serviceProfile": {"id": "101"}, "tariffProfile": {"id": "201"},
        "tags": [name], "operatorBlocklist": [{"mccMnc": "262-01"}],
    })
}

impl Stage {
    /// The device is in step within a minute.
    async fn soon(&self) {
        for _ in 0..60 {
            if self.is_ready("Endpoint", "a") {
                return;
            }
            self.pass(1).await;
        }
        panic!("not within a minute: {:#}", self.cluster.object("Endpoint", "a").unwrap()["status"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_table_that_could_not_be_read_once_holds_nobody_up_for_long() {
    let broken = || Wrong::Answer(500, json!({"error_code": 0, "message": "broken"}));
    let stage = Stage::new().await;
    stage.wire.fail_once(|asked| asked.method == "GET" && asked.path.ends_with("/operator"), broken());
    stage.cluster.apply_a("Endpoint", "a", device("roof"));
    stage.soon().await;
    assert_eq!(stage.wire.struck().len(), 1, "the table of operators");
    // what was read then is old by now
    stage.pass(420).await;
    stage.wire.fail_once(|asked| asked.method == "GET" && asked.path.ends_with("/tags"), broken());
    stage.cluster.apply_a("Endpoint", "a", device("attic"));
    stage.soon().await;
    stage.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_table_that_one_login_may_not_read_another_reads() {
    let stage = Stage::new().await;
    // the first by name of those that could read it
    let key = WorkspaceKey { namespace: Some("ns".into()), name: "another".into() };
    let client = stage.client("metering-token-2").await;
    let bearer = client.token().unwrap().token.expose_secret().to_owned();
    let other = stage.access().session.admit(Caller::new(key, client));
    stage
        .wire
        .fail(move |asked| asked.path.ends_with("/operator") && asked.bearer == bearer, Wrong::Forbidden);
    stage.cluster.apply_a("Endpoint", "a", device("roof"));
    stage.soon().await;
    assert_eq!(stage.wire.struck().len(), 1, "it was tried, and not again");
    assert!(other.lacks().iter().any(|lack| lack.starts_with("list operator")), "{:?}", other.lacks());
    stage.stop().await;
}
