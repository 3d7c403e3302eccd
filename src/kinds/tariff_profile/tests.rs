use std::sync::Arc;

use emnify_engine::kind::{Change as _, Diff, Have, Inputs, Managed, managed::Look};
use serde_json::{Value, json};

use super::{
    TariffProfile, TariffProfileStatus,
    change::Change,
    rows::{Blocked, Part, Parts, Row, Want, Zone, Zones},
};
use crate::kinds::laws::kind_laws;

fn object(spec: Value) -> TariffProfile {
    let mut spec = spec;
    spec["name"] = "global".into();
    TariffProfile::new("a", serde_json::from_value(spec).unwrap())
}

fn inputs() -> Inputs {
    let mut inputs = Inputs::new("prod", "fleet/a", None);
    inputs.put("operatorBlocklist[0].operator", 13.into());
    inputs.put("operatorBlocklist[0].ratTypes[0]", 5.into());
    inputs
}

fn want(spec: Value) -> Want {
    object(spec).want(&inputs()).unwrap()
}

fn row() -> Row {
    Row {
        id: 7,
        name: "global".into(),
        description: "[k8s prod/fleet/a]".into(),
        used_count: 12,
        tariff: Some((1, Some("Basic".into()))),
        inclusive_volume: Some(70),
    }
}

fn zone(id: i64, selected: bool) -> Zone {
    Zone { id, name: format!("Zone {id}"), selected }
}

fn parts() -> Parts {
    let blocked = |whole, rats: &[i64]| Blocked { whole, rats: rats.iter().copied().collect() };
    Parts {
        zones: Zones::Read(vec![zone(11, true), zone(12, false), zone(13, false)]),
        blocklist: Some([(13, blocked(true, &[])), (14, blocked(false, &[5, 6]))].into()),
        countries: Some(3),
    }
}

fn look(want: &Want, row: Row, parts: Parts) -> Diff<Change> {
    let have: Have<TariffProfile> = Have { row: Arc::new(row), parts: Arc::new(parts), output: None };
    super::diff::diff(want, &have, None)
}

fn diff(spec: Value) -> Diff<Change> {
    look(&want(spec), row(), parts())
}

kind_laws!(
    TariffProfile,
    there: (row(), parts()),
    inputs: inputs(),
    bare: json!({"name": "global", "id": "7"}),
    others: [
        json!({"name": "world", "description": "everywhere", "tariff": {"id": "2"}, "rateZones": [{"id": "21"}, {"id": "22"}]}),
        json!({"name": "global", "rateZones": [{"externalName": "zone 13"}, {"id": "12"}]}),
        json!({"name": "global", "inclusiveVolume": {"id": "71"}}),
        json!({"name": "global", "operatorBlocklist": [{"operator": {"id": "13"}}, {"operator": {"id": "15"}}]}),
        json!({"name": "global", "operatorBlocklist": [{"operator": {"tapCode": "DEUD1"}, "ratTypes": ["4G"]}]}),
        json!({"name": "global", "operatorBlocklist": []}),
    ],
    new: json!({
        "name": "world", "tariff": {"externalName": "standard"}, "rateZones": [{"externalName": "World"}, {"id": "71"}],
        "operatorBlocklist": [{"operator": {"tapCode": "AFGAW"}}, {"operator": {"mccMnc": "276-02"}, "ratTypes": ["4g", "2G"]}],
    }),
);

fn printed(changes: &[Change]) -> Vec<String> {
    changes.iter().map(ToString::to_string).collect()
}

#[test]
fn zones_follow_a_tariff_at_once_and_urgently() {
    let spec = json!({"tariff": {"id": "2"}, "rateZones": [{"id": "21"}, {"id": "22"}]});
    let changes = diff(spec.clone()).changes;
    assert_eq!(printed(&changes), ["tariff: 1 -> 2", "rateZones: - -> 21", "rateZones: - -> 22"]);
    assert_eq!(
        changes[0].class().disturbs,
        12,
        "a tariff re-prices and cuts off every device of the profile"
    );
    assert!(changes[1].class().urgent && changes[2].class().urgent, "devices are cut off until zones return");
}

#[test]
fn zones_are_selected_again_even_if_the_operator_stops_right_after_the_tariff() {
    let want = want(json!({"tariff": {"id": "2"}, "rateZones": [{"id": "11"}]}));
    let (mut row, mut parts) = (row(), parts());
    let tariff = look(&want, row.clone(), parts.clone()).changes.remove(0);
    TariffProfile::assume(&tariff, &mut row, &mut parts);
    let next = look(&want, row.clone(), parts).changes;
    assert_eq!(printed(&next), ["rateZones: - -> 11"], "the selection of the old tariff is gone");
    let reread = Parts { zones: Zones::Read(vec![zone(11, false)]), ..Parts::default() };
    assert_eq!(printed(&look(&want, row, reread).changes), ["rateZones: - -> Zone 11"]);
}

