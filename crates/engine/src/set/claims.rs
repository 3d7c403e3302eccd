//! What a set claims: it is asked, because a hundred thousand rights are too many to list.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use jiff::Timestamp;
use parking_lot::{Mutex, RwLock};

use crate::{
    decide::roster::{Departure, Slot},
    kind::{Id, Key, Kind, object_key::ObjectKey, set::ObjectSet},
    session::{
        Session,
        claims::{ClaimSource, Rank, Right},
    },
};

/// The members of one set, as others may ask for them.
pub(crate) struct SetClaims<F: ObjectSet> {
    claimant: ObjectKey,
    created: Option<Timestamp>,
    uid: Arc<str>,
    session: std::sync::Weak<Session>,
    /// What members hold, sorted, with the id of those that exist (0 for others).
    claimed: RwLock<Vec<(i64, i64)>>,
    /// Ids of members that have to go, sorted.
    leaving: RwLock<Vec<i64>>,
    /// Names of rights that each member claims besides itself, such as the state of its SIM.
    rights: RwLock<Vec<&'static str>>,
    /// The set only looks on, and is in nobody's way.
    observes: AtomicBool,
    kind: std::marker::PhantomData<fn() -> F>,
}

impl<F: ObjectSet> SetClaims<F> {
    pub(crate) fn new(claimant: ObjectKey, rank: Rank, session: &Arc<Session>) -> Self {
        Self {
            claimant,
            created: rank.created,
            uid: rank.uid,
            session: Arc::downgrade(session),
            claimed: RwLock::default(),
            leaving: RwLock::default(),
            rights: RwLock::default(),
            observes: AtomicBool::new(false),
            kind: std::marker::PhantomData,
        }
    }

    /// Takes over who is a member now; what was let go of is returned.
    pub(crate) fn set(&self, slots: &[Slot], rights: Vec<&'static str>) -> Vec<i64> {
        let mut claimed: Vec<(i64, i64)> = slots.iter().map(|slot| (slot.pool, slot.id)).collect();
        claimed.sort_unstable();
        *self.rights.write() = rights;
        let mut now = self.claimed.write();
        let old = std::mem::replace(&mut *now, claimed);
        let stays = |pool: i64| now.binary_search_by_key(&pool, |(pool, _)| *pool).is_ok();
        old.into_iter().map(|(pool, _)| pool).filter(|pool| !stays(*pool)).collect()
    }

    /// Takes over who has to go.
    pub(crate) fn set_leaving(&self, departures: &[Departure]) {
        let mut leaving: Vec<i64> = departures.iter().map(|departure| departure.id).collect();
        leaving.sort_unstable();
        *self.leaving.write() = leaving;
    }

    /// A set that only looks on claims nothing; true if that has changed.
    pub(crate) fn set_observes(&self, observes: bool) -> bool {
        self.observes.swap(observes, Ordering::Relaxed) != observes
    }

    /// The id of the member that holds this, 0 if it does not exist yet; `None` if nobody does.
    pub(crate) fn member(&self, pool: i64) -> Option<i64> {
        let claimed = self.claimed.read();
        claimed.binary_search_by_key(&pool, |(pool, _)| *pool).ok().map(|at| claimed[at].1)
    }

    /// How strong its claim to one member is.
    pub(crate) fn rank_of(&self, bound: bool) -> Rank {
        Rank { unbound: !bound, created: self.created, uid: self.uid.clone() }
    }

    /// The rights of the member that holds `pool`.
    pub(crate) fn rights_of(&self, pool: i64, id: Option<&Id>) -> Vec<Right> {
        let mut rights = vec![Right::Key(F::Member::KIND, F::key(pool))];
        rights.extend(id.map(|id| Right::Object(F::Member::KIND, id.clone())));
        let more = self.rights.read();
        rights.extend(more.iter().map(|name| Right::Shared(Key::new(name, pool.to_string()))));
        rights
    }

    /// What the member holds that a right speaks of.
    fn pool_of(&self, right: &Right) -> Option<i64> {
        match right {
            Right::Key(_, key) | Right::Shared(key) => key.value.parse().ok(),
            Right::Object(kind, id) if *kind == F::Member::KIND => {
                F::pool_entry(&*self.session.upgrade()?.kind_state::<F::Member>().mirror.row(id)?)
            }
            Right::Object(..) => None,
        }
    }
}

impl<F: ObjectSet> ClaimSource for SetClaims<F> {
    fn claimant(&self) -> &ObjectKey {
        &self.claimant
    }

    fn rank(&self, right: &Right) -> Option<Rank> {
        if self.observes.load(Ordering::Relaxed) {
            return None;
        }
        let pool = self.pool_of(right)?;
        let id = self.member(pool)?;
        let number = if let Right::Object(_, id) = right { Some(id) } else { None };
        // another one that holds the same is not the member it is bound to
        let bound = id != 0 && number.is_none_or(|number| *number == Id::Int(id));
        self.rights_of(pool, number).contains(right).then(|| self.rank_of(bound))
    }

    fn lets_go(&self, right: &Right) -> bool {
        let Right::Object(kind, Id::Int(id)) = right else { return false };
        *kind == F::Member::KIND && self.leaving.read().binary_search(id).is_ok()
    }
}

impl<F: ObjectSet> fmt::Debug for SetClaims<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Holding").field("claimant", &self.claimant).finish_non_exhaustive()
    }
}

/// Members whose rows changed since the last look.
#[derive(Debug, Default)]
pub(crate) struct ChangedMembers(Mutex<Changed>);

#[derive(Debug, Default)]
pub(crate) struct Changed {
    pub(crate) pools: std::collections::HashSet<i64>,
    pub(crate) ids: std::collections::HashSet<i64>,
    /// Too many to name.
    pub(crate) all: bool,
    /// A look was asked for and has not begun.
    asked: bool,
}

/// More are not remembered one by one.
const NAMED: usize = 4096;

impl ChangedMembers {
    /// True if a look has to be asked for.
    pub(crate) fn add(&self, pool: Option<i64>, id: Option<i64>) -> bool {
        let mut marks = self.lock();
        if marks.pools.len() + marks.ids.len() >= NAMED {
            marks.pools.clear();
            marks.ids.clear();
            marks.all = true;
        }
        if !marks.all {
            marks.pools.extend(pool);
            marks.ids.extend(id);
        }
        !std::mem::replace(&mut marks.asked, true)
    }

    /// Takes what was touched; later touches ask anew.
    pub(crate) fn take(&self) -> Changed {
        std::mem::take(&mut *self.lock())
    }

    fn lock(&self) -> parking_lot::MutexGuard<'_, Changed> {
        self.0.lock()
    }
}
