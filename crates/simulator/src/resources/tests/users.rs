//! People over the API.

use serde_json::json;

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
