use std::time::Duration;

use emnify_engine::kind::{
    Change as _, Find, Inputs, Managed, Source,
    managed::{Extra, Look},
    spec::{AdoptionPolicy, Intent},
};
use kube::CustomResourceExt;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    api::OperatorReference,
    kinds::{
        endpoint::{
            AddressSpace, Change, DataQuota, EndpointStatus, UsageStatus,
            rows::{self, Part, Parts, Row, key},
            tests::*,
        },
        sim::Sim,
    },
};

fn manifest(spec: &Value) -> bool {
    let object = json!({
        "apiVersion": "emnify.io/v1alpha1", "kind": "Endpoint", "metadata": {"name": "a"}, "spec": spec
    });
    serde_json::from_value::<Endpoint>(object).unwrap().validate_cel().is_ok()
}

#[test]
fn a_sim_is_named_in_exactly_one_way() {
    for sim in [json!({"iccid": ICCID}), json!({"name": "a", "state": "Activated"}), json!({"none": true})] {
        assert!(manifest(&json!({"sim": sim})), "{sim}");
    }
    for sim in [
        json!({}),
        json!({"state": "Activated"}),
        json!({"iccid": ICCID, "name": "a"}),
        json!({"none": false}),
        json!({"none": true, "state": "Suspended"}),
    ] {
        assert!(!manifest(&json!({"sim": sim})), "{sim}");
    }
}

#[test]
fn the_examples_are_valid() {
    for text in serde_yaml::Deserializer::from_str(include_str!("../../../../examples/endpoint.yaml")) {
        let object = Endpoint::deserialize(text).unwrap();
        assert!(object.validate_cel().is_ok(), "{:?}", object.metadata.name);
        assert!(object.spec.sim.unwrap().iccid.unwrap().normal("sim.iccid").is_ok());
    }
    for text in serde_yaml::Deserializer::from_str(include_str!("../../../../examples/sim.yaml")) {
        let object = Sim::deserialize(text).unwrap();
        assert!(object.validate_cel().is_ok(), "{:?}", object.metadata.name);
    }
}

#[test]
fn an_address_needs_its_space() {
    assert!(!manifest(&json!({"ipAddress": "10.0.0.4"})));
    assert!(manifest(&json!({"ipAddress": "10.0.0.4", "ipAddressSpace": {"cidr": "10.0.0.0/24"}})));
    assert!(manifest(&json!({"ipAddress": "10.0.0.4", "ipAddressSpace": {"name": "north"}})));
    assert!(!manifest(&json!({"ipAddressSpace": {"cidr": "10.0.0.0/24", "id": "1"}})));
    assert!(!manifest(&json!({"ipAddressSpace": {"cidr": "10.0.0.0/24", "name": "north"}})));
}

#[test]
fn an_allowance_has_exactly_one_end() {
    assert!(manifest(&json!({"quota": {"data": {"allowance": "1G", "period": "720h"}}})));
    assert!(!manifest(&json!({"quota": {"data": {"allowance": "1G"}}})));
    let both = json!({"allowance": 10, "period": "720h", "expiry": "2026-12-31T00:00:00Z"});
    assert!(!manifest(&json!({"quota": {"sms": both}})));
}

#[test]
fn the_operators_own_tags_cannot_be_claimed() {
    assert!(manifest(&json!({"tags": ["roof"]})));
    assert!(manifest(&json!({"tags": ["yk8s:roof"]})));
    for mark in ["k8s:prod", "K8S:prod/fleet/meters", " k8s:prod", "\tK8s:prod "] {
        assert!(!manifest(&json!({"tags": [mark]})), "{mark} would say that we made the device");
        let spec = EndpointSettings { tags: Some(vec![mark.into()]), ..EndpointSettings::default() };
        let refused = crate::kinds::endpoint::want::settings_want(&spec, "", false, &inputs()).unwrap_err();
        assert!(refused.to_string().contains("cannot be set"), "{mark}: {refused}");
    }
}

