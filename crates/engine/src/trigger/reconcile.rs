//! The Kubernetes side of a trigger: what came of a look is written, and what is kept no longer goes.

use std::sync::Arc;

use jiff::Timestamp;
use kube::{Resource, runtime::controller::Action};

use super::{
    controller::TriggerController,
    look::{Looked, Step, begin_anew},
};
use crate::{
    cluster::{
        object::subject,
        reconcile::{Draft, Finding},
        watch::Reconciled,
    },
    decide::{
        error_policy::Waiting,
        known::Explanation,
        ready::{self, Teller},
        trigger::{self, hour},
    },
    kind::{
        Status,
        decoded::Decoded,
        reason::{
            self,
            condition::{READY, RECONCILING, STALLED, SYNCED, THROTTLED},
        },
        trigger::{Fired, SHOWN_ACTIVE, Trigger, TriggerStatus, TriggerTerms, When},
    },
    session::pause,
};

impl<T: Trigger> TriggerController<T> {
    /// One look at one trigger.
    pub(super) async fn reconcile_object(
        self: &Arc<Self>,
        object: &Decoded<T>,
    ) -> Result<Reconciled, kube::Error> {
        let mut draft = self.kube.draft(object);
        if let Some(valid) = object.valid() {
            self.kube.note_references(object, valid.inputs());
            valid.report(&mut draft.status);
        }
        if let Some(action) = self.kube.check_definition(object).await? {
            return Ok(Reconciled { action, step: ("Wait", "") });
        }
        let (now, made) = (self.kube.now(), self.made(object));
        let mut fired = draft.status.fired().clone();
        let terms = terms(object);
        let step = match &terms {
            Ok(terms) => self.look(object, &mut draft, &mut fired, (terms, &made, now)).await?,
            Err(invalid) => Step::Stalls(invalid.clone()),
        };
        if step == Step::Goes {
            self.deafen(object.uid());
            return Ok(Reconciled { action: Action::await_change(), step: ("Nothing", "") });
        }
        show_active(&mut fired, draft.status.fired(), &made);
        // what was done is written over nothing that another process wrote
        draft.guarded = *draft.status.fired() != fired;
        *draft.status.fired_mut() = fired;
        let generation = object.meta().generation;
        let full = terms.as_ref().ok().filter(|terms| !matches!(terms.when, When::Schedule(_)));
        tell_status::<T>(&step, &mut draft, full, generation, now);
        if let Some(action) = self.kube.write(object, &draft).await? {
            return Ok(Reconciled { action, step: name(&step) });
        }
        if self.with(object.uid(), |one| one.told(now)) == Some(true) {
            self.kube.trigger(&object.key(), "more was told");
        }
        if let Ok(terms) = &terms {
            self.prune(object, terms, draft.status.fired(), made).await?;
        }
        let (wake, finding) = match &step {
            Step::Listens(wake) => (*wake, Finding::Fine),
            Step::Waits(told, wake) => (*wake, Finding::Waits(told, Waiting::Keep)),
            Step::Stalls(told) => (None, Finding::Says(told)),
            Step::Suspended | Step::Goes => (None, Finding::Fine),
        };
        let tells = self.kube.tell(object, finding, now);
        let again = wake.into_iter().chain(tells).map(|at| pause::until(at, now)).min();
        Ok(Reconciled { action: Action::requeue(pause::until_look(again)), step: name(&step) })
    }

    async fn look(
        &self,
        object: &Decoded<T>,
        draft: &mut Draft<T>,
        fired: &mut Fired,
        (terms, made, now): (&TriggerTerms, &[trigger::Made], Timestamp),
    ) -> Result<Step, kube::Error> {
        let Some(valid) = object.valid() else { return Ok(Step::Goes) };
        let common = draft.status.common();
        let about = subject(object, common);
        if about.deleting {
            return Ok(Step::Goes);
        }
        if about.suspended || terms.suspend {
            self.deafen(object.uid());
            begin_anew(fired);
            return Ok(Step::Suspended);
        }
        let resolved = self.kube.workspace(object);
        let access = match resolved.state {
            Ok(access) => access,
            Err(why) => {
                let told = Explanation::new(reason::WORKSPACE_NOT_READY, why.to_string());
                return Ok(Step::Waits(told, None));
            }
        };
        let organisation = access.session.organisation.clone();
        let common = draft.status.common_mut();
        if common.organisation_id.as_ref().is_some_and(|before| *before != organisation) {
            // what another organisation told leads to nothing here
            self.deafen(object.uid());
            begin_anew(fired);
        }
        common.organisation_id = Some(organisation);
        common.workspace = Some(resolved.workspace.clone());
        let edited = common.settled_generation != object.meta().generation;
        let workspace = &resolved.workspace;
        let look = Looked { object, valid, terms, access: &access, workspace, made, now, edited };
        self.carry_out(&look, fired).await
    }

