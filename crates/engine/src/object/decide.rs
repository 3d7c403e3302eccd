//! Gathers what is known about an object and asks the plan. Synchronous: nothing here waits.

use std::sync::Arc;

use jiff::Timestamp;
use kube::{Resource, ResourceExt};

use super::Controller;
use crate::{
    cluster::{
        memory::Attempt,
        object::{claimant, fallback_status, named, rank, subject, workspace_of},
        resolve, secrets,
    },
    decide::{
        barred,
        error_policy::Waiting,
        known::{Explanation, IntentState, Knowledge, Match, SecretState, Seen, Step, Wanted, Workspace},
        object, rejected, taken,
    },
    kind::{
        Change, Context, Find, Have, Id, Inputs, Key, Managed, Output, Status,
        decoded::Decoded,
        object_key::Named,
        reason,
        relations::RefState,
        spec::{CommonStatus, Intent, ManagementPolicy, WorkspaceRef},
    },
    session::{
        Access, KindState, Session,
        caller::Caller,
        claims::{Claimant, Right},
        mirror::Known,
        past,
    },
};

/// What was decided for an object, with what the decision was made from.
pub(super) struct Decision<K: Managed> {
    pub(super) step: Step<K>,
    pub(super) session: Option<Arc<Session>>,
    /// Who acts for the object in that session.
    pub(super) caller: Option<Arc<Caller>>,
    pub(super) workspace: WorkspaceRef,
    /// The spec changed since it was last in step.
    pub(super) edited: bool,
    /// Digest of a change together with the ids that its references mean.
    pub(super) inputs: Inputs,
    /// An open create still has to be accounted for.
    pub(super) open: bool,
    /// It waits until then for what a former leader may have under way.
    pub(super) deferred_until: Option<Timestamp>,
}

impl<K: Managed> Decision<K> {
    /// The session and who acts in it for the object.
    pub(super) fn access(&self) -> Option<Access> {
        Some(Access { session: self.session.clone()?, caller: self.caller.clone()? })
    }
}

/// The output Secret as just read.
pub(super) type SecretLook = (SecretState, Option<Arc<Output>>);

impl<K: Managed> Controller<K> {
    /// Decides the next step of `object`, whose newest status is `status`.
    pub(super) fn decide(
        self: &Arc<Self>,
        object: &Decoded<K>,
        status: Option<&K::Status>,
        secret: &SecretLook,
        now: Timestamp,
    ) -> Decision<K> {
        let fallback = fallback_status(object);
        let common = status.map_or(&fallback, Status::common);
        let subject = subject(object, common);
        let uid = object.uid().unwrap_or_default();
        let resolved = workspace_of(&self.shared, object, common);
        let (session, caller) = resolved.state.as_ref().ok().cloned().map(|a| (a.session, a.caller)).unzip();
        let edited = common.settled_generation != object.meta().generation;
        let (wanted, inputs) = self.wanted(object, common, session.as_ref());
        let want = match &wanted {
            Wanted::Ready(want) => Some(want),
            _ => None,
        };
        let intent = self.intent_state(&uid, common, session.as_deref(), now);
        let seen =
            session.as_ref().map_or(Seen::Unknown, |s| self.seen(s, object, common, want, intent, secret));
        let elsewhere =
            session.as_ref().zip(want).and_then(|(s, want)| self.elsewhere(s, object, common, want, &seen));
        let owner = session.as_ref().and_then(|s| self.owner(s, object, common, want, &seen));
        let guard = |changes: &[K::Change]| {
            let devices = disturbed(changes);
            caller
                .as_ref()
                .map_or(Ok(()), |c: &Arc<Caller>| c.guard.ask(&uid, subject.generation.unwrap_or(0), devices))
        };
        let free = |key: &Key| {
            session.as_ref().is_some_and(|s| {
                let unseen = s.kind_state::<K>().mirror.find(key).is_empty();
                unseen && !s.claims.wanted(&natural_right::<K>(key), &uid)
            })
        };
        let digest_of = |change: &K::Change| digest(change, &inputs);
        let knowledge = Knowledge {
            workspace: match &resolved.state {
                Ok(access) => Workspace::Ready { organisation: access.session.organisation.clone() },
                Err(why) => Workspace::NotReady(why.clone()),
            },
            wanted,
            seen,
            intent,
            owner: owner.map(|who| self.shared.owner(&who)),
            goes: &|mark| self.shared.marked_goes(mark),
            elsewhere,
            secret: secret.0,
            used_by: if subject.deleting { self.used_by(&named(object)) } else { Vec::new() },
            users: &|id| self.shared.users(session.as_ref()?, id, &named(object)),
            guard: &guard,
            digest: &digest_of,
            undone: &|change| {
                self.memory.undone(&uid, subject.generation, taken::correction(change), now).is_some()
            },
            free: &free,
            trouble: self.memory.trouble(&uid, subject.generation),
            crd_terminating: self.terminating(),
            context: Context {
                now,
                object_created: object.creation_timestamp().map(|at| at.0),
                status,
                edited,
                factory_test: session.as_ref().is_some_and(|s| s.factory_test()),
                own_tokens: session.as_ref().map(|s| s.own_tokens()).unwrap_or_default(),
            },
        };
        let step = object::next_step(&subject, knowledge);
        let open = matches!(intent, IntentState::Open | IntentState::Lapsed);
        let (step, deferred_until) = defer(step, session.as_deref(), caller.as_deref(), now);
        Decision {
            step,
            session,
            caller,
            workspace: resolved.workspace,
            edited,
            inputs,
            open,
            deferred_until,
        }
    }

