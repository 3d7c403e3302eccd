//! Traces arrive at a collector: one from the edit of a device over the call to the status that says so.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use anyhow::Context as _;
use axum::{Router, body::Bytes, extract::State, http::HeaderMap, routing::post};
use emnify_harness::stage::{Launch, Stage, is_ready};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{KeyValue, any_value::Value as Any},
    trace::v1::Span,
};
use prost::Message as _;
use serde_json::Value;
use tokio::net::TcpListener;

use super::support::{DEVICE, Result, edited, holds, options};

/// So many that some share a call, however busy the machine is.
const DEVICES: usize = 12;

/// What a collector was sent.
#[derive(Clone, Default)]
struct Collector(Arc<Mutex<Vec<Bytes>>>);

impl Collector {
    /// Listens for OTLP over HTTP.
    async fn start() -> Result<(Self, SocketAddr)> {
        let collector = Self::default();
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let routes = Router::new().route("/v1/traces", post(receive)).with_state(collector.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Ok((collector, address))
    }

    fn bodies(&self) -> Vec<Bytes> {
        self.0.lock().expect("nobody panics while receiving").clone()
    }

    fn requests(&self) -> Vec<ExportTraceServiceRequest> {
        let decode = |body: Bytes| ExportTraceServiceRequest::decode(body).expect("OTLP");
        self.bodies().into_iter().map(decode).collect()
    }

    fn spans(&self) -> Vec<Span> {
        let resources = self.requests().into_iter().flat_map(|request| request.resource_spans);
        resources.flat_map(|resource| resource.scope_spans).flat_map(|scope| scope.spans).collect()
    }
}

async fn receive(State(collector): State<Collector>, headers: HeaderMap, body: Bytes) {
    assert_eq!(headers["content-type"], "application/x-protobuf");
    collector.0.lock().expect("nobody panics while receiving").push(body);
}

fn attributes(all: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |value: Any| match value {
        Any::StringValue(text) => text,
        Any::IntValue(number) => number.to_string(),
        other => format!("{other:?}"),
    };
    let value =
        |one: &KeyValue| one.value.clone().and_then(|value| value.value).map(text).unwrap_or_default();
    all.iter().map(|one| (one.key.clone(), value(one))).collect()
}

/// Spans of one trace.
struct Trace(Vec<Span>);

impl Trace {
    fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Span> {
        self.0.iter().filter(move |span| span.name == name)
    }

