//! `check` and the API server give one answer, whichever way an object comes in.

mod random;

use emnify_harness::{
    seed::seeded,
    stage::{Options, Stage},
};
use emnify_operator::check::{Checker, Report};
use futures::StreamExt as _;
use serde_json::Value;

use self::random::{Base, examples, manifest};
use crate::support::Result;

/// Manifests that are tried.
const CASES: usize = 700;
/// So many requests at once.
const AT_ONCE: usize = 8;

/// Ways into the API server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Door {
    /// What `kubectl create`, and the first `kubectl apply`, do.
    Create,
    /// What `kubectl apply` does to an object that exists.
    MergePatch,
    /// Server-side apply of an object that is not there.
    Apply,
    /// Server-side apply over an object that is.
    ApplyOver,
}

impl Door {
    const ALL: [Self; 4] = [Self::Create, Self::MergePatch, Self::Apply, Self::ApplyOver];
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn check_and_the_api_server_agree_about_random_manifests() -> Result<()> {
    let stage = Stage::start(Options::shared("verdicts")).await?;
    let (seed, mut rng) = seeded("check_and_the_api_server_agree_about_random_manifests");
    let checker = Checker::own();
    let bases = examples();
    for base in &bases {
        // A cluster-scoped one would be seen by the operators of other tests.
        if base.namespaced {
            let answer = ask(&stage, Door::ApplyOver, base, &base.object, false).await?;
            assert_eq!(answer, None, "the examples are accepted: {}", base.object);
        }
    }
    let cases: Vec<(usize, Value)> = (0..CASES)
        .map(|_| {
            let (base, object) = manifest(&mut rng, &bases);
            (base, object)
        })
        .collect();
    let tried = futures::stream::iter(cases).map(|(base, object)| {
        let (stage, checker, base) = (&stage, &checker, &bases[base]);
        async move {
            let checked = check(checker, &object);
            // A merge patch takes nulls away before anybody looks.
            let patched = check(checker, &without_nulls(&object));
            let mut differ = Vec::new();
            let mut refused = !checked.is_empty();
            let opens = |door: &Door| match door {
                Door::Create | Door::Apply => true,
                Door::MergePatch => base.namespaced,
                Door::ApplyOver => base.namespaced && !empties(&base.object, &object),
            };
            for door in Door::ALL.into_iter().filter(opens) {
                let answer = ask(stage, door, base, &object, true).await?;
                let checked = if door == Door::MergePatch { &patched } else { &checked };
                if answer.is_some() == checked.is_empty() {
                    differ.push(format!("  {door:?} says {}", answer.as_deref().unwrap_or("yes")));
                }
                refused |= answer.is_some();
            }
            let report = (!differ.is_empty()).then(|| {
                format!(
                    "{object}\n  check says {}\n{}",
                    if checked.is_empty() { "yes".into() } else { checked.join("; ") },
                    differ.join("\n")
                )
            });
            Ok::<_, anyhow::Error>((refused, report))
        }
    });
    let tried: Vec<_> =
        tried.buffered(AT_ONCE).collect::<Vec<_>>().await.into_iter().collect::<Result<_>>()?;
    let refused = tried.iter().filter(|(refused, _)| *refused).count();
    let differ: Vec<_> = tried.into_iter().filter_map(|(_, report)| report).collect();
    assert!(
        differ.is_empty(),
        "seed {seed}: check and the API server differ about {} of {CASES}:\n{}",
        differ.len(),
        differ.iter().take(12).cloned().collect::<Vec<_>>().join("\n")
    );
    assert!(
        (CASES / 5..CASES * 9 / 10).contains(&refused),
        "seed {seed}: some are good and some are not: {refused}"
    );
    Ok(())
}

fn check(checker: &Checker, object: &Value) -> Vec<String> {
    let mut report = Report::default();
    checker.file("a.json", &object.to_string(), &mut report);
    report.findings.iter().map(ToString::to_string).collect()
}

/// What the API server has against an object; `None` if nothing.
async fn ask(stage: &Stage, door: Door, base: &Base, object: &Value, dry: bool) -> Result<Option<String>> {
    let mut object = as_sent(object);
    let name = if matches!(door, Door::MergePatch | Door::ApplyOver) { &base.name } else { "new" };
    object["metadata"]["name"] = name.into();
    let within = if base.namespaced { format!("namespaces/{}/", stage.namespace()) } else { String::new() };
    let collection = format!("/apis/emnify.io/v1alpha1/{within}{}", base.plural);
    let mut query = "fieldValidation=Strict".to_owned();
    if dry {
        query += "&dryRun=All";
    }
    let (method, path, kind, body) = match door {
        Door::Create => ("POST", format!("{collection}?{query}"), "application/json", object),
        Door::MergePatch => {
            let patch = difference(&base.object, &object);
            ("PATCH", format!("{collection}/{name}?{query}"), "application/merge-patch+json", patch)
        }
        Door::Apply | Door::ApplyOver => {
            let path = format!("{collection}/{name}?{query}&fieldManager=verdicts&force=true");
            ("PATCH", path, "application/apply-patch+yaml", object)
        }
    };
    let request = http::Request::builder().method(method).uri(path).header("content-type", kind);
    match stage.client().request_text(request.body(body.to_string().into_bytes())?).await {
        Ok(_) => Ok(None),
        Err(kube::Error::Api(status)) if !matches!(status.code, 429 | 503 | 504) => Ok(Some(status.message)),
        Err(error) => Err(error.into()),
    }
}

/// kubectl, Flux and Argo CD write whole numbers without a fraction, however the file has them. Of a client that does not,
/// the API server takes `80.0` for 80 as well, except where a rule reads the field.
fn as_sent(value: &Value) -> Value {
    match value {
        Value::Number(number) if number.is_f64() => {
            let written = number.as_f64().filter(|float| float.abs() < 1e18).map(|float| float.to_string());
            written.and_then(|text| text.parse::<i64>().ok()).map_or_else(|| value.clone(), Value::from)
        }
        Value::Array(items) => items.iter().map(as_sent).collect(),
        Value::Object(entries) => {
            Value::Object(entries.iter().map(|(key, value)| (key.clone(), as_sent(value))).collect())
        }
        other => other.clone(),
    }
}

/// What is left of an object in a merge patch.
fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(entries) => {
            let kept = entries.iter().filter(|(_, value)| !value.is_null());
            Value::Object(kept.map(|(key, value)| (key.clone(), without_nulls(value))).collect())
        }
        other => other.clone(),
    }
}

