use emnify::wire::integration::DnsConfig as Pair;
use emnify_engine::kind::{FieldDiff, Find, Inputs, Key, Managed};
use serde_json::{Value, json};

use super::DnsConfig;
use crate::kinds::laws::{api, is_found_again, kind_laws, look, object};

fn pair(primary: &str, secondary: &str) -> Value {
    json!({"primary": primary, "secondary": secondary})
}

fn there() -> Pair {
    Pair {
        id: 7,
        primary: "9.9.9.9".into(),
        secondary: "149.112.112.112".into(),
        ip_address_version: Some(4),
    }
}

kind_laws!(
    DnsConfig,
    there: (there(), ()),
    inputs: Inputs::default(),
    bare: pair("9.9.9.9", "149.112.112.112"),
    // emnify changes nothing about a pair
    others: [] as [serde_json::Value; 0],
    new: pair("10.0.0.1", "10.0.0.2"),
);

#[test]
fn another_pair_is_another_object() {
    let want = object::<DnsConfig>(&pair("9.9.9.9", "1.1.1.1")).want(&Inputs::default()).unwrap();
    let diff = look::<DnsConfig>(&want, &there(), &());
    assert!(diff.changes.is_empty(), "emnify has no update");
    assert_eq!(diff.immutable, [FieldDiff::new("secondary", "149.112.112.112", "1.1.1.1")]);
}

#[test]
fn a_pair_is_known_by_its_addresses_as_profiles_name_it() {
    let want = object::<DnsConfig>(&pair("9.9.9.9", "149.112.112.112")).want(&Inputs::default()).unwrap();
    let name = Key::new(Key::NAME, "9.9.9.9, 149.112.112.112");
    assert_eq!(DnsConfig::find(&want, None), [Find::Natural(name.clone())]);
    let mut keys = Vec::new();
    DnsConfig::keys(&there(), &mut |key| keys.push(key));
    assert_eq!(keys, [name]);
}

#[tokio::test(start_paused = true)]
async fn a_pair_is_made_for_ipv4_and_deleted() {
    let simulator = emnify_simulator::Simulator::start(emnify_simulator::Options::default());
    let api = api(&simulator);
    let id = is_found_again::<DnsConfig>(&api, &pair("10.0.0.1", "10.0.0.2")).await;
    let row = DnsConfig::read(&api, &id).await.unwrap().unwrap();
    assert_eq!(row.ip_address_version, Some(4), "emnify requires the version");
    DnsConfig::apply(&api, &id, &emnify_engine::kind::RecordChange::Delete { disturbs: 0 }).await.unwrap();
    assert_eq!(DnsConfig::read(&api, &id).await, Ok(None));
}

#[test]
fn only_two_ipv4_addresses_are_a_pair() {
    let check = |spec: Value| object::<DnsConfig>(&spec).validate_cel().is_ok();
    assert!(check(pair("9.9.9.9", "149.112.112.112")));
    assert!(!check(pair("9.9.9.9", "9.9.9.9")), "the same one twice");
}
