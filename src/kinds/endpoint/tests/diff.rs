use emnify_engine::kind::{Change as _, Diff};

use crate::kinds::{
    endpoint::{
        AddressSpace, Change, EndpointSimStatus, QuotaStatus, SetAllowance,
        change::{Create, Field, FieldChange, Patch, Traffic},
        diff::{assume, diff},
        quota,
        rows::Parts,
        tests::*,
    },
    sim::state::{SimState, status as sim_status},
};

fn decide(want: &Want, row: &Row, edited: bool) -> Diff<Change> {
    diff(want, row, &Parts::default(), memory(&created(), edited))
}

fn changes(want: &Want, row: &Row) -> Vec<String> {
    lines(&decide(want, row, true).changes)
}

#[test]
fn a_device_in_step_needs_nothing() {
    assert_eq!(changes(&want(|_| ()), &row(0)), [""; 0]);
    let named = Row { name: "renamed in the portal".into(), imei: Some("123456789012345f".into()), ..row(0) };
    assert_eq!(changes(&want(|_| ()), &named), [""; 0], "what the spec leaves out is left alone");
}

#[test]
fn only_what_differs_is_sent_and_reads_like_the_spec() {
    let want = want(|spec| {
        spec.name = Some("meter".into());
        spec.settings.enabled = Some(true);
        spec.settings.service_profile = Some(profile("14"));
    });
    assert_eq!(
        changes(&want, &row(0)),
        ["name: meter-1 -> meter; serviceProfile: 1 -> 14; enabled: false -> true"]
    );
}

#[test]
fn ignored_fields_are_taken_out_of_a_patch() {
    let want = want(|spec| {
        spec.name = Some("meter".into());
        spec.settings.enabled = Some(true);
    });
    let patch = decide(&want, &row(0), true).changes.remove(0);
    assert_eq!(patch.clone().strip(&|path| path == "name").unwrap().to_string(), "enabled: false -> true");
    assert_eq!(patch.strip(&|_| true), None);
}

#[test]
fn an_imei_counts_only_while_locked_and_by_its_first_14_digits() {
    let locked = |imei: &str| {
        let imei = imei.to_owned();
        want(move |spec| {
            spec.imei = Some(imei.into());
            spec.imei_lock = Some(true);
        })
    };
    let seen = Row { imei: Some("356938035643809f".into()), imei_lock: true, ..row(0) };
    assert_eq!(
        changes(&locked("3569380356438012"), &seen),
        [""; 0],
        "software version and filler do not count"
    );
    assert_eq!(
        changes(&locked("990000862471854"), &seen),
        ["imei: 356938035643809f -> 990000862471854"],
        "another device"
    );
    let unlocked = want(|spec| spec.imei = Some("990000862471854".into()));
    assert_eq!(changes(&unlocked, &seen), [""; 0], "the network reports what it sees");
}

#[test]
fn an_address_travels_with_its_space() {
    let want = want(|spec| {
        spec.ip_address = Some("10.0.0.4".into());
        spec.settings.ip_address_space =
            Some(Box::new(AddressSpace { id: Some("4".into()), ..AddressSpace::default() }));
    });
    let moved = Row { address: Some("10.0.0.9".into()), space: Some(4), ..row(0) };
    assert_eq!(changes(&want, &moved), ["ipAddress: 10.0.0.9 -> 10.0.0.4; ipAddressSpace: 4 -> 4"]);
}

#[test]
fn a_sim_is_assigned_before_its_state_is_set() {
    let want = want(|spec| set_state(spec, SimState::Activated));
    let mut row = Row { sim: None, ..row(0) };
    let first = decide(&want, &row, true);
    assert_eq!(lines(&first.changes), ["sim: none -> 70"]);
    assert!(first.changes[0].unsettles(), "the new SIM brings its own state");
    assume(&first.changes[0], &mut row, &mut Parts::default());
    let second = decide(&want, &row, true);
    assert!(second.changes.is_empty() && second.waiting.is_some(), "its state has to be read");
    row.sim.as_mut().unwrap().status = Some(sim_status::ISSUED);
    assert_eq!(changes(&want, &row), ["sim.state: Issued -> Activated"]);
}

