//! The emnify side of a set: when its turn has come it is planned again, and one call is sent.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use emnify::{Api, Error, Lane};
use jiff::Timestamp;
use kube::{Resource, ResourceExt};
use parking_lot::MutexGuard;
use tokio::time::Instant;

use super::{
    Failure, Fleet, Rollout,
    controller::{FleetController, Kept},
    decide::Decided,
    plan::{self, Added, Load, Next},
    refusals,
    roster::{Seat, Stand, Trouble, Unsure},
    state::{self, Set},
};
use crate::{
    answer::{self, Disturbed},
    controller::{
        object::named,
        past::{appeared, by_emnify, proof},
    },
    decoded::Decoded,
    kind::{BatchKey, Change, Id, Kind, Managed, Reply, Verb},
    meters::Drift,
    mirror::Known,
    pause,
    queue::Ticket,
    reason, rejected,
    role::{self, Doing},
    taken,
    verdict::{Next as After, Verdict, is_told_at_once},
};

/// The API's front door gives up on a request after this time: what got no answer may be under way until then.
const GATEWAY: Duration = Duration::from_secs(30);

/// One call of a set.
struct Call<'a, F: Fleet> {
    object: &'a Decoded<F>,
    kept: &'a Kept<F>,
    rollout: Rollout,
    key: Option<BatchKey>,
    group: Option<&'static str>,
}

impl<F: Fleet> FleetController<F> {
    /// Plans the set of a ticket again and makes the call that it needs.
    pub(super) async fn dispatch(
        self: Arc<Self>,
        session: Arc<crate::session::Session>,
        api: Api,
        ticket: Ticket,
    ) -> Ticket {
        let place = (ticket.item.namespace.clone(), ticket.item.name.clone());
        let Some(object) =
            self.object(&place.0, &place.1).filter(|o| o.uid().as_deref() == Some(&ticket.item.uid))
        else {
            return ticket;
        };
        let status = self.overlay.newest(&object).0.unwrap_or_default();
        if let Decided::Work(work) = self.decide(&object, &status, false)
            && Arc::ptr_eq(&work.kept.session, &session)
        {
            let api = api.by(&work.kept.caller.client);
            let call = Call {
                object: &object,
                kept: &work.kept,
                rollout: work.rollout,
                key: None,
                group: ticket.group(),
            };
            match work.outlook.next {
                Next::Read(id) => self.read(&call, &api, &id).await,
                Next::ReadParts(id, parts) => self.read_parts(&call, &api, &id, &parts).await,
                Next::Send(loads, key) => self.send(Call { key, ..call }, &api, loads).await,
                Next::Rest | Next::RecordIntent | Next::Sweep => {}
            }
        }
        self.poke(&place.0, &place.1, "its call is over");
        ticket
    }

    async fn read(&self, call: &Call<'_, F>, api: &Api, id: &Id) {
        let caller = &*call.kept.caller;
        if !caller.may_try::<F::Member>(Doing::Read, self.shared.now()) {
            return;
        }
        let shelf = call.kept.session.shelf::<F::Member>();
        let sent = Instant::now();
        match F::Member::read(api, id).await {
            Ok(found) => {
                self.shared.allowed::<F::Member>(caller, Doing::Read);
                match found {
                    Some(row) => drop(shelf.mirror.put(row, sent)),
                    None => shelf.mirror.forget(id),
                }
            }
            Err(error) => self.unread(call, id, Doing::Read, &error),
        }
        call.kept.touched.add(None, id.int());
    }

    async fn read_parts(
        &self,
        call: &Call<'_, F>,
        api: &Api,
        id: &Id,
        parts: &[<F::Member as Managed>::Part],
    ) {
        let shelf = call.kept.session.shelf::<F::Member>();
        let caller = &*call.kept.caller;
        for part in parts {
            let doing = role::piece::<F::Member>(part);
            if !caller.may_try::<F::Member>(doing.clone(), self.shared.now()) {
                continue;
            }
            let sent = Instant::now();
            let mut into = <F::Member as Managed>::Parts::clone(&shelf.mirror.parts(id, &[], None).0);
            match F::Member::read_part(api, id, *part, &mut into).await {
                Ok(()) => {
                    self.shared.allowed::<F::Member>(caller, doing);
                    shelf.mirror.put_parts(id, into, &[*part], sent);
                }
                Err(error) => {
                    if let Error::NotFound { .. } = error {
                        shelf.mirror.doubt(id);
                    }
                    return self.unread(call, id, doing, &error);
                }
            }
        }
    }

