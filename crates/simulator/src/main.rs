//! Runs the simulator on a port.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use emnify_simulator::{Bulk, Dialect, Limits, Options, Seed, Simulator};

/// A stateful emnify API on loopback.
#[derive(Parser)]
struct Arguments {
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDRESS:PORT")]
    listen: String,
    /// What to start with; a small example otherwise.
    #[arg(long, value_name = "FILE.yaml")]
    seed: Option<PathBuf>,
    /// Whether to enforce emnify's published limits.
    #[arg(long, value_enum, default_value_t)]
    limits: Limits,
    /// The year whose behaviour to show.
    #[arg(long, value_enum, default_value_t)]
    dialect: Dialect,
    /// What a bulk call with a bad item does.
    #[arg(long, value_enum, default_value_t)]
    bulk: Bulk,
    /// How long a device write takes; another one meanwhile finds the address space busy.
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = duration)]
    endpoint_write_time: Duration,
}

fn duration(text: &str) -> Result<Duration, String> {
    let duration: jiff::SignedDuration = text.parse().map_err(|error| format!("{error}"))?;
    duration.try_into().map_err(|_| "must not be negative".to_owned())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let arguments = Arguments::parse();
    let seed = match &arguments.seed {
        Some(path) => {
            let text =
                std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
            Seed::from_yaml(&text).map_err(|error| format!("{}: {error}", path.display()))?
        }
        None => Seed::example(),
    };
    let simulator = Simulator::start(Options {
        seed,
        limits: arguments.limits,
        dialect: arguments.dialect,
        bulk: arguments.bulk,
        endpoint_write_time: arguments.endpoint_write_time,
        ..Options::default()
    });
    let served = simulator.serve(&arguments.listen).await?;
    println!("{}", served.url());
    tokio::signal::ctrl_c().await?;
    Ok(())
}
