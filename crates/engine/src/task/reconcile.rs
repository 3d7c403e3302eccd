//! The Kubernetes side of a task: what may be sent is written down before it is, and the end after it was.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use kube::{
    Resource, ResourceExt,
    api::{DeleteParams, Preconditions},
    runtime::controller::Action,
};

use super::{
    controller::TaskController,
    look::{self, Look, Looks, Opened},
};
use crate::{
    cluster::{
        object::{api, item},
        reconcile::{Draft, Finding},
        text::TEXT_KEPT,
        watch::Reconciled,
    },
    decide::{
        error_policy::Waiting,
        task::{
            Step, deadline,
            finish::End,
            tell::{self, seconds},
        },
    },
    kind::{
        Id, Status,
        decoded::Decoded,
        reason,
        task::{Progress, TargetCounts, Task, TaskStatus, Window},
    },
    session::{past::new_intent, pause},
};

use emnify::Lane;

/// So many targets are somebody's own concern, who waits for it.
const FEW: i64 = 20;

impl<T: Task> TaskController<T> {
    /// One look at one task.
    pub(super) async fn reconcile_object(
        self: &Arc<Self>,
        object: &Decoded<T>,
    ) -> Result<Reconciled, kube::Error> {
        let mut draft = self.kube.draft(object);
        if let Some(valid) = object.valid() {
            let finished = draft.status.progress().finished_at.is_some();
            self.kube.note_references(object, if finished { Vec::new() } else { valid.inputs() });
            valid.report(&mut draft.status);
        }
        if let Some(action) = self.kube.check_definition(object).await? {
            return Ok(Reconciled { action, step: ("Wait", "") });
        }
        let now = self.kube.now();
        let mut look = self.look(object, &draft.status, Looks::Controller);
        if look.opened.is_some() && object.valid().is_some_and(|valid| valid.text().is_some()) {
            self.read_text(object).await?;
            look = self.look(object, &draft.status, Looks::Controller);
        }
        let step = look.step.name();
        let action = match &look.step {
            Step::Delete => self.delete(object).await,
            Step::AddFinalizer => self.kube.set_finalizer(object, true).await,
            Step::RemoveFinalizer => {
                self.release(object.uid());
                self.kube.set_finalizer(object, false).await
            }
            _ => self.carry_out(object, &mut draft, look, now).await,
        };
        Ok(Reconciled { action: action?, step })
    }

    async fn carry_out(
        self: &Arc<Self>,
        object: &Decoded<T>,
        draft: &mut Draft<T>,
        Look { step, progress, kept, opened, .. }: Look<T>,
        now: Timestamp,
    ) -> Result<Action, kube::Error> {
        // what is open, or was, is written over nothing that another process wrote
        draft.guarded = progress.window != draft.status.progress().window
            || matches!(step, Step::Open(_) | Step::Finish(_));
        *draft.status.progress_mut() = progress;
        for kept in &kept {
            T::keep(&mut draft.status, kept);
        }
        let window = match (&step, &opened) {
            (Step::Open(targets), Some(opened)) => Some(Self::open(object, draft, targets, opened, now)),
            _ => None,
        };
        tell_status::<T>(&step, draft, object.meta().generation, now);
        if let (Some(window), Some(opened)) = (&window, &opened) {
            self.with(object.uid(), &opened.access, |entry| entry.writes(window));
        }
        if let Some(again) = self.kube.write(object, draft).await? {
            return Ok(again);
        }
        if let (Some(window), Some(opened)) = (&window, &opened) {
            self.with(object.uid(), &opened.access, |entry| entry.wrote(window));
        }
        Ok(self.after(object, draft.status.progress(), &step, opened.as_ref()))
    }

