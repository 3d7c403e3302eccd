//! What to do next for one object: pure, and the table of the design as code.

use std::time::Duration;

use super::{
    error_policy::Waiting,
    known::{
        Elsewhere, Explanation, IntentState, Knowledge, Match, SecretState, Seen, Step, Subject, Trouble,
        Wanted,
    },
    ready,
    rules::{self, Absent, Closed, Compared, Found, Gate, Mark, Taker, Whose, some_of},
    taken,
};
use crate::{
    kind::{
        FieldDiff, Have, Id, Managed, Veto, reason,
        spec::{ManagementPolicy, Provenance},
    },
    session::{claims::Owner, pause},
};

/// When it is looked at again whether those who use a replaced object have moved.
const FOLLOWED: Duration = Duration::from_secs(15);

type Decided<K> = Result<Step<K>, Step<K>>;

/// Decides the next step. Rows are those of the design's table, in its order.
pub(crate) fn next_step<K: Managed>(subject: &Subject<'_>, known: Knowledge<'_, K>) -> Step<K> {
    let trouble = known.trouble.clone().filter(|t| t.until > known.context.now);
    let step = if subject.deleting { leave(subject, known) } else { keep(subject, known) };
    let step = step.unwrap_or_else(|step| step);
    match trouble {
        Some(trouble) if subject.deleting && trouble.reason == reason::CONFLICT => {
            let message = format!("{}; {}", trouble.message, reason::WAY_OUT);
            pause(step, &Trouble { message, ..trouble })
        }
        Some(trouble) => pause(step, &trouble),
        None => step,
    }
}

/// After a failure of whatever kind nothing is asked of emnify before the pause is over.
fn pause<K: Managed>(step: Step<K>, trouble: &Trouble) -> Step<K> {
    let Some((told, effect)) = ready::working(&step) else { return step };
    match trouble.reason {
        // the door is closed for everybody, which is nobody's condition
        reason::THROTTLED => Step::Wait(told, effect),
        _ => Step::told(Explanation::new(trouble.reason, trouble.message.clone()), trouble.effect),
    }
}

/// The rows for an object that is being deleted.
fn leave<K: Managed>(subject: &Subject<'_>, known: Knowledge<'_, K>) -> Decided<K> {
    check_gate(subject, &known)?; // 1 to 5
    let mut known = check_intent(subject, known)?; // 6
    if !known.used_by.is_empty() {
        let message = format!("still referred to by {}; {}", some_of(&known.used_by), reason::WAY_OUT);
        return Ok(Step::Wait(Explanation::new(reason::IN_USE, message), Waiting::Working)); // 7
    }
    match std::mem::replace(&mut known.seen, Seen::Unknown) {
        Seen::Absent => Ok(Step::RemoveFinalizer { orphaned: false }),
        Seen::Unknown => Ok(Step::Wait(
            Explanation::new(reason::OBSERVING, "waiting for a complete listing"),
            Waiting::Working,
        )),
        Seen::Doubt(id) => Ok(Step::Read(id)),
        Seen::Several(ids) => Ok(ambiguous(&ids)),
        Seen::Present(found) if matches!(whose::<K>(subject, &found), Whose::Marked { .. }) => {
            Ok(Step::RemoveFinalizer { orphaned: true })
        } // 2
        Seen::Present(found) if !found.missing.is_empty() => Ok(Step::ReadParts(found.id, found.missing)),
        Seen::Present(found) => {
            if let Some(busy) = rules::going_down::<K>(&found.have, &known.context) {
                return Ok(Step::Busy { have: found.have, parts: Vec::new(), busy: busy.into() }); // 8c
            }
            let changes = K::retire(&found.have, &known.context);
            if changes.is_empty() {
                return Ok(Step::RemoveFinalizer { orphaned: true });
            }
            let progress = |change: &K::Change| (known.under_way)(&found.id, change);
            if let Some(told) = rules::accepted(&changes, &progress, (reason::DELETING, Waiting::Working)) {
                return Ok(match told {
                    Ok(busy) => Step::Busy { have: found.have, parts: Vec::new(), busy: busy.into() },
                    Err(told) => with_way_out(Step::Stall(told)),
                }); // 8b
            }
            if let Some(step) = used(&known, &found.id) {
                return Ok(step); // 7
            }
            if let Some(step) = vetoed(&known, &found.have, &changes) {
                return Ok(with_way_out(step));
            }
            if let Some(step) = refused(subject, &known, &changes) {
                return Ok(with_way_out(step)); // 8, 8a
            }
            Ok(Step::Retire(found.id, changes)) // 9
        }
    }
}

