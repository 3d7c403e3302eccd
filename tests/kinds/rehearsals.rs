//! `kubectl emnify plan`: what it says is what applying does.

mod deeds;
mod running;

use std::{collections::BTreeSet, sync::Arc};

use bytes::Bytes;
use emnify::{BaseUrl, Client, Config, Credentials, HostLimits, Lane, Transport, TransportError};
use emnify_apiserver::Cluster;
use emnify_engine::session::chance;
use emnify_harness::seed::{of_this_test, seeded};
use emnify_operator::{
    check::{Checker, Report},
    plugin::{
        export,
        plan::{
            Order, marked,
            page::{Action, Plan},
            plan,
        },
    },
};
use emnify_rehearsal::{ASSUMED, Outcome, OverApi, Reader};
use emnify_simulator::{Options, Seed, Simulator};
use futures::future::BoxFuture;
use http::{Request, Response};
use rand::{Rng as _, rngs::StdRng, seq::IndexedRandom as _};
use serde_json::{Value, json};

use crate::{
    cases::{OBJECTS, SETS, STREAMS},
    clock,
    exports::{by_chance, devices, documents, ordered, rich, seed},
    stage::{SEED, Stage},
    wire::{Wire, Wrong},
};

/// A live organisation.
fn live(seed: Seed) -> Wire {
    Wire::to(Simulator::start(Options { seed, start: Some(clock::now()), ..Options::default() }))
}

/// The same wire for whom time stands still while it is read, as for a rehearsal in a thread of its own.
struct AtOnce(Wire);

impl Transport for AtOnce {
    fn send(&self, request: Request<Bytes>) -> BoxFuture<'_, Result<Response<Bytes>, TransportError>> {
        self.0.at_once(request)
    }
}

/// A client that is logged in to it.
async fn client(wire: &Wire) -> Client {
    let base_url = BaseUrl::parse("https://emnify.example").unwrap();
    let credentials = Credentials::ApplicationToken("metering-token".to_owned().into());
    let transport = Arc::new(AtOnce(wire.clone()));
    let client = Client::new(Config::new(base_url, credentials, transport, HostLimits::new(1.0)));
    client.login().await.unwrap();
    client
}

/// Who reads it.
async fn reader(wire: &Wire) -> Reader {
    let client = client(wire).await;
    let (identity, base_url) = (client.identity().unwrap(), client.base_url().clone());
    Reader { identity, base_url, live: Arc::new(OverApi(client.api(Lane::Interactive))) }
}

fn manifest(kind: &str, name: &str, spec: &Value) -> Value {
    json!({"apiVersion": "emnify.io/v1alpha1", "kind": kind, "metadata": {"name": name, "namespace": "ns"}, "spec": spec})
}

/// What is applied.
fn order(objects: &[Value]) -> Order {
    // JSON, of which no reader takes a word for a number
    let text: Vec<String> = objects.iter().map(ToString::to_string).collect();
    let mut report = Report::default();
    let manifests = Checker::own().text("all.yaml", &text.join("\n---\n"), &mut report);
    assert_eq!(report.findings, [], "the test's own manifests are sound");
    Order {
        manifests,
        namespace: "ns".into(),
        installation: "prod".into(),
        running: vec![],
        reads: None,
        marked: None,
        now: clock::now(),
    }
}

/// What applying these would do.
async fn planned(wire: &Wire, objects: &[Value]) -> (Plan, Outcome) {
    chance::follow(of_this_test());
    let before = wire.simulator.state();
    let planned = plan(&order(objects), &reader(wire).await).await.unwrap();
    assert_eq!(settled(&before), settled(&wire.simulator.state()), "a plan changes nothing");
    planned
}

/// A state without what merely being asked changes.
fn settled(state: &emnify_simulator::State) -> Value {
    let mut state = serde_json::to_value(state).unwrap();
    state["next_ids"]["token"] = json!(0);
    for organisation in state["organisations"].as_array_mut().unwrap() {
        organisation["calls"] = json!(0);
        organisation["events"] = json!([]);
    }
    state["next_ids"]["event"] = json!(0);
    state
}

