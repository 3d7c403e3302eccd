//! People over the API.

use serde_json::{Value, json};

use crate::testing::Driver;

const USERS: &str = "/api/v1/user";

#[tokio::test]
async fn people_are_listed_and_read_by_id_or_address() {
    let driver = Driver::example().await;
    let list = driver.get(USERS).await;
    assert_eq!(list.header("x-total-count"), "1");
    assert_eq!(list.body[0]["status"], json!({"id": 1, "description": "ACTIVE"}));
    let ada = driver.get(&format!("{USERS}/301")).await.body;
    assert_eq!(
        ada["roles"],
        json!([{"id": 1, "name": "Administrator"}]),
        "roles are those in this workspace"
    );
    assert_eq!(driver.get(&format!("{USERS}/ada@example.com")).await.body, ada);
    assert_eq!(driver.get(&format!("{USERS}/999")).await.status, 404);
    assert_eq!(driver.get(&format!("{USERS}?q=username:eve")).await.body, json!([]));
}

#[tokio::test]
async fn a_new_person_is_pending_until_activated() {
    let driver = Driver::example().await;
    let new = json!({"username": "bob@example.com", "name": "Bob", "roles": [{"id": 3}], "organisation": {"id": 1001}});
    let made = driver.post(USERS, new.clone()).await;
    assert_eq!(made.status, 201);
    assert_eq!(driver.post(USERS, new).await.status, 422, "usernames are unique");
    assert!(driver.event_types().ends_with(&[36]));
    let id = made.new_id();
    assert_eq!(driver.get(&format!("{USERS}/{id}")).await.body["status"]["id"], 0);
    let digest = "a94a8fe5ccb19ba61c4c0873d391e987982fbbd3";
    let activation = json!({"activationKey": format!("activate-{id}"), "password": digest});
    assert_eq!(driver.post("/api/v1/user/activation", activation.clone()).await.status, 204);
    assert_eq!(driver.post("/api/v1/user/activation", activation).await.status, 400, "once");
    let login = json!({"username": "bob@example.com", "password": digest});
    assert_eq!(driver.post("/api/v1/authenticate", login).await.status, 200);
}

#[tokio::test]
async fn an_invitation_makes_an_administrator_by_default() {
    let driver = Driver::example().await;
    let invited =
        driver.post("/api/v2/user/invitation", json!({"username": "c@example.com", "name": "C"})).await;
    assert_eq!((invited.status, &invited.body["roles"][0]["id"]), (201, &json!(1)));
    let again = json!({"username": "ada@example.com", "name": "A"});
    assert_eq!(driver.post("/api/v2/user/invitation", again).await.status, 409);
}

#[tokio::test]
async fn status_and_username_change_as_published() {
    let driver = Driver::example().await;
    let path = format!("{USERS}/301");
    assert_eq!(driver.patch(&path, json!({"status": {"id": 2}})).await.status, 204);
    assert_eq!(driver.patch(&path, json!({"status": {"id": 0}})).await.status, 422);
    assert_eq!(driver.patch(&path, json!({"username": "ada2@example.com"})).await.status, 204);
    assert_eq!(driver.get(&path).await.body["status"]["id"], 0, "another address is activated anew");
}

#[tokio::test]
async fn the_last_role_stays() {
    let driver = Driver::example().await;
    assert_eq!(driver.delete(&format!("{USERS}/301/role/1")).await.status, 409);
    assert_eq!(driver.put(&format!("{USERS}/301/role/1")).await.status, 409);
    assert_eq!(driver.put(&format!("{USERS}/301/role/9")).await.status, 404);
    assert_eq!(driver.put(&format!("{USERS}/301/role/2")).await.status, 204);
    assert_eq!(driver.delete(&format!("{USERS}/301/role/1")).await.status, 204);
    let v2 = "/api/v2/user/301/workspace/1001/role";
    assert_eq!(driver.delete(&format!("{v2}/2")).await.status, 400, "v2 says 400");
    assert_eq!(driver.put(&format!("{v2}/3")).await.status, 204);
    assert_eq!(driver.put("/api/v2/user/301/workspace/1002/role/3").await.status, 403);
}

#[tokio::test]
async fn someone_who_leaves_keeps_their_other_workspaces() {
    let driver = Driver::example().await;
    let workspaces = driver.get("/api/v2/user/301/workspace").await.body;
    assert_eq!(
        (&workspaces[0]["default_workspace"], &workspaces[1]["name"]),
        (&json!(true), &json!("Other"))
    );
    assert_eq!(
        driver.patch("/api/v2/user/301/workspace/1001", json!({"status": {"id": 2}})).await.status,
        204
    );
    assert_eq!(driver.delete("/api/v2/user/301/workspace/1001").await.status, 204);
    assert!(driver.event_types().ends_with(&[46]));
    assert_eq!(driver.get(&format!("{USERS}/301")).await.status, 404, "gone from here");
    assert!(driver.simulator.inspect(|state| state.users.contains_key(&301)), "but not from the platform");
}

#[tokio::test]
async fn an_account_is_deleted_over_either_version() {
    let driver = Driver::example().await;
    for version in ["v1", "v2"] {
        let new = json!({"username": "bob@example.com", "name": "Bob", "roles": [{"id": 3}]});
        let id = driver.post(USERS, new).await.new_id();
        assert_eq!(driver.delete(&format!("/api/{version}/user/{id}")).await.status, 204);
        assert!(driver.event_types().ends_with(&[46]));
        assert_eq!(driver.delete(&format!("/api/{version}/user/{id}")).await.status, 404);
    }
}

