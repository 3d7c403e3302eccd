//! What stands on the page: counted over all objects.

use std::collections::BTreeMap;

use anyhow::Result;
use emnify_engine::kind::reason::condition::DRIFTED;
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment;
use kube::ResourceExt as _;
use serde_json::Value;

use super::workspace::{self, Row};
use crate::plugin::{cluster::Found, printer::Printer};

/// Which Deployments are operators.
pub(super) const OPERATORS: &str = "app.kubernetes.io/name=emnify-operator";

/// What the page takes from an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    kind: String,
    /// Why it is not ready, if it is not, and the command that says more.
    waits: Option<(String, String)>,
    /// The command that says in what it differs from emnify, if that is reported and not corrected.
    differs: Option<String>,
    /// Its devices by connectivity.
    devices: Vec<(String, i64)>,
    /// What is told of it, if it is a workspace.
    workspace: Option<Box<Row>>,
}

/// What is counted over all objects.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    /// Devices by connectivity, those of sets included.
    devices: BTreeMap<String, i64>,
    /// Objects by kind: all, and those that are ready.
    kinds: BTreeMap<String, (usize, usize)>,
    /// Objects that are not ready, by reason, and one of them.
    waiting: BTreeMap<String, (usize, String)>,
    /// Objects that differ from emnify and are left so, by kind, and one of them.
    drifted: BTreeMap<String, (usize, String)>,
    /// When the kinds that are read from emnify were last listed completely: for the workspace where that is longest ago.
    listed: BTreeMap<String, Timestamp>,
}

/// Prints the page. Operators are none where they cannot be looked for; `whole` is false where a kind cannot be read.
pub(super) fn print<'a>(
    operators: Option<&[String]>,
    seen: impl Iterator<Item = &'a Seen>,
    whole: bool,
    now: Timestamp,
    printer: &mut Printer<'_>,
) -> Result<()> {
    let (mut workspaces, mut tally) = (Vec::new(), Tally::default());
    for one in seen {
        tally.count(one);
        workspaces.extend(one.workspace.as_deref());
    }
    let here = |kind: &str| tally.kinds.contains_key(kind);
    let workspaces: Vec<_> = workspaces.into_iter().map(|row| row.cells(here, now)).collect();
    for operator in operators.unwrap_or_default() {
        printer.line(operator)?;
    }
    if operators.is_some_and(<[String]>::is_empty) {
        printer.line("No Deployment of the operator is here; it may run elsewhere.")?;
    }
    printer.line(&format!("This program: version {}", env!("CARGO_PKG_VERSION")))?;
    section("Workspaces", &workspace::HEADS, &workspaces, printer)?;
    section("Devices", &["CONNECTIVITY", "DEVICES"], &tally.devices(), printer)?;
    section("Objects", &["KIND", "READY", "OF", "LISTED AT"], &tally.kinds(), printer)?;
    if !tally.drifted.is_empty() {
        section(
            "Differs from emnify, and is left so",
            &["KIND", "OBJECTS", "EXPLAINED BY"],
            &counted(&tally.drifted),
            printer,
        )?;
    }
    if tally.waiting.is_empty() {
        printer.line("")?;
        printer.line(if whole { "Everything is ready." } else { "Not everything could be read." })?;
        return Ok(());
    }
    section("Not ready", &["REASON", "OBJECTS", "EXPLAINED BY"], &counted(&tally.waiting), printer)
}

fn section(title: &str, heads: &[&str], rows: &[Vec<String>], printer: &mut Printer<'_>) -> Result<()> {
    printer.line("")?;
    if rows.is_empty() {
        printer.line(&format!("{title}: none"))?;
        return Ok(());
    }
    printer.line(title)?;
    let heads: Vec<_> = heads.iter().map(|head| (*head).to_owned()).collect();
    printer.table(&heads, rows)?;
    Ok(())
}

/// An operator of the cluster and its version.
pub(super) fn operator(one: &Deployment) -> String {
    let status = one.status.clone().unwrap_or_default();
    let (ready, of) = (status.ready_replicas.unwrap_or_default(), status.replicas.unwrap_or_default());
    let version = one.labels().get("app.kubernetes.io/version").map_or("unknown", String::as_str);
    let (namespace, name) = (one.namespace().unwrap_or_default(), one.name_any());
    format!("Operator {namespace}/{name}: version {version}, {ready} of {of} ready")
}

