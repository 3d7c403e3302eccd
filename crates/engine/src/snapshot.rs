//! How the engine and its sessions stand, for metrics: numbers only, taken when asked.

use std::{
    collections::{BTreeMap, HashSet},
    sync::{Arc, LazyLock},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use kube::Resource;
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::{
    conditions,
    decoded::Decoded,
    engine::Engine,
    kind::{Kind, Status},
    meters::Counts,
    reason::{self, condition::READY},
    scrub::ScrubSnapshot,
    session::Session,
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

/// A group has no more names than this, or the rest counts as `Other`: there are about 250 countries.
const NAMES: usize = 300;

/// Objects of emnify by group and name, such as `connectivity` and `Online`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Census(BTreeMap<&'static str, BTreeMap<String, usize>>);

impl Census {
    /// Counts one object.
    pub fn add(&mut self, group: &'static str, name: &str) {
        let names = self.0.entry(group).or_default();
        if let Some(count) = names.get_mut(name) {
            *count += 1;
            return;
        }
        let name = if names.len() < NAMES { name } else { "Other" };
        *names.entry(name.to_owned()).or_default() += 1;
    }

    /// Names of a group with their numbers.
    pub fn of(&self, group: &str) -> impl Iterator<Item = (&str, usize)> {
        self.0.get(group).into_iter().flatten().map(|(name, count)| (name.as_str(), *count))
    }
}

/// A census is taken again when it is older: a hundred thousand devices take some 50 ms.
const CENSUS_KEPT: Duration = Duration::from_secs(60);

/// The last census of a session.
#[derive(Debug, Default)]
pub(crate) struct LastCensus(Mutex<Option<(Instant, Census)>>);

impl LastCensus {
    /// The last one, or a new one if that is too old.
    fn or_else(&self, take: impl FnOnce() -> Census) -> Census {
        let mut last = self.0.lock();
        match &*last {
            Some((at, census)) if at.elapsed() < CENSUS_KEPT => census.clone(),
            _ => last.insert((Instant::now(), take())).1.clone(),
        }
    }
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
    /// When the first of them ends; see [`crate::kind::Managed::expires`].
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
        EngineSnapshot { objects, counts: self.shared.meters.snapshot() }
    }

    /// The time of day.
    pub fn now(&self) -> Timestamp {
        self.shared.now()
    }
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
    fn a_group_of_a_census_stays_small_whatever_names_emnify_has() {
        let mut census = Census::default();
        for i in 0..NAMES * 2 {
            census.add("country", &format!("country {i}"));
            census.add("country", "country 0");
        }
        assert_eq!(census.of("country").count(), NAMES + 1);
        let of = |name: &str| census.of("country").find(|(n, _)| *n == name).map(|(_, count)| count);
        assert_eq!((of("country 0"), of("Other")), (Some(NAMES * 2 + 1), Some(NAMES)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_census_is_not_taken_at_each_scrape() {
        let (last, taken) = (LastCensus::default(), std::cell::Cell::new(0));
        let ask = || {
            last.or_else(|| {
                taken.set(taken.get() + 1);
                Census::default()
            })
        };
        ask();
        tokio::time::advance(CENSUS_KEPT / 2).await;
        ask();
        assert_eq!(taken.get(), 1, "half a minute later it is still good");
        tokio::time::advance(CENSUS_KEPT).await;
        ask();
        assert_eq!(taken.get(), 2);
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
