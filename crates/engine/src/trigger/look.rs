//! One look at a trigger: what is due is made.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;

use super::{
    controller::TriggerController,
    listening::{Listening, Made, Telling},
    make::{Creation, Found},
};
use crate::{
    cluster::{
        context::Shared,
        object::item,
        resolve::{self, Unresolved},
        surroundings::{self, Surroundings},
    },
    decide::{
        known::Explanation,
        task::tell::seconds,
        trigger::{
            self, KEPT, OVERLAP, hour,
            window::{Whose, Window, window},
        },
    },
    kind::{
        Managed,
        decoded::Decoded,
        object_key::ObjectKey,
        reason,
        spec::WorkspaceRef,
        task::{Task, World},
        trigger::{Filter, Fired, Means, ONCE_PREFIX, Trigger, TriggerTerms, When},
    },
    session::{Access, Session},
};

use emnify::Lane;

/// What is left out is written down at most this often.
const RARELY: SignedDuration = SignedDuration::from_secs(10);
/// How far the log was read is written down at most this often where nothing else is.
const HEARTBEAT: SignedDuration = SignedDuration::from_mins(10);
/// A device that was made a moment ago may be told of before a listing shows it.
const UNKNOWN: SignedDuration = SignedDuration::from_mins(10);
/// emnify takes no longer names of tags.
const LONGEST_TAG: usize = 100;

/// What a look came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// It waits for what it is for; when to look again.
    Listens(Option<Timestamp>),
    /// Something else has to happen first, or until then.
    Waits(Explanation, Option<Timestamp>),
    /// A person must act.
    Stalls(Explanation),
    /// It makes nothing, on request.
    Suspended,
    /// It is being deleted.
    Goes,
}

/// The tag of devices that had their turn.
pub(super) fn tag_of(shared: &Shared, who: &ObjectKey) -> String {
    format!("{ONCE_PREFIX}{}/{}/{}", shared.settings.installation, who.namespace, who.name)
}

/// One look.
pub(super) struct Looked<'a, T: Trigger> {
    pub(super) object: &'a Decoded<T>,
    pub(super) valid: &'a T,
    pub(super) terms: &'a TriggerTerms,
    pub(super) access: &'a Access,
    pub(super) workspace: &'a WorkspaceRef,
    /// What it made, as the watch shows it.
    pub(super) made: &'a [trigger::Made],
    pub(super) now: Timestamp,
    /// Its spec was not looked at as a whole yet.
    pub(super) edited: bool,
}

fn instant(text: Option<&String>) -> Option<Timestamp> {
    text?.parse().ok()
}

fn text(at: Timestamp) -> String {
    seconds(at).to_string()
}

fn one_more(count: &mut Option<i64>, by: i64) {
    *count = Some(count.unwrap_or_default().saturating_add(by));
}

impl<T: Trigger> TriggerController<T> {
    /// Makes what is due, and writes into `fired` what came of it.
    pub(super) async fn carry_out(
        &self,
        look: &Looked<'_, T>,
        fired: &mut Fired,
    ) -> Result<Step, kube::Error> {
        let (new, when) = (fired.when.is_none(), look.valid.when());
        if fired.when.as_ref() != Some(&when) {
            self.deafen(look.object.uid());
            begin_anew(fired);
            fired.when = Some(when);
        }
        match &look.terms.when {
            When::Schedule(cron) => {
                if fired.since.is_none() {
                    let made = look.object.creation_timestamp().filter(|_| new).map(|at| at.0);
                    fired.since = Some(text(made.unwrap_or(look.now)));
                }
                self.on_schedule(look, cron, fired).await
            }
            When::Events | When::Messages => self.on_hearing(look, fired).await,
        }
    }

    async fn on_schedule(
        &self,
        look: &Looked<'_, T>,
        cron: &crate::kind::cron::Cron,
        fired: &mut Fired,
    ) -> Result<Step, kube::Error> {
        let since = instant(fired.since.as_ref()).max(instant(fired.last_schedule_time.as_ref()));
        let due = trigger::due(cron, since.unwrap_or(look.now), look.terms.late, look.now);
        fired.next_schedule_time = due.next.map(text);
        let running = look.made.iter().any(|made| made.succeeded.is_none());
        if let Some(at) = due.at.filter(|_| !(look.terms.forbid && running)) {
            let name = trigger::name_at(look.object.name(), at);
            if self.make(look.object, look.valid, &name, &[]).await? == Creation::There {
                self.kube.shared.metrics.fired();
                one_more(&mut fired.fired, 1);
                fired.last_fired = Some(text(look.now));
                fired.last_operation = Some(name);
            } else {
                self.foreign(look.object, &name);
            }
            fired.last_schedule_time = Some(text(at));
        }
        if due.missed {
            let message =
                "a time of the schedule was missed by more than startingDeadlineSeconds, and is left out";
            self.kube.shared.events.say(look.object, true, reason::TIME_MISSED, message);
            fired.since = Some(text(look.now));
        }
        Ok(Step::Listens(due.next))
    }

