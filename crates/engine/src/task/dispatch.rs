//! The emnify side of a task: when its turn has come it is looked at again, and one call is made.

use std::{fmt::Debug, sync::Arc, time::Duration};

use emnify::{Api, Error};
use jiff::Timestamp;
use kube::Resource;
use tokio::time::Instant;

use super::{
    controller::TaskController,
    look::{self, Looks, Opened},
};
use crate::{
    cluster::{object::item, observer::Share},
    decide::{
        error_policy::{self, Verdict},
        task::{
            Step,
            window::{Next, OpenWindow, Slot},
        },
    },
    kind::{
        Id, Kind,
        decoded::Decoded,
        task::{Again, Outcome, Task, TaskStatus, Work},
    },
    session::{
        Session,
        past::{appeared, proof},
        pause,
        queue::Ticket,
        response::{self, Disturbed},
    },
};

/// The API's front door gives up on a request after this time: what got no answer may be under way until then.
const GATEWAY: Duration = Duration::from_secs(30);
/// What got no answer is looked for after this time.
const SOON: Duration = Duration::from_secs(5);

/// One task in its turn.
struct Turn<'a, T: Task> {
    object: &'a Decoded<T>,
    opened: &'a Opened,
    api: &'a Api,
    generation: i64,
}

impl<T: Task> TaskController<T> {
    /// Looks at the task of a ticket again and makes the call that it needs.
    pub(super) async fn dispatch(self: Arc<Self>, session: Arc<Session>, api: Api, ticket: Ticket) -> Ticket {
        let key = ticket.item.object.clone();
        let Some(object) = self.kube.object(&key).filter(|o| o.uid() == ticket.item.uid) else {
            return ticket;
        };
        let mut called = false;
        while !called {
            let Some(opened) = self.may_send(&object, &session) else { break };
            called = self.step(&object, &opened, &api).await;
        }
        match self.may_send(&object, &session) {
            // its next target stands in line like everybody else
            Some(opened) => session.queue.push(item(&object), ticket.lane, opened.terms.serial, None),
            None => self.kube.trigger(&key, "its call is over"),
        }
        ticket
    }

    /// What the task may act with, if it has something to send or to read now.
    fn may_send(&self, object: &Decoded<T>, session: &Arc<Session>) -> Option<Opened> {
        let status = self.kube.newest(object).0.unwrap_or_default();
        let look = self.look(object, &status, Looks::Sender);
        let here = look.opened.filter(|opened| Arc::ptr_eq(&opened.access.session, session));
        here.filter(|_| look.step == Step::Send)
    }

    /// Does what is next in the window; true if emnify was asked for something.
    async fn step(&self, object: &Decoded<T>, opened: &Opened, api: &Api) -> bool {
        let (uid, now) = (object.uid(), self.kube.now());
        let Some(next) = self.with(uid, &opened.access, |entry| entry.next(opened, now)) else { return true };
        let status = self.kube.newest(object).0.unwrap_or_default();
        let generation = look::generation(object, status.progress());
        let api = api.clone().by(&opened.access.caller.client);
        let turn = Turn { object, opened, api: &api, generation };
        let (id, proves) = match next {
            Next::Send(id) => (id, None),
            Next::Prove(id, since) => (id, Some(since)),
            Next::Follow(id, work, since) => {
                self.follow(&turn, &id, &work, since).await;
                return true;
            }
            Next::Closed | Next::Wait(_) => return true,
        };
        let call = match self.prepare(&turn, &id) {
            Ok(call) => call,
            Err(Some(outcome)) => {
                self.with(uid, &opened.access, |entry| {
                    let Some(window) = &mut entry.window else { return };
                    let doubted = window.is_doubted(&id);
                    window.answered(&id, if doubted { doubtful(outcome) } else { outcome }, now);
                });
                return false;
            }
            Err(None) => return true,
        };
        match proves {
            Some(since) => self.prove(&turn, &id, &call, since).await,
            None => self.send(&turn, &id, &call).await,
        }
        true
    }

