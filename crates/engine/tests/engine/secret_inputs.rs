//! Values of Secrets that go to emnify: read by name, sent anew when they change, written down only as digests.

use serde_json::{Value, json};

use crate::support::{
    Stage,
    cluster::Cluster,
    emnify::{Emnify, Fault},
};

const SECRET: &str = "/api/v1/namespaces/ns/secrets/codes";

fn store(cluster: &Cluster, key: &str, value: &str) {
    let data = json!({key: data_encoding::BASE64.encode(value.as_bytes())});
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "codes", "namespace": "ns"}, "data": data});
    cluster.put(SECRET, secret);
}

fn coded() -> Value {
    json!({"name": "a", "code": ["codes", "code"]})
}

fn sent(stage: &Stage) -> Vec<String> {
    let code = |body: &Value| body["ip_address"].as_str().map(str::to_owned);
    let all = stage.emnify.asked("");
    let devices = all.iter().filter(|asked| asked.what.contains("/endpoint"));
    devices.filter_map(|asked| code(&asked.body).or_else(|| code(&asked.body["endpoints"][0]))).collect()
}

fn digest(stage: &Stage) -> String {
    stage.status("a", "inputs")["code"].as_str().unwrap_or_default().to_owned()
}

/// Nothing that people can read holds the value.
fn is_kept_secret(stage: &Stage, value: &str) {
    for written in stage.cluster.wrote("") {
        let text = written.body.to_string();
        assert!(!text.contains(value), "{} holds the value: {text}", written.what);
    }
}

#[tokio::test(start_paused = true)]
async fn a_value_is_sent_with_the_create_and_again_only_when_it_changes() {
    let stage = Stage::new().await;
    store(&stage.cluster, "code", "hunter2\n");
    stage.cluster.apply("a", coded());
    stage.ready("a").await;
    assert_eq!(sent(&stage), ["hunter2"], "a line break at the end is no part of it");
    let first = digest(&stage);
    assert_eq!(first.len(), 24, "the status holds a digest of what was sent");
    let writes = stage.emnify.writes();
    stage.pass(300).await;
    assert_eq!(stage.emnify.writes(), writes, "what did not change is not sent again");

    store(&stage.cluster, "code", "hunter3");
    stage.pass(35).await;
    assert_eq!(sent(&stage), ["hunter2", "hunter3"], "another value is known within half a minute");
    stage.ready("a").await;
    stage.until("the status tells of the new value", |s| digest(s) != first).await;
    let lanes = stage.cluster.events();
    assert!(lanes.contains(&("Updated".into(), "code: *** -> ***".into())), "{lanes:?}");
    is_kept_secret(&stage, "hunter");
}

#[tokio::test(start_paused = true)]
async fn what_was_sent_is_known_after_a_restart() {
    let stage = Stage::new().await;
    stage.caller.set_salt("salt".to_owned().into());
    store(&stage.cluster, "code", "hunter2");
    stage.cluster.apply("a", coded());
    stage.ready("a").await;
    let first = digest(&stage);
    let (cluster, emnify) = (stage.cluster.clone(), stage.emnify.clone());
    stage.stop().await;
    let stage = Stage::closed(cluster, emnify).await;
    stage.caller.set_salt("salt".to_owned().into());
    let writes = stage.emnify.writes();
    stage.engine.open();
    stage.pass(120).await;
    assert_eq!((digest(&stage), stage.emnify.writes()), (first, writes), "the Workspace keeps the salt");
    store(&stage.cluster, "code", "hunter3");
    stage.pass(35).await;
    assert_eq!(sent(&stage).last().unwrap(), "hunter3", "and a change is seen as before");
}

#[tokio::test(start_paused = true)]
async fn a_change_that_failed_is_not_written_down_as_sent() {
    let stage = Stage::new().await;
    store(&stage.cluster, "code", "hunter2");
    stage.cluster.apply("a", coded());
    stage.ready("a").await;
    let first = digest(&stage);
    let refusal = json!({"error_code": 1400, "message": "\"hunter3\" is too weak"});
    stage.emnify.fail("PATCH /api/v1/endpoint", 1, Fault::Answer(422, refusal));
    store(&stage.cluster, "code", "hunter3");
    stage.until("it is refused", |s| s.condition("a", "Stalled").1 == "Rejected").await;
    assert_eq!(digest(&stage), first, "emnify has the old value");
    let told = stage.cluster.toy("a").unwrap().to_string();
    assert!(told.contains("*** ") || told.contains("\\\"***\\\""), "people read what emnify said: {told}");
    is_kept_secret(&stage, "hunter3");

    stage.pass(300).await;
    assert_eq!(sent(&stage), ["hunter2", "hunter3"], "a refused value is not sent again");
    store(&stage.cluster, "code", "correct horse");
    stage.pass(35).await;
    stage.ready("a").await;
    assert_eq!(sent(&stage).last().unwrap(), "correct horse", "another one is sent at once");
}

