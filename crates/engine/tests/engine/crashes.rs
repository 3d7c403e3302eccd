//! Creates with unknown outcome, and processes that end between two steps: one object, never two.

use std::time::Duration;

use jiff::SignedDuration;
use serde_json::json;

use crate::support::{
    Stage, clock,
    cluster::Cluster,
    emnify::{Emnify, Fault},
    named,
};

fn creates(stage: &Stage) -> usize {
    stage.emnify.asked("POST /api/v1/endpoint").len()
}

#[tokio::test(start_paused = true)]
async fn a_create_whose_answer_was_lost_is_found_by_its_mark() {
    let stage = Stage::new().await;
    stage.emnify.fail("POST /api/v1/endpoint", 1, Fault::LostAnswer);
    stage.cluster.apply("a", named("a"));
    stage.ready("a").await;
    assert_eq!((creates(&stage), stage.emnify.devices().len()), (1, 1), "observed first, not repeated");
    assert_eq!(stage.status("a", "provenance"), "Created");
}

#[tokio::test(start_paused = true)]
async fn a_create_that_leaves_no_mark_is_found_by_its_name_and_time() {
    let stage = Stage::new().await;
    stage.emnify.add(json!({"name": "a", "created": "2020-01-01T00:00:00Z"}));
    stage.emnify.fail("POST /api/v1/endpoint", 1, Fault::LostAnswer);
    stage.cluster.apply("a", json!({"name": "a", "unmarked": true}));
    stage.ready("a").await;
    assert_eq!((creates(&stage), stage.status("a", "id")), (1, json!("2")), "an older namesake is not it");
}

