//! One case for each row of the table and each situation that the row names: its step and its conditions column.

use super::case::{
    Case, GENERATION, ID, NOT_THERE, READY, SILENT, STALLED, Shown, WORKING, bound, foreign, found, fresh,
    leaving, now, policy, present, ready_of, renamed, row, shown, strangers, trouble, unbound, want, wanting,
    with_intent, word,
};
use crate::{
    decide::{
        error_policy::{Effect, Waiting},
        known::{IntentState, Match, SecretState, Seen, Step, Wanted, Workspace},
    },
    kind::{
        Invalid, reason,
        relations::Users,
        spec::{
            AdoptionPolicy, CommonSpec, CommonStatus, DeletionPolicy, DriftPolicy, ManagementPolicy,
            Provenance,
        },
    },
    session::{claims::Owner, guard::Tripped, mirror::UnderWay},
    toy::{GIVEN_UP, SLOW, STARTING, ToyChange, ToyPart, ToyRow},
};

/// What the conditions column says.
enum Column {
    /// As written.
    Is(Shown),
    /// `Ready=True` of this generation stays; anything else becomes F/T/-.
    Keep,
    /// `Ready=True` of any generation stays; anything else becomes F/T/-.
    KeepAny,
    /// Nothing that a reader would notice.
    Silent,
}
use Column::{Is, Keep, KeepAny, Silent};

type Row = (u8, &'static str, Case, &'static str, Column);

fn observe(common: &mut CommonSpec) {
    common.management_policy = Some(ManagementPolicy::Observe);
}

fn warn(common: &mut CommonSpec) {
    common.drift_policy = Some(DriftPolicy::Warn);
}

/// An object that leaves while the API cannot be used.
fn cut_off(change: impl FnOnce(&mut Case)) -> Case {
    let mut case = Case { workspace: Workspace::NotReady("down".into()), ..leaving() };
    change(&mut case);
    case
}

/// Somebody with the better right.
fn rival(name: &str) -> Owner {
    Owner { name: name.into(), goes: false }
}

/// An object that emnify did not delete because these use it there; the pause after that ends in so many seconds.
fn used(here: &[&str], nobodys: &[&str], seconds: i64) -> Case {
    let all = |names: &[&str]| names.iter().map(ToString::to_string).collect();
    let users = Some(Users { here: all(here), nobodys: all(nobodys) });
    Case { users, trouble: Some(trouble(reason::CONFLICT, Effect::Working, seconds)), ..leaving() }
}

/// Rows 1 to 5.
fn before_the_api() -> Vec<Row> {
    let other = || Workspace::Ready { organisation: "43".into() };
    let down = || Workspace::NotReady("credentials refused".into());
    let spec_suspends = policy(bound(), |c| c.management_policy = Some(ManagementPolicy::Suspend));
    vec![
        (1, "deleting, no finalizer", Case { finalizer: false, ..leaving() }, "nothing", Silent),
        (2, "force-orphan", cut_off(|c| c.force_orphan = true), "orphan", Silent),
        (
            2,
            "policy Orphan",
            cut_off(|c| c.common.deletion_policy = Some(DeletionPolicy::Orphan)),
            "orphan",
            Silent,
        ),
        (2, "Observe", cut_off(|c| observe(&mut c.common)), "orphan", Silent),
        (2, "adopted", cut_off(|c| c.status.provenance = Some(Provenance::Adopted)), "orphan", Silent),
        (2, "not the owner", cut_off(|c| c.owner = Some(rival("Toy ns/older"))), "orphan", Silent),
        (2, "CRD terminating", cut_off(|c| c.crd_terminating = true), "orphan", Silent),
        (2, "nothing claimed", cut_off(|c| c.status = CommonStatus::default()), "remove finalizer", Silent),
        (3, "organisation", Case { workspace: other(), ..bound() }, "stall WorkspaceChanged", Is(STALLED)),
        (3, "deleting", Case { workspace: other(), ..leaving() }, "stall WorkspaceChanged", Is(STALLED)),
        (
            3,
            "suspended",
            Case { suspended: true, workspace: other(), ..bound() },
            "stall WorkspaceChanged",
            Is(STALLED),
        ),
        (4, "by annotation", Case { suspended: true, ..bound() }, "wait Suspended", KeepAny),
        (4, "by spec", spec_suspends, "wait Suspended", KeepAny),
        (5, "workspace down", Case { workspace: down(), ..bound() }, "wait WorkspaceNotReady", Keep),
        (5, "deleting", Case { workspace: down(), ..leaving() }, "wait WorkspaceNotReady", Keep),
    ]
}

