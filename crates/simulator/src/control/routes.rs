//! The control routes, under `/simulator/`.

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, Query, State as Handle};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::json;

use super::Signal;
use crate::{Fault, Simulator};

/// The routes, all answering JSON.
pub(crate) fn routes(simulator: Simulator) -> Router {
    Router::new()
        .route("/simulator/requests", get(requests).delete(clear_requests))
        .route("/simulator/state", get(state).merge(put(set_state)))
        .route("/simulator/faults", post(fault).delete(clear_faults))
        .route("/simulator/clock", get(clock).post(move_clock))
        .route("/simulator/devices/{id}/{signal}", post(device))
        .route("/simulator/devices/{id}/sms", post(message))
        .route("/simulator/sms/{id}/{end}", post(end_message))
        .route("/simulator/cloud_connect/{id}/accept", post(accept))
        .route("/simulator/data_streams/{id}/fail", post(fail_stream))
        // A whole state can be large.
        .layer(DefaultBodyLimit::disable())
        .with_state(simulator)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LogWanted {
    #[serde(default)]
    log: bool,
}

async fn requests(Handle(simulator): Handle<Simulator>, Query(wanted): Query<LogWanted>) -> Response {
    Json(simulator.shared.lock().log.read(wanted.log)).into_response()
}

async fn clear_requests(Handle(simulator): Handle<Simulator>) -> StatusCode {
    simulator.clear_requests();
    StatusCode::NO_CONTENT
}

async fn state(Handle(simulator): Handle<Simulator>) -> Response {
    Json(simulator.state()).into_response()
}

/// Takes JSON or YAML: JSON is YAML.
async fn set_state(Handle(simulator): Handle<Simulator>, body: Bytes) -> Response {
    let text = String::from_utf8_lossy(&body);
    let seed = serde_json::from_str(&text)
        .or_else(|_| serde_yaml::from_str(&text))
        .map_err(|error| error.to_string())
        .and_then(|state| simulator.set_state(state).map_err(|error| error.to_string()));
    done(seed)
}

async fn fault(Handle(simulator): Handle<Simulator>, body: Bytes) -> Response {
    let rule = serde_json::from_slice::<Fault>(&body)
        .map_err(|error| error.to_string())
        .and_then(|fault| simulator.fault(fault));
    done(rule)
}

async fn clear_faults(Handle(simulator): Handle<Simulator>) -> StatusCode {
    simulator.clear_faults();
    StatusCode::NO_CONTENT
}

async fn clock(Handle(simulator): Handle<Simulator>) -> Response {
    Json(json!({"now": simulator.now()})).into_response()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "lowercase")]
enum Move {
    Advance(String),
    Set(Timestamp),
}

async fn move_clock(Handle(simulator): Handle<Simulator>, body: Bytes) -> Response {
    let moved =
        serde_json::from_slice(&body).map_err(|error| error.to_string()).and_then(|wanted| match wanted {
            Move::Set(to) => {
                simulator.set_clock(to);
                Ok(())
            }
            Move::Advance(by) => {
                let by: SignedDuration = by.parse().map_err(|error| format!("advance: {error}"))?;
                let by = by.try_into().map_err(|_| "advance: must not be negative".to_owned())?;
                simulator.advance(by);
                Ok(())
            }
        });
    match moved {
        Ok(()) => Json(json!({"now": simulator.now()})).into_response(),
        Err(why) => done(Err(why)),
    }
}

async fn device(Handle(simulator): Handle<Simulator>, Path((id, signal)): Path<(u64, String)>) -> Response {
    let signal = match signal.as_str() {
        "attach" => Signal::Attach,
        "online" => Signal::Online,
        "travel" => Signal::Travel,
        "detach" => Signal::Detach,
        "offline" => Signal::Offline,
        "block" => Signal::Block,
        "poll" => return done(simulator.poll_euicc(id)),
        "unreachable" => return done(simulator.lose_after_switch(id)),
        other => return done(Err(format!("{other} is no device signal"))),
    };
    done(simulator.device(id, signal))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Message {
    dest_address: String,
    payload: String,
}

async fn message(Handle(simulator): Handle<Simulator>, Path(id): Path<u64>, body: Bytes) -> Response {
    let sent = serde_json::from_slice::<Message>(&body)
        .map_err(|error| error.to_string())
        .and_then(|sent| simulator.receive_message(id, &sent.dest_address, &sent.payload));
    match sent {
        Ok(id) => Json(json!({"id": id})).into_response(),
        Err(why) => done(Err(why)),
    }
}

async fn end_message(Handle(simulator): Handle<Simulator>, Path((id, end)): Path<(u64, String)>) -> Response {
    done(match end.as_str() {
        "deliver" => simulator.end_message(id, true),
        "fail" => simulator.end_message(id, false),
        other => Err(format!("{other} is no end of a message")),
    })
}

async fn fail_stream(Handle(simulator): Handle<Simulator>, Path(id): Path<String>) -> Response {
    done(simulator.fail_stream(&id))
}

async fn accept(Handle(simulator): Handle<Simulator>, Path(id): Path<u64>) -> Response {
    done(simulator.accept_attachment(id))
}

fn done(result: Result<(), String>) -> Response {
    match result {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(message) => (StatusCode::BAD_REQUEST, Json(json!({"message": message}))).into_response(),
    }
}
