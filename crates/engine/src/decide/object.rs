//! What to do next for one object: pure, and the table of the design as code.

use jiff::{SignedDuration, Timestamp};

use super::{
    error_policy::Waiting,
    known::{
        Elsewhere, Explanation, IntentState, Knowledge, Match, SecretState, Seen, Step, Subject, Trouble,
        Wanted, Workspace,
    },
    ready, taken,
};
use crate::{
    kind::{
        Change, Diff, FieldDiff, Find, Have, Id, Key, Managed, reason,
        spec::{AdoptionPolicy, DeletionPolicy, DriftPolicy, ManagementPolicy, Provenance},
    },
    session::claims::Owner,
};

type Found<K> = Result<Step<K>, Step<K>>;

/// Decides the next step. Rows are those of the design's table, in its order.
pub fn next_step<K: Managed>(subject: &Subject<'_>, known: Knowledge<'_, K>) -> Step<K> {
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
fn leave<K: Managed>(subject: &Subject<'_>, known: Knowledge<'_, K>) -> Found<K> {
    if !subject.finalizer {
        return Ok(Step::Nothing); // 1
    }
    if subject.status.id.is_none() && subject.status.intent.is_none() {
        return Ok(Step::RemoveFinalizer { orphaned: false }); // 2
    }
    if orphans(subject, &known) {
        return Ok(Step::RemoveFinalizer { orphaned: true }); // 2
    }
    check_workspace(subject, &known)?; // 3, 5
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
        Seen::Present(found) if taken_over(subject, &found).is_some() => {
            Ok(Step::RemoveFinalizer { orphaned: true })
        } // 2
        Seen::Present(found) if !found.missing.is_empty() => Ok(Step::ReadParts(found.id, found.missing)),
        Seen::Present(found) => {
            let changes = K::retire(&found.have, &known.context);
            if changes.is_empty() {
                return Ok(Step::RemoveFinalizer { orphaned: true });
            }
            if let Some(step) = used(&known, &found.id) {
                return Ok(step); // 7
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

/// Nothing of ours is to be retired, or nothing may be.
fn orphans<K: Managed>(subject: &Subject<'_>, known: &Knowledge<'_, K>) -> bool {
    let adopted = subject.status.provenance == Some(Provenance::Adopted);
    subject.force_orphan
        || known.crd_terminating
        || known.owner.is_some()
        || subject.common.management() == ManagementPolicy::Observe
        || match subject.common.deletion_policy {
            Some(policy) => policy == DeletionPolicy::Orphan,
            None => adopted,
        }
}

/// The rows for an object that is to be.
fn keep<K: Managed>(subject: &Subject<'_>, known: Knowledge<'_, K>) -> Found<K> {
    check_organisation(subject, &known)?; // 3
    if let Some(error) = subject.undecodable {
        let message = format!("the object cannot be decoded, update the CRD or the operator: {error}");
        return Ok(Step::Stall(Explanation::new(reason::UNDECODABLE, message)));
    }
    if subject.suspended || subject.common.management() == ManagementPolicy::Suspend {
        return Ok(Step::Wait(Explanation::new(reason::SUSPENDED, "suspended on request"), Waiting::Keep)); // 4
    }
    check_workspace(subject, &known)?; // 5
    let mut known = check_intent(subject, known)?; // 6
    let observe = subject.common.management() == ManagementPolicy::Observe;
    if !subject.finalizer && !observe {
        return Ok(Step::AddFinalizer); // 10
    }
    if let Some(other) = names_another(subject, K::KIND, K::RENEWS) {
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
        Seen::Absent => Ok(absent(subject, &known, &want, observe)),
        Seen::Present(found) => Ok(present(subject, &known, &want, found, observe)),
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

/// Row 13. Whoever is being deleted makes way; and of what is applied together, one that comes may be looked at before
/// another one that goes.
fn contested<K: Managed>(
    subject: &Subject<'_>,
    known: &Knowledge<'_, K>,
    owner: &Owner,
    message: String,
) -> Step<K> {
    if owner.goes {
        return Step::Wait(Explanation::new(reason::IN_USE, going(owner)), Waiting::Working);
    }
    if subject.status.id.is_none() && is_young(known.context.object_created, known.context.now) {
        return Step::Wait(Explanation::new(reason::IN_USE, message), Waiting::Working);
    }
    Step::Stall(Explanation::new(reason::OWNERSHIP_CONFLICT, message))
}

/// What is said to whoever comes after an owner that is being deleted.
pub(crate) fn going(owner: &Owner) -> String {
    format!("{} manages the same emnify object and is being deleted; it is waited for", owner.name)
}

/// So long after an object was made, what was applied with it may not have come yet.
const YOUTH: SignedDuration = SignedDuration::from_secs(30);

/// The object was made a moment ago; with a clock of another machine.
pub(crate) fn is_young(object_created: Option<Timestamp>, now: Timestamp) -> bool {
    object_created.is_some_and(|object_created| now.duration_since(object_created).abs() < YOUTH)
}

/// When it is not young any more.
pub(crate) fn grows_up(object_created: Option<Timestamp>) -> Option<Timestamp> {
    object_created?.checked_add(YOUTH).ok()
}

fn check_organisation<K: Managed>(subject: &Subject<'_>, known: &Knowledge<'_, K>) -> Result<(), Step<K>> {
    let (Workspace::Ready { organisation }, Some(pinned)) =
        (&known.workspace, &subject.status.organisation_id)
    else {
        return Ok(());
    };
    if pinned == organisation {
        return Ok(());
    }
    Err(Step::Stall(other_organisation(pinned, organisation)))
}

/// The workspace is not the one that the object lives in.
pub(crate) fn other_organisation(pinned: &str, organisation: &str) -> Explanation {
    let message = format!(
        "the object lives in organisation {pinned}, the workspace is now organisation {organisation}; point workspaceRef back, or delete the object with the annotation {}=true and create it anew",
        reason::annotation::FORCE_ORPHAN
    );
    Explanation::new(reason::WORKSPACE_CHANGED, message)
}

fn check_workspace<K: Managed>(subject: &Subject<'_>, known: &Knowledge<'_, K>) -> Result<(), Step<K>> {
    check_organisation(subject, known)?;
    match &known.workspace {
        Workspace::Ready { .. } => Ok(()),
        Workspace::NotReady(message) => {
            Err(Step::Wait(Explanation::new(reason::WORKSPACE_NOT_READY, message), Waiting::Keep))
        }
    }
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
        fixed(&[field])
    );
    Some(Explanation::new(reason::IMMUTABLE_FIELD, message))
}

/// Fields that no call changes.
fn fixed(fields: &[FieldDiff]) -> String {
    format!("{} cannot be changed in emnify", list(fields))
}

/// What is said of them, for an object as for a member.
pub(crate) fn immutable(fields: &[FieldDiff]) -> String {
    format!("{}; set it back, or have what emnify holds deleted and made anew", fixed(fields))
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
fn absent<K: Managed>(
    subject: &Subject<'_>,
    known: &Knowledge<'_, K>,
    want: &K::Want,
    observe: bool,
) -> Step<K> {
    if observe {
        let told = Explanation::new(
            reason::WOULD_CREATE,
            "emnify has no such object; the policy is to observe only",
        );
        return Step::Differs { have: None, told }; // 17
    }
    let create = K::create(want, subject.status.intent.as_ref());
    let (Some(create), None) = (create, &subject.common.id) else {
        let message = match &subject.common.id {
            Some(id) => {
                format!("id: emnify has no {} {id}; correct spec.id, or remove it to create one", K::KIND)
            }
            None => match K::find(want, None).into_iter().find(|find| matches!(find, Find::Natural(_))) {
                Some(find) => {
                    let Key { name, value } = find.key();
                    format!(
                        "{name}: emnify has no {} {value}, and one cannot be created; correct it",
                        K::KIND
                    )
                }
                None => format!("emnify has no such {}, and one cannot be created", K::KIND),
            },
        };
        return Step::Stall(Explanation::new(reason::NOT_FOUND, message)); // 18
    };
    let bound = subject.status.id.as_ref();
    if let Some(id) = bound
        && known.intent == IntentState::None
        && (subject.common.drift() == DriftPolicy::Warn || known.secret != SecretState::NotNeeded)
    {
        let message = format!(
            "{} {id} is gone from emnify; set the annotation {} to a new value to create it anew",
            K::KIND,
            reason::annotation::REFRESH
        );
        return Step::Stall(Explanation::new(reason::VANISHED, message)); // 19
    }
    make(subject, known, create)
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
    let trip = (known.guard)(changes).err()?;
    Some(Step::Stall(Explanation::new(reason::GUARD_TRIPPED, trip)))
}

/// Rows 15, 16 and 24 to 27: the emnify object is there.
fn present<K: Managed>(
    subject: &Subject<'_>,
    known: &Knowledge<'_, K>,
    want: &K::Want,
    found: Match<K>,
    observe: bool,
) -> Step<K> {
    if let Some(owner) = taken_over(subject, &found) {
        let message = format!(
            "{} {} is marked as owned by {owner}; set adoptionPolicy: Force to take it over",
            K::KIND,
            found.id
        );
        let owner = Owner { name: owner.to_owned(), goes: (known.goes)(owner) };
        return contested(subject, known, &owner, message); // 13
    }
    if subject.status.id.as_deref() != Some(found.id.to_string().as_str()) {
        return bind(subject, found);
    }
    if !found.missing.is_empty() {
        return Step::ReadParts(found.id, found.missing);
    }
    let ignored = |path: &str| subject.common.ignore_fields.iter().any(|f| covers(f, path));
    let mut diff = K::diff(want, &found.have, &known.context);
    diff.changes = diff.changes.into_iter().filter_map(|c| c.strip(&ignored)).collect();
    diff.immutable.retain(|f| !ignored(&f.path));
    let warn = subject.common.drift() == DriftPolicy::Warn && !known.context.edited;
    if observe || warn {
        return report_only(found.have, &diff); // 24
    }
    if let Some(invalid) = &diff.illegal {
        return Step::Stall(Explanation::new(reason::INVALID_SPEC, invalid.to_string()));
    }
    if !diff.immutable.is_empty() {
        return Step::Stall(Explanation::new(reason::IMMUTABLE_FIELD, immutable(&diff.immutable))); // 25
    }
    if diff.renew.is_some() {
        return match K::create(want, subject.status.intent.as_ref()) {
            Some(create) => make(subject, known, create),
            None => Step::UpToDate { have: found.have, wake_at: diff.wake_at },
        };
    }
    settle(subject, known, found, diff)
}

/// The foreign mark on the object, unless the policies let us ignore it.
fn taken_over<'a, K: Managed>(subject: &Subject<'_>, found: &'a Match<K>) -> Option<&'a str> {
    let forced = subject.common.adoption_policy.unwrap_or(K::FACTS.adoption) == AdoptionPolicy::Force;
    let observe = subject.common.management() == ManagementPolicy::Observe;
    found.foreign.as_deref().filter(|_| !forced && !observe)
}

/// Rows 15 and 16: take the object over, or say which line allows it.
fn bind<K: Managed>(subject: &Subject<'_>, found: Match<K>) -> Step<K> {
    if found.likely {
        let message = format!(
            "emnify has {kind} {id} of this name with the mark of this installation, and no object here is bound to it; add `id: \"{id}\"` to spec to take it over, or delete or rename it in emnify",
            kind = K::KIND,
            id = found.id
        );
        return Step::Stall(Explanation::new(reason::ALREADY_EXISTS, message));
    }
    if found.ours {
        return Step::Bind { id: found.id, provenance: Provenance::Created };
    }
    let policy = subject.common.adoption_policy.unwrap_or(K::FACTS.adoption);
    let named = subject.common.id.as_deref() == Some(found.id.to_string().as_str());
    let observe = subject.common.management() == ManagementPolicy::Observe;
    if named || observe || policy != AdoptionPolicy::Never {
        return Step::Bind { id: found.id, provenance: Provenance::Adopted };
    }
    let message = format!(
        "emnify has it already as {} {id}; add `id: \"{id}\"` to spec to take it over",
        K::KIND,
        id = found.id
    );
    Step::Stall(Explanation::new(reason::ALREADY_EXISTS, message))
}

/// Rows 26 and 27.
fn settle<K: Managed>(
    subject: &Subject<'_>,
    known: &Knowledge<'_, K>,
    found: Match<K>,
    diff: Diff<K::Change>,
) -> Step<K> {
    if known.secret == SecretState::Foreign {
        let message = "the output Secret exists and is not ours; name another one or delete it";
        return Step::Stall(Explanation::new(reason::SECRET_NOT_OWNED, message));
    }
    if matches!(known.secret, SecretState::Missing | SecretState::Restored) {
        return Step::ReserveSecret;
    }
    if !diff.changes.is_empty() {
        if let Some(step) = refused(subject, known, &diff.changes) {
            return step;
        }
        return Step::Apply(found.id, diff.changes); // 26
    }
    if let Some(what) = diff.waiting {
        return Step::Wait(Explanation::new(reason::PROGRESSING, what), Waiting::Working);
    }
    if !diff.reported.is_empty() {
        return Step::Differs {
            have: Some(found.have),
            told: Explanation::new(reason::DRIFTED, list(&diff.reported)),
        };
    }
    Step::UpToDate { have: found.have, wake_at: diff.wake_at } // 27
}

fn report_only<K: Managed>(have: Have<K>, diff: &Diff<K::Change>) -> Step<K> {
    let mut fields: Vec<FieldDiff> = diff.changes.iter().flat_map(Change::fields).collect();
    fields.extend(diff.immutable.iter().cloned());
    fields.extend(diff.reported.iter().cloned());
    if fields.is_empty() {
        return Step::UpToDate { have, wake_at: diff.wake_at };
    }
    Step::Differs { have: Some(have), told: Explanation::new(reason::DRIFTED, list(&fields)) }
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

/// True if an `ignoreFields` entry names the path or a parent of it.
pub(crate) fn covers(entry: &str, path: &str) -> bool {
    let entry = entry.strip_prefix("spec.").unwrap_or(entry);
    path.strip_prefix(entry).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

fn list(fields: &[FieldDiff]) -> String {
    some_of(&fields.iter().map(ToString::to_string).collect::<Vec<_>>())
}

/// The first few, and how many more: messages stay short and deterministic.
pub(crate) fn some_of(all: &[String]) -> String {
    const MOST: usize = 5;
    let shown = all.iter().take(MOST).cloned().collect::<Vec<_>>().join(", ");
    match all.len().saturating_sub(MOST) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

#[cfg(test)]
mod tests;