/// emnify said that it cannot go now: who uses it there? What nobody here manages will not make way.
fn used<K: Managed>(known: &Knowledge<'_, K>, id: &Id) -> Option<Step<K>> {
    let trouble = known.trouble.as_ref().filter(|trouble| trouble.reason == reason::CONFLICT)?;
    let Some(users) = (known.users)(id) else {
        return Some(observing("finding out who uses it in emnify"));
    };
    if !users.here.is_empty() {
        let message = format!("still used by {} in emnify; {}", some_of(&users.here), reason::WAY_OUT);
        return Some(Step::Wait(Explanation::new(reason::IN_USE, message), Waiting::Working));
    }
    // who was made a moment ago may still become somebody's: the pause after the refusal is waited out
    if users.nobodys.is_empty() || trouble.until > known.context.now {
        return None;
    }
    Some(Step::LeaveBehind(some_of(&users.nobodys)))
}

/// A deletion that a person must act on, with the way out: Kubernetes cannot take one back.
fn with_way_out<K: Managed>(step: Step<K>) -> Step<K> {
    match step {
        Step::Stall(told) => {
            Step::Stall(Explanation::new(told.reason, format!("{}; {}", told.message, reason::WAY_OUT)))
        }
        other => other,
    }
}

/// Rows 1 to 5 and 10.
fn check_gate<K: Managed>(subject: &Subject<'_>, known: &Knowledge<'_, K>) -> Result<(), Step<K>> {
    let kept = K::ORDERED && subject.common.deletion_policy.is_none();
    let facts = Gate {
        subject,
        workspace: &known.workspace,
        claims_nothing: subject.status.id.is_none() && subject.status.intent.is_none(),
        stays: known.crd_terminating || known.owner.is_some() || kept,
        reads_to_retire: false,
    };
    rules::gate(&facts).map_err(|closed| match closed {
        Closed::Nothing => Step::Nothing,
        Closed::AddFinalizer => Step::AddFinalizer,
        Closed::RemoveFinalizer { orphaned } => Step::RemoveFinalizer { orphaned },
        Closed::Wait(told) => Step::Wait(told, Waiting::Keep),
        Closed::Stall(told) => Step::Stall(told),
    })
}

/// Whose the emnify object is.
fn whose<K: Managed>(subject: &Subject<'_>, found: &Match<K>) -> Whose {
    let id = found.id.to_string();
    let facts = Found {
        kind: K::KIND,
        id: &found.id,
        bound: subject.status.id.as_deref() == Some(id.as_str()),
        mark: match &found.foreign {
            Some(owner) => Mark::Foreign(owner),
            None if found.likely => Mark::Likely,
            None if found.ours => Mark::Ours,
            None => Mark::None,
        },
        named: subject.common.id.as_deref() == Some(id.as_str()),
        taker: Taker::Object,
    };
    rules::whose(subject.common, K::FACTS.adoption, &facts)
}

/// The rows for an object that is to be.
fn keep<K: Managed>(subject: &Subject<'_>, known: Knowledge<'_, K>) -> Decided<K> {
    check_gate(subject, &known)?; // 3 to 5, 10
    let mut known = check_intent(subject, known)?; // 6
    let observe = subject.common.management() == ManagementPolicy::Observe;
    if let Some(other) = names_another(subject, K::KIND, K::RENEWAL.is_some()) {
        return Ok(Step::Stall(other)); // 25
    }
    let want = check_wanted(&mut known)?; // 11, 12
    if let (Some(elsewhere), false) = (&known.elsewhere, observe) {
        return Ok(wait_for_holder(subject, &known, elsewhere)); // 13a, before 13: who lets go is no rival
    }
    if let Some(owner) = &known.owner {
        let message = format!("{} already manages the same emnify object; delete one of the two", owner.name);
        return Ok(contested(subject, &known, owner, message)); // 13
    }
    match std::mem::replace(&mut known.seen, Seen::Unknown) {
        Seen::Unknown => Ok(observing("waiting for a complete listing")), // 14
        Seen::Doubt(id) => Ok(Step::Read(id)),
        Seen::Several(ids) => Ok(ambiguous(&ids)),
        Seen::Absent => Ok(absent(subject, &known, &want)),
        Seen::Present(found) => Ok(present(subject, &known, &want, found)),
    }
}

