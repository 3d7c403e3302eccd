//! Who may act on an emnify object, when several Kubernetes objects could.

use std::{
    collections::{BTreeMap, HashMap},
    fmt::Debug,
    sync::Arc,
};

use jiff::Timestamp;
use parking_lot::Mutex;

use crate::kind::{Id, Key, Managed, object_key::ObjectKey};

/// Rank of a claim: bound beats unbound, then the older object, then the uid.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank {
    /// False for bound objects, so that they sort first.
    pub unbound: bool,
    /// `metadata.creationTimestamp`.
    pub created: Option<Timestamp>,
    /// `metadata.uid`.
    pub uid: Arc<str>,
}

impl Rank {
    /// The same object's rank for what it is bound to, or for what it is not.
    #[must_use]
    pub fn with_bound(&self, bound: bool) -> Self {
        Self { unbound: !bound, ..self.clone() }
    }
}

/// Who has the better right to something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Kind, namespace and name.
    pub name: String,
    /// It is being deleted: whoever comes after it waits for that.
    pub goes: bool,
}

/// Something that only one object can have.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Right {
    /// The emnify object of this kind and id.
    Object(&'static str, Id),
    /// Whatever object of this kind carries this natural key.
    Key(&'static str, Key),
    /// Something that objects of several kinds compete for, such as the state of one SIM.
    Shared(Key),
}

impl Right {
    /// To the emnify object with this id.
    pub fn of<K: Managed>(id: &Id) -> Self {
        Self::Object(K::KIND, id.clone())
    }

    /// To whatever carries this natural key.
    pub fn natural<K: Managed>(key: &Key) -> Self {
        Self::Key(K::KIND, key.clone())
    }
}

/// A right that an object claims. Only what it is bound to, or what the emnify object that it is bound to holds, is claimed
/// as bound: what its spec merely names is not, however long it was bound to something else.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Claimed {
    /// What is claimed.
    pub right: Right,
    /// The object has it already.
    pub bound: bool,
}

impl Claimed {
    /// A claim.
    pub fn new(right: Right, bound: bool) -> Self {
        Self { right, bound }
    }
}

/// An object with too many rights to list: it is asked.
pub trait ClaimSource: Debug + Send + Sync {
    /// Where it is found.
    fn claimant(&self) -> &ObjectKey;
    /// How strong its claim to `right` is; `None` if it claims no such thing. Must not ask [`Claims`].
    fn rank(&self, right: &Right) -> Option<Rank>;
    /// It has what `right` speaks of, wants it no more, and is about to let go of it.
    fn lets_go(&self, right: &Right) -> bool;
}

/// One object as bound, or as not bound, kept once however much it claims so.
#[derive(Debug)]
struct Claim {
    rank: Rank,
    who: Arc<ObjectKey>,
}

#[derive(Debug, Default)]
struct Inner {
    sources: BTreeMap<String, Arc<dyn ClaimSource>>,
    /// By rank; nearly always one, so that a vector takes a tenth of a tree.
    by_right: HashMap<Arc<Right>, Vec<Arc<Claim>>>,
    /// The rights that each object lists.
    by_uid: HashMap<Arc<str>, Box<[Arc<Right>]>>,
}

/// All claims of one session.
#[derive(Debug, Default)]
pub struct Claims(Mutex<Inner>);

