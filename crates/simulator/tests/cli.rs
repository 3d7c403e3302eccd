//! The simulator as a program.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};

/// A running simulator; gone when dropped.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        self.0.kill().expect("a child can be killed");
        self.0.wait().expect("a child can be waited for");
    }
}

fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_emnify-simulator"));
    command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

#[tokio::test]
async fn it_prints_its_url_when_it_is_ready() {
    let seed = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/seed.yaml");
    let arguments = ["--listen", "127.0.0.1:0", "--seed", seed, "--limits", "real", "--dialect", "2022"];
    let mut program = Program(program(&arguments).spawn().expect("it starts"));
    let mut url = String::new();
    let output = program.0.stdout.take().expect("it is piped");
    BufReader::new(output).read_line(&mut url).expect("a line");
    let url = url.trim();
    let clock = reqwest::get(format!("{url}/simulator/clock")).await.expect("it answers at once");
    assert_eq!(clock.status(), 200);
    let body = r#"{"application_token": "example-token"}"#;
    let login = reqwest::Client::new().post(format!("{url}/api/v1/authenticate")).body(body).send();
    assert_eq!(login.await.expect("an answer").status(), 200, "the seed's token works");
}

#[test]
fn a_bad_seed_is_refused_by_file_and_field() {
    let path = std::env::temp_dir().join(format!("emnify-simulator-{}.yaml", std::process::id()));
    let mut file = std::fs::File::create(&path).expect("a temporary file");
    writeln!(file, "organisations:\n  - name: a\n    colour: red").expect("written");
    let output = program(&["--listen", "127.0.0.1:0", "--seed", &path.to_string_lossy()]).output();
    std::fs::remove_file(&path).expect("it was there");
    let output = output.expect("it runs");
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(message.contains("colour") && message.contains(".yaml"), "{message}");
}

#[tokio::test]
async fn a_refused_change_has_no_reason_phrase() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    let simulator = emnify_simulator::Simulator::start(emnify_simulator::Options::default());
    let served = simulator.serve("127.0.0.1:0").await.expect("a port");
    let login = reqwest::Client::new().post(format!("{}/api/v1/authenticate", served.url()));
    let login = login.body(r#"{"application_token": "example-token"}"#).send().await.expect("an answer");
    let login: serde_json::Value = serde_json::from_str(&login.text().await.expect("a body")).expect("JSON");
    let token = login["auth_token"].as_str().expect("a token");
    let address = served.url().trim_start_matches("http://").to_owned();
    let answer = async |body: &str| {
        let mut stream = tokio::net::TcpStream::connect(&address).await.expect("it listens");
        let request = format!(
            "PATCH /api/v1/endpoint/11000001 HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\n\
             connection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).await.expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("an answer");
        answer
    };
    let refused = answer(r#"{"service_profile": {"id": -1}}"#).await;
    assert!(refused.starts_with("HTTP/1.1 422 \r\n"), "{refused}");
    let done = answer("{}").await;
    assert!(done.starts_with("HTTP/1.1 204 No Content\r\n"), "{done}");
}
