//! What was there before is taken over with consent, and left behind.

use emnify_simulator::state::Organisation;
use serde_json::json;

use crate::support::{ORGANISATION, Result, apply_ready, delete, look, stage};

fn manifest(kind: &str, spec: serde_json::Value) -> String {
    let metadata = json!({"name": "adopted"});
    json!({"apiVersion": "emnify.io/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec}).to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_adopted_is_left_behind() -> Result<()> {
    const DEVICE: u64 = 11_000_001;
    let stage = stage("adopted").await?;
    stage.simulator().edit(|state| {
        let device = json!({"id": DEVICE, "name": "by hand", "service_profile": 101, "tariff_profile": 201});
        let device = serde_json::from_value(device).expect("a device of a seed");
        let platform: &mut Organisation =
            state.organisations.get_mut(&ORGANISATION).expect("the seed's organisation");
        platform.endpoints.insert(DEVICE, device);
    })?;
    for (kind, spec) in [
        ("ServiceProfile", json!({"id": "101", "name": "Taken over"})),
        ("TariffProfile", json!({"id": "201", "name": "Taken over"})),
        ("Endpoint", json!({"id": DEVICE.to_string(), "name": "Taken over"})),
        ("ApplicationToken", json!({"id": "502", "description": "Taken over"})),
    ] {
        let object = apply_ready(&stage, kind, "adopted", &manifest(kind, spec)).await?;
        assert_eq!(object["status"]["provenance"], "Adopted", "{kind}: writing the id is consent");
        let names = look(&stage, |platform| names(platform, DEVICE));
        assert_eq!(names[kind_index(kind)], "Taken over", "{kind}: what was adopted follows the spec");
        delete(&stage, kind, "adopted").await?;
    }
    let names = look(&stage, |platform| names(platform, DEVICE));
    assert_eq!(names, ["Taken over"; 4], "what was adopted stays, as it is");
    assert!(!look(&stage, |platform| platform.application_tokens[&502].revoked), "an adopted token lives on");
    Ok(())
}

fn kind_index(kind: &str) -> usize {
    let kinds = ["ServiceProfile", "TariffProfile", "Endpoint", "ApplicationToken"];
    kinds.iter().position(|known| *known == kind).expect("one of these kinds")
}

fn names(platform: &Organisation, device: u64) -> [String; 4] {
    [
        platform.service_profiles[&101].name.clone(),
        platform.tariff_profiles[&201].name.clone(),
        platform.endpoints[&device].name.clone(),
        platform.application_tokens[&502].description.clone().unwrap_or_default(),
    ]
}
