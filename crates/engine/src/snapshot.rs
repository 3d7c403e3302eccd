//! How a session stands, for metrics: numbers only, taken when asked.

use jiff::Timestamp;

use crate::{engine::Engine, scrub::ScrubSnapshot, session::Session};

/// How a session stands.
#[derive(Clone, Debug, PartialEq)]
pub struct SessionSnapshot {
    /// Id of its organisation.
    pub organisation: String,
    /// Objects that wait to be sent, per lane in the order of [`emnify::Lane::ALL`].
    pub queued: [usize; 7],
    /// Slow re-reading of what no listing shows.
    pub scrub: ScrubSnapshot,
    /// Kinds that were listed completely.
    pub kinds: Vec<KindSnapshot>,
}

/// How the mirror of one kind stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KindSnapshot {
    /// Its name.
    pub kind: &'static str,
    /// Objects in emnify.
    pub objects: usize,
    /// When the last complete listing began.
    pub listed_at: Timestamp,
}

impl Engine {
    /// How a session stands now.
    pub fn snapshot(&self, session: &Session) -> SessionSnapshot {
        let mut kinds: Vec<_> = self
            .shared
            .kinds()
            .filter_map(|kind| {
                let (objects, listed_at) = kind.count(session).zip(kind.listed_at(session))?;
                Some(KindSnapshot { kind: kind.name(), objects, listed_at })
            })
            .collect();
        kinds.sort_by_key(|kind| kind.kind);
        SessionSnapshot {
            organisation: session.organisation.clone(),
            queued: emnify::Lane::ALL.map(|lane| session.queue.len(lane)),
            scrub: session.scrub.snapshot(),
            kinds,
        }
    }

    /// The time of day.
    pub fn now(&self) -> Timestamp {
        self.shared.now()
    }
}
