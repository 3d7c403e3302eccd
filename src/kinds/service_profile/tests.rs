use std::sync::Arc;

use emnify_engine::kind::{
    Change as _, Find, Have, Inputs, Key, Managed, Verb,
    spec::{CommonStatus, Provenance},
};
use serde_json::{Value, json};

use super::{
    ServiceProfile,
    change::{Change, Sub},
    rows::{DATA, DataLimit, DataRule, Detail, Flag, HaveService, Link, Part, Parts, Row, Want},
};
use crate::kinds::laws::kind_laws;

fn object(spec: Value) -> ServiceProfile {
    let mut spec = spec;
    spec["name"] = spec.get("name").cloned().unwrap_or_else(|| "sensors".into());
    ServiceProfile::new("a", serde_json::from_value(spec).unwrap())
}

fn inputs() -> Inputs {
    let mut inputs = Inputs::new("prod", "fleet/a", None);
    inputs.put("services[0].limit", 403.into());
    inputs
}

fn want(spec: Value) -> Want {
    object(spec).want(&inputs()).unwrap()
}

fn row() -> Row {
    Row {
        id: 7,
        name: "sensors".into(),
        description: "[k8s prod/fleet/a]".into(),
        used_count: 12,
        flags: [(Flag::Allowed3g, true), (Flag::ApplyDataQuota, false)].into(),
    }
}

fn parts() -> Parts {
    let service = |name: &str, limits: &[i64]| HaveService { name: name.into(), limits: limits.to_vec() };
    Parts {
        detail: Some(Detail {
            flags: [(Flag::Retail, false)].into(),
            links: [(Link::Dns, Some(3))].into(),
            services: [(4, service("SMS MT", &[402])), (DATA, service("Data", &[]))].into(),
        }),
        data_limits: Some(vec![DataLimit { id: Some(90), rule: rule(1_000, Some(80)) }]),
    }
}

fn rule(volume: i64, warning_percent: Option<i64>) -> DataRule {
    DataRule { volume, warning_percent, satellite_only: false }
}

fn diff(spec: Value) -> Vec<Change> {
    let have: Have<ServiceProfile> = Have { row: Arc::new(row()), parts: Arc::new(parts()), output: None };
    super::diff::diff(&want(spec), &have, Some(&created())).changes
}

fn created() -> CommonStatus {
    CommonStatus { provenance: Some(Provenance::Created), ..CommonStatus::default() }
}

kind_laws!(
    ServiceProfile,
    there: (row(), parts()),
    inputs: inputs(),
    bare: json!({"name": "sensors"}),
    others: [
        json!({"name": "meters", "description": "in cellars", "retail": true, "allowed3g": false, "dns": {"none": true}}),
        json!({"name": "sensors", "services": []}),
        json!({"name": "sensors", "services": [
            {"service": {"id": "5"}, "limit": {"volume": 100}}, {"service": {"id": "4"}}, {"service": {"id": "38"}},
        ]}),
        json!({"name": "sensors", "services": [{"service": {"id": "4"}, "limit": {"volume": 100}}, {"service": {"id": "38"}}]}),
        json!({"name": "sensors", "dataLimits": [{"volume": "2k"}]}),
    ],
    new: json!({
        "name": "sensors", "description": "in cellars", "allowed3g": false, "allowedNbIot": true, "smsP2pExt": false,
        "services": [
            {"service": {"externalName": "data"}},
            {"service": {"externalName": "SMS MT"}, "limit": {"volume": 100, "period": "1 month"}},
        ],
        "dataLimits": [{"volume": "500M", "warningPercent": 80}, {"volume": "1M", "satelliteOnly": true}],
        "esmeInterfaceType": {"externalName": "REST API"}, "breakoutRegion": {"id": "2"},
    }),
);

fn printed(changes: &[Change]) -> Vec<String> {
    changes.iter().map(ToString::to_string).collect()
}

#[test]
fn nothing_is_read_for_what_the_spec_leaves_out() {
    assert_eq!(ServiceProfile::parts(&want(json!({}))), []);
}