/// Rows 6 to 9.
fn intents_and_leaving() -> Vec<Row> {
    let open = |seen| with_intent(unbound(seen), IntentState::Open);
    let lapsed = with_intent(unbound(Seen::Absent), IntentState::Lapsed);
    let several = Seen::Several(vec![1.into(), 2.into()]);
    let made = || Seen::Present(found(row()));
    let unread = Match { missing: vec![ToyPart::Tags], ..found(row()) };
    let unread = Case { seen: Seen::Present(unread), ..leaving() };
    let half = Case { deleting: true, ..present(ToyRow { status: 1, ..row() }) };
    vec![
        (6, "its object is there", open(made()), "bind 7 Created", Is(WORKING)),
        (6, "several could be it", open(several), "stall AmbiguousCreate", Is(STALLED)),
        (6, "nothing seen yet", open(Seen::Unknown), "wait Observing", Is(WORKING)),
        (6, "nothing before the deadline", open(Seen::Absent), "wait Observing", Is(WORKING)),
        (6, "nothing after the deadline", lapsed, "clear intent", Is(WORKING)),
        (6, "in doubt", open(Seen::Doubt(ID.into())), "read 7", Is(WORKING)),
        (6, "deleting", Case { deleting: true, ..open(made()) }, "bind 7 Created", Is(WORKING)),
        (
            7,
            "used in emnify by what is managed here",
            used(&["Toy 8"], &["Toy 9"], 0),
            "wait InUse",
            Is(WORKING),
        ),
        (
            7,
            "used by nobody's, and the pause is not over",
            used(&[], &["Toy 9"], 5),
            "wait Conflict",
            Is(WORKING),
        ),
        (7, "used by nobody's", used(&[], &["Toy 9"], 0), "leave behind for Toy 9", Silent),
        (9, "used by nobody any more", used(&[], &[], 0), "retire state: 1", Is(WORKING)),
        (7, "referred to", Case { used_by: vec!["Toy b".into()], ..leaving() }, "wait InUse", Is(WORKING)),
        (
            8,
            "guard",
            Case { guard: Err(Tripped::of_three()), ..leaving() },
            "stall GuardTripped",
            Is(STALLED),
        ),
        (8, "refused", leaving().rejected(&ToyChange::State(1)), "stall Rejected", Is(STALLED)),
        (9, "a piece is not known", unread, "read parts of 7", Keep),
        (9, "present", leaving(), "retire state: 1", Is(WORKING)),
        (9, "half retired", half, "retire delete", Is(WORKING)),
        (9, "absent", Case { seen: Seen::Absent, ..leaving() }, "remove finalizer", Silent),
        (9, "unknown", Case { seen: Seen::Unknown, ..leaving() }, "wait Observing", Is(WORKING)),
    ]
}

