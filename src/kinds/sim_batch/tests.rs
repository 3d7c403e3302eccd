use emnify::wire::sim::Sim;
use serde_json::{from_value, json};

use super::{ranges, *};

fn sims(iccids: impl IntoIterator<Item = u64>) -> Vec<Sim> {
    let sim =
        |(id, iccid): (usize, u64)| from_value(json!({"id": id + 1, "iccid": iccid.to_string()})).unwrap();
    iccids.into_iter().enumerate().map(sim).collect()
}

const FIRST: u64 = 8_988_303_000_000_010_000;

#[test]
fn iccids_are_told_in_as_few_ranges_as_there_can_be() {
    let (found, truncated) = ranges::of(&sims([FIRST + 2, FIRST, FIRST + 1, FIRST + 9, FIRST + 2]));
    let told = serde_json::to_value(found).unwrap();
    let wanted = json!([
        {"from": "8988303000000010000", "to": "8988303000000010002"},
        {"from": "8988303000000010009", "to": "8988303000000010009"}
    ]);
    assert_eq!((told, truncated), (wanted, false));
}

#[test]
fn what_no_manifest_can_name_is_in_no_range_and_a_check_digit_in_none() {
    let odd: Vec<Sim> = ["89883030000000100A1", "898830300000001000", "89883030000000100005"]
        .iter()
        .map(|iccid| from_value(json!({"id": 1, "iccid": iccid})).unwrap())
        .collect();
    let (found, _) = ranges::of(&odd);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].from.as_str(), "8988303000000010000");
}

#[test]
fn a_status_shows_256_ranges_and_says_that_there_are_more() {
    let (all, truncated) = ranges::of(&sims((0..256).map(|n| FIRST + 2 * n)));
    assert_eq!((all.len(), truncated), (256, false));
    let (some, truncated) = ranges::of(&sims((0..257).map(|n| FIRST + 2 * n)));
    assert_eq!((some.len(), truncated), (256, true));
    assert!(serde_json::to_string(&some).unwrap().len() < 32 * 1024, "a status stays small");
}

#[test]
fn a_state_that_emnify_does_not_give_is_refused_here_too() {
    let spec = |state| from_value(json!({"bic": "0123-4567", "state": state})).unwrap();
    assert!(SimBatch::new("b", spec("Activated")).terms().is_err(), "where a rule was not applied");
    assert!(SimBatch::new("b", spec("FactoryTest")).terms().is_ok());
}
