//! Contracts of SIMs begin and end at their dates, with nobody at the keyboard.

use emnify_simulator::state::{Organisation, SimState};
use jiff::{Timestamp, ToSpan as _};
use serde_json::json;

use super::quick_stage;
use crate::{
    portal::PortalClient,
    support::{Result, holds, look, make_ready},
};

fn objects(from: Timestamp, until: Timestamp) -> [(&'static str, &'static str, String); 3] {
    let state = |indent: &str| {
        format!("state: Activated\n{indent}activeFrom: \"{from}\"\n{indent}activeUntil: \"{until}\"")
    };
    let head = |kind: &str, name: &str| {
        format!("apiVersion: emnify.io/v1alpha1\nkind: {kind}\nmetadata:\n  name: {name}\nspec:\n")
    };
    let profiles = |indent: &str| {
        format!(
            "{indent}serviceProfile:\n{indent}  id: \"101\"\n{indent}tariffProfile:\n{indent}  id: \"201\"\n"
        )
    };
    let device = format!(
        "{}  sim:\n    iccid: \"8988303000000010001\"\n    {}\n{}",
        head("Endpoint", "meter-1"),
        state("    "),
        profiles("  ")
    );
    let fleet = format!(
        "{}  sims:\n    list: [\"8988303000000010002\"]\n  template:\n    sim:\n      {}\n{}",
        head("EndpointSet", "meters"),
        state("      "),
        profiles("    ")
    );
    let sim = format!("{}  iccid: \"8988303000000010003\"\n  {}\n", head("Sim", "spare-1"), state("  "));
    [("Endpoint", "meter-1", device), ("EndpointSet", "meters", fleet), ("Sim", "spare-1", sim)]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn contracts_begin_and_end_by_themselves_also_over_a_downtime() -> Result<()> {
    let mut stage = quick_stage("contracts").await?;
    let portal = PortalClient::open(&stage).await?;
    let from = Timestamp::now() + 12.seconds();
    // however long all that takes here
    let far = from + 10.hours();
    let states =
        |platform: &Organisation| [10_000_001, 10_000_002, 10_000_003].map(|id| platform.sims[&id].status);
    for (kind, name, manifest) in &objects(from, far) {
        make_ready(&stage, kind, name, manifest).await?;
    }
    holds(&stage, "every SIM is activated", states, [SimState::Activated; 3]).await?;
    assert!(Timestamp::now() >= from, "and not before its date");

    portal.patch("/api/v1/sim/10000003", json!({"status": {"id": 2}})).await?;
    stage
        .wait_for("Sim", "spare-1", "Drifted", |sim| {
            let conditions = sim["status"]["conditions"].as_array();
            conditions.is_some_and(|all| all.iter().any(|c| c["type"] == "Drifted" && c["status"] == "True"))
        })
        .await?;
    let now = look(&stage, states);
    assert_eq!(
        now[2],
        SimState::Suspended,
        "a date that has passed activates nothing that somebody suspended"
    );

    // an edit within the contract activates, and its end is soon; it may have come before the operator looks
    let until = Timestamp::now() + 20.seconds();
    for (_, _, manifest) in &objects(from, until) {
        stage.apply(manifest).await?;
    }
    stage.stop_operator().await?;
    stage.eventually("the end of the contracts has passed", async || Ok(Timestamp::now() >= until)).await?;
    stage.start_operator()?;
    holds(&stage, "contracts that ended meanwhile are ended", states, [SimState::Suspended; 3]).await?;
    for (kind, name, _) in &objects(from, until) {
        stage
            .wait_for(kind, name, "settled at its end", |object| {
                object["status"]["settledDate"] == until.to_string()
            })
            .await?;
    }
    Ok(())
}
