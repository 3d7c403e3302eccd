//! Batches of SIMs: registered once, and what is told where that is not so.

use emnify_simulator::state::{SimState, State};
use serde_json::{Value, json};

use crate::{
    deeds::{BIC, Deed},
    operations::platform,
    stage::Stage,
    wire::{Asked, Wrong},
};

const KIND: &str = "SimBatch";
/// Of another organisation, and registered before.
const FOREIGN: &str = "0123-4567-90";
const BEFORE: &str = "0123-4567-91";

fn registers(asked: &Asked) -> bool {
    asked.method == "PATCH" && asked.is("/sim_batch/")
}

/// What becomes of a batch, where emnify is made so before.
async fn status_of(spec: Value, furnish: impl FnOnce(&mut State)) -> (Stage, Value) {
    let (cluster, wire) = platform(Deed::named(KIND));
    wire.simulator.edit(furnish).unwrap();
    let stage = Stage::on(cluster.clone(), wire).await;
    cluster.apply_a(KIND, "op", spec);
    let status = stage.finishes("it ends").await;
    (stage, status)
}

fn ready(status: &Value) -> Value {
    let all = status["conditions"].as_array().cloned().unwrap_or_default();
    all.into_iter().find(|condition| condition["type"] == "Ready").unwrap_or_default()
}

fn sent(stage: &Stage, method: &str) -> usize {
    let path = format!("{method} /api/v1/sim_batch/bic/");
    stage.wire.carried().iter().filter(|asked| asked.starts_with(&path)).count()
}

