//! What people decide, as annotations. Their field manager is none that begins with `kubectl`, whose fields Flux takes over.

use anyhow::{Result, bail};
use emnify_engine::kind::reason::{
    self,
    annotation::{APPROVE, FORCE_ORPHAN, REFRESH, SUSPEND},
    condition::{GUARD_TRIPPED, READY},
};
use jiff::Timestamp;
use kube::{
    ResourceExt,
    api::{Patch, PatchParams},
};
use serde_json::json;

use super::{
    ask::Ask,
    cli::{DecisionArgs, ObjectArgs},
    cluster::{Cluster, Found},
    printer::Printer,
};

/// Field manager of what people decide.
pub(super) const MANAGER: &str = "emnify";

/// What the message of a tripped guard says before its hash.
const APPROVAL: &str = "emnify.io/approve=";

pub(super) async fn refresh(args: &ObjectArgs, cluster: &Cluster, printer: &mut Printer<'_>) -> Result<()> {
    let found = cluster.find(&args.object).await?;
    annotate(cluster, &found, REFRESH, Some(&Timestamp::now().to_string())).await?;
    printer.line(&format!("{found} is read anew"))?;
    Ok(())
}

pub(super) async fn suspend(args: &ObjectArgs, cluster: &Cluster, printer: &mut Printer<'_>) -> Result<()> {
    let found = cluster.find(&args.object).await?;
    annotate(cluster, &found, SUSPEND, Some("true")).await?;
    printer.line(&format!("{found} suspended"))?;
    Ok(())
}

pub(super) async fn resume(args: &ObjectArgs, cluster: &Cluster, printer: &mut Printer<'_>) -> Result<()> {
    let found = cluster.find(&args.object).await?;
    if found.object.annotations().contains_key(SUSPEND) {
        annotate(cluster, &found, SUSPEND, None).await?;
        printer.line(&format!("{found} resumed"))?;
    } else {
        printer.note(&format!("{found} has no annotation {SUSPEND}"))?;
    }
    match by_its_spec(&found) {
        Some(field) => bail!("{found} stays suspended by {field}: change that where its manifest is kept"),
        None => Ok(()),
    }
}

/// An annotation suspends the object.
pub(super) fn is_annotated(found: &Found) -> bool {
    found.object.annotations().get(SUSPEND).is_some_and(|value| value == "true")
}

/// What suspends the object.
pub(super) fn suspended_by(found: &Found) -> Option<&'static str> {
    by_its_spec(found).or(is_annotated(found)
        .then_some("the annotation emnify.io/suspend (kubectl emnify resume takes it off)"))
}

/// The field of the spec that suspends the object.
fn by_its_spec(found: &Found) -> Option<&'static str> {
    let suspends = found.object.data.pointer("/spec/suspend") == Some(&json!(true));
    let policy = found.text("/spec/managementPolicy") == Some("Suspend");
    policy.then_some("spec.managementPolicy: Suspend").or(suspends.then_some("spec.suspend: true"))
}

pub(super) async fn release(
    args: &DecisionArgs,
    cluster: &Cluster,
    ask: Ask,
    printer: &mut Printer<'_>,
) -> Result<()> {
    let found = cluster.find(&args.object).await?;
    let id = found.text("/status/id").map(|id| format!(" (id {id})")).unwrap_or_default();
    let when = if found.object.metadata.deletion_timestamp.is_some() {
        "It is being deleted"
    } else {
        "Once it is deleted"
    };
    printer.note(&format!(
        "{when}: what it stands for in emnify{id} stays there, goes on working and goes on costing, and nobody looks after it."
    ))?;
    ask.sure(args.yes, &format!("Release {found}?"), printer)?;
    annotate(cluster, &found, FORCE_ORPHAN, Some("true")).await?;
    printer.line(&format!("{found} released"))?;
    Ok(())
}

pub(super) async fn approve(
    args: &DecisionArgs,
    cluster: &Cluster,
    ask: Ask,
    printer: &mut Printer<'_>,
) -> Result<()> {
    let workspace = cluster.find(&args.object).await?;
    let kind = workspace.family.resource.kind.clone();
    if !["Workspace", "ClusterWorkspace"].contains(&kind.as_str()) {
        bail!("a {kind} has no guard: approve what waits at its Workspace, such as workspace/default");
    }
    let tripped = workspace.condition(GUARD_TRIPPED).filter(|condition| condition.status == "True");
    let Some(tripped) = tripped else {
        printer.note(&format!("the guard of {workspace} holds nothing back"))?;
        return Ok(());
    };
    let Some(hash) = hash(&tripped.message) else {
        bail!(
            "the condition GuardTripped of {workspace} names no hash to approve; look at it again in a minute"
        );
    };
    let what = tripped.message.split("; to approve it").next().unwrap_or_default();
    printer.note(&format!("{what}:"))?;
    let rows = waiting(cluster, &workspace).await?;
    printer.table(
        &["NAMESPACE".into(), "OBJECT".into(), "ID".into(), "CHANGE".into(), "MESSAGE".into()],
        &rows,
    )?;
    ask.sure(args.yes, "Let all of them go on?", printer)?;
    annotate(cluster, &workspace, APPROVE, Some(hash)).await?;
    printer.line(&format!("{workspace} approved"))?;
    Ok(())
}

/// The hash that a tripped guard asks for.
fn hash(message: &str) -> Option<&str> {
    let hash = message.split(APPROVAL).nth(1)?.split_whitespace().next()?;
    (!hash.is_empty() && hash.bytes().all(|byte| byte.is_ascii_alphanumeric())).then_some(hash)
}

/// Objects that the guard of a workspace holds back.
async fn waiting(cluster: &Cluster, workspace: &Found) -> Result<Vec<Vec<String>>> {
    let kind = &workspace.family.resource.kind;
    let within = workspace.object.namespace();
    let mut rows = Vec::new();
    for family in cluster.families().filter(|family| family.namespaced && family.resource.kind != *kind) {
        for object in cluster.list(family, within.as_deref()).await? {
            let found = Found::of(family, object);
            let Some(ready) = found.condition(READY).filter(|ready| ready.reason == reason::GUARD_TRIPPED)
            else {
                continue;
            };
            let its =
                found.workspace().is_some_and(|(of, name)| of == kind && name == workspace.object.name_any());
            if its {
                let change =
                    if found.object.metadata.deletion_timestamp.is_some() { "deletion" } else { "change" };
                let id = found.text("/status/id").unwrap_or("-").to_owned();
                rows.push(vec![found.namespace(), found.typed(), id, change.to_owned(), ready.message]);
            }
        }
    }
    Ok(rows)
}

/// Sets an annotation, or takes it off. Only of this very object: another one of its name was not looked at.
async fn annotate(cluster: &Cluster, found: &Found, key: &str, value: Option<&str>) -> Result<()> {
    let uid = found.object.metadata.uid.clone();
    let patch = json!({"metadata": {"uid": uid, "annotations": {key: value}}});
    let parameters = PatchParams { field_manager: Some(MANAGER.into()), ..PatchParams::default() };
    let api = cluster.api(&found.family, found.object.namespace().as_deref());
    api.patch(&found.object.name_any(), &parameters, &Patch::Merge(patch)).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_what_the_message_asks_for() {
        let message = "7 devices would be disturbed; to approve it: kubectl annotate x --overwrite emnify.io/approve=92b7df74a45d";
        assert_eq!(hash(message), Some("92b7df74a45d"));
        for odd in ["", "emnify.io/approve=", "emnify.io/approve=$(reboot)"] {
            assert_eq!(hash(odd), None, "{odd}");
        }
    }
}
