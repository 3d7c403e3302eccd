//! Which emnify object an object means, and what is known of it.

use std::sync::Arc;

use kube::{Resource, ResourceExt};

use super::Controller;
use crate::{
    cluster::{memory::Attempt, secrets},
    decide::known::{IntentState, Match, SecretState, Seen},
    kind::{
        Find, Have, Id, Key, Managed, Output,
        decoded::Decoded,
        mark,
        spec::{CommonStatus, Intent},
    },
    session::{KindState, Session, claims::Right, mirror::Known, past},
};

/// The output Secret as just read.
pub(super) type SecretLook = (SecretState, Option<Arc<Output>>);

/// What an emnify object is recognised by.
pub(super) struct Search<'a, K: Managed> {
    pub(super) controller: &'a Controller<K>,
    pub(super) session: &'a Session,
    pub(super) kind_state: &'a KindState<K>,
    pub(super) object: &'a Decoded<K>,
    pub(super) common: &'a CommonStatus,
    /// Unknown while a reference has no id.
    pub(super) want: Option<&'a K::Want>,
    pub(super) secret: &'a SecretLook,
}

impl<K: Managed> Search<'_, K> {
    /// What is known of the emnify object, the surest way first. While a create has no answer only what that may have made
    /// counts: nothing is taken for it, and nothing is absent, before it is accounted for. Then the id that the status has, or
    /// the spec names; of an object that goes also what is left beside it. Then what the output Secret belongs to, which
    /// outlives a status, and last what the spec means: its natural key or our mark, where two that carry it are nobody's. Only
    /// a complete listing makes what was not found absent, unless something that was ours before may be it.
    pub(super) fn seen(&self, intent: IntentState) -> Seen<K> {
        let Self { kind_state, object, common, .. } = self;
        if matches!(intent, IntentState::Open | IntentState::Lapsed | IntentState::Refused) {
            if let Some(found) = self.made() {
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
            let mut seen = self.known(&id, bound);
            let settled = bound && common.settled_generation == object.meta().generation;
            let stays = object.meta().deletion_timestamp.is_none();
            if let (Seen::Absent, true, false) = (&seen, bound, stays) {
                return self.remains().unwrap_or(seen);
            }
            if let (Seen::Present(found), true) = (&mut seen, settled && stays && K::LISTED_ALONE) {
                // after a restart the rotation reads what no listing shows; nobody floods the budget with it
                found.missing.retain(|part| !kind_state.mirror.is_unread(&id, *part));
            }
            return seen;
        }
        let Some(want) = self.want else { return Seen::Unknown };
        if let Some(seen) = self.kept(want) {
            return seen;
        }
        for find in K::find(want, None) {
            let ids = kind_state.mirror.find(find.key());
            match ids.as_slice() {
                [] => {}
                [id] => {
                    return self.known(id, matches!(find, Find::Trace(_)));
                }
                [lowest, ..] if K::INTERCHANGEABLE => return self.known(lowest, false),
                several => return Seen::Several(several.to_vec()),
            }
        }
        if kind_state.mirror.complete_since().is_none() {
            return Seen::Unknown;
        }
        self.likely(want).unwrap_or(Seen::Absent)
    }

    /// What the output Secret holds the value of, after a restore without status. A user can write the Secret, so that
    /// the mark of this very object has to be on it as well.
    fn kept(&self, want: &K::Want) -> Option<Seen<K>> {
        let mirror = &self.kind_state.mirror;
        let nonce = self.secret.1.as_ref()?.annotations.get(secrets::NONCE)?;
        let attempt = Intent { nonce: nonce.clone(), since: String::new() };
        let [own, _] = self.marks();
        let traces = K::find(want, Some(&attempt)).into_iter().filter(|find| matches!(find, Find::Trace(_)));
        let mut ids: Vec<Id> = traces.flat_map(|find| mirror.find(find.key())).collect();
        ids.retain(|id| mirror.row(id).is_some_and(|row| K::mark(&row).as_ref() == Some(&own)));
        match ids.as_slice() {
            [id] => Some(self.known(id, false)),
            _ => None,
        }
    }

    /// What may be left of this object from before its status was lost: called so, marked by this installation, older
    /// than the object, and nobody is bound to it.
    fn likely(&self, want: &K::Want) -> Option<Seen<K>> {
        let Self { kind_state, session, object, .. } = self;
        let (uid, object_created) = (object.uid(), object.creation_timestamp()?.0);
        let installation = &self.controller.kube.shared.settings.installation;
        let mut ids = kind_state.mirror.find(&K::likely(want)?);
        ids.retain(|id| {
            let marked = |row: &K::Row| K::mark(row).as_ref() == Some(installation);
            let older = |row: &K::Row| K::created(row).is_some_and(|made| made < object_created);
            let row = kind_state.mirror.row(id);
            row.is_some_and(|row| marked(&row) && older(&row))
                && !session.claims.taken(&Right::of::<K>(id), uid)
        });
        match ids.as_slice() {
            [] => None,
            [id] => Some(match self.known(id, false) {
                Seen::Present(found) => Seen::Present(Match { likely: true, ..found }),
                seen => seen,
            }),
            several => Some(Seen::Several(several.to_vec())),
        }
    }

    /// What else the object made, where the one that it is bound to is gone and it is to go itself.
    fn remains(&self) -> Option<Seen<K>> {
        let Self { kind_state, object, .. } = self;
        let renewal = K::RENEWAL?;
        let (status, _) = self.controller.kube.newest(object);
        let ([own, _], object_created) = (self.marks(), object.creation_timestamp().map(|at| at.0));
        let mut ids = Vec::new();
        kind_state.mirror.each(&mut |row| {
            if K::mark(row).as_ref() == Some(&own) && (renewal.remains)(row, status.as_ref(), object_created)
            {
                ids.push(K::id(row));
            }
        });
        // any of them: the others are its kin
        Some(self.known(ids.iter().min()?, true))
    }

    /// What an interrupted create made: the answer's id, our trace, or a natural key that appeared since.
    fn made(&self) -> Option<Seen<K>> {
        let Self { kind_state, session, object, common, .. } = self;
        let uid = object.uid();
        let intent = common.intent.as_ref()?;
        if let Some(Attempt::Made(id)) = self.controller.kube.memory.attempt(uid, &intent.nonce) {
            return Some(match self.known(&id, true) {
                Seen::Unknown => Seen::Doubt(id),
                seen => seen,
            });
        }
        // without a date only a trace tells
        let since = intent.since.parse().ok().map(past::appeared);
        // while a reference or a Secret is missing, and the object may be going with it, the mark has to do
        let marked = || {
            let [own, _] = self.marks();
            vec![Find::Trace(Key::new(mark::KEY, own))]
        };
        for find in self.want.map_or_else(marked, |want| K::find(want, Some(intent))) {
            let mut ids = kind_state.mirror.find(find.key());
            ids.retain(|id| {
                let recent = since.is_some_and(|since| {
                    kind_state.mirror.row(id).and_then(|row| K::created(&row)).is_none_or(|at| at >= since)
                });
                let free =
                    !session.claims.taken(&Right::of::<K>(id), uid) && common.id != Some(id.to_string());
                free && (recent || matches!(find, Find::Trace(_)))
            });
            match ids.as_slice() {
                [] => {}
                [id] => return Some(self.known(id, true)),
                // ours is the one that came last
                [.., newest] if K::INTERCHANGEABLE => return Some(self.known(newest, true)),
                several => return Some(Seen::Several(several.to_vec())),
            }
        }
        None
    }

    /// What is known of the emnify object `id`; `ours`: it is so whatever its mark says.
    fn known(&self, id: &Id, ours: bool) -> Seen<K> {
        let Self { kind_state, object, .. } = self;
        match kind_state.mirror.get(id) {
            Known::Unknown => Seen::Unknown,
            Known::Doubt if K::FACTS.has_read || kind_state.mirror.row(id).is_some() => {
                Seen::Doubt(id.clone())
            }
            // without a read of one object, a complete listing that does not show it has to do
            Known::Doubt | Known::Absent => Seen::Absent,
            Known::Present(row) => {
                let mark = K::mark(&row);
                let mine = self.marks();
                let ours = ours || mark.as_ref().is_some_and(|m| mine.contains(m));
                let foreign = mark.filter(|m| !mine.contains(m));
                let wanted = match object.meta().deletion_timestamp {
                    Some(_) => K::parts_to_retire(self.controller.kube.newest(object).0.as_ref()),
                    None => self.want.map(K::parts).unwrap_or_default(),
                };
                let (parts, missing) = kind_state.mirror.parts(id, &wanted, None);
                let have = Have { row, parts, output: self.secret.1.clone() };
                Seen::Present(Match { id: id.clone(), have, ours, likely: false, foreign, missing })
            }
        }
    }

    /// Marks that mean this object: its own, and the installation's where a kind cannot name the object.
    fn marks(&self) -> [String; 2] {
        let who = self.object.key();
        let installation = &self.controller.kube.shared.settings.installation;
        [format!("{installation}/{}/{}", who.namespace, who.name), installation.clone()]
    }
}
