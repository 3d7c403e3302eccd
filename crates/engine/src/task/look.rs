//! Gathers what is known of a task and decides.

use std::sync::Arc;

use kube::{Resource, ResourceExt};
use serde_json::Value;

use super::controller::{TaskController, TaskEntry};
use crate::{
    cluster::{
        object::subject,
        resolve::{self, Unresolved},
        surroundings::{self, Surroundings},
        text::Text,
    },
    decide::{
        known::{Explanation, Workspace},
        task::{
            self, Facts, GIVEN_UP, Left, Step, finish,
            window::{Next, OpenWindow, Stop, UNKNOWN},
        },
    },
    kind::{
        Id, Inputs, Status,
        decoded::Decoded,
        object_key::ObjectKey,
        reason,
        spec::WorkspaceRef,
        task::{Again, Outcome, Progress, Task, TaskStatus, Terms, World},
    },
    session::{Access, past},
};

/// Who looks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Looks {
    /// The controller, at one task once at a time: what the status says is open is taken over.
    Controller,
    /// Who sends, beside the controller: sends of what is open here, if the status in hand says the same.
    Sender,
}

/// What a look came to.
pub(super) struct Look<T: Task> {
    pub(super) step: Step,
    /// How far the task is, with the answers of a window that is closed or cut.
    pub(super) progress: Progress,
    /// What emnify told of the targets of a window that is closed, for the status to keep.
    pub(super) kept: Vec<Value>,
    /// What it may act with, where it may.
    pub(super) opened: Option<Opened>,
    kind: std::marker::PhantomData<fn() -> T>,
}

/// A task that may be worked on.
#[derive(Clone)]
pub(super) struct Opened {
    pub(super) access: Access,
    pub(super) workspace: WorkspaceRef,
    pub(super) terms: Terms,
    pub(super) stop: Stop,
    pub(super) targets: usize,
    begun: bool,
}

/// What is looked up for a task.
pub(super) struct Found {
    pub(super) inputs: Inputs,
    who: ObjectKey,
    workspace: WorkspaceRef,
    text: Option<Arc<Text>>,
    begun: bool,
}

impl Found {
    /// Shows the task its surroundings.
    pub(super) fn show<T: Task, R>(
        &self,
        controller: &TaskController<T>,
        access: &Access,
        sees: impl FnOnce(&World<'_, T>, &Surroundings<'_>) -> R,
    ) -> R {
        let session = &access.session;
        let (members, pool) = (session.kind_state::<T::Member>(), session.kind_state::<T::Pool>());
        let shared = &controller.kube.shared;
        let here = Surroundings { shared, session, who: &self.who, workspace: &self.workspace };
        let world = World {
            members: &members.mirror,
            pool: &pool.mirror,
            here: &here,
            text: self.text.as_ref().and_then(|text| text.value.as_deref()),
            begun: self.begun,
            own_users: session.own_users(),
            as_user: access.caller.own_user().is_some(),
        };
        sees(&world, &here)
    }
}

impl<T: Task> TaskController<T> {
    /// Decides what the task needs next.
    pub(super) fn look(&self, object: &Decoded<T>, status: &T::Status, who: Looks) -> Look<T> {
        let mut look = Look {
            step: Step::Nothing(None),
            progress: status.progress().clone(),
            kept: Vec::new(),
            opened: None,
            kind: std::marker::PhantomData,
        };
        look.step = self.decide(object, (status, who), &mut look).unwrap_or_else(|step| step);
        look
    }