impl Claims {
    /// Replaces what the object claims, whose rank for what it is not bound to is `rank`. Returns the best other claimant
    /// to any of it that outranks the object there, and those who may now have become first and should look again.
    pub fn set(
        &self,
        who: &ObjectKey,
        rank: &Rank,
        rights: Vec<Claimed>,
    ) -> (Option<ObjectKey>, Vec<ObjectKey>) {
        let mut inner = self.0.lock();
        let mut freed = inner.remove(&rank.uid, &rights);
        let named = Arc::new(who.clone());
        let claim = |bound| Arc::new(Claim { rank: rank.with_bound(bound), who: named.clone() });
        let claims = [claim(false), claim(true)];
        let mut better = None;
        let mut own = Vec::with_capacity(rights.len());
        for Claimed { right, bound } in rights {
            let claim = &claims[usize::from(bound)];
            let asked = inner.asked_of(&right, &rank.uid);
            let (right, listed) = inner.add(right, claim);
            let listed = listed.map(|first| (first.rank.clone(), ObjectKey::clone(&first.who)));
            let firsts = asked.into_iter().chain(listed);
            let (above, below): (Vec<_>, Vec<_>) = firsts.partition(|(first, _)| *first < claim.rank);
            better =
                better.or_else(|| above.into_iter().min_by(|a, b| a.0.cmp(&b.0)).map(|(_, first)| first));
            freed.extend(below.into_iter().map(|(_, first)| first));
            own.push(right);
        }
        if !own.is_empty() {
            inner.by_uid.insert(rank.uid.clone(), own.into());
        }
        freed.retain(|c| c != who);
        (better, freed)
    }

    /// From now on the object `uid` is asked what it claims; what is claimed by others is not told to it here.
    pub fn add_source(&self, uid: &str, asked_of: Arc<dyn ClaimSource>) {
        self.0.lock().sources.insert(uid.to_owned(), asked_of);
    }

    /// Who outranks `rank` in any of `rights`, whether it listed them or is asked.
    pub fn outranked(&self, rank: &Rank, rights: &[Right]) -> Option<ObjectKey> {
        let inner = self.0.lock();
        rights.iter().find_map(|right| {
            let listed = inner.by_right.get(right).and_then(|claims| claims.first());
            let listed =
                listed.filter(|c| c.rank.uid != rank.uid).map(|c| (c.rank.clone(), ObjectKey::clone(&c.who)));
            let asked = inner.asked_of(right, &rank.uid);
            let first = listed.into_iter().chain(asked).min_by(|(a, _), (b, _)| a.cmp(b))?;
            (first.0 < *rank).then_some(first.1)
        })
    }

    /// Who has what `right` speaks of and is about to let go of it, of those that are asked.
    pub fn letting_go(&self, right: &Right) -> Option<ObjectKey> {
        let inner = self.0.lock();
        inner
            .sources
            .values()
            .find(|asked_of| asked_of.lets_go(right))
            .map(|asked_of| asked_of.claimant().clone())
    }

    /// Those who claim anything that `theirs` names: when a holder lets go of it, they may have become first.
    pub fn claimants(&self, theirs: &dyn Fn(&Right) -> bool) -> Vec<ObjectKey> {
        let inner = self.0.lock();
        let listed = inner.by_right.iter().filter(|(right, _)| theirs(right));
        let mut all: Vec<ObjectKey> = listed.filter_map(|(_, claims)| first(claims)).collect();
        all.extend(inner.sources.values().map(|asked_of| asked_of.claimant().clone()));
        all
    }

    /// Whoever has the best claim to this, if anybody claims it.
    pub(crate) fn holder(&self, right: &Right) -> Option<ObjectKey> {
        let inner = self.0.lock();
        let listed = inner.by_right.get(right).and_then(|claims| claims.first());
        let listed = listed.map(|claim| (claim.rank.clone(), ObjectKey::clone(&claim.who)));
        let all = listed.into_iter().chain(inner.asked_of(right, ""));
        all.min_by(|(a, _), (b, _)| a.cmp(b)).map(|(_, who)| who)
    }

    /// Others that claim anything of what the object lists.
    pub fn sharers(&self, uid: &str) -> Vec<ObjectKey> {
        let inner = self.0.lock();
        let mut all: Vec<ObjectKey> = Vec::new();
        for right in inner.by_uid.get(uid).into_iter().flatten() {
            let listed = inner.by_right.get(right).into_iter().flatten();
            let listed =
                listed.filter(|claim| *claim.rank.uid != *uid).map(|claim| ObjectKey::clone(&claim.who));
            for who in listed.chain(inner.asked_of(right, uid).map(|(_, who)| who)) {
                if !all.contains(&who) {
                    all.push(who);
                }
            }
        }
        all
    }

