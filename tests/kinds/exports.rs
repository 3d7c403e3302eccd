//! `kubectl emnify export`: what it writes takes over what is there, and sends nothing.

use std::{collections::BTreeMap, sync::Arc};

use emnify::{Api, BaseUrl, Client, Config, Credentials, HostLimits, Lane};
use emnify_apiserver::Cluster;
use emnify_engine::session::chance;
use emnify_harness::seed::{of_this_test, seeded};
use emnify_operator::{
    check::{Checker, Report},
    plugin::export::{
        Choice, files,
        organisation::{self, Order},
    },
};
use emnify_simulator::{Options, Seed, Simulator, State, fleet};
use rand::{Rng as _, rngs::StdRng, seq::IndexedRandom as _};
use serde_json::{Value, json};

use crate::{
    clock,
    stage::{SEED, Stage},
    wire::{Asked, Wire, Wrong},
};

/// Everything that the project's own seeds hold.
pub(crate) const SEEDS: [&str; 5] = [
    SEED,
    include_str!("../../crates/simulator/examples/seed.yaml"),
    include_str!("../../crates/harness/src/demo/seed.yaml"),
    include_str!("../../crates/harness/src/bench/seed.yaml"),
    include_str!("../e2e/platform.yaml"),
];

/// A seed with an edit of its first organisation, to which the operator has a token.
pub(crate) fn seed(text: &str, edit: impl FnOnce(&mut Value)) -> Seed {
    let mut state = serde_json::to_value(Seed::from_yaml(text).unwrap().into_state()).unwrap();
    let organisation = &mut state["organisations"][0];
    let tokens = organisation["application_tokens"].as_array_mut().unwrap();
    if tokens.iter().all(|token| token["token"] != "metering-token") {
        tokens.push(json!({"id": 599, "token": "metering-token"}));
    }
    edit(organisation);
    let state: State = serde_json::from_value(state).unwrap();
    Seed::from_state(state).unwrap()
}

/// An organisation that has some of everything, as a portal leaves it behind.
pub(crate) fn rich(organisation: &mut Value) {
    organisation["ip_address_spaces"] = json!([{"id": 31, "ip_address_space": "10.192.0.0/24"}, {"id": 32, "ip_address_space": "10.0.0.0/16"}]);
    organisation["dns"] = json!([
        {"id": 21, "primary": "9.9.9.9", "secondary": "149.112.112.112"},
        {"id": 22, "primary": "9.9.9.9", "secondary": "149.112.112.112"},
    ]);
    organisation["tags"] = json!([
        {"id": 41, "name": "roof", "color": 4}, {"id": 42, "name": "on"}, {"id": 43, "name": "k8s:other"},
        {"id": 44, "name": "k8s:other/ns/set"}, {"id": 45, "name": "Straße: 7 #1"},
    ]);
    organisation["api_callbacks"] =
        json!([{"id": 51, "url": "https://sms.example.com/emnify", "purpose": "Device messages"}]);
    organisation["api_secrets"] =
        json!([{"id": 55, "secret": "hunter2hunter2hunter2", "purpose": "signing"}]);
    organisation["custom_events"] = json!([
        {"id": 61, "name": "Offline", "template": 1, "configuration_properties": [{"property": "hours", "value": "24"}]},
    ]);
    let mail = json!({"action": 1, "properties": [{"property": "email", "value_array": ["a@example.com", "b@example.com"]}]});
    organisation["automations"] = json!([
        {"id": 65, "name": "Blocked", "description": "tell us", "status": "ACTIVE", "actionable_event": {"system_event": 1},
            "configured_actions": [mail]},
        {"id": 66, "name": "Offline", "status": "INACTIVE", "actionable_event": {"custom_event": 61},
            "configured_actions": [{"action": 2, "properties": [{"property": "url", "value": "https://example.com"}]}],
            "targeting_properties": [{"property": "tags", "value_array": ["roof"]}]},
    ]);
    organisation["data_streams"] = json!([
        {"id": 71, "name": "usage", "kind": 1, "connection_type": "Datadog", "credentials": {"api_key": "hunter2", "region": "EU"}},
        {"id": 72, "name": "events", "kind": 2, "connection_type": "RestAPI",
            "credentials": {"url": "https://events.example.com", "headers": ["Authorization: Bearer hunter2"], "size": 5},
            "filters": [{"field": "event_type_id", "value": ["8", "9"]}, {"field": "alert", "value": ["true"]}]},
        {"id": 73, "name": "failed", "kind": 2, "connection_type": "RestAPI", "status": 3,
            "credentials": {"url": "https://gone.example.com"}},
    ]);
    organisation["attachments"] = json!([
        {"id": 75, "name": "Office", "description": "by hand", "type": 2, "status": 5, "region": "eu-west-1",
            "public_ip": "203.0.113.10", "on_prem_cidr": ["192.0.2.0/24"], "psk": "hunter2hunter2"},
        {"id": 76, "name": "Gone", "type": 2, "status": 7, "region": "eu-west-1", "public_ip": "203.0.113.11"},
    ]);
    profiles(organisation);
    organisation["endpoints"] = json!([
        {"id": 11_000_001, "name": "Meter 1", "enabled": true, "service_profile": 102, "tariff_profile": 202, "sim": 10_000_003,
            "tag_ids": [41, 42, 45], "imei": "4901542032375180", "imei_lock": true, "ip_address": "10.192.0.9", "ip_address_space": 31,
            "operator_blacklist": [2035]},
        {"id": 11_000_002, "name": "meter-1", "service_profile": 101, "tariff_profile": 201, "sim": 10_000_004},
        {"id": 11_000_003, "name": "1_000", "service_profile": 101, "tariff_profile": 203},
        {"id": 11_000_004, "name": "theirs", "service_profile": 101, "tariff_profile": 201, "tag_ids": [43]},
        {"id": 11_000_005, "name": "member", "service_profile": 101, "tariff_profile": 201, "tag_ids": [44]},
    ]);
}