#[tokio::test(start_paused = true)]
async fn a_missing_secret_or_key_is_named_and_waited_for() {
    let stage = Stage::new().await;
    stage.cluster.apply("a", coded());
    let message = |s: &Stage| {
        let toy = s.cluster.toy("a").unwrap();
        let all = toy["status"]["conditions"].as_array().cloned().unwrap_or_default();
        let ready = all.into_iter().find(|c| c["type"] == "Ready" && c["reason"] == "ReferenceNotReady");
        ready.map(|c| c["message"].as_str().unwrap().to_owned()).unwrap_or_default()
    };
    stage
        .until("the Secret is missed", |s| {
            message(s) == "code: Secret codes does not exist; create it with the key code"
        })
        .await;
    store(&stage.cluster, "cod", "hunter2");
    stage
        .until("the key is missed", |s| {
            message(s) == "code: Secret codes has no key code; add it, or name the key that it has"
        })
        .await;
    store(&stage.cluster, "code", "");
    stage.until("the value is missed", |s| message(s).contains("key code of Secret codes is empty")).await;
    assert_eq!(stage.emnify.writes(), 0);
    store(&stage.cluster, "code", "hunter2");
    stage.pass(35).await;
    stage.ready("a").await;
    assert_eq!(sent(&stage), ["hunter2"]);
}

#[tokio::test(start_paused = true)]
async fn a_value_that_changes_often_is_not_taken_for_one_that_emnify_undoes() {
    let stage = Stage::new().await;
    store(&stage.cluster, "code", "hunter2");
    stage.cluster.apply("a", coded());
    stage.ready("a").await;
    for n in 0..6 {
        store(&stage.cluster, "code", &format!("rotation-{n}"));
        stage.pass(35).await;
        assert_eq!(
            sent(&stage).last().unwrap(),
            &format!("rotation-{n}"),
            "each of them is a change of its own"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_rotated_value_is_sent_also_where_drift_is_only_told() {
    let stage = Stage::new().await;
    store(&stage.cluster, "code", "hunter2");
    stage.cluster.apply("a", json!({"name": "a", "code": ["codes", "code"], "driftPolicy": "Warn"}));
    stage.ready("a").await;
    store(&stage.cluster, "code", "hunter3");
    stage.pass(35).await;
    assert_eq!(sent(&stage), ["hunter2", "hunter3"], "whoever writes the Secret edits the object");
}

#[tokio::test(start_paused = true)]
async fn an_object_goes_though_its_secret_went_before_it() {
    let (cluster, emnify) = (Cluster::default(), Emnify::default());
    store(&cluster, "code", "hunter2");
    let stage = Stage::on(cluster, emnify).await;
    stage.emnify.fail("POST /api/v1/endpoint", 1, Fault::LostAnswer);
    stage.cluster.apply("a", coded());
    stage.until("the create took effect", |s| s.emnify.devices().len() == 1).await;
    let stage = stage
        .restart_after(|cluster| {
            cluster.remove(SECRET);
            cluster.delete("a");
        })
        .await;
    stage.until("the object is gone", |s| s.cluster.toy("a").is_none()).await;
    assert!(stage.emnify.devices().is_empty(), "what an interrupted create made is found by its mark");
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_nobody_uses_is_not_read() {
    let stage = Stage::new().await;
    store(&stage.cluster, "code", "hunter2");
    stage.cluster.apply("a", coded());
    stage.ready("a").await;
    let reads = || stage.cluster.reads(SECRET);
    let before = reads();
    stage.pass(100).await;
    let rate = reads() - before;
    assert!((3..=5).contains(&rate), "one read every half a minute, not {rate} in 100 s");
    stage.cluster.delete("a");
    stage.until("it is gone", |s| s.cluster.toy("a").is_none()).await;
    let before = reads();
    stage.pass(300).await;
    assert!(reads() - before <= 1, "nobody uses it any more");
}
