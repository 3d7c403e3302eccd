//! Who may act on an emnify object, when several Kubernetes objects could.

use std::{
    collections::{BTreeMap, HashMap},
    fmt::Debug,
    sync::{Arc, Mutex},
};

/// Rank of a claim: bound beats unbound, then the older object, then the uid.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank {
    /// False for bound objects, so that they sort first.
    pub unbound: bool,
    /// `metadata.creationTimestamp`.
    pub created: String,
    /// `metadata.uid`.
    pub uid: String,
}

/// Where a claimant is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claimant {
    /// Its kind.
    pub kind: &'static str,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl std::fmt::Display for Claimant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}/{}", self.kind, self.namespace, self.name)
    }
}

/// An object with too many rights to list: it is asked.
pub trait Holder: Debug + Send + Sync {
    /// Where it is found.
    fn claimant(&self) -> &Claimant;
    /// How strong its claim to `right` is; `None` if it claims no such thing. Must not ask [`Claims`].
    fn rank(&self, right: &str) -> Option<Rank>;
}

#[derive(Debug, Default)]
struct Inner {
    holders: BTreeMap<String, Arc<dyn Holder>>,
    by_right: HashMap<String, BTreeMap<Rank, Claimant>>,
    by_uid: HashMap<String, (Rank, Vec<String>)>,
}

/// All claims of one session.
#[derive(Debug, Default)]
pub struct Claims(Mutex<Inner>);

impl Claims {
    /// Replaces what the object claims. Returns the best other claimant to any of it that outranks the object, and
    /// those who may now have become first and should look again.
    pub fn set(&self, who: &Claimant, rank: &Rank, rights: Vec<String>) -> (Option<Claimant>, Vec<Claimant>) {
        let mut inner = self.0.lock().expect("nobody panics while holding the claims");
        let mut freed = inner.remove(&rank.uid, &rights);
        let mut better = None;
        for right in &rights {
            match inner.holder(right, &rank.uid) {
                Some((first, claimant)) if first < *rank => better = better.or(Some(claimant)),
                Some((_, claimant)) => freed.push(claimant),
                None => {}
            }
            let holders = inner.by_right.entry(right.clone()).or_default();
            let was_first = holders.first_key_value().map(|(r, c)| (r.clone(), c.clone()));
            holders.insert(rank.clone(), who.clone());
            match was_first {
                Some((first, claimant)) if first < *rank => better = better.or(Some(claimant)),
                Some((_, claimant)) => freed.push(claimant),
                None => {}
            }
        }
        inner.by_uid.insert(rank.uid.clone(), (rank.clone(), rights));
        freed.retain(|c| c != who);
        (better, freed)
    }

    /// From now on the object `uid` is asked what it claims; what is claimed by others is not told to it here.
    pub fn hold(&self, uid: &str, holder: Arc<dyn Holder>) {
        self.0.lock().expect("nobody panics while holding the claims").holders.insert(uid.to_owned(), holder);
    }

    /// Who outranks `rank` in any of `rights`, whether it listed them or is asked.
    pub fn outranked(&self, rank: &Rank, rights: &[String]) -> Option<Claimant> {
        let inner = self.0.lock().expect("nobody panics while holding the claims");
        rights.iter().find_map(|right| {
            let listed = inner.by_right.get(right).and_then(|holders| holders.first_key_value());
            let listed = listed.filter(|(r, _)| r.uid != rank.uid).map(|(r, c)| (r.clone(), c.clone()));
            let asked = inner.holder(right, &rank.uid);
            let first = listed.into_iter().chain(asked).min_by(|(a, _), (b, _)| a.cmp(b))?;
            (first.0 < *rank).then_some(first.1)
        })
    }

    /// Those who claim anything that `theirs` names: when a holder lets go of it, they may have become first.
    pub fn claimants(&self, theirs: &dyn Fn(&str) -> bool) -> Vec<Claimant> {
        let inner = self.0.lock().expect("nobody panics while holding the claims");
        let listed = inner.by_right.iter().filter(|(right, _)| theirs(right));
        let mut all: Vec<Claimant> = listed.filter_map(|(_, h)| h.values().next().cloned()).collect();
        all.extend(inner.holders.values().map(|holder| holder.claimant().clone()));
        all
    }

    /// The object is gone; returns those who may have become first.
    pub fn release(&self, uid: &str) -> Vec<Claimant> {
        let mut inner = self.0.lock().expect("nobody panics while holding the claims");
        let mut freed = inner.remove(uid, &[]);
        inner.by_uid.remove(uid);
        if inner.holders.remove(uid).is_some() {
            freed.extend(inner.by_right.values().filter_map(|holders| holders.values().next().cloned()));
            freed.extend(inner.holders.values().map(|holder| holder.claimant().clone()));
        }
        freed
    }