    async fn on_hearing(&self, look: &Looked<'_, T>, fired: &mut Fired) -> Result<Step, kube::Error> {
        let (shared, who, session) = (&self.kube.shared, look.object.key(), &look.access.session);
        if look.terms.once && tag_of(shared, &who).len() > LONGEST_TAG {
            let tag = tag_of(shared, &who);
            let message = format!(
                "once: the tag {tag} would be longer than {LONGEST_TAG} characters; give the object a shorter name"
            );
            return Ok(Step::Stalls(Explanation::new(reason::INVALID_SPEC, message)));
        }
        let (resolved, inputs) = resolve::inputs(shared, look.access, &who, look.valid.inputs(), None);
        if let Err(why) = resolved {
            return Ok(unresolved(why));
        }
        let filter = match look.valid.filter(&inputs) {
            Ok(filter) => filter,
            Err(invalid) => {
                return Ok(Step::Stalls(Explanation::new(reason::INVALID_SPEC, invalid.to_string())));
            }
        };
        // before what was heard is looked at: what comes meanwhile is above
        let read = session.hints.position();
        // what a status that was not written would have told is told anew
        self.with(look.object.uid(), |one| one.telling = Telling::default());
        self.listen(look, fired, filter).await?;
        surroundings::demand::<<T::Task as Task>::Member, <T::Task as Task>::Pool>(shared, session, &who);
        self.account(look, fired);
        let mut trouble = None;
        if complete::<T::Task>(session) {
            let next = match self.next_window(look, fired) {
                Ok(next) => next,
                Err(why) => return Ok(Step::Stalls(why)),
            };
            if let Some(window) = next {
                self.fire(look, window).await?;
                self.account(look, fired);
            }
        } else {
            let told = Explanation::new(reason::OBSERVING, "waiting for a complete listing");
            trouble = Some((told, None));
        }
        let asks = self.ask(look);
        trouble = asks.or(trouble);
        let wake = self.advance(look, fired, read);
        self.tell_skipped(look.object);
        Ok(match trouble {
            Some((told, until)) => Step::Waits(told, until.into_iter().chain(wake).min()),
            None => Step::Listens(wake),
        })
    }

    /// From now on it hears; after a restart it makes up for what was told meanwhile.
    async fn listen(
        &self,
        look: &Looked<'_, T>,
        fired: &mut Fired,
        filter: Filter,
    ) -> Result<(), kube::Error> {
        let (uid, server) = (look.object.uid(), look.access.session.server_time());
        if fired.since.is_none() {
            fired.since = Some(text(server));
        }
        let since = instant(fired.since.as_ref()).unwrap_or(server);
        let position = instant(fired.position.as_ref());
        let begun = {
            let mut listening = self.listening.lock();
            // another session begins as a restart does: another process may have listened meanwhile
            listening.retain(|of, one| of != uid || one.hears(&look.access.session));
            let one = listening.entry(uid.to_owned()).or_insert_with(|| {
                let overlap = position.and_then(|position| position.checked_sub(OVERLAP).ok());
                let floor = overlap.map_or(since, |overlap| overlap.max(since));
                let mut one = Listening::new(look.object.key(), filter.clone(), floor);
                if position.is_some() && look.terms.when == When::Events {
                    one.missed(floor, server);
                }
                one
            });
            one.filter = filter;
            one.listens(&look.access.session);
            one.begun
        };
        if begun {
            return Ok(());
        }
        let found = self.found(look.object).await?;
        let newest = found.iter().max_by(|a, b| (a.made.at, &a.made.name).cmp(&(b.made.at, &b.made.name)));
        self.with(uid, |one| {
            for task in &found {
                one.was_made_for(&task.causes, server);
                if look.terms.once {
                    one.tagged.extend(task.causes.iter().map(|cause| cause.device.clone()));
                }
            }
            // the process before this one made it, and did not come to write that down
            let last = instant(fired.last_fired.as_ref());
            let untold = |task: &&Found| {
                fired.last_operation.as_ref() != Some(&task.made.name)
                    && last.is_none_or(|last| task.made.at >= last)
            };
            if let Some(task) = newest.filter(untold) {
                let devices: BTreeSet<_> = task.causes.iter().map(|cause| cause.device.clone()).collect();
                one.made = Some(Made { name: task.made.name.clone(), devices: devices.len() });
                if look.terms.once {
                    one.untagged = devices;
                }
            }
            one.begun = true;
        });
        Ok(())
    }

