//! `bench`: what the operator costs, measured from outside.
//!
//! The operator runs as a process of its own, as it is released, on a real control plane and against the simulator with
//! the platform's limits. Calls are counted by the simulator; memory and processor time are the kernel's figures.

mod board;
mod calls;
mod figure;
mod ground;
mod load;
mod machine;
mod page;
mod portal;
mod program;
mod report;
mod scenarios;
mod usage;

use std::process::ExitCode;

use anyhow::Result;
use clap::ValueEnum;

use crate::cli::BenchArgs;
use ground::Site;
use machine::Machine;
use report::Report;
use scenarios::Worlds;

/// What can be measured, from cheap to expensive; a restart before devices move, since a first listing tells what they
/// brought along (an IMEI), and that is news.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Scenario {
    /// 1,000 new devices with SIMs, from the first apply to the last Ready.
    #[value(name = "create-1000")]
    Create1000,
    /// A workspace whose token emnify refuses.
    WrongToken,
    /// Edits of devices while 10,000 others are being created.
    EditLatency,
    /// 10,000 new devices with SIMs, from the first apply to the last Ready.
    #[value(name = "create-10000")]
    Create10000,
    /// Stop and start with 10,000 devices.
    #[value(name = "restart-10000")]
    Restart10000,
    /// 10,000 devices that attach and move, and nothing else to do.
    #[value(name = "steady-10000")]
    Steady10000,
    /// Changes made at the portal, until they are corrected, with 10,000 devices.
    DriftLatency,
    /// 100,000 new devices of one object.
    #[value(name = "fleet-100000")]
    Fleet100000,
}

impl Scenario {
    /// As it is typed.
    fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    /// What it is about.
    fn about(self) -> String {
        let value = self.to_possible_value();
        value.and_then(|value| value.get_help().map(ToString::to_string)).unwrap_or_default()
    }
}

/// Measures. The exit code is 0 if every figure reaches its bar.
pub async fn run(args: &BenchArgs) -> Result<ExitCode> {
    if args.list {
        for scenario in Scenario::value_variants() {
            println!("{:<14} {}", scenario.name(), scenario.about());
        }
        return Ok(ExitCode::SUCCESS);
    }
    tokio::select! {
        measured = measure(args) => measured,
        _interrupt = tokio::signal::ctrl_c() => {
            println!("\nStopping.");
            Ok(ExitCode::FAILURE)
        }
    }
}

async fn measure(args: &BenchArgs) -> Result<ExitCode> {
    let binary = program::build(args.no_build).await?;
    let machine = Machine::look();
    println!("{machine}");
    if let Some(devices) = args.devices {
        println!("With {devices} devices instead of those of each scenario: verdicts mean nothing.");
    }
    let site = Site { binary, quick: args.quick, keep: args.keep, devices: args.devices };
    let mut worlds = Worlds { site, settled: None };
    let _load = args.load.then(load::Load::start);
    let mut reports = Vec::new();
    for scenario in args.scenarios() {
        println!("\n{}: {}", scenario.name(), scenario.about());
        let mut report = Report::new(scenario);
        if let Err(error) = scenarios::play(&mut worlds, &mut report).await {
            report.fail(format!("{error:#}"));
        }
        reports.push(report);
    }
    worlds.close().await?;
    if let Some(file) = &args.write {
        page::write(file, &machine, args, &reports)?;
        println!("\nWritten to {}.", file.display());
    }
    Ok(sum_up(&reports))
}

/// One line for each scenario.
fn sum_up(reports: &[Report]) -> ExitCode {
    println!();
    for report in reports {
        let verdict = match report.short() {
            0 => "ok".to_owned(),
            short => format!("SHORT ({short})"),
        };
        println!("{:<14} {verdict}", report.scenario.name());
    }
    let short = reports.iter().any(|report| report.short() > 0);
    if short { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