    /// True if somebody other than `uid` claims `right`.
    pub fn taken(&self, right: &str, uid: &str) -> bool {
        let inner = self.0.lock().expect("nobody panics while holding the claims");
        inner.by_right.get(right).is_some_and(|holders| holders.keys().any(|r| r.uid != uid && !r.unbound))
            || inner.holder(right, uid).is_some_and(|(rank, _)| !rank.unbound)
    }
}

impl Inner {
    /// The first of those other than `uid` that have to be asked.
    fn holder(&self, right: &str, uid: &str) -> Option<(Rank, Claimant)> {
        let others = self.holders.iter().filter(|(other, _)| *other != uid);
        others
            .filter_map(|(_, holder)| Some((holder.rank(right)?, holder.claimant().clone())))
            .min_by(|(a, _), (b, _)| a.cmp(b))
    }

    fn remove(&mut self, uid: &str, keep: &[String]) -> Vec<Claimant> {
        let mut freed = Vec::new();
        let Some((rank, rights)) = self.by_uid.get(uid).cloned() else { return freed };
        for right in rights {
            let Some(holders) = self.by_right.get_mut(&right) else { continue };
            holders.remove(&rank);
            if !keep.contains(&right) {
                freed.extend(holders.values().next().cloned());
            }
            if holders.is_empty() {
                self.by_right.remove(&right);
            }
            if !keep.contains(&right) {
                freed.extend(self.holder(&right, uid).map(|(_, claimant)| claimant));
            }
        }
        freed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn who(name: &str) -> Claimant {
        Claimant { kind: "Toy", namespace: "d".into(), name: name.into() }
    }
    fn rank(unbound: bool, created: &str, uid: &str) -> Rank {
        Rank { unbound, created: created.into(), uid: uid.into() }
    }
    fn right() -> Vec<String> {
        vec!["Toy#1".into()]
    }

    #[test]
    fn bound_beats_unbound_then_age_then_uid() {
        let claims = Claims::default();
        assert_eq!(claims.set(&who("young"), &rank(true, "2026-02", "y"), right()).0, None);
        assert_eq!(claims.set(&who("old"), &rank(true, "2026-01", "o"), right()), (None, vec![who("young")]));
        assert_eq!(claims.set(&who("young"), &rank(true, "2026-02", "y"), right()).0, Some(who("old")));
        assert_eq!(
            claims.set(&who("young"), &rank(false, "2026-02", "y"), right()).0,
            None,
            "bound beats older"
        );
        assert_eq!(claims.set(&who("old"), &rank(true, "2026-01", "o"), right()).0, Some(who("young")));
    }

    #[derive(Debug)]
    struct Many(Claimant, Rank);

    impl Holder for Many {
        fn claimant(&self) -> &Claimant {
            &self.0
        }
        fn rank(&self, right: &str) -> Option<Rank> {
            right.starts_with("Toy#").then(|| self.1.clone())
        }
    }

    #[test]
    fn one_who_is_asked_competes_with_those_who_list() {
        let claims = Claims::default();
        let many = |unbound| Arc::new(Many(who("many"), rank(unbound, "2", "m")));
        claims.hold("m", many(true));
        assert_eq!(claims.set(&who("old"), &rank(true, "1", "o"), right()).0, None, "older goes first");
        assert_eq!(claims.outranked(&rank(true, "2", "m"), &right()), Some(who("old")));
        assert_eq!(claims.set(&who("young"), &rank(true, "3", "y"), right()).0, Some(who("old")));
        assert_eq!(claims.release("old"), vec![who("young"), who("many")], "both may be first now");
        claims.hold("m", many(false));
        assert_eq!(claims.set(&who("young"), &rank(true, "3", "y"), right()).0, Some(who("many")));
        assert_eq!(
            claims.outranked(&rank(false, "2", "m"), &right()),
            None,
            "never by itself or a weaker one"
        );
        assert!(claims.taken("Toy#1", "y"), "a bound member is taken");
        assert!(claims.release("m").contains(&who("young")), "who waited hears of it");
    }

    #[test]
    fn whoever_is_next_hears_of_a_release() {
        let claims = Claims::default();
        claims.set(&who("a"), &rank(false, "1", "a"), right());
        claims.set(&who("b"), &rank(true, "2", "b"), right());
        assert_eq!(claims.release("a"), vec![who("b")]);
        assert_eq!(claims.set(&who("b"), &rank(true, "2", "b"), right()).0, None);
        assert!(!claims.taken("Toy#1", "b"));
    }
}