    /// The spec as a request, with everything it refers to.
    fn wanted(
        &self,
        object: &Decoded<K>,
        common: &CommonStatus,
        session: Option<&Arc<Session>>,
    ) -> (Wanted<K::Want>, Inputs) {
        let who = named(object);
        let nonce = common.intent.as_ref().map(|i| i.nonce.clone());
        let (Some(valid), Some(session)) = (object.valid(), session) else {
            return (
                Wanted::Observing("waiting for the workspace".into()),
                resolve::nothing(&self.shared, &who, nonce),
            );
        };
        let (found, inputs) = resolve::inputs(&self.shared, session, &who, valid.inputs(), nonce);
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
        let since = match self.memory.attempt(uid, &intent.nonce) {
            Some(Attempt::Unsent) => return IntentState::Unsent,
            Some(Attempt::Refused(at)) => {
                let kind_state = session.map(Session::kind_state::<K>);
                let known = kind_state.is_some_and(|s| s.refuses_whole() || s.mirror.accounts_for(at, at));
                return if known { IntentState::Refused } else { IntentState::Open };
            }
            Some(Attempt::Made(_)) => return IntentState::Open,
            Some(Attempt::Sent(at)) => at,
            None => match session {
                Some(session) => past::acts_since(self.shared.opened_at(), session, now),
                None => return IntentState::Open,
            },
        };
        let proof = past::proof(since);
        let accounted = session.is_some_and(|s| s.kind_state::<K>().mirror.accounts_for(since, proof));
        if accounted { IntentState::Lapsed } else { IntentState::Open }
    }