    fn decide(
        &self,
        object: &Decoded<T>,
        (status, who): (&T::Status, Looks),
        look: &mut Look<T>,
    ) -> Result<Step, Step> {
        let (common, now) = (status.common(), self.kube.now());
        let resolved = self.kube.workspace(object);
        let about = subject(object, common);
        let workspace = Workspace::of(&resolved.state);
        let (terms, invalid) = terms(object);
        let carried = resolved.state.as_ref().is_ok_and(|a| a.session.queue.carries(object.uid()));
        let facts = Facts {
            deleting: about.deleting,
            finalizer: about.finalizer,
            carried,
            tracked: is_tracked(object),
            suspended: about.suspended || terms.suspend,
            invalid: invalid.as_ref(),
            pinned: common.organisation_id.as_deref(),
            progress: status.progress(),
            terms,
            workspace: &workspace,
            now,
        };
        task::gate(&facts)?;
        let Ok(access) = resolved.state else { return Ok(Step::Nothing(None)) };
        let Some(valid) = object.valid() else { return Ok(Step::Nothing(None)) };
        let stop = task::stop(&look.progress, &terms, facts.suspended, now);
        let begun = look.progress.started_at.is_some();
        let opened = Opened { access, workspace: resolved.workspace, terms, stop, targets: 0, begun };
        look.opened = Some(opened.clone());
        if let Some(step) = self.of_the_window(object, (&facts, who), &opened, look)? {
            return Ok(step);
        }
        if who == Looks::Sender {
            return Ok(Step::Nothing(None));
        }
        let facts = Facts { progress: &look.progress, ..facts };
        let stop = task::stop(&look.progress, &terms, facts.suspended, now);
        match stop {
            Stop::Over(..) => return Ok(Step::Finish(finish::End::of(&look.progress, &terms, stop))),
            Stop::Suspended => return Ok(task::suspended()),
            Stop::No => {}
        }
        let found = self.find(object, valid, &opened)?;
        let left = self.left(valid, &found, &opened.access, &look.progress)?;
        if let Some(opened) = &mut look.opened {
            opened.targets = left.len();
        }
        let (uid, generation) = (object.uid(), generation(object, &look.progress));
        let guard = &opened.access.caller.guard;
        let disturbed = found.show(self, &opened.access, |world, _| {
            left.iter().map(|id| valid.disturbs(id, world).unwrap_or(terms.disturbs)).sum()
        });
        let left = Left {
            targets: &left,
            disturbed,
            guard: &|devices| guard.ask_more(uid, generation, devices).map_err(|trip| trip.to_string()),
        };
        Ok(task::next_window(&facts, &left))
    }

