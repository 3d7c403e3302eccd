//! What only has to be written down is not waited for: the steps behind it are decided in the same look, and one write of
//! the status holds them all. What was just made goes on at once, before any status says so.

use std::{collections::HashMap, sync::Arc};

use jiff::Timestamp;
use kube::Resource;

use super::{
    Controller,
    decide::{Bound, Decision},
    recognise::SecretLook,
};
use crate::{
    cluster::{memory::Attempt, reconcile::Draft, secrets},
    decide::known::{SecretState, Step},
    kind::{BatchKey, Change, Id, Managed, Status, decoded::Decoded, reason, spec::Provenance},
    session::past,
};

/// Steps in a row that are only written down: an intent that made nothing goes, a new one comes.
const MOST: usize = 3;

impl<K: Managed> Controller<K> {
    /// Decides what a look has to do; what only has to be written down before that is in the draft.
    pub(super) async fn decide_ahead(
        self: &Arc<Self>,
        object: &Decoded<K>,
        draft: &mut Draft<K>,
        secret: &SecretLook,
        now: Timestamp,
    ) -> Result<Decision<K>, kube::Error> {
        let mut decision = self.decide(object, Some(&draft.status), secret, now);
        let mut bound = None;
        for _ in 0..MOST {
            // what the output Secret says next is read after the write
            if !self.put_down(object, &decision, draft, &mut bound).await? || has_output(object) {
                break;
            }
            decision = self.decide(object, Some(&draft.status), secret, now);
        }
        decision.bound = bound;
        Ok(decision)
    }

    /// Decides for a turn at emnify: what an own create made may be changed before the status holds its id, because the
    /// intent in the status tells whose it is.
    pub(super) fn decide_bound(
        self: &Arc<Self>,
        object: &Decoded<K>,
        status: Option<K::Status>,
        secret: &SecretLook,
        now: Timestamp,
    ) -> (Option<K::Status>, Decision<K>) {
        let decision = self.decide(object, status.as_ref(), secret, now);
        let Step::Bind { id, provenance } = &decision.step else { return (status, decision) };
        let made = status.as_ref().is_some_and(|status| status.common().intent.is_some());
        if !made || has_output(object) {
            return (status, decision);
        }
        let mut bound = status.unwrap_or_default();
        bind(&mut bound, &decision, id, *provenance, now);
        let decision = self.decide(object, Some(&bound), secret, now);
        (Some(bound), decision)
    }

    /// Queues what follows for objects whose shared call was just answered, so that it is one call again, as soon as the
    /// last of them has left the first.
    pub(super) fn follow_up(self: &Arc<Self>, objects: impl Iterator<Item = Arc<Decoded<K>>>) {
        let now = self.kube.now();
        let mut next = Vec::new();
        let mut together: HashMap<BatchKey, usize> = HashMap::new();
        for object in objects.filter(|object| !has_output(object)) {
            let (status, _) = self.kube.newest(&object);
            let fresh = status.as_ref().is_some_and(|s| s.common().settled_generation.is_none());
            if !fresh || object.meta().deletion_timestamp.is_some() {
                continue;
            }
            let (status, decision) = self.decide_bound(&object, status, &(SecretState::NotNeeded, None), now);
            let (Step::Apply(_, changes), Some(status)) = (&decision.step, status) else { continue };
            let Some(key) = changes.first().and_then(Change::batch) else { continue };
            *together.entry(key.clone()).or_default() += 1;
            next.push((object, decision, status, key));
        }
        for (object, decision, status, key) in next {
            self.enqueue(&object, &decision, &status, together.get(&key).copied());
        }
    }

    /// True if the step only has to be written down, and is in the draft now.
    async fn put_down(
        &self,
        object: &Decoded<K>,
        decision: &Decision<K>,
        draft: &mut Draft<K>,
        bound: &mut Option<Bound>,
    ) -> Result<bool, kube::Error> {
        let Some(session) = &decision.session else { return Ok(false) };
        match &decision.step {
            Step::RecordIntent => {
                let intent = past::new_intent(session);
                self.kube.memory.set_attempt(object.uid(), &intent.nonce, Attempt::Unsent);
                draft.status.common_mut().intent = Some(intent.into());
            }
            Step::ClearIntent => draft.status.common_mut().intent = None,
            Step::Bind { id, provenance } => {
                let nonce = draft.status.common().intent.as_ref().map(|intent| intent.nonce.clone());
                if let (Some(valid), Some(nonce)) = (object.valid(), &nonce)
                    && let Some(to) = valid.output()
                {
                    secrets::bind(&self.kube.shared.client, valid, &to, nonce, id).await?;
                }
                if let Some(old) = &draft.status.common().id {
                    self.drop_owner(&session.organisation, &Id::parse(old), object);
                }
                bind(&mut draft.status, decision, id, *provenance, self.kube.now());
                self.note_owner(&session.organisation, id.clone(), object);
                let (id, provenance) = (id.clone(), *provenance);
                *bound = Some(Bound { id, provenance, made: nonce.is_some() });
            }
            _ => return Ok(false),
        }
        draft.guarded = true;
        Ok(true)
    }

    /// The status that holds the binding was written.
    pub(super) fn tell_bound(&self, object: &Decoded<K>, bound: &Bound) {
        let Bound { id, provenance, made } = bound;
        let (reason, what) = match provenance {
            Provenance::Created if *made => (reason::CREATED, "created"),
            // the status was lost, as in a restore
            Provenance::Created => (reason::ADOPTED, "found again"),
            Provenance::Adopted => (reason::ADOPTED, "took over"),
        };
        self.kube.shared.events.say(object, false, reason, &format!("{what} {} {id} in emnify", K::KIND));
    }
}

/// What the status says of an emnify object that is bound.
fn bind<K: Managed>(
    status: &mut K::Status,
    decision: &Decision<K>,
    id: &Id,
    provenance: Provenance,
    now: Timestamp,
) {
    if let (Some(old), Some(renewal)) = (status.common().id.as_deref().map(Id::parse), K::RENEWAL) {
        (renewal.renewed)(status, &old, now);
    }
    let common = status.common_mut();
    common.id = Some(id.to_string());
    common.provenance = Some(provenance);
    common.organisation_id = decision.session.as_ref().map(|session| session.organisation.clone());
    common.workspace = Some(decision.workspace.clone());
    common.intent = None;
}

fn has_output<K: Managed>(object: &Decoded<K>) -> bool {
    object.valid().is_some_and(|valid| valid.output().is_some())
}
