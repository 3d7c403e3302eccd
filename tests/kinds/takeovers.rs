//! `kubectl emnify export` of devices that are alike as sets, and into a folder that people keep.

use std::{collections::BTreeSet, fs, path::Path};

use emnify_apiserver::Cluster;
use emnify_engine::session::chance;
use emnify_harness::seed::of_this_test;
use emnify_operator::plugin::{
    cli::Sets,
    export::{
        Choice, Folder, files,
        organisation::{Order, Organisation},
    },
};
use emnify_simulator::fleet;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    clock,
    exports::{documents, is_sound, ordered, seed, wire, writes},
    stage::{SEED, Stage},
    wire::Wire,
};

/// Devices of the first fleet, which carry the tag `roof`.
const ROOF: u64 = 1_200;
/// Of the second one.
const ATTIC: u64 = 12;
/// Too few for a set that nobody asks for.
const CELLAR: u64 = 3;

/// Three fleets, and one device that is like none.
fn fleets(organisation: &mut Value) {
    let all = ROOF + ATTIC + CELLAR + 1;
    let sims = organisation["sims"].as_array().cloned().unwrap_or_default();
    let more = (0..all).map(|n| {
        json!({"id": 20_000_000 + n, "iccid": fleet::iccid(n), "imsi": format!("9014388{n:08}"), "msisdn": format!("8823688{n:08}")})
    });
    organisation["sims"] = sims.into_iter().chain(more).collect();
    organisation["ip_address_spaces"] = json!([{"id": 31, "ip_address_space": "10.192.0.0/16"}]);
    organisation["tags"] = json!([{"id": 41, "name": "roof"}, {"id": 42, "name": "cellar"}]);
    let device = |n: u64| {
        let mut device = json!({"id": 30_000_000 + n, "name": format!("Meter {n}"), "service_profile": 101, "tariff_profile": 201,
            "sim": 20_000_000 + n, "enabled": n.is_multiple_of(2), "tag_ids": []});
        if n < ROOF {
            device["tag_ids"] = json!([41]);
        } else if n >= ROOF + ATTIC {
            device["tag_ids"] = json!([42]);
        }
        if n == all - 1 {
            device["imei"] = json!("4901542032375180");
            device["imei_lock"] = json!(true);
        }
        device
    };
    organisation["endpoints"] = (0..all).map(device).collect();
}

async fn sets(wire: &Wire, sets: Sets) -> Organisation {
    ordered(wire, Order { sets, ..Order::default() }).await
}

fn of<'a>(documents: &'a [Value], kind: &str) -> Vec<&'a Value> {
    documents.iter().filter(|one| one["kind"] == kind).collect()
}

/// Names of sets, each with its members, as their notes tell.
fn told(organisation: &Organisation) -> Vec<(String, u64)> {
    let told = organisation.notes.iter().filter_map(|note| {
        let (name, rest) = note.strip_prefix("EndpointSet ")?.split_once(": applied, it puts its tag on ")?;
        Some((name.to_owned(), rest.split(' ').next()?.parse().ok()?))
    });
    told.collect()
}

/// A cluster with all of it, by this policy.
fn applied(documents: &[Value], policy: Option<&str>) -> Cluster {
    let cluster = Cluster::new(clock::now);
    for document in documents {
        let (kind, name) =
            (document["kind"].as_str().unwrap(), document["metadata"]["name"].as_str().unwrap());
        if kind == "ConfigMap" {
            let mut map = document.clone();
            map["metadata"]["namespace"] = json!("ns");
            cluster.put(&format!("/api/v1/namespaces/ns/configmaps/{name}"), map);
            continue;
        }
        let mut spec = document["spec"].clone();
        if let Some(policy) = policy {
            spec["managementPolicy"] = json!(policy);
        }
        cluster.apply_a(kind, name, spec);
    }
    cluster
}

#[tokio::test(start_paused = true)]
async fn devices_that_are_alike_become_sets_where_that_is_asked_for() {
    let wire = wire(seed(SEED, fleets));
    let never = sets(&wire, Sets::Never).await;
    assert!(of(&documents(&never), "EndpointSet").is_empty() && told(&never).is_empty());

    let auto = sets(&wire, Sets::Auto).await;
    assert_eq!(auto.problems, [""; 0]);
    is_sound(&auto);
    let all = documents(&auto);
    assert_eq!(told(&auto).iter().map(|(_, members)| *members).collect::<Vec<_>>(), [ROOF, ATTIC]);
    let single = u64::try_from(of(&all, "Endpoint").len()).unwrap();
    assert_eq!(single, CELLAR + 1, "three are no fleet, and one is locked to its device");
    let [roof, attic] = of(&all, "EndpointSet")[..] else { panic!("two sets") };
    assert_eq!(roof["spec"]["template"]["tags"], json!(["roof"]));
    assert!(roof["spec"]["template"]["serviceProfile"]["name"].is_string(), "{roof:#}");
    assert_eq!(roof["spec"]["adoptionPolicy"], "IfUnowned");
    for left in ["nameTemplate", "id", "pool"] {
        assert!(roof["spec"].get(left).is_none(), "{left}: {roof:#}");
    }
    assert_eq!(attic["spec"]["sims"]["list"].as_array().unwrap().len() as u64, ATTIC);
    let [map] = of(&all, "ConfigMap")[..] else { panic!("one ConfigMap: {all:#?}") };
    assert_eq!(map["data"]["iccids"].as_str().unwrap().lines().count() as u64, ROOF);

    let tagged = sets(&wire, Sets::Tag("cellar".into())).await;
    assert_eq!(
        told(&tagged).iter().map(|(_, members)| *members).collect::<Vec<_>>(),
        [CELLAR],
        "as few as there are"
    );
    assert_eq!(of(&documents(&tagged), "Endpoint").len() as u64, ROOF + ATTIC + 1);
}

