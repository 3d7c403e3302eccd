use kube::CustomResourceExt;
use serde::Deserialize;

use super::*;

/// What the rules of the CRD say about a set with this spec.
fn refused(spec: &Value) -> Option<String> {
    set(spec).validate_cel().err().map(|errors| errors.iter().map(ToString::to_string).collect())
}

fn refusal(spec: &Value, why: &str) {
    let found = refused(spec).unwrap_or_else(|| panic!("{spec} is refused"));
    assert!(found.contains(why), "{spec}: {found}");
}

#[test]
fn the_examples_are_valid() {
    for text in serde_yaml::Deserializer::from_str(include_str!("../../../../examples/fleet.yaml")) {
        let object = EndpointSet::deserialize(text).unwrap();
        assert!(object.validate_cel().is_ok(), "{:?}", object.metadata.name);
    }
}

#[test]
fn members_come_from_sims_or_a_pool() {
    let pool = json!({"selector": {"unassigned": true}, "replicas": 3});
    assert_eq!(refused(&json!({"pool": pool})), None);
    let scaled = json!({"selector": {"unassigned": true}});
    assert_eq!(refused(&json!({"pool": scaled})), None, "the number may be left to kubectl scale");
    assert_eq!(refused(&json!({"sims": {"list": []}})), None, "an empty set is a set");
    refusal(&json!({"pool": pool, "sims": {"list": []}}), "exactly one of sims, pool");
    let neither = json!({
        "apiVersion": "emnify.io/v1alpha1", "kind": "EndpointSet", "metadata": {"name": "a"}, "spec": {"template": {}}
    });
    assert!(serde_json::from_value::<EndpointSet>(neither).unwrap().validate_cel().is_err());
}

#[test]
fn sims_are_named_in_exactly_one_way() {
    let map = json!({"name": "sims", "key": "iccids.txt"});
    assert_eq!(refused(&json!({"sims": {"configMapRef": map}})), None);
    assert_eq!(refused(&json!({"sims": {"selector": {"model": "3"}}})), None);
    refusal(&json!({"sims": {}}), "exactly one of list");
    refusal(&json!({"sims": {"list": [], "configMapRef": map}}), "exactly one of list");
    refusal(&json!({"sims": {"list": [], "selector": {"model": "3"}}}), "exactly one of list");
}

#[test]
fn an_empty_selector_is_not_everything() {
    refusal(&json!({"sims": {"selector": {}}}), "every SIM");
    refusal(&json!({"pool": {"selector": {}, "replicas": 1}}), "every SIM");
    refusal(&json!({"sims": {"selector": {"unassigned": false}}}), "only be true");
    refusal(&json!({"pool": {"selector": {"tag": "roof"}, "replicas": 1}}), "tags are on devices");
}

#[test]
fn a_range_runs_upwards() {
    let range =
        |from: &str, to: &str| json!({"sims": {"selector": {"iccidRanges": [{"from": from, "to": to}]}}});
    assert_eq!(refused(&range(&iccid(1), &iccid(2))), None);
    assert_eq!(refused(&range(&iccid(1), &iccid(1))), None, "one SIM");
    assert_eq!(refused(&range(&format!("{}7", iccid(1)), &iccid(1))), None, "the check digit does not count");
    refusal(&range(&iccid(2), &iccid(1)), "swap them");
}

#[test]
fn names_have_places_for_the_iccid_and_no_others_than_we_know() {
    for name in ["{iccid}", "Zähler {iccid:last6} ({set})", "{namespace}-{iccid:last18}"] {
        assert_eq!(refused(&json!({"nameTemplate": name})), None, "{name}");
    }
    for name in ["{iccid}-{index}", "{iccid} {", "{iccid:last0}", "{iccid:last19}", "{iccid}\n"] {
        refusal(&json!({"nameTemplate": name}), "no other braces");
    }
    refusal(&json!({"nameTemplate": "meter of {set}"}), "same name");
}

#[test]
fn a_set_is_no_single_object_and_keeps_its_tag() {
    refusal(&json!({"id": "12"}), "remove id");
    refusal(&json!({"ignoreFields": ["name", "tags"]}), "remove tags from ignoreFields");
    assert_eq!(refused(&json!({"ignoreFields": ["name"]})), None);
    refusal(&json!({"template": {"tags": ["k8s:eu"]}}), "cannot be set");
}

#[test]
fn the_scale_subresource_reads_a_number_and_a_text() {
    let crd = serde_json::to_value(EndpointSet::crd()).unwrap();
    let version = &crd["spec"]["versions"][0];
    assert_eq!(
        version["subresources"]["scale"],
        json!({
            "specReplicasPath": ".spec.pool.replicas", "statusReplicasPath": ".status.replicas",
            "labelSelectorPath": ".status.labelSelector"
        })
    );
    let spec = &version["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"];
    assert_eq!(spec["pool"]["properties"]["replicas"]["format"], "int32");
    assert_eq!(spec["template"]["properties"]["ipAddress"], Value::Null, "an address is of one device");
    assert_eq!(spec["template"]["properties"]["imei"], Value::Null);
}
