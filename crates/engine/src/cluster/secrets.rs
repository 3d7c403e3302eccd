//! Output Secrets: created empty before anything is minted, never taken from somebody else. One that was an earlier
//! object's of the same kind and name, as after a restore from a backup, is taken over with what is in it.

use std::{collections::BTreeMap, sync::Arc};

use k8s_openapi::{ByteString, api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::OwnerReference};
use kube::{
    Api, Client, ResourceExt,
    api::{ObjectMeta, Patch, PostParams},
};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use super::status::{MANAGER, patch_params};
use crate::{
    decide::known::SecretState,
    kind::{
        Id, Kind, Output, OutputRef,
        object_key::{namespace_of, uid_of},
    },
};

/// Type of the Secrets we write.
pub const TYPE: &str = "emnify.io/token";
/// Says which object a Secret without owner reference belongs to.
pub const OWNER: &str = "emnify.io/owner-uid";
/// Kind and name of that object, which outlive it.
pub const OWNER_NAME: &str = "emnify.io/owner";
/// Nonce of the create that the values came from.
pub const NONCE: &str = "emnify.io/nonce";
/// Id of the emnify object that the values belong to.
pub const TOKEN_ID: &str = "emnify.io/token-id";

/// Reads what the output Secret of `object` holds.
pub async fn read<K: Kind>(
    client: &Client,
    object: &K,
    to: &OutputRef,
) -> kube::Result<(SecretState, Option<Arc<Output>>)> {
    let Some(secret) = api(client, object).get_opt(&to.name).await? else {
        return Ok((SecretState::Missing, None));
    };
    let state = whose(&secret, object);
    if state == SecretState::Foreign {
        return Ok((state, None));
    }
    let data = secret.data.clone().unwrap_or_default();
    let data =
        data.into_iter().filter_map(|(k, v)| Some((k, SecretString::from(String::from_utf8(v.0).ok()?))));
    let output = Output { data: data.collect(), annotations: secret.annotations().clone() };
    Ok((state, Some(Arc::new(output))))
}

/// Creates the empty Secret, or takes over the one of an earlier object with what is in it. What else exists under that
/// name is judged by the next look.
pub async fn reserve<K: Kind>(client: &Client, object: &K, to: &OutputRef) -> kube::Result<()> {
    let owner = OwnerReference {
        controller: Some(true),
        block_owner_deletion: None,
        ..object.controller_owner_ref(&()).unwrap_or_default()
    };
    let secret = Secret {
        metadata: ObjectMeta {
            name: Some(to.name.clone()),
            annotations: Some(owner_notes(object)),
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
        Err(kube::Error::Api(e)) if e.code == 409 => take_over(client, object, to, secret.metadata).await,
        Err(error) => Err(error),
    }
}

/// Makes the Secret of an earlier object that of `object`: `own` says what is written of it.
async fn take_over<K: Kind>(
    client: &Client,
    object: &K,
    to: &OutputRef,
    own: ObjectMeta,
) -> kube::Result<()> {
    let Some(found) = api(client, object).get_opt(&to.name).await? else { return Ok(()) };
    if whose(&found, object) != SecretState::Restored {
        return Ok(());
    }
    let body = json!({"metadata": {
        "annotations": own.annotations,
        "ownerReferences": own.owner_references.unwrap_or_default(),
        // only what was looked at
        "resourceVersion": found.resource_version(),
    }});
    match patch(client, object, to, &body).await {
        Err(kube::Error::Api(e)) if matches!(e.code, 404 | 409) => Ok(()),
        done => done,
    }
}

fn owner_notes<K: Kind>(object: &K) -> BTreeMap<String, String> {
    let uid = uid_of(object.meta()).to_owned();
    BTreeMap::from([(OWNER.to_owned(), uid), (OWNER_NAME.to_owned(), owner_name(object))])
}

fn owner_name<K: Kind>(object: &K) -> String {
    format!("{}/{}", K::KIND, object.name_any())
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
    let mut annotations = json!({OWNER_NAME: owner_name(object)});
    if let Some(nonce) = nonce {
        annotations[NONCE] = nonce.into();
        annotations[TOKEN_ID] = json!(null);
    }
    patch(client, object, to, &json!({"metadata": {"annotations": annotations}, "data": data})).await
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
    Api::namespaced(client.clone(), namespace_of(object.meta()))
}

fn is_ours<K: Kind>(secret: &Secret, object: &K) -> bool {
    whose(secret, object) == SecretState::Ours
}

/// Whose Secret it is. Of an earlier object of this kind and name nothing but the Secret can be left, since names are
/// unique, so that whoever carries the name now inherits it.
fn whose<K: Kind>(secret: &Secret, object: &K) -> SecretState {
    let uid = uid_of(object.meta());
    if secret.type_.as_deref() != Some(TYPE) {
        return SecretState::Foreign;
    }
    let owners = secret.owner_references();
    let noted = secret.annotations().get(OWNER).is_some_and(|noted| noted == uid);
    if noted || owners.iter().any(|owner| owner.uid == uid) {
        return SecretState::Ours;
    }
    let (kind, name) = (K::KIND, object.name_any());
    let namesake = secret.annotations().get(OWNER_NAME) == Some(&owner_name(object));
    let of_nobody_else = owners.iter().all(|owner| owner.kind == kind && owner.name == name);
    if namesake && of_nobody_else { SecretState::Restored } else { SecretState::Foreign }
}
