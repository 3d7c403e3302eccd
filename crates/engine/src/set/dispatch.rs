//! The emnify side of a set: when its turn has come it is planned again, and one call is sent.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use emnify::{Api, Error, Lane};
use kube::Resource;
use parking_lot::MutexGuard;
use tokio::time::Instant;

use super::{
    call_item::{self, Added, CallItem},
    controller::{SetController, SetEntry},
    decide::Decided,
    rollout::Next,
    state::{self, SetState},
};
use crate::{
    cluster::observer::Share,
    decide::{
        error_policy::{self, Next as After, Verdict, is_told_at_once},
        refusals, rejected,
        roster::{MemberKey, MemberState, Slot, Trouble, Unsure},
        taken,
    },
    kind::{
        Batch, BatchKey, Change, Id, Kind, Managed, Reply, Verb,
        decoded::Decoded,
        managed::largest_batch,
        reason,
        set::{Failure, ObjectSet, Rollout},
    },
    metrics::Drift,
    session::{
        past::proof,
        pause,
        queue::Ticket,
        response::{self, Disturbed},
        role::{self, Doing},
    },
};

/// The API's front door gives up on a request after this time: what got no answer may be under way until then.
const GATEWAY: Duration = Duration::from_secs(30);

/// One call of a set.
struct Call<'a, F: ObjectSet> {
    object: &'a Decoded<F>,
    entry: &'a SetEntry<F>,
    rollout: Rollout,
    key: Option<BatchKey>,
    group: Option<&'static str>,
}

/// What was tried of one member.
struct Tried<'a> {
    key: MemberKey,
    /// For people.
    what: &'a str,
    /// Digest of the change that emnify may have refused.
    refused: Option<String>,
}

/// What the set has in a call, member by member, for whoever hears of it.
fn shares<F: ObjectSet>(call: &Call<'_, F>, items: &[CallItem<F>]) -> Vec<Share> {
    let key = call.object.key();
    items.iter().map(|item| Share::of(&key, F::Member::KIND, item.id.as_ref(), &item.change)).collect()
}

impl<F: ObjectSet> SetController<F> {
    /// Plans the set of a ticket again and makes the call that it needs.
    pub(super) async fn dispatch(
        self: Arc<Self>,
        session: Arc<crate::session::Session>,
        api: Api,
        ticket: Ticket,
    ) -> Ticket {
        let key = ticket.item.object.clone();
        let Some(object) = self.kube.object(&key).filter(|o| o.uid() == ticket.item.uid) else {
            return ticket;
        };
        let status = self.kube.newest(&object).0.unwrap_or_default();
        if let Decided::Work(work) = self.decide(&object, &status, false)
            && Arc::ptr_eq(&work.entry.session, &session)
        {
            let api = api.by(&work.entry.caller.client);
            let call = Call {
                object: &object,
                entry: &work.entry,
                rollout: work.rollout,
                key: None,
                group: ticket.group(),
            };
            match work.next_call.next {
                Next::Read(id) => self.read(&call, &api, &id).await,
                Next::ReadParts(id, parts) => self.read_parts(&call, &api, &id, &parts).await,
                Next::Send(items, key) => self.send(Call { key, ..call }, &api, items).await,
                Next::Rest | Next::RecordIntent | Next::Sweep => {}
            }
        }
        self.kube.trigger(&key, "its call is over");
        ticket
    }

    async fn read(&self, call: &Call<'_, F>, api: &Api, id: &Id) {
        let caller = &*call.entry.caller;
        if !caller.may_try::<F::Member>(Doing::Read, self.kube.now()) {
            return;
        }
        let kind_state = call.entry.session.kind_state::<F::Member>();
        let sent = Instant::now();
        match F::Member::read(api, id).await {
            Ok(found) => {
                self.kube.shared.allowed::<F::Member>(caller, Doing::Read);
                match found {
                    Some(row) => drop(kind_state.mirror.put(row, sent)),
                    None if kind_state.mirror.denied(id, sent) => {}
                    None => self.unconfirmed(call, id),
                }
            }
            Err(error) => self.unread(call, id, Doing::Read, &error),
        }
        call.entry.touched.add(None, id.int());
    }

