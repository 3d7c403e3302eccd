//! What can be typed behind `bench`.

use std::path::PathBuf;

use clap::{ArgGroup, Args, ValueEnum as _};

use super::scenario::Scenario;

/// Flags of `bench`.
#[derive(Args, Clone, Debug)]
#[command(
    override_usage = "cargo run --release -p emnify-harness -- bench [OPTIONS] <SCENARIO..|--all|--list>",
    group = ArgGroup::new("what").required(true).args(["scenarios", "all", "list"])
)]
#[allow(clippy::struct_excessive_bools, reason = "flags are")]
pub struct BenchArgs {
    /// What to measure.
    #[arg(value_enum, value_name = "SCENARIO")]
    scenarios: Vec<Scenario>,
    /// Measure everything; takes more than an hour.
    #[arg(long)]
    all: bool,
    /// Say what can be measured.
    #[arg(long)]
    pub list: bool,
    /// Wait less where waiting is what is measured.
    #[arg(long)]
    pub quick: bool,
    /// Keep every core busy beside it: calls must not depend on the machine. Times are not meant for that.
    #[arg(long)]
    pub load: bool,
    /// Write the results into this page.
    #[arg(long, value_name = "FILE.md")]
    pub write: Option<PathBuf>,
    /// So many devices instead of those of each scenario, to try a scenario; its bars are not meant for that.
    #[arg(long, value_name = "N", conflicts_with = "write", value_parser = clap::value_parser!(u64).range(50..))]
    pub devices: Option<u64>,
    /// Take the operator's binary that is there instead of building it.
    #[arg(long)]
    pub no_build: bool,
    /// Leave logs and state of control planes and operator behind, and say where.
    #[arg(long)]
    pub keep: bool,
}

impl BenchArgs {
    /// What to measure, from cheap to expensive, each once.
    pub fn scenarios(&self) -> Vec<Scenario> {
        let mut wanted = if self.all { Scenario::value_variants().to_vec() } else { self.scenarios.clone() };
        wanted.sort_unstable();
        wanted.dedup();
        wanted
    }
}
