//! Plans over what runs: what an edit and a deletion send, and that what is as it should be sends nothing.

use std::{collections::BTreeSet, slice::from_ref};

use emnify::Lane;
use emnify_operator::plugin::plan::{Order, marked, page::Action, plan};
use emnify_simulator::Seed;
use serde_json::json;

use crate::{
    cases::{OBJECTS, SETS, STREAMS},
    rehearsals::{alike, changes, client, live, manifest, order, planned_calls, reader, stage_of},
    stage::{SEED, Stage},
};

/// Its Secret is not read, and it is left out.
const UNPLANNED: &str = "ApplicationToken";

/// What is sent while this happens.
async fn sent(stage: &Stage, happens: impl FnOnce(&Stage)) -> Vec<String> {
    let before = stage.wire.carried().len();
    happens(stage);
    stage.pass(600).await;
    let carried = stage.wire.carried_with_bodies()[before..].to_vec();
    alike(carried.into_iter().filter(|(what, _)| changes(what)))
}

/// The manifests over what runs; `prune`: what is in none of them is deleted.
async fn over(
    stage: &Stage,
    kind: &str,
    manifests: Order,
    prune: bool,
) -> (Vec<Action>, Vec<String>, String) {
    let (wire, running) = (&stage.wire, stage.cluster.object(kind, "a").into_iter().collect());
    let api = client(wire).await.api(Lane::Interactive);
    let marked = if prune { Some(marked(&api, &mut BTreeSet::new()).await) } else { None };
    let order = Order { running, marked, ..manifests };
    let (plan, outcome) = plan(&order, &reader(wire).await).await.unwrap();
    let actions = plan.objects.iter().map(|entry| entry.action).collect();
    assert!(!plan.fails(), "{plan:#?}");
    (actions, planned_calls(&outcome), format!("{plan:#?}"))
}

#[tokio::test(start_paused = true)]
async fn of_every_kind_what_runs_is_planned_as_it_is_edited_and_pruned() {
    for case in OBJECTS.iter().chain(STREAMS).chain(SETS).filter(|case| case.kind != UNPLANNED) {
        let wire = live(Seed::from_yaml(SEED).unwrap());
        let object = manifest(case.kind, "a", &(case.spec)());
        let stage = stage_of(&wire, from_ref(&object)).await;
        stage.ready(case.kind, "a").await;
        stage.pass(120).await;

        let (actions, calls, told) = over(&stage, case.kind, order(from_ref(&object)), false).await;
        assert_eq!((actions, calls), (vec![], vec![]), "{}: nothing is left to do: {told}", case.kind);

        let edited = manifest(case.kind, "a", &(case.edited)());
        let (_, calls, told) = over(&stage, case.kind, order(from_ref(&edited)), false).await;
        let done = sent(&stage, |stage| stage.cluster.apply_a(case.kind, "a", (case.edited)())).await;
        assert_eq!(calls, done, "{}: edited: {told}", case.kind);

        let (actions, calls, told) = over(&stage, case.kind, order(&[]), true).await;
        let done = sent(&stage, |stage| stage.cluster.delete_a(case.kind, "a")).await;
        assert_eq!(calls, done, "{}: pruned: {told}", case.kind);
        let gone = if case.kind == "Sim" { Action::Leave } else { Action::Delete };
        assert_eq!(actions, [gone], "{}: {told}", case.kind);
        println!("{}: {} to edit, {} to delete", case.kind, calls.len(), done.len());
        stage.stop().await;
    }
}

/// As where the cluster is gone: marks are all that tells.
#[tokio::test(start_paused = true)]
async fn of_every_kind_what_carries_the_mark_is_pruned_without_a_cluster() {
    for case in OBJECTS.iter().chain(STREAMS).chain(SETS).filter(|case| case.kind != UNPLANNED) {
        let wire = live(Seed::from_yaml(SEED).unwrap());
        let objects =
            [manifest(case.kind, "a", &(case.spec)()), manifest("Tag", "other", &json!({"name": "other"}))];
        let stage = stage_of(&wire, &objects).await;
        stage.ready(case.kind, "a").await;
        stage.pass(120).await;
        let api = client(&wire).await.api(Lane::Interactive);
        let order = Order { marked: Some(marked(&api, &mut BTreeSet::new()).await), ..order(&objects[1..]) };
        let (plan, outcome) = plan(&order, &reader(&wire).await).await.unwrap();
        let calls = planned_calls(&outcome);
        if calls.is_empty() {
            println!("{}: carries no mark: {:?}", case.kind, plan.notes);
            stage.stop().await;
            continue;
        }
        let actions: Vec<_> = plan.objects.iter().map(|entry| (&*entry.kind, entry.action)).collect();
        assert!(actions.contains(&(case.kind, Action::Delete)), "{plan:#?}");
        let done = sent(&stage, |stage| stage.cluster.delete_a(case.kind, "a")).await;
        // whether the manifest of a device set the state of its SIM, which is then suspended, no mark says
        let tells = !case.kind.starts_with("Endpoint");
        assert!(!tells || calls == done, "{}: {calls:#?} {done:#?} {plan:#?}", case.kind);
        stage.stop().await;
    }
}
