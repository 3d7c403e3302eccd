//! An operation on many devices that one process after another carries on, while emnify refuses now and then.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use emnify_engine::session::guard::GuardLimit;
use serde_json::json;

use crate::{
    deeds::DEEDS,
    operations::{KIND, furnish, platform, reached},
    stage::Stage,
    wire::{Asked, Wrong},
};

const FLEET: u64 = 500;
const WINDOW: u64 = 50;
/// Processes that are gone from one moment to the next, before the last.
const LEADERS: usize = 4;

#[tokio::test(start_paused = true)]
async fn one_process_after_the_other_reaches_each_device_once() {
    let deed = &DEEDS[0];
    let (cluster, wire) = platform(deed);
    furnish(&wire, FLEET);
    let sent = Arc::new(AtomicUsize::new(0));
    let counted = sent.clone();
    let strikes = move |asked: &Asked| {
        let message = asked.method == "POST" && asked.path.ends_with("/sms");
        message && counted.fetch_add(1, Ordering::Relaxed) % 60 == 30
    };
    wire.fail(strikes, Wrong::Answer(429, json!({"error_code": 0, "message": "slow down"})));
    let action = (deed.action)();
    cluster.apply_a(KIND, "op", json!({"target": {"tag": "fleet"}, "action": action, "parallelism": WINDOW}));
    for leader in 1..=LEADERS {
        let stage = led(cluster.clone(), wire.clone()).await;
        let enough = leader * usize::try_from(FLEET).unwrap() / (LEADERS + 1);
        stage.until_op("some are reached", |_| sent.load(Ordering::Relaxed) >= enough).await;
        stage.kill().await;
    }
    let stage = led(cluster.clone(), wire.clone()).await;
    let status = stage.finishes("all are done").await;
    assert_eq!(
        (&status["phase"], &status["targets"]["succeeded"]),
        (&json!("Complete"), &json!(FLEET)),
        "{}",
        status["targets"]
    );
    assert_eq!(reached(&wire), usize::try_from(FLEET).unwrap(), "each device has one message");
    let writes = cluster.wrote("PATCH /apis/emnify.io/v1alpha1/namespaces/ns/operations/op/status");
    let windows = usize::try_from(FLEET / WINDOW).unwrap();
    // one before the first and the end; each process may say once that it waits, and once that it goes on
    let most = windows + 3 + 2 * LEADERS;
    assert!(writes.len() <= most, "{} writes for {windows} windows", writes.len());
    let largest = writes.iter().map(|write| write.body.to_string().len()).max().unwrap_or_default();
    assert!(largest < 64 * 1024, "{largest} bytes");
    stage.stop().await;
}

/// A process that may disturb the whole fleet.
async fn led(cluster: emnify_apiserver::Cluster, wire: crate::wire::Wire) -> Stage {
    let stage = Stage::on(cluster, wire).await;
    let limit = GuardLimit { devices: 2 * FLEET, ..GuardLimit::default() };
    stage.access().caller.guard.set_limit(limit, "ns/default");
    stage
}
