//! Plans of what is done once.

use emnify_operator::plugin::plan::page::Action;
use serde_json::json;

use crate::{
    deeds::{DEEDS, DEVICES, PEOPLE},
    operations::{platform, with_action},
    rehearsals::{both, manifest, planned},
};

/// What becomes of them only emnify knows, or what they need may only a person read; that is told.
const UNKNOWN: [&str; 5] = ["migrateSims", "euicc", "assignInclusiveVolume", "verifyRecipient", "resetMfa"];

#[tokio::test(start_paused = true)]
async fn of_every_action_what_is_planned_is_what_is_done() {
    let mut wrong = Vec::new();
    for deed in DEEDS {
        let (_, wire) = platform(deed);
        let mut objects = vec![manifest(deed.kind, "op", &with_action(deed, &(deed.action)()))];
        if deed.person {
            let password = json!({"name": "signing", "key": "key"});
            let user = json!({"username": PEOPLE.0, "passwordSecretRef": password});
            objects.push(manifest("Workspace", "default", &json!({"credentials": {"user": user}})));
        }
        let (plan, planned, done) = both(&wire, &objects).await;
        println!("{}: {} calls", deed.name, plan.calls);
        let actions: Vec<_> = plan.objects.iter().map(|entry| entry.action).collect();
        let known = !UNKNOWN.contains(&deed.name);
        let told = if known { plan.problems.is_empty() } else { plan.problems.len() == 1 };
        let foreseen = planned == done || (!known && planned.iter().all(|call| done.contains(call)));
        if !foreseen || planned.is_empty() || !told || actions != [Action::Run] || plan.fails() == known {
            wrong.push(format!("{}: planned {planned:#?}, done {done:#?}, {plan:#?}", deed.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test(start_paused = true)]
async fn a_trigger_does_not_fire_in_a_plan() {
    let (_, wire) = platform(&DEEDS[0]);
    let target = json!({"endpoints": [{"id": DEVICES[0].to_string()}]});
    let minutely = json!({"when": {"schedule": {"cron": "* * * * *"}},
        "operation": {"spec": {"target": target, "action": {"sendSms": {"payload": "hello"}}}}});
    let (plan, outcome) = planned(&wire, &[manifest("OperationTrigger", "often", &minutely)]).await;
    assert_eq!((outcome.requests.len(), outcome.unfinished), (0, false), "{plan:#?}");
    assert!(
        !plan.fails() && plan.notes[0].contains("OperationTrigger ns/often: what it does once it fires"),
        "{plan:#?}"
    );
}
