//! What used most this month, as the operator wrote it into the objects.

mod sets;

use std::{cmp::Reverse, collections::BTreeMap};

use anyhow::Result;
use jiff::Timestamp;
use kube::api::ListParams;
use serde_json::{Value, json};

use super::{
    cli::{Format, Measure, Place, TopArgs},
    cluster::{Cluster, Found},
    printer::{Column, NAMESPACE, Printer, number, text},
};

const COLUMNS: [Column; 6] = [
    Column::new("NAME", &["/metadata/name"]),
    Column::new("DATA MB", &["/status/usage/dataMegabytes"]),
    Column::new("SMS", &["/status/usage/sms"]),
    Column::new("COST", &["/status/usage/cost"]),
    Column::new("CURRENCY", &["/status/usage/currency"]),
    Column::wide("READ", &["/status/usage/asOf"]),
];

impl Measure {
    const fn at(self) -> &'static str {
        match self {
            Self::Data => "/status/usage/dataMegabytes",
            Self::Sms => "/status/usage/sms",
            Self::Cost => "/status/usage/cost",
        }
    }
}

pub(super) async fn run(args: &TopArgs, place: &Place, printer: &mut Printer<'_>) -> Result<()> {
    if args.sets {
        return sets::run(args, place, printer).await;
    }
    let cluster = &Cluster::connect(place).await?;
    let within = (!args.all_namespaces).then_some(cluster.namespace.as_str());
    let family = cluster.kind("Endpoint")?;
    let devices = cluster.list(family, within).await?.into_iter().map(|object| Found::of(family, object));
    let (month, read, unread) = newest(devices.collect());
    if month.as_ref().is_some_and(|month| *month != Timestamp::now().strftime("%Y-%m").to_string()) {
        printer.note(&format!("of {}: there is no reading of this month yet", month.unwrap_or_default()))?;
    }
    let ranked = ranked(read, args.by)?;
    let (shown, all) = (ranked.len().min(usize::try_from(args.limit)?), ranked.len());
    print(&ranked[..shown], args, printer)?;
    if shown < all {
        printer.note(&format!("{shown} of {all} devices are shown: --limit has more"))?;
    }
    let currencies = currencies(&ranked);
    if args.by == Measure::Cost && currencies.len() > 1 {
        printer.note(&format!(
            "costs in {} are compared as numbers: nothing is converted",
            currencies.join(", ")
        ))?;
    }
    for told in unread_by_workspace(cluster, &unread).await? {
        printer.note(&told)?;
    }
    of_sets(cluster, within, printer).await
}

/// The newest month that something was read of, devices with a reading of it, and the others.
fn newest(devices: Vec<Found>) -> (Option<String>, Vec<Found>, Vec<Found>) {
    fn of(found: &Found) -> Option<&str> {
        found.text("/status/usage/month")
    }
    let month = devices.iter().filter_map(of).max().map(str::to_owned);
    let (read, unread) =
        devices.into_iter().partition(|found| of(found).is_some() && of(found) == month.as_deref());
    (month, read, unread)
}

/// The largest first, and always in the same order.
fn ranked(devices: Vec<Found>, by: Measure) -> Result<Vec<Value>> {
    let mut rows = Vec::with_capacity(devices.len());
    for mut found in devices {
        // as kubectl shows it
        found.object.metadata.managed_fields = None;
        rows.push(serde_json::to_value(&found.object)?);
    }
    rows.sort_by_cached_key(|row| {
        let name = (text(row, NAMESPACE.at), text(row, COLUMNS[0].at));
        // bits of numbers that are not negative are in their order
        (Reverse(number(row, &[by.at()]).max(0.0).to_bits()), name)
    });
    Ok(rows)
}

