//! Many devices at once: what follows a create goes with its batch, and one write of the status says it all.

use std::time::Duration;

use emnify_simulator::fleet;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::{
    stage::Stage,
    wire::{Asked, Wrong},
};

const DEVICES: u64 = 60;

fn name(n: u64) -> String {
    format!("meter-{n}")
}

fn device(n: u64) -> Value {
    json!({
        "serviceProfile": {"id": "101"}, "tariffProfile": {"id": "201"},
        "sim": {"iccid": fleet::iccid(n), "state": "Activated"},
    })
}

async fn made() -> Stage {
    let stage = Stage::with_sims(DEVICES).await;
    // what is there already has been read
    let sim = json!({"iccid": "8988303000000010001"});
    stage.cluster.apply_a("Endpoint", "first", json!({"sim": sim, "adoptionPolicy": "IfUnowned"}));
    stage.pass(60).await;
    for n in 0..DEVICES {
        stage.cluster.apply_a("Endpoint", &name(n), device(n));
    }
    stage
}

/// Devices that were just made, and whose tags take half a minute.
async fn tagged_slowly() -> Stage {
    let stage = made().await;
    let tagging = |asked: &Asked| asked.path.ends_with("/add-tags");
    stage.wire.fail(tagging, Wrong::Slow(Duration::from_secs(30)));
    while stage.carried("POST /api/v2/tags") == 0 {
        stage.pass(1).await;
    }
    stage
}

impl Stage {
    fn carried(&self, what: &str) -> usize {
        self.wire.carried().iter().filter(|carried| *carried == what).count()
    }

    fn writes(&self, n: u64) -> Vec<String> {
        let path = format!("/endpoints/{}", name(n));
        let ours = |what: &str| {
            what.split('?').next().is_some_and(|w| w.ends_with(&path) || w.contains(&format!("{path}/")))
        };
        self.cluster.wrote("PATCH").into_iter().map(|wrote| wrote.what).filter(|what| ours(what)).collect()
    }

    async fn all_ready(&self) {
        for n in 0..DEVICES {
            self.ready("Endpoint", &name(n)).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_follows_a_create_is_one_call_and_its_status_one_write() {
    let stage = made().await;
    stage.all_ready().await;
    for what in
        ["POST /api/v2/endpoint/multi", "POST /api/v2/tags", "POST /api/v2/bulk-operations/endpoint/add-tags"]
    {
        assert_eq!(stage.carried(what), 1, "{what} for all of them: {:?}", stage.wire.carried());
    }
    assert_eq!(stage.carried("GET /api/v2/tags"), 1, "the answer tells the id of the new tag");
    for n in 0..DEVICES {
        assert!(stage.writes(n).len() <= 3, "finalizer, intent, id with Ready: {:?}", stage.writes(n));
    }
    let created = stage.cluster.named_events("Created").len();
    assert_eq!(created, usize::try_from(DEVICES).unwrap(), "and one event each");
    stage.stop().await;
}

#[tokio::test(start_paused = true)]
async fn while_a_follow_up_fails_the_status_says_what_was_made() {
    let stage = made().await;
    let tagging = |asked: &Asked| asked.path.ends_with("/add-tags");
    stage.wire.fail(tagging, Wrong::Answer(500, json!({"error_code": 0, "message": "broken"})));
    stage.pass(60).await;
    for n in 0..DEVICES {
        let status = &stage.cluster.object("Endpoint", &name(n)).unwrap()["status"];
        assert!(status["id"].is_string() && status["intent"].is_null(), "{status:#}");
        assert!(status["conditions"].to_string().contains("Unavailable"), "{status:#}");
    }
    stage.wire.heal();
    stage.all_ready().await;
    assert_eq!(stage.carried("POST /api/v2/endpoint/multi"), 1, "nobody is made twice");
    stage.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_slow_follow_up_is_not_waited_for_with_the_id() {
    let stage = tagged_slowly().await;
    stage.pass(15).await;
    for n in 0..DEVICES {
        let status = &stage.cluster.object("Endpoint", &name(n)).unwrap()["status"];
        assert!(status["id"].is_string(), "the id is written ten seconds after the create: {status:#}");
    }
    stage.all_ready().await;
    stage.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_deleted_before_its_id_is_written_goes_from_emnify_too() {
    let stage = tagged_slowly().await;
    let unwritten = (0..DEVICES).filter(|n| {
        let object = stage.cluster.object("Endpoint", &name(*n)).unwrap();
        object["status"]["id"].is_null()
    });
    assert!(unwritten.count() > 0, "ids are not written yet");
    for n in 0..DEVICES {
        stage.cluster.delete_a("Endpoint", &name(n));
    }
    stage.pass(900).await;
    let left = stage.wire.simulator.inspect(|state| {
        let all = state.organisations[&1001].endpoints.values();
        all.filter(|device| device.name.starts_with("meter-")).count()
    });
    assert_eq!(left, 0, "nothing is left behind");
    let object = stage.cluster.object("Endpoint", &name(0));
    assert!(object.is_none(), "{:#}", object.unwrap_or_default());
    stage.stop().await;
}

#[tokio::test(start_paused = true)]
async fn how_much_room_there_is_one_login_may_not_ask_and_another_may() {
    let stage = Stage::with_sims(DEVICES).await;
    let second = stage.admit("second", "metering-token-2").await;
    let bearer = second.client.token().unwrap().token.expose_secret().to_owned();
    let room = |asked: &Asked| asked.method == "GET" && asked.path.ends_with("/ip_address_space");
    let first = bearer.clone();
    stage.wire.fail(move |asked| room(asked) && asked.bearer != first, Wrong::Forbidden);
    let half = DEVICES / 2;
    for (workspace, range) in [("default", 0..half), ("second", half..DEVICES)] {
        for n in range.clone() {
            let mut device = device(n);
            device["workspaceRef"] = json!({"name": workspace});
            stage.cluster.apply_a("Endpoint", &name(n), device);
        }
        for n in range {
            stage.ready("Endpoint", &name(n)).await;
        }
    }
    assert_eq!(stage.wire.struck().len(), 1, "a login that may not ask is not tried again and again");
    assert!(
        stage.wire.asked().iter().any(|asked| room(asked) && asked.bearer == bearer),
        "it holds for that login"
    );
    stage.stop().await;
}
