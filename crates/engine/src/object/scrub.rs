//! Which pieces of an object the slow rotation reads, and the one that its turn is for.

use std::time::Duration;

use tokio::time::Instant;

use super::{Controller, item};
use crate::{
    kind::{Have, Id, Inputs, Managed, decoded::Decoded},
    session::{
        Session, chance,
        scrub::{Due, Turn},
    },
};

impl<K: Managed> Controller<K> {
    /// Gives the pieces of an object whose state is known into the rotation; with a `pause`, none of them is due before.
    pub(super) fn rotate(
        session: &Session,
        object: &Decoded<K>,
        have: &Have<K>,
        status: &K::Status,
        inputs: &Inputs,
        pause: Option<Duration>,
    ) {
        let id = K::id(&have.row);
        let (again, first) = Self::pieces(session, &id, object, Some(status), inputs);
        let (turn, every) = again_every::<K>(session);
        let now = Instant::now();
        // what was read before a restart comes up in any order, so that the next restart does not favour the same ones
        let unread = || now.checked_sub(every.mul_f64(chance::between(0.0..1.0))).unwrap_or(now);
        let due = |(_, read): &(K::Part, Option<Instant>)| read.map_or_else(unread, |read| read + every);
        let oldest = again.iter().map(due).min();
        let begins = now + pause.unwrap_or_default();
        let again = oldest.map(|at| Due { turn, at: at.max(begins), pieces: again.len(), every });
        let pieces = if pause.is_some() { 0 } else { first.len() };
        let first = Due { turn: Turn::First, at: now, pieces, every: Duration::ZERO };
        let dues: Vec<Due> = again.into_iter().chain((pieces > 0).then_some(first)).collect();
        session.scrub.put(item(object), &dues);
    }

    /// The piece to read now, if it is the turn of this object.
    pub(super) fn due_parts(
        session: &Session,
        id: &Id,
        object: &Decoded<K>,
        status: Option<&K::Status>,
        inputs: &Inputs,
    ) -> Vec<K::Part> {
        let Some(turn) = session.scrub.turn(object.uid()) else { return Vec::new() };
        let (again, first) = Self::pieces(session, id, object, status, inputs);
        let oldest = again.into_iter().min_by_key(|(_, read)| *read).map(|(part, _)| part);
        let first = first.into_iter().next();
        let part = if turn == Turn::First { first.or(oldest) } else { oldest.or(first) };
        part.into_iter().collect()
    }

    /// Pieces that are read again and again, each with the time of its last read, and those to be read a first time.
    #[allow(clippy::type_complexity, reason = "two lists, used twice, here")]
    fn pieces(
        session: &Session,
        id: &Id,
        object: &Decoded<K>,
        status: Option<&K::Status>,
        inputs: &Inputs,
    ) -> (Vec<(K::Part, Option<Instant>)>, Vec<K::Part>) {
        let mirror = &session.kind_state::<K>().mirror;
        let want = object.valid().and_then(|o| o.want(inputs).ok());
        let wanted = want.as_ref().map(K::parts).unwrap_or_default();
        let again = wanted.into_iter().map(|part| (part, mirror.read_at(id, part))).collect();
        let extras = K::LISTED_ALONE.map(|alone| (alone.extras)(status)).unwrap_or_default();
        let first = mirror.parts(id, &extras, None).1;
        (again, first)
    }
}

/// In which turns a kind's pieces are read again, and how old they become at least. Kinds that are scrubbed with each sweep
/// follow the workspace's interval.
fn again_every<K: Managed>(session: &Session) -> (Turn, Duration) {
    let facts = K::FACTS;
    if facts.scrub_every > facts.sweep_every {
        return (Turn::Again, facts.scrub_every);
    }
    (Turn::Sweep, session.sweep_every().unwrap_or(facts.scrub_every))
}
