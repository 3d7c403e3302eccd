//! `bench`: what the operator costs, measured from outside.
//!
//! The operator runs as a process of its own, as it is released, on a real control plane and against the simulator with
//! the platform's limits. Calls are counted by the simulator; memory and processor time are the kernel's figures.

mod args;
mod calls;
mod environment;
mod environments;
mod figure;
mod load;
mod machine;
mod page;
mod portal;
mod program;
mod ready_watch;
mod report;
mod scenario;
mod scenarios;
mod usage;

use std::process::ExitCode;

use anyhow::Result;
use clap::ValueEnum as _;

pub use args::BenchArgs;
use environment::Site;
use environments::Environments;
use machine::Machine;
use report::Report;
pub use scenario::Scenario;

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
    let mut environments = Environments { site, settled: None };
    let _load = args.load.then(load::Load::start);
    let mut reports = Vec::new();
    for scenario in args.scenarios() {
        println!("\n{}: {}", scenario.name(), scenario.about());
        let mut report = Report::new(scenario);
        if let Err(error) = scenarios::play(&mut environments, &mut report).await {
            report.fail(format!("{error:#}"));
        }
        reports.push(report);
    }
    environments.close().await?;
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
