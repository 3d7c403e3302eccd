//! Traces, for an OTLP collector: from the watch event of an object over the calls that it needs to the status that says so.

use std::time::Duration;

use anyhow::{Context, Result};
use opentelemetry::{Key, KeyValue};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig};
use opentelemetry_sdk::{Resource, trace::SdkTracerProvider};

use crate::settings::Settings;

/// A collector that takes longer gets no more of this batch.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Sends spans to `endpoint`, the address of a collector without `/v1/traces`. The usual variables `OTEL_*` hold as well.
pub(super) fn provider(endpoint: &str, settings: &Settings) -> Result<SdkTracerProvider> {
    let exporter = SpanExporter::builder()
        .with_http()
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(format!("{endpoint}/v1/traces"))
        .with_timeout(TIMEOUT)
        .build()
        .context("--otlp-endpoint: no exporter")?;
    Ok(SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource(settings)).build())
}

/// Who sends; a name in the environment wins.
fn resource(settings: &Settings) -> Resource {
    let named = Resource::builder().build().get(&Key::from_static_str("service.name"));
    let own = [
        KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
        KeyValue::new("k8s.namespace.name", settings.operator_namespace.clone()),
        KeyValue::new("emnify.installation", settings.installation.clone()),
    ];
    let instance = std::env::var("HOSTNAME").ok().map(|host| KeyValue::new("service.instance.id", host));
    let resource = Resource::builder().with_attributes(own.into_iter().chain(instance));
    match named {
        Some(name) if !name.as_str().starts_with("unknown_service") => resource.build(),
        _ => resource.with_service_name("emnify-operator").build(),
    }
}