#[test]
fn fields_of_the_profile_go_in_one_call_and_print_for_people() {
    let changes = diff(json!({"name": "meters", "retail": true, "dns": {"none": true}}));
    assert_eq!(printed(&changes), ["name: sensors -> meters, retail: false -> true, dns: 3 -> none"]);
    assert_eq!(changes[0].class().disturbs, 0);
}

#[test]
fn a_switch_that_emnify_does_not_show_is_not_written_over_and_over() {
    assert_eq!(diff(json!({"allowed2g": false})), [], "neither the listing nor the detail shows it");
    assert_eq!(diff(json!({"retail": true})).len(), 1, "the detail shows this one");
}

#[test]
fn a_create_carries_all_fields_and_the_mark_but_no_cleared_reference() {
    let want = want(
        json!({"description": "meters", "allowed4g": true, "dns": {"none": true}, "apiCallback": {"id": "5"}}),
    );
    let create = ServiceProfile::create(&want, None).unwrap();
    assert_eq!(create.class().verb, Verb::Create);
    assert!(!create.repeatable(), "a second create would make a second profile");
    let paths: Vec<_> = create.fields().into_iter().map(|field| field.path).collect();
    assert_eq!(paths, ["name", "description", "allowed4g", "apiCallback"]);
    assert!(create.fields()[1].new.ends_with("[k8s prod/fleet/a]"));
    assert_eq!(ServiceProfile::find(&want, None), [Find::Trace(Key::new("mark", "prod/fleet/a"))]);
}

#[test]
fn what_may_cut_devices_off_counts_all_devices_of_the_profile() {
    let disturbs = |spec| diff(spec).iter().map(|change| change.class().disturbs).max();
    assert_eq!(disturbs(json!({"applyDataQuota": true})), Some(12), "devices without a quota are cut off");
    assert_eq!(disturbs(json!({"allowed3g": false})), Some(12), "devices on 3G are cut off");
    assert_eq!(disturbs(json!({"retail": true})), Some(0));
    assert_eq!(
        disturbs(json!({"services": [{"service": {"id": "4"}}], "dataLimits": []})),
        None.or(Some(12))
    );
    assert_eq!(disturbs(json!({"dataLimits": [{"volume": 5, "satelliteOnly": true}]})), Some(12));
}

#[test]
fn a_service_goes_only_after_its_limits() {
    let changes = diff(json!({"services": []}));
    let steps = printed(&changes);
    assert_eq!(
        steps,
        [
            "dataLimits: 1000 bytes per month, warning at 80 % -> -",
            "services: limit 402 -> -",
            "services: service 4 (SMS MT) -> -",
            "services: service 38 (Data) -> -",
        ]
    );
}

#[test]
fn a_service_comes_before_its_limit() {
    let spec = json!({"services": [{"service": {"id": "5"}, "limit": {"volume": 100}}, {"service": {"id": "4"}}, {"service": {"id": "38"}}]});
    let steps = printed(&diff(spec.clone()));
    assert_eq!(steps, ["services: - -> service 5", "services[0].limit: - -> limit 403"]);
}

#[test]
fn an_sms_limit_is_unmanaged_cleared_or_replaced() {
    let with = |limit: Value| json!({"services": [{"service": {"id": "4"}, "limit": limit}, {"service": {"id": "38"}}]});
    let unmanaged = json!({"services": [{"service": {"id": "4"}}, {"service": {"id": "38"}}]});
    assert_eq!(diff(unmanaged), [], "a limit that the spec does not mention stays");
    assert_eq!(printed(&diff(with(json!({"none": true})))), ["services[0].limit: limit 402 -> -"]);
    let replaced = with(json!({"volume": 100}));
    assert_eq!(
        printed(&diff(replaced.clone())),
        ["services[0].limit: limit 402 -> -", "services[0].limit: - -> limit 403"]
    );
}

#[test]
fn a_data_limit_is_replaced_by_delete_and_create_and_keeps_an_unmanaged_warning() {
    let spec = json!({"dataLimits": [{"volume": "2k"}]});
    assert_eq!(
        printed(&diff(spec.clone())),
        [
            "dataLimits: 1000 bytes per month, warning at 80 % -> -",
            "dataLimits: - -> 2000 bytes per month, warning at 80 %",
        ],
        "emnify has no update of limits, and the spec does not mention the warning"
    );
    assert_eq!(diff(json!({"dataLimits": [{"volume": "1k"}]})), []);
    assert!(!Change::Sub(Sub::AddDataLimit { rule: rule(1, None), devices: 0 }).repeatable());
}

