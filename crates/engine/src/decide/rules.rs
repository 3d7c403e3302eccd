//! The rule book: what holds for an object and for a member of a set alike. An object turns a ruling into a
//! [`Step`](super::known::Step), a member into a [`MemberStep`](super::member::MemberStep). Numbers are those of the
//! design's table.

use jiff::{SignedDuration, Timestamp};

use super::{
    error_policy::Waiting,
    known::{Busy, Explanation, Subject, Workspace},
};
use crate::{
    kind::{
        Change, Context, FieldDiff, Find, Have, Id, Key, Managed, Phase, reason,
        spec::{
            AdoptionPolicy, CommonSpec, DeletionPolicy, DriftPolicy, Intent, ManagementPolicy, Provenance,
        },
    },
    session::{claims::Owner, mirror::UnderWay},
};

/// What has to be so before anything is done for an object of whatever kind.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gate<'a> {
    pub(crate) subject: &'a Subject<'a>,
    pub(crate) workspace: &'a Workspace,
    /// Nothing in emnify was ever the object's.
    pub(crate) claims_nothing: bool,
    /// What is in emnify stays there, for a reason that only the kind knows, such as a better claim of another object.
    pub(crate) stays: bool,
    /// Its spec has to be read before it can be retired.
    pub(crate) reads_to_retire: bool,
}

/// Why the gate is closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Closed {
    /// Nothing is to be done.
    Nothing,
    /// The finalizer comes before any side effect.
    AddFinalizer,
    /// The object may go; the emnify side stays if `orphaned`.
    RemoveFinalizer { orphaned: bool },
    /// Something else has to happen first, and who is Ready stays so.
    Wait(Explanation),
    /// A person must act.
    Stall(Explanation),
}

/// Rows 1 to 5 and 10.
pub(crate) fn gate(facts: &Gate<'_>) -> Result<(), Closed> {
    let Gate { subject, workspace, .. } = facts;
    let management = subject.common.management();
    if subject.deleting {
        if !subject.finalizer {
            return Err(Closed::Nothing); // 1
        }
        if facts.claims_nothing || orphans(facts) {
            return Err(Closed::RemoveFinalizer { orphaned: !facts.claims_nothing }); // 2
        }
    }
    if let (Workspace::Ready { organisation }, Some(pinned)) = (workspace, &subject.status.organisation_id)
        && pinned != organisation
    {
        return Err(Closed::Stall(other_organisation(pinned, organisation))); // 3
    }
    if let Some(error) = subject.undecodable.filter(|_| !subject.deleting || facts.reads_to_retire) {
        let message = format!("the object cannot be decoded, update the CRD or the operator: {error}");
        return Err(Closed::Stall(Explanation::new(reason::UNDECODABLE, message)));
    }
    if !subject.deleting && (subject.suspended || management == ManagementPolicy::Suspend) {
        return Err(Closed::Wait(Explanation::new(reason::SUSPENDED, "suspended on request"))); // 4
    }
    if let Workspace::NotReady(message) = workspace {
        return Err(Closed::Wait(Explanation::new(reason::WORKSPACE_NOT_READY, message))); // 5
    }
    if !subject.deleting && !subject.finalizer && management != ManagementPolicy::Observe {
        return Err(Closed::AddFinalizer); // 10
    }
    Ok(())
}

/// Nothing of ours is to be retired, or nothing may be.
fn orphans(Gate { subject, stays, .. }: &Gate<'_>) -> bool {
    let adopted = subject.status.provenance == Some(Provenance::Adopted);
    *stays
        || subject.force_orphan
        || subject.common.management() == ManagementPolicy::Observe
        || match subject.common.deletion_policy {
            Some(policy) => policy == DeletionPolicy::Orphan,
            None => adopted,
        }
}

/// The workspace is not the one that the object lives in.
fn other_organisation(pinned: &str, organisation: &str) -> Explanation {
    let message = format!(
        "the object lives in organisation {pinned}, the workspace is now organisation {organisation}; point workspaceRef back, or delete the object with the annotation {}=true and create it anew",
        reason::annotation::FORCE_ORPHAN
    );
    Explanation::new(reason::WORKSPACE_CHANGED, message)
}

/// An emnify object that is there, and what tells whose it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found<'a> {
    /// Kind and id, for people.
    pub(crate) kind: &'static str,
    pub(crate) id: &'a Id,
    /// It was taken over before.
    pub(crate) bound: bool,
    pub(crate) mark: Mark<'a>,
    /// The spec names its id.
    pub(crate) named: bool,
    /// Who wants it.
    pub(crate) taker: Taker,
}

/// What an emnify object itself says of whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark<'a> {
    /// Nothing.
    None,
    /// The object's own mark is on it, or an open create of the object made it.
    Ours,
    /// Only its name and the mark of the installation say that it may be meant.
    Likely,
    /// Another's mark is on it.
    Foreign(&'a str),
}

/// Who takes an emnify object over, which decides what a person may write to allow it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taker {
    /// One object, whose spec may name an id.
    Object,
    /// A set, which has a policy for all of its members.
    Set,
}