    /// What is known of the emnify object, by its id or by how it would be recognised.
    fn seen(
        self: &Arc<Self>,
        session: &Arc<Session>,
        object: &Decoded<K>,
        common: &CommonStatus,
        want: Option<&K::Want>,
        intent: IntentState,
        secret: &SecretLook,
    ) -> Seen<K> {
        let kind_state = self.demand(session);
        if common.id.is_none() || common.intent.is_some() {
            // before looking, so that a listing that completes meanwhile wakes the object
            Self::wait_on_sweep(session, &named(object));
        }
        if matches!(intent, IntentState::Open | IntentState::Lapsed | IntentState::Refused) {
            if let Some(found) = self.made(&kind_state, object, common, want, session, secret) {
                if let Seen::Present(_) = found
                    && intent == IntentState::Refused
                {
                    kind_state.learn_partial();
                }
                return found;
            }
            match intent {
                IntentState::Open => return Seen::Unknown,
                IntentState::Lapsed => return Seen::Absent,
                // nothing of ours, perhaps something of somebody else
                _ => {}
            }
        }
        if let Some(id) = common.id.as_ref().or(object.common().id.as_ref()) {
            let id = Id::parse(id);
            let bound = common.id.is_some();
            let mut seen = self.known(&kind_state, &id, object, want, secret, bound);
            let settled = bound && common.settled_generation == object.meta().generation;
            let stays = object.meta().deletion_timestamp.is_none();
            if let (Seen::Absent, true, false) = (&seen, bound, stays) {
                return self.remains(&kind_state, object, secret).unwrap_or(seen);
            }
            if let (Seen::Present(found), true) = (&mut seen, settled && stays && K::LISTED_ALONE) {
                // after a restart the rotation reads what no listing shows; nobody floods the budget with it
                found.missing.retain(|part| !kind_state.mirror.is_unread(&id, *part));
            }
            return seen;
        }
        let Some(want) = want else { return Seen::Unknown };
        if let Some(seen) = self.kept(&kind_state, object, want, secret) {
            return seen;
        }
        for find in K::find(want, None) {
            let ids = kind_state.mirror.find(find.key());
            match ids.as_slice() {
                [] => {}
                [id] => {
                    return self.known(
                        &kind_state,
                        id,
                        object,
                        Some(want),
                        secret,
                        matches!(find, Find::Trace(_)),
                    );
                }
                several => return Seen::Several(several.to_vec()),
            }
        }
        if kind_state.mirror.complete_since().is_none() {
            return Seen::Unknown;
        }
        self.likely(&kind_state, session, object, want, secret).unwrap_or(Seen::Absent)
    }

    /// What the output Secret holds the value of, after a restore without status. A user can write the Secret, so that
    /// the mark of this very object has to be on it as well.
    fn kept(
        &self,
        kind_state: &KindState<K>,
        object: &Decoded<K>,
        want: &K::Want,
        secret: &SecretLook,
    ) -> Option<Seen<K>> {
        let nonce = secret.1.as_ref()?.annotations.get(secrets::NONCE)?;
        let attempt = Intent { nonce: nonce.clone(), since: String::new() };
        let [own, _] = self.marks(object);
        let traces = K::find(want, Some(&attempt)).into_iter().filter(|find| matches!(find, Find::Trace(_)));
        let mut ids: Vec<Id> = traces.flat_map(|find| kind_state.mirror.find(find.key())).collect();
        ids.retain(|id| kind_state.mirror.row(id).is_some_and(|row| K::mark(&row).as_ref() == Some(&own)));
        match ids.as_slice() {
            [id] => Some(self.known(kind_state, id, object, Some(want), secret, false)),
            _ => None,
        }
    }

    /// What may be left of this object from before its status was lost: called so, marked by this installation, older
    /// than the object, and nobody is bound to it.
    fn likely(
        &self,
        kind_state: &KindState<K>,
        session: &Session,
        object: &Decoded<K>,
        want: &K::Want,
        secret: &SecretLook,
    ) -> Option<Seen<K>> {
        let (uid, object_created) = (object.uid().unwrap_or_default(), object.creation_timestamp()?.0);
        let installation = &self.shared.settings.installation;
        let mut ids = kind_state.mirror.find(&K::likely(want)?);
        ids.retain(|id| {
            let marked = |row: &K::Row| K::mark(row).as_ref() == Some(installation);
            let older = |row: &K::Row| K::created(row).is_some_and(|made| made < object_created);
            let row = kind_state.mirror.row(id);
            row.is_some_and(|row| marked(&row) && older(&row))
                && !session.claims.taken(&right_of::<K>(id), &uid)
        });
        match ids.as_slice() {
            [] => None,
            [id] => Some(match self.known(kind_state, id, object, Some(want), secret, false) {
                Seen::Present(found) => Seen::Present(Match { likely: true, ..found }),
                seen => seen,
            }),
            several => Some(Seen::Several(several.to_vec())),
        }
    }

