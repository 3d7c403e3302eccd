//! Tokens that were replaced die with their object, whatever became of the current one.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::stage::Stage;

fn token(cidr: &str) -> Value {
    json!({"description": "Build job", "cidr": cidr, "gracePeriod": "24h"})
}

impl Stage {
    /// Ids of the tokens that are neither revoked nor the operator's own.
    fn live(&self) -> BTreeSet<u64> {
        self.wire.simulator.inspect(|state| {
            let all = state.organisations[&1001].application_tokens.iter();
            all.filter(|(_, t)| !t.revoked && t.description.as_ref().is_some_and(|d| d.starts_with("Build")))
                .map(|(id, _)| *id)
                .collect()
        })
    }

    fn current(&self) -> u64 {
        let object = self.cluster.object("ApplicationToken", "ci").unwrap_or_default();
        object["status"]["id"].as_str().unwrap_or_default().parse().unwrap()
    }

    /// A token that replaced another one, which works on within its grace.
    async fn replaced() -> Self {
        let stage = Self::new().await;
        for cidr in ["203.0.113.0/24", "198.51.100.0/24"] {
            stage.cluster.apply_a("ApplicationToken", "ci", token(cidr));
            stage.ready("ApplicationToken", "ci").await;
            stage.pass(3_700).await;
        }
        assert_eq!(stage.live().len(), 2, "the old one works on for a while");
        stage
    }

    /// A token that replaced another one, and is gone in the portal.
    async fn gone_in_the_portal() -> Self {
        let stage = Self::replaced().await;
        let current = stage.current();
        let remove = |state: &mut emnify_simulator::State| {
            let organisation = state.organisations.get_mut(&1001).unwrap();
            organisation.application_tokens.remove(&current);
        };
        stage.wire.simulator.edit(remove).unwrap();
        stage
    }

    async fn goes(&self) {
        self.cluster.delete_a("ApplicationToken", "ci");
        let started = tokio::time::Instant::now();
        while self.cluster.object("ApplicationToken", "ci").is_some() {
            assert!(started.elapsed().as_secs() < 3_600, "the object goes");
            self.pass(1).await;
        }
        assert_eq!(self.live(), BTreeSet::new(), "a token that was replaced dies with its object");
    }
}

#[tokio::test(start_paused = true)]
async fn a_predecessor_is_revoked_though_its_successor_is_gone() {
    let stage = Stage::gone_in_the_portal().await;
    stage.goes().await;
    stage.stop().await;
}

#[tokio::test(start_paused = true)]
async fn so_it_is_by_a_process_that_started_later() {
    let stage = Stage::gone_in_the_portal().await.restart().await;
    stage.goes().await;
    stage.stop().await;
}

#[tokio::test(start_paused = true)]
async fn so_it_is_where_the_loss_was_told_first() {
    let stage = Stage::gone_in_the_portal().await;
    stage.pass(900).await;
    let status = stage.cluster.object("ApplicationToken", "ci").unwrap()["status"].to_string();
    assert!(status.contains("Vanished"), "{status}");
    stage.goes().await;
    stage.stop().await;
}

#[tokio::test(start_paused = true)]
async fn one_answer_that_a_token_does_not_exist_leaves_none_alive() {
    for old in [false, true] {
        let stage = Stage::replaced().await;
        let current = stage.current();
        let id = if old { *stage.live().iter().find(|id| **id != current).unwrap() } else { current };
        let token = format!("/application_token/{id}");
        stage.wire.deny_once(move |asked| asked.method == "PATCH" && asked.path.ends_with(&token));
        stage.goes().await;
        assert_eq!(stage.wire.struck().len(), 1, "it was denied (the replaced one: {old})");
        stage.stop().await;
    }
}