    /// What to send for a target; else what becomes of it without a call, where that can be told now.
    fn prepare(&self, turn: &Turn<'_, T>, id: &Id) -> Result<T::Call, Option<Outcome>> {
        let valid = turn.object.valid().ok_or(None)?;
        let found = self.find(turn.object, valid, turn.opened).map_err(|_| None)?;
        found.show(self, &turn.opened.access, |world, here| {
            let anybodys = !turn.opened.terms.lone;
            if let Some(outcome) = anybodys.then(|| here.foreign(&valid.concerns(id, world))).flatten() {
                return Err(Some(outcome));
            }
            valid.prepare(id, &found.inputs, world).map_err(Some)
        })
    }

    async fn send(&self, turn: &Turn<'_, T>, id: &Id, call: &T::Call) {
        let Turn { object, opened, api, .. } = *turn;
        let (uid, terms) = (object.uid(), &opened.terms);
        if !self.count_disturbed(turn, id).await {
            return;
        }
        let (since, sent, began) = (opened.access.session.server_time(), self.kube.now(), Instant::now());
        if self.in_window(turn, |window| window.sending(id)) != Some(true) {
            // it was suspended or ended, or another session acts for it, while the devices were counted
            self.not_disturbed(turn, id);
            return;
        }
        tracing::info!(kind = T::KIND, object = %object.key(), target = %id, lane = %api.lane(), "sending");
        let answer = T::send(api, id, call).await;
        let share = || Share::deed(&object.key(), T::Member::KIND, id, named(call), self.disturbed(turn, id));
        self.kube.shared.tell(|| vec![share()], answer.as_ref().err());
        let repeatable = terms.again == Again::Yes;
        if response::disturbed(answer.as_ref().err(), 1, repeatable) == Disturbed::No {
            self.not_disturbed(turn, id);
        }
        let doubt = |due| Slot::Doubted { since, believed: proof(sent), due };
        match answer {
            Ok(outcome) => {
                self.kube.memory.succeeded(uid);
                self.answered(turn, id, outcome);
            }
            Err(error @ Error::Ambiguous { .. }) => {
                if let Some(group) = terms.serial {
                    opened.access.session.queue.pause_group(group, began + GATEWAY);
                }
                if repeatable {
                    self.troubled(turn, &error);
                }
                let due = if repeatable { self.kube.now() } else { pause::after(self.kube.now(), SOON) };
                self.in_window(turn, |window| window.doubted(id, doubt(due), terms.again));
            }
            Err(error) => self.refused(turn, id, &error, repeatable.then(|| doubt(self.kube.now()))),
        }
    }

    /// A call failed, and either did nothing or may be repeated.
    fn refused(&self, turn: &Turn<'_, T>, id: &Id, error: &Error, doubt: Option<Slot>) {
        let (uid, access) = (turn.object.uid(), &turn.opened.access);
        match error {
            Error::Rejected { .. }
            | Error::NotFound { .. }
            | Error::Capacity { .. }
            | Error::Conflict { .. }
            | Error::Unreadable { .. } => {
                let Verdict { reason, message, .. } = Verdict::from(error);
                self.answered(turn, id, Outcome::Failed { reason, message });
            }
            Error::Unavailable { .. } | Error::Ambiguous { .. } => {
                self.with(uid, access, |entry| {
                    let Some(window) = &mut entry.window else { return };
                    match doubt {
                        Some(doubt) => window.doubted(id, doubt, turn.opened.terms.again),
                        None => window.not_sent(id),
                    }
                });
                self.troubled(turn, error);
            }
            Error::Unauthorized { .. } | Error::OtherOrganisation { .. } | Error::Throttled { .. } => {
                self.in_window(turn, |window| window.not_sent(id));
                self.troubled(turn, error);
            }
        }
    }

    /// Nobody's own failure: the whole task waits.
    fn troubled(&self, turn: &Turn<'_, T>, error: &Error) {
        let refused = matches!(error, Error::Unauthorized { status, .. } if *status != 403);
        if refused || matches!(error, Error::OtherOrganisation { .. }) {
            turn.opened.access.caller.report_refusal(error);
        }
        let generation = turn.object.meta().generation;
        self.kube.memory.failed(turn.object.uid(), &Verdict::from(error), generation, self.kube.now());
    }

    /// Does something with the open window, if there still is one.
    fn in_window<R>(&self, turn: &Turn<'_, T>, does: impl FnOnce(&mut OpenWindow) -> R) -> Option<R> {
        self.with(turn.object.uid(), &turn.opened.access, |entry| entry.window.as_mut().map(does))
    }