#[tokio::test(start_paused = true)]
async fn a_set_takes_over_with_its_tag_and_nothing_else() {
    let wire = wire(seed(SEED, fleets));
    let organisation = sets(&wire, Sets::Auto).await;
    let (documents, told) = (documents(&organisation), told(&organisation));
    chance::follow(of_this_test());

    let before = wire.carried().len();
    let stage = Stage::on(applied(&documents, Some("Observe")), wire.clone()).await;
    for (name, members) in &told {
        stage.ready("EndpointSet", name).await;
        let set = stage.cluster.object("EndpointSet", name).unwrap();
        assert_eq!(set["status"]["replicas"], *members, "{set:#}");
    }
    stage.pass(3_600).await;
    assert_eq!(writes(&wire.carried()[before..]), [""; 0], "who observes sends nothing");
    stage.stop().await;

    let state = |wire: &Wire| {
        wire.simulator.inspect(|state| {
            let devices = state.organisations[&1001].endpoints.values();
            let devices =
                devices.map(|one| (one.id, one.name.clone(), one.enabled, one.sim, one.service_profile));
            devices.collect::<Vec<_>>()
        })
    };
    let (untouched, before) = (state(&wire), wire.carried().len());
    let stage = Stage::on(applied(&documents, None), wire.clone()).await;
    for document in &documents {
        let (kind, name) =
            (document["kind"].as_str().unwrap(), document["metadata"]["name"].as_str().unwrap());
        if kind != "ConfigMap" {
            stage.ready(kind, name).await;
        }
    }
    stage.pass(3_600).await;
    let carried = wire.carried();
    let sent = writes(&carried[before..]);
    let of = |path: &str| sent.iter().filter(|what| what.ends_with(path)).count();
    let (made, put) = (of("/api/v2/tags"), of("/api/v2/bulk-operations/endpoint/add-tags"));
    assert_eq!((made, made + put), (told.len(), sent.len()), "tags and nothing else: {sent:#?}");
    // a call puts it on up to 2,000 devices, but nobody waits until one is full
    assert!(put <= 5, "{sent:#?}");
    assert_eq!(state(&wire), untouched, "nothing but tags");
    let marked = wire.simulator.inspect(|state| {
        let organisation = &state.organisations[&1001];
        let marks: BTreeSet<_> =
            organisation.tags.values().filter(|tag| tag.name.starts_with("k8s:")).map(|tag| tag.id).collect();
        organisation
            .endpoints
            .values()
            .filter(|one| one.tag_ids.iter().any(|tag| marks.contains(tag)))
            .count()
    });
    let promised: u64 = told.iter().map(|(_, members)| *members).sum();
    assert_eq!(marked as u64, promised, "as many devices as were told");
    stage.stop().await;

    let again = sets(&wire, Sets::Auto).await;
    assert!(crate::takeovers::told(&again).is_empty(), "they are in a cluster already");
}

