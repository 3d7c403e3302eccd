//! What is kept of a change that emnify accepted.

use std::{
    collections::BTreeSet,
    hash::{DefaultHasher, Hash, Hasher},
    time::Duration,
};

use super::table::Moment;
use crate::kind::Change;

/// emnify has so long to carry out what it accepted.
pub(super) const PATIENCE: Duration = Duration::from_secs(600);

/// A change that was accepted, of one object.
#[derive(Debug)]
pub(super) struct Accepted {
    pub(super) what: BTreeSet<u64>,
    pub(super) at: Moment,
    /// Accepted so often in a row, and never carried out.
    pub(super) times: u32,
    /// It is sent once more after this.
    pub(super) again: Moment,
    /// With it the object goes.
    pub(super) ends: bool,
}

/// How far emnify is with a change that it accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnderWay {
    /// It has time left; the object is read so long after it was read last.
    Carrying(Duration),
    /// Its time is over; the change is sent once more after so long.
    Overdue(Duration),
}

/// What a change sets, whatever was there before: its fields, or itself if it has none.
pub(super) fn what<C: Change>(change: &C) -> BTreeSet<u64> {
    let hash = |what: &dyn Fn(&mut DefaultHasher)| {
        let mut hasher = DefaultHasher::new();
        what(&mut hasher);
        hasher.finish()
    };
    let fields = change.fields();
    if fields.is_empty() {
        return BTreeSet::from([hash(&|hasher| change.request().hash(hasher))]);
    }
    fields.iter().map(|field| hash(&|hasher| (&field.path, &field.new).hash(hasher))).collect()
}

/// How long after its last read an object is read again that was waited for so long: often at first, since most changes take a
/// second or two.
pub(crate) fn poll(elapsed: Duration) -> Duration {
    Duration::from_secs(match elapsed.as_secs() {
        0..2 => 2,
        2..7 => 5,
        7..17 => 10,
        _ => 30,
    })
}
