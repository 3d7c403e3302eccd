//! Looking at objects: polling with a deadline, and evidence when it passes.

use std::{net::SocketAddr, path::Path, time::Duration};

use anyhow::{Context as _, Result, bail};
use emnify_operator::definitions::families;
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::{
    Api,
    core::{ApiResource, DynamicObject},
};
use serde_json::Value;
use tokio::time::Instant;

use super::Stage;

/// How long [`Stage::wait_for`] waits. Only a broken system takes as long, on a machine that is slow and busy too.
pub const DEADLINE: Duration = Duration::from_secs(180);

/// Many tests look at once, and each look costs the API server and this process.
const POLL: Duration = Duration::from_millis(250);

/// Lines of the operator's log that go into a failure.
const LOG_LINES: usize = 40;

/// Ready, and of the generation that was last applied.
pub fn is_ready(object: &Value) -> bool {
    condition(object, "Ready").is_some_and(|ready| {
        ready["status"] == "True" && ready["observedGeneration"] == object["metadata"]["generation"]
    })
}

/// The condition of a type, as JSON.
pub fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    let conditions = object["status"]["conditions"].as_array()?;
    conditions.iter().find(|condition| condition["type"] == kind)
}

impl Stage {
    /// The object as JSON, `None` where there is none. `kind` is one of ours, or `Secret`; cluster-scoped kinds are
    /// found as well.
    pub async fn get(&self, kind: &str, name: &str) -> Result<Option<Value>> {
        self.get_in(self.namespace(), kind, name).await
    }

    /// The same in another namespace.
    pub async fn get_in(&self, namespace: &str, kind: &str, name: &str) -> Result<Option<Value>> {
        let object = self.api_in(namespace, kind)?.get_opt(name).await?;
        Ok(object.map(serde_json::to_value).transpose()?)
    }

    /// Where a server of the running operator listens, such as [`ADMIN_SERVER`](super::ADMIN_SERVER); waits for it. A
    /// flag with port 0 lets the operator choose: a port chosen for it may be somebody else's by then.
    pub async fn listens_at(&self, server: &str) -> Result<SocketAddr> {
        let told = || address(&self.operator_log(), server);
        self.eventually(&format!("the operator has its {server}"), async || Ok(told().is_some())).await?;
        told().context("it was there a moment ago")
    }

    /// Polls an object until `holds`, for [`DEADLINE`]. `what` completes "is not ..." in the failure, which holds the
    /// object, its events and the end of the operator's log.
    pub async fn wait_for(
        &self,
        kind: &str,
        name: &str,
        what: &str,
        holds: impl Fn(&Value) -> bool,
    ) -> Result<Value> {
        self.wait_within(DEADLINE, (kind, name), what, holds).await
    }

