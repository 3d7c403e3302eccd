//! Objects as they run in a cluster.

use std::collections::BTreeSet;

use anyhow::Result;
use emnify_engine::kind::spec::WorkspaceKind;
use serde_json::Value;

use crate::plugin::cluster::Cluster;

/// What runs in the namespaces of the manifests, and every workspace that they may use.
pub(super) async fn running(cluster: &Cluster, namespaces: &BTreeSet<String>) -> Result<Vec<Value>> {
    let mut objects = Vec::new();
    for family in cluster.families() {
        let kind = family.resource.kind.as_str();
        if kind == WorkspaceKind::ClusterWorkspace.as_str() {
            // who may not see them has none, as an operator of single namespaces
            objects.extend(cluster.list(family, None).await.unwrap_or_default());
            continue;
        }
        for namespace in namespaces {
            objects.extend(cluster.list(family, Some(namespace)).await?);
        }
    }
    let mut values = Vec::new();
    for object in objects {
        let mut value = serde_json::to_value(object)?;
        if let Some(meta) = value["metadata"].as_object_mut() {
            meta.remove("managedFields");
        }
        values.push(value);
    }
    Ok(values)
}
