//! What the cluster's definitions do not know of an export, so that nobody applies what would be dropped without a word.

use std::{collections::BTreeMap, time::Duration};

use super::told::Written;
use crate::{
    crd_skew::{self, Difference},
    plugin::{cli::Place, cluster::Cluster},
};

/// So long a cluster is waited for that is not needed otherwise.
const PATIENCE: Duration = Duration::from_secs(10);

/// Fields that are named in one sentence.
const NAMED: usize = 5;

/// What a person should know before applying. Where no cluster is configured there is nothing to compare with.
pub(super) async fn unknown(place: &Place, written: &[Written]) -> Vec<String> {
    let Ok(cluster) = Cluster::connect(place).await else { return Vec::new() };
    let asked = tokio::time::timeout(PATIENCE, crd_skew::differences(&cluster.client)).await;
    let found = match asked {
        Ok(Ok(found)) => found,
        Ok(Err(error)) => return vec![not_compared(&format!("{error:#}"))],
        Err(_) => return vec![not_compared("the API server does not answer")],
    };
    told(&found, written)
}

fn not_compared(why: &str) -> String {
    format!("whether the cluster knows all of it is not known: {why}")
}

fn told(found: &BTreeMap<String, Difference>, written: &[Written]) -> Vec<String> {
    let mut all: Vec<String> = written
        .iter()
        .filter(|written| written.objects > 0)
        .filter_map(|written| {
            let lacking = &found.get(written.kind)?.lacking;
            if lacking.iter().any(|field| field == "spec") {
                return Some(format!("the cluster does not know the kind {}", written.kind));
            }
            let used: Vec<&str> =
                lacking.iter().filter(|field| written.fields.contains(*field)).map(String::as_str).collect();
            let more = used.len().saturating_sub(NAMED);
            let named = used.get(..used.len() - more)?.join(", ");
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            (!used.is_empty())
                .then(|| format!("the cluster's definition of {} drops {named}{more}", written.kind))
        })
        .collect();
    if !all.is_empty() {
        let mend = "before you apply this, upgrade the definitions to this program's version: helm upgrade of emnify-operator-crds";
        all.push(mend.to_owned());
    }
    all
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn written(kind: &'static str, objects: usize, fields: &[&str]) -> Written {
        let fields: BTreeSet<String> = fields.iter().map(|field| (*field).to_owned()).collect();
        Written { kind, many: false, objects, documents: Vec::new(), fields }
    }

    fn lacking(fields: &[&str]) -> Difference {
        let lacking = fields.iter().map(|field| (*field).to_owned()).collect();
        Difference { lacking, ..Difference::default() }
    }

    #[test]
    fn kinds_and_fields_that_the_cluster_would_drop_are_told_if_the_export_has_them() {
        let found = BTreeMap::from([
            ("EndpointSet".to_owned(), lacking(&["spec", "status"])),
            (
                "Endpoint".to_owned(),
                lacking(&["spec.sim.eid", "spec.tags", "spec.zones[].id", "status.usage"]),
            ),
            ("Tag".to_owned(), lacking(&["spec"])),
            ("DnsConfig".to_owned(), Difference { unknown: vec!["spec.x".into()], ..Difference::default() }),
        ]);
        let all = [
            written("EndpointSet", 1, &["spec"]),
            written("Endpoint", 2, &["spec", "spec.tags", "spec.tags[]", "spec.zones[].id"]),
            written("Tag", 0, &[]),
            written("DnsConfig", 1, &["spec", "spec.primary"]),
        ];
        let told = told(&found, &all);
        assert_eq!(told[0], "the cluster does not know the kind EndpointSet");
        assert_eq!(told[1], "the cluster's definition of Endpoint drops spec.tags, spec.zones[].id");
        assert!(told[2].contains("upgrade the definitions") && told.len() == 3, "{told:#?}");
        assert!(super::told(&BTreeMap::new(), &all).is_empty(), "a cluster of this version is fine");
    }
}
