//! A set beside devices of somebody else.

use http::Method;
use serde_json::{Value, json};

use super::{apply_settled, by_hand, devices, held, iccid, list, pool, set, stage_with, tags};
use crate::{
    portal::PortalClient,
    support::{ORGANISATION, Result, delete, holds, look, says},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_member_is_named_and_holds_up_nobody() -> Result<()> {
    const FOREIGN: u64 = 11_000_001;
    let stage = stage_with("fleet-bad", 4).await?;
    by_hand(&stage, FOREIGN, 1)?;
    stage.apply(&set(&list(&[0, 1, 2, 77, 3])).to_string()).await?;
    let named = |object: &Value| {
        let failures = object["status"]["failures"].as_array().cloned().unwrap_or_default();
        let names = |sim: u64, reason: &str| {
            failures.iter().any(|failure| failure["iccid"] == *iccid(sim) && failure["reason"] == reason)
        };
        object["status"]["readyReplicas"] == 3 && names(1, "AlreadyExists") && names(77, "NotFound")
    };
    stage.wait_for("EndpointSet", "meters", "at work on three and naming the other two", named).await?;
    look(&stage, |platform| {
        assert_eq!(devices(platform).len(), 4, "the other three are made");
        assert_eq!(platform.endpoints[&FOREIGN].name, "by hand", "and the foreign device is as it was");
    });

    let mut adopting = list(&[0, 1, 2, 3]);
    adopting["adoptionPolicy"] = json!("IfUnowned");
    apply_settled(&stage, &set(&adopting), 4).await?;
    assert_eq!(look(&stage, |platform| platform.endpoints[&FOREIGN].name.clone()), "Meter 0001");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_of_a_set_belongs_to_nobody_else() -> Result<()> {
    let stage = stage_with("fleet-thief", 3).await?;
    apply_settled(&stage, &set(&pool(3)), 3).await?;
    let thief = |policy: &str| {
        json!({
            "apiVersion": "emnify.io/v1alpha1", "kind": "Endpoint", "metadata": {"name": "thief"},
            "spec": {
                "name": "Stolen", "serviceProfile": {"id": "101"}, "tariffProfile": {"id": "201"},
                "sim": {"iccid": iccid(1)}, "adoptionPolicy": policy,
            },
        })
    };
    for policy in ["IfUnowned", "Force"] {
        stage.apply(&thief(policy).to_string()).await?;
        says(&stage, ("Endpoint", "thief"), ("Stalled", "OwnershipConflict"), &["meters"]).await?;
        let name = look(&stage, |platform| devices(platform)[&1].name.clone());
        assert_eq!(name, "Meter 0001", "{policy}: another object here holds it");
    }
    stage.kubectl_ok(&["scale", "emeps/meters", "--replicas=0"]).await?;
    holds(
        &stage,
        "once the set let it go, the SIM is free",
        |platform| devices(platform).get(&1).map(|device| device.name.clone()),
        Some("Stolen".into()),
    )
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fleet_that_is_there_is_taken_over_by_its_tag_and_left_as_it_was() -> Result<()> {
    const FIRST: u64 = 11_000_001;
    let stage = stage_with("fleet-tag", 5).await?;
    for (id, n) in (FIRST..).zip([0, 2, 3]) {
        by_hand(&stage, id, n)?;
    }
    let portal = PortalClient::open(&stage).await?;
    portal.send(Method::POST, "/api/v2/tags", json!({"name": "roof"})).await?;
    let tag =
        look(&stage, |platform| platform.tags.values().find(|tag| tag.name == "roof").map(|tag| tag.id));
    let tagged: Vec<u64> = vec![FIRST, FIRST + 2];
    stage.simulator().edit(|state| {
        let platform = state.organisations.get_mut(&ORGANISATION).expect("the seed's organisation");
        for id in &tagged {
            platform.endpoints.get_mut(id).expect("made by hand").tag_ids.extend(tag);
        }
    })?;
    let mut spec = json!({
        "sims": {"selector": {"tag": "roof"}}, "adoptionPolicy": "IfUnowned",
        "template": {"enabled": true, "tags": ["meters", "north"]},
    });
    apply_settled(&stage, &set(&spec), 2).await?;
    let mark = format!("k8s:{0}/{0}/meters", stage.namespace());
    let tags_of = |id: u64| look(&stage, |platform| tags(platform, &platform.endpoints[&id]));
    assert_eq!(tags_of(FIRST), [&*mark, "meters", "north", "roof"], "what others put on it stays");
    assert_eq!(tags_of(FIRST + 1), Vec::<String>::new(), "it does not carry the tag");

    spec["template"]["tags"] = json!(["meters"]);
    apply_settled(&stage, &set(&spec), 2).await?;
    for id in &tagged {
        assert_eq!(
            tags_of(*id),
            [&*mark, "meters", "roof"],
            "a tag that left the template leaves every member"
        );
    }
    delete(&stage, "EndpointSet", "meters").await?;
    assert_eq!(held(&stage), [0, 2, 3], "every device is still there");
    assert_eq!(tags_of(FIRST), ["meters", "roof"]);
    Ok(())
}
