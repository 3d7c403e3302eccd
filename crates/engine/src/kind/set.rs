//! A fleet: one Kubernetes object that stands for many emnify objects of one kind, its members.
//!
//! Nothing per member is stored in the cluster. A member is recognised by what it holds of a *pool* (a device by its
//! SIM), and by two marks on it: the set's own tag says which set it belongs to, the installation's mark says that we
//! made it, which is consent to delete it. What was adopted carries only the first.
//!
//! [`ObjectSet`] is what a kind has to say. `plan` decides the next call, purely; `controller` carries it out.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;

use super::{
    Have, Id, Input, Inputs, Invalid, Key, Kind, Managed, decoded::Undecodable, spec::RefusedMember,
};

/// Shorthand for the mirrored row of a set's members.
pub type MemberRow<F> = <<F as ObjectSet>::Member as Managed>::Row;
/// Shorthand for the mirrored row of what members hold.
pub type PoolRow<F> = <<F as ObjectSet>::Pool as Managed>::Row;
/// Shorthand for what one member should be.
pub type MemberWant<F> = <<F as ObjectSet>::Member as Managed>::Want;
/// Shorthand for what can be sent for one member.
pub type MemberChange<F> = <<F as ObjectSet>::Member as Managed>::Change;

/// A kind of object that stands for many members. Implementations are pure and stateless.
///
/// Pool ids are numbers in emnify, so a member costs a few dozen bytes here and no text.
pub trait ObjectSet: Kind {
    /// What a member is: an emnify object that is also a kind of its own.
    type Member: Managed;
    /// What each member holds exactly one of, and is recognised by.
    type Pool: Managed;

    /// What the template refers to, and the tags that mark members (`Source::Lookup`, optional): resolved once, for
    /// all members. Usually the inputs of a [`ObjectSet::Member`] made of the template, as the profiles that it names, and one
    /// more for the set's tag.
    fn inputs(&self) -> Vec<Input>;
    /// The set as far as it can be read, enough to let its members go: a set that this version cannot decode can be
    /// deleted.
    fn salvage(set: &Undecodable) -> Self;
    /// What all members share: the template with ids for references, wanting the set's tag and, as far as the kind of
    /// the member puts it on what it made, the installation's mark. `from.object` is `namespace/name` of the set.
    fn base(&self, from: &Inputs) -> Result<MemberWant<Self>, Invalid>;
    /// What the member that holds `pool` should be: `base` with its share of the pool and its name, such as `meter-8988..`.
    fn member(&self, base: &MemberWant<Self>, pool: &PoolRow<Self>) -> Result<MemberWant<Self>, Invalid>;
    /// Text from the namespace that [`ObjectSet::choose`] reads: a list of ICCIDs in a `ConfigMap`.
    fn text(&self) -> Option<TextRef> {
        None
    }
    /// Whom the set wants as members, in rollout order: with `replicas: 3`, three of the free SIMs. Called again when spec, text,
    /// pool or members changed.
    fn choose(&self, from: &Candidates<'_, Self>) -> Result<Choice, Invalid>;
    /// How fast a change of the template reaches the members of a set that wants `desired` of them: `maxUnavailable: 10%` of
    /// 500 is 50 at a time.
    fn rollout(&self, desired: u64) -> Rollout;

    /// Key of the member mirror under which the holder of a pool entry is found. Its value is the pool id in digits.
    fn key(pool: i64) -> Key;
    /// Pool id that a member holds: of a device, that of its SIM.
    fn pool_entry(row: &MemberRow<Self>) -> Option<i64>;
    /// Name of a pool entry for people, such as its ICCID.
    fn display_name(pool: &PoolRow<Self>) -> String;
    /// Marks on a member, as tags on a device; `None` where the row came from an answer that does not show them.
    fn marks(row: &MemberRow<Self>) -> Option<Marks<'_>>;
    /// The row is what a create of `want` makes: a device without marks that appeared while our create had no answer
    /// is taken for ours only if it looks so: its profiles are those of the template.
    fn resembles(want: &MemberWant<Self>, row: &MemberRow<Self>) -> bool;
    /// The status that [`Managed::diff`] and [`Managed::retire`] of a member see: members have none of their own.
    /// `made`: the set created the member.
    fn memory(&self, status: Option<&Self::Status>, made: bool) -> <Self::Member as Kind>::Status;
    /// The calls that let a member go without deleting anything: the set's tag comes off.
    fn release(&self, have: &Have<Self::Member>) -> Vec<MemberChange<Self>>;
    /// The member serves: only then the rolling update counts it as available again. Called for members that are in
    /// step.
    fn available(_row: &MemberRow<Self>, _news: Option<&<Self::Member as Managed>::News>) -> bool {
        true
    }
    /// Sorts a member into groups that the status counts, such as `("connectivity", "Online")`.
    fn count(
        row: &MemberRow<Self>,
        news: Option<&<Self::Member as Managed>::News>,
        put: &mut dyn FnMut(&'static str, &str),
    );
    /// Activations of the last window, as [`ObjectSet::keep_activated`] wrote them: they outlive restarts.
    fn activated(_status: &Self::Status) -> Vec<(Timestamp, u64)> {
        Vec::new()
    }
    /// Writes when so many members were activated, or are about to be.
    fn keep_activated(_status: &mut Self::Status, _activated: &[(Timestamp, u64)]) {}
    /// What emnify refused members, as [`ObjectSet::keep_refused`] wrote it: at most [`KEPT_REFUSALS`].
    fn refused(_status: &Self::Status) -> &[RefusedMember] {
        &[]
    }
    /// Writes what emnify refused members, so that a restart does not repeat it.
    fn keep_refused(_status: &mut Self::Status, _refused: Vec<RefusedMember>) {}
    /// Writes the counts into the status, such as how many are ready. Conditions, `observedGeneration` and the pinned workspace are the engine's.
    fn report(&self, tally: &Tally, status: &mut Self::Status);
}

/// A value of a `ConfigMap` in the namespace of the object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextRef {
    /// Name of the `ConfigMap`.
    pub config_map: String,
    /// Key in its `data`.
    pub key: String,
}

/// What a choice is made from.
#[allow(missing_debug_implementations, reason = "it borrows a mirror")]
pub struct Candidates<'a, F: ObjectSet> {
    /// The pool, complete.
    pub pool: &'a dyn Pool<F::Pool>,
    /// Whatever holds entries of the pool, members of this set or not, complete.
    pub holders: &'a dyn Pool<F::Member>,
    /// Text of [`ObjectSet::text`]; absent where the set names none.
    pub text: Option<&'a str>,
    /// Members now, oldest first, and last those that are being made.
    pub members: &'a [CurrentMember],
}

