//! What was there before is taken over with consent, and left behind.

use emnify_simulator::state::Organisation;
use serde_json::{Value, json};

use crate::support::{ORGANISATION, Result, apply_ready, delete, look, stage};

const DEVICE: u64 = 11_000_001;

/// Kind, spec that adopts and renames, and the name in emnify.
type Adoption = (&'static str, Value, fn(&Organisation) -> Option<&str>);

fn adoptions() -> [Adoption; 4] {
    let device = DEVICE.to_string();
    [
        ("ServiceProfile", json!({"id": "101", "name": "Taken over"}), |platform| {
            platform.service_profiles.get(&101).map(|profile| profile.name.as_str())
        }),
        ("TariffProfile", json!({"id": "201", "name": "Taken over"}), |platform| {
            platform.tariff_profiles.get(&201).map(|profile| profile.name.as_str())
        }),
        ("Endpoint", json!({"id": device, "name": "Taken over"}), |platform| {
            platform.endpoints.get(&DEVICE).map(|device| device.name.as_str())
        }),
        ("ApplicationToken", json!({"id": "502", "description": "Taken over"}), |platform| {
            let token = platform.application_tokens.get(&502).filter(|token| !token.revoked);
            token.and_then(|token| token.description.as_deref())
        }),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_adopted_is_left_behind() -> Result<()> {
    let stage = stage("adopted").await?;
    stage.simulator().edit(|state| {
        let device = json!({"id": DEVICE, "name": "by hand", "service_profile": 101, "tariff_profile": 201});
        let device = serde_json::from_value(device).expect("a device of a seed");
        let platform = state.organisations.get_mut(&ORGANISATION).expect("the seed's organisation");
        platform.endpoints.insert(DEVICE, device);
    })?;
    for (kind, spec, name) in adoptions() {
        let metadata = json!({"name": "adopted"});
        let manifest =
            json!({"apiVersion": "emnify.io/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec});
        let object = apply_ready(&stage, kind, "adopted", &manifest.to_string()).await?;
        assert_eq!(object["status"]["provenance"], "Adopted", "{kind}: writing the id is consent");
        let now = || look(&stage, |platform| name(platform).map(str::to_owned));
        assert_eq!(now().as_deref(), Some("Taken over"), "{kind}: what was adopted follows the spec");
        delete(&stage, kind, "adopted").await?;
        assert_eq!(now().as_deref(), Some("Taken over"), "{kind}: what was adopted stays, as it is");
    }
    Ok(())
}
