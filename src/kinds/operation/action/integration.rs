//! Data streams and attachments of customers' networks.

use emnify::{
    Api, Error,
    wire::{
        cloud_connect::{ATTACHMENTS, kind, status as attachment},
        data_stream::{DATA_STREAMS, StreamId, status as stream},
    },
};
use emnify_engine::kind::{
    Id, reason,
    task::{Again, Outcome, Work},
};
use jiff::SignedDuration;

use super::facts::Facts;

pub(super) const RESTART: Facts = Facts::of("restartDataStream", Again::Yes, 0);
pub(super) const RETRY: Facts = Facts::of("retryCloudConnect", Again::Proof, 0);

/// A stream shows its old state for so long after a restart was taken. [?]
const OLD_STATE: SignedDuration = SignedDuration::from_secs(60);

/// Restarts a stream, from the first record that its application did not take.
pub(super) async fn restart(api: &Api, target: &Id) -> Result<Outcome, Error> {
    let id = target.to_string();
    match api.restart_data_stream(&StreamId(id.clone())).await {
        // under way already
        Ok(()) | Err(Error::Conflict { .. }) => Ok(Outcome::UnderWay(Work { id, within: None })),
        Err(error) => Err(error),
    }
}

/// What has become of a restart that was taken so long ago.
pub(super) async fn follow(
    api: &Api,
    target: &Id,
    elapsed: SignedDuration,
) -> Result<Option<Outcome>, Error> {
    let gone = || Error::NotFound { message: "the data stream is gone".to_owned() };
    let row = DATA_STREAMS.get(api, StreamId(target.to_string())).await?.ok_or_else(gone)?;
    let failed = |message: &str| {
        Ok(Some(Outcome::Failed { reason: reason::STREAM_BROKEN, message: message.to_owned() }))
    };
    match row.status.map(|status| status.id) {
        Some(stream::RUNNING) => Ok(Some(Outcome::DONE)),
        Some(stream::PAUSED) => failed("the data stream is paused: resume it"),
        Some(stream::ERROR) if elapsed >= OLD_STATE => {
            failed("emnify cannot deliver its records: see that its destination takes them")
        }
        _ => Ok(None),
    }
}

/// Has an attachment offered again that its customer did not accept in time.
pub(super) async fn retry(api: &Api, id: i64) -> Result<Outcome, Error> {
    let Some(row) = ATTACHMENTS.get(api, id).await? else {
        let message = "the attachment is gone".to_owned();
        return Ok(Outcome::Failed { reason: reason::NOT_FOUND, message });
    };
    let of = |value: &Option<emnify::wire::Named>| value.as_ref().map(|value| value.id);
    let skipped =
        |message: &str| Ok(Outcome::Skipped { reason: reason::INVALID_SPEC, message: message.to_owned() });
    if of(&row.kind) != Some(kind::TGW) {
        return skipped("only the share of a transit gateway can be offered again");
    }
    let over = row.accept_before.is_some_and(|until| until <= api.client().server_time());
    if of(&row.status) != Some(attachment::PENDING_AWS) || !over {
        return skipped("nothing has expired that could be offered again");
    }
    api.offer_again(id).await.map(|()| Outcome::DONE)
}

/// It can be accepted again.
pub(super) async fn retried(api: &Api, id: i64) -> Result<Option<Outcome>, Error> {
    let row = ATTACHMENTS.get(api, id).await?;
    let open =
        row.is_some_and(|row| row.accept_before.is_some_and(|until| until > api.client().server_time()));
    Ok(open.then_some(Outcome::DONE))
}
