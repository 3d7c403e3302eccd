//! What somebody changes at the portal: managed fields are set back, others are left alone, and policies hold.

mod contracts;
mod fields;
mod policies;
mod sims;

use emnify_harness::stage::Stage;

use crate::support::{Result, options};

/// A running operator that lists everything every ten seconds, and the Workspace `default`.
async fn quick_stage(name: &str) -> Result<Stage> {
    let mut options = options(name)?;
    options.flags.push("--sweep-interval=10s".to_owned());
    let mut stage = Stage::start(options).await?;
    stage.start_operator()?;
    stage.apply_workspace("default").await?;
    Ok(stage)
}