#[tokio::test(start_paused = true)]
async fn a_new_device_and_its_profile_are_planned_together() {
    let wire = live(Seed::from_yaml(SEED).unwrap());
    let profile = json!({"name": "sensors", "services": [{"service": {"externalName": "Data"}}]});
    let device = json!({"name": "meter", "serviceProfile": {"name": "sensors"}, "tariffProfile": {"id": "201"},
        "enabled": true, "sim": {"iccid": "8988303000000010001", "state": "Activated"}});
    let objects = [manifest("ServiceProfile", "sensors", &profile), manifest("Endpoint", "meter", &device)];
    let (plan, outcome) = planned(&wire, &objects).await;
    let actions: Vec<_> = plan.objects.iter().map(|entry| (entry.kind.as_str(), entry.action)).collect();
    assert_eq!(actions, [("ServiceProfile", Action::Create), ("Endpoint", Action::Create)], "{plan:#?}");
    assert!(!plan.fails() && plan.changes(), "{plan:#?}");
    assert_eq!(plan.starts_billing.len(), 1, "{plan:#?}");
    assert!(outcome.requests.iter().all(|request| request.status < 300), "{:#?}", outcome.requests);
}

/// An engine that works on the live organisation itself, with these objects.
async fn stage_of(wire: &Wire, objects: &[Value]) -> Stage {
    let cluster = Cluster::new(clock::now);
    for name in ["signing", "usage-secrets", "events-secrets", "failed-secrets"] {
        let data = json!({"key": data_encoding::BASE64.encode(ASSUMED.as_bytes())});
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": "ns"}, "data": data});
        cluster.put(&format!("/api/v1/namespaces/ns/secrets/{name}"), secret);
    }
    for object in objects {
        let text = |at: &str| object.pointer(at).and_then(Value::as_str).unwrap().to_owned();
        cluster.apply_new(&text("/kind"), &text("/metadata/name"), object["spec"].clone());
    }
    chance::follow(of_this_test());
    Stage::on(cluster, wire.clone()).await
}

/// What that one sends when these are applied.
async fn applied(wire: &Wire, objects: &[Value]) -> Vec<(String, String)> {
    let before = wire.carried().len();
    let stage = stage_of(wire, objects).await;
    stage.pass(600).await;
    let carried = wire.carried_with_bodies()[before..].to_vec();
    stage.stop().await;
    carried.into_iter().filter(|(what, _)| changes(what)).collect()
}

fn changes(what: &str) -> bool {
    !what.starts_with("GET ") && !what.ends_with("/authenticate")
}

/// Calls without what is made up anew each time, sorted: eight senders answer in any order. What is asked for many at once stands one by
/// one: how many come together depends on when each was looked at.
fn alike(calls: impl Iterator<Item = (String, String)>) -> Vec<String> {
    let each = |(what, body): (String, String)| {
        let whole: Value = serde_json::from_str(&body).unwrap_or_default();
        let items = whole.as_array().or_else(|| whole["items"].as_array());
        let items = items.map(|items| items.iter().map(ToString::to_string).collect());
        let bodies: Vec<String> = items.unwrap_or_else(|| vec![body]);
        bodies.into_iter().map(move |body| format!("{what} {}", steady(&body)))
    };
    let mut calls: Vec<String> = calls.flat_map(each).collect();
    calls.sort();
    calls
}

/// A body whose lists have one order: items of a bulk call come as objects were looked at.
fn steady(body: &str) -> String {
    fn sort(value: &mut Value) {
        match value {
            Value::Array(items) => {
                items.iter_mut().for_each(sort);
                items.sort_by_cached_key(ToString::to_string);
            }
            Value::Object(fields) => fields.values_mut().for_each(sort),
            _ => {}
        }
    }
    let Ok(mut value) = serde_json::from_str::<Value>(body) else { return body.to_owned() };
    sort(&mut value);
    // what tells two creates apart is made up anew each time
    for field in ["description", "purpose"] {
        let text = value[field].as_str().and_then(|text| text.split_once('#'));
        if let Some((before, _)) = text {
            value[field] = json!(before);
        }
    }
    if !value["expiry_date"].is_null() {
        value["expiry_date"] = json!("so long after it is sent");
    }
    value.to_string()
}

