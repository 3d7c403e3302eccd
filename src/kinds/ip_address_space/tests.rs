use std::sync::Arc;

use emnify::wire::integration::IpAddressSpace as Row;
use emnify_engine::kind::{FieldDiff, Find, Have, Inputs, Key, Managed, RecordChange};
use serde_json::json;

use super::{IpAddressSpace, IpAddressSpaceStatus, key};
use crate::kinds::laws::{api, is_found_again, kind_laws, look, object};

fn there() -> Row {
    Row {
        id: 31,
        ip_address_space: "10.192.4.0/24".into(),
        ip_address_version: Some(4),
        used_count: Some(3),
        available_count: Some(251),
    }
}

kind_laws!(
    IpAddressSpace,
    there: (there(), ()),
    inputs: Inputs::default(),
    bare: json!({"cidr": "10.192.4.0/24"}),
    // emnify changes nothing about a space
    others: [] as [serde_json::Value; 0],
    new: json!({"cidr": "10.192.4.0/24"}),
);

fn told(cidr: &str) -> Option<String> {
    let want = object::<IpAddressSpace>(&json!({"cidr": cidr})).want(&Inputs::default());
    want.err().map(|invalid| invalid.to_string())
}

#[test]
fn another_range_is_another_object() {
    let want = object::<IpAddressSpace>(&json!({"cidr": "10.192.5.0/24"})).want(&Inputs::default()).unwrap();
    let diff = look::<IpAddressSpace>(&want, &there(), &());
    assert!(diff.changes.is_empty(), "emnify has no update");
    assert_eq!(diff.immutable, [FieldDiff::new("cidr", "10.192.4.0/24", "10.192.5.0/24")]);
}

#[test]
fn a_space_is_known_by_its_range_however_it_is_written() {
    let want = object::<IpAddressSpace>(&json!({"cidr": "10.192.4.0/24"})).want(&Inputs::default()).unwrap();
    let name = Key::new(Key::NAME, "10.192.4.0/24");
    assert_eq!(IpAddressSpace::find(&want, None), [Find::Natural(name.clone())]);
    let mut keys = Vec::new();
    IpAddressSpace::keys(&Row { ip_address_space: "10.192.4.7/24".into(), ..there() }, &mut |key| {
        keys.push(key);
    });
    assert_eq!(keys, std::slice::from_ref(&name), "an address and its range are one space");
    assert_eq!(key("10.192.4.7/24"), name, "for devices that name it too");
    assert_eq!(key("FD00::/64"), Key::new(Key::NAME, "fd00::/64"), "a listing may hold others");
}

#[test]
fn a_range_that_emnify_would_refuse_is_told_before_it_is_sent() {
    assert_eq!(told("10.192.4.0/24"), None);
    assert_eq!(told("100.64.1.0/24"), None);
    let said = |cidr: &str, word: &str| {
        let message = told(cidr).unwrap_or_default();
        assert!(message.starts_with("cidr: ") && message.contains(word), "{cidr}: {message:?}");
    };
    said("10.192.4.7/24", "write 10.192.4.0/24");
    said("10.0.0.0/24", "within 10.112.0.0/12");
    said("10.192.0.0/8", "10.0.0.0/8");
    said("10.0.0.0/8", "within");
    said("100.64.0.0/28", "keeps for itself");
    said("100.64.0.0/16", "keeps for itself");
    said("10.192.4.0/33", "such as");
    said("10.192.4/24", "such as");
    let there = object::<IpAddressSpace>(&json!({"cidr": "10.0.0.0/24", "id": "7"}));
    assert!(there.want(&Inputs::default()).is_ok(), "what is there already may be of older rules");
}

#[tokio::test(start_paused = true)]
async fn a_space_is_made_for_ipv4_shows_what_is_left_and_is_deleted() {
    let simulator = emnify_simulator::Simulator::start(emnify_simulator::Options::default());
    let api = api(&simulator);
    let spec = json!({"cidr": "10.192.4.0/28"});
    let id = is_found_again::<IpAddressSpace>(&api, &spec).await;
    let row = IpAddressSpace::read(&api, &id).await.unwrap().unwrap();
    let have: Have<IpAddressSpace> = Have { row: Arc::new(row), parts: Arc::new(()), output: None };
    let mut status = IpAddressSpaceStatus::default();
    Managed::report(&object::<IpAddressSpace>(&spec), &have, None, &mut status);
    assert_eq!((status.used_count, status.available_count), (Some(0), Some(14)));
    IpAddressSpace::apply(&api, &id, &RecordChange::Delete { disturbs: 0 }).await.unwrap();
    assert_eq!(IpAddressSpace::read(&api, &id).await, Ok(None));
}

#[test]
fn only_ipv4_is_assigned() {
    let check = |cidr: &str| object::<IpAddressSpace>(&json!({"cidr": cidr})).validate_cel().is_ok();
    assert!(check("10.192.4.0/24") && !check("fd00::/64"));
}