    /// What else the object made, where the one that it is bound to is gone and it is to go itself.
    fn remains(
        &self,
        kind_state: &KindState<K>,
        object: &Decoded<K>,
        secret: &SecretLook,
    ) -> Option<Seen<K>> {
        if !K::RENEWS {
            return None;
        }
        let (status, _) = self.overlay.newest(object);
        let ([own, _], object_created) = (self.marks(object), object.creation_timestamp().map(|at| at.0));
        let mut ids = Vec::new();
        kind_state.mirror.each(&mut |row| {
            if K::mark(row).as_ref() == Some(&own) && K::remains(row, status.as_ref(), object_created) {
                ids.push(K::id(row));
            }
        });
        // any of them: the others are its kin
        Some(self.known(kind_state, ids.iter().min()?, object, None, secret, true))
    }

    /// What an interrupted create made: the answer's id, our trace, or a natural key that appeared since.
    fn made(
        &self,
        kind_state: &KindState<K>,
        object: &Decoded<K>,
        common: &CommonStatus,
        want: Option<&K::Want>,
        session: &Session,
        secret: &SecretLook,
    ) -> Option<Seen<K>> {
        let uid = object.uid().unwrap_or_default();
        let intent = common.intent.as_ref()?;
        if let Some(Attempt::Made(id)) = self.memory.attempt(&uid, &intent.nonce) {
            return Some(match self.known(kind_state, &id, object, want, secret, true) {
                Seen::Unknown => Seen::Doubt(id),
                seen => seen,
            });
        }
        // without a date only a trace tells
        let since = intent.since.parse().ok().map(past::appeared);
        for find in K::find(want?, Some(intent)) {
            let mut ids = kind_state.mirror.find(find.key());
            ids.retain(|id| {
                let recent = since.is_some_and(|since| {
                    kind_state.mirror.row(id).and_then(|row| K::created(&row)).is_none_or(|at| at >= since)
                });
                let free =
                    !session.claims.taken(&right_of::<K>(id), &uid) && common.id != Some(id.to_string());
                free && (recent || matches!(find, Find::Trace(_)))
            });
            match ids.as_slice() {
                [] => {}
                [id] => return Some(self.known(kind_state, id, object, want, secret, true)),
                several => return Some(Seen::Several(several.to_vec())),
            }
        }
        None
    }

    fn known(
        &self,
        kind_state: &KindState<K>,
        id: &Id,
        object: &Decoded<K>,
        want: Option<&K::Want>,
        secret: &SecretLook,
        ours: bool,
    ) -> Seen<K> {
        match kind_state.mirror.get(id) {
            Known::Unknown => Seen::Unknown,
            Known::Doubt if K::FACTS.has_read || kind_state.mirror.row(id).is_some() => {
                Seen::Doubt(id.clone())
            }
            // without a read of one object, a complete listing that does not show it has to do
            Known::Doubt | Known::Absent => Seen::Absent,
            Known::Present(row) => {
                let mark = K::mark(&row);
                let mine = self.marks(object);
                let ours = ours || mark.as_ref().is_some_and(|m| mine.contains(m));
                let foreign = mark.filter(|m| !mine.contains(m));
                let wanted = match object.meta().deletion_timestamp {
                    Some(_) => K::parts_to_retire(self.overlay.newest(object).0.as_ref()),
                    None => want.map(K::parts).unwrap_or_default(),
                };
                let (parts, missing) = kind_state.mirror.parts(id, &wanted, None);
                let have = Have { row, parts, output: secret.1.clone() };
                Seen::Present(Match { id: id.clone(), have, ours, likely: false, foreign, missing })
            }
        }
    }

