//! What the process tells about itself.

pub mod metrics;

use tracing_subscriber::{EnvFilter, fmt};

use crate::settings::{LogFormat, Settings};

/// Starts logging to standard error. Call once per process.
pub fn start(settings: &Settings) {
    let builder = fmt()
        .with_env_filter(EnvFilter::new(&settings.log_filter))
        .with_writer(std::io::stderr)
        .with_target(true);
    let started = match settings.log_format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    if let Err(error) = started {
        eprintln!("logging was started before: {error}");
    }
}
