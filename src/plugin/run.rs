//! Makes an Operation, and follows it to its end.

use anyhow::{Context, Result, anyhow, bail};
use emnify_engine::kind::{
    Kind,
    reason::{
        self,
        condition::{FAILED, READY},
    },
};
use futures::StreamExt;
use kube::{
    Api, CustomResourceExt, ResourceExt,
    api::{DynamicObject, Patch, PatchParams, PostParams},
};
use serde_json::{Map, Value, json};

use super::{
    ask::Ask,
    cli::RunArgs,
    cluster::{Change, Cluster, Found},
    printer::Printer,
    steer::MANAGER,
};
use crate::kinds::Operation;

/// Actions that are done to SIMs, not to devices.
const OF_SIMS: [&str; 3] = ["deleteSims", "migrateSims", "simOperation"];

pub(super) async fn run(
    args: &RunArgs,
    cluster: &Cluster,
    ask: Ask,
    printer: &mut Printer<'_>,
) -> Result<()> {
    let manifest = manifest(args)?;
    if args.dry_run {
        return printer.page(&manifest);
    }
    let family = cluster.kind(Operation::KIND)?.clone();
    let api = cluster.api(&family, Some(&cluster.namespace));
    let object: DynamicObject = serde_json::from_value(manifest)?;
    let parameters = PostParams { field_manager: Some(MANAGER.into()), ..PostParams::default() };
    let made = Found::of(&family, api.create(&parameters, &object).await?);
    printer.line(&format!("{made} created"))?;
    if args.no_follow {
        return Ok(());
    }
    let mut told = String::new();
    let mut changes = Box::pin(cluster.changes(&made));
    while let Some(change) = changes.next().await {
        let now = match change? {
            Change::Now(now) => now,
            Change::Gone => bail!("{made} was deleted"),
            Change::Silent(why) => {
                printer.note(&format!("the API server is not heard, and tried again: {why}"))?;
                continue;
            }
        };
        let line = progress(&now);
        if line != told {
            printer.note(&line)?;
            told = line;
        }
        if now.text("/status/finishedAt").is_some() {
            return ended(&now, printer);
        }
        let wants = now.condition(READY).filter(|ready| ready.reason == reason::CONFIRMATION_NEEDED);
        if let Some(targets) = wants.and_then(|ready| number(&ready.message)) {
            let question = format!("This cannot be taken back, and is for {targets} targets. Do it?");
            let sure = ask.sure(args.yes, &question, printer);
            sure.with_context(|| format!("{made} waits for spec.confirm; kubectl delete takes it away"))?;
            confirm(&api, &now, targets).await?;
        }
    }
    Ok(())
}

/// Confirms what was shown, and nothing that somebody has made of it since: then it is shown and asked for anew.
async fn confirm(api: &Api<DynamicObject>, shown: &Found, targets: u64) -> Result<()> {
    let meta = &shown.object.metadata;
    let meta = json!({"uid": meta.uid, "resourceVersion": meta.resource_version});
    let patch = Patch::Merge(json!({"metadata": meta, "spec": {"confirm": {"targets": targets}}}));
    let parameters = PatchParams { field_manager: Some(MANAGER.into()), ..PatchParams::default() };
    match api.patch(&shown.object.name_any(), &parameters, &patch).await {
        Err(kube::Error::Api(changed)) if changed.code == 409 => Ok(()),
        done => Ok(done.map(drop)?),
    }
}

