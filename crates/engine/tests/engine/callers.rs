//! Two Workspaces of one organisation: they share what is known, and neither acts with the login of the other.

use std::{sync::Arc, time::Duration};

use emnify_engine::{
    cluster::workspaces::Entry,
    kind::spec::WorkspaceKey,
    session::{Access, caller::Caller},
};
use serde_json::{Value, json};

use crate::support::{
    Stage,
    emnify::{Asked, Fault, TOKEN},
};

const SECOND: &str = "second-token";

/// A stage with a Workspace `second` of the same organisation, which has a token of its own.
async fn two_callers() -> (Stage, Arc<Caller>) {
    let stage = Stage::new().await;
    let key = WorkspaceKey { namespace: Some("ns".into()), name: "second".into() };
    let caller = stage.emnify.caller("https://emnify.example", key.clone(), SECOND).await;
    let caller = stage.session.admit(caller);
    let access = Access { session: stage.session.clone(), caller: caller.clone() };
    stage.engine.shared.workspaces.lives_on(&key, stage.session.host.clone());
    stage.engine.shared.publish(&key, Entry { state: Ok(access), allows: None, generation: Some(1) });
    (stage, caller)
}

/// A spec of the first Workspace or of the second, which its name tells.
fn of(first: bool, name: &str) -> Value {
    if first {
        json!({"name": format!("one-{name}")})
    } else {
        json!({"name": format!("two-{name}"), "workspaceRef": {"name": "second"}})
    }
}

/// The names of all devices that a request is about.
fn about(stage: &Stage, asked: &Asked) -> Vec<String> {
    let items = asked.body["endpoints"].as_array().or(asked.body.as_array()).cloned();
    let items = items.unwrap_or_else(|| vec![asked.body.clone()]);
    let id = |text: &str| text.parse::<i64>().ok();
    let in_path = asked.what.split('/').find_map(id);
    let name = |item: &Value| match item["id"].as_i64().or(in_path) {
        Some(id) => stage.emnify.device(id)["name"].clone(),
        None => item["name"].clone(),
    };
    items.iter().filter_map(|item| name(item).as_str().map(str::to_owned)).collect()
}

/// Each request about devices was made with the login of their own Workspace; how many calls were shared by several.
fn shared_calls(stage: &Stage) -> usize {
    let asked = stage.emnify.asked("");
    let mut shared = 0;
    for asked in asked.iter().filter(|asked| !asked.what.contains("authenticate")) {
        let names = about(stage, asked);
        let whose = |name: &String| if name.starts_with("one-") { TOKEN } else { SECOND };
        assert!(names.iter().all(|name| whose(name) == asked.by), "{names:?}: {asked:?}");
        shared += usize::from(names.len() > 1);
    }
    shared
}

#[tokio::test(start_paused = true)]
async fn no_call_is_shared_by_objects_of_two_workspaces() {
    let (stage, _) = two_callers().await;
    for suffix in ["", " anew"] {
        // the first call takes long, and the others gather
        stage.emnify.fail("POST /api/v1/endpoint", 1, Fault::Slow(Duration::from_secs(5)));
        stage.emnify.fail("PATCH", 1, Fault::Slow(Duration::from_secs(5)));
        for i in 0..12 {
            stage.cluster.apply(&format!("t{i}"), of(i % 2 == 0, &format!("{i}{suffix}")));
        }
        for i in 0..12 {
            stage.ready(&format!("t{i}")).await;
        }
    }
    assert_eq!(stage.emnify.devices().len(), 12);
    assert!(
        shared_calls(&stage) >= 1,
        "calls are shared, by objects of one Workspace: {:?}",
        stage.emnify.asked("P")
    );
    stage.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_one_login_may_not_read_for_all_another_reads() {
    let (stage, _) = two_callers().await;
    let shared = ["GET /api/v1/endpoint", "GET /api/v1/event"];
    // the first by name, whom everything else is read by
    for what in shared {
        stage.emnify.bar(what, TOKEN);
    }
    stage.cluster.apply("a", of(false, "a"));
    stage.ready("a").await;
    stage.emnify.event(1, 3, 1, 0);
    stage.until("the log is read all the same", |s| s.status("a", "online") == true).await;
    for what in shared {
        let refused = stage.emnify.asked(what).iter().filter(|asked| asked.by == TOKEN).count();
        assert!((1..=2).contains(&refused), "{what}: it is not asked again and again: {refused}");
    }
    let told = stage.caller.lacks().join("; ");
    assert!(told.contains("list Toy") && told.contains("list event log"), "told on its Workspace: {told}");
    stage.stop().await;
}
