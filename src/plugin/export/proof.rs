//! What is written is held against what was read, by the engine's own comparison, before anybody sees it: a manifest that would change
//! something, or be refused, is none that takes over.

use std::sync::Arc;

use emnify_engine::kind::{
    Change, Context, Diff, Have, Id, Input, Inputs, Kind as _, Managed, Source, Status as _,
    secret::SecretValue,
    spec::{CommonSpec, Provenance},
};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::kinds::export::{ExportSet, Known, Manifest};

/// A row, and the pieces that its manifest needs.
pub(super) type Whole<K> = (Arc<<K as Managed>::Row>, Arc<<K as Managed>::Parts>);

/// Where the object would be, for marks that are never written.
const INSTALLATION: &str = "export";

/// Why applying the object would not leave emnify as it is, if so.
pub(super) fn takes_over<K: Managed>(
    object: &K,
    have: &Have<K>,
    manifest: &Manifest<K>,
    known: &Known,
) -> Result<(), String> {
    left_as_it_is(&differences(object, have, manifest, known)?)
}

/// What applying the object would change, each in words; or why that is not known.
pub(super) fn differences<K: Managed>(
    object: &K,
    have: &Have<K>,
    manifest: &Manifest<K>,
    known: &Known,
) -> Result<Vec<String>, String> {
    let meant = |input: &Input| (manifest.meant)(&have.row, input);
    let inputs = inputs(object.meta(), object.inputs(), &meant, known)?;
    let want = object.want(&inputs).map_err(|invalid| invalid.to_string())?;
    let mut status = K::Status::default();
    status.common_mut().id = Some(K::id(&have.row).to_string());
    status.common_mut().provenance = Some(Provenance::Adopted);
    Ok(differing(object.common(), K::diff(&want, have, &context(&status))))
}

/// Why applying the set would send its members more than that they are its members, if so.
pub(super) fn joins<F: ExportSet>(
    set: &F,
    members: &[Whole<F::Member>],
    known: &Known,
) -> Result<(), String> {
    let inputs = inputs(set.meta(), set.inputs(), &|_| None, known)?;
    let base = set.base(&inputs).map_err(|invalid| invalid.to_string())?;
    let status = set.memory(None, false);
    for (row, parts) in members {
        let held = F::held(row).ok_or_else(|| format!("{} holds nothing", F::Member::id(row)))?;
        let want = set.member(&base, &held).map_err(|invalid| invalid.to_string())?;
        let have = Have { row: row.clone(), parts: parts.clone(), output: None };
        let mut diff = F::Member::diff(&want, &have, &context(&status));
        diff.changes.retain(|change| !F::joins(change) || change.class().disturbs > 0);
        left_as_it_is(&differing(set.common(), diff))
            .map_err(|why| format!("{} {}: {why}", F::Member::KIND, F::Member::id(row)))?;
    }
    Ok(())
}

/// As of an object that was there before it was applied a moment ago.
fn context<K: Managed>(status: &K::Status) -> Context<'_, K> {
    Context {
        now: Timestamp::now(),
        object_created: None,
        status: Some(status),
        edited: true,
        factory_test: false,
        own_tokens: Vec::new(),
        own_users: Vec::new(),
        as_user: false,
    }
}

/// What its fields lead to: other manifests, rows of tables, and Secrets that a person fills in.
fn inputs(
    meta: &ObjectMeta,
    of: Vec<Input>,
    meant: &dyn Fn(&Input) -> Option<Id>,
    known: &Known,
) -> Result<Inputs, String> {
    let place = format!("{INSTALLATION}/{}", meta.name.as_deref().unwrap_or_default());
    let mut inputs = Inputs::new(INSTALLATION, place, None);
    for input in of {
        if let Source::Secret { .. } | Source::Masked { .. } = &input.source {
            let value = SecretValue::new("what nobody is shown".to_owned().into(), "digest");
            inputs.put_secret(input.path, value);
            continue;
        }
        let found = meant(&input).map(|id| (id, None));
        match (found.or_else(|| known.resolve(&input)), &input.source) {
            (Some((id, shown)), _) => {
                if let Some(shown) = shown {
                    inputs.show(input.path.clone(), shown);
                }
                inputs.put(input.path, id);
            }
            (None, Source::Lookup { optional: true, .. }) => {}
            (None, _) => return Err(format!("{}: it leads nowhere", input.path)),
        }
    }
    Ok(inputs)
}

/// What is sent, told of, or waited for.
fn differing<C: Change>(policies: &CommonSpec, diff: Diff<C>) -> Vec<String> {
    let ignored = |path: &str| {
        let below = |entry: &String| {
            path.strip_prefix(entry.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        policies.ignore_fields.iter().any(below)
    };
    let changes = diff.changes.into_iter().filter_map(|change| change.strip(&ignored));
    let mut differs: Vec<String> = changes.map(|change| change.to_string()).collect();
    differs.extend(diff.immutable.iter().chain(&diff.reported).map(ToString::to_string));
    differs.extend(diff.renew.into_iter().chain(diff.waiting));
    differs.extend(diff.illegal.map(|invalid| invalid.to_string()));
    differs
}

fn left_as_it_is(differs: &[String]) -> Result<(), String> {
    if differs.is_empty() {
        return Ok(());
    }
    Err(format!("a manifest would not leave it as it is: {}", differs.join(", ")))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, from_value, json};

    use super::*;
    use crate::kinds::{
        Endpoint,
        endpoint::{Parts, Row},
        export::{Export, Exported},
    };

    fn said(spec: &Value) -> Result<(), String> {
        let manifest = json!({"apiVersion": "emnify.io/v1alpha1", "kind": "Endpoint", "metadata": {"name": "a"}, "spec": spec});
        let object: Endpoint = from_value(manifest).unwrap();
        let row =
            Row { id: 9, name: "Meter".into(), service_profile: 101, tariff_profile: 201, ..Row::default() };
        let have = Have { row: Arc::new(row), parts: Arc::new(Parts::default()), output: None };
        let Exported::Always(manifest) = Endpoint::EXPORT else { panic!("devices are exported") };
        let mut known = Known::default();
        known.put("ServiceProfile", Id::Int(102), "other".into(), None);
        takes_over(&object, &have, &manifest, &known)
    }

    #[test]
    fn what_would_be_sent_refused_or_looked_for_in_vain_is_no_takeover() {
        assert_eq!(said(&json!({"id": "9", "name": "Meter", "serviceProfile": {"id": "101"}})), Ok(()));
        let why = |spec: Value| said(&spec).unwrap_err();
        assert!(why(json!({"id": "9", "name": "Gauge"})).contains("name: Meter -> Gauge"));
        assert!(why(json!({"id": "9", "serviceProfile": {"name": "other"}})).contains("101 -> 102"));
        assert!(why(json!({"id": "9", "serviceProfile": {"name": "gone"}})).contains("leads nowhere"));
        assert!(why(json!({"id": "9", "serviceProfile": {}})).contains("serviceProfile"));
        let ignored = json!({"id": "9", "name": "Gauge", "ignoreFields": ["name"]});
        assert_eq!(said(&ignored), Ok(()), "what is ignored is not sent");
    }
}