impl Seen {
    pub(super) fn of(found: &Found) -> Self {
        let kind = found.family.resource.kind.clone();
        let waits = (!found.is_settled()).then(|| {
            let reason = if !found.is_well() {
                found.standing().map_or_else(|| "Unknown".to_owned(), |standing| standing.reason)
            } else if found.object.metadata.deletion_timestamp.is_some() {
                "Deleting".to_owned()
            } else {
                "Changed".to_owned()
            };
            (reason, explained(found))
        });
        let devices = match kind.as_str() {
            "Endpoint" => {
                vec![(found.text("/status/connectivity/state").unwrap_or("Unknown").to_owned(), 1)]
            }
            "EndpointSet" => {
                let states = found.object.data.pointer("/status/connectivity").and_then(Value::as_object);
                let states = states.into_iter().flatten();
                states.map(|(state, devices)| (state.clone(), devices.as_i64().unwrap_or_default())).collect()
            }
            _ => Vec::new(),
        };
        let workspace = kind.ends_with("Workspace").then(|| Box::new(Row::of(found)));
        let drifted = found.condition(DRIFTED).is_some_and(|drifted| drifted.status == "True");
        let differs = drifted.then(|| explained(found));
        Self { kind, waits, differs, devices, workspace }
    }

    pub(super) fn is_ready(&self) -> bool {
        self.waits.is_none()
    }
}

impl Tally {
    fn count(&mut self, seen: &Seen) {
        let (all, well) = self.kinds.entry(seen.kind.clone()).or_default();
        *all += 1;
        match &seen.waits {
            None => *well += 1,
            Some((reason, how)) => {
                let (times, _) = self.waiting.entry(reason.clone()).or_insert_with(|| (0, how.clone()));
                *times += 1;
            }
        }
        if let Some(how) = &seen.differs {
            let (times, _) = self.drifted.entry(seen.kind.clone()).or_insert_with(|| (0, how.clone()));
            *times += 1;
        }
        // nothing is listed for a workspace that is suspended, and somebody wants it so
        let serving = seen.workspace.iter().filter(|workspace| !workspace.suspended);
        for (kind, at) in serving.flat_map(|workspace| &workspace.listed) {
            let oldest = self.listed.entry(kind.clone()).or_insert(*at);
            *oldest = (*oldest).min(*at);
        }
        for (state, devices) in &seen.devices {
            *self.devices.entry(state.clone()).or_default() += devices;
        }
    }

    fn devices(&self) -> Vec<Vec<String>> {
        self.devices.iter().map(|(state, devices)| vec![state.clone(), devices.to_string()]).collect()
    }

    fn kinds(&self) -> Vec<Vec<String>> {
        let row = |(kind, (all, well)): (&String, &(usize, usize))| {
            let listed = self.listed.get(kind).map_or_else(|| "-".to_owned(), Timestamp::to_string);
            vec![kind.clone(), well.to_string(), all.to_string(), listed]
        };
        self.kinds.iter().map(row).collect()
    }
}

/// Those of which there are most first.
fn counted(of: &BTreeMap<String, (usize, String)>) -> Vec<Vec<String>> {
    let mut all: Vec<_> = of.iter().collect();
    all.sort_by(|(a, (x, _)), (b, (y, _))| y.cmp(x).then(a.cmp(b)));
    all.into_iter().map(|(what, (times, how))| vec![what.clone(), times.to_string(), how.clone()]).collect()
}