fn print(rows: &[Value], args: &TopArgs, printer: &mut Printer<'_>) -> Result<()> {
    let mut columns = COLUMNS.to_vec();
    if args.all_namespaces {
        columns.insert(0, NAMESPACE);
    }
    if printer.format == Format::Name {
        let typed = |row| json!({"name": format!("endpoint/{}", text(row, COLUMNS[0].at))});
        return printer.rows(&columns, &["/name"], &rows.iter().map(typed).collect::<Vec<_>>());
    }
    printer.measured(&columns, &["/name"], rows, Some(&[args.by.at()]))
}

fn currencies(rows: &[Value]) -> Vec<String> {
    let mut all: Vec<_> = rows.iter().map(|row| text(row, &["/status/usage/currency"])).collect();
    all.sort_unstable();
    all.dedup();
    all.retain(|currency| currency != "-");
    all
}

/// Why devices are missing, a sentence for each workspace.
async fn unread_by_workspace(cluster: &Cluster, unread: &[Found]) -> Result<Vec<String>> {
    let mut workspaces = BTreeMap::<_, usize>::new();
    for found in unread {
        if let Some((kind, name)) = found.workspace() {
            *workspaces.entry((found.namespace(), kind, name)).or_default() += 1;
        }
    }
    let mut told = Vec::new();
    for ((namespace, kind, name), devices) in workspaces {
        let family = cluster.kind(kind)?;
        let within = if family.namespaced { format!(" in {namespace}") } else { String::new() };
        let devices = match devices {
            1 => format!("1 device of {kind} {name}{within}"),
            _ => format!("{devices} devices of {kind} {name}{within}"),
        };
        let workspace = cluster.get(family, &name, &namespace).await;
        let workspace = workspace.map(|object| object.map(|object| Found::of(family, object)));
        told.push(match workspace {
            Ok(workspace) => why_unread(&devices, workspace.as_ref()),
            Err(error) => format!("{devices}: no reading of that month; {error:#}"),
        });
    }
    Ok(told)
}

fn why_unread(devices: &str, workspace: Option<&Found>) -> String {
    let Some(workspace) = workspace else {
        return format!("{devices}, which does not exist: no reading");
    };
    let asked = workspace.text("/spec/deviceUsage/interval");
    match workspace.text("/status/deviceUsage/interval").filter(|_| asked.is_some()).or(asked) {
        Some(every) => format!("{devices}: no reading of that month yet; each is read every {every}"),
        None => format!(
            "{devices}: what they use is not read; set its spec.deviceUsage.interval, such as 24h (each reading of each device is a request)"
        ),
    }
}