#[test]
fn a_limit_whose_id_is_not_known_yet_is_not_replaced_blindly() {
    let unread = Parts { data_limits: Some(vec![DataLimit::from(rule(1_000, None))]), ..parts() };
    let have: Have<ServiceProfile> = Have { row: Arc::new(row()), parts: Arc::new(unread), output: None };
    let diff = super::diff::diff(&want(json!({"dataLimits": [{"volume": 5}]})), &have, None);
    assert!(diff.changes.is_empty() && diff.waiting.is_some(), "{diff:?}");
}

#[test]
fn parts_are_read_only_for_what_the_spec_manages() {
    let parts = |spec| ServiceProfile::parts(&want(spec));
    assert_eq!(parts(json!({"allowed3g": true})), [], "the listing shows it");
    assert_eq!(parts(json!({"retail": true})), [Part::Detail]);
    assert_eq!(parts(json!({"services": [{"service": {"id": "38"}}]})), [Part::Detail]);
    assert_eq!(
        parts(json!({"services": []})),
        [Part::Detail, Part::DataLimits],
        "Data goes, and its limits before it"
    );
    assert_eq!(parts(json!({"dataLimits": []})), [Part::DataLimits]);
}

#[test]
fn ignored_fields_are_taken_out_of_a_call() {
    let changes = diff(json!({"name": "meters", "retail": true}));
    let stripped = changes[0].clone().strip(&|path| path == "name").unwrap();
    assert_eq!(stripped.to_string(), "retail: false -> true");
    assert!(stripped.strip(&|_| true).is_none(), "nothing is left to send");
}

#[test]
fn mistakes_name_their_field_and_the_mend() {
    let invalid = |spec: Value| object(spec).want(&inputs()).unwrap_err();
    let error = invalid(json!({"services": [{"service": {"id": "4"}}, {"service": {"id": "4"}}]}));
    assert_eq!(error.path, "services[1]");
    let error = invalid(json!({"services": [{"service": {"id": "4"}}], "dataLimits": [{"volume": "1M"}]}));
    assert_eq!(error.path, "dataLimits");
    assert!(error.message.contains("38"), "{error}");
    let error = invalid(json!({"services": [{"service": {"id": "38"}, "limit": {"volume": 1}}]}));
    assert!(error.message.contains("dataLimits"), "{error}");
    assert_eq!(invalid(json!({"dataLimits": [{"volume": "1.5"}]})).path, "dataLimits[0].volume");
}

#[test]
fn names_are_looked_up_and_ids_are_not() {
    let spec = json!({
        "breakoutRegion": {"externalName": "eu-west-1 (Ireland)"}, "dns": {"id": "3"},
        "services": [{"service": {"externalName": "SMS MT"}, "limit": {"volume": 100, "period": "1 month"}}],
    });
    let inputs = object(spec).inputs();
    let paths: Vec<_> = inputs.iter().map(|input| input.path.as_str()).collect();
    assert_eq!(paths, ["breakoutRegion", "services[0].service", "services[0].limit"]);
}

#[test]
fn the_schema_refuses_what_cannot_work() {
    let accepted = |spec: Value| object(spec).validate_cel().is_ok();
    assert!(accepted(json!({"dataLimits": [{"volume": 1}, {"volume": 1, "satelliteOnly": true}]})));
    assert!(!accepted(json!({"dataLimits": [{"volume": 1}, {"volume": 2, "satelliteOnly": false}]})));
    assert!(!accepted(json!({"dns": {"id": "1", "none": true}})));
    let limit = |limit: Value| accepted(json!({"services": [{"service": {"id": "4"}, "limit": limit}]}));
    assert!(limit(json!({"volume": 100, "period": "1 month"})) && limit(json!({"none": true})));
    assert!(!limit(json!({})) && !limit(json!({"volume": 1, "none": true})));
    assert!(!limit(json!({"none": true, "period": "1 month"})) && !limit(json!({"none": false})));
}
