//! How the engine and its sessions stand now.

use std::time::Duration;

use jiff::Timestamp;

use super::Engine;
use crate::{
    kind::census::Census,
    metrics::snapshot::{EngineSnapshot, KindSnapshot, SessionSnapshot},
    session::Session,
};

impl Engine {
    /// How a session stands now.
    pub fn session(&self, session: &Session) -> SessionSnapshot {
        let mut kinds: Vec<_> = self
            .shared
            .kinds()
            .filter_map(|kind| {
                let (objects, listed_at) = kind.count(session).zip(kind.listed_at(session))?;
                Some(KindSnapshot { kind: kind.name(), objects, listed_at })
            })
            .collect();
        kinds.sort_by_key(|kind| kind.kind);
        let census = session.census.or_else(|| {
            let mut census = Census::default();
            self.shared.kinds().for_each(|kind| kind.census(session, &mut census));
            census
        });
        let lag =
            |at: Timestamp| Duration::try_from(session.server_time().duration_since(at)).unwrap_or_default();
        SessionSnapshot {
            organisation: session.organisation.clone(),
            queued: emnify::Lane::ALL.map(|lane| session.queue.len(lane)),
            oldest: emnify::Lane::ALL.map(|lane| session.queue.oldest(lane).unwrap_or_default()),
            scrub: session.scrub.snapshot(),
            tail_lag: session.hints.position().map(lag),
            blocked: session.blocked(),
            restricted: session.callers().iter().any(|caller| !caller.lacks().is_empty()),
            guard_tripped: session.callers().iter().any(|caller| caller.guard.tripped().is_some()),
            kinds,
            census,
        }
    }

    /// How everything but the sessions stands now.
    pub fn snapshot(&self) -> EngineSnapshot {
        let now = self.now();
        let mut objects: Vec<_> = self.shared.kinds().map(|kind| kind.objects(now)).collect();
        objects.sort_by_key(|objects| objects.kind);
        EngineSnapshot { objects, counts: self.shared.metrics.snapshot() }
    }

    /// The time of day.
    pub fn now(&self) -> Timestamp {
        self.shared.now()
    }
}