    /// A member, or a piece of it, was not read: if that is its own fault, the others go on without it.
    fn unread(&self, call: &Call<'_, F>, id: &Id, doing: Doing, error: &Error) {
        let what = match &doing {
            Doing::Piece(piece) => format!("read {piece}"),
            _ => doing.to_string(),
        };
        let own = answer::may_be_one_items_fault(error) || matches!(error, Error::Unreadable { .. });
        let Some(number) = id.int().filter(|_| own) else { return self.troubled(call, doing, error) };
        let mut set = lock(call.kept);
        let held = call.kept.session.shelf::<F::Member>().mirror.row(id).and_then(|row| F::holds(&row));
        let seat = set.roster.seats.iter().find(|seat| seat.id == number || Some(seat.pool) == held);
        let key = seat.map_or(-number, |seat| seat.pool);
        self.fail(call, &mut set, key, &what, None, error);
    }

    async fn send(&self, call: Call<'_, F>, api: &Api, mut loads: Vec<Load<F>>) {
        let session = &call.kept.session;
        let shelf = session.shelf::<F::Member>();
        let Some(doing) = loads.first().map(plan::doing) else { return };
        if let (Some(key), true) = (&call.key, loads.len() > 1 && loads[0].id.is_none()) {
            let room = shelf.room_for(api, key, &loads[0].change, loads.len()).await;
            loads.truncate(room.unwrap_or(usize::MAX));
            if loads.is_empty() {
                let error = Error::Capacity { message: "there is no room for more".into() };
                return self.troubled(&call, doing, &error);
            }
        }
        if !call.kept.caller.may_try::<F::Member>(doing.clone(), self.shared.now()) {
            return;
        }
        if api.lane() == Lane::Create {
            // most of what hints tell now is about these
            session.hints.creating(loads.len());
        }
        let now = self.shared.now();
        let added = {
            let mut set = lock(call.kept);
            // until the answer nobody knows what was made, whatever happens to the seats meanwhile
            let unsure = Unsure { proof: proof(now), refused: false };
            set.roster.unsure.extend(loads.iter().filter(|l| l.id.is_none()).map(|l| (l.key, unsure)));
            plan::sent(&mut set.roster, &loads, &call.rollout, now)
        };
        if !self.count_disturbed(&call, &loads, &added).await {
            return call.kept.caller.not_tried::<F::Member>(doing, self.shared.now());
        }
        let (first, members) = (&loads[0].change, loads.len());
        tracing::info!(kind = F::KIND, object = %named(call.object), change = %first, members, lane = %api.lane(), "sending");
        let batch: Vec<_> = loads.iter().map(|l| (l.id.clone(), l.change.clone())).collect();
        let began = Instant::now();
        let answer = F::Member::send(api, &batch).await;
        let disturbed = answer::disturbed(answer.as_ref().err(), loads.len(), first.repeatable());
        settle_guard(&call, &loads, disturbed);
        match answer {
            Ok(replies) => {
                drop(batch);
                if let Some(key) = &call.key {
                    shelf.took(key, F::Member::FACTS.max_batch, loads.len(), began.elapsed());
                }
                if api.lane() == Lane::Repair {
                    let members = u64::try_from(loads.len()).unwrap_or(u64::MAX);
                    self.shared.meters.drifted(F::KIND, Drift::Found, members);
                    self.shared.meters.drifted(F::KIND, Drift::Corrected, members);
                }
                self.shared.allowed::<F::Member>(&call.kept.caller, doing);
                self.succeeded(&call, &loads, replies);
            }
            Err(error) => {
                if let (Error::Ambiguous { .. }, Some(group)) = (&error, call.group) {
                    session.queue.hold(group, began + GATEWAY);
                }
                self.refused(&call, &loads, &error);
            }
        }
    }

    /// Counts whom the call disturbs, before it is sent; false if that cannot be written down now, and it is not sent.
    async fn count_disturbed(&self, call: &Call<'_, F>, loads: &[Load<F>], added: &Added) -> bool {
        let (uid, generation) = (call.object.uid().unwrap_or_default(), call.object.meta().generation);
        let guard = &call.kept.caller.guard;
        if guard.sent_more(&uid, generation.unwrap_or_default(), added.more, &added.again) {
            let mut set = lock(call.kept);
            for load in loads {
                if let Some(counted) = set.roster.counts.get_mut(&load.key) {
                    counted.approved = true;
                }
            }
        }
        if added.more == 0 || guard.written().await {
            return true;
        }
        settle_guard(call, loads, Disturbed::No);
        let mut set = lock(call.kept);
        for load in loads.iter().filter(|load| load.id.is_none()) {
            set.roster.unsure.remove(&load.key);
        }
        drop(set);
        self.memory.failed(&uid, &answer::uncounted(), generation, self.shared.now());
        false
    }