    /// What the open window needs; `None` when there is none, or every target of it has its answer, which is written into `look`.
    fn of_the_window(
        &self,
        object: &Decoded<T>,
        (facts, looks): (&Facts<'_>, Looks),
        opened: &Opened,
        look: &mut Look<T>,
    ) -> Result<Option<Step>, Step> {
        let Some(valid) = object.valid() else { return Ok(None) };
        let Look { progress, kept, .. } = look;
        let Opened { access, terms, stop, .. } = opened;
        let (uid, now, again) = (object.uid(), facts.now, terms.again);
        let shared = &self.kube.shared;
        let inputs = resolve::nothing(shared, &object.key(), None);
        let (who, workspace) = (object.key(), opened.workspace.clone());
        let bare = Found { inputs, who, workspace, text: None, begun: opened.begun };
        let believed = past::believed_from(shared.opened_at(), &access.session, &access.caller, now);
        let next = self.with(uid, access, |entry| {
            if looks == Looks::Controller {
                entry.follow(progress.window.as_ref(), again, believed, now);
            }
            let window = entry.open(progress.window.as_ref())?;
            cut(window, *stop, again, now);
            let next = window.next(again, *stop, now);
            if next == Next::Closed {
                let name = |id: &Id| bare.show(self, access, |world, _| valid.display_name(id, world));
                finish::close(progress, window, &name);
                kept.extend(window.answers().filter_map(|(_, outcome)| match outcome {
                    Outcome::Noted(note) => note.kept.clone(),
                    _ => None,
                }));
            } else if let Some(written) = &mut progress.window {
                written.targets = window.targets();
            }
            Some(next)
        });
        let wake = task::deadline(progress, terms).filter(|deadline| *deadline > now);
        match next {
            None | Some(Next::Closed) => Ok(None),
            Some(Next::Wait(at)) => {
                let at = at.into_iter().chain(wake).min();
                let told = if *stop == Stop::Suspended { task::on_request() } else { under_way(progress) };
                Ok(Some(Step::Wait(told, at)))
            }
            Some(Next::Send(_) | Next::Prove(..) | Next::Follow(..)) => {
                self.find(object, valid, opened)?;
                let trouble =
                    self.kube.memory.trouble(uid, object.meta().generation).filter(|t| t.until > now);
                let Some(trouble) = trouble else { return Ok(Some(Step::Send)) };
                // the door is closed for everybody, which is nobody's condition
                let told = if trouble.reason == reason::THROTTLED {
                    under_way(progress)
                } else {
                    Explanation::new(trouble.reason, trouble.message)
                };
                Ok(Some(Step::Wait(told, Some(wake.map_or(trouble.until, |wake| wake.min(trouble.until))))))
            }
        }
    }

    /// What the spec refers to, and complete mirrors; else what has to come first.
    pub(super) fn find(&self, object: &Decoded<T>, valid: &T, opened: &Opened) -> Result<Found, Step> {
        let (shared, who, session) = (&self.kube.shared, object.key(), &opened.access.session);
        let lone = opened.terms.lone;
        if !lone {
            surroundings::demand::<T::Member, T::Pool>(shared, session, &who);
        }
        let (resolved, inputs) = resolve::inputs(shared, &opened.access, &who, valid.inputs(), None);
        resolved.map_err(unresolved)?;
        let complete = session.kind_state::<T::Member>().mirror.complete_since().is_some()
            && session.kind_state::<T::Pool>().mirror.complete_since().is_some();
        if !lone && !complete {
            let told = Explanation::new(reason::OBSERVING, "waiting for a complete listing");
            return Err(Step::Wait(told, None));
        }
        let text = match valid.text() {
            Some(of) => {
                let text = self.text(object.uid());
                text.stands(&of).map_err(|told| Step::Wait(told, None))?;
                Some(text)
            }
            None => None,
        };
        Ok(Found { inputs, who, workspace: opened.workspace.clone(), text, begun: opened.begun })
    }

    /// Targets above the cursor, ascending.
    fn left(&self, valid: &T, found: &Found, access: &Access, progress: &Progress) -> Result<Vec<Id>, Step> {
        let chosen = found.show(self, access, |world, _| valid.targets(&found.inputs, world));
        let invalid = |invalid: crate::kind::Invalid| {
            Step::Stall(Explanation::new(reason::INVALID_SPEC, invalid.to_string()))
        };
        let mut chosen = chosen.map_err(invalid)?;
        let cursor = progress.cursor.as_deref().map(Id::parse);
        chosen.retain(|id| cursor.as_ref().is_none_or(|cursor| id > cursor));
        chosen.sort_unstable();
        chosen.dedup();
        Ok(chosen)
    }
}

fn unresolved(why: Unresolved) -> Step {
    match why {
        Unresolved::Observing(what) => Step::Wait(Explanation::new(reason::OBSERVING, what), None),
        Unresolved::ReferenceNotReady(what) => {
            Step::Wait(Explanation::new(reason::REFERENCE_NOT_READY, what), None)
        }
        Unresolved::Invalid(invalid) => {
            Step::Stall(Explanation::new(reason::INVALID_SPEC, invalid.to_string()))
        }
    }
}

/// What is told of a task that has something under way.
fn under_way(progress: &Progress) -> Explanation {
    Explanation::new(reason::PROGRESSING, finish::done(&progress.targets.unwrap_or_default()))
}

/// What is not sent any more leaves the window.
fn cut(window: &mut OpenWindow, stop: Stop, again: Again, now: jiff::Timestamp) {
    match stop {
        Stop::No => {}
        Stop::Suspended => {
            window.cut();
        }
        Stop::Over(since, _) => {
            window.drop_fresh();
            let late = since.checked_add(GIVEN_UP).is_ok_and(|late| late <= now);
            if again != Again::Proof || late {
                window.give_up(UNKNOWN);
            }
        }
    }
}

/// For the guard: what was approved stays so whatever is edited after the start.
pub(super) fn generation<T: Task>(object: &Decoded<T>, progress: &Progress) -> i64 {
    progress.started_generation.or(object.meta().generation).unwrap_or_default()
}

/// How the task is carried out, or why it cannot be.
fn terms<T: Task>(object: &Decoded<T>) -> (Terms, Option<Explanation>) {
    let read = match object {
        Decoded::Valid(valid) => {
            valid.terms().map_err(|e| Explanation::new(reason::INVALID_SPEC, e.to_string()))
        }
        Decoded::Invalid(undecodable) => {
            let error = &undecodable.error;
            let message = format!("the object cannot be decoded, update the CRD or the operator: {error}");
            Err(Explanation::new(reason::UNDECODABLE, message))
        }
    };
    read.map_or_else(|invalid| (UNDECODED, Some(invalid)), |terms| (terms, None))
}

/// A task that cannot be read does nothing.
const UNDECODED: Terms = Terms {
    suspend: true,
    window: 1,
    max_failed: None,
    not_before: None,
    valid_until: None,
    active_seconds: None,
    ttl_seconds: None,
    irreversible: true,
    confirmed: None,
    disturbs: 0,
    serial: None,
    again: Again::Never,
    lone: false,
};

/// What a GitOps tool applies from a repository it would make anew once it is gone; but for hooks, which are made for each sync.
fn is_tracked<T: Task>(object: &Decoded<T>) -> bool {
    let (labels, annotations) = (object.labels(), object.annotations());
    let argo = annotations.contains_key("argocd.argoproj.io/tracking-id")
        || labels.contains_key("argocd.argoproj.io/instance");
    let hook =
        annotations.contains_key("argocd.argoproj.io/hook") || annotations.contains_key("helm.sh/hook");
    let flux = ["kustomize.toolkit.fluxcd.io/name", "helm.toolkit.fluxcd.io/name"];
    (argo && !hook) || flux.iter().any(|label| labels.contains_key(*label))
}

impl TaskEntry {
    /// What is next in the open window.
    pub(super) fn next(&self, opened: &Opened, now: jiff::Timestamp) -> Option<Next> {
        let window = self.window.as_ref()?;
        Some(window.next(opened.terms.again, opened.stop, now))
    }
}
