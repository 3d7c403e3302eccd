//! Policies, intents, renewal and failures: what the rows leave to them.

use super::case::{
    Case, bound, foreign, found, fresh, leaving, policy, present, renamed, row, strangers, trouble, unbound,
    want, wanting, with_intent, word,
};
use crate::{
    decide::{
        error_policy::Effect,
        known::{IntentState, Match, SecretState, Seen, Step, Workspace},
    },
    kind::{
        Change, reason,
        spec::{AdoptionPolicy, CommonStatus, DeletionPolicy, DriftPolicy, ManagementPolicy, Provenance},
    },
    session::guard::Tripped,
    toy::{BROKEN, BUSY, ToyChange, ToyPart, ToyRow},
};

fn adopting(found: Match<crate::toy::Toy>, allowed: Option<AdoptionPolicy>) -> String {
    policy(unbound(Seen::Present(found)), |c| c.adoption_policy = allowed).word()
}

#[test]
fn adoption_needs_a_word() {
    use AdoptionPolicy::{Force, IfUnowned, Never};
    for refused in [None, Some(Never)] {
        assert_eq!(
            adopting(strangers(), refused),
            "stall AlreadyExists",
            "the default is to leave others' objects alone"
        );
    }
    for allowed in [IfUnowned, Force] {
        assert_eq!(adopting(strangers(), Some(allowed)), "bind 7 Adopted");
    }
    assert_eq!(
        adopting(foreign(), Some(IfUnowned)),
        "stall OwnershipConflict",
        "somebody's mark is not nobody's"
    );
    assert_eq!(adopting(foreign(), Some(Force)), "bind 7 Adopted");
    assert_eq!(adopting(found(row()), Some(Never)), "bind 7 Created", "what carries our mark is ours");
    let message = unbound(Seen::Present(strangers())).message();
    assert!(message.contains("`id: \"7\"`"), "the line to add is printed: {message}");
    let message = unbound(Seen::Present(foreign())).message();
    assert!(message.contains("other/ns/a") && message.contains("adoptionPolicy: Force"), "{message}");
}

#[test]
fn an_explicit_id_is_consent_but_not_against_a_foreign_mark() {
    let named = |seen| policy(unbound(Seen::Present(seen)), |c| c.id = Some("7".into()));
    assert_eq!(named(strangers()).word(), "bind 7 Adopted");
    assert_eq!(named(foreign()).word(), "stall OwnershipConflict");
    let never = policy(named(strangers()), |c| c.adoption_policy = Some(AdoptionPolicy::Never));
    assert_eq!(never.word(), "bind 7 Adopted", "writing the id says more than the policy");
}

#[test]
fn observing_takes_nothing_over_and_needs_no_finalizer() {
    let observe = |case| policy(case, |c| c.management_policy = Some(ManagementPolicy::Observe));
    let without = |seen| Case { finalizer: false, ..unbound(Seen::Present(seen)) };
    assert_eq!(observe(without(strangers())).word(), "bind 7 Adopted");
    assert_eq!(
        observe(without(foreign())).word(),
        "bind 7 Adopted",
        "looking at a foreign object harms nobody"
    );
    assert_eq!(observe(Case { finalizer: false, ..bound() }).word(), "up to date");
    assert_eq!(observe(Case { seen: Seen::Present(foreign()), ..bound() }).word(), "up to date");
    let told = observe(renamed()).message();
    assert_eq!(told, "name: a -> b", "paths, old and new");
    let immutable = observe(wanting(bound(), |w| w.serial = Some("2".into())));
    assert_eq!(immutable.word(), "differs Drifted", "what cannot be changed is only reported");
}

#[test]
fn what_we_created_we_delete_and_what_we_adopted_stays() {
    use DeletionPolicy::{Delete, Orphan};
    use Provenance::{Adopted, Created};
    for (provenance, deletion, step) in [
        (Created, None, "retire state: 1"),
        (Created, Some(Delete), "retire state: 1"),
        (Created, Some(Orphan), "orphan"),
        (Adopted, None, "orphan"),
        (Adopted, Some(Delete), "retire state: 1"),
        (Adopted, Some(Orphan), "orphan"),
    ] {
        let mut case = policy(leaving(), |c| c.deletion_policy = deletion);
        case.status.provenance = Some(provenance);
        assert_eq!(case.word(), step, "{provenance:?} with {deletion:?}");
    }
}

#[test]
fn what_others_have_taken_over_is_not_deleted() {
    assert_eq!(Case { seen: Seen::Present(foreign()), ..leaving() }.word(), "orphan");
    let force = policy(Case { seen: Seen::Present(foreign()), ..leaving() }, |c| {
        c.adoption_policy = Some(AdoptionPolicy::Force);
    });
    assert_eq!(force.word(), "retire state: 1");
}

