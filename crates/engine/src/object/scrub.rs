//! Which pieces of an object the slow rotation reads, and the one that its turn is for.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::item;
use crate::{
    kind::{
        Have, Id, Inputs, Managed,
        decoded::Decoded,
        managed::{Extra, Look},
    },
    session::{
        Session,
        caller::Caller,
        chance, role,
        scrub::{Due, Turn},
    },
};

/// Who has its pieces read, and who reads them.
pub(super) struct Rotating<'a, K: Managed> {
    pub(super) session: &'a Session,
    pub(super) caller: &'a Caller,
    pub(super) object: &'a Decoded<K>,
    pub(super) have: &'a Have<K>,
    pub(super) status: Option<&'a K::Status>,
    pub(super) inputs: &'a Inputs,
    pub(super) now: Timestamp,
}

/// One piece, and when it is its turn.
struct Piece<P> {
    part: P,
    due: Due,
}

impl<K: Managed> Rotating<'_, K> {
    /// Gives the pieces of an object whose state is known into the rotation; with a `pause`, none of them is due before.
    pub(super) fn put(&self, pause: Option<Duration>) {
        let begins = pause.map(|pause| Instant::now() + pause);
        let mut dues: Vec<Due> = Vec::new();
        for Piece { due, .. } in self.pieces() {
            if due.turn == Turn::First && begins.is_some() {
                continue;
            }
            let at = due.at.max(begins.unwrap_or(due.at));
            let alike = |known: &&mut Due| {
                (known.turn, known.every, known.asked_for) == (due.turn, due.every, due.asked_for)
            };
            match dues.iter_mut().find(alike) {
                Some(known) => {
                    known.at = known.at.min(at);
                    known.pieces += 1;
                }
                None => dues.push(Due { at, ..due }),
            }
        }
        self.session.scrub.put(item(self.object), &dues);
        self.ask_companion();
    }

    /// Another listing may tell of the object, and has not yet.
    fn ask_companion(&self) {
        let kind_state = self.session.kind_state::<K>();
        let row = &self.have.row;
        if K::COMPANION.is_some_and(|listing| (listing.tells_of)(row))
            && kind_state.mirror.is_untold(&K::id(row))
        {
            kind_state.untold.notify_one();
        }
    }

    /// The piece to read now, if it is the turn of this object.
    pub(super) fn due_part(&self) -> Option<K::Part> {
        let turn = self.session.scrub.turn(self.object.uid())?;
        let now = Instant::now();
        let due = self.pieces().into_iter().filter(|piece| piece.due.at <= now);
        due.min_by_key(|piece| (piece.due.turn != turn, piece.due.at)).map(|piece| piece.part)
    }

    /// All that the rotation reads of the object.
    fn pieces(&self) -> Vec<Piece<K::Part>> {
        let mirror = &self.session.kind_state::<K>().mirror;
        let id = K::id(&self.have.row);
        let (turn, every) = again_every::<K>(self.session);
        let now = Instant::now();
        let want = self.object.valid().and_then(|object| object.want(self.inputs).ok());
        let wanted = want.as_ref().map(K::parts).unwrap_or_default();
        let wanted = wanted.into_iter().map(|part| {
            // what was read before a restart comes up in any order, so that the next restart does not favour the same ones
            let unread = || now.checked_sub(every.mul_f64(chance::between(0.0..1.0))).unwrap_or(now);
            let at = mirror.read_at(&id, part).map_or_else(unread, |read| read + every);
            Piece { part, due: Due { turn, at, pieces: 1, every, asked_for: false } }
        });
        let look = Look {
            row: &*self.have.row,
            parts: &*self.have.parts,
            status: self.status,
            usage_every: self.caller.usage_every(),
        };
        let extras = K::EXTRAS.map(|extras| extras(&look)).unwrap_or_default();
        wanted.chain(extras.into_iter().filter_map(|extra| self.extra(&id, extra, now))).collect()
    }

    /// A piece that only the report needs; `None` for one that needs not be read any more.
    fn extra(&self, id: &Id, extra: Extra<K::Part>, now: Instant) -> Option<Piece<K::Part>> {
        let Extra { part, every, read, stale, asked_for } = extra;
        let here = self.session.kind_state::<K>().mirror.read_at(id, part);
        let before = || {
            let age = Duration::try_from(self.now.duration_since(read?)).unwrap_or_default();
            Some(now.checked_sub(age).unwrap_or(now))
        };
        let last = here.or_else(before).filter(|_| !stale);
        let (turn, at) = match (last, every) {
            (None, _) => (Turn::First, now),
            (Some(last), Some(every)) => (Turn::Again, last + every),
            (Some(_), None) => return None,
        };
        let barred = self.caller.barred::<K>(role::piece::<K>(&part), self.now);
        let wait = barred.and_then(|(_, until)| Duration::try_from(until.duration_since(self.now)).ok());
        // it may be allowed again then
        let (turn, at) = wait.map_or((turn, at), |wait| (Turn::Again, at.max(now + wait)));
        let every = every.unwrap_or_default();
        Some(Piece { part, due: Due { turn, at, pieces: 1, every, asked_for } })
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