    /// A task whose devices have their tags is told in the status, and what was left out now and then.
    fn account(&self, look: &Looked<'_, T>, fired: &mut Fired) {
        self.with(look.object.uid(), |one| {
            let made = one.made.as_ref().filter(|_| one.untagged.is_empty() && !one.telling.made);
            if let Some(made) = made {
                hour::count(&mut fired.recent, made.devices, look.now);
                one_more(&mut fired.fired, 1);
                fired.last_fired = Some(text(look.now));
                fired.last_operation = Some(made.name.clone());
                one.telling.made = true;
            }
            let rested = one.wrote.is_none_or(|at| look.now.duration_since(at) >= RARELY);
            let dropped = one.dropped - one.telling.dropped;
            if dropped > 0 && (one.telling.made || rested) {
                one_more(&mut fired.dropped, dropped);
                one.telling.dropped = one.dropped;
            }
        });
    }

    /// Whom the next task is for, if its time has come and nothing of the one before is left to do.
    fn next_window(&self, look: &Looked<'_, T>, fired: &Fired) -> Result<Option<Window>, Explanation> {
        let who = look.object.key();
        let tag = tag_of(&self.kube.shared, &who);
        let gather = SignedDuration::try_from(look.terms.gather).unwrap_or(SignedDuration::ZERO);
        let room = hour::room(&fired.recent, look.terms.most_per_hour, look.now);
        let (place, server) = ((&who, look.workspace), look.access.session.server_time());
        let ripe = self.with(look.object.uid(), |one| one.ripe(gather).is_some_and(|ripe| ripe <= look.now));
        if ripe != Some(true) && !look.edited {
            return Ok(None);
        }
        show::<T::Task, _>(&self.kube.shared, look.access, place, |world, here| {
            let means = look.valid.means(world);
            let means = means.map_err(|why| Explanation::new(reason::INVALID_SPEC, why.to_string()))?;
            let chosen = self.with(look.object.uid(), |one| {
                one.tagged.retain(|device| !T::carries(device, &tag, world));
                let waits = one.made.is_some() || !one.untagged.is_empty();
                if waits || one.ripe(gather).is_none_or(|ripe| ripe > look.now) {
                    return None;
                }
                Some(window(&one.heard, room, |heard| {
                    let Some(device) = T::device_of(heard, world) else { return Whose::Nobody };
                    if !T::exists(&device, world) {
                        let patient = heard.at.checked_add(UNKNOWN).is_ok_and(|until| until > server);
                        return if patient { Whose::Later } else { Whose::Nobody };
                    }
                    let meant = match &means {
                        Means::Any => true,
                        Means::Only(devices) => devices.contains(&device),
                        Means::Tagged(tag) => T::carries(&device, tag, world),
                    };
                    let had = || {
                        look.terms.once && (one.tagged.contains(&device) || T::carries(&device, &tag, world))
                    };
                    let foreign = || here.foreign(&T::concerns(&device, world)).is_some();
                    if !meant || had() || foreign() { Whose::Nobody } else { Whose::Device(device) }
                }))
            });
            Ok(chosen.flatten())
        })
    }

    /// Makes the task of a window; what was told is dealt with once it is there.
    async fn fire(&self, look: &Looked<'_, T>, window: Window) -> Result<(), kube::Error> {
        let mut made = None;
        let mut dropped = window.dropped.len();
        if let Some(id) = window.last {
            let name = trigger::name_of(look.object.name(), id);
            if self.make(look.object, look.valid, &name, &window.causes).await? == Creation::There {
                self.kube.shared.metrics.fired();
                made = Some(Made { name, devices: window.devices.len() });
            } else {
                self.foreign(look.object, &name);
                dropped += window.devices.len();
            }
        }
        self.kube.shared.metrics.dropped(dropped);
        self.with(look.object.uid(), |one| {
            one.settle(&window, look.now);
            one.dropped = one.dropped.saturating_add(i64::try_from(dropped).unwrap_or(i64::MAX));
            if made.is_some() && look.terms.once {
                one.untagged.extend(window.devices);
            }
            one.made = made.or(one.made.take());
        });
        Ok(())
    }

    /// Queues what has to be asked of emnify; what emnify said last, while that is waited for.
    fn ask(&self, look: &Looked<'_, T>) -> Option<(Explanation, Option<Timestamp>)> {
        let listed = complete::<T::Task>(&look.access.session);
        let asked = self.with(look.object.uid(), |one| {
            let (tags, reads) = (listed && !one.untagged.is_empty(), one.unread.is_some());
            let trouble = one.trouble.clone().filter(|said| said.until > look.now && (tags || reads));
            (tags, reads, trouble)
        });
        let (tags, reads, trouble) = asked?;
        if let Some(said) = trouble {
            return Some((said.why, Some(said.until)));
        }
        let queue = &look.access.session.queue;
        if tags {
            queue.push(
                item(look.object),
                Lane::Interactive,
                <<T::Task as Task>::Member as Managed>::FACTS.serial,
                None,
            );
        } else if reads {
            queue.push(item(look.object), Lane::Hints, None, None);
        }
        None
    }

