//! Sets of members: brought up in bulk, kept in step, let go.

mod refused;
mod under_way;

use std::{collections::BTreeSet, time::Duration};

use rand::{Rng, SeedableRng, rngs::StdRng};
use serde_json::{Value, json};

use crate::support::{Stage, emnify::Fault, named};

const BULK: &str = "POST /api/v2/endpoint/multi";

async fn stocked(chips: i64) -> Stage {
    let stage = Stage::new().await;
    stage.emnify.stock(1..=chips);
    stage
}

fn toy_set(chips: std::ops::RangeInclusive<i64>) -> Value {
    json!({"chips": chips.collect::<Vec<i64>>()})
}

fn with(mut spec: Value, key: &str, value: Value) -> Value {
    spec[key] = value;
    spec
}

impl Stage {
    async fn toy_set_ready(&self) {
        self.until("the set is Ready", |s| s.toy_set_says("Ready", "UpToDate")).await;
    }

    fn toy_set_says(&self, kind: &str, reason: &str) -> bool {
        self.condition_of("ToySet", "h", kind).1 == reason
    }

    fn toy_set_status(&self, key: &str) -> Value {
        self.cluster.object("ToySet", "h").unwrap_or_default()["status"][key].clone()
    }

    fn names(&self) -> Vec<String> {
        self.emnify.devices().iter().map(|d| d["name"].as_str().unwrap_or_default().to_owned()).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn a_set_is_created_in_bulk_marked_and_counted() {
    let stage = stocked(25).await;
    stage.cluster.apply_a("ToySet", "h", toy_set(1..=25));
    stage.toy_set_ready().await;
    assert_eq!(stage.emnify.devices().len(), 25);
    assert_eq!(stage.emnify.asked(BULK).len(), 3, "ten fit a call");
    assert_eq!(stage.emnify.asked("PATCH /api/v2/endpoint/multi").len(), 3, "so do their marks");
    assert!(stage.emnify.devices().iter().all(|d| d["tags"] == "made [k8s prod/ns/h]"));
    assert_eq!((stage.toy_set_status("desired"), stage.toy_set_status("ready")), (json!(25), json!(25)));
    assert!(stage.toy_set_status("intent").is_null(), "every create is accounted for");
    assert_eq!(stage.toy_set_status("organisationId"), "42");
}

#[tokio::test(start_paused = true)]
async fn a_second_look_and_a_restart_write_nothing() {
    let stage = stocked(5).await;
    stage.cluster.apply_a("ToySet", "h", toy_set(1..=5));
    stage.toy_set_ready().await;
    stage.pass(30).await;
    let before = (stage.cluster.wrote("PATCH").len(), stage.emnify.writes());
    stage.pass(1_800).await;
    assert_eq!((stage.cluster.wrote("PATCH").len(), stage.emnify.writes()), before, "nothing differs");
    let stage = stage.restart().await;
    stage.pass(900).await;
    assert_eq!(
        (stage.cluster.wrote("PATCH").len(), stage.emnify.writes()),
        before,
        "membership is on the devices"
    );
}

#[tokio::test(start_paused = true)]
async fn drift_of_one_member_is_corrected() {
    let stage = stocked(5).await;
    stage.cluster.apply_a("ToySet", "h", toy_set(1..=5));
    stage.toy_set_ready().await;
    stage.pass(60).await;
    stage.emnify.edit(3, "name", json!("portal"));
    stage.until("the name is set back", |s| s.names().contains(&"toy-3".to_owned())).await;
    assert_eq!(stage.condition_of("ToySet", "h", "Ready").0, "True", "drift takes nothing away");
}

#[tokio::test(start_paused = true)]
async fn scaling_down_removes_the_newest_first() {
    let stage = stocked(6).await;
    stage.cluster.apply_a("ToySet", "h", json!({"replicas": 6}));
    stage.toy_set_ready().await;
    stage.cluster.apply_a("ToySet", "h", json!({"replicas": 4}));
    stage.until("two are gone", |s| s.emnify.devices().len() == 4).await;
    stage.toy_set_ready().await;
    let deleted: Vec<String> = stage.emnify.asked("DELETE").into_iter().map(|a| a.what).collect();
    assert_eq!(deleted, ["DELETE /api/v1/endpoint/6", "DELETE /api/v1/endpoint/5"], "newest first");
    assert_eq!(stage.toy_set_status("desired"), 4);
}

#[tokio::test(start_paused = true)]
async fn a_process_that_dies_between_create_and_mark_makes_no_second_one() {
    let stage = stocked(5).await;
    stage.emnify.fail("PATCH /api/v2/endpoint/multi", 1, Fault::Slow(Duration::from_secs(3_600)));
    stage.cluster.apply_a("ToySet", "h", toy_set(1..=5));
    stage.until("they are created", |s| s.emnify.devices().len() == 5).await;
    let stage = stage.restart().await;
    stage.toy_set_ready().await;
    assert_eq!((stage.emnify.asked(BULK).len(), stage.emnify.devices().len()), (1, 5));
    let marked = stage.emnify.devices().iter().all(|d| d["tags"] == "made [k8s prod/ns/h]");
    assert!(marked, "they were recognised as ours: {:?}", stage.emnify.devices());
}

#[tokio::test(start_paused = true)]
async fn a_process_waits_for_what_the_last_one_may_have_sent() {
    let stage = stocked(5).await;
    stage.emnify.fail(BULK, 1, Fault::Slow(Duration::from_secs(3_600)));
    stage.cluster.apply_a("ToySet", "h", toy_set(1..=5));
    stage.until("the create is under way", |s| s.emnify.asked(BULK).len() == 1).await;
    let stage = stage.restart().await;
    stage.pass(60).await;
    assert_eq!(stage.emnify.asked(BULK).len(), 1, "it may still take effect");
    stage.toy_set_ready().await;
    assert_eq!((stage.emnify.asked(BULK).len(), stage.emnify.devices().len()), (2, 5));
}

#[tokio::test(start_paused = true)]
async fn a_set_of_free_chips_finds_those_it_took_before_it_died() {
    let stage = stocked(5).await;
    stage.emnify.fail("PATCH /api/v2/endpoint/multi", 1, Fault::Slow(Duration::from_secs(3_600)));
    stage.cluster.apply_a("ToySet", "h", json!({"replicas": 3, "free": true}));
    stage.until("they are created", |s| s.emnify.devices().len() == 3).await;
    let stage = stage.restart().await;
    stage.toy_set_ready().await;
    assert_eq!(stage.emnify.devices().len(), 3, "a chip in a device of ours is not taken for a stranger's");
    assert!(stage.emnify.devices().iter().all(|d| d["tags"] == "made [k8s prod/ns/h]"));
}

#[tokio::test(start_paused = true)]
async fn a_bulk_create_whose_answer_was_lost_is_not_repeated() {
    let stage = stocked(5).await;
    stage.emnify.fail(BULK, 1, Fault::LostAnswer);
    stage.cluster.apply_a("ToySet", "h", toy_set(1..=5));
    stage.toy_set_ready().await;
    assert_eq!((stage.emnify.asked(BULK).len(), stage.emnify.devices().len()), (1, 5), "observed first");
}

#[tokio::test(start_paused = true)]
async fn a_bulk_create_that_took_no_effect_is_sent_again_after_its_deadline() {
    let stage = stocked(5).await;
    stage.emnify.fail(BULK, 1, Fault::Answer(504, json!({"message": "Endpoint request timed out"})));
    stage.cluster.apply_a("ToySet", "h", toy_set(1..=5));
    stage.until("it was tried", |s| s.emnify.asked(BULK).len() == 1).await;
    stage.pass(60).await;
    assert_eq!(stage.emnify.asked(BULK).len(), 1, "it may still take effect");
    stage.toy_set_ready().await;
    assert_eq!((stage.emnify.asked(BULK).len(), stage.emnify.devices().len()), (2, 5));
}

#[tokio::test(start_paused = true)]
async fn a_refused_member_stalls_alone() {
    let stage = stocked(10).await;
    stage.emnify.refuse("toy-7");
    stage.cluster.apply_a("ToySet", "h", toy_set(1..=10));
    stage.until("it stalls", |s| s.toy_set_says("Stalled", "Rejected")).await;
    assert_eq!(stage.emnify.devices().len(), 9, "everyone else is through");
    stage.until("it is counted", |s| s.toy_set_status("ready") == 9).await;
    assert_eq!(stage.toy_set_status("failures"), json!(["chip-7 Rejected"]), "the culprit is named");
    let creates = stage.emnify.asked("POST").len();
    stage.pass(500).await;
    assert_eq!(stage.emnify.asked("POST").len(), creates, "the same request is not sent again at once");
    stage.cluster.apply_a("ToySet", "h", with(toy_set(1..=10), "prefix", json!("new")));
    stage.toy_set_ready().await;
    assert_eq!(stage.emnify.devices().len(), 10, "an edit is tried");
}

#[tokio::test(start_paused = true)]
async fn a_member_that_exists_is_adopted_only_if_allowed() {
    let stage = stocked(3).await;
    stage
        .emnify
        .add(json!({"name": "old", "imei": "2", "status": {"id": 0}, "created": "2020-01-01T00:00:00Z"}));
    stage.cluster.apply_a("ToySet", "h", toy_set(1..=3));
    stage.until("it stalls", |s| s.toy_set_says("Stalled", "AlreadyExists")).await;
    assert_eq!(stage.toy_set_status("failures"), json!(["chip-2 AlreadyExists"]));
    assert_eq!(stage.emnify.devices().len(), 3, "the others go on");
    stage.cluster.apply_a("ToySet", "h", with(toy_set(1..=3), "adoptionPolicy", json!("IfUnowned")));
    stage.toy_set_ready().await;
    assert_eq!(stage.emnify.devices()[0]["tags"], "[k8s prod/ns/h]", "it is a member and not made by us");
    assert_eq!(stage.emnify.devices()[0]["name"], "toy-2");
}

#[tokio::test(start_paused = true)]
async fn an_adopted_member_is_released_and_not_deleted() {
    let stage = stocked(3).await;
    stage
        .emnify
        .add(json!({"name": "old", "imei": "2", "status": {"id": 0}, "created": "2020-01-01T00:00:00Z"}));
    let adopting = |chips| with(toy_set(chips), "adoptionPolicy", json!("IfUnowned"));
    stage.cluster.apply_a("ToySet", "h", adopting(1..=3));
    stage.toy_set_ready().await;
    let stage = stage.restart().await;
    stage.pass(10).await;
    stage.cluster.apply_a("ToySet", "h", adopting(1..=1));
    stage.until("one is deleted", |s| s.emnify.devices().len() == 2).await;
    stage.toy_set_ready().await;
    let released = &stage.emnify.devices()[0];
    assert_eq!(
        (released["imei"].clone(), released["tags"].clone()),
        (json!("2"), json!("")),
        "it is let go as it is"
    );
}

#[tokio::test(start_paused = true)]
async fn deleting_the_set_retires_all_of_it() {
    let stage = stocked(4).await;
    stage.cluster.apply_a("ToySet", "h", toy_set(1..=4));
    stage.toy_set_ready().await;
    stage.cluster.delete_a("ToySet", "h");
    stage.until("the set is gone", |s| s.cluster.object("ToySet", "h").is_none()).await;
    assert!(stage.emnify.devices().is_empty());
    let last = stage.emnify.asked("DELETE").last().unwrap().what.clone();
    assert_eq!(last, "DELETE /api/v1/endpoint/1", "newest first");
}

#[tokio::test(start_paused = true)]
async fn an_orphaned_set_leaves_everything_as_it_is() {
    let stage = stocked(3).await;
    stage.cluster.apply_a("ToySet", "h", with(toy_set(1..=3), "deletionPolicy", json!("Orphan")));
    stage.toy_set_ready().await;
    let before = stage.emnify.writes();
    stage.cluster.delete_a("ToySet", "h");
    stage.until("the set is gone", |s| s.cluster.object("ToySet", "h").is_none()).await;
    assert_eq!((stage.emnify.devices().len(), stage.emnify.writes()), (3, before));
}

#[tokio::test(start_paused = true)]
async fn one_chip_has_one_owner() {
    let stage = stocked(3).await;
    stage.cluster.apply("a", json!({"name": "a", "serial": "2"}));
    stage.ready("a").await;
    stage.cluster.apply_a("ToySet", "h", toy_set(1..=3));
    stage.until("the set stalls", |s| s.toy_set_says("Stalled", "OwnershipConflict")).await;
    assert_eq!(stage.toy_set_status("failures"), json!(["chip-2 OwnershipConflict"]), "the chip is named");
    assert_eq!(stage.emnify.devices().len(), 3, "the other two are there");
    stage.cluster.apply("b", json!({"name": "b", "serial": "3"}));
    stage.until("the object loses", |s| s.condition("b", "Stalled").1 == "OwnershipConflict").await;
    stage.cluster.delete("a");
    stage.toy_set_ready().await;
    assert_eq!(stage.emnify.devices().len(), 3, "the set took the chip that became free");
}

#[tokio::test(start_paused = true)]
async fn news_and_alerts_of_a_member_reach_its_set() {
    let stage = stocked(3).await;
    stage.cluster.apply_a("ToySet", "h", toy_set(1..=3));
    stage.toy_set_ready().await;
    stage.pass(60).await;
    stage.emnify.edit(2, "name", json!("portal"));
    stage.emnify.event(7, 99, 2, 0);
    stage.emnify.event(8, 11, 3, 0);
    stage.until("the change is corrected", |s| s.names()[1] == "toy-2").await;
    let alerts = |s: &Stage| s.cluster.named_events("Blocked");
    stage.until("the alert is told", |s| alerts(s).len() == 1).await;
    let told = &alerts(&stage)[0];
    assert_eq!(
        (told["regarding"]["name"].clone(), told["note"].clone()),
        (json!("h"), json!("chip-3: blocked"))
    );
}

#[tokio::test(start_paused = true)]
async fn two_sets_share_no_chip() {
    let stage = stocked(4).await;
    stage.cluster.apply_a("ToySet", "h", toy_set(1..=3));
    stage.toy_set_ready().await;
    stage.cluster.apply_a("ToySet", "other", toy_set(3..=4));
    let says = |s: &Stage, kind: &str, reason: &str| s.condition_of("ToySet", "other", kind).1 == reason;
    stage.until("the younger stalls", |s| says(s, "Stalled", "OwnershipConflict")).await;
    assert_eq!(stage.emnify.devices().len(), 4, "its other member is there");
    stage.cluster.apply_a("ToySet", "h", toy_set(1..=2));
    stage.until("the chip is free", |s| says(s, "Ready", "UpToDate")).await;
    let owner = stage.emnify.devices().iter().find(|d| d["imei"] == "3").unwrap()["tags"].clone();
    assert_eq!(owner, "made [k8s prod/ns/other]", "it is made anew by the other set");
}

#[tokio::test(start_paused = true)]
async fn a_set_that_would_retire_too_many_waits_for_approval() {
    let stage = stocked(8).await;
    stage.caller.guard.set_limit(
        emnify_engine::session::guard::GuardLimit { devices: 3, window: Duration::from_secs(600) },
        "Workspace ns/default",
    );
    stage.cluster.apply_a("ToySet", "h", toy_set(1..=8));
    stage.toy_set_ready().await;
    stage.cluster.apply_a("ToySet", "h", toy_set(1..=2));
    stage.until("the guard trips", |s| s.toy_set_says("Stalled", "GuardTripped")).await;
    assert_eq!(stage.emnify.devices().len(), 8, "none of them is touched before a person agrees");
    let hash = stage.caller.guard.tripped().and_then(|trip| trip.hash).unwrap();
    assert!(stage.caller.guard.approve(&hash));
    stage.cluster.annotate_a("ToySet", "h", "example.org/note", "look again");
    stage.until("they go", |s| s.emnify.devices().len() == 2).await;
    stage.toy_set_ready().await;
}

#[tokio::test(start_paused = true)]
async fn a_change_that_disturbs_rolls_through_the_set() {
    let stage = stocked(6).await;
    let spec = with(with(toy_set(1..=6), "maxUnavailable", json!(2)), "minReady", json!(20));
    stage.cluster.apply_a("ToySet", "h", with(spec.clone(), "state", json!(0)));
    stage.toy_set_ready().await;
    stage.cluster.apply_a("ToySet", "h", with(spec, "state", json!(1)));
    let disabled = |s: &Stage| s.emnify.devices().iter().filter(|d| d["status"]["id"] == 1).count();
    stage.until("it begins", |s| disabled(s) > 0).await;
    stage.pass(10).await;
    assert_eq!(disabled(&stage), 2, "no more than two are out at once");
    stage.pass(20).await;
    assert_eq!(disabled(&stage), 4, "the next two follow when the first are well");
    stage.toy_set_ready().await;
    assert_eq!(disabled(&stage), 6);
}

#[tokio::test(start_paused = true)]
async fn the_first_in_order_stay_as_they_are() {
    let stage = stocked(4).await;
    stage.cluster.apply_a("ToySet", "h", toy_set(1..=4));
    stage.toy_set_ready().await;
    let spec = with(with(toy_set(1..=4), "partition", json!(3)), "prefix", json!("new"));
    stage.cluster.apply_a("ToySet", "h", spec);
    stage.toy_set_ready().await;
    assert_eq!(stage.names(), ["toy-1", "toy-2", "toy-3", "new-4"]);
    assert_eq!(stage.toy_set_status("held"), 3);
}

#[tokio::test(start_paused = true)]
async fn activations_are_spread_over_windows() {
    let stage = stocked(6).await;
    stage.cluster.apply_a("ToySet", "h", with(toy_set(1..=6), "perMinute", json!(2)));
    stage.until("the first are there", |s| s.emnify.devices().len() == 2).await;
    stage.pass(40).await;
    assert_eq!(stage.emnify.devices().len(), 2, "the window is used up");
    stage.until("the next are there", |s| s.emnify.devices().len() == 4).await;
    stage.toy_set_ready().await;
    assert_eq!(stage.emnify.devices().len(), 6);
}

#[tokio::test(start_paused = true)]
async fn chips_are_read_from_a_config_map_and_again_when_it_changes() {
    const MAP: &str = "/api/v1/namespaces/ns/configmaps/list";
    let stage = stocked(4).await;
    let map = |text: &str, version: &str| {
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "list", "resourceVersion": version},
               "data": {"chips": text}})
    };
    stage.cluster.apply_a("ToySet", "h", json!({"listedIn": "list"}));
    stage.until("it waits", |s| s.toy_set_says("Ready", "ReferenceNotReady")).await;
    stage.cluster.put(MAP, map("1 2", "1"));
    stage.toy_set_ready().await;
    assert_eq!(stage.emnify.devices().len(), 2);
    stage.cluster.put(MAP, map("1 2 3 9", "2"));
    stage.until("the new one is there", |s| s.emnify.devices().len() == 3).await;
    stage
        .until("what cannot be had is told", |s| s.toy_set_status("failures") == json!(["chip-9 NotFound"]))
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_set_waits_for_what_its_template_refers_to() {
    let stage = stocked(2).await;
    stage.cluster.apply_a("ToySet", "h", with(toy_set(1..=2), "follows", json!("leader")));
    stage.until("it waits", |s| s.toy_set_says("Ready", "ReferenceNotReady")).await;
    stage.cluster.apply("leader", named("leader"));
    stage.toy_set_ready().await;
    let follow = stage.emnify.devices().iter().filter(|d| d["service_profile"]["id"] == 1).count();
    assert_eq!(follow, 2, "references are sent as ids");
    stage.cluster.delete("leader");
    stage.until("the leader is in use", |s| s.condition("leader", "Ready").1 == "InUse").await;
}