    /// The status says that these may be sent, and with the first of them that the task has begun.
    fn open(
        object: &Decoded<T>,
        draft: &mut Draft<T>,
        targets: &[Id],
        opened: &Opened,
        now: Timestamp,
    ) -> Window {
        let session = &opened.access.session;
        let common = draft.status.common_mut();
        common.organisation_id = Some(session.organisation.clone());
        common.workspace = Some(opened.workspace.clone());
        let intent = new_intent(session);
        let window = Window {
            targets: targets.iter().map(ToString::to_string).collect(),
            since: intent.since,
            nonce: intent.nonce,
        };
        let progress = draft.status.progress_mut();
        if progress.started_at.is_none() {
            let total = i64::try_from(opened.targets).unwrap_or(i64::MAX);
            progress.started_at = Some(seconds(now).to_string());
            progress.started_generation = object.meta().generation;
            progress.targets = Some(TargetCounts { total, ..TargetCounts::default() });
        }
        progress.window = Some(window.clone());
        window
    }

    /// Queues what is to be sent, tells what a person should know, and says when to look again.
    fn after(
        &self,
        object: &Decoded<T>,
        progress: &Progress,
        step: &Step,
        opened: Option<&Opened>,
    ) -> Action {
        let (uid, now) = (object.uid(), self.kube.now());
        let generation = look::generation(object, progress);
        let mut wake = opened.and_then(|opened| deadline(progress, &opened.terms)).filter(|at| *at > now);
        let finding = match step {
            Step::Open(_) | Step::Send => {
                if let Some(opened) = opened {
                    let few = progress.targets.unwrap_or_default().total <= FEW;
                    let lane = if few { Lane::Interactive } else { Lane::Repair };
                    opened.access.session.queue.push(item(object), lane, opened.terms.serial, None);
                }
                Finding::Fine
            }
            Step::Nothing(at) => {
                wake = *at;
                Finding::Fine
            }
            Step::Wait(told, at) => {
                wake = at.iter().copied().chain(wake).min();
                if let Some(opened) = opened {
                    opened.access.caller.guard.pause(uid, generation);
                }
                Finding::Waits(told, Waiting::Working)
            }
            Step::Stall(told) => Finding::Says(told),
            Step::Finish(end) => {
                self.finished(object, end);
                Finding::Fine
            }
            Step::RemoveFinalizer | Step::Delete | Step::AddFinalizer => Finding::Fine,
        };
        let tells = self.kube.tell(object, finding, now);
        let observing = matches!(step, Step::Wait(told, _) if told.reason == reason::OBSERVING);
        let again = wake.into_iter().chain(tells).map(|at| pause::until(at, now));
        let reads = opened.is_some() && object.valid().is_some_and(|valid| valid.text().is_some());
        let reads = reads.then(|| TEXT_KEPT.unsigned_abs() + Duration::from_secs(1));
        let again = again.chain(observing.then(pause::a_minute)).chain(reads).min();
        Action::requeue(pause::until_look(again))
    }

    fn finished(&self, object: &Decoded<T>, end: &End) {
        self.release(object.uid());
        self.wake_maker(object);
        let told = end.told();
        self.kube.shared.events.say(object, !end.is_complete(), told.reason, &told.message);
        self.kube.trigger(&object.key(), "it has finished");
    }

    /// The time of a finished task is over.
    async fn delete(&self, object: &Decoded<T>) -> Result<Action, kube::Error> {
        let preconditions = Preconditions { uid: Some(object.uid().to_owned()), resource_version: None };
        let parameters = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::background() };
        match api(&self.kube.shared.client, object).delete(&object.name_any(), &parameters).await {
            Ok(_) => Ok(Action::await_change()),
            Err(kube::Error::Api(e)) if e.code == 404 || e.code == 409 => Ok(Action::await_change()),
            Err(error) => Err(error),
        }
    }
}

fn tell_status<T: Task>(step: &Step, draft: &mut Draft<T>, generation: Option<i64>, now: Timestamp) {
    let mut common = draft.status.common().clone();
    let mut progress = draft.status.progress().clone();
    tell::status(step, (&mut common, &mut progress), generation, now);
    *draft.status.common_mut() = common;
    *draft.status.progress_mut() = progress;
}