/// Row 13a: what it wants is still another's. In an exchange both let go of theirs first.
fn wait_for_holder<K: Managed>(
    subject: &Subject<'_>,
    known: &Knowledge<'_, K>,
    Elsewhere { owner_name, what, stays, exchange }: &Elsewhere,
) -> Step<K> {
    if *stays {
        let message =
            format!("{owner_name} has {what} in emnify and does not let go of it; release it there first");
        return contested(subject, known, &Owner { name: owner_name.clone(), goes: false }, message);
    }
    if let (Some(key), Seen::Present(found)) = (exchange, &known.seen)
        && subject.status.id.as_deref() == Some(found.id.to_string().as_str())
        && let Some(change) = K::vacate(&found.have, key, known.free)
    {
        let changes = vec![change];
        return refused(subject, known, &changes).unwrap_or_else(|| Step::Apply(found.id.clone(), changes));
    }
    let message = format!("{what} is still with {owner_name}, which is about to let go of it");
    Step::Wait(Explanation::new(reason::IN_USE, message), Waiting::Working)
}

/// Row 13.
fn contested<K: Managed>(
    subject: &Subject<'_>,
    known: &Knowledge<'_, K>,
    owner: &Owner,
    message: String,
) -> Step<K> {
    let newcomer =
        subject.status.id.is_none() && rules::is_young(known.context.object_created, known.context.now);
    let told = rules::contested(owner, newcomer, message);
    if told.reason == reason::IN_USE { Step::Wait(told, Waiting::Working) } else { Step::Stall(told) }
}

/// Row 6: an intent that may have been sent is accounted for before anything else.
fn check_intent<'a, K: Managed>(
    subject: &Subject<'_>,
    known: Knowledge<'a, K>,
) -> Result<Knowledge<'a, K>, Step<K>> {
    match (known.intent, &known.seen) {
        (IntentState::None, _) => return Ok(known),
        (IntentState::Refused, Seen::Present(found)) if found.ours => {}
        // being deleted with an intent that was never sent: nothing was made
        (IntentState::Unsent | IntentState::Refused, _) if !subject.deleting => return Ok(known),
        (IntentState::Unsent | IntentState::Refused, _) if subject.status.id.is_some() => return Ok(known),
        (IntentState::Unsent | IntentState::Refused, _) => return Err(Step::ClearIntent),
        (IntentState::Open | IntentState::Lapsed, _) => {}
    }
    match known.seen {
        Seen::Present(ref found)
            if found.ours && subject.status.id.as_deref() != Some(&found.id.to_string()) =>
        {
            Err(Step::Bind { id: found.id.clone(), provenance: Provenance::Created })
        }
        Seen::Several(ref ids) => Err(ambiguous(ids)),
        Seen::Doubt(ref id) => Err(Step::Read(id.clone())),
        Seen::Present(_) | Seen::Absent if known.intent == IntentState::Lapsed => Err(Step::ClearIntent),
        _ => Err(observing("finding out whether an interrupted create took effect")),
    }
}

/// The spec of a bound object names another one. What replaced the object that the spec named is still meant by it.
fn names_another(subject: &Subject<'_>, kind: &str, renews: bool) -> Option<Explanation> {
    let (bound, named) = (subject.status.id.as_ref()?, subject.common.id.as_ref()?);
    let replaced = renews && subject.status.provenance == Some(Provenance::Created);
    if bound == named || replaced {
        return None;
    }
    let field = FieldDiff::new("id", bound, named);
    let message = format!(
        "{}; it is bound to {kind} {bound}: set id to \"{bound}\" or remove it, and apply another object for {named}",
        rules::fixed(&[field])
    );
    Some(Explanation::new(reason::IMMUTABLE_FIELD, message))
}