#[test]
fn an_intent_is_accounted_for_before_it_is_forgotten() {
    let unsent = |case| with_intent(case, IntentState::Unsent).word();
    assert_eq!(unsent(fresh()), "create", "nothing was sent yet, so send it");
    let deleting = Case { deleting: true, ..fresh() };
    assert_eq!(unsent(deleting), "clear intent", "deleted before the create was sent");
    assert_eq!(
        unsent(leaving()),
        "retire state: 1",
        "a renewal that was never sent does not hold up the end"
    );
    let open = |case| with_intent(case, IntentState::Open).word();
    assert_eq!(
        open(Case { deleting: true, ..unbound(Seen::Unknown) }),
        "wait Observing",
        "it may have made something"
    );
    let other = Match { ours: false, ..found(row()) };
    assert_eq!(open(unbound(Seen::Present(other))), "wait Observing", "not what the intent made");
    let lapsed = |case| with_intent(case, IntentState::Lapsed).word();
    assert_eq!(lapsed(Case { deleting: true, ..fresh() }), "clear intent");
    assert_eq!(lapsed(unbound(Seen::Present(found(row())))), "bind 7 Created", "late, but found");
    assert_eq!(lapsed(unbound(Seen::Unknown)), "wait Observing", "only a complete listing clears it");
}

#[test]
fn a_finalizer_comes_before_any_effect() {
    let seen = || Case { finalizer: false, ..unbound(Seen::Present(found(row()))) };
    assert_eq!(seen().word(), "add finalizer");
    assert_eq!(Case { finalizer: false, ..renamed() }.word(), "add finalizer");
    let suspended = Case { suspended: true, ..seen() };
    assert_eq!(suspended.word(), "wait Suspended", "a suspended object is not touched at all");
}

#[test]
fn a_renewal_keeps_the_old_object_until_the_new_one_is_bound() {
    let renewing = || Case { secret: SecretState::Ours, ..wanting(bound(), |w| w.renew = true) };
    assert_eq!(renewing().word(), "record intent");
    assert_eq!(with_intent(renewing(), IntentState::Unsent).word(), "create");
    let made = Match { id: 8.into(), ..found(ToyRow { id: 8, ..row() }) };
    let bind = with_intent(Case { seen: Seen::Present(made), ..renewing() }, IntentState::Open);
    assert_eq!(bind.word(), "bind 8 Created");
    let lost = Case { secret: SecretState::Missing, ..renewing() };
    assert_eq!(
        with_intent(lost, IntentState::Unsent).word(),
        "reserve secret",
        "there is a place before there is a token"
    );
    let foreign = Case { secret: SecretState::Foreign, ..renewing() };
    assert_eq!(foreign.word(), "stall SecretNotOwned");
    let refused = renewing().rejected(&ToyChange::Create(crate::toy::ToyWant { renew: true, ..want() }));
    assert_eq!(refused.word(), "stall Rejected");
}

#[test]
fn ignored_fields_are_set_on_creation_and_left_alone_afterwards() {
    let ignoring = |entry: &str, change: &dyn Fn(&mut crate::toy::ToyWant)| {
        policy(wanting(bound(), change), |c| c.ignore_fields = vec![entry.into()]).word()
    };
    let follows: &dyn Fn(&mut crate::toy::ToyWant) = &|w| w.follows = Some(9);
    assert_eq!(ignoring("profile.follows", follows), "up to date");
    assert_eq!(ignoring("spec.profile", follows), "up to date", "a parent covers its fields");
    assert_eq!(ignoring("prof", follows), "apply follows: 0 -> 9", "half a name covers nothing");
    assert_eq!(ignoring("name", follows), "apply follows: 0 -> 9");
    assert_eq!(
        ignoring("serial", &|w| w.serial = Some("2".into())),
        "up to date",
        "not even reported as immutable"
    );
    let both: &dyn Fn(&mut crate::toy::ToyWant) = &|w| {
        w.follows = Some(9);
        w.name = Some("b".into());
    };
    assert_eq!(ignoring("name", both), "apply follows: 0 -> 9", "the other change is still sent");
    let creating =
        policy(with_intent(fresh(), IntentState::Unsent), |c| c.ignore_fields = vec!["name".into()]);
    let Step::Create(ToyChange::Create(wanted)) = creating.decide() else { panic!("it is created") };
    assert_eq!(wanted.name.as_deref(), Some("a"));
    assert!(
        ToyChange::Create(want()).strip(&|_| true).is_some(),
        "a change without fields cannot be ignored"
    );
}

#[test]
fn warn_reports_drift_and_applies_edits() {
    let warn =
        |edited| policy(Case { edited, ..renamed() }, |c| c.drift_policy = Some(DriftPolicy::Warn)).word();
    assert_eq!(warn(false), "differs Drifted");
    assert_eq!(warn(true), "apply name: a -> b", "an edit of the spec is not drift");
}

