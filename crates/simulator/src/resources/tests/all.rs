//! That everything answers.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::operations;
use crate::testing::Driver;

/// A path with something in the place of its parameters that the example has, where it has any.
fn addressed(template: &str) -> String {
    let known = [
        ("{endpoint_id}", "11000001"),
        ("{sim_id}", "10000001"),
        ("{bic}", "BIC2-EXAMPLE"),
        ("{org_id_or_my}", "my"),
        ("{org_id}", "1001"),
        ("{user_id}", "301"),
    ];
    let path = known.iter().fold(template.to_owned(), |path, (name, value)| path.replace(name, value));
    let parts = path.split('/').map(|part| if part.starts_with('{') { "1" } else { part });
    parts.collect::<Vec<_>>().join("/")
}

#[tokio::test(start_paused = true)]
async fn all_215_operations_answer_an_application_and_a_person() {
    let mut answered = 0;
    for operation in operations::all() {
        let path = addressed(&operation.path);
        let method = Method::from_bytes(operation.method.as_bytes()).expect("a method");
        let (found, _) = operations::find(&method, &path).expect("a path of the API");
        assert_eq!(found.operation, operation.operation, "{path}");
        for driver in [Driver::example().await, Driver::ada().await] {
            let body = if operation.method == "GET" { Value::Null } else { json!({}) };
            let answer = driver.call(&operation.method, &path, body).await;
            let status = StatusCode::from_u16(answer.status).expect("a status");
            assert!(!status.is_server_error(), "{}: {status} {}", operation.operation, answer.text);
            assert!(!answer.text.contains("is no operation of the API"), "{}", operation.operation);
            let login = operation.path.starts_with("/api/v1/authenticate");
            assert!(status != StatusCode::UNAUTHORIZED || login, "{}: {}", operation.operation, answer.text);
        }
        answered += 1;
    }
    assert_eq!(answered, 215);
}