/// Whose an emnify object is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Whose {
    /// The object's, as before.
    Bound,
    /// It may become the object's.
    Free(Provenance),
    /// Another's, by its mark.
    Marked { owner: String, message: String },
    /// Nobody allowed to take it over.
    Exists(Explanation),
}

/// Rows 13 (the mark of another), 15 and 16.
pub(crate) fn whose(policies: &CommonSpec, default: AdoptionPolicy, found: &Found<'_>) -> Whose {
    let Found { kind, id, mark, taker, .. } = found;
    let policy = policies.adoption_policy.unwrap_or(default);
    let observe = policies.management() == ManagementPolicy::Observe;
    if let Mark::Foreign(owner) = mark
        && policy != AdoptionPolicy::Force
        && !observe
    {
        let what = if *taker == Taker::Object { "it" } else { "such members" };
        let message = format!(
            "{kind} {id} is marked as owned by {owner}; set adoptionPolicy: Force to take {what} over"
        );
        return Whose::Marked { owner: (*owner).to_owned(), message };
    }
    if found.bound {
        return Whose::Bound;
    }
    if *mark == Mark::Likely {
        let message = format!(
            "emnify has {kind} {id} of this name with the mark of this installation, and no object here is bound to it; add `id: \"{id}\"` to spec to take it over, or delete or rename it in emnify"
        );
        return Whose::Exists(Explanation::new(reason::ALREADY_EXISTS, message)); // 16
    }
    if *mark == Mark::Ours {
        return Whose::Free(Provenance::Created); // 15
    }
    if found.named || observe || policy != AdoptionPolicy::Never {
        return Whose::Free(Provenance::Adopted); // 15
    }
    let way = match taker {
        Taker::Object => format!("add `id: \"{id}\"` to spec to take it over"),
        Taker::Set => "set adoptionPolicy: IfUnowned to take such members over".into(),
    };
    let message = format!("emnify has it already as {kind} {id}; {way}");
    Whose::Exists(Explanation::new(reason::ALREADY_EXISTS, message)) // 16
}