/// The command that says more of an object.
fn explained(found: &Found) -> String {
    format!("kubectl emnify explain {}{}", found.typed(), found.within())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{definitions::families, plugin::cli::Format};

    #[test]
    fn what_was_edited_or_is_being_deleted_is_not_ready_whatever_its_status_says() {
        let family = families().into_iter().find(|family| family.resource.kind == "Endpoint").unwrap();
        let seen = |generation: i64, gone: Value, conditions: Value| {
            let object = json!({"apiVersion": "emnify.io/v1alpha1", "kind": "Endpoint",
                "metadata": {"name": "meter-1", "namespace": "iot", "generation": generation, "deletionTimestamp": gone},
                "status": {"observedGeneration": 1, "conditions": conditions}});
            let seen = Seen::of(&Found::of(&family, serde_json::from_value(object).unwrap()));
            seen.waits.map(|(reason, _)| reason)
        };
        let ready = json!([{"type": "Ready", "status": "True", "reason": "UpToDate", "message": "", "lastTransitionTime": "2026-05-01T12:00:00Z"}]);
        assert_eq!(seen(1, Value::Null, ready.clone()), None);
        assert_eq!(seen(2, Value::Null, ready.clone()).as_deref(), Some("Changed"));
        assert_eq!(seen(1, json!("2026-05-01T12:00:00Z"), ready).as_deref(), Some("Deleting"));
        assert_eq!(
            seen(1, Value::Null, json!([])).as_deref(),
            Some("Unknown"),
            "of what nobody looked at yet"
        );
    }

    #[test]
    fn what_differs_and_is_left_so_stands_on_the_page_though_it_is_ready() {
        let condition = |kind: &str, reason: &str| json!({"type": kind, "status": "True", "reason": reason, "message": "name: a -> b", "lastTransitionTime": "2026-05-01T12:00:00Z"});
        let object = json!({"apiVersion": "emnify.io/v1alpha1", "kind": "Endpoint",
            "metadata": {"name": "meter-1", "namespace": "iot", "generation": 1},
            "status": {"observedGeneration": 1, "conditions": [condition("Ready", "UpToDate"), condition("Drifted", "Drifted")]}});
        let family = families().into_iter().find(|family| family.resource.kind == "Endpoint").unwrap();
        let seen = Seen::of(&Found::of(&family, serde_json::from_value(object).unwrap()));
        let (mut out, mut notes) = (Vec::new(), Vec::new());
        print(
            None,
            [seen].iter(),
            true,
            Timestamp::UNIX_EPOCH,
            &mut Printer::new(&mut out, &mut notes, Format::Table),
        )
        .unwrap();
        let page = String::from_utf8(out).unwrap();
        assert!(page.contains("Differs from emnify, and is left so"), "{page}");
        assert!(
            page.contains("Endpoint   1         kubectl emnify explain endpoint/meter-1 -n iot"),
            "{page}"
        );
        assert!(page.contains("Everything is ready."), "{page}");
    }

    #[test]
    fn what_was_read_of_emnify_tells_how_old_it_is() {
        let seen = |kind: &str, name: &str, spec: Value, counts: Value| {
            let family = families().into_iter().find(|family| family.resource.kind == kind).unwrap();
            let object = json!({"apiVersion": "emnify.io/v1alpha1", "kind": kind, "metadata": {"name": name, "namespace": "iot"},
                "spec": spec, "status": {"counts": counts}});
            Seen::of(&Found::of(&family, serde_json::from_value(object).unwrap()))
        };
        let workspace = |name: &str, endpoints: &str, suspend: bool| {
            let of = |kind: &str, at: &str| json!({"kind": kind, "count": 3, "listedAt": at});
            let counts = json!([of("Endpoint", endpoints), of("Sim", "2026-05-01T11:00:00Z")]);
            seen("Workspace", name, json!({"suspend": suspend}), counts)
        };
        let seen = [
            workspace("a", "2026-05-01T12:01:00Z", false),
            workspace("b", "2026-05-01T12:02:00Z", false),
            workspace("c", "2026-04-01T12:00:00Z", true),
            seen("Endpoint", "meter-1", json!({}), Value::Null),
        ];
        let (mut out, mut notes) = (Vec::new(), Vec::new());
        let now = "2026-05-01T12:05:00Z".parse().unwrap();
        print(None, seen.iter(), true, now, &mut Printer::new(&mut out, &mut notes, Format::Table)).unwrap();
        let page = String::from_utf8(out).unwrap();
        assert!(
            page.contains("Endpoint    0       1    2026-05-01T12:01:00Z"),
            "of the workspace behind: {page}"
        );
        assert!(page.contains("Workspace   0       3    -"), "Kubernetes tells of these: {page}");
        assert!(!page.contains("11:00:00"), "nor of what nobody has here: it is listed no more: {page}");
        assert!(page.contains("workspace/c in iot"), "{page}");
    }
}