fn check_wanted<K: Managed>(known: &mut Knowledge<'_, K>) -> Result<K::Want, Step<K>> {
    match std::mem::replace(&mut known.wanted, Wanted::Observing(String::new())) {
        Wanted::Ready(want) => Ok(want),
        Wanted::Observing(what) => Err(observing(&what)),
        Wanted::ReferenceNotReady(message) => {
            Err(Step::Wait(Explanation::new(reason::REFERENCE_NOT_READY, message), Waiting::Keep))
        }
        Wanted::Invalid(invalid) => {
            Err(Step::Stall(Explanation::new(reason::INVALID_SPEC, invalid.to_string())))
        }
    }
}

/// Rows 17 to 23: there is no emnify object.
fn absent<K: Managed>(subject: &Subject<'_>, known: &Knowledge<'_, K>, want: &K::Want) -> Step<K> {
    let bound = subject.status.id.as_deref();
    let was_there = bound.is_some() && known.intent == IntentState::None;
    let once = K::ORDERED || known.secret != SecretState::NotNeeded;
    match rules::absent::<K>(subject.common, want, subject.status.intent.as_deref(), was_there, once) {
        Absent::Observed => {
            let what = "emnify has no such object; the policy is to observe only";
            Step::Differs { have: None, told: Explanation::new(reason::WOULD_CREATE, what) }
        }
        Absent::Vanished => {
            let message = format!(
                "{} {} is gone from emnify; set the annotation {} to a new value to create it anew",
                K::KIND,
                bound.unwrap_or_default(),
                reason::annotation::REFRESH
            );
            Step::Stall(Explanation::new(reason::VANISHED, message))
        }
        Absent::Stall(told) => Step::Stall(told),
        Absent::Create(create) => make(subject, known, create),
    }
}

/// Rows 20 to 23: everything before and including a create.
fn make<K: Managed>(subject: &Subject<'_>, known: &Knowledge<'_, K>, create: K::Change) -> Step<K> {
    match known.secret {
        SecretState::Foreign => {
            let message = "the output Secret exists and is not ours; name another one or delete it";
            return Step::Stall(Explanation::new(reason::SECRET_NOT_OWNED, message)); // 20
        }
        SecretState::Unknown => return observing("reading the output Secret"),
        SecretState::NotNeeded | SecretState::Missing | SecretState::Restored | SecretState::Ours => {}
    }
    if let Some(step) = refused(subject, known, std::slice::from_ref(&create)) {
        return step; // 21, 22
    }
    if K::FACTS.needs_intent && known.intent == IntentState::None {
        return Step::RecordIntent; // 23
    }
    if matches!(known.secret, SecretState::Missing | SecretState::Restored) {
        return Step::ReserveSecret;
    }
    Step::Create(create)
}

/// What the kind itself does not let happen, before emnify is asked.
fn vetoed<K: Managed>(known: &Knowledge<'_, K>, have: &Have<K>, changes: &[K::Change]) -> Option<Step<K>> {
    let Veto { reason, message } = K::forbids(changes.first()?, have, &known.context)?;
    Some(Step::Stall(Explanation::new(reason, message)))
}

/// Rows 8, 8a, 21, 21a and 22.
fn refused<K: Managed>(
    subject: &Subject<'_>,
    known: &Knowledge<'_, K>,
    changes: &[K::Change],
) -> Option<Step<K>> {
    if let Some(rejected) = &subject.status.rejected
        && rejected.until().is_some_and(|until| until > known.context.now)
        && changes.first().is_some_and(|c| (known.digest)(c) == rejected.digest)
    {
        return Some(Step::Stall(Explanation::new(reason::REJECTED, rejected.message.clone())));
    }
    if let Some(change) = changes.first().filter(|change| (known.undone)(change)) {
        return Some(Step::Stall(Explanation::new(reason::NOT_TAKEN, taken::message(change)))); // 21a
    }
    let tripped = (known.guard)(changes).err()?;
    Some(Step::Stall(Explanation::new(reason::GUARD_TRIPPED, tripped.to_string())))
}

