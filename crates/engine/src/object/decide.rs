//! Gathers what is known about an object and asks the plan. Synchronous: nothing here waits.

use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
};

use jiff::Timestamp;
use kube::{Resource, ResourceExt};

use super::{
    Controller,
    recognise::{Search, SecretLook},
};
use crate::{
    cluster::{
        memory::Attempt,
        object::{fallback_status, rank, subject, workspace_of},
        resolve,
    },
    decide::{
        barred,
        error_policy::Waiting,
        known::{Explanation, IntentState, Knowledge, Seen, Step, Wanted, Workspace},
        object, rejected, taken,
    },
    kind::{
        Change, Context, Dates, Id, Inputs, Key, Managed, Status, Verb,
        decoded::Decoded,
        object_key::ObjectKey,
        reason,
        relations::RefState,
        spec::{CommonStatus, ManagementPolicy, Provenance, WorkspaceRef},
    },
    session::{
        Access, Session,
        caller::Caller,
        claims::{Claimed, Right},
        past,
    },
};

/// A binding that the status under construction holds.
pub(super) struct Bound {
    pub(super) id: Id,
    pub(super) provenance: Provenance,
    /// The object's own create made it.
    pub(super) made: bool,
}

/// What was decided for an object, with what the decision was made from.
pub(super) struct Decision<K: Managed> {
    pub(super) step: Step<K>,
    pub(super) session: Option<Arc<Session>>,
    /// Who acts for the object in that session.
    pub(super) caller: Option<Arc<Caller>>,
    pub(super) workspace: WorkspaceRef,
    /// The spec changed since it was last in step.
    pub(super) edited: bool,
    /// Dates of the spec around now.
    pub(super) dates: Dates,
    /// Digest of a change together with the ids that its references mean.
    pub(super) inputs: Inputs,
    /// An open create still has to be accounted for.
    pub(super) open: bool,
    /// A binding that the draft of the status holds already.
    pub(super) bound: Option<Bound>,
    /// It waits until then for what a former leader may have under way.
    pub(super) deferred_until: Option<Timestamp>,
}

impl<K: Managed> Decision<K> {
    /// The session and who acts in it for the object.
    pub(super) fn access(&self) -> Option<Access> {
        Some(Access { session: self.session.clone()?, caller: self.caller.clone()? })
    }
}

/// What is known of an object in its session when it is decided on.
pub(super) struct Observed<'a, K: Managed> {
    pub(super) session: &'a Session,
    pub(super) object: &'a Decoded<K>,
    pub(super) common: &'a CommonStatus,
    /// What its spec wants, where everything that it needs is known.
    pub(super) want: Option<&'a K::Want>,
    pub(super) seen: &'a Seen<K>,
}

impl<K: Managed> Observed<'_, K> {
    /// What the object claims: what it is bound to, and what its spec means or names. Of the latter it has as bound what
    /// the emnify object that it is bound to holds; what that holds is not known before the first listing.
    fn rights(&self) -> Vec<Claimed> {
        let Self { session, object, common, want, seen } = *self;
        let mirror = &session.kind_state::<K>().mirror;
        let bound = common.id.as_deref().map(Id::parse);
        let mut rights = Vec::new();
        rights.extend(bound.as_ref().map(|id| Claimed::new(Right::of::<K>(id), true)));
        if let (None, Some(id)) = (&bound, &object.common().id) {
            rights.push(Claimed::new(Right::of::<K>(&Id::parse(id)), false));
        }
        if let Seen::Present(found) = seen
            && bound.as_ref() != Some(&found.id)
        {
            rights.push(Claimed::new(Right::of::<K>(&found.id), false));
        }
        let own = bound.as_ref().and_then(|id| mirror.row(id));
        let unread = bound.is_some() && own.is_none() && mirror.complete_since().is_none();
        if let Some(want) = want.filter(|_| !unread) {
            let mut carried = Vec::new();
            if let Some(row) = &own {
                K::keys(row, &mut |key| carried.push(key));
            }
            let natural = K::exclusive(want);
            let holds_all = own.is_some() && natural.iter().all(|key| carried.contains(key));
            let row = match seen {
                Seen::Present(found) => Some(&*found.have.row),
                _ => None,
            };
            let shared = K::claims(want, row).into_iter();
            rights.extend(shared.map(|key| Claimed::new(Right::Shared(key), holds_all)));
            let named = |key: Key| Claimed::new(Right::natural::<K>(&key), carried.contains(&key));
            rights.extend(natural.into_iter().map(named));
        }
        rights.sort_by(|a, b| (&a.right, !a.bound).cmp(&(&b.right, !b.bound)));
        rights.dedup_by(|a, b| a.right == b.right);
        rights
    }
}