/// What is planned, until a guard trips.
fn planned_calls(outcome: &Outcome) -> Vec<String> {
    let until = outcome.held.first().map_or(usize::MAX, |held| held.requests);
    let path = |path: &str| path.split('?').next().unwrap_or_default().to_owned();
    let planned = outcome.requests.iter().take(until);
    alike(planned.map(|one| (format!("{} {}", one.method, path(&one.path)), one.body.clone())))
}

/// A plan, what it sends, and what is then sent.
async fn both(wire: &Wire, objects: &[Value]) -> (Plan, Vec<String>, Vec<String>) {
    let (plan, outcome) = planned(wire, objects).await;
    let done = alike(applied(wire, objects).await.into_iter());
    (plan, planned_calls(&outcome), done)
}

/// What is planned is what is then done.
async fn comes_true(wire: &Wire, objects: &[Value]) -> Plan {
    let (plan, planned, done) = both(wire, objects).await;
    assert_eq!(planned, done, "{plan:#?}");
    plan
}

#[tokio::test(start_paused = true)]
async fn of_every_kind_what_is_planned_is_what_is_done() {
    for case in OBJECTS.iter().chain(STREAMS).chain(SETS) {
        let wire = live(Seed::from_yaml(SEED).unwrap());
        let plan = comes_true(&wire, &[manifest(case.kind, "one", &(case.spec)())]).await;
        println!("{}: {} calls", case.kind, plan.calls);
        assert_eq!(plan.problems, [""; 0], "{}", case.kind);
        // the SIM is as it should be, and only taken over
        assert!(plan.changes() || case.kind == "Sim", "{}: {plan:#?}", case.kind);
    }
}

/// What is exported, as manifests.
async fn exported(wire: &Wire) -> Vec<Value> {
    documents(&ordered(wire, export::organisation::Order::default()).await)
}

/// Somebody edits a manifest.
fn edited(object: &mut Value, rng: &mut StdRng) {
    let names = ["north", "south", "Meter 7", "a: b"];
    let kind = object["kind"].as_str().unwrap().to_owned();
    let spec = &mut object["spec"];
    match kind.as_str() {
        "Endpoint" => match rng.random_range(0..5) {
            0 => spec["name"] = json!(names.choose(rng)),
            1 => spec["enabled"] = json!(rng.random_bool(0.5)),
            2 => {
                let tag = ["roof", "on", "new one"].choose(rng);
                spec["tags"] = json!([tag]);
            }
            3 => spec["serviceProfile"] = json!({"id": "101"}),
            _ => spec["operatorBlocklist"] = json!([{"mccMnc": "262-01"}]),
        },
        "ServiceProfile" => match rng.random_range(0..3) {
            0 => spec["name"] = json!(names.choose(rng)),
            1 => spec["description"] = json!(names.choose(rng)),
            _ => spec["dataLimits"] = json!([{"volume": "700M"}]),
        },
        "TariffProfile" | "Automation" => spec["description"] = json!(names.choose(rng)),
        "Tag" => spec["color"] = json!(["Green", "Blue"].choose(rng)),
        _ => {}
    }
}

#[tokio::test(start_paused = true)]
async fn whatever_is_edited_what_is_planned_is_what_is_done() {
    let (run, mut rng) = seeded("whatever_is_edited_what_is_planned_is_what_is_done");
    for round in 0..4 {
        let wire = live(seed(SEED, |organisation| by_chance(organisation, &mut rng)));
        let mut objects = exported(&wire).await;
        objects.retain(|object| object["kind"] != "DataStream" && rng.random_bool(0.6));
        for object in &mut objects {
            if object["metadata"]["namespace"].is_null() {
                object["metadata"]["namespace"] = json!("ns");
            }
            if rng.random_bool(0.3) {
                edited(object, &mut rng);
            }
        }
        let new = OBJECTS.iter().chain(SETS).filter(|_| rng.random_bool(0.4)).collect::<Vec<_>>();
        objects.extend(new.iter().map(|case| manifest(case.kind, "new", &(case.spec)())));
        let plan = comes_true(&wire, &objects).await;
        println!("run {run}, round {round}: {} objects, {} calls", objects.len(), plan.calls);
        assert_eq!(plan.problems, [""; 0], "run {run}, round {round}");
    }
}