#[tokio::test(start_paused = true)]
async fn a_batch_is_registered_and_its_sims_are_told_in_ranges() {
    let (stage, status) = status_of(json!({"bic": BIC}), |_| {}).await;
    let ranges = json!([
        {"from": "8988303000000050000", "to": "8988303000000050001"},
        {"from": "8988303000000050003", "to": "8988303000000050003"}
    ]);
    assert_eq!((&status["phase"], &status["sims"]), (&json!("Complete"), &json!(3)), "{status:#}");
    assert_eq!(status["iccidRanges"], ranges, "{status:#}");
    assert!(status["rangesTruncated"].is_null() && status["completedAt"].is_string(), "{status:#}");
    let told = ready(&status);
    assert_eq!((&told["status"], &told["reason"]), (&json!("True"), &json!("Complete")), "{status:#}");
    assert_eq!(told["message"], "3 SIMs registered", "{status:#}");
    let sims = stage.wire.simulator.inspect(|state| {
        let sims = &state.organisations[&1001].sims;
        sims.values()
            .filter(|sim| sim.iccid.starts_with("898830300000005") && sim.status == SimState::Issued)
            .count()
    });
    assert_eq!((sims, sent(&stage, "PATCH")), (3, 1));
    let listings =
        stage.wire.carried().iter().filter(|asked| asked.starts_with("GET /api/v1/endpoint")).count();
    assert_eq!(listings, 0, "no listing is read for it");
    stage.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_emnify_says_of_a_batch_before_is_what_becomes_of_it() {
    let cases = [
        (BEFORE, "Complete", "AlreadyRegistered", "registered already"),
        ("9999-9999", "Failed", "NotFound", "compare it with the box"),
        (FOREIGN, "Failed", "Rejected", "another organisation"),
    ];
    for (bic, phase, reason, message) in cases {
        let (stage, status) = status_of(json!({"bic": bic}), |_| {}).await;
        let told = ready(&status);
        assert_eq!((&status["phase"], &told["reason"]), (&json!(phase), &json!(reason)), "{bic}: {status:#}");
        assert!(told["message"].to_string().contains(message), "{bic}: {status:#}");
        assert!(status["sims"].is_null() && status["completedAt"].is_null(), "{bic}: {status:#}");
        assert_eq!(sent(&stage, "PATCH"), 0, "{bic}: nothing is sent");
        stage.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_registration_whose_answer_is_lost_is_found_and_not_made_twice() {
    let (cluster, wire) = platform(Deed::named(KIND));
    wire.fail(registers, Wrong::Answer(502, json!("a page of the gateway")));
    let stage = Stage::on(cluster.clone(), wire).await;
    cluster.apply_a(KIND, "op", json!({"bic": BIC}));
    stage.until_op("its answer is lost", |stage| !stage.wire.struck().is_empty()).await;
    let done = |state: &mut State| state.sim_batches.get_mut(&61).unwrap().registered_by = Some(1001);
    stage.wire.simulator.edit(done).unwrap();
    stage.wire.heal();
    let status = stage.finishes("it is found").await;
    let reason = ready(&status)["reason"].clone();
    assert_eq!((&status["phase"], &reason), (&json!("Complete"), &json!("AlreadyRegistered")), "{status:#}");
    assert_eq!(sent(&stage, "PATCH"), 0, "{:?}", stage.wire.carried());
    stage.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_refusal_that_does_not_say_why_is_asked_about() {
    let (cluster, wire) = platform(Deed::named(KIND));
    wire.fail(registers, Wrong::Answer(422, json!({"error_code": 1400, "message": "no"})));
    let stage = Stage::on(cluster.clone(), wire).await;
    cluster.apply_a(KIND, "op", json!({"bic": BIC}));
    let status = stage.finishes("it is refused").await;
    let told = ready(&status);
    assert_eq!((&status["phase"], &told["reason"]), (&json!("Failed"), &json!("Rejected")), "{status:#}");
    assert!(told["message"].to_string().contains("does not say why"), "{status:#}");
    assert_eq!(sent(&stage, "GET"), 2, "before and after");
    stage.stop().await;
}

#[tokio::test(start_paused = true)]
async fn factory_test_needs_a_plan_that_has_it() {
    let spec = json!({"bic": BIC, "state": "FactoryTest"});
    let plan = |allowed| {
        move |state: &mut State| {
            state.organisations.get_mut(&1001).unwrap().tariff_plan.factory_test_mode_allowed = allowed;
        }
    };
    let (stage, status) = status_of(spec.clone(), plan(false)).await;
    assert_eq!(
        (&status["phase"], &ready(&status)["reason"]),
        (&json!("Failed"), &json!("InvalidSpec")),
        "{status:#}"
    );
    assert_eq!(sent(&stage, "PATCH"), 0, "nothing is sent");
    stage.stop().await;
    let (stage, status) = status_of(spec, plan(true)).await;
    assert_eq!(status["phase"], "Complete", "{status:#}");
    let tested = stage.wire.simulator.inspect(|state| {
        let sims = &state.organisations[&1001].sims;
        sims.values().filter(|sim| sim.status == SimState::FactoryTest).count()
    });
    assert_eq!(tested, 3, "they come in Factory Test");
    stage.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_suspended_batch_waits_and_one_that_is_late_is_not_registered() {
    let (cluster, wire) = platform(Deed::named(KIND));
    let stage = Stage::on(cluster.clone(), wire).await;
    cluster.apply_a(KIND, "op", json!({"bic": BIC, "suspend": true}));
    stage.until_op("it says so", |stage| stage.op()["status"]["phase"] == "Suspended").await;
    stage.pass(600).await;
    assert_eq!(sent(&stage, "GET") + sent(&stage, "PATCH"), 0, "nothing is sent");
    cluster.apply_a(KIND, "op", json!({"bic": BIC, "validUntil": "2020-01-01T00:00:00Z"}));
    let status = stage.finishes("it is late").await;
    assert_eq!((&status["phase"], &ready(&status)["reason"]), (&json!("Failed"), &json!("DeadlineExceeded")));
    assert_eq!(sent(&stage, "PATCH"), 0, "nothing is sent");
    stage.stop().await;
}
