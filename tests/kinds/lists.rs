//! SIMs that are named one by one: in a `ConfigMap`, and some of them gone before the operation is over.

use std::time::Duration;

use serde_json::json;

use crate::{
    deeds::Deed,
    operations::{KIND, platform, with_action},
    stage::Stage,
    wire::Wrong,
};

const ICCIDS: [&str; 3] = ["8988303000000010001", "8988303000000010003", "8988303000000010004"];
const CONFIG_MAP: &str = "/api/v1/namespaces/ns/configmaps/scrap";

fn told(stage: &Stage) -> String {
    stage.op()["status"]["conditions"].to_string()
}

#[tokio::test(start_paused = true)]
async fn sims_of_a_config_map_are_waited_for_and_looked_at_again() {
    let deed = Deed::named("deleteSims");
    let (cluster, wire) = platform(deed);
    let stage = Stage::on(cluster.clone(), wire).await;
    let mut spec = with_action(deed, &(deed.action)());
    spec["target"] = json!({"sims": {"configMapRef": {"name": "scrap", "key": "iccids"}}});
    spec["confirm"] = json!({"targets": 3});
    cluster.apply_a(KIND, "op", spec);
    stage.until_op("it is missing", |stage| told(stage).contains("there is no ConfigMap scrap")).await;
    let holds = |text: String| {
        let metadata = json!({"name": "scrap", "namespace": "ns"});
        let map =
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"iccids": text}});
        cluster.put(CONFIG_MAP, map);
    };
    holds("# returned\n8988303000000019999\n".to_owned());
    stage
        .until_op("a SIM is unknown", |stage| told(stage).contains("line 2: the organisation has no SIM"))
        .await;
    assert!(stage.op()["status"]["startedAt"].is_null(), "nothing is sent");
    holds(ICCIDS.join(", "));
    let status = stage.finishes("they are there").await;
    assert_eq!(
        (&status["phase"], &status["targets"]["succeeded"]),
        (&json!("Complete"), &json!(3)),
        "{status:#}"
    );
    stage.stop().await;
}

#[tokio::test(start_paused = true)]
async fn sims_that_are_gone_by_the_next_listing_do_not_stop_the_rest() {
    let deed = Deed::named("migrateSims");
    let (cluster, wire) = platform(deed);
    wire.fail(deed.sends, Wrong::Slow(Duration::from_secs(5)));
    let stage = Stage::on(cluster.clone(), wire).await;
    let mut spec = with_action(deed, &(deed.action)());
    spec["target"] = json!({"sims": {"list": ICCIDS}});
    spec["parallelism"] = json!(1);
    cluster.apply_a(KIND, "op", spec.clone());
    stage.until_op("the first has moved", |stage| stage.op()["status"]["cursor"].is_string()).await;
    spec["suspend"] = json!(true);
    cluster.apply_a(KIND, "op", spec.clone());
    // SIMs are listed anew, without those that moved
    stage.pass(7_200).await;
    assert!(stage.op()["status"]["finishedAt"].is_null(), "it is suspended: {:#}", stage.op()["status"]);
    spec["suspend"] = json!(false);
    cluster.apply_a(KIND, "op", spec);
    let status = stage.finishes("it goes on").await;
    assert_eq!(
        (&status["phase"], &status["targets"]["succeeded"]),
        (&json!("Complete"), &json!(3)),
        "{status:#}"
    );
    stage.stop().await;
}