    /// The object is gone; returns those who may have become first.
    pub fn release(&self, uid: &str) -> Vec<ObjectKey> {
        let mut inner = self.0.lock();
        let mut freed = inner.remove(uid, &[]);
        if inner.sources.remove(uid).is_some() {
            freed.extend(inner.by_right.values().filter_map(|claims| first(claims)));
            freed.extend(inner.sources.values().map(|asked_of| asked_of.claimant().clone()));
        }
        freed
    }

    /// True if `who` lists `right` among its claims.
    pub fn lists(&self, right: &Right, who: &ObjectKey) -> bool {
        let inner = self.0.lock();
        inner.by_right.get(right).is_some_and(|claims| claims.iter().any(|claim| *claim.who == *who))
    }

    /// True if somebody other than `uid` claims `right`, bound or not.
    pub fn wanted(&self, right: &Right, uid: &str) -> bool {
        let inner = self.0.lock();
        inner.by_right.get(right).is_some_and(|claims| claims.iter().any(|claim| *claim.rank.uid != *uid))
            || inner.asked_of(right, uid).is_some()
    }

    /// True if somebody other than `uid` claims `right`.
    pub fn taken(&self, right: &Right, uid: &str) -> bool {
        let inner = self.0.lock();
        inner
            .by_right
            .get(right)
            .is_some_and(|claims| claims.iter().any(|c| *c.rank.uid != *uid && !c.rank.unbound))
            || inner.asked_of(right, uid).is_some_and(|(rank, _)| !rank.unbound)
    }
}

impl Inner {
    /// The first of those other than `uid` that have to be asked.
    fn asked_of(&self, right: &Right, uid: &str) -> Option<(Rank, ObjectKey)> {
        let others = self.sources.iter().filter(|(other, _)| *other != uid);
        others
            .filter_map(|(_, asked_of)| Some((asked_of.rank(right)?, asked_of.claimant().clone())))
            .min_by(|(a, _), (b, _)| a.cmp(b))
    }

    /// Adds a claim; returns the right as it is kept, and who was first.
    fn add(&mut self, right: Right, claim: &Arc<Claim>) -> (Arc<Right>, Option<Arc<Claim>>) {
        let Some((kept, _)) = self.by_right.get_key_value(&right) else {
            let kept = Arc::new(right);
            self.by_right.insert(kept.clone(), vec![claim.clone()]);
            return (kept, None);
        };
        let kept = kept.clone();
        let claims = self.by_right.entry(kept.clone()).or_default();
        let first = claims.first().cloned();
        match claims.binary_search_by(|known| known.rank.cmp(&claim.rank)) {
            Ok(same) => claims[same] = claim.clone(),
            Err(place) => claims.insert(place, claim.clone()),
        }
        (kept, first)
    }

    /// Takes back what the object claims; who may have become first of what it does not `keep`, or keeps as less.
    fn remove(&mut self, uid: &str, keep: &[Claimed]) -> Vec<ObjectKey> {
        let mut freed = Vec::new();
        for right in self.by_uid.remove(uid).unwrap_or_default() {
            let Some(claims) = self.by_right.get_mut(&right) else { continue };
            let own = claims.iter().position(|known| *known.rank.uid == *uid);
            let was_bound = own.is_some_and(|own| !claims.remove(own).rank.unbound);
            let given_up = !keep.iter().any(|kept| kept.right == *right && (kept.bound || !was_bound));
            freed.extend(first(claims).filter(|_| given_up));
            if claims.is_empty() {
                self.by_right.remove(&right);
            }
            if given_up {
                freed.extend(self.asked_of(&right, uid).map(|(_, claimant)| claimant));
            }
        }
        freed
    }
}

