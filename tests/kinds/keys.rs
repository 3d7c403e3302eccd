//! Keys that sign callbacks: a new value in the Secret, and whoever dies on the way.

use serde_json::json;

use crate::stage::{SIGNING, Stage, secret};

const ROTATED: &str = "wrong zebra socket nail";

/// What emnify holds: the keys, and the one that the profile signs with.
#[derive(Debug, PartialEq, Eq)]
struct Held {
    keys: Vec<String>,
    signs: Option<String>,
}

impl Stage {
    fn held(&self) -> Held {
        self.wire.simulator.inspect(|state| {
            let organisation = &state.organisations[&1001];
            let keys = organisation.api_secrets.values().map(|secret| secret.secret.clone()).collect();
            let profile = organisation.service_profiles.values().find(|profile| profile.name == "Signed");
            let signs = profile.and_then(|profile| organisation.api_secrets.get(&profile.api_secret?));
            Held { keys, signs: signs.map(|secret| secret.secret.clone()) }
        })
    }

    /// Requests that changed something.
    fn changes(&self) -> usize {
        let changes = |asked: &&String| !asked.starts_with("GET") && !asked.contains("/authenticate");
        self.wire.carried().iter().filter(changes).count()
    }

    /// A key, and a profile that signs with it.
    async fn signed() -> Self {
        let stage = Self::new().await;
        stage.cluster.apply_a("ApiSecret", "a", json!({"secretRef": {"name": "signing", "key": "key"}}));
        let profile = json!({"name": "Signed", "apiSecret": {"name": "a"}});
        stage.cluster.apply_a("ServiceProfile", "a", profile);
        for kind in ["ApiSecret", "ServiceProfile"] {
            stage.ready(kind, "a").await;
        }
        let first = "correct horse battery staple".to_owned();
        assert_eq!(stage.held(), Held { keys: vec![first.clone()], signs: Some(first) });
        stage
    }

    async fn rotates(&self) {
        let rotated = Held { keys: vec![ROTATED.to_owned()], signs: Some(ROTATED.to_owned()) };
        let started = tokio::time::Instant::now();
        while self.held() != rotated {
            assert!(started.elapsed().as_secs() < 600, "it never comes to rest: {:?}", self.held());
            self.pass(1).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_value_is_with_emnify_within_a_minute_and_no_moment_is_without_a_key() {
    let stage = Stage::signed().await;
    stage.cluster.put(SIGNING, secret(ROTATED));
    let started = tokio::time::Instant::now();
    while !stage.held().keys.contains(&ROTATED.to_owned()) {
        assert!(started.elapsed().as_secs() < 60, "a rotated key reaches emnify within a minute");
        assert!(stage.held().signs.is_some(), "the profile signs all the while");
        stage.pass(1).await;
    }
    let started = tokio::time::Instant::now();
    while stage.held().keys.len() > 1 {
        assert!(started.elapsed().as_secs() < 120, "the old key goes: {:?}", stage.held());
        assert!(stage.held().signs.is_some(), "no key is deleted that a profile signs with");
        stage.pass(1).await;
    }
    stage.rotates().await;
    let status = stage.cluster.object("ApiSecret", "a").unwrap()["status"].clone();
    assert!(!status.to_string().contains("zebra"), "a status holds no key: {status}");
    let writes = stage.changes();
    stage.pass(7_200).await;
    assert_eq!(stage.changes(), writes, "one key for one value");
    let status = stage.cluster.object("ApiSecret", "a").unwrap()["status"].clone();
    assert_eq!(status["retiring"], json!(null), "nothing is left to delete");
}

#[tokio::test(start_paused = true)]
async fn a_rotation_goes_on_wherever_the_process_dies() {
    for sent in 1..=3 {
        let stage = Stage::signed().await;
        let before = stage.changes();
        stage.cluster.put(SIGNING, secret(ROTATED));
        while stage.changes() < before + sent {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        let stage = stage.restart().await;
        stage.rotates().await;
        stage.pass(600).await;
        let held = stage.held();
        assert_eq!(held.keys, [ROTATED], "after {sent} writes: one key at the end, and no trace of another");
    }
}

#[tokio::test(start_paused = true)]
async fn an_old_key_stays_while_a_profile_does_not_follow() {
    let stage = Stage::signed().await;
    let lags = json!({"name": "Signed", "apiSecret": {"name": "a"}, "managementPolicy": "Suspend"});
    stage.cluster.apply_a("ServiceProfile", "a", lags);
    stage.cluster.put(SIGNING, secret(ROTATED));
    stage.pass(1_200).await;
    let held = stage.held();
    assert_eq!((held.keys.len(), held.signs.as_deref()), (2, Some("correct horse battery staple")));
    stage.cluster.apply_a("ServiceProfile", "a", json!({"name": "Signed", "apiSecret": {"name": "a"}}));
    stage.rotates().await;
}

#[tokio::test(start_paused = true)]
async fn a_key_goes_with_the_one_that_it_replaced() {
    let stage = Stage::signed().await;
    let lags = json!({"name": "Signed", "apiSecret": {"name": "a"}, "managementPolicy": "Suspend"});
    stage.cluster.apply_a("ServiceProfile", "a", lags);
    stage.cluster.put(SIGNING, secret(ROTATED));
    stage.pass(120).await;
    assert_eq!(stage.held().keys.len(), 2);
    // one answer that the first does not exist is not believed
    stage.wire.deny_once(|asked| asked.method == "DELETE" && asked.path.contains("/api_secret/"));
    let none = json!({"name": "Signed", "apiSecret": {"none": true}});
    stage.cluster.delete_a("ApiSecret", "a");
    stage.cluster.apply_a("ServiceProfile", "a", none);
    let started = tokio::time::Instant::now();
    while stage.cluster.object("ApiSecret", "a").is_some() {
        assert!(started.elapsed().as_secs() < 1_200, "the object goes");
        stage.pass(1).await;
    }
    assert_eq!(stage.wire.struck().len(), 1, "it was denied");
    assert_eq!(stage.held().keys, [] as [&str; 0], "both are gone");
}