#[test]
fn lists_merge_and_columns_are_shown() {
    let crd = serde_json::to_string(&Endpoint::crd()).unwrap();
    assert!(crd.contains(r#""x-kubernetes-list-type":"atomic""#));
    assert!(crd.contains("emep") && crd.contains(".status.connectivity.state"));
}

#[test]
fn a_device_cannot_be_made_without_profiles_but_can_be_adopted() {
    let missing =
        |change: fn(&mut EndpointSpec)| crate::kinds::endpoint::want::want(&endpoint(change), &inputs());
    let invalid = missing(|spec| spec.settings.tariff_profile = None).unwrap_err();
    assert_eq!(invalid.path, "tariffProfile", "the message names the field");
    let adopted = missing(|spec| {
        spec.settings.tariff_profile = None;
        spec.common.adoption_policy = Some(AdoptionPolicy::IfUnowned);
    });
    assert!(adopted.is_ok(), "what exists has profiles");
    let mut bound = endpoint(|spec| spec.settings.service_profile = None);
    bound.status = Some(created());
    assert!(
        crate::kinds::endpoint::want::want(&bound, &inputs()).is_ok(),
        "unset is unmanaged once it exists"
    );
}

#[test]
fn a_bad_iccid_and_an_unknown_sim_name_the_field() {
    let typo = endpoint(|spec| spec.sim.get_or_insert_default().iccid = Some("8988".into()));
    assert_eq!(crate::kinds::endpoint::want::want(&typo, &inputs()).unwrap_err().path, "sim.iccid");
    assert!(typo.inputs().iter().all(|input| input.path != "sim.iccid"), "it is not looked for");
    let unknown = crate::kinds::endpoint::want::want(&endpoint(|_| ()), &Inputs::default()).unwrap_err();
    assert_eq!(unknown.path, "sim.iccid");
}

#[test]
fn references_are_looked_up_where_they_live() {
    let object = endpoint(|spec| {
        spec.settings.service_profile = Some(Reference { name: Some("gold".into()), ..Reference::default() });
        spec.settings.ip_address_space =
            Some(Box::new(AddressSpace { cidr: Some("10.0.0.9/24".into()), ..AddressSpace::default() }));
        spec.settings.tags = Some(vec!["roof".into()]);
        let tap_code = Some("DEUD1".into());
        spec.settings.operator_blocklist =
            Some(vec![OperatorReference { tap_code, ..OperatorReference::default() }]);
    });
    let inputs = object.inputs();
    let source = |path: &str| &inputs.iter().find(|input| input.path == path).unwrap().source;
    assert!(matches!(source("serviceProfile"), Source::Object { kind: "ServiceProfile", .. }));
    assert!(matches!(source("sim.iccid"), Source::Mirror { kind: "Sim", key } if key.value == ICCID));
    assert!(matches!(source("tags[roof]"), Source::Lookup { optional: true, .. }), "missing tags are made");
    assert!(matches!(source("mark"), Source::Lookup { name, .. } if name == "k8s:{installation}"));
    assert!(
        matches!(source("ipAddressSpace"), Source::Mirror { kind: "IpAddressSpace", key } if key.value == "10.0.0.0/24")
    );
    let named = AddressSpace { name: Some("north".into()), ..AddressSpace::default() };
    let named = endpoint(|spec| spec.settings.ip_address_space = Some(named.into())).inputs();
    let space = named.iter().find(|input| input.path == "ipAddressSpace").unwrap();
    assert!(matches!(&space.source, Source::Object { kind: "IpAddressSpace", name } if name == "north"));
    assert!(matches!(source("operatorBlocklist[0]"), Source::Lookup { .. }));
}

#[test]
fn a_device_is_found_by_sim_then_address_then_only_after_an_intent_by_likeness() {
    let keys = |row: &Row| {
        let mut keys = Vec::new();
        Endpoint::keys(row, &mut |key| keys.push(key));
        keys
    };
    let addressed = Row { space: Some(4), address: Some("10.0.0.4".into()), ..row(0) };
    let by_sim = Endpoint::find(&want(|_| ()), None);
    assert!(matches!(&by_sim[..], [Find::Natural(k)] if k.name == key::SIM && keys(&addressed).contains(k)));
    let bare = |spec: &mut EndpointSpec| spec.sim = None;
    let by_address = Endpoint::find(
        &want(|spec| {
            bare(spec);
            spec.ip_address = Some("10.0.0.4".into());
            spec.settings.ip_address_space =
                Some(Box::new(AddressSpace { id: Some("4".into()), ..AddressSpace::default() }));
        }),
        None,
    );
    assert!(matches!(&by_address[..], [Find::Natural(k)] if keys(&addressed).contains(k)));
    assert!(Endpoint::find(&want(bare), None).is_empty(), "never by display name alone");
    let intent = Intent { nonce: "n".into(), since: "2026-06-01T00:00:00Z".into() };
    let traced = Endpoint::find(&want(bare), Some(&intent));
    assert!(matches!(&traced[..], [Find::Natural(k)] if keys(&addressed).contains(k)));
    let gone = Row { status: rows::status::DELETED, ..addressed };
    assert!(keys(&gone).is_empty(), "a deleted device cannot be found");
}

#[test]
fn one_object_sets_the_state_of_a_sim() {
    let device = want(|spec| set_state(spec, SimState::Activated));
    let sim_row = crate::kinds::sim::rows::Row { id: 70, ..Default::default() };
    let spec = crate::kinds::sim::SimSpec {
        iccid: Some(ICCID.into()),
        state: Some(SimState::Suspended),
        ..Default::default()
    };
    let sim = Sim::new("spare", spec).want(&Inputs::default()).unwrap();
    let claim = Endpoint::claims(&device, None);
    assert_eq!(claim.len(), 1);
    assert_eq!(claim, Sim::claims(&sim, Some(&sim_row)), "both want the same right");
    assert!(Endpoint::claims(&want(|_| ()), None).is_empty(), "an unset state leaves it free");
}

#[test]
fn only_parts_that_the_spec_sets_are_read() {
    assert!(Endpoint::parts(&want(|_| ())).is_empty(), "the listing is enough");
    let quota = want(|spec| {
        let data = DataQuota {
            allowance: "1G".into(),
            period: Some("720h".into()),
            expiry: None,
            auto_refill: None,
            threshold_percentage: None,
        };
        spec.settings.quota.get_or_insert_default().data = Some(data);
    });
    assert_eq!(Endpoint::parts(&quota), [Part::DataQuota]);
    assert!((quota.data_quota.unwrap().allowance - 1000.0).abs() < f64::EPSILON, "MB");
}

/// What is read of a device for its report alone.
fn extras(status: &EndpointStatus, usage_every: Option<Duration>) -> Vec<Extra<Part>> {
    let look = Look { row: &Row::default(), parts: &Parts::default(), status: Some(status), usage_every };
    Endpoint::EXTRAS.unwrap()(&look)
}

#[test]
fn where_a_device_is_is_read_once_and_what_it_used_only_where_the_workspace_asks_for_it() {
    let day = Duration::from_secs(86_400);
    let new = EndpointStatus::default();
    assert_eq!(extras(&new, None), [Extra::once(Part::Connectivity)]);
    let mut known = EndpointStatus { connectivity: Some(Box::default()), ..new };
    assert!(extras(&known, None).is_empty());
    let usage = Extra { asked_for: true, ..Extra::every(Part::Usage, day) };
    assert_eq!(extras(&known, Some(day)), [usage]);
    known.usage =
        Some(Box::new(UsageStatus { as_of: "2026-11-05T10:00:00Z".into(), ..UsageStatus::default() }));
    let read = "2026-11-05T10:00:00Z".parse().ok();
    assert_eq!(
        extras(&known, Some(day)),
        [Extra { read, ..usage }],
        "a restart reads nothing before its time"
    );
}

#[test]
fn a_new_device_is_the_safest_that_the_spec_allows() {
    let Some(Change::Create(new)) = Endpoint::create(&want(|_| ()), None) else { panic!("it can be made") };
    assert_eq!(new.name, "meter-1", "its object's name");
    assert!(!new.enabled && !new.activate, "nothing starts unless the manifest says so");
    let activated = want(|spec| set_state(spec, SimState::Activated));
    assert!(matches!(Endpoint::create(&activated, None), Some(Change::Create(new)) if new.activate));
    for state in [SimState::Suspended, SimState::FactoryTest] {
        let other = want(|spec| set_state(spec, state));
        assert!(
            matches!(Endpoint::create(&other, None), Some(Change::Create(new)) if !new.activate),
            "{state}"
        );
    }
    let later = want(|spec| {
        set_state(spec, SimState::Activated);
        spec.sim.as_mut().unwrap().active.active_from = Some("2099-01-01T00:00:00Z".into());
    });
    assert!(
        matches!(Endpoint::create(&later, None), Some(Change::Create(new)) if !new.activate),
        "a contract that begins later does not begin with the device"
    );
}

#[test]
fn creates_share_a_call_only_when_the_answer_can_tell_them_apart() {
    let batch = |change: fn(&mut EndpointSpec)| Endpoint::create(&want(change), None).unwrap().batch();
    assert!(batch(|_| ()).is_some());
    assert_eq!(batch(|_| ()), batch(|spec| spec.name = Some("other".into())));
    assert_ne!(batch(|_| ()), batch(|spec| spec.settings.enabled = Some(true)), "one status per call");
    assert_ne!(
        batch(|_| ()),
        batch(|spec| spec.settings.tariff_profile = Some(profile("3"))),
        "one profile per call"
    );
    assert_eq!(batch(|spec| spec.sim = None), None, "names repeat");
}