fn profiles(organisation: &mut Value) {
    let services = json!([{"service": 38}, {"service": 4, "traffic_limits": [403]}]);
    let limits = json!([
        {"id": 1, "service": 38, "period": 2, "volume": 500_000_000, "warning_percent": 80},
        {"id": 2, "service": 38, "period": 2, "volume": 1_073_741_824, "satellite_only": true},
    ]);
    let all = organisation["service_profiles"].as_array_mut().unwrap();
    all.push(
        json!({"id": 102, "name": "Meters", "description": "in cellars", "services": services, "data_limits": limits,
            "dns": 21, "api_callback": 51, "api_secret": 55, "moc_callback": 51, "esme_interface_type": 1, "breakout_region": 2,
            "allowed_2g": false, "apply_sms_quota": true}),
    );
    all.push(json!({"id": 103, "name": "Ours", "description": "x [k8s other/ns/a]"}));
    let all = organisation["tariff_profiles"].as_array_mut().unwrap();
    all.push(json!({"id": 202, "name": "Europe: \"all\"", "tariff": 11, "rate_zones": [71, 72], "inclusive_volume": 81,
        "operator_blocklist": [{"operator": 24, "completely": true}, {"operator": 552, "rat_types": [2, 6]}]}));
    // every device with it is cut off, which no manifest would leave so
    all.push(json!({"id": 203, "name": "Nowhere", "tariff": 11}));
}

pub(crate) fn wire(seed: Seed) -> Wire {
    let start = Some(clock::now());
    Wire::to(Simulator::start(Options { seed, start, ..Options::default() }))
}

/// As the plugin reads.
async fn exported(wire: &Wire, choice: &Choice) -> organisation::Organisation {
    ordered(wire, Order { choice: choice.clone(), ..Order::default() }).await
}

/// The same in whatever way.
pub(crate) async fn ordered(wire: &Wire, order: Order<'_>) -> organisation::Organisation {
    let base = BaseUrl::parse("https://emnify.example").unwrap();
    let credentials = Credentials::ApplicationToken("metering-token".to_owned().into());
    let config = Config::new(base, credentials, Arc::new(wire.clone()), HostLimits::new(1.0));
    let api: Api = Client::new(config).api(Lane::Interactive);
    organisation::read(&api, order).await
}

/// Requests that change something.
pub(crate) fn writes(carried: &[String]) -> Vec<&String> {
    let reads = |what: &&String| what.starts_with("GET ") || what.ends_with("/authenticate");
    carried.iter().filter(|what| !reads(what)).collect()
}

/// The documents that were written, as kubectl would send them.
pub(crate) fn documents(organisation: &organisation::Organisation) -> Vec<Value> {
    let all = organisation.written.iter().flat_map(|written| &written.documents);
    all.map(|text| serde_yaml::from_str(text).unwrap()).collect()
}