    /// Marks that mean this object: its own, and the installation's where a kind cannot name the object.
    fn marks(&self, object: &Decoded<K>) -> [String; 2] {
        let who = named(object);
        let installation = &self.shared.settings.installation;
        [format!("{installation}/{}/{}", who.namespace, who.name), installation.clone()]
    }

    /// Registers what the object claims; returns who has the better claim, and wakes those who moved up.
    fn owner(
        &self,
        session: &Session,
        object: &Decoded<K>,
        common: &CommonStatus,
        want: Option<&K::Want>,
        seen: &Seen<K>,
    ) -> Option<Claimant> {
        // who only looks on is in nobody's way
        let observes = object.common().management() == ManagementPolicy::Observe;
        let rights = if observes { Vec::new() } else { Self::rights(session, object, common, want, seen) };
        let (better, moved) = session.claims.set(&claimant(object), &rank(object), rights);
        for other in moved {
            self.shared.trigger(&other.clone().into(), "claims changed");
        }
        if object.meta().deletion_timestamp.is_some() {
            // what is deleted here is left to another object only if that one is bound to this very id
            let bound = right_of::<K>(&Id::parse(common.id.as_ref()?));
            return session.claims.outranked(&rank(object).with_bound(true), &[bound]);
        }
        better
    }

    /// What the object claims: what it is bound to, and what its spec means or names. Of the latter it has as bound what
    /// the emnify object that it is bound to holds; what that holds is not known before the first listing.
    fn rights(
        session: &Session,
        object: &Decoded<K>,
        common: &CommonStatus,
        want: Option<&K::Want>,
        seen: &Seen<K>,
    ) -> Vec<Right> {
        let mirror = &session.kind_state::<K>().mirror;
        let bound = common.id.as_deref().map(Id::parse);
        let mut rights = Vec::new();
        rights.extend(bound.as_ref().map(|id| Right::new(right_of::<K>(id), true)));
        if let (None, Some(id)) = (&bound, &object.common().id) {
            rights.push(Right::new(right_of::<K>(&Id::parse(id)), false));
        }
        if let Seen::Present(found) = seen
            && bound.as_ref() != Some(&found.id)
        {
            rights.push(Right::new(right_of::<K>(&found.id), false));
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
            rights.extend(shared.map(|key| Right::new(format!("{}={}", key.name, key.value), holds_all)));
            let named = |key: Key| Right::new(natural_right::<K>(&key), carried.contains(&key));
            rights.extend(natural.into_iter().map(named));
        }
        rights.sort_by(|a, b| (&a.name, !a.bound).cmp(&(&b.name, !b.bound)));
        rights.dedup_by(|a, b| a.name == b.name);
        rights
    }

    /// Bound objects that refer to this one.
    fn used_by(&self, who: &Named) -> Vec<String> {
        let bound = |n: &Named| {
            let state = self.shared.kind(n.kind).map(|any| any.reference(&n.namespace, &n.name));
            matches!(state, Some(RefState::Bound { .. } | RefState::Deleting))
        };
        self.shared.references.referrers(who).into_iter().filter(bound).map(|n| n.to_string()).collect()
    }
}

impl From<Claimant> for Named {
    fn from(c: Claimant) -> Self {
        Self { kind: c.kind, namespace: c.namespace, name: c.name }
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

/// The right to what carries a natural key.
pub(super) fn natural_right<K: Managed>(key: &Key) -> String {
    format!("{}:{}={}", K::KIND, key.name, key.value)
}

pub(super) fn right_of<K: Managed>(id: &Id) -> String {
    format!("{}#{id}", K::KIND)
}

/// Digest of a change and of the ids that its references mean: what a refusal is remembered by.
pub(super) fn digest<C: Change>(change: &C, inputs: &Inputs) -> String {
    rejected::digest(change, &format!("{:?}", inputs.ids()))
}