/// Server-side apply takes an empty map or list over entries that the same manager had applied for one that is left out.
fn empties(from: &Value, to: &Value) -> bool {
    match (from, to) {
        (Value::Object(from), Value::Object(to)) => {
            (!from.is_empty() && to.values().all(holds_nothing))
                || to.iter().any(|(key, to)| from.get(key).is_some_and(|from| empties(from, to)))
        }
        (Value::Array(from), Value::Array(to)) => {
            (!from.is_empty() && to.is_empty())
                || from.iter().any(|from| to.iter().any(|to| empties(from, to)))
        }
        _ => false,
    }
}

/// Nothing is in it that a manager could own.
fn holds_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(entries) => entries.values().all(holds_nothing),
        _ => false,
    }
}

/// The merge patch that makes one of the other.
fn difference(from: &Value, to: &Value) -> Value {
    match (from, to) {
        (Value::Object(from), Value::Object(to)) => {
            let gone = from.keys().filter(|key| !to.contains_key(*key)).map(|key| (key.clone(), Value::Null));
            let new = to.iter().map(|(key, value)| {
                (key.clone(), from.get(key).map_or_else(|| value.clone(), |from| difference(from, value)))
            });
            Value::Object(gone.chain(new).collect())
        }
        _ => to.clone(),
    }
}

/// YAML as kubectl reads it, and what only a person would write.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn check_reads_yaml_as_kubectl_does() -> Result<()> {
    let stage = Stage::start(Options::shared("yaml")).await?;
    let specs = [
        ("ServiceProfile", "{name: yes}"),
        ("ServiceProfile", "{name: a, allowed2g: yes}"),
        ("ServiceProfile", "{name: a, allowed2g: Off}"),
        ("ServiceProfile", "{name: a, allowed2g: 'on'}"),
        ("ServiceProfile", "{name: 010}"),
        ("ServiceProfile", "{name: 1_000}"),
        ("ServiceProfile", "{name: 2026-12-31T23:59:59Z}"),
        ("ServiceProfile", "{name: ~}"),
        ("ServiceProfile", "{name: a, description: Null}"),
        ("ServiceProfile", "{name: .5}"),
        ("ServiceProfile", "{name: 12:30:45}"),
        ("Endpoint", "{quota: {sms: {allowance: 80.0, period: 1h}}}"),
        ("Endpoint", "{quota: {sms: {allowance: 1e2, period: 1h}}}"),
        ("Endpoint", "{quota: {sms: {allowance: 1e+2, period: 1h}}}"),
        ("Endpoint", "{quota: {sms: {allowance: 80.5, period: 1h}}}"),
        ("Endpoint", "{quota: {sms: {allowance: 010, period: 1h}}}"),
        ("Endpoint", "{quota: {sms: {allowance: 0x10, period: 1h}}}"),
        ("Endpoint", "{quota: {sms: {allowance: 1_000, period: 1h}}}"),
        ("Endpoint", "{quota: {sms: {allowance: -0, period: 1h}}}"),
        ("Endpoint", "{quota: {data: {allowance: 500M, expiry: 2026-12-31T23:59:59Z}}}"),
        ("Endpoint", "{quota: {data: {allowance: 1e6, period: 1h}}}"),
        ("Endpoint", "{sim: {iccid: '8988303000000010140', eid: null}, tags: , deletionPolicy: null}"),
        ("Endpoint", "{sim: {iccid: 8988303000000010140}}"),
        ("ApplicationToken", "{secretRef: {name: a..b}}"),
        ("ApplicationToken", "{secretRef: {name: a.b, tokenKey: ..data}}"),
        ("ApplicationToken", "{jwt: {enabled: true}, secretRef: {name: a.b, tokenKey: jwt}}"),
    ];
    let checker = Checker::own();
    let mut manifests = Vec::new();
    for (index, (kind, spec)) in specs.iter().enumerate() {
        manifests.push(format!(
            "apiVersion: emnify.io/v1alpha1\nkind: {kind}\nmetadata: {{name: case-{index}}}\nspec: {spec}\n"
        ));
    }
    let output =
        stage.kubectl_with(&["create", "--dry-run=server", "-f", "-"], &manifests.join("---\n")).await?;
    for (index, manifest) in manifests.iter().enumerate() {
        let accepted = output.stdout.contains(&format!("/case-{index} created"));
        let mut report = Report::default();
        checker.file("a.yaml", manifest, &mut report);
        let findings: Vec<_> = report.findings.iter().map(ToString::to_string).collect();
        assert_eq!(
            accepted,
            findings.is_empty(),
            "kubectl and check differ about\n{manifest}check: {findings:?}\nkubectl: {}",
            output.stderr
        );
    }
    Ok(())
}