impl<K: Managed> Controller<K> {
    /// Decides the next step of `object`, whose newest status is `status`: gathers what is known, without waiting for anything, and
    /// asks [`object::next_step`]. What is not known yet has been asked for afterwards, and wakes the object.
    pub(super) fn decide(
        self: &Arc<Self>,
        object: &Decoded<K>,
        status: Option<&K::Status>,
        secret: &SecretLook,
        now: Timestamp,
    ) -> Decision<K> {
        let uid = object.uid();
        let told = self.told(uid, status);
        let status = told.as_ref().or(status);
        let fallback = fallback_status(object);
        let common = status.map_or(&fallback, Status::common);
        let subject = subject(object, common);
        let resolved = workspace_of(&self.kube.shared, object, common);
        let access = resolved.state.as_ref().ok();
        let (session, caller) = resolved.state.as_ref().ok().cloned().map(|a| (a.session, a.caller)).unzip();
        let (wanted, inputs) = self.wanted(object, common, access);
        let dates = object.valid().map(|valid| valid.dates(now)).unwrap_or_default();
        let edited = is_edited(object, common, &inputs, dates);
        let want = match &wanted {
            Wanted::Ready(want) => Some(want),
            _ => None,
        };
        let intent = self.intent_state(uid, common, session.as_deref(), now);
        let seen = session.as_ref().map_or(Seen::Unknown, |session| {
            let kind_state = self.demand(session);
            if common.id.is_none() || common.intent.is_some() {
                // before looking, so that a listing that completes meanwhile wakes the object
                Self::wait_on_sweep(session, &object.key());
            }
            let kind_state = &*kind_state;
            Search { controller: self, session, kind_state, object, common, want, secret }.seen(intent)
        });
        let observed =
            session.as_deref().map(|session| Observed { session, object, common, want, seen: &seen });
        let elsewhere = observed.as_ref().and_then(|observed| self.elsewhere(observed));
        let owner = observed.as_ref().and_then(|observed| self.owner(observed));
        let guard = |changes: &[K::Change]| match &caller {
            Some(caller) => caller.guard.ask(uid, subject.generation.unwrap_or(0), disturbed(changes)),
            None => Ok(()),
        };
        let free = |key: &Key| session.as_ref().is_some_and(|s| is_free::<K>(s, key, uid));
        let digest_of = |change: &K::Change| digest(change, &inputs);
        let knowledge = Knowledge {
            workspace: Workspace::of(&resolved.state),
            wanted,
            seen,
            intent,
            owner: owner.map(|who| self.kube.shared.owner(&who)),
            goes: &|mark| self.kube.shared.marked_goes(mark),
            elsewhere,
            secret: secret.0,
            used_by: if subject.deleting { self.used_by(&object.key()) } else { Vec::new() },
            users: &|id| self.kube.shared.users(session.as_ref()?, id, &object.key()),
            holds_on: &|id| session.as_ref().is_none_or(|s| self.kube.shared.holds_on(s, id, &object.key())),
            guard: &guard,
            digest: &digest_of,
            undone: &|change| {
                self.kube.memory.undone(uid, subject.generation, correction(change, &inputs), now).is_some()
            },
            under_way: &|id, change| session.as_ref()?.kind_state::<K>().mirror.under_way(id, change),
            free: &free,
            trouble: self.kube.memory.trouble(uid, subject.generation),
            crd_terminating: self.kube.terminating(),
            context: Context {
                object_created: object.creation_timestamp().map(|at| at.0),
                status,
                edited,
                ..context_in(access, now)
            },
        };
        let mut step = object::next_step(&subject, knowledge);
        if let Step::Busy { busy, .. } = &mut step {
            let since = self.kube.memory.waiting_since(uid, busy.told.reason);
            busy.waits_since(since.unwrap_or(now), now);
        }
        let open = matches!(intent, IntentState::Open | IntentState::Lapsed);
        let (step, deferred_until) = defer(step, session.as_deref(), caller.as_deref(), now);
        Decision {
            step,
            session,
            caller,
            workspace: resolved.workspace,
            edited,
            dates,
            inputs,
            open,
            bound: None,
            deferred_until,
        }
    }