    fn answered(&self, turn: &Turn<'_, T>, id: &Id, outcome: Outcome) {
        let now = self.kube.now();
        self.in_window(turn, |window| window.answered(id, outcome, now));
    }

    /// Looks for what a call whose answer is missing has left.
    async fn prove(&self, turn: &Turn<'_, T>, id: &Id, call: &T::Call, since: Timestamp) {
        let asked = self.kube.now();
        match T::prove(turn.api, id, call, appeared(since)).await {
            Ok(Some(outcome)) => self.answered(turn, id, outcome),
            Ok(None) => {
                self.in_window(turn, |window| window.no_trace(id, asked));
            }
            Err(error) => {
                let until = pause::after(self.kube.now(), SOON);
                self.in_window(turn, |window| window.unread(id, until));
                self.troubled(turn, &error);
            }
        }
    }

    /// Asks what has become of work that emnify took.
    async fn follow(&self, turn: &Turn<'_, T>, id: &Id, work: &Work, since: Timestamp) {
        let Some(valid) = turn.object.valid() else { return };
        let elapsed = self.kube.now().duration_since(since);
        match valid.follow(turn.api, id, work, elapsed).await {
            Ok(Some(outcome)) => self.answered(turn, id, outcome),
            Ok(None) => {
                self.kube.memory.succeeded(turn.object.uid());
                let now = self.kube.now();
                self.in_window(turn, |window| window.goes_on(id, now));
            }
            Err(
                error @ (Error::Rejected { .. }
                | Error::NotFound { .. }
                | Error::Capacity { .. }
                | Error::Conflict { .. }
                | Error::Unreadable { .. }),
            ) => {
                let why = format!("what became of {} cannot be read: {error}", work.id);
                self.answered(turn, id, Outcome::Unknown(why));
            }
            Err(error) => {
                let now = self.kube.now();
                self.in_window(turn, |window| window.goes_on(id, now));
                self.troubled(turn, &error);
            }
        }
    }

    /// Devices that a call for the target disturbs.
    fn disturbed(&self, turn: &Turn<'_, T>, id: &Id) -> u64 {
        let usual = turn.opened.terms.disturbs;
        let Some(valid) = turn.object.valid() else { return usual };
        let Ok(found) = self.find(turn.object, valid, turn.opened) else { return usual };
        let own = found.show(self, &turn.opened.access, |world, _| valid.disturbs(id, world));
        own.unwrap_or(usual)
    }

    /// Counts whom the call disturbs, before it is sent; false if that cannot be written down now, and it is not sent.
    async fn count_disturbed(&self, turn: &Turn<'_, T>, id: &Id) -> bool {
        let (uid, access) = (turn.object.uid(), &turn.opened.access);
        let devices = self.disturbed(turn, id);
        let new = devices > 0
            && self.with(uid, access, |entry| entry.counted.insert(id.clone(), devices).is_none());
        if !new {
            return true;
        }
        let guard = &access.caller.guard;
        guard.sent_more(uid, turn.generation, devices, &[]);
        if guard.written().await {
            return true;
        }
        self.not_disturbed(turn, id);
        let generation = turn.object.meta().generation;
        self.kube.memory.failed(uid, &error_policy::uncounted(), generation, self.kube.now());
        false
    }

    fn not_disturbed(&self, turn: &Turn<'_, T>, id: &Id) {
        let (uid, access) = (turn.object.uid(), &turn.opened.access);
        if let Some(devices) = self.with(uid, access, |entry| entry.counted.remove(id)) {
            access.caller.guard.refund_more(uid, devices);
        }
    }
}

/// What a call is called: its first word, as of `SendSms(..)`.
fn named<C: Debug>(call: &C) -> String {
    let shown = format!("{call:?}");
    shown.chars().take_while(char::is_ascii_alphanumeric).collect()
}

/// What is left alone now may have been carried out before.
fn doubtful(outcome: Outcome) -> Outcome {
    match outcome {
        Outcome::Skipped { message, .. } | Outcome::Failed { message, .. } => Outcome::Unknown(format!(
            "it may have been carried out; it is not looked for now, because {message}"
        )),
        other => other,
    }
}
