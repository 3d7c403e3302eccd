//! Whether the definitions in the cluster are those of this binary: asked at the start, and whenever they change.
//!
//! The API server publishes them as `OpenAPI` to everybody who is authenticated, so no rights are needed.

mod compare;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use anyhow::{Context, Result};
use http::Request;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Client;
use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::watch;

pub use self::compare::{Difference, compare};
use crate::definitions;

/// How often the API server is asked whether its definitions changed: one small answer.
const EVERY: Duration = Duration::from_secs(30);

/// Our group and version among those that the API server publishes.
const PUBLISHED: &str = "apis/emnify.io/v1alpha1";

/// Differences by kind; every kind that is compared has an entry.
#[derive(Clone, Debug, Default)]
pub struct Skew(Arc<Mutex<BTreeMap<String, Difference>>>);

impl Skew {
    /// How many fields differ, by kind.
    pub fn counts(&self) -> Vec<(String, usize)> {
        let found = self.0.lock();
        found.iter().map(|(kind, difference)| (kind.clone(), difference.len())).collect()
    }

    /// Replaces what is known and says what became of it: kinds that differ in another way now, and kinds that differ no
    /// longer.
    fn replace(&self, now: BTreeMap<String, Difference>) -> News {
        let mut known = self.0.lock();
        let before = |kind: &String| known.get(kind).cloned().unwrap_or_default();
        let changed = now.iter().filter(|(kind, found)| before(kind) != **found);
        let (mended, differ): (Vec<_>, Vec<_>) = changed.partition(|(_, found)| found.is_empty());
        let news = News {
            differ: differ.into_iter().map(|(kind, found)| (kind.clone(), found.clone())).collect(),
            mended: mended.into_iter().map(|(kind, _)| kind.clone()).collect(),
        };
        *known = now;
        news
    }
}

/// What changed.
#[derive(Debug, PartialEq, Eq)]
struct News {
    differ: Vec<(String, Difference)>,
    mended: Vec<String>,
}

impl News {
    /// In one sentence, with what mends it.
    fn told(&self) -> Option<String> {
        let (first, found) = self.differ.first()?;
        let others: Vec<&str> = self.differ.iter().skip(1).map(|(kind, _)| kind.as_str()).collect();
        let others =
            if others.is_empty() { String::new() } else { format!("; {} differ too", others.join(", ")) };
        Some(format!("The cluster's definition of {first} {found}{others}. {}", self.mend()))
    }

    fn mend(&self) -> &'static str {
        let newer = |(_, found): &(String, Difference)| found.lacking.is_empty() && !found.unknown.is_empty();
        if self.differ.iter().all(newer) {
            "The definitions are newer: upgrade the operator."
        } else {
            "Upgrade the definitions to the operator's version: helm upgrade of emnify-operator-crds, or kubectl apply \
             --server-side of crds/."
        }
    }
}

/// Compares until `shutdown` says true. `tell` is given what should be known to whoever runs the operator.
pub async fn follow(
    client: Client,
    whole_cluster: bool,
    skew: Skew,
    tell: impl Fn(&str),
    mut shutdown: watch::Receiver<bool>,
) {
    let mut seen = None;
    loop {
        match look(&client, whole_cluster, &mut seen).await {
            Ok(Some(now)) => report(&skew.replace(now), &tell),
            Ok(None) => {}
            Err(error) => tracing::warn!(error = format!("{error:#}"), "definitions not compared"),
        }
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            _ = shutdown.wait_for(|s| *s) => return,
        }
    }
}

fn report(news: &News, tell: &impl Fn(&str)) {
    for (kind, found) in &news.differ {
        tracing::warn!(
            kind,
            differs = %found,
            mend = news.mend(),
            version = env!("CARGO_PKG_VERSION"),
            "the cluster's definition is of another version than the operator"
        );
    }
    for kind in &news.mended {
        tracing::info!(kind, "the cluster's definition is the operator's again");
    }
    if let Some(told) = news.told() {
        tell(&told);
    }
}

