//! `DataStream`: usage or events of the organisation, sent on by emnify.
//!
//! Everything about a stream takes a while in emnify: changes are accepted and carried out later. What is secret in a destination is
//! masked in what emnify shows, so it is compared by what was sent last. Our mark ends the name, so a stream is found again after
//! a crash, and a rebuilt cluster does not stream everything twice.

pub mod change;
pub mod destination;
mod export;
mod local;
mod spec;
#[cfg(test)]
mod tests;
mod want;

use std::time::Duration;

use emnify::{
    Api, Cursor, Error, Page,
    wire::data_stream::{DATA_STREAMS, DataStream as Row, StreamId, status},
};
use emnify_engine::kind::{
    Context, Diff, Facts, Find, Have, Id, Input, Inputs, Invalid, Key, Managed, Phase, Reply,
    managed::Census,
    mark, misuse, reason,
    spec::{AdoptionPolicy, Intent},
};
use jiff::Timestamp;

pub use self::{
    change::Change,
    spec::{DataStream, DataStreamSpec, DataStreamStatus, Filters, RestartPolicy, StreamType},
    want::Want,
};
use super::common::group;

/// A stream that is being changed is read so often.
const POLL: Duration = Duration::from_secs(10);

impl Managed for DataStream {
    type Row = Row;
    type Part = std::convert::Infallible;
    type Parts = ();
    type Want = Want;
    type Change = Change;
    type News = ();

    // records of every device go to somebody outside
    const SENSITIVE: bool = true;
    const CENSUS: Option<Census<Self>> =
        Some(|row, _, _, put| put(group::DATA_STREAM, &want::told_state(row)));

    const FACTS: Facts = Facts {
        has_read: true,
        serial: Some("data_stream"),
        sweep_every: Duration::from_secs(5 * 60),
        scrub_every: Duration::from_secs(24 * 60 * 60),
        adoption: AdoptionPolicy::Never,
        needs_intent: true,
    };

    fn id(row: &Row) -> Id {
        Id::parse(&row.id)
    }

    fn keys(row: &Row, put: &mut dyn FnMut(Key)) {
        let (name, owner) = mark::split(&row.name);
        put(Key::new(Key::NAME, name));
        if let Some(owner) = owner {
            put(Key::new(mark::KEY, owner));
        }
    }

    fn mark(row: &Row) -> Option<String> {
        mark::split(&row.name).1.map(str::to_owned)
    }

    fn inputs(&self) -> Vec<Input> {
        self.spec.inputs()
    }

    fn want(&self, from: &Inputs) -> Result<Want, Invalid> {
        self.spec.want(from)
    }

    fn find(want: &Want, _: Option<&Intent>) -> Vec<Find> {
        vec![Find::Trace(Key::new(mark::KEY, want.owner()))]
    }

    fn create(want: &Want, _: Option<&Intent>) -> Option<Change> {
        Some(want.create())
    }

    fn diff(want: &Want, have: &Have<Self>, context: &Context<'_, Self>) -> Diff<Change> {
        want.diff(have, context)
    }

    fn phase(have: &Have<Self>, _: Timestamp) -> Phase {
        match want::state(&have.row) {
            Some(status::PENDING) => Phase::Busy {
                poll: POLL,
                reason: reason::PROVISIONING,
                message: "emnify is changing the stream".into(),
            },
            Some(status::ERROR) => Phase::Broken {
                reason: reason::STREAM_BROKEN,
                message: "emnify cannot deliver to the destination and gave up; see that it can be reached and takes what is sent. The stream is restarted from time to time, unless restartPolicy is Never; an edit of the destination starts it as well"
                    .into(),
            },
            _ => Phase::Settled,
        }
    }

    fn retire(_: &Have<Self>, _: &Context<'_, Self>) -> Vec<Change> {
        vec![Change::Delete]
    }

    /// Only of a restart: every other change shows when emnify has carried it out.
    fn assume(change: &Change, row: &mut Row, (): &mut ()) {
        match (change, &mut row.status) {
            (Change::Restart, Some(status)) => (status.id, status.name) = (status::PENDING, None),
            (Change::Restart | Change::Create { .. } | Change::Update { .. } | Change::Delete, _) => {}
        }
    }

    fn note(have: &Have<Self>, now: Timestamp, status: &mut DataStreamStatus) {
        want::note(&have.row, now, status);
    }

    fn report(&self, have: &Have<Self>, _: Option<&()>, status: &mut DataStreamStatus) {
        status.state = Some(want::told_state(&have.row));
        let destination = have.row.destination.as_ref();
        status.destination =
            destination.map(|known| destination::member_of(&known.connection_type).to_owned());
    }

    async fn list(api: &Api, at: Cursor) -> Result<Page<Row>, Error> {
        DATA_STREAMS.list(api, at).await
    }

    async fn read(api: &Api, id: &Id) -> Result<Option<Row>, Error> {
        DATA_STREAMS.get(api, stream(id)).await
    }

    async fn read_part(_: &Api, _: &Id, part: std::convert::Infallible, (): &mut ()) -> Result<(), Error> {
        match part {}
    }

    async fn make(api: &Api, new: &Change) -> Result<Reply<Self>, Error> {
        let Change::Create { body, local, .. } = new else {
            return Err(misuse("only a create makes a data stream"));
        };
        local::check(api, local.as_deref())?;
        let made = DATA_STREAMS.create(api, body).await?;
        Ok(Reply { id: Some(Id::parse(&made.id.0)), ..Reply::default() })
    }

    async fn apply(api: &Api, id: &Id, change: &Change) -> Result<Reply<Self>, Error> {
        let id = stream(id);
        match change {
            Change::Create { .. } => return Err(misuse("the data stream is there already")),
            Change::Update { body, local, .. } => {
                local::check(api, local.as_deref())?;
                DATA_STREAMS.patch(api, id, body).await?;
            }
            Change::Restart => api.restart_data_stream(&id).await?,
            Change::Delete => DATA_STREAMS.delete(api, id).await?,
        }
        Ok(Reply::default())
    }
}

fn stream(id: &Id) -> StreamId {
    StreamId(id.to_string())
}