/// Rows 13, 15, 16 and 24 to 27: the emnify object is there.
fn present<K: Managed>(
    subject: &Subject<'_>,
    known: &Knowledge<'_, K>,
    want: &K::Want,
    found: Match<K>,
) -> Step<K> {
    match whose::<K>(subject, &found) {
        Whose::Marked { owner, message } => {
            let owner = Owner { goes: (known.goes)(&owner), name: owner };
            return contested(subject, known, &owner, message);
        }
        Whose::Free(provenance) => return Step::Bind { id: found.id, provenance },
        Whose::Exists(told) => return Step::Stall(told),
        Whose::Bound if !found.missing.is_empty() => return Step::ReadParts(found.id, found.missing),
        Whose::Bound => {}
    }
    let Match { id, have, .. } = found;
    let progress = |change: &K::Change| (known.under_way)(&id, change);
    let compared = rules::compare::<K>(subject.common, want, &have, &known.context, &progress);
    let acts = !rules::only_reports(subject.common, known.context.edited)
        && !matches!(
            compared,
            Compared::Stall(_) | Compared::Renew(_) | Compared::Busy(_) | Compared::Broken(..)
        );
    if acts && let Some(step) = check_secret(known) {
        return step;
    }
    match compared {
        Compared::Stall(told) => Step::Stall(told),
        Compared::Renew(wake_at) => match K::create(want, subject.status.intent.as_deref()) {
            Some(create) => make(subject, known, create),
            None => Step::UpToDate { have, wake_at },
        },
        Compared::Changes(mut changes) => {
            let all = changes.len();
            changes.retain(|change| !is_held(known, change));
            if all > 0 && changes.is_empty() {
                let wake_at = Some(pause::after(known.context.now, FOLLOWED));
                return Step::UpToDate { have, wake_at };
            }
            vetoed(known, &have, &changes)
                .or_else(|| refused(subject, known, &changes))
                .unwrap_or_else(|| Step::Apply(id, changes))
        }
        Compared::Waits(told) => Step::Wait(told, Waiting::Working),
        Compared::Reported(fields) => {
            let told = Explanation::new(reason::DRIFTED, rules::list(&fields));
            Step::Differs { have: Some(have), told }
        }
        Compared::Busy(busy) => Step::Busy { have, parts: K::parts(want), busy: busy.into() },
        Compared::Broken(told, wake_at) => Step::Broken { have, told, wake_at },
        Compared::InStep(wake_at) => Step::UpToDate { have, wake_at },
    }
}

/// The change ends what the object has replaced, and somebody may still use that: whoever refers to the object moves first.
fn is_held<K: Managed>(known: &Knowledge<'_, K>, change: &K::Change) -> bool {
    K::RENEWAL.and_then(|renewal| (renewal.ends)(change)).is_some_and(|id| (known.holds_on)(&id))
}

/// The output Secret has to be ours before anything is made of the object.
fn check_secret<K: Managed>(known: &Knowledge<'_, K>) -> Option<Step<K>> {
    match known.secret {
        SecretState::Foreign => {
            let message = "the output Secret exists and is not ours; name another one or delete it";
            Some(Step::Stall(Explanation::new(reason::SECRET_NOT_OWNED, message)))
        }
        SecretState::Missing | SecretState::Restored => Some(Step::ReserveSecret),
        SecretState::NotNeeded | SecretState::Unknown | SecretState::Ours => None,
    }
}

fn observing<K: Managed>(what: &str) -> Step<K> {
    Step::Wait(Explanation::new(reason::OBSERVING, what), Waiting::Keep)
}

fn ambiguous<K: Managed>(ids: &[Id]) -> Step<K> {
    let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
    let message =
        format!("several emnify objects could be meant: {}; set spec.id to one of them", some_of(&ids));
    Step::Stall(Explanation::new(reason::AMBIGUOUS_CREATE, message))
}

#[cfg(test)]
mod tests;
