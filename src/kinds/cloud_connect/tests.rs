use std::{collections::HashMap, sync::Arc};

use emnify::wire::cloud_connect::Attachment as Row;
use emnify_engine::kind::{
    Change as _, Context, Diff, FieldDiff, Find, Have, Inputs, Key, Managed, Output, Phase, mark, reason,
    secret::SecretValue,
    spec::{CommonStatus, DeletionPolicy, Provenance},
};
use emnify_simulator::{Options, Simulator};
use jiff::Timestamp;
use secrecy::ExposeSecret;
use serde_json::{Value, from_value, json};

use super::{
    Change, CloudConnect, CloudConnectStatus, Order,
    change::PSK,
    rows::{self, Part, Parts, Tunnel},
};
use crate::kinds::common::group;
use crate::kinds::laws::{api, context, is_found_again, kind_laws, object};

const KEY: &str = "correct.horse_battery";

fn inputs() -> Inputs {
    let mut inputs = Inputs::new("prod", "fleet/a", None);
    inputs.put_secret(PSK, SecretValue::new(KEY.to_owned().into(), "d"));
    inputs
}

fn vpn() -> Value {
    json!({
        "region": "eu-west-1", "acknowledgeMonthlyFee": true,
        "vpn": {"publicIp": "203.0.113.10", "onPremCidrs": ["192.0.2.0/24", "10.0.0.0/16"]},
    })
}

fn with(spec: Value, path: &str, value: Value) -> Value {
    let mut spec = spec;
    *spec.pointer_mut(path).unwrap() = value;
    spec
}

/// With a key of the user's own.
fn keyed() -> Value {
    let mut spec = vpn();
    spec["vpn"]["pskSecretRef"] = json!({"name": "tunnel", "key": "psk"});
    spec
}

fn gateway() -> Value {
    json!({
        "region": "eu-west-1", "acknowledgeMonthlyFee": true,
        "transitGateway": {"vpcCidrs": ["10.0.0.0/16"], "awsAccountId": "123456789012"},
    })
}

fn want(spec: &Value) -> super::Want {
    object::<CloudConnect>(spec).want(&inputs()).unwrap_or_else(|error| panic!("{spec}: {error}"))
}

fn invalid(spec: &Value) -> String {
    object::<CloudConnect>(spec).want(&inputs()).expect_err("it cannot be ordered").to_string()
}

fn ordered(spec: &Value) -> Order {
    match CloudConnect::create(&want(spec), None) {
        Some(Change::Order(order)) => order,
        other => panic!("{other:?}"),
    }
}

/// What emnify shows of what this spec orders.
fn row_of(spec: &Value) -> Row {
    let (kind, description) = match ordered(spec) {
        Order::TransitGateway(order) => (1, order.description),
        Order::Vpn(order) => (if order.bgp { 3 } else { 2 }, order.description),
    };
    from_value(json!({
        "id": 4, "name": "a", "description": description, "region": "eu-west-1",
        "status": {"id": 5, "description": "Active"}, "type": {"id": kind},
    }))
    .unwrap()
}

fn in_state(spec: &Value, state: i64) -> Row {
    let mut row = row_of(spec);
    row.status = from_value(json!({"id": state})).unwrap();
    row
}

fn tunnels(psk: Option<&str>) -> Vec<Tunnel> {
    let tunnel = |address: &str| Tunnel {
        outside_address: Some(address.to_owned()),
        asn: Some(64_512),
        psk: psk.map(|psk| psk.to_owned().into()),
        ..Tunnel::default()
    };
    vec![tunnel("198.51.100.1"), tunnel("198.51.100.2")]
}

fn have(row: Row, parts: Parts) -> Have<CloudConnect> {
    Have { row: Arc::new(row), parts: Arc::new(parts), output: None }
}

fn diff(spec: &Value, have: &Have<CloudConnect>, status: &CloudConnectStatus) -> Diff<Change> {
    CloudConnect::diff(&want(spec), have, &Context { status: Some(status), ..context() })
}

/// Paths of what differs and cannot be changed, of an attachment that was ordered by the first spec.
fn differs(before: &Value, spec: &Value) -> Vec<String> {
    let found = diff(spec, &have(row_of(before), Parts::default()), &CloudConnectStatus::default());
    assert!(found.changes.is_empty(), "nothing can be sent: {:?}", found.changes);
    found.immutable.into_iter().map(|field| field.path).collect()
}