/// A folder that was exported and committed.
async fn committed(wire: &Wire, order: Sets) -> TempDir {
    let folder = TempDir::new().unwrap();
    for (name, text) in files::of(&sets(wire, order).await, None) {
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

/// What would be added to the folder, and what is told.
async fn merged(wire: &Wire, folder: &Path, sets: Sets) -> (files::Merged, Organisation) {
    let kept = Folder::read(folder).unwrap();
    let organisation = ordered(wire, Order { sets, folder: Some(&kept), ..Order::default() }).await;
    (files::merged(&organisation, &kept, None), organisation)
}

fn edited(folder: &Path, name: &str, edits: &[(&str, &str)]) {
    let path = folder.join(name);
    let mut text = fs::read_to_string(&path).unwrap();
    for (from, to) in edits {
        assert!(text.contains(from), "{from:?} is in {text}");
        text = text.replace(from, to);
    }
    fs::write(path, text).unwrap();
}

/// A small organisation: a profile of each kind and three devices.
fn small(organisation: &mut Value) {
    organisation["endpoints"] = json!([
        {"id": 11_000_001, "name": "Pump", "service_profile": 101, "tariff_profile": 201, "sim": 10_000_003},
        {"id": 11_000_002, "name": "Fan", "service_profile": 101, "tariff_profile": 201, "sim": 10_000_004},
        {"id": 11_000_003, "name": "Door", "service_profile": 101, "tariff_profile": 201},
    ]);
}

#[tokio::test(start_paused = true)]
async fn a_folder_that_people_keep_only_becomes_longer() {
    let wire = wire(seed(SEED, small));
    let folder = committed(&wire, Sets::Never).await;
    let (nothing, organisation) = merged(&wire, folder.path(), Sets::Never).await;
    assert!(nothing.files.is_empty() && nothing.kustomization.is_none(), "{nothing:#?}");
    assert_eq!(organisation.differs, [""; 0]);

    // people rename, move, comment and add
    edited(folder.path(), "service-profiles.yaml", &[("  name: made-in-the-portal", "  name: metering")]);
    let devices = "endpoints-0001.yaml";
    edited(
        folder.path(),
        devices,
        &[
            ("metadata:\n  name: pump", "metadata:\n  name: water-pump # in the cellar"),
            ("serviceProfile:\n    name: made-in-the-portal", "serviceProfile:\n    name: metering"),
            ("spec:\n  id: \"11000002\"", "spec:\n  enabled: true\n  id: \"11000002\""),
        ],
    );
    fs::create_dir(folder.path().join("devices")).unwrap();
    fs::rename(folder.path().join(devices), folder.path().join("devices/all.yaml")).unwrap();
    edited(folder.path(), "Kustomization", &[(devices, "devices/all.yaml # moved")]);
    let before = fs::read_to_string(folder.path().join("Kustomization")).unwrap();

    // and the portal goes on
    let edit = wire.simulator.edit(|state| {
        let organisation = state.organisations.get_mut(&1001).unwrap();
        let mut new = organisation.endpoints[&11_000_003].clone();
        (new.id, new.name) = (11_000_009, "water pump".to_owned());
        organisation.endpoints.insert(new.id, new);
        organisation.endpoints.get_mut(&11_000_001).unwrap().name = "Pump 2".to_owned();
        organisation.endpoints.remove(&11_000_003);
    });
    edit.unwrap();

    let (added, organisation) = merged(&wire, folder.path(), Sets::Never).await;
    assert_eq!(organisation.problems, [""; 0]);
    let [(name, text)] = &added.files[..] else { panic!("one file: {added:#?}") };
    assert_eq!(name, "endpoints-0001.yaml");
    let new: Value = serde_yaml::from_str(text).unwrap();
    assert_eq!(new["metadata"]["name"], "water-pump-11000009", "theirs has the name");
    assert_eq!(new["spec"]["serviceProfile"], json!({"name": "metering"}), "as people call it");
    let (_, longer) = added.kustomization.unwrap();
    let items: Vec<&str> =
        longer.lines().filter(|line| !before.lines().any(|there| there == *line)).collect();
    assert_eq!(items, ["  - endpoints-0001.yaml"], "every other line is as it was");
    let told = organisation.differs.join("\n");
    for line in [
        "devices/all.yaml: Endpoint door: emnify has no Endpoint 11000003 any more; nothing is deleted here",
        "devices/all.yaml: Endpoint water-pump: name: Pump 2 -> Pump",
        "devices/all.yaml: Endpoint fan: enabled: false -> true",
    ] {
        assert!(told.contains(line), "{line:?} is missing in:\n{told}");
    }
    assert_eq!(organisation.differs.len(), 3, "{told}");

    let kept = Folder::read(folder.path()).unwrap();
    let choice = Choice::of(&["endpoints".to_owned()]).unwrap();
    let some = ordered(&wire, Order { choice, folder: Some(&kept), ..Order::default() }).await;
    let [some] = &documents(&some)[..] else { panic!("one device") };
    assert_eq!(some["spec"]["serviceProfile"], json!({"name": "metering"}), "the folder knows it");

    fs::write(folder.path().join(name), text).unwrap();
    let (nothing, _) = merged(&wire, folder.path(), Sets::Never).await;
    assert!(nothing.files.is_empty(), "once is enough");
}

#[tokio::test(start_paused = true)]
async fn devices_of_sets_in_the_folder_are_not_exported_again() {
    let wire = wire(seed(SEED, fleets));
    let folder = committed(&wire, Sets::Auto).await;
    for order in [Sets::Never, Sets::Auto] {
        let (added, organisation) = merged(&wire, folder.path(), order).await;
        assert!(
            added.files.is_empty(),
            "{:#?}",
            added.files.iter().map(|(name, _)| name).collect::<Vec<_>>()
        );
        let note = format!("Endpoint: {} left out that a set of the folder means", ROOF + ATTIC);
        assert!(organisation.notes.contains(&note), "{:#?}", organisation.notes);
    }
    // whom a set means without its ConfigMap nobody knows, and nothing is added twice
    let sets = folder.path().join("endpoint-sets.yaml");
    let text = fs::read_to_string(&sets).unwrap();
    fs::write(&sets, text.replace("kind: ConfigMap", "kind: Secret")).unwrap();
    let (added, organisation) = merged(&wire, folder.path(), Sets::Never).await;
    assert!(added.files.is_empty());
    assert!(organisation.problems[0].contains("whom it means is not known"), "{:#?}", organisation.problems);
}
