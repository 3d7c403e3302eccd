//! Applying without a kubectl: a process of a tenth of a second for each of a thousand manifests would be a quarter of what
//! the tests compute. Tests of kubectl itself run kubectl.

use anyhow::{Context as _, Result};
use kube::{
    api::{Patch, PatchParams},
    core::{ApiResource, GroupVersionKind, TypeMeta},
    discovery::{Scope, pinned_kind},
};
use serde::Deserialize as _;
use serde_json::{Value, json};

use super::{Stage, resource};

impl Stage {
    /// What `kubectl apply --server-side --force-conflicts` does with YAML in the namespace, except for its annotation.
    pub async fn apply(&self, yaml: &str) -> Result<()> {
        self.apply_in(self.namespace(), yaml).await
    }

    /// The same in another namespace.
    pub async fn apply_in(&self, namespace: &str, yaml: &str) -> Result<()> {
        for document in serde_yaml::Deserializer::from_str(yaml) {
            let object = Value::deserialize(document)?;
            if !object.is_null() {
                self.put(namespace, &object).await?;
            }
        }
        Ok(())
    }

    /// Writes a Secret, replacing what was in it.
    pub async fn apply_secret(&self, name: &str, data: &[(&str, &str)]) -> Result<()> {
        let data: serde_json::Map<_, _> =
            data.iter().map(|(key, value)| ((*key).to_owned(), (*value).into())).collect();
        let secret =
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data});
        self.apply(&secret.to_string()).await
    }

    /// Applies a Workspace for the first organisation of the simulator's state, with its first application token in
    /// the Secret `emnify-<name>` under the key `token`.
    pub async fn apply_workspace(&self, name: &str) -> Result<()> {
        let token = self.simulator().inspect(|state| {
            let tokens = state.organisations.values().next()?.application_tokens.values();
            tokens.filter(|token| !token.revoked).map(|token| token.token.clone()).next()
        });
        let token = token.context("the seed has no application token")?;
        let secret = format!("emnify-{name}");
        self.apply_secret(&secret, &[("token", &token)]).await?;
        let workspace = json!({
            "apiVersion": "emnify.io/v1alpha1", "kind": "Workspace", "metadata": {"name": name},
            "spec": {
                "baseUrl": self.base_url(),
                "credentials": {"applicationTokenSecretRef": {"name": secret, "key": "token"}},
                // new fleets are activated at once
                "guard": {"maxDevices": 1_000_000},
            },
        });
        self.apply(&workspace.to_string()).await
    }

    async fn put(&self, namespace: &str, object: &Value) -> Result<()> {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let (kind, name) = (text(&object["kind"]), text(&object["metadata"]["name"]));
        let (kind, name) = (kind.context("an object has a kind")?, name.context("an object has a name")?);
        let namespace = object["metadata"]["namespace"].as_str().unwrap_or(namespace);
        let of = match resource(&kind) {
            Ok(ours) if ours.0.api_version == object["apiVersion"] => ours,
            _ => self.discovered(object).await?,
        };
        let params = PatchParams::apply("kubectl").force().validation_strict();
        let put = self.api_of(namespace, &of).patch(&name, &params, &Patch::Apply(object)).await;
        put.with_context(|| format!("{kind} {name} was not applied")).map(drop)
    }

    /// How an object of a kind that is not ours is addressed.
    async fn discovered(&self, object: &Value) -> Result<(ApiResource, bool)> {
        let types = TypeMeta::deserialize(object)?;
        let (resource, capabilities) =
            pinned_kind(self.client(), &GroupVersionKind::try_from(types)?).await?;
        Ok((resource, capabilities.scope == Scope::Namespaced))
    }
}
