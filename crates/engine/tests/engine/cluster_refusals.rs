//! What the API server does not let the operator write.

use serde_json::json;

use crate::support::{Stage, named};

const SECRETS: &str = "/api/v1/namespaces/ns/secrets";
const TOY: &str = "/apis/emnify.io/v1alpha1/namespaces/ns/toys/a";
const QUOTA: &str = "secrets \"out\" is forbidden: exceeded quota: few, requested: count/secrets=1, used: count/secrets=2, limited: count/secrets=2";
const RIGHT: &str = "toys.emnify.io \"a\" is forbidden: User \"system:serviceaccount:o:o\" cannot patch resource \"toys\" in API group \"emnify.io\" in the namespace \"ns\"";

impl Stage {
    fn told(&self, reason: &str, words: &str) -> usize {
        let events = self.cluster.events();
        events.iter().filter(|(r, note)| r == reason && note.contains(words)).count()
    }
}

#[tokio::test(start_paused = true)]
async fn a_used_up_quota_is_told_in_the_clusters_words_and_tried_ever_more_rarely() {
    let stage = Stage::new().await;
    stage.cluster.refuse(SECRETS, Some(QUOTA));
    stage.cluster.apply("a", json!({"name": "a", "secret": "out"}));
    stage.until("it is told", |s| s.condition("a", "Stalled").1 == "ClusterRefused").await;
    let told = stage.cluster.toy("a").unwrap()["status"]["conditions"].to_string();
    assert!(told.contains("exceeded quota: few") && told.contains("raise the ResourceQuota"), "{told}");
    stage.pass(3_600).await;
    assert_eq!(stage.told("ClusterRefused", "exceeded quota: few"), 1, "and once in an event");
    assert_eq!(stage.told("NotAllowed", ""), 0, "it is no missing right");
    let tries = stage.cluster.tried();
    assert!((12..=24).contains(&tries), "pauses grow up to five minutes: {tries} tries in an hour");
    assert_eq!(stage.emnify.asked("POST /api/v1/endpoint").len(), 0, "nothing is minted that has no place");

    stage.cluster.refuse(SECRETS, None);
    stage.cluster.annotate("a", "emnify.io/refresh", "now");
    stage.pass(20).await;
    stage.ready("a").await;
    assert_eq!(stage.condition("a", "Stalled").0, "");
}

#[tokio::test(start_paused = true)]
async fn a_missing_right_to_the_object_itself_is_told_by_its_name() {
    let stage = Stage::new().await;
    // the finalizer
    stage.cluster.refuse(TOY, Some(RIGHT));
    stage.cluster.apply("a", named("a"));
    stage.until("it is told", |s| s.condition("a", "Stalled").1 == "NotAllowed").await;
    assert_eq!(stage.told("NotAllowed", "cannot patch resource \"toys\""), 1);
    stage.cluster.refuse(TOY, None);
    stage.ready("a").await;

    // the status: there only an event can tell, and nothing spins
    let status = format!("{TOY}/status");
    stage.cluster.refuse(&status, Some(RIGHT));
    let before = stage.cluster.tried();
    stage.cluster.apply("a", named("b"));
    stage.pass(600).await;
    let tries = stage.cluster.tried() - before;
    assert!(tries <= 20, "pauses grow: {tries} tries in ten minutes");
    stage.cluster.refuse(&status, None);
    stage.ready("a").await;
    assert_eq!(stage.emnify.devices()[0]["name"], "b");
}

#[tokio::test(start_paused = true)]
async fn a_finalizer_that_may_not_be_taken_off_is_told() {
    let stage = Stage::new().await;
    stage.cluster.apply("a", json!({"name": "a", "secret": "out"}));
    stage.ready("a").await;
    stage.cluster.refuse(TOY, Some(RIGHT));
    stage.cluster.delete("a");
    stage.until("a deletion is told too", |s| s.condition("a", "Stalled").1 == "NotAllowed").await;
    stage.cluster.refuse(TOY, None);
    stage.until("and ends", |s| s.cluster.toy("a").is_none()).await;
}