fn phase(row: Row, now: &str) -> Phase {
    CloudConnect::phase(&have(row, Parts::default()), now.parse().unwrap())
}

const NOW: &str = "2026-05-01T12:00:00Z";

kind_laws!(
    CloudConnect,
    there: (row_of(&vpn()), Parts::default()),
    inputs: inputs(),
    bare: json!({"id": "4"}),
    // emnify changes nothing of an attachment
    others: [] as [Value; 0],
    new: vpn(),
);

#[tokio::test(start_paused = true)]
async fn a_transit_gateway_is_found_by_its_mark_like_a_tunnel() {
    let simulator = Simulator::start(Options::default());
    is_found_again::<CloudConnect>(&api(&simulator), &gateway()).await;
    let mut bgp = vpn();
    bgp["vpn"]["bgp"] = json!({"asn": 65_000, "insideCidrs": ["169.254.10.0/30"]});
    is_found_again::<CloudConnect>(&api(&Simulator::start(Options::default())), &bgp).await;
}

#[test]
fn an_attachment_is_found_by_our_mark_and_named_without_it() {
    assert_eq!(CloudConnect::find(&want(&vpn()), None), [Find::Trace(Key::new(mark::KEY, "prod/fleet/a"))]);
    let row = row_of(&vpn());
    let mut keys = Vec::new();
    CloudConnect::keys(&row, &mut |key| keys.push(key));
    assert_eq!(keys, [Key::new(Key::NAME, "a"), Key::new(mark::KEY, "prod/fleet/a")]);
    let mut keys = Vec::new();
    CloudConnect::keys(&in_state(&vpn(), 7), &mut |key| keys.push(key));
    assert_eq!(keys, [Key::new(Key::NAME, "a")], "one that is gone is not found in place of the next one");
    assert_eq!(
        CloudConnect::mark(&row).as_deref(),
        Some("prod/fleet/a"),
        "what was ordered is no part of it"
    );
}

#[test]
fn objects_of_one_name_in_two_namespaces_are_two_attachments() {
    let of = |namespace: &str| {
        let inputs = Inputs::new("prod", format!("{namespace}/a"), None);
        CloudConnect::find(&object::<CloudConnect>(&vpn()).want(&inputs).unwrap(), None)
    };
    assert_ne!(of("fleet"), of("lab"), "none takes the other's for its own");
}

#[test]
fn nothing_is_ordered_before_the_fee_is_acknowledged() {
    for unsaid in [json!(false), json!(null)] {
        let told = invalid(&with(vpn(), "/acknowledgeMonthlyFee", unsaid));
        assert!(told.starts_with("acknowledgeMonthlyFee: ") && told.contains("billed"), "{told}");
    }
    let adopted = json!({"id": "4"});
    assert!(CloudConnect::create(&want(&adopted), None).is_none(), "what is there is paid for already");
}

#[test]
fn the_order_says_what_the_spec_says_and_prints_no_key() {
    let Order::Vpn(order) = ordered(&keyed()) else { panic!("a tunnel") };
    assert_eq!((order.name.as_str(), order.bgp, order.asn), ("a", false, None));
    assert_eq!(order.on_prem_cidr, ["10.0.0.0/16", "192.0.2.0/24"]);
    assert_eq!(order.psk.as_ref().map(ExposeSecret::expose_secret), Some(KEY));
    let change = Change::Order(Order::Vpn(order));
    let said = format!("{change} {change:?} {} {:?}", change.request(), change.fields());
    assert!(!said.contains(KEY), "no value is printed: {said}");
    assert!(!change.repeatable(), "it is billed each time");
    let Order::TransitGateway(order) = ordered(&gateway()) else { panic!("a gateway") };
    assert_eq!((order.region.as_str(), order.aws_account_id.as_str()), ("eu-west-1", "123456789012"));
    let Order::Vpn(order) = ordered(&vpn()) else { panic!("a tunnel") };
    assert!(order.psk.is_none(), "emnify makes the key");
}

