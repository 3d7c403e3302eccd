//! Deliveries of data streams and callbacks to loopback addresses: one request after another for each stream, at once, until
//! the destination does not take them any more.

use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures::future::join_all;
use http::Uri;
use jiff::Timestamp;
use serde_json::{Map, Value};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::http::service::Shared;
use crate::http::token;
use crate::resources::event_record;
use crate::rules::loopback;
use crate::state::data_stream::Batch;

/// A destination has so long to answer. [?]
const PATIENCE: Duration = Duration::from_secs(10);
/// However little happens, whether anybody still needs the simulator is asked so often.
const AT_LEAST: Duration = Duration::from_secs(1);

/// Something may have to be delivered. Outside of a runtime it waits for the next request.
pub(crate) fn wake(shared: &Arc<Shared>) {
    if !shared.options.delivers || !shared.lock().state.delivers() {
        return;
    }
    if let Ok(runtime) = tokio::runtime::Handle::try_current()
        && !shared.delivering.swap(true, Ordering::AcqRel)
    {
        runtime.spawn(deliver(Arc::downgrade(shared)));
    }
    shared.deliver.notify_one();
}

async fn deliver(shared: Weak<Shared>) {
    while let Some(shared) = shared.upgrade() {
        let (requests, wait) = due(&shared);
        if requests.is_empty() {
            tokio::select! {
                () = shared.deliver.notified() => {}
                () = tokio::time::sleep(wait) => {}
            }
            continue;
        }
        let taken = join_all(requests.iter().map(|(_, request)| take(request.as_ref()))).await;
        let mut core = shared.lock();
        let now = core.clock.now();
        for ((subject, _), taken) in requests.iter().zip(taken) {
            match subject {
                Subject::Stream(batch) => core.state.delivered(batch, taken, now),
                Subject::Callback { organisation, id } => {
                    core.state.called_back(*organisation, *id, taken, now);
                }
            }
        }
    }
}

/// What a request is for.
enum Subject {
    /// Records of a data stream.
    Stream(Batch),
    /// A callback about a message.
    Callback { organisation: u64, id: u64 },
}

/// One request to a destination; nothing where none can be made.
struct Outgoing {
    address: String,
    head: String,
    body: String,
}

/// What has to be sent now, and how long to wait otherwise.
fn due(shared: &Shared) -> (Vec<(Subject, Option<Outgoing>)>, Duration) {
    let mut core = shared.lock();
    let now = core.clock.now();
    core.state.pass_time(now);
    let (batches, next) = core.state.due(now);
    let records = |batch: Batch| {
        let org = &core.state.organisations[&batch.organisation];
        let events = batch.events.iter().filter_map(|id| org.events.get(id));
        let records: Vec<Value> =
            events.map(|event| event_record(event, org, shared.options.sources)).collect();
        let body = match (batch.bare, records.as_slice()) {
            (true, [one]) => one.to_string(),
            _ => Value::Array(records).to_string(),
        };
        let url = org.data_streams[&batch.stream].loopback();
        let request = url.map(|url| of_stream(&url, &batch.credentials, &body));
        (Subject::Stream(batch), request)
    };
    let mut requests: Vec<_> = batches.into_iter().map(records).collect();
    let (callbacks, later) = core.state.callbacks_due(now);
    requests.extend(callbacks.into_iter().map(|(organisation, row)| {
        let token = row.secret.map(|secret| token::sign_callback(&secret, organisation, now));
        let header = token.map(|token| ("Authorization".to_owned(), format!("Bearer {token}")));
        let request = loopback(&row.url)
            .map(|url| outgoing(&url, &row.method, header.into_iter(), &row.body.to_string()));
        (Subject::Callback { organisation, id: row.id }, request)
    }));
    let next = next.into_iter().chain(later).min();
    let wait = |at: Timestamp| Duration::try_from(at.duration_since(now)).unwrap_or_default();
    let wait = next.map_or(AT_LEAST, wait).clamp(Duration::from_millis(1), AT_LEAST);
    (requests, wait)
}

fn of_stream(url: &Uri, credentials: &Map<String, Value>, body: &str) -> Outgoing {
    let method = credentials.get("method").and_then(Value::as_str).unwrap_or("POST");
    let headers = credentials.get("headers").and_then(Value::as_array).into_iter().flatten();
    let headers = headers.filter_map(|header| {
        let (name, value) = header.as_str()?.split_once(':')?;
        Some((name.trim().to_owned(), value.trim().to_owned()))
    });
    outgoing(url, method, headers, body)
}

fn outgoing(
    url: &Uri,
    method: &str,
    headers: impl Iterator<Item = (String, String)>,
    body: &str,
) -> Outgoing {
    let path = url.path_and_query().map_or("/", |path| path.as_str());
    let authority = url.authority().map_or("", |authority| authority.as_str());
    let mut head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {authority}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n",
        body.len()
    );
    for (name, value) in headers {
        head.extend([name.as_str(), ": ", value.as_str(), "\r\n"]);
    }
    head.push_str("\r\n");
    let address = if url.port().is_some() { authority.to_owned() } else { format!("{authority}:80") };
    Outgoing { address, head, body: body.to_owned() }
}

/// True if the destination took it: any 2xx. [?]
async fn take(request: Option<&Outgoing>) -> bool {
    let Some(request) = request else { return true };
    match tokio::time::timeout(PATIENCE, send(request)).await {
        Ok(Ok(status)) => (200..300).contains(&status),
        Ok(Err(error)) => {
            tracing::debug!(%error, to = request.address, "not delivered");
            false
        }
        Err(_) => false,
    }
}

async fn send(request: &Outgoing) -> io::Result<u16> {
    let mut connection = TcpStream::connect(&request.address).await?;
    connection.write_all(request.head.as_bytes()).await?;
    connection.write_all(request.body.as_bytes()).await?;
    let mut answer = Vec::new();
    let mut part = [0; 1024];
    while !answer.windows(2).any(|end| end == b"\r\n") {
        match connection.read(&mut part).await? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => answer.extend_from_slice(&part[..read]),
        }
    }
    let line = String::from_utf8_lossy(&answer);
    let status = line.split_whitespace().nth(1).and_then(|status| status.parse().ok());
    status.ok_or_else(|| io::ErrorKind::InvalidData.into())
}