#[tokio::test(start_paused = true)]
async fn a_create_that_took_no_effect_is_sent_again_after_its_deadline() {
    let stage = Stage::new().await;
    stage.emnify.fail(
        "POST /api/v1/endpoint",
        1,
        Fault::Answer(504, json!({"message": "Endpoint request timed out"})),
    );
    stage.cluster.apply("a", named("a"));
    stage.until("the create was tried", |s| creates(s) == 1).await;
    stage.pass(60).await;
    assert_eq!(creates(&stage), 1, "it may still take effect");
    stage.ready("a").await;
    assert_eq!((creates(&stage), stage.emnify.devices().len()), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn a_process_that_dies_after_the_create_leaves_no_duplicate() {
    let stage = Stage::new().await;
    stage.emnify.fail("POST /api/v1/endpoint", 1, Fault::LostAnswer);
    stage.cluster.apply("a", named("a"));
    stage.until("the create took effect", |s| s.emnify.devices().len() == 1).await;
    let stage = stage.restart().await;
    stage.ready("a").await;
    assert_eq!((creates(&stage), stage.emnify.devices().len()), (1, 1), "what the intent made was found");
}

#[tokio::test(start_paused = true)]
async fn an_intent_of_an_earlier_process_that_made_nothing_is_cleared() {
    let (cluster, emnify) = (Cluster::default(), Emnify::default());
    cluster.apply("a", named("a"));
    let mut toy = cluster.toy("a").unwrap();
    toy["metadata"]["finalizers"] = json!([emnify_engine::kind::FINALIZER]);
    toy["status"] = json!({"intent": {"nonce": "n", "since": "2026-05-01T11:59:00Z"}});
    cluster.put("/apis/emnify.io/v1alpha1/namespaces/ns/toys/a", toy);
    let stage = Stage::on(cluster, emnify).await;
    stage.ready("a").await;
    assert_eq!(stage.emnify.devices().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_intent_recorded_long_before_its_send_is_not_taken_for_made_in_vain() {
    let stage = Stage::new().await;
    let (cluster, emnify) = (stage.cluster.clone(), stage.emnify.clone());
    cluster.apply("a", named("a"));
    emnify.fail("POST /api/v1/endpoint", 1, Fault::Late(Duration::from_secs(8)));
    stage.until("the create is under way", |s| creates(s) == 1).await;
    // as if it had waited two minutes in the queue
    let mut toy = cluster.toy("a").unwrap();
    toy["status"]["intent"]["since"] =
        json!(clock::now().saturating_sub(SignedDuration::from_secs(120)).unwrap().to_string());
    cluster.put("/apis/emnify.io/v1alpha1/namespaces/ns/toys/a", toy);
    let stage = stage.restart().await;
    stage.ready("a").await;
    stage.pass(600).await;
    assert_eq!(
        stage.emnify.devices().len(),
        1,
        "the create of the earlier process took effect after the restart"
    );
}

#[tokio::test(start_paused = true)]
async fn an_intent_whose_date_cannot_be_read_lapses_too() {
    let (cluster, emnify) = (Cluster::default(), Emnify::default());
    cluster.apply("a", named("a"));
    let mut toy = cluster.toy("a").unwrap();
    toy["metadata"]["finalizers"] = json!([emnify_engine::kind::FINALIZER]);
    toy["status"] = json!({"intent": {"nonce": "n", "since": "yesterday"}});
    cluster.put("/apis/emnify.io/v1alpha1/namespaces/ns/toys/a", toy);
    let stage = Stage::on(cluster, emnify).await;
    stage.ready("a").await;
    assert_eq!(stage.emnify.devices().len(), 1, "it waits for the listing that proves it, and not for ever");
}

#[tokio::test(start_paused = true)]
async fn what_a_create_made_is_recognised_by_a_machine_whose_clock_is_ahead() {
    let stage = Stage::new().await;
    stage.emnify.be_behind(SignedDuration::from_secs(120));
    stage.pass(400).await;
    stage.emnify.fail("POST /api/v1/endpoint", 1, Fault::LostAnswer);
    stage.cluster.apply("a", json!({"name": "a", "unmarked": true}));
    stage.ready("a").await;
    assert_eq!(
        (creates(&stage), stage.emnify.devices().len()),
        (1, 1),
        "what emnify made is dated by emnify, and so is the intent"
    );
}

#[tokio::test(start_paused = true)]
async fn a_process_that_dies_at_any_moment_converges_to_one_device() {
    for steps in 1..=12u64 {
        let stage = Stage::new().await;
        stage.cluster.apply("a", named("a"));
        tokio::time::sleep(Duration::from_millis(steps * 20)).await;
        let stage = stage.restart().await;
        stage.ready("a").await;
        stage.pass(400).await;
        assert_eq!(stage.emnify.devices().len(), 1, "killed {} ms after apply", steps * 20);
        stage.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_made_in_vain_goes_with_its_object() {
    let stage = Stage::new().await;
    stage.emnify.fail("POST /api/v1/endpoint", 1, Fault::LostAnswer);
    stage.cluster.apply("a", named("a"));
    stage.until("the create took effect", |s| s.emnify.devices().len() == 1).await;
    stage.cluster.delete("a");
    stage.until("the object is gone", |s| s.cluster.toy("a").is_none()).await;
    assert_eq!(stage.emnify.devices().len(), 0, "nothing is left in emnify that nobody knows of");
}

#[tokio::test(start_paused = true)]
async fn a_token_is_minted_only_when_its_place_is_ours() {
    let stage = Stage::new().await;
    stage.cluster.put(
        "/api/v1/namespaces/ns/secrets/out",
        json!({"metadata": {"name": "out", "namespace": "ns"}, "type": "Opaque"}),
    );
    stage.cluster.apply("a", json!({"name": "a", "secret": "out"}));
    stage.until("it stalls", |s| s.condition("a", "Stalled").1 == "SecretNotOwned").await;
    assert_eq!(creates(&stage), 0, "nothing is minted without a place to put it");
    stage.cluster.apply("a", json!({"name": "a", "secret": "mine"}));
    stage.ready("a").await;
    let secret = stage.cluster.get("/api/v1/namespaces/ns/secrets/mine").unwrap();
    assert_eq!(secret["metadata"]["ownerReferences"][0]["uid"], "uid-1", "it goes with its object");
    assert_eq!(secret["data"]["token"], "dG9rZW4tb2YtMQ==");
    assert_eq!(secret["metadata"]["annotations"]["emnify.io/token-id"], "1", "it says which token it holds");
    assert!(
        stage.cluster.events().iter().all(|(_, note)| !note.contains("token-of")),
        "and nobody else does"
    );
}

/// What a backup brings back: objects with other uids and without status, Secrets without owner references.
#[tokio::test(start_paused = true)]
async fn after_a_restore_a_token_is_found_in_its_secret_and_not_minted_again() {
    const SECRET: &str = "/api/v1/namespaces/ns/secrets/mine";
    let stage = Stage::new().await;
    let spec = json!({"name": "a", "secret": "mine"});
    stage.cluster.apply("a", spec.clone());
    stage.ready("a").await;
    let mut secret = stage.cluster.get(SECRET).unwrap();
    let old = stage.cluster.toy("a").unwrap()["metadata"]["uid"].clone();
    secret["metadata"].as_object_mut().unwrap().remove("ownerReferences");
    stage.cluster.gap(|cluster| {
        cluster.replace_unseen("a", spec);
        cluster.put(SECRET, secret);
    });
    stage.ready("a").await;
    stage.pass(600).await;
    stage.ready("a").await;
    let (toy, secret) = (stage.cluster.toy("a").unwrap(), stage.cluster.get(SECRET).unwrap());
    assert_ne!(toy["metadata"]["uid"], old);
    assert_eq!(
        (creates(&stage), stage.status("a", "id")),
        (1, "1".into()),
        "the token is the one that was there"
    );
    let events = stage.cluster.events();
    let told = |reason: &str| {
        events.iter().filter(|(r, _)| r == reason).map(|(_, note)| note.as_str()).collect::<Vec<_>>()
    };
    assert_eq!(told("Created"), ["created Toy 1 in emnify"], "what is found again was not created again");
    assert_eq!(told("Adopted"), ["found again Toy 1 in emnify"]);
    assert_eq!(secret["data"]["token"], "dG9rZW4tb2YtMQ==", "and so is its value");
    assert_eq!(
        secret["metadata"]["ownerReferences"][0]["uid"], toy["metadata"]["uid"],
        "it goes with its object again"
    );
    stage.cluster.apply("b", json!({"name": "b", "secret": "mine"}));
    stage.until("it stalls", |s| s.condition("b", "Stalled").1 == "SecretNotOwned").await;
    assert_eq!(
        stage.cluster.get(SECRET).unwrap(),
        secret,
        "nobody takes over what another object's name is on"
    );
}

#[tokio::test(start_paused = true)]
async fn a_bulk_create_whose_answer_was_lost_makes_nothing_twice() {
    let stage = Stage::new().await;
    stage.emnify.fail("POST /api/v1/endpoint", 1, Fault::Slow(Duration::from_secs(5)));
    stage.emnify.fail("POST /api/v2/endpoint/multi", 1, Fault::LostAnswer);
    for i in 0..6 {
        stage.cluster.apply(&format!("t{i}"), named(&format!("t{i}")));
    }
    for i in 0..6 {
        stage.ready(&format!("t{i}")).await;
    }
    assert_eq!(stage.emnify.devices().len(), 6, "each was found by its mark");
    stage.pass(600).await;
    assert_eq!(stage.emnify.devices().len(), 6);
}

/// Answers that do not say whether the create took effect. None of them did.
const UNCLEAR: [(u16, &str); 6] =
    [(201, "created"), (200, "[]"), (302, "elsewhere"), (404, "a page"), (403, "a page"), (502, "a page")];

#[tokio::test(start_paused = true)]
async fn a_create_with_an_unclear_answer_is_repeated_only_after_a_listing_past_its_deadline() {
    for (status, page) in UNCLEAR {
        let stage = Stage::new().await;
        stage.emnify.fail("POST /api/v1/endpoint", 1, Fault::Answer(status, json!(page)));
        stage.cluster.apply("a", named("a"));
        stage.until("the create was tried", |s| creates(s) == 1).await;
        stage.pass(60).await;
        assert_eq!(creates(&stage), 1, "{status} {page}: it may still take effect");
        stage.ready("a").await;
        assert_eq!((creates(&stage), stage.emnify.devices().len()), (2, 1), "{status} {page}");
        let asked = stage.emnify.asked("");
        let last = asked.iter().rposition(|a| a.what == "POST /api/v1/endpoint").unwrap_or_default();
        let first = asked.iter().position(|a| a.what == "POST /api/v1/endpoint").unwrap_or_default();
        let listed = asked[first..last].iter().any(|a| a.what == "GET /api/v1/endpoint");
        assert!(listed, "{status} {page}: a listing comes before the second create");
        stage.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_bulk_create_whose_success_cannot_be_read_is_repeated_only_after_a_listing() {
    let bulk = "POST /api/v2/endpoint/multi";
    let stage = Stage::new().await;
    stage.emnify.fail("POST /api/v1/endpoint", 1, Fault::Slow(std::time::Duration::from_secs(5)));
    stage.emnify.fail(bulk, 1, Fault::Answer(201, json!([{"id": "x"}])));
    for i in 0..6 {
        stage.cluster.apply(&format!("t{i}"), named(&format!("t{i}")));
    }
    stage.until("the bulk create was tried", |s| s.emnify.asked(bulk).len() == 1).await;
    let before = stage.emnify.asked("POST").len();
    stage.pass(60).await;
    assert_eq!(stage.emnify.asked("POST").len(), before, "what was made may yet be listed: nothing is sent");
    for i in 0..6 {
        stage.ready(&format!("t{i}")).await;
    }
    assert_eq!(stage.emnify.devices().len(), 6);
}
