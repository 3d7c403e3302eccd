//! Triggers: operations at times and for what emnify tells of, none twice and none lost, whatever dies on the way.

use std::time::Duration;

use emnify_engine::kind::message::{Message, MessageNews};
use emnify_simulator::state::Draft;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::{
    clock,
    deeds::{DEVICES, Deed},
    mortal::{Dies, Life},
    operations::{KIND as OPERATION, counts, platform},
    repeats::too_often,
    stage::Stage,
    wire::{Asked, Wire, Wrong},
};

const KIND: &str = "OperationTrigger";
/// `Update GPRS location`.
const ATTACHED: u64 = 2;

fn message() -> Value {
    json!({"spec": {"action": {"sendSms": {"payload": "APN=em"}}}})
}

fn on_attach() -> Value {
    json!({"when": {"event": {"types": ["Update GPRS location"]}}, "operation": message()})
}

fn every(minutes: u32) -> Value {
    let target = json!({"endpoints": [{"id": DEVICES[1].to_string()}]});
    json!({"when": {"schedule": {"cron": format!("*/{minutes} * * * *")}},
        "operation": {"spec": {"target": target, "action": {"sendSms": {"payload": "hello"}}}}})
}

/// The log tells of a device.
fn tell(wire: &Wire, kind: u64, device: u64) {
    let edited = wire.simulator.edit(|state| {
        let (organisation, next) = state.split(1001);
        organisation.emit(next, clock::now(), Draft::new(kind).endpoint(device));
    });
    edited.unwrap();
}

/// How many messages a device has.
fn messages(wire: &Wire, device: u64) -> usize {
    wire.simulator.inspect(|state| state.organisations[&1001].endpoints[&device].sms.values().count())
}

impl Stage {
    fn trig(&self) -> Value {
        self.cluster.object(KIND, "apn").unwrap_or_default()
    }

    fn fired(&self) -> i64 {
        self.trig()["status"]["fired"].as_i64().unwrap_or_default()
    }

    /// Operations that were made, whether or not they are there still.
    fn made(&self) -> Vec<Value> {
        let at = format!("POST /apis/emnify.io/v1alpha1/namespaces/ns/{}s", OPERATION.to_lowercase());
        self.cluster.wrote(&at).into_iter().map(|wrote| wrote.body).collect()
    }

    async fn until_trig(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let started = Instant::now();
        while !holds(self) {
            let status = self.trig()["status"].clone();
            assert!(started.elapsed() < Duration::from_secs(7_200), "{what}: {status:#}");
            self.pass(1).await;
        }
    }

    async fn listens(&self) {
        self.ready(KIND, "apn").await;
    }
}

async fn stage(spec: &Value) -> Stage {
    let (cluster, wire) = platform(Deed::named("sendSms"));
    let stage = Stage::on(cluster.clone(), wire).await;
    cluster.apply_a(KIND, "apn", spec.clone());
    stage.listens().await;
    stage
}

fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    object["status"]["conditions"].as_array()?.iter().find(|condition| condition["type"] == kind)
}