#[test]
fn a_sim_that_an_edit_takes_off_is_suspended_first_if_its_state_was_ours() {
    let without = want(|spec| spec.sim = Some(EndpointSim { none: Some(true), ..EndpointSim::default() }));
    let other = Want { sim: Some(Some(71)), ..without.clone() };
    let mut status = created();
    let sim = EndpointSimStatus { id: "70".into(), managed: Some(true), ..EndpointSimStatus::default() };
    status.sim = Some(sim);
    let decide = |want: &Want, row: &Row, status: &EndpointStatus, edited| {
        diff(want, row, &Parts::default(), memory(status, edited)).changes
    };
    for (want, patch) in [(&without, "sim: 70 -> none"), (&other, "sim: 70 -> 71")] {
        let mut row = row(sim_status::ACTIVATED);
        let sent = decide(want, &row, &status, true);
        let suspends = "sim.state: Activated -> Suspended, because SIM 70 leaves the device";
        assert_eq!(lines(&sent), [suspends, patch], "first the costs, while the device still has it");
        assert!(sent[0].class().urgent && !sent[0].repeatable());
        assume(&sent[0], &mut row, &mut Parts::default());
        assert_eq!(lines(&decide(want, &row, &status, true)), [patch], "after a crash the rest follows");
    }
    for state in [sim_status::ISSUED, sim_status::SUSPENDED, sim_status::FACTORY_TEST] {
        assert_eq!(
            lines(&decide(&without, &row(state), &status, true)),
            ["sim: 70 -> none"],
            "only from Activated"
        );
    }
    let active = row(sim_status::ACTIVATED);
    assert_eq!(lines(&decide(&without, &active, &status, false)), ["sim: 70 -> none"], "never as drift");
    status.sim.as_mut().unwrap().id = "69".into();
    assert_eq!(
        lines(&decide(&without, &active, &status, true)),
        ["sim: 70 -> none"],
        "another SIM is not ours"
    );
    assert_eq!(
        lines(&decide(&without, &active, &created(), true)),
        ["sim: 70 -> none"],
        "nor an unmanaged one"
    );
}

#[test]
fn a_tag_is_one_tag_however_it_is_written() {
    let mut want = want(|spec| spec.settings.tags = Some(vec!["prod".into()]));
    want.tags = Some(vec![tag(6, "prod")]);
    want.mark = None;
    let have = |tags: Vec<Tag>| Row { tags: Some(tags.into()), ..row(0) };
    let decide = |row: &Row| lines(&diff(&want, row, &Parts::default(), memory(&created(), false)).changes);
    assert_eq!(decide(&have(vec![tag(6, "Prod")])), [""; 0], "its id says that it is there");
    assert_eq!(decide(&have(vec![tag(7, "prod")])), ["tags: add prod"], "another tag of that name is not it");
}

#[test]
fn a_state_is_applied_on_an_edit_and_reported_as_drift() {
    let want = want(|spec| set_state(spec, SimState::Activated));
    let drift = decide(&want, &row(sim_status::SUSPENDED), false);
    assert!(drift.changes.is_empty(), "never activated again as drift");
    assert_eq!(drift.reported[0].to_string(), "sim.state: Suspended -> Activated");
    assert_eq!(changes(&want, &row(sim_status::SUSPENDED)), ["sim.state: Suspended -> Activated"]);
}

#[test]
fn factory_test_is_satisfied_by_activated_and_set_through_the_sim_alone() {
    let want = want(|spec| set_state(spec, SimState::FactoryTest));
    assert_eq!(changes(&want, &row(sim_status::ACTIVATED)), [""; 0]);
    let start = decide(&want, &row(sim_status::ISSUED), true).changes;
    assert_eq!(lines(&start), ["sim.state: Issued -> FactoryTest"]);
    assert_eq!(start[0].batch(), None, "not through a bulk patch of devices");
}

#[test]
fn a_device_in_factory_test_is_not_enabled_or_disabled_without_consent() {
    let enable = |acknowledged| {
        want(move |spec| {
            spec.settings.enabled = Some(true);
            spec.name = Some("meter".into());
            spec.settings.acknowledge_factory_test_end = acknowledged;
        })
    };
    let refused = decide(&enable(None), &row(sim_status::FACTORY_TEST), true);
    assert_eq!(lines(&refused.changes), ["name: meter-1 -> meter"], "the rest goes on");
    let why = refused.illegal.expect("a person must decide");
    assert_eq!(why.path, "enabled");
    assert!(why.message.contains("acknowledgeFactoryTestEnd"), "the message names the mend");
    let consented = decide(&enable(Some(true)), &row(sim_status::FACTORY_TEST), true);
    assert!(consented.illegal.is_none() && consented.changes.len() == 1);
}

#[test]
fn a_wanted_activation_ends_the_test_before_the_device_is_touched() {
    let want = want(|spec| {
        spec.settings.enabled = Some(true);
        set_state(spec, SimState::Activated);
    });
    let first = decide(&want, &row(sim_status::FACTORY_TEST), true);
    assert_eq!(lines(&first.changes), ["sim.state: FactoryTest -> Activated"]);
    assert!(first.illegal.is_none(), "state: Activated is consent");
    assert_eq!(changes(&want, &row(sim_status::ACTIVATED)), ["enabled: false -> true"]);
}