#[test]
fn networks_addresses_and_keys_are_judged_before_anything_is_billed() {
    let told = invalid(&with(vpn(), "/vpn/onPremCidrs/1", json!("10.0.0.7/16")));
    assert_eq!(told, "vpn.onPremCidrs[1]: 10.0.0.7/16 is an address in a range: write 10.0.0.0/16");
    assert!(invalid(&with(vpn(), "/vpn/publicIp", json!("203.0.113.300"))).starts_with("vpn.publicIp: "));
    let far = with(gateway(), "/transitGateway/vpcCidrs/0", json!("10.0.0.0/33"));
    assert!(invalid(&far).starts_with("transitGateway.vpcCidrs[0]: "));
    for psk in ["short", "0correct.horse", "correct horse", "correct.horse\u{e9}"] {
        let mut inputs = inputs();
        inputs.put_secret(PSK, SecretValue::new(psk.to_owned().into(), "d"));
        let error = object::<CloudConnect>(&keyed()).want(&inputs).expect_err("no key").to_string();
        assert!(error.contains("key psk of Secret tunnel"), "names Secret and key: {error}");
        assert!(!error.contains(psk), "and not what it holds: {error}");
    }
}

#[test]
fn an_edit_of_what_emnify_shows_is_told_and_cannot_be_sent() {
    let mut named = vpn();
    named["name"] = json!("b");
    named["description"] = json!("to the hall");
    let elsewhere = with(vpn(), "/region", json!("us-east-1"));
    assert_eq!(differs(&vpn(), &named), ["name", "description"]);
    assert_eq!(differs(&vpn(), &elsewhere), ["region"]);
    assert_eq!(differs(&vpn(), &gateway()), ["transitGateway"], "another type");
    assert_eq!(differs(&vpn(), &vpn()), [] as [&str; 0]);
}

#[test]
fn an_edit_of_what_emnify_does_not_show_is_told_by_the_mark() {
    let order = with(vpn(), "/vpn/onPremCidrs", json!(["10.0.0.0/16", "192.0.2.0/24"]));
    assert_eq!(differs(&vpn(), &order), [] as [&str; 0], "their order says nothing");
    for (path, value) in
        [("/vpn/onPremCidrs", json!(["10.0.0.0/16"])), ("/vpn/publicIp", json!("203.0.113.11"))]
    {
        assert_eq!(differs(&vpn(), &with(vpn(), path, value)), ["vpn"], "{path}");
    }
    let account = with(gateway(), "/transitGateway/awsAccountId", json!("123456789013"));
    assert_eq!(differs(&gateway(), &account), ["transitGateway"]);
    let found = diff(&account, &have(row_of(&gateway()), Parts::default()), &CloudConnectStatus::default());
    let told = FieldDiff::new(
        "transitGateway",
        "as it was ordered",
        "vpcCidrs 10.0.0.0/16, awsAccountId 123456789013",
    );
    assert_eq!(found.immutable, [told], "with what the spec says");
    let mut theirs = row_of(&vpn());
    theirs.description = Some("by hand".into());
    let spec = with(vpn(), "/vpn/publicIp", json!("203.0.113.11"));
    let found = diff(&spec, &have(theirs, Parts::default()), &CloudConnectStatus::default());
    assert!(found.immutable.is_empty(), "of what others ordered nobody knows: {found:?}");
}

#[test]
fn the_digest_of_an_order_stays_as_it_is() {
    let digest = |spec: &Value| want(spec).network.unwrap().digest();
    let known = [digest(&vpn()), digest(&gateway())];
    assert_eq!(
        known,
        ["eb2ee13fe523", "53ba10864513"],
        "or attachments that run look as if they had been ordered otherwise"
    );
}

#[test]
fn a_key_is_compared_as_emnify_shows_it_and_else_by_what_was_sent() {
    let sent = |digest: &str| CloudConnectStatus {
        common: CommonStatus {
            provenance: Some(Provenance::Created),
            inputs: Some(Box::new([(PSK.to_owned(), digest.to_owned())].into())),
            ..CommonStatus::default()
        },
        ..CloudConnectStatus::default()
    };
    let told = |shown: Option<&str>, status: &CloudConnectStatus| {
        let parts = Parts { tunnels: tunnels(shown), ..Parts::default() };
        let found = diff(&keyed(), &have(row_of(&keyed()), parts), status);
        assert!(!format!("{found:?}").contains(KEY), "no key is printed: {found:?}");
        found.immutable.into_iter().map(|field| field.path).collect::<Vec<_>>()
    };
    assert_eq!(told(Some(KEY), &sent("another salt")), [] as [&str; 0], "what is shown counts");
    assert_eq!(told(Some("another.key"), &sent("d")), [PSK]);
    assert_eq!(told(None, &sent("d")), [] as [&str; 0]);
    assert_eq!(told(None, &sent("e")), [PSK], "a rotated key is told: emnify cannot change it");
    assert_eq!(
        told(None, &CloudConnectStatus::default()),
        [] as [&str; 0],
        "what nobody knows is not held against it"
    );
}