/// The bodies and texts of a plan in all its forms.
fn told(plan: &Plan) -> String {
    format!("{}\n{}\n{}", serde_json::to_string(plan).unwrap(), plan.text(), plan.markdown())
}

// pulumi/pulumi#3190, pulumi/pulumi-yaml#51: whatever refers to a changed object was shown as replaced
#[tokio::test(start_paused = true)]
async fn what_refers_to_a_changed_object_is_not_said_to_change() {
    let wire = live(seed(SEED, rich));
    let profile = json!({"id": "102", "name": "renamed"});
    let device = json!({"id": "11000001", "serviceProfile": {"name": "meters"}});
    let objects = [manifest("ServiceProfile", "meters", &profile), manifest("Endpoint", "one", &device)];
    let plan = comes_true(&wire, &objects).await;
    let actions: Vec<_> =
        plan.objects.iter().map(|entry| (entry.name.as_str(), entry.changes.len())).collect();
    assert_eq!(actions, [("meters", 1), ("one", 0)], "{plan:#?}");
    assert_eq!(plan.objects[1].action, Action::Adopt);
}

// pulumi/pulumi#3301: a preview right after an update showed differences
#[tokio::test(start_paused = true)]
async fn after_it_was_applied_nothing_is_left_to_plan() {
    let wire = live(Seed::from_yaml(SEED).unwrap());
    let of = |kind: &str| OBJECTS.iter().find(|case| case.kind == kind).unwrap();
    let all = ["ServiceProfile", "TariffProfile", "Endpoint", "Tag", "DnsConfig", "IpAddressSpace"];
    let objects = all.map(|kind| manifest(kind, "one", &(of(kind).spec)()));
    assert!(planned(&wire, &objects).await.0.changes());
    applied(&wire, &objects).await;
    let (plan, _) = planned(&wire, &objects).await;
    // pairs of resolvers and ranges carry no mark, and are nobody's again in an empty cluster
    let asked: Vec<_> = plan.objects.iter().map(|entry| (entry.kind.as_str(), entry.action)).collect();
    assert_eq!(plan.calls, 0, "{asked:?} {plan:#?}");
}

// kubernetes/kubernetes#87840: kubectl diff printed Secrets
#[tokio::test(start_paused = true)]
async fn no_form_of_a_plan_holds_a_secret() {
    let wire = live(seed(SEED, rich));
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "signing", "namespace": "ns"},
        "stringData": {"key": "correct horse"}});
    let key = manifest("ApiSecret", "one", &json!({"secretRef": {"name": "signing", "key": "key"}}));
    let webhook = json!({"url": "https://events.example.com", "headers": [{"name": "Authorization",
        "valueFrom": {"name": "signing", "key": "key"}}]});
    let stream =
        manifest("DataStream", "one", &json!({"type": "Events", "destination": {"webhook": webhook}}));
    let (plan, outcome) = planned(&wire, &[secret, key, stream]).await;
    assert!(outcome.requests.iter().any(|one| one.body.contains("correct horse")), "it was sent to the copy");
    let told = told(&plan);
    for value in ["correct horse", "hunter2", "rehearsal"] {
        assert!(!told.contains(value), "{value}: {told}");
    }
}

// kubernetes/kubernetes#67863, #74414: a dry run said that objects of the manifests would be pruned, and pruned other namespaces
#[tokio::test(start_paused = true)]
async fn only_what_is_marked_and_in_no_manifest_of_these_namespaces_is_pruned() {
    let edit = |organisation: &mut Value| {
        organisation["service_profiles"] = json!([
            {"id": 101, "name": "Made in the portal", "services": [{"service": 38}]},
            {"id": 102, "name": "kept", "description": "[k8s prod/ns/kept]"},
            {"id": 103, "name": "gone", "description": "[k8s prod/ns/gone]"},
            {"id": 104, "name": "elsewhere", "description": "[k8s prod/other/elsewhere]"},
            {"id": 105, "name": "theirs", "description": "[k8s dev/ns/theirs]"},
        ]);
    };
    let wire = live(seed(SEED, edit));
    let kept = manifest("ServiceProfile", "kept", &json!({"name": "kept"}));
    let marked = marked(&client(&wire).await.api(Lane::Interactive), &mut BTreeSet::new()).await;
    let order = Order { marked: Some(marked), ..order(&[kept]) };
    let (plan, outcome) = plan(&order, &reader(&wire).await).await.unwrap();
    let shown: Vec<_> = plan.objects.iter().map(|entry| (entry.name.as_str(), entry.action)).collect();
    assert_eq!(shown, [("gone", Action::Delete)], "{plan:#?}");
    let sent: Vec<_> = outcome.requests.iter().map(|one| format!("{} {}", one.method, one.path)).collect();
    assert_eq!(sent, ["DELETE /api/v1/service_profile/103"]);
    assert!(plan.notes.iter().any(|note| note.contains("namespace other is not among")), "{:?}", plan.notes);
}

