//! What data streams do as time passes: changes take effect, records are delivered or wait.

use jiff::{SignedDuration, Timestamp};

use super::data_stream::{Batch, KEPT, RETRIES, status};
use super::{Organisation, State};

impl Organisation {
    /// Lets changes of streams take effect, and forgets what waited for too long.
    pub(super) fn settle_streams(&mut self, now: Timestamp) {
        self.data_streams.retain(|_, stream| !stream.has_ended(now));
        for stream in self.data_streams.values_mut() {
            stream.settle(now);
            let old = |id: &u64| self.events.get(id).is_none_or(|event| event.timestamp < now - KEPT);
            while stream.outbox.front().is_some_and(old) {
                stream.outbox.pop_front();
            }
        }
    }
}

impl State {
    /// Something is really delivered: by a stream, or by callbacks.
    pub(crate) fn delivers(&self) -> bool {
        self.organisations.values().any(|org| {
            let mut streams = org.data_streams.values();
            !org.callbacks.is_empty() || streams.any(|stream| stream.loopback().is_some())
        })
    }

    /// What is to be delivered now, and when to look again if nothing happens.
    pub(crate) fn due(&self, now: Timestamp) -> (Vec<Batch>, Option<Timestamp>) {
        let (mut batches, mut next) = (Vec::new(), None::<Timestamp>);
        let mut later = |at: Timestamp| next = next.into_iter().chain([at]).min();
        for org in self.organisations.values() {
            for stream in org.data_streams.values() {
                stream.change.iter().for_each(|change| later(change.at));
                if stream.status != status::RUNNING || stream.outbox.is_empty() {
                    continue;
                }
                match stream.retry_at {
                    Some(at) if at > now => later(at),
                    _ => batches.push(Batch {
                        organisation: org.id,
                        stream: stream.id,
                        taken: stream.outbox.len().min(stream.size()),
                        events: stream.outbox.iter().take(stream.size()).copied().collect(),
                        bare: stream.size() == 1,
                        credentials: stream.credentials.clone(),
                    }),
                }
            }
        }
        (batches, next)
    }

    /// A delivery was taken by its destination or not.
    pub(crate) fn delivered(&mut self, batch: &Batch, taken: bool, now: Timestamp) {
        let org = self.organisations.get_mut(&batch.organisation);
        let Some(stream) = org.and_then(|org| org.data_streams.get_mut(&batch.stream)) else { return };
        if taken {
            stream.outbox.drain(..batch.taken.min(stream.outbox.len()));
            (stream.failures, stream.retry_at) = (0, None);
            return;
        }
        match RETRIES.get(stream.failures) {
            Some(pause) => stream.retry_at = Some(now + SignedDuration::from_secs(*pause)),
            None if stream.status == status::RUNNING => stream.status = status::ERROR,
            None => {}
        }
        stream.failures += 1;
    }
}