/// What is said of each schema of this binary, by kind; all of them together would be a twentieth of the process, so
/// none is kept. Who serves some namespaces only does not serve kinds of cluster scope.
fn own<T>(whole_cluster: bool, mut say: impl FnMut(&str, &Value) -> T) -> BTreeMap<String, T> {
    let mut all = BTreeMap::new();
    definitions::each(|crd| {
        let schema = |crd: CustomResourceDefinition| {
            let schema = crd.spec.versions.into_iter().next()?.schema?.open_api_v3_schema?;
            Some((crd.spec.names.kind, serde_json::to_value(schema).expect("a schema is JSON")))
        };
        if !whole_cluster && crd.spec.scope != "Namespaced" {
            return;
        }
        if let Some((kind, schema)) = schema(crd) {
            let said = say(&kind, &schema);
            all.insert(kind, said);
        }
    });
    all
}

/// What the API server publishes, by group and version.
#[derive(Deserialize)]
struct Index {
    paths: BTreeMap<String, Entry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    /// Ends with a hash of what it leads to.
    #[serde(rename = "serverRelativeURL")]
    server_relative_url: String,
}

/// Compares, unless what is published is what was `seen`.
async fn look(
    client: &Client,
    whole_cluster: bool,
    seen: &mut Option<String>,
) -> Result<Option<BTreeMap<String, Difference>>> {
    let index: Index = read(client, "/openapi/v3").await?;
    let url = index.paths.get(PUBLISHED).map(|entry| entry.server_relative_url.clone());
    if url.is_some() && url == *seen {
        return Ok(None);
    }
    let published = match &url {
        Some(url) => read(client, url).await?,
        // the last definition is gone
        None => Value::Null,
    };
    *seen = url;
    Ok(Some(own(whole_cluster, |kind, own| compare(own, served(&published, kind)))))
}

/// How the definitions of a cluster differ from those of this binary, by kind.
pub async fn differences(client: &Client) -> Result<BTreeMap<String, Difference>> {
    Ok(look(client, true, &mut None).await?.unwrap_or_default())
}

async fn read<T: serde::de::DeserializeOwned>(client: &Client, url: &str) -> Result<T> {
    let request = Request::get(url).body(Vec::new()).context("a URL of the API server")?;
    client.request(request).await.with_context(|| format!("{url} cannot be read"))
}

/// The published schema of a kind, `null` where there is none.
fn served<'a>(published: &'a Value, kind: &str) -> &'a Value {
    &published["components"]["schemas"][format!("io.emnify.v1alpha1.{kind}")]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lacks(path: &str) -> Difference {
        Difference { lacking: vec![path.to_owned()], ..Difference::default() }
    }

    fn all(found: &[(&str, Difference)]) -> BTreeMap<String, Difference> {
        found.iter().map(|(kind, difference)| ((*kind).to_owned(), difference.clone())).collect()
    }

    #[test]
    fn only_changes_are_told() {
        let skew = Skew::default();
        let same = all(&[("Endpoint", Difference::default()), ("Sim", Difference::default())]);
        assert_eq!(skew.replace(same.clone()).told(), None, "a fresh installation says nothing");
        let older = all(&[("Endpoint", lacks("spec.a")), ("Sim", Difference::default())]);
        let told = skew.replace(older.clone()).told().unwrap();
        assert!(told.contains("Endpoint lacks spec.a") && told.contains("emnify-operator-crds"), "{told}");
        assert_eq!(skew.counts(), [("Endpoint".to_owned(), 1), ("Sim".to_owned(), 0)]);
        assert_eq!(skew.replace(older).told(), None, "it was told");
        let news = skew.replace(same);
        assert_eq!((news.mended.clone(), news.told()), (vec!["Endpoint".to_owned()], None));
    }

    #[test]
    fn the_mend_is_named() {
        let newer = Difference { unknown: vec!["spec.b".into()], ..Difference::default() };
        let news = |found: &[(&str, Difference)]| Skew::default().replace(all(found)).told().unwrap();
        assert!(news(&[("Sim", newer.clone())]).contains("upgrade the operator"));
        let both = news(&[("Endpoint", lacks("spec.a")), ("Sim", newer)]);
        assert!(both.contains("Upgrade the definitions") && both.contains("Sim differ too"), "{both}");
    }

    #[test]
    fn a_namespaced_installation_compares_what_it_serves() {
        let compared = |whole_cluster| own(whole_cluster, |_, _| ());
        assert!(compared(true).contains_key("ClusterWorkspace"));
        let namespaced = compared(false);
        assert!(!namespaced.contains_key("ClusterWorkspace") && namespaced.contains_key("Workspace"));
    }

    #[test]
    fn a_binary_agrees_with_itself() {
        own(true, |kind, schema| {
            assert_eq!(compare(schema, schema), Difference::default(), "{kind}");
        });
    }
}