    /// The same with a deadline.
    pub async fn wait_within(
        &self,
        deadline: Duration,
        (kind, name): (&str, &str),
        what: &str,
        holds: impl Fn(&Value) -> bool,
    ) -> Result<Value> {
        let end = Instant::now() + deadline;
        loop {
            if let Some(object) = self.get(kind, name).await?
                && holds(&object)
            {
                return Ok(object);
            }
            self.operator_lives()?;
            if Instant::now() >= end {
                bail!("{kind} {name} is not {what} after {deadline:?}\n{}", self.evidence(kind, name).await);
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Whether the namespace is.
    pub async fn is_there(&self) -> Result<bool> {
        let namespaces: Api<Namespace> = Api::all(self.client().clone());
        Ok(namespaces.get_metadata_opt(self.namespace()).await?.is_some())
    }

    /// Polls until an object is gone.
    pub async fn wait_gone(&self, kind: &str, name: &str) -> Result<()> {
        let end = Instant::now() + DEADLINE;
        while self.get(kind, name).await?.is_some() {
            self.operator_lives()?;
            if Instant::now() >= end {
                bail!("{kind} {name} is not gone after {DEADLINE:?}\n{}", self.evidence(kind, name).await);
            }
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }

    /// Polls anything else, such as the simulator's state.
    pub async fn eventually(&self, what: &str, holds: impl AsyncFn() -> Result<bool>) -> Result<()> {
        let end = Instant::now() + DEADLINE;
        while !holds().await? {
            self.operator_lives()?;
            if Instant::now() >= end {
                bail!("not so after {DEADLINE:?}: {what}\n{}", self.operator_log_tail());
            }
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }

    /// What a person would look at next: the object, its events, the end of the operator's log.
    pub async fn evidence(&self, kind: &str, name: &str) -> String {
        let mut evidence = Vec::new();
        // Without the group, Endpoint is one of core Kubernetes.
        let kind =
            if kind == "Secret" { kind.to_owned() } else { format!("{}.emnify.io", kind.to_lowercase()) };
        let object = format!("{kind}/{name}");
        for arguments in [&["get", &kind, name, "-o", "yaml"][..], &["events", "--for", &object]] {
            let said = match self.kubectl(arguments).await {
                Ok(output) => output.stdout + &output.stderr,
                Err(error) => error.to_string(),
            };
            evidence.push(format!("--- kubectl {}\n{said}", arguments.join(" ")));
        }
        evidence.push(self.operator_log_tail());
        evidence.concat()
    }

    /// The end of the operator's log, with the name of its file above.
    pub fn operator_log_tail(&self) -> String {
        tail(&self.operator_log(), self.operator_log_file())
    }

    /// Objects of a kind: those of the namespace where it has one.
    pub fn api(&self, kind: &str) -> Result<Api<DynamicObject>> {
        self.api_in(self.namespace(), kind)
    }

    /// The same in another namespace.
    pub fn api_in(&self, namespace: &str, kind: &str) -> Result<Api<DynamicObject>> {
        let of = if kind == "Secret" { (ApiResource::erase::<Secret>(&()), true) } else { resource(kind)? };
        Ok(self.api_of(namespace, &of))
    }

    /// Objects of a resource, in the namespace if they have one.
    pub(super) fn api_of(
        &self,
        namespace: &str,
        (resource, namespaced): &(ApiResource, bool),
    ) -> Api<DynamicObject> {
        if *namespaced {
            Api::namespaced_with(self.client().clone(), namespace, resource)
        } else {
            Api::all_with(self.client().clone(), resource)
        }
    }
}

/// The end of a log, with the name of its file above.
pub(super) fn tail(log: &str, file: &Path) -> String {
    let lines: Vec<_> = log.lines().collect();
    let tail = lines[lines.len().saturating_sub(LOG_LINES)..].join("\n");
    format!("--- the end of {}\n{tail}\n", file.display())
}

/// The address in the last line that tells of a server, in whichever format the log is written.
pub(super) fn address(log: &str, server: &str) -> Option<SocketAddr> {
    let line = log.lines().rev().find(|line| line.contains(server))?;
    line.split(|c: char| !(c.is_ascii_hexdigit() || ".:[]".contains(c))).find_map(|word| word.parse().ok())
}

/// How one of our kinds is addressed, and whether it has namespaces.
pub fn resource(kind: &str) -> Result<(ApiResource, bool)> {
    let mut families = families().into_iter();
    let family = families.find(|family| family.resource.kind == kind);
    let family = family.with_context(|| format!("{kind} is no kind of this operator"))?;
    Ok((family.resource, family.namespaced))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::stage::ADMIN_SERVER;

    #[test]
    fn the_address_of_a_server_is_found_in_text_and_json() {
        let text = "\u{1b}[2m2026-11-22T10:46:58.123456Z\u{1b}[0m INFO app: admin server \
                    \u{1b}[3maddress\u{1b}[0m\u{1b}[2m=\u{1b}[0m127.0.0.1:41321\nmore\n";
        let json =
            r#"{"timestamp":"2026-11-22T10:46:58.1Z","message":"admin server","address":"[::1]:41322"}"#;
        assert_eq!(address(text, ADMIN_SERVER), "127.0.0.1:41321".parse().ok());
        assert_eq!(address(json, ADMIN_SERVER), "[::1]:41322".parse().ok());
        let other = "INFO app: waiting address=127.0.0.1:1";
        assert_eq!(address(other, ADMIN_SERVER), None, "only the server's own line counts");
    }

    #[test]
    fn ready_counts_only_for_the_generation_that_was_applied() {
        let object = |observed: i64, status: &str| {
            json!({
                "metadata": {"generation": 2},
                "status": {"conditions": [{"type": "Ready", "status": status, "observedGeneration": observed}]},
            })
        };
        assert!(is_ready(&object(2, "True")));
        assert!(!is_ready(&object(1, "True")), "an edit that was not seen yet is not ready");
        assert!(!is_ready(&object(2, "False")));
        assert!(!is_ready(&json!({"metadata": {"generation": 1}})), "no status, not ready");
    }
}