#[test]
fn a_zone_named_by_name_waits_until_the_new_tariff_is_read() {
    let spec = json!({"tariff": {"id": "2"}, "rateZones": [{"externalName": "Zone 1"}, {"id": "22"}]});
    let diff = diff(spec);
    assert_eq!(printed(&diff.changes), ["tariff: 1 -> 2", "rateZones: - -> 22"]);
    assert!(diff.waiting.is_some(), "names are resolved with the profile's own zones");
}

#[test]
fn selections_go_before_deselections() {
    let spec = json!({"rateZones": [{"externalName": "zone 13"}, {"id": "12"}]});
    let changes = diff(spec.clone()).changes;
    assert_eq!(
        printed(&changes),
        ["rateZones: - -> Zone 12", "rateZones: - -> Zone 13", "rateZones: Zone 11 -> -"],
        "devices always have a zone"
    );
    assert_eq!(changes[2].class().disturbs, 12, "devices in the zone are cut off");
}

#[test]
fn a_profile_without_any_zone_is_never_in_step() {
    let none = Parts { zones: Zones::Read(vec![zone(11, false)]), ..Parts::default() };
    let illegal = look(&want(json!({"id": "7"})), row(), none).illegal.unwrap();
    assert_eq!(illegal.path, "rateZones");
    let unread = look(&want(json!({"id": "7"})), row(), Parts::default());
    assert!(unread.waiting.is_some(), "nor one whose zones are not known");
    assert_eq!(TariffProfile::parts(&want(json!({"id": "7"}))), [Part::Detail]);
}

#[test]
fn an_unknown_zone_is_named_together_with_those_there_are() {
    let illegal = diff(json!({"rateZones": [{"id": "11"}, {"externalName": "Moon"}]})).illegal.unwrap();
    assert_eq!(illegal.path, "rateZones[1]");
    assert!(illegal.message.contains("Zone 12 (12)"), "{illegal}");
}

#[test]
fn two_zones_of_one_name_have_to_be_told_apart_by_id() {
    let zones = vec![zone(11, true), Zone { name: "Zone 11".into(), ..zone(12, false) }];
    let parts = Parts { zones: Zones::Read(zones), ..Parts::default() };
    let illegal = look(&want(json!({"rateZones": [{"externalName": "Zone 11"}]})), row(), parts).illegal;
    assert!(illegal.unwrap().message.contains("id"));
}

#[test]
fn the_inclusive_volume_is_taken_away_before_another_is_assigned() {
    let spec = json!({"inclusiveVolume": {"id": "71"}});
    assert_eq!(
        printed(&diff(spec.clone()).changes),
        ["inclusiveVolume: 70 -> -", "inclusiveVolume: - -> 71"],
        "emnify refuses a second one"
    );
    assert_eq!(
        printed(&diff(json!({"inclusiveVolume": {"none": true}})).changes),
        ["inclusiveVolume: 70 -> -"]
    );
}

#[test]
fn the_volume_goes_before_a_tariff_and_the_other_comes_after_it() {
    let spec = json!({"tariff": {"id": "2"}, "rateZones": [{"id": "21"}], "inclusiveVolume": {"id": "71"}});
    let steps = printed(&diff(spec).changes);
    assert_eq!(
        steps,
        ["inclusiveVolume: 70 -> -", "tariff: 1 -> 2", "rateZones: - -> 21", "inclusiveVolume: - -> 71"],
        "a volume belongs to its tariff"
    );
}

#[test]
fn only_a_tariff_unsettles_what_is_known_of_the_profile() {
    let spec = json!({"tariff": {"id": "2"}, "rateZones": [{"externalName": "Zone 1"}]});
    assert!(diff(spec).changes[0].unsettles(), "zones of another tariff have to be read");
    assert!(!diff(json!({"rateZones": [{"id": "12"}]})).changes[0].unsettles());
}

#[test]
fn the_blocklist_is_exactly_what_the_spec_lists() {
    let steps = |list: Value| printed(&diff(json!({"operatorBlocklist": list})).changes);
    assert_eq!(
        steps(json!([])),
        [
            "operatorBlocklist: operator 13 -> -",
            "operatorBlocklist: operator 14, RAT type 5 -> -",
            "operatorBlocklist: operator 14, RAT type 6 -> -",
        ],
        "the operator as a whole and its technologies are separate entries"
    );
    assert_eq!(
        steps(json!([{"operator": {"tapCode": "DEUD1"}, "ratTypes": ["4G"]}, {"operator": {"id": "14"}}])),
        [
            "operatorBlocklist: operator 13 -> -",
            "operatorBlocklist: - -> operator 13, RAT types 5",
            "operatorBlocklist: - -> operator 14",
        ]
    );
    let spec = json!({"operatorBlocklist": [{"operator": {"id": "13"}}, {"operator": {"id": "15"}}]});
    let changes = diff(spec.clone()).changes;
    assert_eq!(changes.iter().map(|c| c.class().disturbs).max(), Some(12), "devices on it are cut off");
}

