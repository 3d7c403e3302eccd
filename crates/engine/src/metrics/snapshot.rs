//! How the engine and its sessions stand, for metrics: numbers only, taken when asked.

use std::{
    collections::{BTreeMap, HashSet},
    sync::{Arc, LazyLock},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use kube::Resource;

use super::Counts;
use crate::{
    decide::conditions,
    kind::{
        Kind, Status,
        census::Census,
        decoded::Decoded,
        reason::{self, condition::READY},
    },
    session::scrub::ScrubSnapshot,
};

/// An object that is being deleted for longer than this is stuck.
pub const STUCK: SignedDuration = SignedDuration::from_mins(10);

/// How the engine stands.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EngineSnapshot {
    /// Kubernetes objects by kind.
    pub objects: Vec<ObjectsSnapshot>,
    /// What was counted so far.
    pub counts: Counts,
}

/// How a session stands.
#[derive(Clone, Debug, PartialEq)]
pub struct SessionSnapshot {
    /// Id of its organisation.
    pub organisation: String,
    /// Objects that wait to be sent, per lane in the order of [`emnify::Lane::ALL`].
    pub queued: [usize; 7],
    /// How long the longest of them waits, per lane.
    pub oldest: [Duration; 7],
    /// Slow re-reading of what no listing shows.
    pub scrub: ScrubSnapshot,
    /// How far behind the server's clock the event log was read; unknown before the first reading.
    pub tail_lag: Option<Duration>,
    /// The guard holds changes back.
    pub guard_tripped: bool,
    /// emnify blocks it.
    pub blocked: bool,
    /// emnify does not allow one of its logins what objects need.
    pub restricted: bool,
    /// Kinds that were listed completely.
    pub kinds: Vec<KindSnapshot>,
    /// Their objects by what they are like.
    pub census: Census,
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

/// `status` of the condition `Ready`, and its reason.
pub type Readiness = (&'static str, &'static str);

/// How the Kubernetes objects of one kind stand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObjectsSnapshot {
    /// Their kind.
    pub kind: &'static str,
    /// How many are ready, or why not.
    pub ready: BTreeMap<Readiness, usize>,
    /// How many are being deleted for longer than [`STUCK`].
    pub stuck: usize,
    /// When the first of them ends; see [`crate::kind::managed::Renewal::expires`].
    pub expires: Option<Timestamp>,
}

impl ObjectsSnapshot {
    /// Counts objects of a kind, as the cluster shows them.
    pub(crate) fn count<K: Kind>(
        objects: &[Arc<Decoded<K>>],
        now: Timestamp,
        expires: impl Fn(&K) -> Option<Timestamp>,
    ) -> Self {
        let mut all = Self { kind: K::KIND, ..Self::default() };
        for object in objects {
            let status = object.valid().and_then(Kind::status);
            let fallback = match &**object {
                Decoded::Invalid(u) => Some(&u.status.conditions),
                Decoded::Valid(_) => None,
            };
            let conditions = status.map(|s| &s.common().conditions).or(fallback);
            let deleted = object.meta().deletion_timestamp.as_ref().map(|at| at.0);
            all.add(readiness(conditions.map_or(&[], Vec::as_slice)), deleted, now);
            all.expires = object.valid().and_then(&expires).into_iter().chain(all.expires).min();
        }
        all
    }

    /// Adds one object.
    pub fn add(&mut self, ready: Readiness, deleted: Option<Timestamp>, now: Timestamp) {
        *self.ready.entry(ready).or_default() += 1;
        self.stuck += usize::from(deleted.is_some_and(|at| now.duration_since(at) > STUCK));
    }
}

/// What `Ready` says, in words that are bounded: a reason of another version counts as `Other`.
pub fn readiness(all: &[k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition]) -> Readiness {
    static KNOWN: LazyLock<HashSet<&str>> =
        LazyLock::new(|| reason::ALL.iter().map(|(name, _)| *name).collect());
    let Some(ready) = conditions::get(all, READY) else { return ("Unknown", "") };
    let status = match ready.status.as_str() {
        "True" => "True",
        "False" => "False",
        _ => "Unknown",
    };
    (status, KNOWN.get(ready.reason.as_str()).copied().unwrap_or("Other"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::toy::{Toy, ToySpec, ToyStatus};

    fn toy(ready: Option<(bool, &str)>, deleted: Option<&str>) -> Arc<Decoded<Toy>> {
        let mut toy = Toy::new("a", ToySpec::default());
        toy.metadata.deletion_timestamp =
            deleted.and_then(|at| serde_json::from_str(&format!("\"{at}\"")).ok());
        let mut status = ToyStatus::default();
        if let Some((status_, reason)) = ready {
            let wanted = conditions::Wanted { kind: READY, status: status_, reason, message: "" };
            conditions::set(&mut status.common.conditions, &wanted, None, Timestamp::UNIX_EPOCH);
        }
        toy.status = Some(status);
        Arc::new(Decoded::Valid(Box::new(toy)))
    }

    #[test]
    fn objects_are_counted_by_what_their_ready_condition_says() {
        let objects = [
            toy(Some((true, reason::UP_TO_DATE)), None),
            toy(Some((false, reason::REJECTED)), Some("2026-01-01T00:00:00Z")),
            toy(Some((false, "SomethingOfANewerVersion")), Some("2026-01-01T00:09:00Z")),
            toy(None, None),
        ];
        let now = "2026-01-01T00:11:00Z".parse().unwrap();
        let all = ObjectsSnapshot::count(&objects, now, |_| None);
        let expected = [
            (("False", "Other"), 1),
            (("False", "Rejected"), 1),
            (("True", "UpToDate"), 1),
            (("Unknown", ""), 1),
        ];
        assert_eq!(
            all.ready,
            BTreeMap::from(expected),
            "a label takes no value that this version does not know"
        );
        assert_eq!(all.stuck, 1, "ten minutes are enough to let go");
    }
}