fn first(claims: &[Arc<Claim>]) -> Option<ObjectKey> {
    claims.first().map(|claim| ObjectKey::clone(&claim.who))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn who(name: &str) -> ObjectKey {
        ObjectKey { kind: "Toy", namespace: "d".into(), name: name.into() }
    }
    fn rank(unbound: bool, created: &str, uid: &str) -> Rank {
        let created = created.parse::<i64>().ok().and_then(|second| Timestamp::from_second(second).ok());
        Rank { unbound, created, uid: uid.into() }
    }
    fn toy(id: i64) -> Right {
        Right::Object("Toy", Id::Int(id))
    }
    fn right() -> Vec<Claimed> {
        vec![Claimed::new(toy(1), false)]
    }
    fn bound() -> Vec<Claimed> {
        vec![Claimed::new(toy(1), true)]
    }
    fn named() -> [Right; 1] {
        [toy(1)]
    }

    #[test]
    fn bound_beats_unbound_then_age_then_uid() {
        let claims = Claims::default();
        assert_eq!(claims.set(&who("young"), &rank(true, "2", "y"), right()).0, None);
        assert_eq!(claims.set(&who("old"), &rank(true, "1", "o"), right()), (None, vec![who("young")]));
        assert_eq!(claims.set(&who("young"), &rank(true, "2", "y"), right()).0, Some(who("old")));
        assert_eq!(claims.set(&who("young"), &rank(true, "2", "y"), bound()).0, None, "bound beats older");
        assert_eq!(claims.set(&who("old"), &rank(true, "1", "o"), right()).0, Some(who("young")));
    }

    #[derive(Debug)]
    struct Many(ObjectKey, Rank);

    impl ClaimSource for Many {
        fn claimant(&self) -> &ObjectKey {
            &self.0
        }
        fn lets_go(&self, _: &Right) -> bool {
            false
        }

        fn rank(&self, right: &Right) -> Option<Rank> {
            matches!(right, Right::Object("Toy", _)).then(|| self.1.clone())
        }
    }

    #[test]
    fn one_who_is_asked_competes_with_those_who_list() {
        let claims = Claims::default();
        let many = |unbound| Arc::new(Many(who("many"), rank(unbound, "2", "m")));
        claims.add_source("m", many(true));
        assert_eq!(claims.set(&who("old"), &rank(true, "1", "o"), right()).0, None, "older goes first");
        assert_eq!(claims.outranked(&rank(true, "2", "m"), &named()), Some(who("old")));
        assert_eq!(claims.set(&who("young"), &rank(true, "3", "y"), right()).0, Some(who("old")));
        assert_eq!(claims.release("o"), vec![who("young"), who("many")], "both may be first now");
        claims.add_source("m", many(false));
        assert_eq!(claims.set(&who("young"), &rank(true, "3", "y"), right()).0, Some(who("many")));
        assert_eq!(
            claims.outranked(&rank(false, "2", "m"), &named()),
            None,
            "never by itself or a weaker one"
        );
        assert!(claims.taken(&toy(1), "y"), "a bound member is taken");
        assert!(claims.release("m").contains(&who("young")), "who waited hears of it");
    }

    #[test]
    fn whoever_is_next_hears_of_a_release() {
        let claims = Claims::default();
        claims.set(&who("a"), &rank(true, "1", "a"), bound());
        claims.set(&who("b"), &rank(true, "2", "b"), right());
        assert_eq!(claims.release("a"), vec![who("b")]);
        assert_eq!(claims.set(&who("b"), &rank(true, "2", "b"), right()).0, None);
        assert!(!claims.taken(&toy(1), "b"));
    }

    #[test]
    fn what_is_bound_to_one_thing_is_not_bound_to_what_its_spec_names() {
        let claims = Claims::default();
        claims.set(&who("owner"), &rank(true, "2", "o"), vec![Claimed::new(toy(20), true)]);
        let wide = vec![Claimed::new(toy(10), true), Claimed::new(toy(20), false)];
        let (better, _) = claims.set(&who("old"), &rank(true, "1", "x"), wide);
        assert_eq!(better, Some(who("owner")), "an older object that is bound elsewhere takes nothing");
        let owner = vec![Claimed::new(toy(20), true)];
        assert_eq!(claims.set(&who("owner"), &rank(true, "2", "o"), owner).0, None);
        let lost = vec![Claimed::new(toy(20), false)];
        let (_, freed) = claims.set(&who("owner"), &rank(true, "2", "o"), lost);
        assert_eq!(freed, vec![who("old")], "who moves up because a claim became weaker hears of it");
    }
}