/// What members of sets use is read only where that is asked for: it is a request for each of them.
async fn of_sets(cluster: &Cluster, within: Option<&str>, printer: &mut Printer<'_>) -> Result<()> {
    let api = cluster.api(cluster.kind("EndpointSet")?, within);
    let some = api.list_metadata(&ListParams::default().limit(1)).await;
    if some.is_ok_and(|some| !some.items.is_empty()) {
        printer.note(
            "members of EndpointSets are not among them: --sets adds them up, and of one, kubectl emnify usage iccid:DIGITS tells",
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definitions::families;

    fn found(kind: &str, object: &Value) -> Found {
        let family = families().into_iter().find(|family| family.resource.kind == kind).unwrap();
        let mut whole = json!({"apiVersion": "emnify.io/v1alpha1", "kind": kind});
        whole.as_object_mut().unwrap().extend(object.as_object().unwrap().clone());
        Found { family, object: serde_json::from_value(whole).unwrap() }
    }

    fn device(name: &str, data: &str, sms: i64, cost: Option<&str>) -> Found {
        let mut usage =
            json!({"month": "2026-11", "dataMegabytes": data, "sms": sms, "asOf": "2026-11-05T10:00:00Z"});
        if let Some(cost) = cost {
            usage["cost"] = json!(cost);
            usage["currency"] = json!("EUR");
        }
        let fields = json!([{"manager": "operator", "operation": "Apply"}]);
        found(
            "Endpoint",
            &json!({"metadata": {"name": name, "namespace": "iot", "managedFields": fields}, "status": {"usage": usage}}),
        )
    }

    fn devices() -> Vec<Found> {
        vec![
            device("b", "9.5", 2, None),
            device("a", "10.25", 0, Some("0.1")),
            device("d", "9.5", 30, Some("12")),
            device("c", "odd", 4, Some("2.5")),
        ]
    }

    fn names(by: Measure) -> String {
        ranked(devices(), by).unwrap().iter().map(|row| text(row, &["/metadata/name"])).collect()
    }

    #[test]
    fn numbers_are_compared_as_numbers_and_alike_ones_by_name() {
        assert_eq!(names(Measure::Data), "abdc", "10.25 is more than 9.5, and what is no number is nothing");
        assert_eq!(names(Measure::Sms), "dcba");
        assert_eq!(names(Measure::Cost), "dcab", "no cost is the least");
        assert_eq!(currencies(&ranked(devices(), Measure::Cost).unwrap()), ["EUR"]);
    }

    #[test]
    fn a_month_is_compared_with_itself_only() {
        let mut devices = devices();
        devices[1].object.data["status"]["usage"]["month"] = json!("2026-10");
        devices[2].object.data["status"] = json!({});
        let (month, read, unread) = newest(devices);
        assert_eq!((month.as_deref(), read.len(), unread.len()), (Some("2026-11"), 2, 2));
        let (month, read, unread) = newest(vec![found("Endpoint", &json!({"metadata": {"name": "new"}}))]);
        assert_eq!((month, read.len(), unread.len()), (None, 0, 1), "nothing was read");
    }

    #[test]
    fn each_format_has_what_the_next_command_takes() {
        let rows = ranked(devices(), Measure::Data).unwrap();
        let printed = |format, all_namespaces| {
            let (mut out, mut notes) = (Vec::new(), Vec::new());
            let args = TopArgs { by: Measure::Data, limit: 20, all_namespaces, ..TopArgs::default() };
            print(&rows, &args, &mut Printer::new(&mut out, &mut notes, format)).unwrap();
            String::from_utf8(out).unwrap()
        };
        assert_eq!(printed(Format::Name, false), "endpoint/a\nendpoint/b\nendpoint/d\nendpoint/c\n");
        assert!(printed(Format::Table, false).starts_with("NAME   DATA MB   SMS   COST   CURRENCY\n"));
        assert!(
            printed(Format::Wide, true).starts_with("NAMESPACE   NAME "),
            "{}",
            printed(Format::Wide, true)
        );
        let back: Vec<Value> = serde_json::from_str(&printed(Format::Json, false)).unwrap();
        assert_eq!(back[0]["status"]["usage"]["dataMegabytes"], "10.25", "as Kubernetes says it");
        assert!(back[0]["metadata"].get("managedFields").is_none(), "as kubectl does");
    }

    #[test]
    fn what_is_not_read_is_told_with_the_field_that_has_it_read() {
        let workspace = |spec: &Value, status: &Value| {
            found(
                "Workspace",
                &json!({"metadata": {"name": "default", "namespace": "iot"}, "spec": spec, "status": status}),
            )
        };
        let told = |workspace: Option<&Found>| why_unread("3 devices of Workspace default in iot", workspace);
        let off = told(Some(&workspace(&json!({}), &json!({"deviceUsage": {"interval": "6h"}}))));
        assert!(off.contains("what they use is not read; set its spec.deviceUsage.interval"), "{off}");
        let on = told(Some(&workspace(&json!({"deviceUsage": {"interval": "1h"}}), &json!({}))));
        assert!(on.ends_with("each is read every 1h"), "{on}");
        let slow = workspace(
            &json!({"deviceUsage": {"interval": "1h"}}),
            &json!({"deviceUsage": {"interval": "6h"}}),
        );
        assert!(told(Some(&slow)).ends_with("each is read every 6h"), "as the operator really does");
        assert!(told(None).ends_with("Workspace default in iot, which does not exist: no reading"));
    }
}