    fn parent(&self, of: &Span) -> Option<&Span> {
        self.0.iter().find(|span| span.span_id == of.parent_span_id)
    }
}

#[tokio::test]
async fn one_trace_leads_from_an_edit_over_the_call_to_the_status() -> Result<()> {
    let (collector, address) = Collector::start().await?;
    let stage = Stage::start(options("traces")?).await?;
    let launch = Launch::on(&stage, env!("CARGO_BIN_EXE_emnify-operator"))?;
    let mut launch = launch.with([format!("--otlp-endpoint=http://{address}")]);
    launch.environment.push(("OTEL_RESOURCE_ATTRIBUTES".into(), "deployment.environment.name=test".into()));
    let mut operator = launch.start()?;
    operator.ready().await?;
    stage.apply_workspace("default").await?;
    stage.apply(DEVICE).await?;
    stage.wait_for("Endpoint", "meter-1", "Ready", is_ready).await?;
    stage.apply(&edited(DEVICE, &[("name: Meter 1", "name: Meter one")])).await?;
    let name =
        |o: &emnify_simulator::state::Organisation| o.endpoints.values().any(|e| e.name == "Meter one");
    holds(&stage, "the edit reaches emnify", name, true).await?;
    let settled = |object: &Value| {
        is_ready(object) && object["status"]["settledGeneration"] == object["metadata"]["generation"]
    };
    stage.wait_for("Endpoint", "meter-1", "in step", settled).await?;
    // what has not been sent is sent before it ends
    operator.stop().await?;

    let spans = collector.spans();
    let names: Vec<_> = spans.iter().map(|span| span.name.as_str()).collect();
    let root = spans.iter().find(|span| span.name == "Endpoint edited");
    let root = root.with_context(|| format!("an edit begins a trace: {names:?}"))?;
    let of = attributes(&root.attributes);
    assert_eq!((of["k8s.object.name"].as_str(), of["generation"].as_str()), ("meter-1", "2"));
    assert!(root.parent_span_id.is_empty(), "nothing is above an edit");
    let trace = Trace(spans.iter().filter(|span| span.trace_id == root.trace_id).cloned().collect());

    let call =
        trace.all("PATCH /api/v1/endpoint/{endpoint_id}").next().context("the call is in the trace")?;
    let of = attributes(&call.attributes);
    assert_eq!(
        (of["http.route"].as_str(), of["http.response.status_code"].as_str(), of["lane"].as_str()),
        ("/api/v1/endpoint/{endpoint_id}", "204", "interactive")
    );
    let turn = trace.parent(call).context("the call belongs to a turn")?;
    assert_eq!((turn.name.as_str(), &turn.parent_span_id), ("dispatch", &root.span_id));
    let looked = |span: &Span, step: &str| {
        let look =
            trace.parent(span).filter(|look| look.name == "reconcile" && look.parent_span_id == root.span_id);
        look.is_some_and(|look| attributes(&look.attributes)["step"] == step)
    };
    // a look that was under way meanwhile may write, too
    let written = trace
        .all("write status of Endpoint")
        .find(|s| s.start_time_unix_nano > call.end_time_unix_nano && looked(s, "UpToDate"))
        .context("after the call a look finds the device in step and writes so, in the same trace")?;
    assert!(root.end_time_unix_nano >= written.end_time_unix_nano, "then the journey is over");

    let request = &collector.requests()[0].resource_spans[0];
    let who = attributes(&request.resource.as_ref().context("a resource")?.attributes);
    assert_eq!(
        (who["service.name"].as_str(), who["deployment.environment.name"].as_str()),
        ("emnify-operator", "test")
    );
    stage.finish().await
}

#[tokio::test]
async fn devices_that_share_a_call_are_linked_to_it_and_no_secret_is_told() -> Result<()> {
    let (collector, address) = Collector::start().await?;
    let stage = Stage::start(options("links")?).await?;
    stage.apply_workspace("default").await?;
    stage
        .apply("{apiVersion: emnify.io/v1alpha1, kind: ApplicationToken, metadata: {name: reader}, spec: {}}")
        .await?;
    let plain = edited(DEVICE, &[("  sim:\n    iccid: \"8988303000000010001\"\n    state: Activated\n", "")]);
    let all: Vec<_> = (1..=DEVICES).map(|n| plain.replace("meter-1", &format!("meter-{n}"))).collect();
    stage.apply(&all.join("---\n")).await?;
    let launch = Launch::on(&stage, env!("CARGO_BIN_EXE_emnify-operator"))?;
    let mut operator = launch.with([format!("--otlp-endpoint=http://{address}")]).start()?;
    operator.ready().await?;
    stage.wait_for("ApplicationToken", "reader", "Ready", is_ready).await?;
    for n in 1..=DEVICES {
        stage.wait_for("Endpoint", &format!("meter-{n}"), "Ready", is_ready).await?;
    }
    operator.stop().await?;

    let spans = collector.spans();
    let calls: BTreeMap<_, _> = spans
        .iter()
        .filter(|span| span.name == "dispatch")
        .map(|span| (&span.span_id, &span.trace_id))
        .collect();
    let rides: Vec<_> = spans.iter().filter(|span| span.name == "taken along").collect();
    assert!(!rides.is_empty(), "new devices share calls");
    for ride in rides {
        let call =
            ride.links.iter().find_map(|link| calls.get(&link.span_id)).context("a link to the call")?;
        assert_ne!(**call, ride.trace_id, "the call belongs to the trace of somebody else");
    }

    let tokens = stage.simulator().inspect(|state| {
        let tokens = state.organisations.values().flat_map(|o| o.application_tokens.values());
        tokens.map(|token| token.token.clone()).collect::<Vec<_>>()
    });
    assert!(tokens.len() > 1, "a token was made");
    for body in collector.bodies() {
        let text = String::from_utf8_lossy(&body);
        assert!(!text.contains("eyJ"), "no JWT leaves in a span");
        assert!(tokens.iter().all(|token| !text.contains(token.as_str())), "no token leaves in a span");
    }
    stage.finish().await
}
