//! `User`: invited, changed, demoted and taken out, and who must stay.

use emnify_harness::stage::Stage;
use emnify_simulator::state::{Membership, State, User};
use http::Method;
use serde_json::{Value, json};

use crate::{
    portal::{PortalClient, Traffic},
    support::{ORGANISATION, Result, apply_ready, edited, id, make_ready, options, says},
};

const JO: &str = r"
apiVersion: emnify.io/v1alpha1
kind: User
metadata:
  name: jo
spec:
  username: jo@example.com
  name: Jo
  roles: [Administrator]
";

fn at(state: &State, user: u64) -> Option<&Membership> {
    state.users.get(&user)?.workspaces.iter().find(|at| at.organisation == ORGANISATION)
}

/// Somebody of the portal, who accepted long ago.
fn person(id: u64, roles: &[u64]) -> User {
    let here = json!([{"organisation": ORGANISATION, "roles": roles, "default": true}]);
    let user =
        json!({"id": id, "username": format!("u{id}@example.com"), "password_sha1": "", "workspaces": here});
    serde_json::from_value(user).expect("a person")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn user() -> Result<()> {
    let mut options = options("user")?;
    options.flags.push("--sweep-interval=10s".to_owned());
    let mut stage = Stage::start(options).await?;
    stage.start_operator()?;
    stage.apply_workspace("default").await?;
    let object = apply_ready(&stage, "User", "jo", JO).await?;
    let jo = id(&object)?;
    assert_eq!(object["status"]["state"], "ActivationPending", "Ready does not wait for a person");
    let edit = stage.simulator().edit(|state| {
        let jo = state.users.get_mut(&jo).expect("invited");
        (jo.status, jo.workspaces[0].status) = (1, 1);
    });
    edit.expect("sound");

    let demoted = edited(JO, &[("[Administrator]", "[User]")]);
    stage.apply(&demoted).await?;
    says(&stage, ("User", "jo"), ("Stalled", "LastAdministrator"), &["jo@example.com is the last active"])
        .await?;
    let roles = |user: u64| stage.simulator().inspect(|state| at(state, user).map(|at| at.roles.clone()));
    assert!(roles(jo).is_some_and(|roles| roles.contains(&1)), "who must stay stays");
    stage.kubectl_ok(&["delete", "users.emnify.io", "jo", "--wait=false"]).await?;
    says(&stage, ("User", "jo"), ("Stalled", "LastAdministrator"), &["emnify.io/force-orphan=true"]).await?;
    let edit = stage.simulator().edit(|state| {
        state.users.insert(901, person(901, &[1]));
    });
    edit.expect("sound");
    stage.kubectl_ok(&["annotate", "users.emnify.io", "jo", "emnify.io/refresh=now"]).await?;
    stage.wait_gone("User", "jo").await?;
    assert_eq!(roles(jo), None, "with another Administrator they may go");

    let observer = JO.replace("[Administrator]", "[Observer]");
    let jo = id(&apply_ready(&stage, "User", "jo", &observer).await?)?;
    let renamed = edited(&observer, &[("name: Jo", "name: Jo Doe"), ("[Observer]", "[User]")]);
    make_ready(&stage, "User", "jo", &renamed.replace("metadata:\n  name: Jo Doe", "metadata:\n  name: jo"))
        .await?;
    assert_eq!(roles(jo), Some(vec![2]));
    let portal = PortalClient::open(&stage).await?;
    portal
        .send(Method::PUT, &format!("/api/v2/user/{jo}/workspace/{ORGANISATION}/role/1"), Value::Null)
        .await?;
    stage.kubectl_ok(&["annotate", "users.emnify.io", "jo", "emnify.io/refresh=now", "--overwrite"]).await?;
    stage
        .eventually("a role that somebody gave is taken away", async || Ok(roles(jo) == Some(vec![2])))
        .await?;

    let traffic = Traffic::from_now(&stage);
    // whoever came by the portal is known from the next listing on
    traffic.two_sweeps("/api/v1/user").await?;
    let adopted =
        observer.replace("name: jo\n", "name: u901\n").replace("jo@example.com", "u901@example.com");
    let adopted = adopted.replace("[Observer]", "[Administrator]").replace("name: Jo", "name: U901");
    stage.apply(&adopted).await?;
    says(&stage, ("User", "u901"), ("Stalled", "AlreadyExists"), &["id: \"901\""]).await?;
    apply_ready(&stage, "User", "u901", &adopted.replace("spec:", "spec:\n  id: '901'")).await?;
    stage.kubectl_ok(&["delete", "users.emnify.io", "u901"]).await?;
    assert_eq!(roles(901), Some(vec![1]), "whoever was there stays");
    let writes = traffic.writes();
    assert!(
        writes.iter().all(|write| write.starts_with("PATCH /api/v1/user/901")),
        "only their name: {writes:?}"
    );
    stage.kubectl_ok(&["delete", "users.emnify.io", "jo"]).await?;
    assert_eq!(roles(jo), None, "whoever was invited here leaves");
    Ok(())
}