#[tokio::test(start_paused = true)]
async fn a_set_and_what_it_refers_to_may_be_deleted_at_once() {
    let stage = stocked(2).await;
    stage.cluster.apply("leader", named("leader"));
    stage.cluster.apply_a("ToySet", "h", with(toy_set(1..=2), "follows", json!("leader")));
    stage.toy_set_ready().await;
    stage.cluster.delete("leader");
    stage.cluster.delete_a("ToySet", "h");
    stage.until("the set is gone", |s| s.cluster.object("ToySet", "h").is_none()).await;
    stage.until("and what it referred to", |s| s.cluster.toy("leader").is_none()).await;
    assert!(stage.emnify.devices().is_empty(), "nothing waits for the other");
}

#[tokio::test(start_paused = true)]
async fn a_rollout_writes_its_status_seldom() {
    let stage = stocked(60).await;
    stage.emnify.fail(BULK, 6, Fault::Slow(Duration::from_secs(4)));
    stage.cluster.apply_a("ToySet", "h", toy_set(1..=60));
    stage.toy_set_ready().await;
    let writes = stage.cluster.wrote("PATCH /apis/emnify.io/v1alpha1/namespaces/ns/toysets/h/status").len();
    assert!(writes <= 9, "{writes} writes in half a minute");
    assert_eq!(stage.toy_set_status("enabled"), 60, "the last one says everything");
}