#[test]
fn what_emnify_shows_of_the_tunnels_goes_into_the_secret_until_it_is_there() {
    let mut spec = vpn();
    spec["vpn"]["outputSecret"] = json!({"name": "tunnel"});
    let status = CloudConnectStatus::default();
    let none = diff(&spec, &have(in_state(&spec, 4), Parts::default()), &status);
    assert!(none.changes.is_empty(), "there is nothing to deliver yet");
    let parts = Parts { tunnels: tunnels(Some(KEY)), ..Parts::default() };
    let mut up = have(row_of(&spec), parts);
    let found = diff(&spec, &up, &status);
    let [change @ Change::Deliver { values, lacks }] = &found.changes[..] else { panic!("{found:?}") };
    assert_eq!(lacks.len(), 6, "{lacks:?}");
    assert_eq!(values["tunnel-2-psk"].expose_secret(), KEY);
    assert_eq!(values["tunnel-1-asn"].expose_secret(), "64512");
    let said = format!("{change} {change:?} {:?} {}", change.fields(), change.request());
    assert!(!said.contains(KEY), "{said}");
    let data: HashMap<_, _> = values.clone().into_iter().collect();
    up.output = Some(Arc::new(Output { data: data.clone(), ..Output::default() }));
    assert!(diff(&spec, &up, &status).changes.is_empty(), "and then it is");
    let mut data = data;
    data.insert("tunnel-1-psk".into(), "theirs".to_owned().into());
    up.output = Some(Arc::new(Output { data, ..Output::default() }));
    let found = diff(&spec, &up, &status);
    assert!(matches!(&found.changes[..], [Change::Deliver { lacks, .. }] if *lacks == ["tunnel-1-psk"]));
}

#[test]
fn the_secret_stays_unless_the_attachment_goes() {
    let mut spec = vpn();
    spec["vpn"]["outputSecret"] = json!({"name": "tunnel"});
    for (policy, keep) in
        [(None, true), (Some(DeletionPolicy::Orphan), true), (Some(DeletionPolicy::Delete), false)]
    {
        let mut object = object::<CloudConnect>(&spec);
        object.spec.common.deletion_policy = policy;
        assert_eq!(object.output().map(|to| to.keep), Some(keep), "{policy:?}");
    }
    assert_eq!(object::<CloudConnect>(&vpn()).output(), None);
}

#[test]
fn phases_say_who_is_waited_for() {
    for waits in [1, 2] {
        let mut row = in_state(&gateway(), waits);
        row.accept_before = Some("2026-05-08T12:00:00Z".parse().unwrap());
        let early = phase(row.clone(), NOW);
        assert!(
            matches!(early, Phase::Busy { reason: reason::WAITING_FOR_CUSTOMER, .. }),
            "status {waits}: {early:?}"
        );
        let late = phase(row, "2026-05-08T12:00:01Z");
        assert!(
            matches!(late, Phase::Broken { reason: reason::ACCEPT_EXPIRED, .. }),
            "status {waits}: {late:?}"
        );
    }
    for set_up in [3, 4, 9] {
        let phase = phase(in_state(&gateway(), set_up), NOW);
        assert!(
            matches!(phase, Phase::Busy { reason: reason::PROVISIONING, .. }),
            "status {set_up}: {phase:?}"
        );
    }
    assert_eq!(phase(in_state(&gateway(), 5), NOW), Phase::Settled);
    assert!(matches!(phase(in_state(&vpn(), 6), NOW), Phase::Busy { reason: reason::DELETING, .. }));
    assert!(matches!(phase(in_state(&vpn(), 8), NOW), Phase::Broken { reason: reason::ROLLING_BACK, .. }));
    assert!(CloudConnect::is_deleted(&in_state(&vpn(), 7)), "it is absent");
}

#[test]
fn a_deletion_disturbs_everybody_of_one_that_is_in_use() {
    let parts = Parts { devices: Some(120), ..Parts::default() };
    let disturbs = |state| {
        let changes = CloudConnect::retire(&have(in_state(&vpn(), state), parts.clone()), &context());
        assert!(changes[0].accepted(), "it takes a while");
        changes[0].class().disturbs
    };
    assert_eq!((disturbs(5), disturbs(3), disturbs(8), disturbs(99)), (120, 0, 0, 120));
    assert_eq!(CloudConnect::parts_to_retire(None), [Part::Devices], "they are counted first");
}