#[test]
fn single_radio_technologies_are_added_and_taken_away() {
    let mut want = want(json!({"id": "7"}));
    want.blocklist = Some([(13, None), (14, Some([6, 7].into()))].into());
    assert_eq!(
        printed(&look(&want, row(), parts()).changes),
        [
            "operatorBlocklist: - -> operator 14, RAT types 7",
            "operatorBlocklist: operator 14, RAT type 5 -> -"
        ]
    );
}

#[test]
fn an_operator_listed_twice_is_a_mistake() {
    let list = json!({"operatorBlocklist": [{"operator": {"id": "13"}}, {"operator": {"id": "13"}}]});
    let error = object(list).want(&Inputs::default()).unwrap_err();
    assert_eq!(error.path, "operatorBlocklist[1].operator");
}

#[test]
fn a_create_needs_a_tariff_and_leaves_the_zones_to_the_next_step() {
    let spec = json!({"tariff": {"id": "2"}, "rateZones": [{"id": "21"}]});
    let create = TariffProfile::create(&want(spec), None).unwrap();
    let paths: Vec<_> = create.fields().into_iter().map(|field| field.path).collect();
    assert_eq!(paths, ["name", "description", "tariff"]);
    assert!(!create.repeatable());
    assert!(TariffProfile::create(&want(json!({"id": "7"})), None).is_none(), "emnify requires a tariff");
}

#[test]
fn the_status_names_tariff_and_selected_zones() {
    let mut status = TariffProfileStatus::default();
    let have: Have<TariffProfile> = Have { row: Arc::new(row()), parts: Arc::new(parts()), output: None };
    object(json!({"id": "7"})).report(&have, None, &mut status);
    assert_eq!((status.tariff.as_deref(), status.used_count), (Some("Basic"), Some(12)));
    assert_eq!(status.rate_zones, ["Zone 11"]);
}

#[test]
fn the_schema_wants_zones_with_a_tariff() {
    let accepted = |spec: Value| object(spec).validate_cel().is_ok();
    assert!(accepted(json!({"tariff": {"id": "1"}, "rateZones": [{"id": "11"}]})));
    assert!(!accepted(json!({"tariff": {"id": "1"}})), "devices would be cut off");
    assert!(accepted(json!({"id": "7"})), "an adopted profile keeps its tariff");
    assert!(!accepted(json!({"rateZones": [{"id": "11"}]})), "nothing could be created");
    assert!(!accepted(json!({"id": "7", "inclusiveVolume": {}})));
    assert!(!accepted(json!({"id": "7", "inclusiveVolume": {"id": "1", "none": true}})));
    assert!(!accepted(json!({"id": "7", "operatorBlocklist": [{"operator": {}}]})));
}

/// Whether the rotation is to ask for the coverage at once.
fn is_asked_for(parts: &Parts) -> bool {
    let look = Look { row: &row(), parts, status: None, usage_every: None };
    let extras = TariffProfile::EXTRAS.unwrap()(&look);
    assert_eq!((extras.len(), extras[0].part), (1, Part::Coverage));
    assert!(extras[0].every.is_some() && !extras[0].asked_for, "emnify adds networks now and then");
    extras[0].stale
}

#[test]
fn countries_are_counted_anew_when_zones_or_operators_changed() {
    assert!(is_asked_for(&Parts::default()), "never read");
    assert!(!is_asked_for(&parts()));
    let changes = |spec: Value| diff(spec).changes;
    let zones = changes(json!({"id": "7", "rateZones": [{"id": "12"}]}));
    let operators = changes(json!({"id": "7", "operatorBlocklist": []}));
    let tariff = changes(json!({"tariff": {"id": "2"}, "rateZones": [{"id": "21"}]}));
    for change in [&zones[0], &operators[0], &tariff[0]] {
        let (mut row, mut parts) = (row(), parts());
        TariffProfile::assume(change, &mut row, &mut parts);
        assert!(is_asked_for(&parts), "{change}");
    }
    let volume = changes(json!({"id": "7", "inclusiveVolume": {"id": "71"}}));
    let (mut row, mut parts) = (row(), parts());
    TariffProfile::assume(&volume[0], &mut row, &mut parts);
    assert!(!is_asked_for(&parts), "a prepaid volume reaches no other country");
}

#[test]
fn the_number_of_countries_stays_in_the_status_until_it_is_read_anew() {
    let mut status = TariffProfileStatus::default();
    let mut report = |parts: Parts| {
        let have: Have<TariffProfile> = Have { row: Arc::new(row()), parts: Arc::new(parts), output: None };
        object(json!({})).report(&have, None, &mut status);
        status.countries
    };
    assert_eq!(report(parts()), Some(3));
    assert_eq!(report(Parts { countries: None, ..parts() }), Some(3));
    assert_eq!(report(Parts { countries: Some(0), ..parts() }), Some(0));
}