#[test]
fn an_illegal_state_names_the_field() {
    let want = want(|spec| set_state(spec, SimState::Suspended));
    let refused = decide(&want, &row(sim_status::ISSUED), true);
    assert_eq!(refused.illegal.unwrap().path, "sim.state");
}

#[test]
fn a_device_in_a_state_that_nobody_knows_is_waited_for_and_the_rest_is_sent() {
    let want = want(|spec| {
        spec.name = Some("meter".into());
        spec.settings.enabled = Some(true);
    });
    let passing = Row { status: 7, ..row(0) };
    let found = decide(&want, &passing, true);
    assert_eq!(lines(&found.changes), ["name: meter-1 -> meter"], "nothing is sent against it");
    assert!(found.illegal.is_none(), "it is nobody's mistake");
    assert!(found.waiting.is_some_and(|why| why.contains("state 7")));
}

#[test]
fn missing_tags_are_made_then_added_and_only_ours_are_removed() {
    let mut want = want(|spec| spec.settings.tags = Some(vec!["roof".into(), "north".into()]));
    let have = Row { tags: Some(vec![tag(5, "k8s:prod"), tag(6, "theirs"), tag(7, "old")].into()), ..row(0) };
    let mut status = created();
    status.tags = vec!["old".into()];
    let decide = |want: &Want| lines(&diff(want, &have, &Parts::default(), memory(&status, true)).changes);
    assert_eq!(decide(&want), ["create tag roof", "create tag north", "tags: remove old"]);
    for (id, tag) in (20..).zip(want.tags.iter_mut().flatten()) {
        tag.id = Some(id);
    }
    assert_eq!(decide(&want), ["tags: add roof, north", "tags: remove old"]);
}

#[test]
fn what_we_made_is_marked_and_what_we_adopted_is_not() {
    let bare = Row { tags: Some(Vec::new().into()), ..row(0) };
    let mut want = want(|_| ());
    want.mark = Some(tag(5, "k8s:prod"));
    let add = diff(&want, &bare, &Parts::default(), memory(&created(), false)).changes;
    assert_eq!(lines(&add), ["tags: add k8s:prod"]);
    assert!(add[0].batch().is_some(), "many devices in one call");
    let mut adopted = created();
    adopted.common.provenance = Some(emnify_engine::kind::spec::Provenance::Adopted);
    let none = diff(&want, &bare, &Parts::default(), memory(&adopted, false)).changes;
    assert!(none.is_empty(), "the mark would be consent to delete");
    let unknown = Row { tags: None, ..bare };
    assert!(
        diff(&want, &unknown, &Parts::default(), memory(&created(), false)).changes.is_empty(),
        "unseen is not gone"
    );
}

#[test]
fn the_blocklist_is_exactly_the_specs() {
    let mut want = want(|_| ());
    let parts = Parts { blocklist: Some(vec![3, 4]), ..Parts::default() };
    let decide = |want: &Want| lines(&diff(want, &row(0), &parts, memory(&created(), true)).changes);
    assert_eq!(decide(&want), [""; 0], "unset is unmanaged");
    want.blocklist = Some(vec![4, 5]);
    assert_eq!(decide(&want), ["operatorBlocklist: add 5", "operatorBlocklist: remove 3"]);
}

fn allowance() -> quota::Want {
    let term = quota::Want::term("quota.data", Some(&"720h".into()), None).unwrap();
    quota::Want { allowance: 100.0, term, auto_refill: None, threshold: None }
}

#[test]
fn an_allowance_is_there_before_a_profile_that_applies_it_and_leaves_after_it() {
    let mut give = want(|spec| spec.settings.service_profile = Some(profile("14")));
    give.data_quota = Some(allowance());
    let none = Parts { data_quota: Some(None), ..Parts::default() };
    let order = lines(&diff(&give, &row(0), &none, memory(&created(), true)).changes);
    assert_eq!(order, ["quota.data.allowance: none -> 100", "serviceProfile: 1 -> 14"]);
    let mut status = created();
    let set = SetAllowance { allowance: "100".into(), term: "720h".into(), ends: None };
    status.quota = Some(Box::new(QuotaStatus { data: Some(set), sms: None }));
    let take = want(|spec| spec.settings.service_profile = Some(profile("14")));
    let order = lines(&diff(&take, &row(0), &Parts::default(), memory(&status, true)).changes);
    assert_eq!(order, ["serviceProfile: 1 -> 14", "quota.data: remove"]);
}

