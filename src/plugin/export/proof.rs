//! What is written is held against what was read, by the engine's own comparison, before anybody sees it: a manifest that would change
//! something, or be refused, is none that takes over.

use emnify_engine::kind::{
    Change, Context, Diff, Have, Inputs, Managed, Source, Status as _,
    secret::SecretValue,
    spec::{CommonSpec, Provenance},
};
use jiff::Timestamp;

use crate::kinds::export::{Known, Manifest};

/// Where the object would be, for marks that are never written.
const INSTALLATION: &str = "export";

/// Why applying the object would not leave emnify as it is, if so.
pub(super) fn takes_over<K: Managed>(
    object: &K,
    have: &Have<K>,
    manifest: &Manifest<K>,
    known: &Known,
) -> Result<(), String> {
    let inputs = inputs(object, have, manifest, known)?;
    let want = object.want(&inputs).map_err(|invalid| invalid.to_string())?;
    let mut status = K::Status::default();
    status.common_mut().id = Some(K::id(&have.row).to_string());
    status.common_mut().provenance = Some(Provenance::Adopted);
    let context = Context {
        now: Timestamp::now(),
        object_created: None,
        status: Some(&status),
        edited: true,
        factory_test: false,
        own_tokens: Vec::new(),
        own_users: Vec::new(),
        as_user: false,
    };
    in_step(object.common(), K::diff(&want, have, &context))
}

/// What its fields lead to: other manifests, rows of tables, and Secrets that a person fills in.
fn inputs<K: Managed>(
    object: &K,
    have: &Have<K>,
    manifest: &Manifest<K>,
    known: &Known,
) -> Result<Inputs, String> {
    let place = format!("{INSTALLATION}/{}", object.meta().name.as_deref().unwrap_or_default());
    let mut inputs = Inputs::new(INSTALLATION, place, None);
    for input in object.inputs() {
        if let Source::Secret { .. } | Source::Masked { .. } = &input.source {
            let value = SecretValue::new("what nobody is shown".to_owned().into(), "digest");
            inputs.put_secret(input.path, value);
            continue;
        }
        let found = (manifest.meant)(&have.row, &input.path).map(|id| (id, None));
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

/// Nothing is sent, told of, or waited for.
fn in_step<C: Change>(policies: &CommonSpec, diff: Diff<C>) -> Result<(), String> {
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
    if differs.is_empty() {
        return Ok(());
    }
    Err(format!("a manifest would not leave it as it is: {}", differs.join(", ")))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use emnify_engine::kind::Id;
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