#[tokio::test(start_paused = true)]
async fn a_schedule_makes_an_operation_each_time_and_keeps_some() {
    let mut spec = every(5);
    spec["successfulHistoryLimit"] = json!(2);
    let stage = stage(&spec).await;
    // an object of the tests is an hour old, and five minutes late is not too late
    stage.until_trig("it fires", |stage| stage.fired() >= 5).await;
    stage.pass(30).await;
    let names: Vec<_> = stage.made().iter().map(|made| made["metadata"]["name"].clone()).collect();
    let mut unique = names.clone();
    unique.dedup();
    assert_eq!(names, unique, "one for each time");
    assert_eq!(messages(&stage.wire, DEVICES[1]), names.len());
    let kept: Vec<_> = names
        .iter()
        .filter(|name| stage.cluster.object(OPERATION, name.as_str().unwrap()).is_some())
        .collect();
    assert_eq!(kept.len(), 2, "as many as the limit says");
    let status = &stage.trig()["status"];
    assert_eq!((&status["when"], &status["action"]), (&json!("*/5 * * * *"), &json!("sendSms")));
    let next: jiff::Timestamp = status["nextScheduleTime"].as_str().unwrap().parse().unwrap();
    assert!(next > clock::now() && next.as_second() % 300 == 0);
    let owner = &stage.made()[0]["metadata"]["ownerReferences"][0];
    assert_eq!((&owner["kind"], &owner["controller"]), (&json!(KIND), &json!(true)));
    stage.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_operation_of_somebody_that_has_the_name_is_told_of_and_is_none_of_the_triggers() {
    let stage = stage(&every(5)).await;
    let next = |stage: &Stage| stage.trig()["status"]["nextScheduleTime"].as_str().map(str::to_owned);
    stage.until_trig("it knows its next time", |stage| next(stage).is_some()).await;
    let at: jiff::Timestamp = next(&stage).unwrap().parse().unwrap();
    let name = format!("apn-{}", at.as_second() / 60);
    let mut theirs = every(5)["operation"]["spec"].clone();
    theirs["suspend"] = json!(true);
    stage.cluster.apply_a(OPERATION, &name, theirs);
    let before = stage.fired();
    stage.until_trig("its time comes", |stage| !stage.cluster.named_events("AlreadyExists").is_empty()).await;
    let told = stage.cluster.named_events("AlreadyExists")[0]["note"].to_string();
    assert!(told.contains(&format!("Operation {name} is there and not of this trigger")), "{told}");
    assert_eq!(stage.fired(), before, "it made nothing");
    assert_ne!(stage.trig()["status"]["lastOperation"], json!(name));
    stage.until_trig("it goes on", |stage| stage.fired() > before).await;
    assert!(stage.cluster.object(OPERATION, &name).is_some(), "theirs stays");
    stage.stop().await;
}

#[tokio::test(start_paused = true)]
async fn of_the_times_that_nobody_was_there_for_the_last_is_made_up_for() {
    let stage = stage(&every(2)).await;
    stage.until_trig("it fires", |stage| stage.fired() == 1).await;
    let (cluster, wire) = (stage.cluster.clone(), stage.wire.clone());
    stage.stop().await;
    tokio::time::sleep(Duration::from_secs(6 * 60 + 10)).await;
    let before = messages(&wire, DEVICES[1]);
    let stage = Stage::on(cluster, wire).await;
    stage.until_trig("it fires", |stage| stage.fired() == 2).await;
    stage.pass(60).await;
    assert_eq!(messages(&stage.wire, DEVICES[1]), before + 1, "one of those that were missed");
    stage.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_schedule_waits_for_what_it_made_unless_both_are_allowed() {
    for (policy, made) in [("Forbid", 1), ("Allow", 4)] {
        let mut spec = every(1);
        spec["concurrencyPolicy"] = json!(policy);
        let (cluster, wire) = platform(Deed::named("sendSms"));
        let stage = Stage::on(cluster.clone(), wire).await;
        stage.wire.fail(
            |asked| asked.method == "POST" && asked.path.ends_with("/sms"),
            Wrong::Answer(429, json!({})),
        );
        cluster.apply_a(KIND, "apn", spec);
        stage.until_trig("it fires", |stage| !stage.made().is_empty()).await;
        stage.pass(200).await;
        assert_eq!(stage.made().len(), made, "{policy}: {:#}", stage.trig()["status"]);
        assert_eq!(stage.trig()["status"]["running"], json!(made), "{policy}");
        stage.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_made_while_it_is_suspended_and_nothing_is_made_up_for() {
    let mut spec = on_attach();
    spec["suspend"] = json!(true);
    let stage = stage(&spec).await;
    tell(&stage.wire, ATTACHED, DEVICES[1]);
    stage.pass(60).await;
    spec["suspend"] = json!(false);
    stage.cluster.apply_a(KIND, "apn", spec);
    stage.listens().await;
    stage.pass(120).await;
    assert_eq!(stage.made(), [Value::Null; 0]);
    tell(&stage.wire, ATTACHED, DEVICES[1]);
    stage.until_trig("it fires", |stage| stage.fired() == 1).await;
    stage.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_the_log_tells_becomes_one_operation_without_a_further_request() {
    let stage = stage(&on_attach()).await;
    stage.pass(60).await;
    stage.wire.fail(|_| false, Wrong::Broken);
    for device in [DEVICES[0], DEVICES[1], DEVICES[1]] {
        tell(&stage.wire, ATTACHED, device);
    }
    tell(&stage.wire, 1, DEVICES[2]);
    stage.until_trig("it fires", |stage| stage.fired() == 1).await;
    stage.pass(120).await;
    let made = stage.made();
    assert_eq!(made.len(), 1, "what is told together is one");
    let told = made[0]["spec"]["target"]["endpoints"].as_array().unwrap();
    assert_eq!(told.len(), 3, "every event is a cause: {told:?}");
    assert!(told.iter().all(|one| one["cause"].is_string()));
    let got: Vec<_> = DEVICES.iter().map(|device| messages(&stage.wire, *device)).collect();
    assert_eq!(got, [1, 1, 0], "a device is one target, and another type of event is none");
    let reads = stage.wire.asked().into_iter().filter(|asked| asked.path.ends_with("/v1/event")).count();
    assert!(reads < 40, "the tail's own: {reads}");
    stage.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_device_has_its_turn_once_ever() {
    let mut spec = on_attach();
    spec["once"] = json!(true);
    spec["successfulHistoryLimit"] = json!(0);
    let stage = stage(&spec).await;
    tell(&stage.wire, ATTACHED, DEVICES[1]);
    stage.until_trig("it fires", |stage| stage.fired() == 1).await;
    let tags = |wire: &Wire| {
        wire.simulator.inspect(|state| {
            let organisation = &state.organisations[&1001];
            let tags = &organisation.endpoints[&DEVICES[1]].tag_ids;
            tags.iter().map(|id| organisation.tags[id].name.clone()).collect::<Vec<_>>()
        })
    };
    assert_eq!(tags(&stage.wire), ["k8s-once:prod/ns/apn"]);
    for _ in 0..3 {
        tell(&stage.wire, ATTACHED, DEVICES[1]);
        stage.pass(60).await;
    }
    // what it made is gone by now
    stage.pass(600).await;
    let stage = stage.restart().await;
    tell(&stage.wire, ATTACHED, DEVICES[1]);
    tell(&stage.wire, ATTACHED, DEVICES[0]);
    stage.until_trig("the other device has its turn", |stage| stage.fired() == 2).await;
    stage.pass(60).await;
    assert_eq!((messages(&stage.wire, DEVICES[1]), messages(&stage.wire, DEVICES[0])), (1, 1));
    stage.stop().await;
}

fn once() -> Value {
    let mut spec = on_attach();
    spec["once"] = json!(true);
    spec
}

/// Changes of tags, and of who carries them.
fn changes_tags(asked: &Asked) -> bool {
    asked.method != "GET" && asked.is("tags")
}

#[tokio::test(start_paused = true)]
async fn a_tag_that_cannot_be_given_is_asked_for_ever_less_often() {
    let mut too_much = Vec::new();
    for wrong in Wrong::all() {
        let stage = stage(&once()).await;
        stage.wire.fail(changes_tags, wrong.clone());
        tell(&stage.wire, ATTACHED, DEVICES[1]);
        stage.pass(3_600).await;
        assert!(!stage.wire.struck().is_empty(), "{wrong}: the tag is asked for");
        let asked: Vec<_> = stage.wire.asked().into_iter().filter(|asked| !asked.listens()).collect();
        too_much.extend(too_often(&asked).into_iter().map(|what| format!("{wrong}: {what}")));
        stage.wire.heal();
        tell(&stage.wire, ATTACHED, DEVICES[0]);
        stage.until_trig("it goes on", |stage| stage.fired() == 2).await;
        assert_eq!(messages(&stage.wire, DEVICES[1]), 1, "{wrong}");
        stage.stop().await;
    }
    assert!(too_much.is_empty(), "{}", too_much.join("\n"));
}

#[tokio::test(start_paused = true)]
async fn a_device_that_may_not_have_the_tag_holds_up_no_other() {
    let stage = stage(&once()).await;
    let full = json!({"error_code": 1_000_003, "message": "too many tags"});
    stage.wire.fail(|asked| asked.is("add-tags"), Wrong::Answer(422, full));
    tell(&stage.wire, ATTACHED, DEVICES[0]);
    stage.until_trig("it is not waited for", |stage| stage.fired() == 1).await;
    tell(&stage.wire, ATTACHED, DEVICES[1]);
    stage.until_trig("another has its turn", |stage| stage.fired() == 2).await;
    tell(&stage.wire, ATTACHED, DEVICES[0]);
    stage.pass(300).await;
    let got = [DEVICES[0], DEVICES[1]].map(|device| messages(&stage.wire, device));
    assert_eq!((stage.fired(), got), (2, [1, 1]), "and it had its own");
    stage.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_tag_that_somebody_deletes_is_made_again() {
    let stage = stage(&once()).await;
    tell(&stage.wire, ATTACHED, DEVICES[0]);
    stage.until_trig("it fires", |stage| stage.fired() == 1).await;
    let deleted = stage.wire.simulator.edit(|state| {
        let organisation = state.organisations.get_mut(&1001).unwrap();
        organisation.tags.retain(|_, tag| !tag.name.starts_with("k8s-once:"));
        organisation.endpoints.values_mut().for_each(|device| device.tag_ids.clear());
    });
    deleted.unwrap();
    tell(&stage.wire, ATTACHED, DEVICES[1]);
    stage.until_trig("it fires", |stage| stage.fired() == 2).await;
    let tagged = stage.wire.simulator.inspect(|state| {
        let organisation = &state.organisations[&1001];
        let tags = &organisation.endpoints[&DEVICES[1]].tag_ids;
        tags.iter().filter(|id| organisation.tags.contains_key(id)).count()
    });
    assert_eq!(tagged, 1);
    stage.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_hour_has_so_many_devices_and_the_rest_is_dropped_and_told() {
    let mut spec = on_attach();
    spec["maxTargetsPerHour"] = json!(2);
    let stage = stage(&spec).await;
    for device in DEVICES {
        tell(&stage.wire, ATTACHED, device);
    }
    stage.until_trig("the third is dropped", |stage| stage.trig()["status"]["dropped"] == json!(1)).await;
    let throttled = condition(&stage.trig(), "Throttled").cloned().unwrap_or_default();
    assert_eq!(throttled["status"], "True", "{throttled}");
    let stage = stage.restart().await;
    for device in DEVICES {
        tell(&stage.wire, ATTACHED, device);
    }
    let dropped = |stage: &Stage| stage.trig()["status"]["dropped"].as_i64().unwrap_or_default();
    stage.until_trig("a restart gives no room", |stage| dropped(stage) >= 4).await;
    assert_eq!(stage.made().len(), 1);
    stage.until_trig("the hour is over", |stage| condition(&stage.trig(), "Throttled").is_none()).await;
    tell(&stage.wire, ATTACHED, DEVICES[2]);
    stage.until_trig("there is room again", |stage| stage.fired() == 2).await;
    stage.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_happened_while_nobody_was_there_is_made_up_for_once() {
    let stage = stage(&on_attach()).await;
    tell(&stage.wire, ATTACHED, DEVICES[0]);
    stage.until_trig("it fires", |stage| stage.fired() == 1).await;
    let (cluster, wire) = (stage.cluster.clone(), stage.wire.clone());
    stage.stop().await;
    tell(&wire, ATTACHED, DEVICES[1]);
    tokio::time::sleep(Duration::from_secs(1_200)).await;
    let stage = Stage::on(cluster, wire).await;
    stage.until_trig("it fires", |stage| stage.fired() == 2).await;
    stage.pass(300).await;
    let got: Vec<_> = DEVICES.iter().map(|device| messages(&stage.wire, *device)).collect();
    assert_eq!(got, [1, 1, 0]);
    stage.stop().await;
}

#[tokio::test(start_paused = true)]
async fn messages_lead_to_operations_and_their_text_is_nowhere() {
    let spec = json!({"when": {"sms": {"kind": "Received", "destAddress": "12345"}}, "operation": message()});
    let stage = stage(&spec).await;
    let told = |news, to: &str, id| Message {
        organisation: Some("1001".into()),
        endpoint: i64::try_from(DEVICES[1]).ok(),
        id,
        news,
        dest_address: Some(to.into()),
    };
    stage.call_back(&told(MessageNews::Delivered, "12345", 1));
    stage.call_back(&told(MessageNews::Received, "999", 2));
    stage.pass(30).await;
    assert_eq!(stage.made(), [Value::Null; 0], "another kind, another number");
    stage.call_back(&told(MessageNews::Received, "12345", 3));
    stage.call_back(&told(MessageNews::Received, "12345", 3));
    stage.until_trig("it fires", |stage| stage.fired() == 1).await;
    stage.pass(60).await;
    assert_eq!(messages(&stage.wire, DEVICES[1]), 1, "told twice, it is one");
    stage.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_a_data_stream_tells_of_is_heard_within_seconds() {
    let mut spec = on_attach();
    spec["gather"] = json!("1s");
    let stage = stage(&spec).await;
    for round in 1..=5 {
        stage.pass(17).await;
        tell(&stage.wire, ATTACHED, DEVICES[1]);
        stage.push();
        let told = Instant::now();
        stage.until_trig("it fires", |stage| stage.fired() == round).await;
        let took = told.elapsed();
        assert!(took <= Duration::from_secs(6), "round {round}: the log is read at once, not after {took:?}");
    }
    stage.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_the_tail_jumped_over_is_read_by_type() {
    let stage = stage(&on_attach()).await;
    stage.pass(30).await;
    stage.wire.fail(|_| false, Wrong::Broken);
    tell(&stage.wire, ATTACHED, DEVICES[0]);
    let flooded = stage.wire.simulator.edit(|state| {
        let (organisation, next) = state.split(1001);
        for _ in 0..11_000 {
            organisation.emit(next, clock::now(), Draft::new(67));
        }
    });
    flooded.unwrap();
    stage.until_trig("it fires", |stage| stage.fired() == 1).await;
    stage.pass(600).await;
    assert_eq!((stage.fired(), messages(&stage.wire, DEVICES[0])), (1, 1), "and once");
    let reads = stage.wire.asked().into_iter().filter(|asked| asked.narrows("type")).count();
    assert_eq!(reads, 1, "one page of what it listens for");
    stage.stop().await;
}

fn dies_around(method: &str, path: &str) -> bool {
    let makes = method != "GET" && (path.contains("/operationtriggers/") || path.ends_with("/operations"));
    let tags = method != "GET" && path.contains("tags");
    makes || tags || counts(method, path)
}

#[tokio::test(start_paused = true)]
async fn a_process_that_dies_around_any_request_gives_each_device_its_turn_once() {
    let mut points = 0;
    for once in [true, false] {
        let mut spec = on_attach();
        spec["once"] = json!(once);
        spec["successfulHistoryLimit"] = json!(0);
        for dies in [Dies::Before, Dies::After] {
            for at in 2.. {
                let (cluster, wire) = platform(Deed::named("sendSms"));
                let life = Life::ends(at, dies, dies_around);
                let (kubernetes, emnify) = (life.kubernetes(&cluster), life.emnify(&wire));
                let stage = Stage::between(kubernetes, emnify, cluster.clone(), wire.clone()).await;
                cluster.apply_a(KIND, "apn", spec.clone());
                stage.until_trig("it begins", |stage| life.is_over() || stage.is_ready(KIND, "apn")).await;
                // what happens before it began is not its business
                let begun = stage.trig()["status"]["position"].is_string();
                let both =
                    || [DEVICES[0], DEVICES[1]].iter().for_each(|device| tell(&wire, ATTACHED, *device));
                if begun {
                    both();
                }
                let over = |stage: &Stage| stage.fired() > 0 && stage.trig()["status"]["running"] == json!(0);
                stage.until_trig("it dies or is done", |stage| life.is_over() || over(stage)).await;
                if !life.is_over() {
                    stage.stop().await;
                    break;
                }
                points += 1;
                stage.kill().await;
                let stage = Stage::on(cluster, wire.clone()).await;
                if !begun {
                    stage.listens().await;
                    both();
                }
                stage.until_trig("it is done", over).await;
                stage.pass(900).await;
                let got: Vec<_> = DEVICES.iter().map(|device| messages(&stage.wire, *device)).collect();
                assert_eq!(got, [1, 1, 0], "once: {once}, it dies {dies:?} request {at}: {:#}", stage.trig());
                assert_eq!(stage.fired(), 1, "once: {once}, it dies {dies:?} request {at}");
                if once {
                    // what it did is gone by now: only the tags tell whose turn was
                    let stage = stage.restart().await;
                    stage.listens().await;
                    both();
                    stage.pass(900).await;
                    let got: Vec<_> = DEVICES.iter().map(|device| messages(&stage.wire, *device)).collect();
                    assert_eq!(got, [1, 1, 0], "none has another turn, it dies {dies:?} request {at}");
                    stage.stop().await;
                } else {
                    stage.stop().await;
                }
            }
        }
    }
    println!("{points} points at which a process died");
    assert!(points > 30, "every request is a point: {points}");
}
