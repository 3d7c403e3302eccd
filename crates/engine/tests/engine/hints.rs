//! What says between two listings that something changed.

use emnify::wire::event::Record;
use serde_json::{Value, json};

use crate::support::{Stage, clock, emnify::Fault, named};

const EVENTS: &str = "GET /api/v1/event";
const LISTING: &str = "GET /api/v1/endpoint";
const READ: &str = "GET /api/v1/endpoint/";

/// A stage with so many objects in step.
async fn fleet(count: usize) -> Stage {
    let stage = Stage::new().await;
    for i in 0..count {
        stage.cluster.apply(&format!("a{i}"), named(&format!("a{i}")));
    }
    stage.until("all are made", |s| s.emnify.devices().len() == count).await;
    stage.ready(&format!("a{}", count - 1)).await;
    // past the times in which listings cannot contradict what was just written
    stage.pass(120).await;
    stage
}

fn id_of(stage: &Stage, name: &str) -> i64 {
    stage.status(name, "id").as_str().unwrap().parse().unwrap()
}

fn record(device: i64) -> Record {
    Record { organisation: Some(42), endpoint: Some(device), ..Record::default() }
}

fn reads(stage: &Stage) -> usize {
    stage.emnify.asked(READ).len()
}

fn event(id: i64, kind: i64, device: i64, source: i64) -> Value {
    json!({"id": id, "timestamp": clock::now().to_string(), "event_type": {"id": kind},
        "event_source": {"id": source}, "endpoint": {"id": device}})
}

#[tokio::test(start_paused = true)]
async fn a_rename_in_the_portal_is_corrected_long_before_the_sweep() {
    let stage = fleet(3).await;
    stage.session.set_sweep_every(Some(std::time::Duration::from_secs(86_400)));
    stage.pass(400).await;
    let before = stage.emnify.asked(LISTING).len();
    stage.emnify.edit(id_of(&stage, "a1"), "name", json!("changed in the portal"));
    let changed = tokio::time::Instant::now();
    stage
        .until("the name is set back", |s| {
            s.emnify.devices().iter().all(|d| d["name"] != "changed in the portal")
        })
        .await;
    assert!(changed.elapsed().as_secs() <= 22, "it is among what changed last: {:?}", changed.elapsed());
    assert_eq!(reads(&stage), 0, "the page itself shows the change");
    assert!(stage.emnify.asked(LISTING).len() - before <= 2, "and costs one request in 20 s");
}

#[tokio::test(start_paused = true)]
async fn more_changes_than_pages_are_worth_become_one_listing() {
    let stage = fleet(90).await;
    stage.session.set_sweep_every(Some(std::time::Duration::from_secs(86_400)));
    stage.pass(400).await;
    for device in stage.emnify.devices() {
        stage.emnify.edit(device["id"].as_i64().unwrap(), "name", json!("changed in the portal"));
    }
    let all_back = |s: &Stage| s.emnify.devices().iter().all(|d| d["name"] != "changed in the portal");
    let before = stage.emnify.asked(LISTING).len();
    stage.until("all names are set back", all_back).await;
    assert_eq!(reads(&stage), 0, "nothing is read one by one");
    let listed = stage.emnify.asked(LISTING).len() - before;
    assert!(listed < 20, "a few pages and a listing: {listed}");
}

#[tokio::test(start_paused = true)]
async fn the_events_of_our_own_creates_cause_no_read_at_all() {
    let stage = Stage::new().await;
    for i in 0..500 {
        stage.cluster.apply(&format!("a{i}"), named(&format!("a{i}")));
    }
    let mut next = 1 << 50;
    let mut told = 0;
    while told < 500 {
        stage.pass(1).await;
        // four events per device, as they appear: enabled, assigned, activated, and one more
        for device in stage.emnify.devices().iter().skip(told) {
            for kind in [42, 51, 8, 43] {
                next += 1;
                stage.emnify.event(next, kind, device["id"].as_i64().unwrap(), 0);
            }
            told += 1;
        }
    }
    stage.pass(300).await;
    assert_eq!(reads(&stage), 0, "our own writes are no news");
    assert_eq!(stage.emnify.devices().len(), 500);
}

#[tokio::test(start_paused = true)]
async fn hints_are_rare_while_many_objects_are_made() {
    let stage = Stage::new().await;
    stage.pass(60).await;
    let steady = stage.emnify.asked(EVENTS).len();
    assert_eq!(steady, 5, "every ten seconds, after the first listings");
    stage.emnify.fail("POST /api/v2/endpoint/multi", 1, Fault::Slow(std::time::Duration::from_secs(90)));
    stage.emnify.fail("POST /api/v1/endpoint", 100, Fault::Slow(std::time::Duration::from_secs(90)));
    for i in 0..200 {
        stage.cluster.apply(&format!("a{i}"), named(&format!("a{i}")));
    }
    stage.pass(10).await;
    let before = stage.emnify.asked(EVENTS).len();
    stage.pass(60).await;
    let read = stage.emnify.asked(EVENTS).len() - before;
    assert!((1..=2).contains(&read), "every thirty seconds: {read}");
}

