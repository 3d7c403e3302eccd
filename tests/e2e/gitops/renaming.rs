//! A commit that gives a device's object another name: to a tool, one object that comes and one that is pruned.

use emnify_harness::stage::is_ready;
use emnify_simulator::state::Organisation;

use crate::support::{DEVICE, Result, delete, edited, holds, says, stage};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_new_name_waits_until_the_old_one_has_let_go() -> Result<()> {
    let stage = stage("renaming").await?;
    stage.apply(DEVICE).await?;
    let old = stage.wait_for("Endpoint", "meter-1", "Ready", is_ready).await?;
    stage.apply(&edited(DEVICE, &[("name: meter-1", "name: meter-a")])).await?;
    // Flux prunes before it looks at health, and gives up at the first `Stalled`
    says(&stage, ("Endpoint", "meter-a"), ("Reconciling", "InUse"), &["meter-1"]).await?;
    delete(&stage, "Endpoint", "meter-1").await?;
    let new = stage.wait_for("Endpoint", "meter-a", "Ready", is_ready).await?;
    assert_ne!(new["status"]["id"], old["status"]["id"], "it is another device");
    let with_sim = |platform: &Organisation| platform.endpoints.values().filter(|d| d.sim.is_some()).count();
    holds(&stage, "the SIM is in the new device only", with_sim, 1).await
}