    async fn read_parts(
        &self,
        call: &Call<'_, F>,
        api: &Api,
        id: &Id,
        parts: &[<F::Member as Managed>::Part],
    ) {
        let kind_state = call.entry.session.kind_state::<F::Member>();
        let caller = &*call.entry.caller;
        for part in parts {
            let doing = role::piece::<F::Member>(part);
            if !caller.may_try::<F::Member>(doing.clone(), self.kube.now()) {
                continue;
            }
            let sent = Instant::now();
            let mut into = <F::Member as Managed>::Parts::clone(&kind_state.mirror.parts(id, &[], None).0);
            match F::Member::read_part(api, id, *part, &mut into).await {
                Ok(()) => {
                    self.kube.shared.allowed::<F::Member>(caller, doing);
                    kind_state.mirror.put_parts(id, into, &[*part], sent);
                }
                Err(error) => {
                    if let Error::NotFound { .. } = error {
                        kind_state.mirror.doubt(id);
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
        let own = response::may_be_one_items_fault(error) || matches!(error, Error::Unreadable { .. });
        let Some(number) = id.int().filter(|_| own) else { return self.troubled(call, doing, error) };
        let mut set = lock(call.entry);
        let key = key_of(call, &set, id, number);
        let tried = Tried { key, what: &what, refused: None };
        self.fail(call, &mut set, tried, &Verdict::from(error));
    }

    /// Nothing is asked about the member until a second answer proves that it is gone.
    fn unconfirmed(&self, call: &Call<'_, F>, id: &Id) {
        let Some(number) = id.int() else { return };
        let mut set = lock(call.entry);
        let key = key_of(call, &set, id, number);
        let tried = Tried { key, what: "read", refused: None };
        self.fail(call, &mut set, tried, &error_policy::unconfirmed());
    }

    async fn send(&self, call: Call<'_, F>, api: &Api, mut items: Vec<CallItem<F>>) {
        let session = &call.entry.session;
        let kind_state = session.kind_state::<F::Member>();
        let Some(doing) = items.first().map(call_item::doing) else { return };
        if let (Some(key), true) = (&call.key, items.len() > 1 && items[0].id.is_none()) {
            let room =
                kind_state.room_for((&call.entry.caller, api), key, &items[0].change, items.len()).await;
            items.truncate(room.unwrap_or(usize::MAX));
            if items.is_empty() {
                let error = Error::Capacity { message: "there is no room for more".into() };
                return self.troubled(&call, doing, &error);
            }
        }
        let Some(batch) = Batch::of(items.iter().map(|item| (item.id.as_ref(), &item.change))) else {
            return;
        };
        if !call.entry.caller.may_try::<F::Member>(doing.clone(), self.kube.now()) {
            return;
        }
        if api.lane() == Lane::Create {
            // most of what hints tell now is about these
            session.hints.creating(items.len());
        }
        let now = self.kube.now();
        let added = {
            let mut set = lock(call.entry);
            // until the answer nobody knows what was made, whatever happens to the slots meanwhile
            let unsure = Unsure { proof: proof(now), refused: false };
            set.roster.unsure.extend(items.iter().filter_map(CallItem::makes).map(|pool| (pool, unsure)));
            call_item::sent(&mut set.roster, &items, &call.rollout, now)
        };
        if !self.count_disturbed(&call, &items, &added).await {
            return call.entry.caller.not_tried::<F::Member>(doing, self.kube.now());
        }
        let (first, members) = (&items[0].change, items.len());
        tracing::info!(kind = F::KIND, object = %call.object.key(), change = %first, members, lane = %api.lane(), "sending");
        let began = Instant::now();
        let answer = batch.send::<F::Member>(api).await;
        let disturbed = response::disturbed(answer.as_ref().err(), items.len(), first.repeatable());
        settle_guard(&call, &items, disturbed);
        self.kube.shared.tell(|| shares(&call, &items), answer.as_ref().err());
        match answer {
            Ok(replies) => {
                if let Some(key) = &call.key {
                    kind_state.took(key, largest_batch::<F::Member>(), items.len(), began.elapsed());
                }
                if api.lane() == Lane::Repair {
                    let members = u64::try_from(items.len()).unwrap_or(u64::MAX);
                    self.kube.shared.metrics.drifted(F::KIND, Drift::Found, members);
                    self.kube.shared.metrics.drifted(F::KIND, Drift::Corrected, members);
                }
                self.kube.shared.allowed::<F::Member>(&call.entry.caller, doing);
                self.succeeded(&call, &items, replies);
                self.announce(&call, &items, api.lane() == Lane::Repair);
            }
            Err(error) => {
                if let (Error::Ambiguous { .. }, Some(group)) = (&error, call.group) {
                    session.queue.pause_group(group, began + GATEWAY);
                }
                self.refused(&call, &items, &error);
            }
        }
    }

    /// Counts whom the call disturbs, before it is sent; false if that cannot be written down now, and it is not sent.
    async fn count_disturbed(&self, call: &Call<'_, F>, items: &[CallItem<F>], added: &Added) -> bool {
        let (uid, generation) = (call.object.uid(), call.object.meta().generation);
        let guard = &call.entry.caller.guard;
        if guard.sent_more(uid, generation.unwrap_or_default(), added.more, &added.again) {
            let mut set = lock(call.entry);
            for call_item in items {
                if let Some(counted) = set.roster.counts.get_mut(&call_item.key) {
                    counted.approved = true;
                }
            }
        }
        if added.more == 0 || guard.written().await {
            return true;
        }
        settle_guard(call, items, Disturbed::No);
        let mut set = lock(call.entry);
        for pool in items.iter().filter_map(CallItem::makes) {
            set.roster.unsure.remove(&pool);
        }
        drop(set);
        self.kube.memory.failed(uid, &error_policy::uncounted(), generation, self.kube.now());
        false
    }

    fn succeeded(&self, call: &Call<'_, F>, items: &[CallItem<F>], replies: Vec<Reply<F::Member>>) {
        let session = &call.entry.session;
        let now = self.kube.now();
        self.kube.memory.succeeded(call.object.uid());
        let mut untold = Vec::new();
        let mut made = HashMap::new();
        for (call_item, reply) in items.iter().zip(replies) {
            if let Some(pool) = call_item.makes() {
                let id = reply.id.clone().or_else(|| reply.row.as_ref().map(F::Member::id));
                made.insert(pool, id.as_ref().and_then(Id::int));
                if reply.row.is_none() {
                    untold.push(pool);
                }
            }
            let (id, ends) = (call_item.id.as_ref(), call_item::ends(call_item));
            response::learn::<F::Member>(session, id, &call_item.change, reply, ends);
            if let Some(id) = id {
                // somebody may wait for what it had
                let kinds = self.kube.shared.kinds();
                kinds.for_each(|kind| kind.row_changed(F::Member::KIND, session, id));
            }
        }
        {
            let mut set = lock(call.entry);
            let touched: HashSet<MemberKey> = items.iter().map(|call_item| call_item.key).collect();
            let created: HashSet<i64> = made.keys().copied().collect();
            for call_item in items {
                set.roster.retry_groups.remove(&call_item.key);
            }
            let updates = items.iter().filter(|l| l.id.is_some() && l.change.class().verb == Verb::Update);
            let corrections: Vec<_> = updates.map(|l| (l.key, taken::correction(&l.change))).collect();
            set.roster.accept(corrections.into_iter(), now);
            for slot in set.roster.slots.iter_mut().filter(|slot| of(&touched, slot)) {
                slot.stand = MemberState::Unknown;
                slot.made |= made.remove(&slot.pool).is_some();
            }
            set.roster.unsure.retain(|pool, _| !created.contains(pool));
            // nobody wants those any more
            set.leave(made.into_iter().filter_map(|(pool, id)| Some(state::made(id?, pool))));
            let unsure = Unsure { proof: now, refused: false };
            set.roster.unsure.extend(untold.iter().map(|pool| (*pool, unsure)));
        }
        if !untold.is_empty() {
            session.kind_state::<F::Member>().sweep.notify_one();
        }
    }

    fn announce(&self, call: &Call<'_, F>, items: &[CallItem<F>], corrects: bool) {
        let Some(first) = items.first() else { return };
        let reason = match first.change.class().verb {
            Verb::Create => reason::CREATED,
            Verb::Update => reason::UPDATED,
            Verb::Delete => reason::DELETED,
        };
        let note = match items.len() {
            1 => first.change.to_string(),
            n => format!("{n} members at once, first: {}", first.change),
        };
        if corrects && reason == reason::UPDATED {
            self.kube.shared.events.say_correction(call.object, &note);
        } else {
            self.kube.shared.events.say(call.object, false, reason, &note);
        }
    }

    /// The call failed. What may be the fault of one member is found by halving; the others go on in their own half.
    fn refused(&self, call: &Call<'_, F>, items: &[CallItem<F>], error: &Error) {
        let session = &call.entry.session;
        let kind_state = session.kind_state::<F::Member>();
        if let (Error::Capacity { .. }, Some(key)) = (error, &call.key) {
            kind_state.forget_room(key);
        }
        let own = response::may_be_one_items_fault(error);
        let halves = own && items.len() > 1;
        tracing::warn!(kind = F::KIND, object = %call.object.key(), members = items.len(), %error, "call failed");
        self.observe(call, items, error, halves);
        let mut set = lock(call.entry);
        if halves {
            let retry_groups = response::parted(&session.retry_groups, items.len(), error);
            set.roster.retry_groups.extend(items.iter().map(|call_item| call_item.key).zip(retry_groups));
        }
        let touched: HashSet<MemberKey> = items.iter().map(|call_item| call_item.key).collect();
        for slot in set.roster.slots.iter_mut().filter(|slot| of(&touched, slot)) {
            slot.stand = MemberState::Unknown;
        }
        if let (true, false, [call_item]) = (own, halves, items) {
            let refused = rejected::digest(&call_item.change, &set.meant);
            let verdict = match (call_item::ends(call_item), error) {
                (true, Error::NotFound { .. }) => error_policy::unconfirmed(),
                _ => Verdict::from(error),
            };
            let what = call_item.change.to_string();
            let tried = Tried { key: call_item.key, what: &what, refused: Some(refused) };
            self.fail(call, &mut set, tried, &verdict);
            let who = format!("{}/{}", call.object.uid(), call_item.key);
            call.entry.caller.failed::<F::Member>(call_item::doing(call_item), &who, error, self.kube.now());
        }
        drop(set);
        if !own {
            self.troubled(call, call_item::doing(&items[0]), error);
        }
    }

    /// What of a failed call may have been carried out is looked at before anything else.
    fn observe(&self, call: &Call<'_, F>, items: &[CallItem<F>], error: &Error, halves: bool) {
        let doubtful = response::may_have_happened(error, items[0].change.repeatable());
        let kind_state = call.entry.session.kind_state::<F::Member>();
        let now = self.kube.now();
        // several creates that were refused together: did none of them take effect?
        let full = matches!(error, Error::Capacity { .. }) && items.len() > 1;
        let partial = (halves || full) && !kind_state.refuses_whole();
        let conflict = matches!(error, Error::Conflict { .. });
        // what was refused may have been asked for because of a row that is old
        let rejected = matches!(error, Error::Rejected { .. });
        let mut listing = false;
        let mut set = lock(call.entry);
        for call_item in items {
            match &call_item.id {
                Some(id)
                    if call_item::ends(call_item) && !halves && matches!(error, Error::NotFound { .. }) =>
                {
                    let _certain = kind_state.mirror.denied(id, Instant::now());
                }
                Some(id) => {
                    let moved = conflict || rejected || matches!(error, Error::NotFound { .. });
                    if doubtful || (moved && !halves) || (halves && !call_item.change.repeatable()) {
                        kind_state.mirror.doubt(id);
                        kind_state.mirror.doubt_parts(id);
                    }
                }
                None => {
                    let Some(pool) = call_item.makes() else { continue };
                    let unsure = if doubtful {
                        Some(Unsure { proof: proof(now), refused: false })
                    } else {
                        (partial || conflict).then_some(Unsure { proof: now, refused: partial })
                    };
                    listing |= unsure.is_some();
                    match unsure {
                        Some(unsure) => drop(set.roster.unsure.insert(pool, unsure)),
                        None => drop(set.roster.unsure.remove(&pool)),
                    }
                }
            }
        }
        drop(set);
        if listing {
            kind_state.sweep.notify_one();
        }
    }

    /// One member's own failure: only it stands still.
    fn fail(
        &self,
        call: &Call<'_, F>,
        set: &mut SetState<F>,
        Tried { key, what, refused }: Tried<'_>,
        verdict: &Verdict,
    ) {
        let refused = refused.filter(|_| matches!(verdict.next, After::OnChange));
        let before = set.roster.failures.get(&key).filter(|trouble| trouble.refused == refused);
        let tries = before.map_or(0, |trouble| trouble.tries).saturating_add(1);
        let pause = match &refused {
            Some(_) => pause::slow_net(tries),
            None => pause::spread(verdict.next.pause(tries)),
        };
        let until = Some(pause::after(self.kube.now(), pause));
        let failure = Failure {
            member: Self::display_name(call, key),
            reason: verdict.reason,
            message: format!("{what}: {}", verdict.message),
        };
        // what may pass by itself is told if it lasts, by a look
        if is_told_at_once(verdict.reason, verdict.effect) {
            let note = format!("{}: {}", failure.member, failure.message);
            self.kube.shared.events.say(call.object, true, verdict.reason, &note);
        }
        set.roster.failures.insert(key, Trouble { failure, refused, until, tries });
    }

    /// The name of a member for people.
    fn display_name(call: &Call<'_, F>, key: MemberKey) -> String {
        refusals::display_name::<F>(&call.entry.session.kind_state::<F::Pool>().mirror, key)
    }

    /// Nobody's own failure: the whole set waits.
    fn troubled(&self, call: &Call<'_, F>, doing: Doing, error: &Error) {
        let verdict = Verdict::from(error);
        let uid = call.object.uid();
        call.entry.caller.failed::<F::Member>(doing, uid, error, self.kube.now());
        self.kube.memory.failed(uid, &verdict, call.object.meta().generation, self.kube.now());
    }
}

/// What was refused did not disturb anybody.
fn settle_guard<F: ObjectSet>(call: &Call<'_, F>, items: &[CallItem<F>], disturbed: Disturbed) {
    let refunded = call_item::answered(&mut lock(call.entry).roster, items, disturbed);
    if refunded > 0 {
        call.entry.caller.guard.refund_more(call.object.uid(), refunded);
    }
}

/// How the roster calls the member with this id.
fn key_of<F: ObjectSet>(call: &Call<'_, F>, set: &SetState<F>, id: &Id, number: i64) -> MemberKey {
    let mirror = &call.entry.session.kind_state::<F::Member>().mirror;
    let held = mirror.row(id).and_then(|row| F::pool_entry(&row));
    let slot = set.roster.slots.iter().find(|slot| slot.id == number || Some(slot.pool) == held);
    slot.map_or(MemberKey::Departing(number), Slot::key)
}

/// The call was about this member, as a wanted one or as one that leaves.
fn of(keys: &HashSet<MemberKey>, slot: &Slot) -> bool {
    keys.contains(&slot.key()) || keys.contains(&MemberKey::Departing(slot.id))
}

fn lock<F: ObjectSet>(entry: &SetEntry<F>) -> MutexGuard<'_, SetState<F>> {
    entry.set.lock()
}