    /// The status with what was sent a moment ago, and it does not tell yet.
    fn told(&self, uid: &str, status: Option<&K::Status>) -> Option<K::Status> {
        let (carried, status) = self.kube.memory.carried(uid).zip(status)?;
        let mut status = status.clone();
        status.common_mut().carry(carried);
        Some(status)
    }

    /// The spec as a request, with everything it refers to.
    fn wanted(
        &self,
        object: &Decoded<K>,
        common: &CommonStatus,
        access: Option<&Access>,
    ) -> (Wanted<K::Want>, Inputs) {
        let who = object.key();
        let nonce = common.intent.as_ref().map(|i| i.nonce.clone());
        let (Some(valid), Some(access)) = (object.valid(), access) else {
            return (
                Wanted::Observing("waiting for the workspace".into()),
                resolve::nothing(&self.kube.shared, &who, nonce),
            );
        };
        let (found, inputs) = resolve::inputs(&self.kube.shared, access, &who, valid.inputs(), nonce);
        if let Err(unresolved) = found {
            return (unresolved.into(), inputs);
        }
        match valid.want(&inputs) {
            Ok(want) => (Wanted::Ready(want), inputs),
            Err(invalid) => (Wanted::Invalid(invalid), inputs),
        }
    }

    fn intent_state(
        &self,
        uid: &str,
        common: &CommonStatus,
        session: Option<&Session>,
        now: Timestamp,
    ) -> IntentState {
        let Some(intent) = &common.intent else { return IntentState::None };
        let since = match self.kube.memory.attempt(uid, &intent.nonce) {
            Some(Attempt::Unsent) => return IntentState::Unsent,
            Some(Attempt::Refused(at)) => {
                let kind_state = session.map(Session::kind_state::<K>);
                let known = kind_state.is_some_and(|s| s.refuses_whole() || s.mirror.accounts_for(at, at));
                return if known { IntentState::Refused } else { IntentState::Open };
            }
            Some(Attempt::Made(_)) => return IntentState::Open,
            Some(Attempt::Sent(at)) => at,
            None => match session {
                Some(session) => past::acts_since(self.kube.shared.opened_at(), session, now),
                None => return IntentState::Open,
            },
        };
        let proof = past::proof(since);
        let accounted = session.is_some_and(|s| s.kind_state::<K>().mirror.accounts_for(since, proof));
        if accounted { IntentState::Lapsed } else { IntentState::Open }
    }

    /// Registers what the object claims; returns who has the better claim, and wakes those who moved up.
    fn owner(&self, observed: &Observed<'_, K>) -> Option<ObjectKey> {
        let Observed { session, object, common, .. } = *observed;
        // who only looks on is in nobody's way
        let observes = object.common().management() == ManagementPolicy::Observe;
        let rights = if observes { Vec::new() } else { observed.rights() };
        let (better, moved) = session.claims.set(&object.key(), &rank(object), rights);
        for other in moved {
            self.kube.shared.trigger(&other.clone(), "claims changed");
        }
        if object.meta().deletion_timestamp.is_some() {
            // what is deleted here is left to another object only if that one is bound to this very id
            let bound = Right::of::<K>(&Id::parse(common.id.as_ref()?));
            return session.claims.outranked(&rank(object).with_bound(true), &[bound]);
        }
        better
    }

    /// Bound objects that refer to this one.
    fn used_by(&self, who: &ObjectKey) -> Vec<String> {
        let bound = |n: &ObjectKey| {
            let state = self.kube.shared.kind(n.kind).map(|any| any.reference(&n.namespace, &n.name));
            matches!(state, Some(RefState::Bound { .. } | RefState::Deleting))
        };
        self.kube
            .shared
            .references
            .referrers(who)
            .into_iter()
            .filter(bound)
            .map(|n| n.in_namespace())
            .collect()
    }
}

