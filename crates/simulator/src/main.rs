//! Runs the simulator on a port.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use emnify_simulator::{Bulk, Dialect, Limits, Options, Seed, Simulator, Sources};

/// A stateful emnify API on loopback.
#[derive(Parser)]
struct Arguments {
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDRESS:PORT")]
    listen: String,
    /// What to start with; a small example with the application token `example-token` otherwise.
    #[arg(long, value_name = "FILE.yaml")]
    seed: Option<PathBuf>,
    /// Whether to enforce emnify's published limits.
    #[arg(long, value_enum, default_value_t)]
    limits: Limits,
    /// The year whose behaviour to show.
    #[arg(long, value_enum, default_value_t)]
    dialect: Dialect,
    /// Which to follow where what was observed and what is published differ.
    #[arg(long, value_enum, default_value_t)]
    sources: Sources,
    /// What a bulk call with a bad item does.
    #[arg(long, value_enum, default_value_t)]
    bulk: Bulk,
    /// Whether assigning a SIM to an enabled device activates it; by dialect unless given.
    #[arg(long, value_name = "true|false")]
    auto_activate: Option<bool>,
    /// How long a device write takes; another one meanwhile finds the address space busy.
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = duration)]
    endpoint_write_time: Duration,
    /// How much longer for each device of it.
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = duration)]
    endpoint_item_time: Duration,
    /// How long a message to a device waits for its first attempt.
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = duration)]
    sms_time: Duration,
}

fn duration(text: &str) -> Result<Duration, String> {
    let duration: jiff::SignedDuration = text.parse().map_err(|error| format!("{error}"))?;
    duration.try_into().map_err(|_| "must not be negative".to_owned())
}

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("emnify-simulator: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<(), Box<dyn Error>> {
    let seed = match &arguments.seed {
        Some(path) => read(path).map_err(|error| format!("{}: {error}", path.display()))?,
        None => Seed::example(),
    };
    let simulator = Simulator::start(Options {
        seed,
        limits: arguments.limits,
        dialect: arguments.dialect,
        sources: arguments.sources,
        bulk: arguments.bulk,
        auto_activate: arguments.auto_activate,
        endpoint_write_time: arguments.endpoint_write_time,
        endpoint_item_time: arguments.endpoint_item_time,
        sms_time: arguments.sms_time,
        ..Options::default()
    });
    let served = simulator.serve(&arguments.listen).await?;
    println!("{}", served.url());
    tokio::signal::ctrl_c().await?;
    Ok(())
}

fn read(path: &Path) -> Result<Seed, Box<dyn Error>> {
    Ok(Seed::from_yaml(&std::fs::read_to_string(path)?)?)
}
