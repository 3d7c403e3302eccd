//! SIMs cost money: what somebody suspends at the portal stays suspended until a manifest says otherwise.

use emnify_harness::stage::condition;
use emnify_simulator::state::{Organisation, SimState};
use serde_json::{Value, json};

use super::quick_stage;
use crate::{
    portal::{PortalClient, Traffic},
    support::{DEVICE, ORGANISATION, Result, edited, holds, look, make_ready},
};

const SIM: &str = r#"
apiVersion: emnify.io/v1alpha1
kind: Sim
metadata:
  name: spare-1
spec:
  iccid: "8988303000000010003"
  state: Activated
"#;

const EID: &str = "89049032000001000000000000000001";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sim_is_activated_on_an_edit_only() -> Result<()> {
    let stage = quick_stage("drift-sim").await?;
    let portal = PortalClient::open(&stage).await?;
    let cases = [
        (
            "Endpoint",
            "meter-1",
            DEVICE,
            10_000_001,
            edited(DEVICE, &[("name: Meter 1", "name: Meter 1, roof")]),
        ),
        (
            "Sim",
            "spare-1",
            SIM,
            10_000_003,
            edited(SIM, &[("state: Activated", "state: Activated\n  driftPolicy: Correct")]),
        ),
    ];
    stage.simulator().edit(|state| {
        let platform = state.organisations.get_mut(&ORGANISATION).expect("it is in the seed");
        platform.sims.get_mut(&10_000_003).expect("it is in the seed").eid = Some(EID.to_owned());
        let profiles = json!([{"iccid": "8988303000000010003", "status": 2, "fallback": true}]);
        let euicc = serde_json::from_value(json!({"id": 1, "eid": EID, "profiles": profiles}));
        platform.euiccs.put(euicc.expect("an eUICC"));
    })?;
    let states = |platform: &Organisation| [10_000_001, 10_000_003].map(|id| platform.sims[&id].status);
    for (kind, name, manifest, _, _) in &cases {
        make_ready(&stage, kind, name, manifest).await?;
    }
    assert_eq!(look(&stage, states), [SimState::Activated; 2]);
    let euicc = json!({"eid": EID, "profile": "Enabled", "fallback": true});
    stage.wait_for("Sim", "spare-1", "its eUICC", |sim| sim["status"]["euicc"] == euicc).await?;

    let traffic = Traffic::from_now(&stage);
    for (_, _, _, sim, _) in &cases {
        portal.patch(&format!("/api/v1/sim/{sim}"), json!({"status": {"id": 2}})).await?;
    }
    for (kind, name, ..) in &cases {
        let says = |object: &Value| {
            condition(object, "Drifted").is_some_and(|found| {
                let message = found["message"].as_str().unwrap_or_default();
                found["status"] == "True" && message.contains("Suspended") && message.contains("Activated")
            })
        };
        stage.wait_for(kind, name, "Drifted: Suspended -> Activated", says).await?;
    }
    traffic.two_sweeps("/api/v1/endpoint").await?;
    let patches: Vec<_> = cases.iter().map(|(_, _, _, sim, _)| format!("PATCH /api/v1/sim/{sim}")).collect();
    assert_eq!(traffic.writes(), patches, "only the portal writes");
    assert_eq!(look(&stage, states), [SimState::Suspended; 2], "a SIM is never activated as drift");

    for (kind, name, _, _, edit) in &cases {
        make_ready(&stage, kind, name, edit).await?;
    }
    holds(&stage, "an edit of the spec activates", states, [SimState::Activated; 2]).await
}