    fn succeeded(&self, call: &Call<'_, F>, loads: &[Load<F>], replies: Vec<Reply<F::Member>>) {
        let session = &call.kept.session;
        let now = self.shared.now();
        self.memory.succeeded(&call.object.uid().unwrap_or_default());
        let mut untold = Vec::new();
        let mut made = HashMap::new();
        for (load, reply) in loads.iter().zip(replies) {
            if load.id.is_none() {
                let id = reply.id.clone().or_else(|| reply.row.as_ref().map(F::Member::id));
                made.insert(load.key, id.as_ref().and_then(Id::int));
                if reply.row.is_none() {
                    untold.push(load.key);
                }
            }
            let (id, ends) = (load.id.as_ref(), plan::ends(load));
            answer::learn::<F::Member>(session, id, &load.change, reply, ends);
            if let Some(id) = id {
                // somebody may wait for what it had
                let kinds = self.shared.kinds();
                kinds.for_each(|kind| kind.touched(F::Member::KIND, session, id));
            }
        }
        {
            let mut set = lock(call.kept);
            let touched: HashSet<i64> = loads.iter().map(|load| load.key).collect();
            let created: HashSet<i64> = made.keys().copied().collect();
            for load in loads {
                set.roster.cohorts.remove(&load.key);
            }
            let updates = loads.iter().filter(|l| l.id.is_some() && l.change.class().verb == Verb::Update);
            let corrections: Vec<_> = updates.map(|l| (l.key, taken::correction(&l.change))).collect();
            set.roster.accept(corrections.into_iter(), now);
            for seat in set.roster.seats.iter_mut().filter(|seat| of(&touched, seat)) {
                seat.stand = Stand::Unknown;
                seat.made |= made.remove(&seat.pool).is_some();
            }
            set.roster.unsure.retain(|pool, _| !created.contains(pool));
            // nobody wants those any more
            set.leave(made.into_iter().filter_map(|(pool, id)| Some(state::made(id?, pool))));
            let unsure = Unsure { proof: now, refused: false };
            set.roster.unsure.extend(untold.iter().map(|pool| (*pool, unsure)));
        }
        if !untold.is_empty() {
            session.shelf::<F::Member>().sweep.notify_one();
        }
        self.announce(call, loads);
    }

    fn announce(&self, call: &Call<'_, F>, loads: &[Load<F>]) {
        let Some(first) = loads.first() else { return };
        let reason = match first.change.class().verb {
            Verb::Create => reason::CREATED,
            Verb::Update => reason::UPDATED,
            Verb::Delete => reason::DELETED,
        };
        let note = match loads.len() {
            1 => first.change.to_string(),
            n => format!("{n} members at once, first: {}", first.change),
        };
        self.shared.events.say(call.object, false, reason, &note);
    }

    /// The call failed. What may be the fault of one member is found by halving; the others go on in their own half.
    fn refused(&self, call: &Call<'_, F>, loads: &[Load<F>], error: &Error) {
        let session = &call.kept.session;
        let shelf = session.shelf::<F::Member>();
        if let (Error::Capacity { .. }, Some(key)) = (error, &call.key) {
            shelf.forget_room(key);
        }
        let own = answer::may_be_one_items_fault(error);
        let halves = own && loads.len() > 1;
        tracing::warn!(kind = F::KIND, object = %named(call.object), members = loads.len(), %error, "call failed");
        let doubtful = answer::may_have_happened(error, loads[0].change.repeatable());
        self.observe(call, loads, error, doubtful, halves);
        let mut set = lock(call.kept);
        if halves {
            let cohorts = answer::parted(&session.cohorts, loads.len(), error);
            set.roster.cohorts.extend(loads.iter().map(|load| load.key).zip(cohorts));
        }
        let touched: HashSet<i64> = loads.iter().map(|load| load.key).collect();
        for seat in set.roster.seats.iter_mut().filter(|seat| of(&touched, seat)) {
            seat.stand = Stand::Unknown;
        }
        if let (true, false, [load]) = (own, halves, loads) {
            let refused = rejected::digest(&load.change, &set.meant);
            self.fail(call, &mut set, load.key, &load.change.to_string(), Some(refused), error);
            let who = format!("{}/{}", call.object.uid().unwrap_or_default(), load.key);
            call.kept.caller.failed::<F::Member>(plan::doing(load), &who, error, self.shared.now());
        }
        drop(set);
        if !own {
            self.troubled(call, plan::doing(&loads[0]), error);
        }
    }