#[tokio::test(start_paused = true)]
async fn what_a_lost_create_made_goes_with_the_set() {
    for restart in [false, true] {
        let stage = stocked(3).await;
        stage.emnify.fail(BULK, 1, Fault::LostAnswer);
        stage.cluster.apply_a("ToySet", "h", toy_set(1..=3));
        stage.until("it took effect", |s| s.emnify.devices().len() == 3).await;
        stage.cluster.delete_a("ToySet", "h");
        let stage = if restart { stage.restart().await } else { stage };
        stage.until("the set is gone", |s| s.cluster.object("ToySet", "h").is_none()).await;
        assert!(
            stage.emnify.devices().is_empty(),
            "nothing is left that nobody knows of (restart: {restart})"
        );
        stage.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn members_deleted_in_emnify_are_made_anew_when_proven_gone() {
    let stage = stocked(40).await;
    stage.cluster.apply_a("ToySet", "h", toy_set(1..=40));
    stage.toy_set_ready().await;
    stage.pass(60).await;
    (1..=25).for_each(|id| stage.emnify.remove(id));
    stage.until("they are back", |s| s.emnify.devices().len() == 40).await;
    stage.toy_set_ready().await;
    let serials: BTreeSet<String> = stage.emnify.devices().iter().map(|d| d["imei"].to_string()).collect();
    assert_eq!(serials.len(), 40, "each chip is in one device");
}

#[tokio::test(start_paused = true)]
async fn an_undecodable_set_stalls_and_touches_nothing() {
    let stage = stocked(2).await;
    stage.cluster.apply_a("ToySet", "h", toy_set(1..=2));
    stage.toy_set_ready().await;
    let before = stage.emnify.writes();
    stage.cluster.apply_a("ToySet", "h", json!({"chips": "all of them"}));
    stage.until("it stalls", |s| s.toy_set_says("Stalled", "Undecodable")).await;
    stage.pass(600).await;
    assert_eq!((stage.emnify.writes(), stage.emnify.devices().len()), (before, 2));
    assert_eq!(stage.toy_set_status("ready"), 2, "what its status says stays");
}

#[tokio::test(start_paused = true)]
async fn an_undecodable_set_can_be_deleted_with_its_members() {
    let stage = stocked(2).await;
    stage.cluster.apply_a("ToySet", "h", toy_set(1..=2));
    stage.toy_set_ready().await;
    stage.emnify.add(json!({"name": "a stranger's", "imei": "9"}));
    stage.cluster.apply_a("ToySet", "h", json!({"chips": "all of them"}));
    stage.until("it stalls", |s| s.toy_set_says("Stalled", "Undecodable")).await;
    let stage = stage.restart().await;
    stage.cluster.delete_a("ToySet", "h");
    stage.until("the set is gone", |s| s.cluster.object("ToySet", "h").is_none()).await;
    assert_eq!(stage.names(), ["a stranger's"], "what it made goes with it, whatever its spec says");
}

#[tokio::test(start_paused = true)]
async fn a_set_that_only_looks_on_is_in_nobodys_way() {
    let stage = stocked(2).await;
    stage.cluster.apply_a("ToySet", "h", with(toy_set(1..=2), "managementPolicy", json!("Observe")));
    stage
        .until("it says so", |s| s.toy_set_says("Ready", "UpToDate") || s.toy_set_says("Drifted", "Drifted"))
        .await;
    stage.cluster.apply("a", json!({"name": "a", "serial": "1"}));
    stage.ready("a").await;
    assert_eq!(stage.emnify.devices().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_suspended_set_is_left_alone_and_keeps_ready() {
    let stage = stocked(2).await;
    stage.cluster.apply_a("ToySet", "h", toy_set(1..=2));
    stage.toy_set_ready().await;
    let before = stage.emnify.writes();
    stage.cluster.annotate_a("ToySet", "h", "emnify.io/suspend", "true");
    stage.emnify.edit(1, "name", json!("portal"));
    stage.pass(900).await;
    assert_eq!(
        (stage.emnify.writes(), stage.condition_of("ToySet", "h", "Ready").0.as_str()),
        (before, "True")
    );
    stage.cluster.annotate_a("ToySet", "h", "emnify.io/suspend", "false");
    stage.until("it is corrected after", |s| s.names()[0] == "toy-1").await;
}

#[tokio::test(start_paused = true)]
async fn removing_the_kind_from_the_cluster_retires_no_member() {
    let stage = stocked(2).await;
    stage.cluster.apply_a("ToySet", "h", toy_set(1..=2));
    stage.toy_set_ready().await;
    let definition = json!({
        "apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata",
        "metadata": {"name": "toysets.emnify.io", "deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["cleanup"]},
    });
    stage
        .cluster
        .put("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/toysets.emnify.io", definition);
    stage.cluster.delete_a("ToySet", "h");
    stage.until("the set is gone", |s| s.cluster.object("ToySet", "h").is_none()).await;
    assert_eq!(stage.emnify.devices().len(), 2, "a definition deleted by mistake costs no device");
}

/// Whatever goes wrong, and however often the process dies: every good member is made exactly once and marked as ours.
#[tokio::test(start_paused = true)]
async fn faults_and_deaths_in_any_order_make_no_member_twice() {
    for seed in 0..20 {
        let mut rng = StdRng::seed_from_u64(seed);
        let chips = rng.random_range(5..40);
        let mut stage = stocked(chips).await;
        if rng.random_bool(0.5) {
            stage.emnify.make_some();
        }
        let bad: BTreeSet<i64> = (1..=chips).filter(|_| rng.random_bool(0.06)).collect();
        for chip in &bad {
            stage.emnify.refuse(&format!("toy-{chip}"));
        }
        for _ in 0..rng.random_range(0..6) {
            let what = [BULK, BULK, "PATCH /api/v2/endpoint", "GET /api/v1/endpoint"][rng.random_range(0..4)];
            stage.emnify.fail(what, rng.random_range(1..3), fault(&mut rng));
        }
        stage.cluster.apply_a("ToySet", "h", toy_set(1..=chips));
        for _ in 0..rng.random_range(0..3) {
            tokio::time::sleep(Duration::from_millis(rng.random_range(0..3_000))).await;
            stage = stage.restart().await;
        }
        let good = usize::try_from(chips).unwrap() - bad.len();
        let done = |s: &Stage| s.toy_set_says("Ready", if bad.is_empty() { "UpToDate" } else { "Rejected" });
        stage.until(&format!("seed {seed}: it is done (bad: {bad:?})"), |s| done(s)).await;
        let devices = stage.emnify.devices();
        let serials: BTreeSet<String> = devices.iter().map(|d| d["imei"].to_string()).collect();
        assert_eq!((devices.len(), serials.len()), (good, good), "seed {seed}");
        assert!(devices.iter().all(|d| d["tags"] == "made [k8s prod/ns/h]"), "seed {seed}: {devices:?}");
        assert!(stage.emnify.asked("DELETE").is_empty(), "seed {seed}");
        stage.stop().await;
    }
}

fn fault(rng: &mut StdRng) -> Fault {
    match rng.random_range(0..4) {
        0 => Fault::LostAnswer,
        1 => Fault::Slow(Duration::from_secs(rng.random_range(1..20))),
        2 => Fault::Answer(503, json!({"message": "busy"})),
        _ => Fault::Answer(429, json!({"message": "too many"})),
    }
}
