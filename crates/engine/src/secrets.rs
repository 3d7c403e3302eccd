//! Output Secrets: created empty before anything is minted, never taken from somebody else.

use std::{collections::BTreeMap, sync::Arc};

use k8s_openapi::{ByteString, api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::OwnerReference};
use kube::{
    Api, Client, ResourceExt,
    api::{ObjectMeta, Patch, PostParams},
};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use crate::{
    kind::{Id, Kind, Output, OutputRef},
    plan::SecretState,
    status::{MANAGER, patch_params},
};

/// Type of the Secrets we write.
pub const TYPE: &str = "emnify.io/token";
/// Says which object a Secret without owner reference belongs to.
pub const OWNER: &str = "emnify.io/owner-uid";
/// Nonce of the create that the values came from.
pub const NONCE: &str = "emnify.io/nonce";
/// Id of the emnify object that the values belong to.
pub const TOKEN_ID: &str = "emnify.io/token-id";

/// Reads what the output Secret of `object` holds.
pub async fn look<K: Kind>(
    client: &Client,
    object: &K,
    to: &OutputRef,
) -> kube::Result<(SecretState, Option<Arc<Output>>)> {
    let Some(secret) = api(client, object).get_opt(&to.name).await? else {
        return Ok((SecretState::Missing, None));
    };
    if !is_ours(&secret, object) {
        return Ok((SecretState::Foreign, None));
    }
    let data = secret.data.clone().unwrap_or_default();
    let data =
        data.into_iter().filter_map(|(k, v)| Some((k, SecretString::from(String::from_utf8(v.0).ok()?))));
    let output = Output { data: data.collect(), annotations: secret.annotations().clone() };
    Ok((SecretState::Ours, Some(Arc::new(output))))
}

/// Creates the empty Secret; a Secret that exists already is judged by the next look.
pub async fn reserve<K: Kind>(client: &Client, object: &K, to: &OutputRef) -> kube::Result<()> {
    let uid = object.uid().unwrap_or_default();
    let owner = OwnerReference {
        controller: Some(true),
        block_owner_deletion: None,
        ..object.controller_owner_ref(&()).unwrap_or_default()
    };
    let secret = Secret {
        metadata: ObjectMeta {
            name: Some(to.name.clone()),
            annotations: Some(BTreeMap::from([(OWNER.to_owned(), uid)])),
            labels: Some(BTreeMap::from([("app.kubernetes.io/managed-by".to_owned(), MANAGER.to_owned())])),
            owner_references: (!to.keep).then(|| vec![owner]),
            ..ObjectMeta::default()
        },
        type_: Some(TYPE.into()),
        ..Secret::default()
    };
    match api(client, object)
        .create(&PostParams { field_manager: Some(MANAGER.into()), ..PostParams::default() }, &secret)
        .await
    {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(e)) if e.code == 409 => Ok(()),
        Err(error) => Err(error),
    }
}

/// Stores values, keeping the others; with `nonce` they come from that create and from no known id yet.
pub async fn store<K: Kind>(
    client: &Client,
    object: &K,
    to: &OutputRef,
    values: &BTreeMap<String, SecretString>,
    nonce: Option<&str>,
) -> kube::Result<()> {
    let data: BTreeMap<&String, ByteString> =
        values.iter().map(|(k, v)| (k, ByteString(v.expose_secret().as_bytes().to_vec()))).collect();
    let annotations = nonce.map(|n| json!({NONCE: n, TOKEN_ID: null}));
    patch(
        client,
        object,
        to,
        &json!({"metadata": {"annotations": annotations.unwrap_or(json!({}))}, "data": data}),
    )
    .await
}

/// Notes which emnify object the values of create `nonce` belong to; leaves the Secret alone if they came from another.
pub async fn bind<K: Kind>(
    client: &Client,
    object: &K,
    to: &OutputRef,
    nonce: &str,
    id: &Id,
) -> kube::Result<()> {
    let Some(secret) = api(client, object).get_opt(&to.name).await? else { return Ok(()) };
    if !is_ours(&secret, object) || secret.annotations().get(NONCE).map(String::as_str) != Some(nonce) {
        return Ok(());
    }
    patch(client, object, to, &json!({"metadata": {"annotations": {TOKEN_ID: id.to_string()}}})).await
}

async fn patch<K: Kind>(
    client: &Client,
    object: &K,
    to: &OutputRef,
    body: &serde_json::Value,
) -> kube::Result<()> {
    api(client, object).patch(&to.name, &patch_params(), &Patch::Merge(body)).await.map(|_| ())
}

fn api<K: Kind>(client: &Client, object: &K) -> Api<Secret> {
    Api::namespaced(client.clone(), &object.namespace().unwrap_or_default())
}

fn is_ours<K: Kind>(secret: &Secret, object: &K) -> bool {
    let uid = object.uid().unwrap_or_default();
    !uid.is_empty()
        && secret.type_.as_deref() == Some(TYPE)
        && (secret.annotations().get(OWNER) == Some(&uid)
            || secret.owner_references().iter().any(|o| o.uid == uid))
}