/// The spec says something else than what the object was last in step with. Another value in a Secret is an edit as well, though
/// nothing of the object changed, and so is a date that passes.
fn is_edited<K: Managed>(object: &Decoded<K>, common: &CommonStatus, inputs: &Inputs, dates: Dates) -> bool {
    let rotated =
        inputs.digests().iter().any(|(path, now)| common.input(path).is_some_and(|sent| sent != now));
    rotated || common.settled_generation != object.meta().generation || !dates.are_settled(common)
}

/// Nobody has in emnify what the key names, and nobody else here wants it.
fn is_free<K: Managed>(session: &Session, key: &Key, uid: &str) -> bool {
    let unseen = session.kind_state::<K>().mirror.find(key).is_empty();
    unseen && !session.claims.wanted(&Right::natural::<K>(key), uid)
}

/// What a kind may know of the organisation and of the login that acts for the object.
fn context_in<'a, K: Managed>(access: Option<&Access>, now: Timestamp) -> Context<'a, K> {
    let session = access.map(|access| &access.session);
    Context {
        now,
        object_created: None,
        status: None,
        edited: false,
        factory_test: session.is_some_and(|s| s.factory_test()),
        own_tokens: session.map(|s| s.own_tokens()).unwrap_or_default(),
        own_users: session.map(|s| s.own_users()).unwrap_or_default(),
        as_user: access.is_some_and(|access| access.caller.own_user().is_some()),
    }
}

/// Devices that a list of changes disturbs from its first one on; nothing while that one disturbs nobody, so that what
/// mends an interruption never waits for what follows it.
fn disturbed<C: Change>(changes: &[C]) -> u64 {
    match changes.first() {
        Some(first) if first.class().disturbs > 0 => {
            // they touch the same devices
            changes.iter().map(|change| change.class().disturbs).max().unwrap_or_default()
        }
        _ => 0,
    }
}

/// After a leader that was not heard of any more, what must not be done twice waits until its last request has ended.
fn defer<K: Managed>(
    step: Step<K>,
    session: Option<&Session>,
    caller: Option<&Caller>,
    now: Timestamp,
) -> (Step<K>, Option<Timestamp>) {
    let first = match &step {
        Step::Create(change) => Some(change),
        Step::Apply(_, changes) | Step::Retire(_, changes) => changes.first(),
        _ => None,
    };
    let until = first.filter(|change| !change.repeatable()).and_then(|_| {
        let creates = matches!(step, Step::Create(_));
        past::blocked_until(caller?, &session?.kind_state::<K>(), creates, now)
    });
    if until.is_some() {
        return (
            Step::Wait(Explanation::new(reason::PROGRESSING, past::FORMER_LEADER), Waiting::Keep),
            until,
        );
    }
    match caller.and_then(|caller| barred::defer(&step, caller, now)) {
        Some((told, until)) => (Step::Wait(told, Waiting::Keep), Some(until)),
        None => (step, None),
    }
}

/// Digest of a change, of the ids that its references mean and of what Secrets hold: what a refusal is remembered by.
pub(super) fn digest<C: Change>(change: &C, inputs: &Inputs) -> String {
    let secrets = inputs.digests();
    let secrets = secrets.iter().map(|(path, value)| format!("{path}={value}"));
    let meant = std::iter::once(rejected::meant(inputs.ids().iter())).chain(secrets);
    rejected::digest(change, &meant.collect::<Vec<_>>().join(" "))
}

/// The digests of the Secrets whose values the change sends; a create sends all.
pub(super) fn carried<C: Change>(change: &C, inputs: &Inputs) -> BTreeMap<String, String> {
    let (carries, all) = (change.carries(), change.class().verb == Verb::Create);
    inputs.digests().into_iter().filter(|(path, _)| all || carries.contains(path)).collect()
}

/// Which correction a change is: other values of Secrets make it another one.
pub(super) fn correction<C: Change>(change: &C, inputs: &Inputs) -> u64 {
    let mut hasher = DefaultHasher::new();
    (taken::correction(change), carried(change, inputs)).hash(&mut hasher);
    hasher.finish()
}