#[test]
fn what_emnify_does_not_delete_is_not_asked_of_it() {
    let forbids = |row: Row| {
        let have = have(row, Parts::default());
        let veto = CloudConnect::forbids(&Change::Delete { disturbs: 0 }, &have, &context());
        veto.map(|veto| veto.reason)
    };
    assert_eq!(forbids(in_state(&vpn(), 8)), Some(reason::ROLLING_BACK));
    let mut classic = row_of(&gateway());
    classic.kind = from_value(json!({"id": 7, "description": "TGW classic"})).unwrap();
    let same = diff(&gateway(), &have(classic.clone(), Parts::default()), &CloudConnectStatus::default());
    assert!(same.immutable.is_empty(), "it is a transit gateway all the same");
    assert_eq!(forbids(classic), Some(reason::REJECTED));
    assert_eq!(forbids(row_of(&vpn())), None);
}

#[test]
fn the_status_says_what_it_is_and_costs_and_holds_no_key() {
    let prices = Some((Timestamp::UNIX_EPOCH, [(2, "120.00 EUR".to_owned())].into()));
    let parts = Parts { tunnels: tunnels(Some(KEY)), prices, devices: None };
    let mut row = row_of(&vpn());
    row.vpn_connection = Some("vpn-1".into());
    let mut status = CloudConnectStatus::default();
    object::<CloudConnect>(&vpn()).report(&have(row, parts), None, &mut status);
    let shown = serde_json::to_value(&status).unwrap();
    let tunnels = json!([{"outsideAddress": "198.51.100.1"}, {"outsideAddress": "198.51.100.2"}]);
    let told = json!({"state": "Active", "type": "IPSec VPN", "region": "eu-west-1", "monthlyPrice": "120.00 EUR",
        "attachmentId": "vpn-1", "tunnels": tunnels});
    assert_eq!(shown, told);
}

#[tokio::test(start_paused = true)]
async fn prices_are_asked_for_once_a_day_and_devices_are_counted() {
    let api = api(&Simulator::start(Options::default()));
    let mut parts = Parts::default();
    rows::read(&api, &4.into(), Part::Prices, &mut parts).await.unwrap();
    let (_, prices) = parts.prices.as_ref().expect("they were read");
    assert_eq!(prices.get(&2).map(String::as_str), Some("120.00 EUR"));
    parts.prices.as_mut().expect("they were read").1.clear();
    rows::read(&api, &4.into(), Part::Prices, &mut parts).await.unwrap();
    assert!(parts.prices.as_ref().is_some_and(|(_, prices)| prices.is_empty()), "not again so soon");
    parts.prices.as_mut().expect("they were read").0 -= jiff::SignedDuration::from_hours(25);
    rows::read(&api, &4.into(), Part::Prices, &mut parts).await.unwrap();
    assert!(parts.prices.is_some_and(|(_, prices)| !prices.is_empty()), "but the next day");
    let mut parts = Parts::default();
    rows::read(&api, &4.into(), Part::Devices, &mut parts).await.unwrap();
    assert!(parts.devices.is_some(), "emnify says how many there are");
}

#[test]
fn the_schema_asks_for_one_type_a_region_and_the_fee() {
    let check = |spec: &Value| object::<CloudConnect>(spec).validate_cel().map_err(|e| format!("{e:?}"));
    for good in [vpn(), keyed(), gateway(), json!({"id": "4"})] {
        check(&good).unwrap_or_else(|error| panic!("{good}: {error}"));
    }
    let mut both = vpn();
    both["transitGateway"] = gateway()["transitGateway"].clone();
    let mut homeless = gateway();
    homeless.as_object_mut().unwrap().remove("region");
    let neither = json!({"acknowledgeMonthlyFee": true});
    let unpaid = with(vpn(), "/acknowledgeMonthlyFee", json!(false));
    let mut two_keys = keyed();
    two_keys["vpn"]["outputSecret"] = json!({"name": "tunnel"});
    for bad in [both, homeless, neither, unpaid, two_keys] {
        assert!(check(&bad).is_err(), "{bad}");
    }
}

#[test]
fn attachments_are_counted_by_state() {
    let mut counted = Vec::new();
    let count = CloudConnect::CENSUS.unwrap();
    count(&in_state(&vpn(), 5), None, None, &mut |group, name| counted.push((group, name.to_owned())));
    assert_eq!(counted, [(group::CLOUD_CONNECT, "Active".to_owned())]);
}