    /// What the trigger made, as the watch shows it.
    fn made(&self, object: &Decoded<T>) -> Vec<trigger::Made> {
        let kind = self.kube.shared.kind(<T::Task as crate::kind::Kind>::KIND);
        kind.map(|kind| kind.made_by(object.uid())).unwrap_or_default()
    }

    async fn prune(
        &self,
        object: &Decoded<T>,
        terms: &TriggerTerms,
        fired: &Fired,
        made: Vec<trigger::Made>,
    ) -> Result<(), kube::Error> {
        if self.with(object.uid(), |one| one.made.is_some()) == Some(true) {
            // it may be the one, and says whose turn it was
            return Ok(());
        }
        let written = fired.position.as_ref().and_then(|position| position.parse().ok());
        let position = match terms.when {
            When::Events => Some(written.unwrap_or(Timestamp::MIN)),
            // times are in the status, and messages are told once
            When::Schedule(_) | When::Messages => None,
        };
        let limits = (terms.keep_succeeded, terms.keep_failed);
        for made in trigger::pruned(made, limits, position) {
            self.take_away(object, &made).await?;
        }
        Ok(())
    }
}

/// When and how it makes tasks, or why it cannot.
fn terms<T: Trigger>(object: &Decoded<T>) -> Result<TriggerTerms, Explanation> {
    match object {
        Decoded::Valid(valid) => {
            valid.terms().map_err(|why| Explanation::new(reason::INVALID_SPEC, why.to_string()))
        }
        Decoded::Invalid(undecodable) => {
            let error = &undecodable.error;
            let message = format!("the object cannot be decoded, update the CRD or the operator: {error}");
            Err(Explanation::new(reason::UNDECODABLE, message))
        }
    }
}

fn show_active(fired: &mut Fired, before: &Fired, made: &[trigger::Made]) {
    let active = made.iter().filter(|made| made.succeeded.is_none()).map(|made| made.name.clone());
    let mut active: Vec<String> = active.collect();
    // what was made a moment ago the watch does not show yet
    let new = fired.last_operation.as_ref().filter(|name| before.last_operation.as_ref() != Some(*name));
    active.extend(new.filter(|name| made.iter().all(|made| made.name != **name)).cloned());
    fired.running = i64::try_from(active.len()).ok();
    active.sort();
    active.truncate(SHOWN_ACTIVE);
    fired.active = active;
}

fn name(step: &Step) -> (&'static str, &'static str) {
    match step {
        Step::Listens(_) | Step::Goes => ("Nothing", ""),
        Step::Waits(told, _) => ("Wait", told.reason),
        Step::Stalls(told) => ("Stall", told.reason),
        Step::Suspended => ("Wait", reason::SUSPENDED),
    }
}

/// Writes what the step means into conditions; `listens` are the terms of one that has a limit.
fn tell_status<T: Trigger>(
    step: &Step,
    draft: &mut Draft<T>,
    listens: Option<&TriggerTerms>,
    generation: Option<i64>,
    now: Timestamp,
) {
    let recent = draft.status.fired().recent.clone();
    let common = draft.status.common_mut();
    common.observed_generation = generation;
    let mut tell = Teller { common, generation, now };
    match step {
        Step::Listens(_) => {
            tell.put(READY, true, &Explanation::new(reason::UP_TO_DATE, "waits for what it is for"));
            tell.clear(&[RECONCILING, STALLED, SYNCED]);
            tell.common.settled_generation = generation;
        }
        Step::Suspended => {
            tell.put(READY, true, &Explanation::new(reason::SUSPENDED, "suspended on request"));
            tell.clear(&[RECONCILING, STALLED, SYNCED]);
            tell.common.settled_generation = generation;
        }
        Step::Waits(told, _) => ready::wait(tell.common, told, Waiting::Keep, generation, now),
        Step::Stalls(told) => tell.stalls(told),
        Step::Goes => {}
    }
    match listens.map(|terms| terms.most_per_hour).filter(|most| hour::room(&recent, *most, now) == 0) {
        Some(most) => {
            let message = format!(
                "maxTargetsPerHour: {most} is used up: what is told until the hour is over is dropped"
            );
            tell.put(THROTTLED, true, &Explanation::new(reason::TARGETS_DROPPED, message));
        }
        None => tell.clear(&[THROTTLED]),
    }
}