#[test]
fn a_state_is_applied_on_an_edit_and_never_repaired_as_drift() {
    let disabled =
        |edited| Case { edited, ..wanting(present(ToyRow { status: 1, ..row() }), |w| w.state = Some(0)) };
    assert_eq!(disabled(true).word(), "apply state: 0");
    assert_eq!(disabled(false).word(), "differs Drifted");
    let broken = wanting(present(ToyRow { status: BROKEN, ..row() }), |w| w.state = Some(0));
    assert_eq!(broken.word(), "stall InvalidSpec", "a transition that emnify does not have");
    assert_eq!(
        present(ToyRow { status: BUSY, ..row() }).word(),
        "wait Progressing",
        "not wrong, and not done"
    );
}

#[test]
fn pieces_are_read_before_the_object_is_compared() {
    let missing = Match { missing: vec![ToyPart::Tags], ..found(row()) };
    assert_eq!(Case { seen: Seen::Present(missing), ..renamed() }.word(), "read parts of 7");
    assert_eq!(wanting(bound(), |w| w.tag = Some(3)).word(), "apply tag: 3");
}

#[test]
fn a_secret_that_was_lost_is_reserved_again_and_a_foreign_one_is_left_alone() {
    assert_eq!(Case { secret: SecretState::Missing, ..bound() }.word(), "reserve secret");
    assert_eq!(Case { secret: SecretState::Foreign, ..renamed() }.word(), "stall SecretNotOwned");
    let unread = Case { secret: SecretState::Unknown, ..with_intent(fresh(), IntentState::Unsent) };
    assert_eq!(unread.word(), "wait Observing", "nothing is minted before its place is known");
}

#[test]
fn a_failed_attempt_is_not_repeated_before_its_pause_is_over() {
    let unavailable = |seconds| Some(trouble(reason::UNAVAILABLE, Effect::Keep, seconds));
    for (case, step) in
        [(renamed(), "apply name: a -> b"), (leaving(), "retire state: 1"), (fresh(), "record intent")]
    {
        let (paused, over) = (unavailable(5), unavailable(-1));
        let held = Case {
            trouble: paused,
            wanted: case.wanted.clone(),
            common: case.common.clone(),
            ..clone_of(&case)
        };
        assert_eq!(held.word(), "wait Unavailable", "{step} waits");
        assert_eq!(Case { trouble: over, ..case }.word(), step);
    }
    assert_eq!(
        Case { trouble: unavailable(5), ..bound() }.word(),
        "up to date",
        "nothing to send, nothing to wait for"
    );
}

/// The same situation again, without what differs from a bound object beyond its life.
fn clone_of(case: &Case) -> Case {
    let status: CommonStatus = case.status.clone();
    let seen = if status.id.is_some() { Seen::Present(found(row())) } else { Seen::Absent };
    Case { status, seen, deleting: case.deleting, edited: case.edited, ..bound() }
}

#[test]
fn an_undecodable_object_stalls_and_can_be_deleted() {
    let broken = || Case { undecodable: Some("missing field"), ..bound() };
    assert_eq!(broken().word(), "stall Undecodable");
    assert_eq!(Case { deleting: true, ..broken() }.word(), "retire state: 1");
    let nothing = Case { deleting: true, status: CommonStatus::default(), ..broken() };
    assert_eq!(nothing.word(), "remove finalizer");
    let down = Case { workspace: Workspace::NotReady("down".into()), ..broken() };
    assert_eq!(down.word(), "stall Undecodable", "it needs no API to be told");
}

#[test]
fn messages_are_short_and_name_the_mend() {
    let many: Vec<String> = (0..9).map(|i| format!("Toy {i}")).collect();
    let message = Case { used_by: many, ..leaving() }.message();
    let referrers = "still referred to by Toy 0, Toy 1, Toy 2, Toy 3, Toy 4 and 4 more; ";
    assert!(message.starts_with(referrers), "{message}");
    assert!(message.ends_with("emnify.io/force-orphan=true"), "a deletion cannot be taken back: {message}");
    let held = Case { guard: Err(Tripped::of_three()), ..leaving() }.message();
    assert!(held.ends_with("emnify.io/force-orphan=true"), "nor can one that the guard holds: {held}");
    let vanished =
        policy(Case { seen: Seen::Absent, ..bound() }, |c| c.drift_policy = Some(DriftPolicy::Warn));
    assert!(vanished.message().contains(reason::annotation::REFRESH), "what to do is said");
    let moved = Case { workspace: Workspace::Ready { organisation: "43".into() }, ..bound() };
    assert!(moved.message().contains(reason::annotation::FORCE_ORPHAN), "so is the way out");
    assert_eq!(word(&bound().decide()), "up to date");
}

#[test]
fn what_cannot_be_created_is_named_by_its_natural_key() {
    let missing = |serial: Option<&str>| {
        wanting(fresh(), |w| {
            w.existing = true;
            w.serial = serial.map(str::to_owned);
        })
    };
    let message = missing(Some("89")).message();
    assert!(
        message.starts_with("serial: ") && message.contains("89") && message.contains("correct it"),
        "{message}"
    );
    assert!(!missing(None).message().contains("[k8s"), "our mark is no field of the spec");
}
