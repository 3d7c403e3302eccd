//! One request over the wire: takes its turn, sends, times, counts and tells the limits what came back.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, header};
use jiff::Timestamp;
use parking_lot::RwLock;
use tokio::time::Instant;
use tracing::{Instrument, Span, field::Empty};

use crate::base_url::BaseUrl;
use crate::call::{self, Call, Reply};
use crate::classify::{classify, front_door, retry_after, unanswered};
use crate::counters::CountKey;
use crate::error::Error;
use crate::gate::Gate;
use crate::lane::Lane;
use crate::limits::{HostLimits, Turn};
use crate::transport::{Transport, TransportError};

pub(crate) struct Exchange {
    pub(crate) base: BaseUrl,
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) limits: Arc<HostLimits>,
    pub(crate) timeout: Duration,
    pub(crate) gate: RwLock<Arc<Gate>>,
}

impl Exchange {
    /// Sends `call` once, if the gate lets it. An answer of any status is `Ok`.
    pub(crate) async fn send(
        &self,
        lane: Lane,
        turn: Turn,
        call: &Call,
        bearer: Option<&HeaderValue>,
    ) -> Result<Response<Bytes>, Error> {
        let request = self.request(call, bearer)?;
        let under_way = self.gate().begin(call.repeatable)?;
        let granted = turn.spend();
        let started = Instant::now();
        let span = self.span(lane, call);
        let sent = under_way.follow(self.transport.send(request)).instrument(span.clone());
        let answer = match tokio::time::timeout(self.timeout, sent).await {
            Ok(Some(answer)) => answer,
            Ok(None) => Err(TransportError::AfterSend("the lease was lost under way".into())),
            Err(_) => Err(TransportError::AfterSend("no answer in time".into())),
        };
        let status = answer.as_ref().map_or(0, |answer| answer.status().as_u16());
        span.record("http.response.status_code", status);
        if !(200..400).contains(&status) {
            span.record("otel.status_code", "ERROR");
        }
        drop(span);
        self.note(lane, call, status, started.elapsed());
        let answer = answer.map_err(|failure| unanswered(call, &failure))?;
        if let Some(date) = call::date(answer.headers()) {
            self.limits.set_clock(date);
        }
        if matches!(status, 429 | 503) {
            self.limits.throttled(granted, retry_after(answer.headers()));
        } else {
            self.limits.served(granted);
        }
        Ok(answer)
    }

    /// What is asked before every request.
    pub(crate) fn gate(&self) -> Arc<Gate> {
        self.gate.read().clone()
    }

    /// The server's time: its last `Date`, moved on; this machine's clock before the first answer.
    pub(crate) fn server_now(&self) -> Timestamp {
        self.limits.server_now()
    }

    fn request(&self, call: &Call, bearer: Option<&HeaderValue>) -> Result<Request<Bytes>, Error> {
        let url = self.base.join(call.route, &call.args, &call.query);
        let mut request = Request::builder().method(call.method.clone()).uri(url.as_str());
        request = request.header(header::ACCEPT, "application/json");
        if let Some(bearer) = bearer {
            request = request.header(header::AUTHORIZATION, bearer);
        }
        if call.body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        request.body(call.body.clone().unwrap_or_default()).map_err(|_| Error::Rejected {
            status: 0,
            code: None,
            message: format!("{} cannot be addressed with these arguments", call.route),
        })
    }

    /// What traces show of a request: its route, not its arguments.
    fn span(&self, lane: Lane, call: &Call) -> Span {
        tracing::info_span!(
            target: crate::SPANS,
            "emnify",
            otel.name = format_args!("{} {}", call.method, call.route),
            otel.kind = "client",
            otel.status_code = Empty,
            http.request.method = %call.method,
            http.route = call.route,
            http.response.status_code = Empty,
            server.address = %self.base.origin(),
            lane = lane.as_str(),
        )
    }

    fn note(&self, lane: Lane, call: &Call, status: u16, took: Duration) {
        tracing::debug!(
            target: "emnify::http",
            method = %call.method,
            route = call.route,
            status,
            lane = lane.as_str(),
            duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            "request"
        );
        let key = CountKey { method: call.method.to_string(), route: call.route, status, lane };
        self.limits.counters().add(key, took);
    }
}

/// Success, or the error that the answer stands for.
pub(crate) fn outcome(exchange: &Exchange, call: &Call, answer: Response<Bytes>) -> Result<Reply, Error> {
    let (parts, body) = answer.into_parts();
    if parts.status.is_success() {
        let Call { route, repeatable, .. } = *call;
        let counters = exchange.limits.counters().clone();
        let reply = Reply { route, repeatable, status: parts.status, headers: parts.headers, body, counters };
        // a change reads nothing of most answers, so nobody else would notice
        if call.method != Method::GET && reply.is_a_page() {
            Err(front_door(call, parts.status))
        } else {
            Ok(reply)
        }
    } else {
        Err(classify(call, parts.status, &parts.headers, &body))
    }
}