/// The entries of a pool. No lock is held while entries are shown, so that one pool may be asked within another.
pub trait Pool<P: Managed> {
    /// Shows every entry, in no order.
    fn each(&self, show: &mut dyn FnMut(&P::Row));
    /// Ids of the entries that carry a key.
    fn find(&self, key: &Key) -> Vec<Id>;
    /// One entry by id.
    fn with(&self, id: i64, show: &mut dyn FnMut(&P::Row));
}

/// A list of entries, for tests and small pools.
impl<P: Managed> Pool<P> for Vec<P::Row> {
    fn each(&self, show: &mut dyn FnMut(&P::Row)) {
        self.iter().for_each(show);
    }
    fn find(&self, key: &Key) -> Vec<Id> {
        let carries = |row: &&P::Row| {
            let mut found = false;
            P::keys(row, &mut |k| found |= k == *key);
            found
        };
        self.iter().filter(carries).map(P::id).collect()
    }
    fn with(&self, id: i64, show: &mut dyn FnMut(&P::Row)) {
        self.iter().filter(|row| P::id(row) == Id::Int(id)).for_each(show);
    }
}

/// A member that exists, or may: its create has no answer yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CurrentMember {
    /// What it holds.
    pub pool: i64,
    /// Its own id, once it has one; ids grow, so it is also its age.
    pub id: Option<i64>,
}

/// Whom the set wants.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choice {
    /// Pool ids in rollout order, each once.
    pub members: Vec<i64>,
    /// What was named and cannot be had (an ICCID that the organisation does not have), for people; the others go on.
    pub unmet: Vec<Failure>,
}

/// How fast changes reach members.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rollout {
    /// Members that may be disturbed or not available at once; `None`: all.
    pub max_unavailable: Option<u64>,
    /// A disturbed member counts as unavailable for at least this long after its change.
    pub min_ready: Duration,
    /// So many members, first in order, are left as they are.
    pub partition: u64,
    /// Members that may be activated per window; `None`: no limit.
    pub max_activations: Option<Activations>,
}

/// A limit on activations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Activations {
    /// So many members.
    pub members: u64,
    /// In this time.
    pub window: Duration,
}

/// Marks that a member carries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Marks<'a> {
    /// Installation that made it.
    pub made_by: Option<&'a str>,
    /// Set it belongs to: `installation/namespace/name`.
    pub set: Option<&'a str>,
}

/// One member that somebody should look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What it holds, as people call it.
    pub member: String,
    /// A constant of [`crate::kind::reason`].
    pub reason: &'static str,
    /// What is wrong and how to mend it.
    pub message: String,
}

/// A set counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Members the set wants.
    pub desired: u64,
    /// Wanted members that exist and are the set's.
    pub current: u64,
    /// Of these, in step with the current spec.
    pub ready: u64,
    /// Left as they are by the partition.
    pub held: u64,
    /// Do not exist yet.
    pub missing: u64,
    /// On their way out.
    pub leaving: u64,
    /// In [`Tally::failures`] or beyond its end.
    pub failed: u64,
    /// Members that differ in a way that is reported and not corrected.
    pub drifted: u64,
    /// The first failures in rollout order.
    pub failures: Vec<Failure>,
    /// Members by group and name, as [`ObjectSet::count`] sorted them.
    pub groups: BTreeMap<&'static str, BTreeMap<String, u64>>,
}

/// Failures that a status names.
pub const SHOWN_FAILURES: usize = 10;
