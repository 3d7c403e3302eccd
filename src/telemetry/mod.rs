//! What the process tells about itself: logs, traces and metrics.

pub mod levels;
pub mod metrics;
mod traces;

use std::{
    io::{self, IsTerminal as _},
    time::Duration,
};

use anyhow::Result;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing_subscriber::{
    Layer, Registry,
    filter::{FilterExt, LevelFilter, Targets, filter_fn},
    fmt,
    layer::SubscriberExt,
    reload,
    util::SubscriberInitExt,
};

use self::levels::Levels;
use crate::settings::{LogFormat, Settings, log_filter};

/// What has not been sent by then is lost.
const FLUSH: Duration = Duration::from_secs(2);

/// Logging and tracing as they were started.
#[derive(Debug)]
#[must_use = "the last spans are sent when it is flushed"]
pub struct Telemetry {
    traces: Option<SdkTracerProvider>,
}

/// Starts logging to standard error and, where there is an endpoint, tracing. Call once per process.
pub fn start(settings: &Settings) -> Result<Telemetry> {
    let traces = settings.otlp_endpoint.as_deref().map(|to| traces::provider(to, settings)).transpose()?;
    let (filter, handle) = reload::Layer::<_, Registry>::new(log_filter::filter(&settings.log_filter)?);
    // in a file colour codes are noise, and searches miss what stands between them
    let lines = fmt::layer().with_writer(io::stderr).with_ansi(io::stderr().is_terminal()).with_target(true);
    let lines = match settings.log_format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    // spans are for traces alone: without an endpoint nobody wants them, and they cost nothing
    let no_spans = filter_fn(|meta| meta.target() != emnify::SPANS);
    let spans = traces.as_ref().map(|provider| {
        let only = Targets::new().with_target(emnify::SPANS, LevelFilter::INFO);
        let layer = tracing_opentelemetry::layer().with_location(false).with_threads(false);
        layer.with_tracer(provider.tracer("emnify-operator")).with_filter(only)
    });
    let subscriber = tracing_subscriber::registry().with(lines.with_filter(filter.and(no_spans))).with(spans);
    match subscriber.try_init() {
        Ok(()) => Levels::new(handle, &settings.log_filter).install(),
        Err(error) => eprintln!("logging was started before: {error}"),
    }
    Ok(Telemetry { traces })
}

impl Telemetry {
    /// Sends what has not been sent yet.
    pub async fn flush(self) {
        let Some(traces) = self.traces else { return };
        // it blocks, and what it waits for may need this thread
        let flushed = tokio::task::spawn_blocking(move || traces.shutdown_with_timeout(FLUSH)).await;
        if let Ok(Err(error)) = flushed {
            tracing::warn!(%error, "the last spans were not sent");
        }
    }
}