/// The number of targets that a message asks to be confirmed: `set confirm.targets: 3`.
fn number(message: &str) -> Option<u64> {
    let rest = message.split("confirm.targets: ").nth(1)?;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

fn progress(found: &Found) -> String {
    let phase = found.text("/status/phase").unwrap_or("Pending");
    let count =
        |key: &str| found.object.data.pointer(&format!("/status/targets/{key}")).and_then(Value::as_u64);
    let told = found.text("/status/message").map(|told| format!(": {told}")).unwrap_or_default();
    match count("total") {
        Some(total) => {
            let done =
                ["succeeded", "failed", "skipped", "unknown"].into_iter().filter_map(count).sum::<u64>();
            format!("{phase}, {done} of {total} targets{told}")
        }
        None => format!("{phase}{told}"),
    }
}

fn ended(found: &Found, printer: &mut Printer<'_>) -> Result<()> {
    let results = found.object.data.pointer("/status/results").and_then(Value::as_array);
    let rows: Vec<Vec<String>> = results
        .into_iter()
        .flatten()
        .map(|row| {
            let text = |key: &str| row[key].as_str().unwrap_or("-").to_owned();
            vec![text("target"), text("name"), text("state"), text("reason"), text("message")]
        })
        .collect();
    if !rows.is_empty() {
        printer.table(&["TARGET", "NAME", "STATE", "REASON", "MESSAGE"].map(str::to_owned), &rows)?;
    }
    let failed = found.condition(FAILED).filter(|failed| failed.status == "True");
    failed.map_or(Ok(()), |failed| Err(anyhow!("{found}: {}: {}", failed.reason, failed.message)))
}

/// The Operation that was asked for.
fn manifest(args: &RunArgs) -> Result<Value> {
    let fields = action_fields(&args.action)?;
    let mut parameters = Map::new();
    for set in &args.set {
        let (field, value) = set.split_once('=').ok_or_else(|| anyhow!("--set {set}: write FIELD=VALUE"))?;
        let schema = fields.get(field).ok_or_else(|| {
            let known: Vec<_> = fields.keys().map(String::as_str).collect();
            let known = if known.is_empty() {
                "it has none".to_owned()
            } else {
                format!("use one of {}", known.join(", "))
            };
            anyhow!("--set {field}: {} has no such field; {known}", args.action)
        })?;
        parameters.insert(field.to_owned(), typed(field, value, schema)?);
    }
    let mut spec = json!({"action": {&args.action: parameters}});
    let target = target(&args.action, &args.targets)?;
    if !target.is_empty() {
        spec["target"] = Value::Object(target);
    }
    let mut metadata = json!({});
    match &args.name {
        Some(name) => metadata["name"] = name.as_str().into(),
        None => metadata["generateName"] = format!("{}-", args.action.to_lowercase()).into(),
    }
    let kind = Operation::api_resource();
    Ok(json!({"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata, "spec": spec}))
}

/// Names of all actions.
pub(super) fn actions() -> Vec<String> {
    schemas().map(|actions| actions.keys().cloned().collect()).unwrap_or_default()
}

/// Every action, as the definition of the kind has it.
fn schemas() -> Result<Map<String, Value>> {
    let crd = serde_json::to_value(Operation::crd())?;
    let at = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/action/properties";
    crd.pointer(at).and_then(Value::as_object).cloned().context("operations have actions")
}

/// Fields of an action.
fn action_fields(action: &str) -> Result<Map<String, Value>> {
    let actions = schemas()?;
    let found = actions.get(action).ok_or_else(|| {
        let all: Vec<_> = actions.keys().map(String::as_str).collect();
        anyhow!("there is no action {action}; use one of {}", all.join(", "))
    })?;
    Ok(found["properties"].as_object().cloned().unwrap_or_default())
}

/// A value of the type that the field has.
fn typed(field: &str, value: &str, schema: &Value) -> Result<Value> {
    let wrong = |what: &str| anyhow!("--set {field}={value}: {what} is expected");
    match schema["type"].as_str() {
        Some("boolean") => Ok(value.parse::<bool>().map_err(|_| wrong("true or false"))?.into()),
        Some("integer") => Ok(value.parse::<i64>().map_err(|_| wrong("a whole number"))?.into()),
        Some("object" | "array") => serde_json::from_str(value).map_err(|_| wrong("JSON")),
        _ => Ok(value.into()),
    }
}

/// Whom it is done to.
fn target(action: &str, typed: &[String]) -> Result<Map<String, Value>> {
    let mut target = Map::new();
    for one in typed {
        let (list, value) = if let Some(id) = one.strip_prefix("id:") {
            ("endpoints", json!({"id": id}))
        } else if let Some(iccid) = one.strip_prefix("iccid:") {
            if OF_SIMS.contains(&action) {
                let sims = target.entry("sims").or_insert_with(|| json!({"list": []}));
                sims["list"].as_array_mut().context("it is a list")?.push(iccid.into());
                continue;
            }
            ("endpoints", json!({"iccid": iccid}))
        } else if let Some(eid) = one.strip_prefix("eid:") {
            ("euiccs", eid.into())
        } else if let Some(tag) = one.strip_prefix("tag:") {
            only(&mut target, "tag", tag.into(), one)?;
            continue;
        } else if let Some((kind, name)) = one.split_once('/') {
            let field = match kind.to_lowercase().as_str() {
                "endpoint" | "endpoints" | "emep" => {
                    push(&mut target, "endpoints", json!({"name": name}));
                    continue;
                }
                "endpointset" | "endpointsets" | "emeps" => "endpointSet",
                "datastream" | "datastreams" => "dataStream",
                "cloudconnect" | "cloudconnects" => "cloudConnect",
                "serviceprofile" | "serviceprofiles" | "emsp" => "serviceProfile",
                "user" | "users" => "user",
                _ => bail!("{one} is no target of an operation; see kubectl explain operation.spec.target"),
            };
            only(&mut target, field, json!({"name": name}), one)?;
            continue;
        } else {
            bail!("{one}: write KIND/NAME, id:NUMBER, iccid:DIGITS, eid:DIGITS or tag:NAME");
        };
        push(&mut target, list, value);
    }
    Ok(target)
}

fn push(target: &mut Map<String, Value>, list: &str, value: Value) {
    let all = target.entry(list).or_insert_with(|| json!([]));
    if let Some(all) = all.as_array_mut() {
        all.push(value);
    }
}

fn only(target: &mut Map<String, Value>, field: &str, value: Value, typed: &str) -> Result<()> {
    if target.insert(field.to_owned(), value).is_some() {
        bail!("{typed}: an operation takes one of these; make another one for it");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(action: &str, targets: &[&str], set: &[&str]) -> RunArgs {
        let owned = |all: &[&str]| all.iter().map(|one| (*one).to_owned()).collect();
        RunArgs { action: action.into(), targets: owned(targets), set: owned(set), ..RunArgs::default() }
    }

    fn spec(action: &str, targets: &[&str], set: &[&str]) -> Value {
        manifest(&args(action, targets, set)).unwrap()["spec"].clone()
    }

    fn refused(action: &str, targets: &[&str], set: &[&str]) -> String {
        manifest(&args(action, targets, set)).unwrap_err().to_string()
    }

    #[test]
    fn what_is_typed_becomes_an_operation() {
        assert_eq!(
            spec(
                "sendSms",
                &["endpoint/meter-1", "id:7", "iccid:8988303000000010001"],
                &["payload=12", "waitForDelivery=true"]
            ),
            json!({"action": {"sendSms": {"payload": "12", "waitForDelivery": true}},
                "target": {"endpoints": [{"name": "meter-1"}, {"id": "7"}, {"iccid": "8988303000000010001"}]}}),
            "a value has the type of its field"
        );
        assert_eq!(
            spec("deleteSims", &["iccid:8988303000000010001"], &[])["target"],
            json!({"sims": {"list": ["8988303000000010001"]}})
        );
        assert_eq!(
            spec("resetConnectivity", &["tag:roof", "emeps/meters"], &[])["target"],
            json!({"tag": "roof", "endpointSet": {"name": "meters"}})
        );
        assert!(spec("verifyRecipient", &[], &[]).get("target").is_none());
    }

    #[test]
    fn what_cannot_be_meant_is_told() {
        assert!(refused("sendFax", &[], &[]).contains("there is no action sendFax; use one of"));
        assert!(
            refused("sendSms", &["id:7"], &["text=a"])
                .contains("--set text: sendSms has no such field; use one of")
        );
        assert!(
            refused("sendSms", &["id:7"], &["waitForDelivery=yes"]).contains("true or false is expected")
        );
        assert!(refused("sendSms", &["meter"], &[]).contains("meter: write KIND/NAME"));
        assert!(refused("sendSms", &["tag:a", "tag:b"], &[]).contains("tag:b: an operation takes one"));
    }

    #[test]
    fn the_number_to_confirm_is_what_the_message_asks_for() {
        assert_eq!(number("3 SIMs would be deleted; set confirm.targets: 3, if that is meant"), Some(3));
        assert_eq!(number("nothing"), None);
    }
}