#[test]
fn an_allowance_of_somebody_else_is_left_alone() {
    let parts = Parts { data_quota: Some(Some(quota::Live::default())), ..Parts::default() };
    assert!(diff(&want(|_| ()), &row(0), &parts, memory(&created(), true)).changes.is_empty());
}

#[test]
fn the_mirror_believes_what_was_accepted() {
    let (mut row, mut parts) = (row(sim_status::ISSUED), Parts::default());
    let mut want = want(|spec| {
        spec.name = Some("meter".into());
        spec.settings.enabled = Some(true);
        set_state(spec, SimState::Activated);
    });
    want.blocklist = Some(vec![4]);
    want.data_quota = Some(allowance());
    parts.blocklist = Some(Vec::new());
    parts.data_quota = Some(None);
    let all = diff(&want, &row, &parts, memory(&created(), true)).changes;
    assert_eq!(all.len(), 4);
    for change in &all {
        assume(change, &mut row, &mut parts);
    }
    let left = diff(&want, &row, &parts, memory(&created(), true));
    assert_eq!(lines(&left.changes), [""; 0], "every change brings the device into step");
}

/// Each change and how many devices it counts towards the guard: what may cut the device off, re-price it or start billing.
#[test]
fn the_guard_counts_what_may_cut_a_device_off_or_start_billing() {
    let made = |activate| {
        let create = crate::kinds::endpoint::diff::create(&want(|_| ())).unwrap();
        Change::Create(Create { activate, ..create })
    };
    let set = |set| Change::Patch(Patch(vec![Field { old: String::new(), set }]));
    let allows = |amount: f64| {
        let want = quota::Want { allowance: amount, ..allowance() };
        let post = quota::diff(&want, None, None, jiff::Timestamp::UNIX_EPOCH).unwrap();
        Change::SetQuota(Traffic::Data, post)
    };
    let state = |to| Change::SimState { sim: 1, from: 0, to };
    let rows = [
        (made(true), 1),
        (made(false), 0),
        (set(FieldChange::Name("a".into())), 0),
        (set(FieldChange::Enabled(true)), 0),
        (set(FieldChange::Enabled(false)), 1),
        (set(FieldChange::ServiceProfile(1)), 1),
        (set(FieldChange::TariffProfile(1)), 1),
        (set(FieldChange::Sim(None)), 1),
        (set(FieldChange::Sim(Some(1))), 1),
        (set(FieldChange::Imei("1".into())), 1),
        (set(FieldChange::ImeiLock(true)), 1),
        (set(FieldChange::ImeiLock(false)), 0),
        (set(FieldChange::Address("10.0.0.1".into())), 1),
        (set(FieldChange::Space(1)), 1),
        (state(SimState::Activated), 1),
        (state(SimState::Suspended), 1),
        (state(SimState::FactoryTest), 1),
        (Change::CreateTag("a".into()), 0),
        (Change::AddTags(Vec::new()), 0),
        (Change::RemoveTags(Vec::new()), 0),
        (Change::BlockOperator(1), 1),
        (Change::UnblockOperator(1), 0),
        (allows(5.0), 0),
        (allows(0.0), 1),
        (Change::DeleteQuota(Traffic::Data), 1),
        (Change::DeleteQuota(Traffic::Sms), 1),
        (Change::Delete { holds_sim: true }, 1),
        (Change::Delete { holds_sim: false }, 1),
    ];
    for (change, devices) in rows {
        assert_eq!(change.class().disturbs, devices, "{change:?}");
    }
}

#[test]
fn what_must_not_happen_twice_is_observed_first() {
    let create = crate::kinds::endpoint::diff::create(&want(|_| ())).map(Change::Create).unwrap();
    assert!(!create.repeatable(), "a device more");
    assert!(Change::Delete { holds_sim: false }.repeatable());
}

#[test]
fn a_refused_create_is_remembered_by_all_of_what_it_asked_for() {
    use emnify_engine::kind::Change as _;
    let create = crate::kinds::endpoint::diff::create(&want(|_| ())).unwrap();
    let request = Change::Create(create.clone()).request();
    assert!(request.starts_with("create name=") && request.contains(" imei= "), "{request}");
    let mended = [
        Create { imei: Some("35-209900-176148-1".into()), ..create.clone() },
        Create { name: "another".into(), ..create.clone() },
        Create { service_profile: create.service_profile + 1, ..create.clone() },
        Create { address: Some("10.0.0.9".into()), ..create },
    ];
    for mended in mended {
        assert_ne!(Change::Create(mended).request(), request, "what was corrected is sent at once");
    }
}