// asteris-llc/converge#492: a plan with errors ended with exit code 0
#[tokio::test(start_paused = true)]
async fn a_plan_that_is_not_sure_never_says_that_nothing_happens() {
    let wire = live(seed(SEED, rich));
    let device = |id: &str| manifest("Endpoint", "one", &json!({"id": id, "serviceProfile": {"id": "101"}}));
    let (sound, _) = planned(&wire, &[device("11000002")]).await;
    assert_eq!((sound.changes(), sound.fails()), (false, false), "{sound:#?}");
    let (missing, _) = planned(&wire, &[device("404")]).await;
    assert!(missing.fails() && missing.objects[0].stalled, "{missing:#?}");
    let reader = reader(&wire).await;
    wire.fail(|asked| asked.path.ends_with("/endpoint"), Wrong::Forbidden);
    let (refused, _) = plan(&order(&[device("11000002")]), &reader).await.unwrap();
    assert!(refused.fails(), "{refused:#?}");
    assert!(refused.problems.iter().any(|one| one.starts_with("endpoints: the token may not read them")));
}

#[tokio::test(start_paused = true)]
async fn a_guard_that_would_trip_is_told_with_what_waits() {
    let edit = |organisation: &mut Value| {
        rich(organisation);
        organisation["endpoints"] = (0..8)
            .map(|n| json!({"id": 100 + n, "name": "on", "enabled": true, "service_profile": 101, "tariff_profile": 201}))
            .collect();
    };
    let wire = live(seed(SEED, edit));
    let credentials = json!({"applicationTokenSecretRef": {"name": "a", "key": "b"}});
    let guard = json!({"credentials": credentials, "guard": {"maxDevices": 5, "window": "1h"}});
    let mut objects: Vec<_> = (0..8)
        .map(|n| {
            manifest("Endpoint", &format!("m{n}"), &json!({"id": (100 + n).to_string(), "enabled": false}))
        })
        .collect();
    objects.push(manifest("Workspace", "default", &guard));
    let (plan, _) = planned(&wire, &objects).await;
    assert_eq!(plan.guards.len(), 1, "{plan:#?}");
    assert_eq!((plan.guards[0].max_devices, plan.devices_disturbed), (5, 8));
    let held = plan.objects.iter().flat_map(|entry| &entry.changes).filter(|change| change.after_approval);
    assert!(held.count() >= 3 && plan.objects.len() == 8, "what waits is told as well: {plan:#?}");
    assert!(!plan.fails());
}

/// Of 10,000 a debug build computes for half a minute; the calls grow by pages.
const FLEET: u64 = 2_500;

#[tokio::test(start_paused = true)]
async fn a_fleet_is_planned_with_few_reads() {
    let wire = live(seed(SEED, |organisation| devices(organisation, FLEET)));
    let device = |n: u64| {
        let name = if n == 7 { "another".to_owned() } else { format!("Meter {n}") };
        manifest("Endpoint", &format!("m{n}"), &json!({"id": (30_000_000 + n).to_string(), "name": name}))
    };
    let objects: Vec<_> = (0..FLEET).map(device).collect();
    let begun = std::time::Instant::now();
    let (plan, _) = planned(&wire, &objects).await;
    println!("{FLEET} devices: {} reads, {:?} here", wire.carried().len(), begun.elapsed());
    assert_eq!(plan.calls, 1, "{:?}", plan.problems);
    assert!(wire.carried().len() < 30, "{}", wire.carried().len());
}