    /// What of a failed call may have been carried out is looked at before anything else.
    fn observe(&self, call: &Call<'_, F>, loads: &[Load<F>], error: &Error, doubtful: bool, halves: bool) {
        let shelf = call.kept.session.shelf::<F::Member>();
        let now = self.shared.now();
        // several creates that were refused together: did none of them take effect?
        let full = matches!(error, Error::Capacity { .. }) && loads.len() > 1;
        let partial = (halves || full) && !shelf.refuses_whole();
        let conflict = matches!(error, Error::Conflict { .. });
        // what was refused may have been asked for because of a row that is old
        let rejected = matches!(error, Error::Rejected { .. });
        let mut listing = false;
        let mut set = lock(call.kept);
        for load in loads {
            match &load.id {
                Some(id) if plan::ends(load) && !halves && matches!(error, Error::NotFound { .. }) => {
                    shelf.mirror.forget(id);
                }
                Some(id) => {
                    let moved = conflict || rejected || matches!(error, Error::NotFound { .. });
                    if doubtful || (moved && !halves) || (halves && !load.change.repeatable()) {
                        shelf.mirror.doubt(id);
                        shelf.mirror.doubt_parts(id);
                    }
                }
                None if doubtful => {
                    listing = true;
                    set.roster.unsure.insert(load.key, Unsure { proof: proof(now), refused: false });
                }
                None if partial || conflict => {
                    listing = true;
                    set.roster.unsure.insert(load.key, Unsure { proof: now, refused: partial });
                }
                None => drop(set.roster.unsure.remove(&load.key)),
            }
        }
        drop(set);
        if listing {
            shelf.sweep.notify_one();
        }
    }

    /// One member's own failure: only it stands still. `refused`: digest of the change that emnify may have refused.
    fn fail(
        &self,
        call: &Call<'_, F>,
        set: &mut Set<F>,
        key: i64,
        what: &str,
        refused: Option<String>,
        error: &Error,
    ) {
        let verdict = Verdict::from(error);
        let refused = refused.filter(|_| matches!(verdict.next, After::OnChange));
        let before = set.roster.failures.get(&key).filter(|trouble| trouble.refused == refused);
        let tries = before.map_or(0, |trouble| trouble.tries).saturating_add(1);
        let pause = match &refused {
            Some(_) => pause::slow_net(tries),
            None => pause::spread(verdict.next.pause(tries)),
        };
        let until = Some(pause::after(self.shared.now(), pause));
        let failure = Failure {
            member: Self::called(call, key),
            reason: verdict.reason,
            message: format!("{what}: {}", verdict.message),
        };
        // what may pass by itself is told if it lasts, by a look
        if is_told_at_once(verdict.reason, verdict.effect) {
            let note = format!("{}: {}", failure.member, failure.message);
            self.shared.events.say(call.object, true, verdict.reason, &note);
        }
        set.roster.failures.insert(key, Trouble { failure, refused, until, tries });
    }

    /// The name of a member for people.
    fn called(call: &Call<'_, F>, key: i64) -> String {
        refusals::called::<F>(&call.kept.session.shelf::<F::Pool>().mirror, key)
    }

    /// Nobody's own failure: the whole set waits.
    fn troubled(&self, call: &Call<'_, F>, doing: Doing, error: &Error) {
        let verdict = Verdict::from(error);
        let uid = call.object.uid().unwrap_or_default();
        call.kept.caller.failed::<F::Member>(doing, &uid, error, self.shared.now());
        self.memory.failed(&uid, &verdict, call.object.meta().generation, self.shared.now());
    }
}

/// What was refused did not disturb anybody.
fn settle_guard<F: Fleet>(call: &Call<'_, F>, loads: &[Load<F>], disturbed: Disturbed) {
    let refunded = plan::answered(&mut lock(call.kept).roster, loads, disturbed);
    if refunded > 0 {
        call.kept.caller.guard.refund_more(&call.object.uid().unwrap_or_default(), refunded);
    }
}

/// The call was about this member, as a wanted one or as one that leaves.
fn of(keys: &HashSet<i64>, seat: &Seat) -> bool {
    keys.contains(&seat.pool) || keys.contains(&-seat.id)
}

fn lock<F: Fleet>(kept: &Kept<F>) -> MutexGuard<'_, Set<F>> {
    kept.set.lock()
}

/// A listing that was complete after a refused call tells whether the call had made anything.
pub(super) fn learn_from<F: Fleet>(kept: &Kept<F>, set: &Set<F>, now: Timestamp) {
    let shelf = kept.session.shelf::<F::Member>();
    let Some(complete) = shelf.mirror.complete_since() else { return };
    for (pool, unsure) in set.roster.unsure.iter().filter(|(_, u)| u.refused && complete >= u.proof) {
        let since = appeared(by_emnify(&kept.session, unsure.proof, now));
        let made = shelf.mirror.find(&F::key(*pool)).iter().any(|id| {
            matches!(shelf.mirror.get(id), Known::Present(row) if F::Member::created(&row).is_none_or(|at| at >= since))
        });
        if made {
            shelf.learn_partial();
        } else {
            shelf.learn_whole();
        }
    }
}