/// Row 13: what becomes of whoever wants what another has. Whoever is being deleted makes way; and of what is applied
/// together, one that comes may be looked at before another one that goes. `newcomer`: it was applied a moment ago.
pub(crate) fn contested(owner: &Owner, newcomer: bool, message: String) -> Explanation {
    match owner.goes {
        true => Explanation::new(reason::IN_USE, going(owner)),
        false if newcomer => Explanation::new(reason::IN_USE, message),
        false => Explanation::new(reason::OWNERSHIP_CONFLICT, message),
    }
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

/// What to do about an emnify object that does not exist.
#[derive(Debug)]
pub(crate) enum Absent<C> {
    /// Only look on.
    Observed,
    /// It was there, and is not made anew by itself.
    Vanished,
    /// Make it.
    Create(C),
    /// A person must act.
    Stall(Explanation),
}

/// Rows 17 to 19. `known`: its id, if it was there before and nothing says otherwise; `once`: it costs
/// money, or with it goes something that cannot be made anew.
pub(crate) fn absent<K: Managed>(
    policies: &CommonSpec,
    want: &K::Want,
    intent: Option<&Intent>,
    known: bool,
    once: bool,
) -> Absent<K::Change> {
    if policies.management() == ManagementPolicy::Observe {
        return Absent::Observed; // 17
    }
    let (Some(create), None) = (K::create(want, intent), &policies.id) else {
        return Absent::Stall(Explanation::new(reason::NOT_FOUND, not_found::<K>(policies, want))); // 18
    };
    if known && (policies.drift() == DriftPolicy::Warn || once) {
        return Absent::Vanished; // 19
    }
    Absent::Create(create)
}

fn not_found<K: Managed>(policies: &CommonSpec, want: &K::Want) -> String {
    let kind = K::KIND;
    if let Some(id) = &policies.id {
        return format!("id: emnify has no {kind} {id}; correct spec.id, or remove it to create one");
    }
    let natural = K::find(want, None).into_iter().find(|find| matches!(find, Find::Natural(_)));
    match natural.as_ref().map(Find::key) {
        Some(Key { name, value }) => {
            format!("{name}: emnify has no {kind} {value}, and one cannot be created; correct it")
        }
        None => format!("emnify has no such {kind}, and one cannot be created"),
    }
}

/// How what emnify holds compares with what is wanted.
#[derive(Debug)]
pub(crate) enum Compared<C> {
    /// These differ, and are only reported: by the policy, or because no call changes them.
    Reported(Vec<FieldDiff>),
    /// A person must act.
    Stall(Explanation),
    /// Another one has to be made in its place.
    Renew(Option<Timestamp>),
    /// To be sent, first one first.
    Changes(Vec<C>),
    /// A change that was sent takes a while.
    Waits(Explanation),
    /// emnify is not done with it.
    Busy(Busy),
    /// emnify gave it up, and a person must act; look again at this time.
    Broken(Explanation, Option<Timestamp>),
    /// In step, until this time.
    InStep(Option<Timestamp>),
}

/// How far emnify is with changes that it accepted and carries out later.
pub(crate) type Progress<'a, C> = dyn Fn(&C) -> Option<UnderWay> + 'a;

/// The first change was accepted: it is waited for, or a person must act. `working`: what is told meanwhile.
pub(crate) fn accepted<C: Change>(
    changes: &[C],
    progress: &Progress<'_, C>,
    working: (&'static str, Waiting),
) -> Option<Result<Busy, Explanation>> {
    let first = changes.first().filter(|change| change.accepted())?;
    let (reason, waiting) = working;
    Some(match progress(first)? {
        UnderWay::Carrying(poll) => {
            let told = Explanation::new(reason, format!("{first}: accepted, emnify carries it out"));
            Ok(Busy { told, waiting, poll, wake_at: None })
        }
        UnderWay::Overdue(_) => {
            let message = format!(
                "{first}: emnify accepted the change and did not carry it out in ten minutes; look at it in the portal, edit the object, or ask for a new try with the annotation {}",
                reason::annotation::REFRESH
            );
            Err(Explanation::new(reason::UNSETTLED, message))
        }
    })
}

/// What emnify does with an object that does not differ.
fn phase<K: Managed>(have: &Have<K>, now: Timestamp, wake_at: Option<Timestamp>) -> Compared<K::Change> {
    match K::phase(have, now) {
        Phase::Settled => Compared::InStep(wake_at),
        Phase::Busy { poll, reason, message } => {
            let told = Explanation::new(reason, message);
            Compared::Busy(Busy { told, waiting: Waiting::Working, poll, wake_at })
        }
        Phase::Broken { reason, message } => Compared::Broken(Explanation::new(reason, message), wake_at),
    }
}

/// emnify is taking down what is to be retired: it goes by itself, however long that takes.
pub(crate) fn going_down<K: Managed>(have: &Have<K>, context: &Context<'_, K>) -> Option<Busy> {
    match K::phase(have, context.now) {
        Phase::Busy { poll, reason: reason::DELETING, message } => {
            let told = Explanation::new(reason::DELETING, message);
            Some(Busy { told, waiting: Waiting::Working, poll, wake_at: None })
        }
        Phase::Busy { .. } | Phase::Broken { .. } | Phase::Settled => None,
    }
}

/// Rows 24 to 27. `progress`: how far emnify is with what it accepted. What `ignoreFields` names does not differ.
pub(crate) fn compare<K: Managed>(
    policies: &CommonSpec,
    want: &K::Want,
    have: &Have<K>,
    context: &Context<'_, K>,
    progress: &Progress<'_, K::Change>,
) -> Compared<K::Change> {
    let ignored = |path: &str| policies.ignore_fields.iter().any(|entry| covers(entry, path));
    let mut diff = K::diff(want, have, context);
    diff.changes = diff.changes.into_iter().filter_map(|change| change.strip(&ignored)).collect();
    diff.immutable.retain(|field| !ignored(&field.path));
    if only_reports(policies, context.edited) {
        let mut fields: Vec<FieldDiff> = diff.changes.iter().flat_map(Change::fields).collect();
        fields.extend(diff.immutable);
        fields.extend(diff.reported);
        return if fields.is_empty() {
            phase(have, context.now, diff.wake_at)
        } else {
            Compared::Reported(fields)
        }; // 24
    }
    if let Some(invalid) = &diff.illegal {
        return Compared::Stall(Explanation::new(reason::INVALID_SPEC, invalid.to_string()));
    }
    if !diff.immutable.is_empty() {
        return Compared::Stall(Explanation::new(reason::IMMUTABLE_FIELD, immutable(&diff.immutable))); // 25
    }
    if diff.renew.is_some() {
        return Compared::Renew(diff.wake_at);
    }
    if let Some(told) = accepted(&diff.changes, progress, (reason::PROGRESSING, Waiting::Keep)) {
        return told.map_or_else(Compared::Stall, Compared::Busy); // 26a
    }
    if !diff.changes.is_empty() {
        return Compared::Changes(diff.changes); // 26
    }
    if let Some(what) = diff.waiting {
        return Compared::Waits(Explanation::new(reason::PROGRESSING, what));
    }
    if !diff.reported.is_empty() {
        return Compared::Reported(diff.reported);
    }
    phase(have, context.now, diff.wake_at) // 26b, 27
}

/// What differs is told and left as it is.
pub(crate) fn only_reports(policies: &CommonSpec, edited: bool) -> bool {
    policies.management() == ManagementPolicy::Observe || (policies.drift() == DriftPolicy::Warn && !edited)
}

fn immutable(fields: &[FieldDiff]) -> String {
    format!("{}; set it back, or have what emnify holds deleted and made anew", fixed(fields))
}

/// Fields that no call changes.
pub(crate) fn fixed(fields: &[FieldDiff]) -> String {
    format!("{} cannot be changed in emnify", list(fields))
}

/// True if an `ignoreFields` entry names the path or a parent of it.
pub(crate) fn covers(entry: &str, path: &str) -> bool {
    let entry = entry.strip_prefix("spec.").unwrap_or(entry);
    path.strip_prefix(entry).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

/// Fields that differ, for people.
pub(crate) fn list(fields: &[FieldDiff]) -> String {
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