/// Files that `check` takes as they are, and that hold no secret.
#[track_caller]
pub(crate) fn is_sound(organisation: &organisation::Organisation) {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files::of(organisation, Some("ns")) {
        assert!(!text.contains("hunter2"), "{name}: {text}");
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let mut report = Report::default();
    let path = folder.path().to_string_lossy().into_owned();
    Checker::own().paths(&[path], &mut report);
    assert!(report.findings.is_empty(), "{:#?}", report.findings);
    let ours = |one: &&Value| one["apiVersion"] != "v1";
    assert_eq!(report.objects, documents(organisation).iter().filter(ours).count());
}

/// Applies all of it to a cluster that knows nothing, with this policy, and waits until everything is Ready. Nothing is sent.
async fn taken_over(wire: &Wire, organisation: &organisation::Organisation, policy: Option<&str>) {
    chance::follow(of_this_test());
    let cluster = Cluster::new(clock::now);
    let mut secrets: BTreeMap<&str, Value> = BTreeMap::new();
    for one in &organisation.to_fill_in {
        let value = data_encoding::BASE64.encode(b"filled in by a person");
        secrets.entry(&one.secret).or_insert_with(|| json!({}))[&one.key] = json!(value);
    }
    for (name, data) in secrets {
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": "ns"}, "data": data});
        cluster.put(&format!("/api/v1/namespaces/ns/secrets/{name}"), secret);
    }
    let documents = documents(organisation);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let names: Vec<_> =
        documents.iter().map(|one| (text(&one["kind"]), text(&one["metadata"]["name"]))).collect();
    for (mut document, (kind, name)) in documents.into_iter().zip(&names) {
        if let Some(policy) = policy {
            document["spec"]["managementPolicy"] = json!(policy);
        }
        cluster.apply_a(kind, name, document["spec"].take());
    }
    let before = wire.carried().len();
    let stage = Stage::on(cluster, wire.clone()).await;
    // a stream that failed stays as it is, and says so
    let failed = |kind: &str, name: &str| kind == "DataStream" && name == "failed";
    for (kind, name) in names.iter().filter(|(kind, name)| !failed(kind, name)) {
        stage.ready(kind, name).await;
    }
    stage.pass(3_600).await;
    for (kind, name) in &names {
        let object = stage.cluster.object(kind, name).unwrap();
        let conditions = object["status"]["conditions"].as_array().unwrap();
        let drifted = conditions.iter().any(|one| one["type"] == "Drifted" && one["status"] == "True");
        assert!(!drifted, "{kind} {name}: {conditions:#?}");
        assert_eq!(object["status"]["id"], object["spec"]["id"], "{kind} {name}");
    }
    assert_eq!(writes(&wire.carried()[before..]), [""; 0], "taking over sends nothing");
    stage.stop().await;
}

#[tokio::test(start_paused = true)]
async fn every_seed_is_exported_whole_and_taken_over_without_a_write() {
    for text in SEEDS {
        let wire = wire(seed(text, |_| ()));
        let organisation = exported(&wire, &Choice::default()).await;
        assert_eq!(organisation.problems, [""; 0]);
        is_sound(&organisation);
        taken_over(&wire, &organisation, None).await;
    }
}

#[tokio::test(start_paused = true)]
async fn some_of_everything_is_taken_over_without_a_write_and_without_drift() {
    let wire = wire(seed(SEED, rich));
    let organisation = exported(&wire, &Choice::default()).await;
    assert_eq!(writes(&wire.carried()), [""; 0]);
    let problems = &organisation.problems;
    assert!(problems[0].starts_with("TariffProfile 203: rateZones: none is selected"), "{problems:#?}");
    assert!(problems[1].contains("destination.webhook.headers: emnify does not tell"), "{problems:#?}");
    assert_eq!(problems.len(), 2, "{problems:#?}");
    is_sound(&organisation);
    let documents = documents(&organisation);
    let of = |kind: &str| documents.iter().filter(|one| one["kind"] == kind).collect::<Vec<_>>();
    for (kind, count) in [
        ("Tag", 3),
        ("DnsConfig", 1),
        ("ServiceProfile", 2),
        ("TariffProfile", 2),
        ("Endpoint", 3),
        ("IpAddressSpace", 2),
        ("Automation", 2),
        ("DataStream", 3),
        ("CloudConnect", 1),
        ("ApiSecret", 0),
        ("ApplicationToken", 0),
        ("Sim", 0),
    ] {
        assert_eq!(of(kind).len(), count, "{kind}");
    }
    let spec = |kind: &str, name: &str| {
        let found = documents.iter().find(|one| one["kind"] == kind && one["metadata"]["name"] == name);
        found.unwrap_or_else(|| panic!("no {kind} {name}"))["spec"].clone()
    };
    let device = spec("Endpoint", "meter-1");
    assert_eq!(device["serviceProfile"], json!({"name": "meters"}));
    assert_eq!(device["ipAddressSpace"], json!({"name": "10-192-0-0-24"}), "nested references are kept");
    assert_eq!(device["tags"], json!(["Straße: 7 #1", "on", "roof"]));
    assert!(device.get("enabled").is_none() && device["sim"].get("state").is_none(), "{device}");
    assert_eq!(spec("Endpoint", "meter-1-11000002")["name"], "meter-1");
    let named_so = spec("Endpoint", "1-000");
    assert_eq!((&named_so["name"], &named_so["tariffProfile"]), (&json!("1_000"), &json!({"id": "203"})));
    let profile = spec("ServiceProfile", "meters");
    assert_eq!(profile["dns"], json!({"name": "9-9-9-9-149-112-112-112"}));
    assert_eq!(profile["apiSecret"], json!({"id": "55"}));
    assert_eq!(
        profile["services"][0],
        json!({"service": {"externalName": "SMS MT"}, "limit": {"volume": 100, "period": "1 month"}})
    );
    assert_eq!(
        profile["dataLimits"],
        json!([{"volume": "500M", "warningPercent": 80}, {"volume": "1Gi", "satelliteOnly": true}])
    );
    let tariff = spec("TariffProfile", "europe-all");
    assert_eq!(tariff["rateZones"], json!([{"externalName": "Europe"}, {"externalName": "World"}]));
    assert_eq!(tariff["operatorBlocklist"][1]["ratTypes"], json!(["2G", "4G"]));
    assert_eq!(spec("Tag", "roof")["color"], "Blue");
    assert_eq!(spec("Automation", "offline")["event"], json!({"customEvent": {"name": "offline"}}));
    assert_eq!(organisation.to_fill_in.len(), 1, "{:?}", organisation.to_fill_in);
    let told = organisation.notes.join("\n");
    for note in [
        "Endpoint: 2 left out that carry the mark of an operator",
        "ServiceProfile: 1 left out that carry the mark",
        "DnsConfig: 1 left out that are the same",
        "ApiSecret: not exported: emnify never shows a signing key",
        "Sim: only where it is asked for",
    ] {
        assert!(told.contains(note), "{note:?} is missing in:\n{told}");
    }
    taken_over(&wire, &organisation, None).await;
    taken_over(&wire, &organisation, Some("Observe")).await;
}

/// Names that people give, and that programs take for something else.
const NAMES: [&str; 14] = [
    "",
    "on",
    "No",
    "~",
    "0x1f",
    "1e3",
    "1_000",
    "a: b #c",
    "- x",
    "日本",
    "Zähler \"7\"",
    "a\nb",
    "meter",
    "Meter",
];

/// A hundred devices, profiles and tags by chance.
pub(crate) fn by_chance(organisation: &mut Value, rng: &mut StdRng) {
    rich(organisation);
    let list = |all: Vec<Value>| Value::Array(all);
    let mut profiles = organisation["service_profiles"].as_array().cloned().unwrap();
    for n in 0..5 {
        let services: Vec<_> =
            [38, 4, 5].iter().filter(|_| rng.random_bool(0.6)).map(|id| json!({"service": id})).collect();
        let data = services.iter().any(|one| one["service"] == 38) && rng.random_bool(0.5);
        let volume: u64 = rng.random_range(1..1_000_000_000);
        let limits = if data {
            json!([{"id": 900 + n, "service": 38, "period": 2, "volume": volume}])
        } else {
            json!([])
        };
        let name = NAMES.choose(rng).filter(|name| !name.is_empty()).unwrap_or(&"profile");
        profiles.push(json!({"id": 110 + n, "name": name, "services": services, "data_limits": limits,
            "allowed_2g": rng.random_bool(0.5), "allowed_nb_iot_geo": rng.random_bool(0.5), "retail": rng.random_bool(0.5),
            "sms_p2p_ext": rng.random_bool(0.5), "apply_data_quota": rng.random_bool(0.5)}));
    }
    organisation["service_profiles"] = list(profiles);
    let devices = (0..100).map(|n: u64| {
        let (service, tariff) = ([101, 102, 110, 112, 114].choose(rng), [201, 202, 203].choose(rng));
        let tags: Vec<_> = [41, 42, 45].iter().filter(|_| rng.random_bool(0.4)).collect();
        json!({"id": 12_000_000 + n, "name": NAMES.choose(rng).unwrap(), "enabled": rng.random_bool(0.5),
            "service_profile": service, "tariff_profile": tariff,
            "tag_ids": tags, "imei_lock": rng.random_bool(0.2), "imei": "4901542032375180"})
    });
    organisation["endpoints"] = list(devices.collect());
}

#[tokio::test(start_paused = true)]
async fn whatever_an_organisation_has_is_taken_over_without_a_write() {
    let (run, mut rng) = seeded("whatever_an_organisation_has_is_taken_over_without_a_write");
    for round in 0..3 {
        let wire = wire(seed(SEED, |organisation| by_chance(organisation, &mut rng)));
        let organisation = exported(&wire, &Choice::default()).await;
        // what `rich` has on purpose
        let known = ["TariffProfile 203: rateZones", "DataStream ds000072x: destination.webhook.headers"];
        let is_known = |problem: &&String| known.iter().any(|known| problem.starts_with(known));
        let odd: Vec<_> = organisation.problems.iter().filter(|problem| !is_known(problem)).collect();
        assert_eq!(odd, [""; 0], "run {run}, round {round}");
        is_sound(&organisation);
        taken_over(&wire, &organisation, None).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_is_told_and_the_rest_goes_on() {
    let wire = wire(seed(SEED, rich));
    let strikes = |asked: &Asked| {
        let family = asked.path.ends_with("/service_profile");
        let table = asked.path.ends_with("/operator");
        family || table || asked.path.ends_with("/tariff_profile/202")
    };
    wire.fail(strikes, Wrong::Forbidden);
    let organisation = exported(&wire, &Choice::default()).await;
    let told = organisation.problems.join("\n");
    assert!(told.contains("ServiceProfile: the listing cannot be read:"), "{told}");
    assert!(told.contains("the token may not read this"), "{told}");
    assert!(told.contains("TariffProfile 202: it cannot be read whole:"), "{told}");
    is_sound(&organisation);
    let documents = documents(&organisation);
    let device =
        documents.iter().find(|one| one["metadata"]["name"] == "meter-1" && one["kind"] == "Endpoint");
    let spec = &device.unwrap()["spec"];
    assert_eq!(spec["serviceProfile"], json!({"id": "102"}), "no manifest names what is not there");
    assert_eq!(spec["tariffProfile"], json!({"id": "202"}));
    assert!(documents.iter().any(|one| one["kind"] == "Automation"));
    wire.heal();
    taken_over(&wire, &organisation, None).await;
}

#[tokio::test(start_paused = true)]
async fn sims_are_exported_where_they_are_asked_for_and_set_no_state() {
    let wire = wire(seed(SEED, |_| ()));
    let organisation = exported(&wire, &Choice::of(&["sims".to_owned()]).unwrap()).await;
    assert_eq!(organisation.problems, [""; 0]);
    let documents = documents(&organisation);
    assert_eq!(documents.len(), 4, "{documents:#?}");
    assert!(documents.iter().all(|one| one["kind"] == "Sim" && one["spec"].get("state").is_none()));
    is_sound(&organisation);
    taken_over(&wire, &organisation, None).await;
}

/// Devices that differ in SIM and name.
pub(crate) fn devices(organisation: &mut Value, count: u64) {
    let sims = organisation["sims"].as_array().cloned().unwrap_or_default();
    let more = (0..count).map(|n| {
        json!({"id": 20_000_000 + n, "iccid": fleet::iccid(n), "imsi": format!("9014388{n:08}"), "msisdn": format!("8823688{n:08}")})
    });
    organisation["sims"] = sims.into_iter().chain(more).collect();
    organisation["ip_address_spaces"] = json!([{"id": 31, "ip_address_space": "10.192.0.0/16"}]);
    organisation["endpoints"] = (0..count)
        .map(|n| {
            json!({"id": 30_000_000 + n, "name": format!("Meter {n}"), "service_profile": 101, "tariff_profile": 201,
                "sim": 20_000_000 + n})
        })
        .collect();
}

const FLEET: u64 = 10_000;
/// As a person who waits may count them.
const CALLS: usize = 40;

#[tokio::test(start_paused = true)]
async fn ten_thousand_devices_take_few_calls() {
    let wire = wire(seed(SEED, |organisation| devices(organisation, FLEET)));
    let begun = std::time::Instant::now();
    let organisation = exported(&wire, &Choice::default()).await;
    let calls = wire.carried().len();
    println!("{FLEET} devices: {calls} calls, {:?} here", begun.elapsed());
    assert_eq!(organisation.problems, [""; 0]);
    assert!(calls < CALLS, "{calls} calls: {:?}", wire.carried());
    let files = files::of(&organisation, None);
    let pages = files.iter().filter(|(name, _)| name.starts_with("endpoints-")).count();
    assert_eq!(pages, 10, "a thousand devices each");
    let again = files::of(&exported(&wire, &Choice::default()).await, None);
    assert_eq!(files, again, "a second run writes the same");
}