#[tokio::test(start_paused = true)]
async fn hints_stay_rare_until_the_statuses_of_what_was_made_are_written() {
    let stage = Stage::new().await;
    stage.pass(60).await;
    stage.emnify.fail("POST /api/v2/endpoint/multi", 5, Fault::Slow(std::time::Duration::from_secs(20)));
    for i in 0..200 {
        stage.cluster.apply(&format!("a{i}"), named(&format!("a{i}")));
    }
    stage.pass(15).await;
    stage.cluster.be_slow(std::time::Duration::from_secs(25));
    stage.until("all are made", |s| s.emnify.devices().len() == 200).await;
    stage.pass(60).await;
    let before = stage.emnify.asked(EVENTS).len();
    stage.pass(60).await;
    let unwritten = (0..200).filter(|i| stage.status(&format!("a{i}"), "id").is_null()).count();
    assert!(unwritten > 0, "Kubernetes is still busy");
    let read = stage.emnify.asked(EVENTS).len() - before;
    assert!((1..=2).contains(&read), "every thirty seconds: {read}");
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_events_becomes_one_listing_and_its_network_events_are_heard() {
    let stage = fleet(30).await;
    stage.session.set_sweep_every(Some(std::time::Duration::from_secs(86_400)));
    stage.pass(400).await;
    let device = id_of(&stage, "a7");
    // what the network says is the oldest, behind more than ten pages of other things
    stage.emnify.event_with(event(1, 3, device, 0));
    for i in 0..20_000_i64 {
        stage.emnify.event_with(event(100 + i, 43, 1 + i % 30, 2));
    }
    stage.emnify.edit(device, "name", json!("changed in the portal"));
    let before = (stage.emnify.asked(EVENTS).len(), reads(&stage));
    stage.until("the device is online", |s| s.status("a7", "online") == true).await;
    let asked = stage.emnify.asked(EVENTS).len() - before.0;
    assert!(asked <= 5, "one page of the flood, and what the network said in it: {asked} requests");
    stage.pass(300).await;
    let single = reads(&stage) - before.1;
    assert!(single <= 10, "30 doubtful objects are listed, not read one by one: {single}");
    assert_ne!(stage.emnify.devices()[usize::try_from(device).unwrap() - 1]["name"], "changed in the portal");
}

#[tokio::test(start_paused = true)]
async fn an_outage_of_the_log_loses_nothing() {
    let stage = fleet(2).await;
    stage.emnify.fail(EVENTS, 6, Fault::Answer(503, json!({"message": "down"})));
    stage.pass(30).await;
    stage.emnify.event(1 << 50, 3, id_of(&stage, "a1"), 0);
    let asked = stage.emnify.asked(EVENTS).len();
    stage.pass(200).await;
    let during = stage.emnify.asked(EVENTS).len() - asked;
    assert!(during <= 8, "a log that fails is asked less and less: {during}");
    stage.until("the device is online", |s| s.status("a1", "online") == true).await;
}

#[tokio::test(start_paused = true)]
async fn a_restart_reads_on_where_the_last_process_ended() {
    let stage = fleet(2).await;
    let position = stage.session.hints.position();
    assert!(position.is_some(), "the log was read");
    let device = id_of(&stage, "a1");
    let (cluster, emnify) = (stage.cluster.clone(), stage.emnify.clone());
    stage.stop().await;
    tokio::time::sleep(std::time::Duration::from_secs(60)).await;
    emnify.event(1 << 50, 3, device, 0);
    tokio::time::sleep(std::time::Duration::from_secs(7200)).await;
    let stage = Stage::resumed(cluster, emnify, position).await;
    stage.until("the device is online", |s| s.status("a1", "online") == true).await;
}

#[tokio::test(start_paused = true)]
async fn an_alert_is_one_event_on_its_object_even_after_a_restart() {
    let stage = fleet(2).await;
    let device = id_of(&stage, "a1");
    stage.emnify.event(1 << 50, 11, device, 0);
    stage.emnify.event((1 << 50) + 1, 11, 999, 0);
    let alerts = |s: &Stage| s.cluster.named_events("Blocked");
    stage.until("the alert is told", |s| alerts(s).len() == 1).await;
    stage.pass(60).await;
    let stage = stage.restart().await;
    stage.pass(120).await;
    let told = alerts(&stage);
    assert_eq!(told.len(), 1, "once, and nothing of a device that nobody manages: {told:?}");
    assert_eq!((&told[0]["type"], &told[0]["regarding"]["name"]), (&json!("Warning"), &json!("a1")));
    stage.emnify.event((1 << 50) + 2, 11, device, 0);
    stage.until("the next one is another", |s| alerts(s).len() == 2).await;
}

#[tokio::test(start_paused = true)]
async fn a_pushed_record_makes_its_object_read_again() {
    let stage = fleet(2).await;
    let device = id_of(&stage, "a1");
    let listed = stage.emnify.asked(LISTING).len();
    stage.until("what changed last was just read", |s| s.emnify.asked(LISTING).len() > listed).await;
    stage.emnify.edit(device, "name", json!("changed in the portal"));
    let changed = tokio::time::Instant::now();
    stage.engine.shared.on_records(&[
        record(device),
        record(999),
        Record { organisation: Some(7), ..record(device) },
    ]);
    stage
        .until("the name is set back", |s| {
            s.emnify.devices().iter().all(|d| d["name"] != "changed in the portal")
        })
        .await;
    assert!(changed.elapsed().as_secs() < 5, "{:?}", changed.elapsed());
    assert_eq!(reads(&stage), 1, "one read, of the device that is ours");
}

#[tokio::test(start_paused = true)]
async fn a_record_of_our_own_correction_has_nothing_read() {
    let stage = fleet(2).await;
    let device = id_of(&stage, "a1");
    stage.session.set_sweep_every(Some(std::time::Duration::from_secs(86_400)));
    let happens = || Record { timestamp: Some(clock::now()), ..record(device) };
    stage.emnify.edit(device, "name", json!("changed in the portal"));
    stage.engine.shared.on_records(&[happens()]);
    let back = |s: &Stage| s.emnify.devices().iter().all(|d| d["name"] != "changed in the portal");
    stage.until("the name is set back", back).await;
    let before = reads(&stage);
    stage.engine.shared.on_records(&[happens()]);
    stage.pass(20).await;
    assert_eq!(reads(&stage), before, "a stream tells of what the operator did as well");
    stage.engine.shared.on_records(&[happens()]);
    stage.until("what happens later is read", |s| reads(s) == before + 1).await;
}

#[tokio::test(start_paused = true)]
async fn what_names_an_object_by_another_number_alone_reaches_it() {
    let stage = fleet(2).await;
    let device = id_of(&stage, "a1");
    stage.emnify.edit(device, "imei", json!("250"));
    stage.session.set_sweep_every(Some(std::time::Duration::from_secs(86_400)));
    stage.pass(60).await;
    let event = |id: i64, kind: i64| json!({"id": id, "timestamp": clock::now().to_string(), "event_type": {"id": kind}, "sim": {"id": 250}});
    stage.emnify.event_with(event(1 << 50, 3));
    stage.until("its news is heard", |s| s.status("a1", "online") == true).await;
    stage.emnify.event_with(event((1 << 50) + 1, 11));
    stage.until("its warning is told", |s| s.cluster.named_events("Blocked").len() == 1).await;
    assert_eq!(stage.cluster.named_events("Blocked")[0]["regarding"]["name"], "a1");
    let before = reads(&stage);
    stage.emnify.event_with(event((1 << 50) + 2, 51));
    stage.until("a hint makes it read again", |s| reads(s) == before + 1).await;
    stage.engine.shared.on_records(&[Record { organisation: Some(42), sim: Some(250), ..Record::default() }]);
    stage.until("so does a record", |s| reads(s) == before + 2).await;
    stage.emnify.event_with(json!({"id": (1_i64 << 50) + 3, "timestamp": clock::now().to_string(),
        "event_type": {"id": 51}, "sim": {"id": 7}}));
    stage.pass(60).await;
    assert_eq!(reads(&stage), before + 2, "a number that nothing carries is nobody's");
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_pushed_records_is_not_one_read_each() {
    let stage = fleet(30).await;
    let before = (reads(&stage), stage.emnify.asked(LISTING).len());
    for round in 0..600 {
        let all: Vec<Record> = (1..=30).map(record).collect();
        stage.engine.shared.on_records(&all);
        stage.engine.shared.on_records(&[record(1 + round % 30)]);
        stage.pass(1).await;
    }
    let single = reads(&stage) - before.0;
    assert!(single <= 60, "a handful a minute: {single} reads for 18,600 records");
    let listed = stage.emnify.asked(LISTING).len() - before.1 - single;
    assert!(listed <= 45, "recent pages, and a listing every two minutes: {listed}");
}
