use emnify_engine::kind::{
    Change as _, Managed, Source,
    set::{Activations, Rollout},
};

use crate::kinds::{endpoint::rows::RowSim, endpoint_set::tests::*};

fn want(spec: &Value) -> Want {
    let set = set(spec);
    let base = set.base(&inputs()).unwrap();
    set.member(&base, &sim(42)).unwrap()
}

fn invalid(spec: &Value) -> Invalid {
    set(spec).base(&inputs()).unwrap_err()
}

#[test]
fn a_member_is_the_template_with_a_name_and_a_sim() {
    let want = want(&json!({
        "nameTemplate": "meter {iccid:last4}",
        "template": {
            "enabled": true, "serviceProfile": {"id": "1"}, "tariffProfile": {"id": "2"},
            "sim": {"state": "Activated"}, "tags": ["roof"]
        }
    }));
    assert_eq!(want.name.as_deref(), Some("meter 0042"));
    assert_eq!((want.enabled, want.service_profile, want.tariff_profile), (Some(true), Some(1), Some(2)));
    assert_eq!(want.sim, Some(Some(42)));
    let Some(Change::Create(new)) = Endpoint::create(&want, None) else { panic!("it can be made") };
    assert_eq!((new.name.as_str(), new.sim, new.activate), ("meter 0042", Some(42), true));
    assert!(Change::Create(new).activates(), "and counts as an activation");
}

#[test]
fn every_member_carries_the_tag_of_the_set_and_what_is_made_that_of_the_installation() {
    let want = want(&json!({}));
    let names: Vec<_> = want.tags.iter().flatten().map(|tag| tag.name.as_str()).collect();
    assert_eq!(names, ["k8s:eu/prod/meters"]);
    assert_eq!(want.mark.as_ref().map(|tag| tag.name.as_str()), Some("k8s:eu"));
}

#[test]
fn marks_are_told_apart() {
    let marked =
        |names: &[&str]| Row { tags: Some(names.iter().map(|name| tag(name)).collect()), ..Row::default() };
    let both = marked(&["roof", "k8s:eu/prod/meters", "k8s:eu"]);
    let marks = EndpointSet::marks(&both).unwrap();
    assert_eq!((marks.made_by, marks.set), (Some("eu"), Some("eu/prod/meters")));
    assert_eq!(
        Endpoint::mark(&both).as_deref(),
        Some("eu/prod/meters"),
        "to a single Endpoint the device is somebody else's"
    );
    assert_eq!(Endpoint::mark(&marked(&["k8s:eu"])).as_deref(), Some("eu"));
    assert_eq!(EndpointSet::marks(&marked(&["roof"])).unwrap(), Marks::default());
    assert_eq!(EndpointSet::marks(&Row::default()), None, "the answer did not show tags");
}

#[test]
fn an_unset_name_is_given_once_and_left_alone() {
    let want = want(&json!({}));
    assert_eq!(want.name, None, "it is not compared");
    let Some(Change::Create(new)) = Endpoint::create(&want, None) else { panic!("it can be made") };
    assert_eq!(new.name, format!("meters-{}", iccid(42)));
}

#[test]
fn what_a_lost_create_made_is_known_by_name_and_profiles() {
    for spec in [json!({}), json!({"nameTemplate": "m{iccid}"})] {
        let want = want(&spec);
        let Some(Change::Create(new)) = Endpoint::create(&want, None) else { panic!("it can be made") };
        let row = Row { name: new.name.into(), service_profile: 1, tariff_profile: 2, ..Row::default() };
        assert!(EndpointSet::resembles(&want, &row));
        assert!(!EndpointSet::resembles(&want, &Row { name: "other".into(), ..row.clone() }));
        assert!(!EndpointSet::resembles(&want, &Row { tariff_profile: 3, ..row }));
    }
}

#[test]
fn errors_name_the_path_in_the_set() {
    let template = json!({"template": {"tariffProfile": {"id": "2"}}});
    assert_eq!(invalid(&template).path, "template.serviceProfile");
    let quota = json!({"template": {
        "serviceProfile": {"id": "1"}, "tariffProfile": {"id": "2"},
        "quota": {"data": {"allowance": "1.5", "period": "1h"}}
    }});
    assert_eq!(invalid(&quota).path, "template.quota.data.allowance");
    let named = json!({"template": {"serviceProfile": {"name": "a"}, "tags": ["roof"]}});
    let inputs = set(&named).inputs();
    let source = |path: &str| inputs.iter().find(|input| input.path == path).map(|input| &input.source);
    assert!(matches!(source("template.serviceProfile"), Some(Source::Object { .. })));
    assert!(matches!(source("template.tags[roof]"), Some(Source::Lookup { optional: true, .. })));
    assert!(
        matches!(source("set"), Some(Source::Lookup { name, .. }) if name == "k8s:{installation}/prod/meters")
    );
}

#[test]
fn only_what_may_take_over_needs_no_profiles() {
    let adopts = json!({"template": {}, "adoptionPolicy": "IfUnowned"});
    assert!(set(&adopts).base(&inputs()).is_ok(), "what exists has profiles");
    let pool = json!({
        "template": {}, "adoptionPolicy": "IfUnowned",
        "pool": {"selector": {"unassigned": true}, "replicas": 1}
    });
    assert_eq!(invalid(&pool).path, "template.serviceProfile", "a pool makes its devices");
}

#[test]
fn what_the_schema_of_another_version_let_in_is_refused_here() {
    assert_eq!(invalid(&json!({"nameTemplate": "{index}"})).path, "nameTemplate");
    assert_eq!(invalid(&json!({"ignoreFields": ["tags"]})).path, "ignoreFields");
    assert_eq!(invalid(&json!({"rollout": {"minReady": "soon"}})).path, "rollout.minReady");
    assert_eq!(invalid(&json!({"rollout": {"maxUnavailable": "0%"}})).path, "rollout.maxUnavailable");
    let mut long = set(&json!({}));
    long.metadata.name = Some("m".repeat(120));
    assert_eq!(long.base(&inputs()).unwrap_err().path, "metadata.name", "its tag would be too long");
}

#[test]
fn a_share_of_the_set_is_counted_from_what_it_wants() {
    let set = set(&json!({"rollout": {
        "maxUnavailable": "10%", "minReady": "2m", "partition": 3, "maxActivations": {"count": 5, "window": "1h"}
    }}));
    let window = std::time::Duration::from_secs(3600);
    assert_eq!(
        set.rollout(50),
        Rollout {
            max_unavailable: Some(5),
            min_ready: std::time::Duration::from_secs(120),
            partition: 3,
            max_activations: Some(Activations { members: 5, window }),
        }
    );
}

#[test]
fn a_device_is_let_go_by_taking_off_the_tag_of_this_set() {
    let row = Row {
        sim: Some(RowSim { id: 42, ..RowSim::default() }),
        tags: Some(vec![tag("k8s:eu/prod/meters"), tag("k8s:eu/prod/meters-2"), tag("roof")].into()),
        ..Row::default()
    };
    let have = |row: &Row| Have { row: row.clone().into(), parts: std::sync::Arc::default(), output: None };
    let changes = set(&json!({})).release(&have(&row));
    assert_eq!(changes, [Change::RemoveTags(vec![tag("k8s:eu/prod/meters")])]);
    assert!(set(&json!({})).release(&have(&Row::default())).is_empty());
    assert_eq!(EndpointSet::pool_entry(&row), Some(42));
}
