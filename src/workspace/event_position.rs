//! Where the event log was read to, kept in the status so that a restart reads what it missed.

use emnify_engine::{
    cluster::{context::Shared, refusal, status::WriteError},
    session::Session,
};
use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;
use serde_json::json;

use super::{
    served::Served,
    spec::{EventsStatus, WorkspaceStatus},
};

/// The position alone is worth a write this often.
const EVERY: SignedDuration = SignedDuration::from_mins(5);

/// Where to read on.
pub fn kept(status: Option<&WorkspaceStatus>) -> Option<Timestamp> {
    status?.events.as_ref()?.position.as_str().parse().ok()
}

/// Puts the position into `status` where that costs no write of its own, or one every five minutes. `before` is what was
/// written last.
pub fn keep(before: Option<&WorkspaceStatus>, status: &mut WorkspaceStatus, position: Option<Timestamp>) {
    let Some(position) = position else { return };
    let written = kept(Some(status));
    let due = written.is_none_or(|at| position < at || position.duration_since(at) >= EVERY);
    if due || before != Some(&*status) {
        status.events = Some(told(position));
    }
}

fn told(position: Timestamp) -> EventsStatus {
    let whole = Timestamp::from_second(position.as_second()).unwrap_or(position);
    EventsStatus { position: whole.to_string().into() }
}

/// Writes the position at the end of the process.
pub(super) async fn write<W: Served>(shared: &Shared, object: &W, session: &Session) {
    let Some(position) = session.hints.position() else { return };
    let api = W::api(shared.client.clone(), object.namespace().as_deref());
    let (name, uid) = (object.name_any(), object.uid());
    let of = (name.as_str(), uid.as_deref());
    let written = shared.writer.merge(&api, of, &json!({"events": told(position)})).await;
    if let Err(WriteError::Kube(error)) = written {
        let error = refusal::brief(&error);
        tracing::warn!(workspace = object.name_any(), error, "position in the event log not kept");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    #[test]
    fn a_position_rides_along_and_is_worth_a_write_every_five_minutes() {
        let mut status = WorkspaceStatus::default();
        keep(Some(&WorkspaceStatus::default()), &mut status, None);
        assert_eq!(status.events, None, "nothing was read yet");
        keep(Some(&WorkspaceStatus::default()), &mut status, Some(at(1_000)));
        assert_eq!(kept(Some(&status)), Some(at(1_000)));
        let before = status.clone();
        keep(Some(&before), &mut status, Some(at(1_299)));
        assert_eq!(status, before, "it moves every ten seconds; that is not written");
        status.last_error = Some("something else is written".into());
        keep(Some(&before), &mut status, Some(at(1_299)));
        assert_eq!(kept(Some(&status)), Some(at(1_299)));
        let before = status.clone();
        keep(Some(&before), &mut status, Some(at(1_599)));
        assert_eq!(kept(Some(&status)), Some(at(1_599)), "five minutes are over");
        let before = status.clone();
        keep(Some(&before), &mut status, Some(at(1_500)));
        assert_eq!(kept(Some(&status)), Some(at(1_500)), "what was jumped over must be read after a restart");
    }

    #[test]
    fn a_position_that_somebody_broke_is_none() {
        let events = EventsStatus { position: "yesterday".to_owned().into() };
        let status = WorkspaceStatus { events: Some(events), ..WorkspaceStatus::default() };
        assert_eq!(kept(Some(&status)), None);
    }
}
