//! `Tag`, and the device that carries it.

use emnify_simulator::state::Organisation;
use http::Method;
use serde_json::json;

use crate::{
    portal::PortalClient,
    support::{Result, apply_ready, edited, holds, id, look, make_ready, says, stage},
};

const TAG: &str = r"
apiVersion: emnify.io/v1alpha1
kind: Tag
metadata:
  name: attic
spec:
  color: Blue
";

const DEVICE: &str = r"
apiVersion: emnify.io/v1alpha1
kind: Endpoint
metadata:
  name: meter-1
spec:
  serviceProfile: {id: '101'}
  tariffProfile: {id: '201'}
  tags: [attic]
";

fn named(platform: &Organisation, name: &str) -> Vec<u64> {
    platform.tags.values().filter(|tag| tag.name == name).map(|tag| tag.id).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tag() -> Result<()> {
    let stage = stage("tag").await?;
    let made = id(&apply_ready(&stage, "Tag", "attic", TAG).await?)?;
    let (name, color) =
        look(&stage, |platform| (platform.tags[&made].name.clone(), platform.tags[&made].color));
    assert_eq!((name.as_str(), color), ("attic", 4), "called as its object, in the colour of that name");
    let device = id(&apply_ready(&stage, "Endpoint", "meter-1", DEVICE).await?)?;
    let carries = move |platform: &Organisation| platform.endpoints[&device].tag_ids.contains(&made);
    assert!(look(&stage, carries), "a device that names the tag carries this one");

    make_ready(&stage, "Tag", "attic", &edited(TAG, &[("Blue", "Green")])).await?;
    assert_eq!(look(&stage, |platform| platform.tags[&made].color), 3, "the colour is changed in place");
    let portal = PortalClient::open(&stage).await?;
    portal.send(Method::PATCH, &format!("/api/v2/tags/{made}"), json!({"color": {"id": 1}})).await?;
    stage.kubectl_ok(&["annotate", "tags.emnify.io", "attic", "emnify.io/refresh=now"]).await?;
    let color = move |platform: &Organisation| platform.tags[&made].color;
    holds(&stage, "a colour that somebody changed is corrected", color, 3).await?;
    assert!(look(&stage, carries), "and the device kept it");

    portal.send(Method::POST, "/api/v2/tags", json!({"name": "CELLAR"})).await?;
    let cellar = TAG.replace("name: attic", "name: cellar");
    let adopted = id(&apply_ready(&stage, "Tag", "cellar", &cellar).await?)?;
    assert_eq!(
        look(&stage, |platform| named(platform, "CELLAR")),
        [adopted],
        "one that was there is taken over"
    );
    stage.kubectl_ok(&["delete", "tags.emnify.io", "cellar"]).await?;
    assert_eq!(look(&stage, |platform| named(platform, "CELLAR")), [adopted], "and left behind");

    portal.send(Method::POST, "/api/v2/tags", json!({"name": "k8s:elsewhere/fleet/meters"})).await?;
    let mark = look(&stage, |platform| named(platform, "k8s:elsewhere/fleet/meters"))[0];
    let thief = TAG.replace("name: attic", "name: thief");
    let thief =
        thief.replace("spec:", &format!("spec:\n  id: '{mark}'\n  name: taken\n  deletionPolicy: Delete"));
    stage.apply(&thief).await?;
    says(&stage, ("Tag", "thief"), ("Stalled", "NotFound"), &["has no Tag"]).await?;
    stage.kubectl_ok(&["delete", "tags.emnify.io", "thief"]).await?;
    let marks = look(&stage, |platform| named(platform, "k8s:elsewhere/fleet/meters"));
    assert_eq!(marks, [mark], "a mark is nobody's to rename or delete, also by its id");

    let bare = edited(DEVICE, &[("[attic]", "[]")]);
    make_ready(&stage, "Endpoint", "meter-1", &bare).await?;
    stage.kubectl_ok(&["delete", "tags.emnify.io", "attic"]).await?;
    let left = look(&stage, |platform| platform.tags.contains_key(&made));
    assert!(!left, "what was made here is gone in emnify");
    Ok(())
}