/// Rows 10 to 16.
fn before_comparing() -> Vec<Row> {
    let invalid = Wanted::Invalid(Invalid::new("state", "no such state; use Enabled"));
    let likely = Match { likely: true, ..found(row()) };
    let takes = |c: &mut CommonSpec| c.adoption_policy = Some(AdoptionPolicy::IfUnowned);
    let going = Some(Owner { goes: true, ..rival("Toy ns/b") });
    let young = |seen| Case { owner: Some(rival("Toy ns/b")), object_created: Some(now()), ..unbound(seen) };
    let marked = Case { goes: true, ..unbound(Seen::Present(foreign())) };
    let missing = Wanted::ReferenceNotReady("follows: there is no Toy b".into());
    let allowed =
        policy(unbound(Seen::Present(strangers())), |c| c.adoption_policy = Some(AdoptionPolicy::IfUnowned));
    vec![
        (10, "no finalizer", Case { finalizer: false, ..fresh() }, "add finalizer", Silent),
        (
            25,
            "names another",
            policy(bound(), |c| c.id = Some("9".into())),
            "stall ImmutableField",
            Is(STALLED),
        ),
        (15, "names itself", policy(bound(), |c| c.id = Some("7".into())), "up to date", Is(READY)),
        (11, "reference", Case { wanted: missing, ..bound() }, "wait ReferenceNotReady", Keep),
        (12, "no request", Case { wanted: invalid, ..bound() }, "stall InvalidSpec", Is(STALLED)),
        (
            13,
            "claimed",
            Case { owner: Some(rival("Toy ns/b")), ..bound() },
            "stall OwnershipConflict",
            Is(STALLED),
        ),
        (13, "claimed by one that goes", Case { owner: going, ..bound() }, "wait InUse", Is(WORKING)),
        (13, "claimed, and just made", young(Seen::Absent), "wait InUse", Is(WORKING)),
        (13, "foreign mark, and just made", young(Seen::Present(foreign())), "wait InUse", Is(WORKING)),
        (13, "mark of one that goes", marked, "wait InUse", Is(WORKING)),
        (13, "foreign mark", unbound(Seen::Present(foreign())), "stall OwnershipConflict", Is(STALLED)),
        (
            13,
            "marked since",
            Case { seen: Seen::Present(foreign()), ..bound() },
            "stall OwnershipConflict",
            Is(STALLED),
        ),
        (14, "mirror not complete", Case { seen: Seen::Unknown, ..bound() }, "wait Observing", Keep),
        (14, "in doubt", Case { seen: Seen::Doubt(ID.into()), ..bound() }, "read 7", Keep),
        (15, "our mark", unbound(Seen::Present(found(row()))), "bind 7 Created", Silent),
        (15, "adoption allowed", allowed, "bind 7 Adopted", Silent),
        (
            16,
            "ours by name and mark only",
            policy(unbound(Seen::Present(likely)), takes),
            "stall AlreadyExists",
            Is(STALLED),
        ),
        (16, "not allowed", unbound(Seen::Present(strangers())), "stall AlreadyExists", Is(STALLED)),
    ]
}

/// Rows 17 to 23.
fn absent() -> Vec<Row> {
    let vanished = || Case { seen: Seen::Absent, ..bound() };
    let unsent = || with_intent(fresh(), IntentState::Unsent);
    let rename = ToyChange::Rename("a".into(), "b".into());
    let create = ToyChange::Create(want());
    vec![
        (17, "Observe", policy(fresh(), observe), "differs WouldCreate", Is(NOT_THERE)),
        (18, "cannot create", wanting(fresh(), |w| w.existing = true), "stall NotFound", Is(STALLED)),
        (18, "explicit id", policy(fresh(), |c| c.id = Some("9".into())), "stall NotFound", Is(STALLED)),
        (19, "Warn", policy(vanished(), warn), "stall Vanished", Is(STALLED)),
        (
            19,
            "minted secret",
            Case { secret: SecretState::Ours, ..vanished() },
            "stall Vanished",
            Is(STALLED),
        ),
        (
            20,
            "foreign Secret",
            Case { secret: SecretState::Foreign, ..unsent() },
            "stall SecretNotOwned",
            Is(STALLED),
        ),
        (21, "create refused", fresh().rejected(&create), "stall Rejected", Is(STALLED)),
        (21, "undone", Case { undone: true, ..renamed() }, "stall NotTaken", Is(STALLED)),
        (21, "change refused", renamed().rejected(&rename), "stall Rejected", Is(STALLED)),
        (
            22,
            "guard",
            Case { guard: Err(Tripped::of_three()), ..renamed() },
            "stall GuardTripped",
            Is(STALLED),
        ),
        (23, "absent", fresh(), "record intent", Is(WORKING)),
        (23, "intent recorded", unsent(), "create", Is(WORKING)),
        (
            23,
            "Secret missing",
            Case { secret: SecretState::Missing, ..unsent() },
            "reserve secret",
            Is(WORKING),
        ),
        (23, "Secret reserved", Case { secret: SecretState::Ours, ..unsent() }, "create", Is(WORKING)),
        (23, "gone for good", vanished(), "record intent", Is(WORKING)),
    ]
}

