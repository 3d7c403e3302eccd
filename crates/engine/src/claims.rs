//! Who may act on an emnify object, when several Kubernetes objects could.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Mutex,
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

#[derive(Debug, Default)]
struct Inner {
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

    /// The object is gone; returns those who may have become first.
    pub fn release(&self, uid: &str) -> Vec<Claimant> {
        let mut inner = self.0.lock().expect("nobody panics while holding the claims");
        let freed = inner.remove(uid, &[]);
        inner.by_uid.remove(uid);
        freed
    }

    /// True if somebody other than `uid` claims `right`.
    pub fn taken(&self, right: &str, uid: &str) -> bool {
        let inner = self.0.lock().expect("nobody panics while holding the claims");
        inner.by_right.get(right).is_some_and(|holders| holders.keys().any(|r| r.uid != uid && !r.unbound))
    }
}

impl Inner {
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
