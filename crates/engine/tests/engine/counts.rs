//! How many use a thing is counted here after a change of ours: no listing is read for it, and it is right within ten seconds.

use serde_json::json;

use crate::support::{Stage, named};

/// Listings of everything.
fn listings(stage: &Stage) -> usize {
    stage
        .emnify
        .asked("GET /api/v1/endpoint")
        .into_iter()
        .filter(|one| one.what.ends_with("/endpoint"))
        .count()
}

impl Stage {
    /// So many follow `a` within ten seconds.
    async fn counted(&self, users: i64) {
        let since = tokio::time::Instant::now();
        self.until(&format!("{users} follow it"), |s| s.status("a", "users") == users).await;
        assert!(since.elapsed().as_secs() < 10, "{users} were counted after {:?} only", since.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn who_uses_a_thing_is_counted_within_ten_seconds_of_a_change_of_ours() {
    let stage = Stage::new().await;
    stage.cluster.apply("a", named("a"));
    stage.ready("a").await;
    let mut counted = stage.session.counted();
    for name in ["b", "c"] {
        stage.cluster.apply(name, json!({"name": name, "follows": "a"}));
    }
    stage.ready("b").await;
    stage.ready("c").await;
    stage.counted(2).await;
    assert!(counted.has_changed().unwrap(), "and the Workspace hears that it was counted");
    counted.mark_unchanged();

    stage.cluster.apply("c", json!({"name": "c", "follows": "b"}));
    stage.ready("c").await;
    stage.counted(1).await;

    stage.cluster.delete("c");
    stage.until("it is gone", |s| s.cluster.toy("c").is_none()).await;
    stage.cluster.delete("b");
    stage.until("it is gone", |s| s.cluster.toy("b").is_none()).await;
    stage.counted(0).await;
    assert!(counted.has_changed().unwrap(), "each time");
    stage.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_count_costs_no_listing_and_a_hundred_changes_are_counted_together() {
    let stage = Stage::new().await;
    stage.cluster.apply("a", named("a"));
    stage.ready("a").await;
    let (before, started) = (listings(&stage), tokio::time::Instant::now());
    let mut counted = stage.session.counted();
    for n in 0..100 {
        let name = format!("b{n}");
        stage.cluster.apply(&name, json!({"name": name, "follows": "a"}));
    }
    let mut counts = 0;
    while stage.status("a", "users") != 100 {
        counted.changed().await.unwrap();
        counts += 1;
        stage.pass(1).await;
        assert!(counts < 30, "{counts} counts of {}", stage.status("a", "users"));
    }
    // what changed last is read every 25 s, and is a page of the same path
    let pages = listings(&stage) - before;
    let most = usize::try_from(started.elapsed().as_secs() / 25 + 1).unwrap();
    assert!(pages <= most, "{pages} pages were read in {:?}", started.elapsed());
    stage.stop().await;
}