const TWO: std::time::Duration = std::time::Duration::from_secs(2);

/// An object of which emnify accepted a change.
fn slow(how_far: UnderWay) -> Case {
    Case { under_way: Some(how_far), ..present(ToyRow { name: SLOW.into(), ..row() }) }
}

/// An object in this state in emnify.
fn state(status: i64) -> Case {
    present(ToyRow { status, ..row() })
}

/// Rows 24 to 27.
fn there() -> Vec<Row> {
    vec![
        (24, "Observe", policy(renamed(), observe), "differs Drifted", Is(READY)),
        (24, "Warn", policy(renamed(), warn), "differs Drifted", Is(READY)),
        (
            25,
            "immutable",
            wanting(bound(), |w| w.serial = Some("2".into())),
            "stall ImmutableField",
            Is(STALLED),
        ),
        (26, "changes", renamed(), "apply name: a -> b", Keep),
        (26, "accepted", slow(UnderWay::Carrying(TWO)), "busy Progressing", Keep),
        (26, "accepted, ten minutes ago", slow(UnderWay::Overdue(TWO)), "stall Unsettled", Is(STALLED)),
        (26, "emnify sets it up", state(STARTING), "busy Provisioning", Is(WORKING)),
        (26, "emnify gave it up", state(GIVEN_UP), "broken Blocked", Is(STALLED)),
        (
            26,
            "observed, emnify sets it up",
            policy(state(STARTING), observe),
            "busy Provisioning",
            Is(WORKING),
        ),
        (27, "no changes", bound(), "up to date", Is(READY)),
    ]
}

/// Preparing and accounting for a create of a bound object (a renewal, a re-creation) does not lower `Ready` either.
fn prepares(step: &Step<crate::toy::Toy>) -> bool {
    matches!(
        step,
        Step::RecordIntent
            | Step::ReserveSecret
            | Step::ClearIntent
            | Step::Bind { .. }
            | Step::Read(_)
            | Step::Wait(_, Waiting::Keep)
    )
}

#[test]
fn each_row_gives_its_step_and_its_conditions() {
    let rows: Vec<Row> = [before_the_api(), intents_and_leaving(), before_comparing(), absent(), there()]
        .into_iter()
        .flatten()
        .collect();
    for number in 1..=27 {
        assert!(rows.iter().any(|r| r.0 == number), "row {number} of the table has a case");
    }
    for (row, situation, case, step, column) in rows {
        let name = format!("row {row}, {situation}");
        let decided = case.decide();
        assert_eq!(word(&decided), step, "{name}");
        let from_old = shown(&decided, ready_of(GENERATION - 1));
        let from_ready = shown(&decided, ready_of(GENERATION));
        match column {
            Is(wanted) => {
                assert_eq!(from_old, wanted, "{name}, after an edit");
                let kept = if prepares(&decided) { READY } else { wanted };
                assert_eq!(from_ready, kept, "{name}, from Ready");
            }
            KeepAny => {
                assert_eq!(from_old, READY, "{name}: Ready is kept whatever was edited");
                assert_eq!(shown(&decided, Vec::new()), WORKING, "{name}, at first sight");
            }
            Keep => {
                assert_eq!(from_ready, READY, "{name}: Ready=True of this generation stays");
                assert_eq!(from_old, WORKING, "{name}: Ready of an old generation does not count");
                assert_eq!(shown(&decided, Vec::new()), WORKING, "{name}, at first sight");
            }
            Silent => assert_eq!(from_ready, READY, "{name}: Ready stays"),
        }
    }
}

#[test]
fn what_is_let_go_gets_no_last_word() {
    for step in [Step::Nothing, Step::RemoveFinalizer { orphaned: true }] {
        assert_eq!(shown(&step, Vec::new()), SILENT, "a dash in the table writes nothing");
    }
}