    /// How far everything is dealt with, written down where it matters; when to look again.
    fn advance(&self, look: &Looked<'_, T>, fired: &mut Fired, read: Option<Timestamp>) -> Option<Timestamp> {
        let (before, now) = (instant(fired.position.as_ref()), look.now);
        let since = instant(fired.since.as_ref());
        let gather = SignedDuration::try_from(look.terms.gather).unwrap_or(SignedDuration::ZERO);
        // a new one begins now, whatever the log was read up to
        let read = read.max(before).max(since);
        let limits = (look.terms.keep_succeeded, look.terms.keep_failed);
        let kept = trigger::pruned(look.made.to_vec(), limits, None);
        let leave = kept.iter().filter_map(|made| made.at.checked_add(KEPT).ok());
        let leave = leave.filter(|at| before.is_some_and(|before| *at > before)).min();
        let relief = hour::relief(&fired.recent, look.terms.most_per_hour, now);
        let wakes = self.with(look.object.uid(), |one| {
            let events = look.terms.when == When::Events;
            let blocked = one.made.is_some() && !one.telling.made;
            if let Some(read) = read.filter(|_| events && !blocked) {
                let position = one.position(read);
                one.pass(position);
                let moved = before.is_none_or(|before| {
                    let matters = one.telling != Telling::default()
                        || position.duration_since(before) >= HEARTBEAT
                        || leave.is_some_and(|leave| leave <= position);
                    matters && position > before
                });
                if moved {
                    fired.position = Some(text(position));
                }
            }
            let ripe = one.ripe(gather).filter(|_| one.made.is_none());
            let flush = one.wrote.filter(|_| one.dropped > 0).and_then(|at| at.checked_add(RARELY).ok());
            let leave = leave.and_then(|at| at.checked_add(SignedDuration::from_secs(15)).ok());
            let net = now.checked_add(HEARTBEAT).ok().filter(|_| events);
            [ripe, flush, relief, leave.map(|at| at.max(later(now))), net].into_iter().flatten().min()
        });
        wakes.flatten()
    }

    fn tell_skipped(&self, object: &Decoded<T>) {
        let Some((from, until)) = self.with(object.uid(), |one| one.skipped.take()).flatten() else { return };
        let message = format!(
            "what happened between {} and {} was not read: devices may have missed their turn",
            seconds(from),
            seconds(until)
        );
        self.kube.shared.events.say(object, true, reason::EVENTS_SKIPPED, &message);
    }

    fn foreign(&self, object: &Decoded<T>, name: &str) {
        let kind = <T::Task as crate::kind::Kind>::KIND;
        let message = format!("{kind} {name} is there and not of this trigger; nothing is made instead");
        self.kube.shared.events.say(object, true, reason::ALREADY_EXISTS, &message);
    }
}

/// Devices and SIMs are listed.
pub(super) fn complete<T: Task>(session: &Session) -> bool {
    session.kind_state::<T::Member>().mirror.complete_since().is_some()
        && session.kind_state::<T::Pool>().mirror.complete_since().is_some()
}

/// Shows an object of a workspace what is around it.
pub(super) fn show<T: Task, R>(
    shared: &Shared,
    access: &Access,
    (who, workspace): (&ObjectKey, &WorkspaceRef),
    sees: impl FnOnce(&World<'_, T>, &Surroundings<'_>) -> R,
) -> R {
    let session = &access.session;
    let (members, pool) = (session.kind_state::<T::Member>(), session.kind_state::<T::Pool>());
    let here = Surroundings { shared, session, who, workspace };
    let world = World {
        members: &members.mirror,
        pool: &pool.mirror,
        here: &here,
        text: None,
        begun: false,
        own_users: session.own_users(),
        as_user: access.caller.own_user().is_some(),
    };
    sees(&world, &here)
}

/// The position moves with the log, which is read every ten seconds.
fn later(now: Timestamp) -> Timestamp {
    now.checked_add(RARELY).unwrap_or(now)
}

/// What happened before is not its business; what it did is kept.
pub(super) fn begin_anew(fired: &mut Fired) {
    fired.since = None;
    fired.position = None;
    fired.last_schedule_time = None;
    fired.next_schedule_time = None;
}

fn unresolved(why: Unresolved) -> Step {
    match why {
        Unresolved::Observing(what) => Step::Waits(Explanation::new(reason::OBSERVING, what), None),
        Unresolved::ReferenceNotReady(what) => {
            Step::Waits(Explanation::new(reason::REFERENCE_NOT_READY, what), None)
        }
        Unresolved::Invalid(invalid) => {
            Step::Stalls(Explanation::new(reason::INVALID_SPEC, invalid.to_string()))
        }
    }
}