#[tokio::test]
async fn permissions_are_an_object_of_texts_for_anybody_and_for_oneself() {
    let driver = Driver::ada().await;
    for user in ["my", "301", "ada@example.com"] {
        let shown = driver.get(&format!("{USERS}/{user}/role/permission")).await;
        assert_eq!((shown.status, &shown.body["user"]), (200, &json!("write")), "{user}");
    }
    let observer =
        driver.post("/api/v1/authenticate/workspace", json!({"target_organisation": {"id": 1002}})).await;
    let driver = Driver { token: observer.body["auth_token"].as_str().unwrap_or("").to_owned(), ..driver };
    let shown = driver.get(&format!("{USERS}/my/role/permission")).await.body;
    assert!(shown.as_object().is_some_and(|all| all.values().all(|may| may == "read")), "{shown}");
    assert_eq!(driver.get(&format!("{USERS}/999/role/permission")).await.status, 404);
}

#[tokio::test]
async fn only_support_acts_as_somebody_else() {
    let driver = Driver::ada().await;
    let path = "/api/v2/user/301/support_token";
    assert_eq!(driver.post(path, Value::Null).await.status, 403);
    driver
        .simulator
        .edit(|state| state.users.get_mut(&301).expect("Ada").workspaces[0].roles.push(4))
        .expect("sound");
    let made = driver.post(path, Value::Null).await;
    assert_eq!(made.status, 201);
    assert!(driver.event_types().ends_with(&[13]));
    let roles = driver.get(&format!("{USERS}/301")).await.body["roles"].clone();
    assert_eq!(roles[1], json!({"id": 4, "name": "SuperAdmin"}), "a role of emnify's own is shown");
    assert_eq!(driver.put(&format!("{USERS}/301/role/4")).await.status, 404, "and given by nobody else");
    let driver = Driver { token: made.body["support_token"].as_str().unwrap_or("").to_owned(), ..driver };
    assert_eq!(driver.get("/api/v1/country").await.status, 200);
}

#[tokio::test]
async fn a_default_workspace_is_chosen_by_an_administrator_of_both() {
    let driver = Driver::ada().await;
    let path = "/api/v2/user/301/default_organisation/1002";
    assert_eq!(driver.put(path).await.status, 403, "Ada is an Observer there");
    let promote = |id: u64| {
        driver.simulator.edit(|state| state.users.get_mut(&id).expect("known").workspaces[1].roles = vec![1])
    };
    promote(301).expect("sound");
    assert_eq!(driver.put(path).await.status, 200);
    let shown = driver.get("/api/v2/user/301/workspace").await.body;
    assert_eq!(
        (&shown[0]["default_workspace"], &shown[1]["default_workspace"]),
        (&json!(false), &json!(true))
    );
    let new = json!({"username": "bob@example.com", "name": "Bob", "roles": [{"id": 3}]});
    let bob = driver.post(USERS, new).await.new_id();
    let path = format!("/api/v2/user/{bob}/default_organisation/1002");
    assert_eq!(driver.put(&path).await.status, 403, "Bob is no member there");
    let mut driver = driver;
    driver.login("example-token").await;
    assert_eq!(
        driver.put("/api/v2/user/301/default_organisation/1001").await.status,
        403,
        "applications are nobody"
    );
}

#[tokio::test]
async fn without_workspaces_in_the_plan_people_are_those_of_the_account() {
    let driver = Driver::example().await;
    driver
        .simulator
        .edit(|state| {
            let org = state.organisations.get_mut(&1001).expect("the example's organisation");
            org.tariff_plan.workspaces_enabled = false;
        })
        .expect("sound");
    let plan = driver.get("/api/v1/organisation/my/tariff_plan/active").await.body;
    assert_eq!(plan["workspaces_enabled"], json!(false));
    let new = json!({"username": "bob@example.com", "name": "Bob"});
    assert_eq!(driver.post("/api/v2/user/invitation", new).await.status, 403);
    assert_eq!(driver.put("/api/v2/user/301/workspace/1001/role/2").await.status, 403);
    assert_eq!(driver.put(&format!("{USERS}/301/role/2")).await.status, 204);
}

#[tokio::test]
async fn nobody_changes_their_own_roles_in_a_workspace() {
    let driver = Driver::ada().await;
    assert_eq!(driver.put("/api/v2/user/301/workspace/1001/role/3").await.status, 400);
    assert_eq!(driver.delete("/api/v2/user/301/workspace/1001/role/1").await.status, 400);
}

#[tokio::test]
async fn someone_of_another_workspace_is_invited_and_one_without_workspaces_is_not() {
    let mut driver = Driver::example().await;
    let enable = |driver: &Driver, on: bool| {
        driver.simulator.edit(|state| {
            let org = state.organisations.get_mut(&1002).expect("the other organisation");
            org.tariff_plan.workspaces_enabled = on;
            let ada = state.users.get_mut(&301).expect("Ada");
            ada.workspaces.retain(|at| at.organisation == 1002);
        })
    };
    let ada = json!({"username": "ada@example.com", "name": "Ada", "roles": [{"id": 2}]});
    enable(&driver, false).expect("sound");
    assert_eq!(driver.post("/api/v2/user/invitation", ada.clone()).await.status, 409);
    enable(&driver, true).expect("sound");
    let invited = driver.post("/api/v2/user/invitation", ada).await;
    assert_eq!((invited.status, &invited.body["id"]), (201, &json!(301)), "the account stays one");
    driver.login("example-token").await;
    let here = driver.get("/api/v2/user/301/workspace").await.body;
    assert_eq!(here[1]["status"]["status"]["id"], json!(0), "until they accept");
}
