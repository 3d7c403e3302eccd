//! What the devices of sets used this month, read now: nothing in Kubernetes says it.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail};
use emnify::{Api, Cursor, wire::usage::DeviceStats};
use emnify_engine::kind::Managed;
use futures::StreamExt as _;
use jiff::Timestamp;
use kube::ResourceExt as _;
use serde_json::{Value, json};

use crate::{
    kinds::Endpoint,
    plugin::{
        cli::{Format, Measure, Place, TopArgs},
        cluster::{Cluster, Found},
        emnify::{Emnify, mended},
        printer::{Column, NAMESPACE, Printer, number, text},
    },
};

const COLUMNS: [Column; 6] = [
    Column::new("NAME", &["/metadata/name"]),
    Column::new("DEVICES", &["/devices"]),
    Column::new("DATA MB", &["/usage/dataMegabytes"]),
    Column::new("SMS", &["/usage/sms"]),
    Column::new("COST", &["/usage/cost"]),
    Column::new("CURRENCY", &["/usage/currency"]),
];

/// So many devices are read unasked: a tenth of what emnify allows an address in five minutes. [D]
const UNASKED: usize = 200;
/// So many are asked for at once.
const AT_ONCE: usize = 8;
/// A word is said after so many.
const WORD: usize = 100;

/// A set, and what its devices used.
#[derive(Clone, Debug, Default, PartialEq)]
struct Sum {
    devices: usize,
    unread: usize,
    megabytes: f64,
    sms: f64,
    /// By currency: amounts of two are not added.
    costs: BTreeMap<String, f64>,
}

impl Sum {
    fn add(&mut self, stats: &DeviceStats) {
        let Some(month) = &stats.current_month else { return };
        let volume = |traffic: &Option<emnify::wire::usage::Traffic>| {
            traffic.as_ref().and_then(|traffic| traffic.volume).unwrap_or_default()
        };
        self.megabytes += volume(&month.data);
        self.sms += volume(&month.sms);
        for traffic in [&month.data, &month.sms].into_iter().flatten() {
            let Some(cost) = traffic.cost else { continue };
            let currency =
                traffic.currency.as_ref().map(|currency| currency.code.clone()).unwrap_or_default();
            *self.costs.entry(currency).or_default() += cost;
        }
    }

    fn row(&self, namespace: &str, name: &str) -> Value {
        let mut usage = json!({"month": Timestamp::now().strftime("%Y-%m").to_string(),
            "dataMegabytes": rounded(self.megabytes), "sms": rounded(self.sms)});
        // what could not be read is not nothing
        if self.unread > 0 && self.unread == self.devices {
            usage = json!({});
        }
        if let [(currency, cost)] = self.costs.iter().collect::<Vec<_>>().as_slice() {
            (usage["cost"], usage["currency"]) = (json!(rounded(**cost)), json!(currency));
        }
        json!({"metadata": {"namespace": namespace, "name": name}, "devices": self.devices, "usage": usage})
    }
}

/// Without the noise of adding fractions.
fn rounded(number: f64) -> String {
    let text = format!("{number:.6}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

pub(super) async fn run(args: &TopArgs, place: &Place, printer: &mut Printer<'_>) -> Result<()> {
    let cluster = Cluster::connect(place).await?;
    let within = (!args.all_namespaces).then_some(cluster.namespace.as_str());
    let family = cluster.kind("EndpointSet")?;
    let sets: Vec<_> =
        cluster.list(family, within).await?.into_iter().map(|object| Found::of(family, object)).collect();
    let mut sums: BTreeMap<(String, String), Sum> =
        sets.iter().map(|set| ((set.namespace(), set.object.name_any()), Sum::default())).collect();
    if sums.is_empty() {
        return print(&[], args, printer);
    }
    let emnify = Emnify::connect(&args.read, place).await?;
    let marked = marked(emnify.api()).await?;
    let members = members(&marked, &sums, args.installation.as_deref())?;
    if members.len() > UNASKED && !args.yes {
        bail!(
            "the sets have {} devices, and each is a request to emnify, which allows some 2,000 of one address in five minutes: add --yes, \
             or read a data stream of usage",
            members.len()
        );
    }
    read(emnify.api(), &members, &mut sums, printer).await?;
    let mut rows: Vec<_> = sums.iter().map(|((namespace, name), sum)| sum.row(namespace, name)).collect();
    rows.sort_by(|a, b| number(b, &[at(args.by)]).total_cmp(&number(a, &[at(args.by)])));
    rows.truncate(usize::try_from(args.limit)?);
    print(&rows, args, printer)?;
    let unread: usize = sums.values().map(|sum| sum.unread).sum();
    if unread > 0 {
        printer.note(&format!(
            "{unread} of {} devices could not be read: the sums are of the others",
            members.len()
        ))?;
    }
    if sums.values().any(|sum| sum.costs.len() > 1) {
        printer.note("a set with costs in several currencies shows none: nothing is converted")?;
    }
    Ok(())
}

const fn at(by: Measure) -> &'static str {
    match by {
        Measure::Data => "/usage/dataMegabytes",
        Measure::Sms => "/usage/sms",
        Measure::Cost => "/usage/cost",
    }
}

/// Ids of devices, and whose they are as their marks say.
async fn marked(api: &Api) -> Result<Vec<(i64, String)>> {
    let (mut all, mut next) = (Vec::new(), Some(Cursor::first()));
    while let Some(cursor) = next {
        let page = Endpoint::list(api, cursor).await.map_err(mended)?;
        next = page.next();
        for row in page.items.iter().filter(|row| !Endpoint::is_deleted(row)) {
            if let (Some(mark), Ok(id)) = (Endpoint::mark(row), Endpoint::id(row).to_string().parse()) {
                all.push((id, mark));
            }
        }
    }
    Ok(all)
}

/// A device of a set: its id, and the namespace and name of the set.
type Member = (i64, (String, String));

/// Devices of these sets. Another installation may have a set of the same name.
fn members(
    marked: &[(i64, String)],
    sets: &BTreeMap<(String, String), Sum>,
    installation: Option<&str>,
) -> Result<Vec<Member>> {
    let (mut members, mut installations) = (Vec::new(), Vec::new());
    for (id, mark) in marked {
        let mut parts = mark.splitn(3, '/');
        let (Some(of), Some(namespace), Some(name)) = (parts.next(), parts.next(), parts.next()) else {
            continue;
        };
        let set = (namespace.to_owned(), name.to_owned());
        if !sets.contains_key(&set) || installation.is_some_and(|wanted| wanted != of) {
            continue;
        }
        if !installations.contains(&of) {
            installations.push(of);
        }
        members.push((*id, set));
    }
    if installations.len() > 1 {
        bail!("{} have sets of these names: choose one with --installation", installations.join(" and "));
    }
    Ok(members)
}

async fn read(
    api: &Api,
    members: &[Member],
    sums: &mut BTreeMap<(String, String), Sum>,
    printer: &mut Printer<'_>,
) -> Result<()> {
    let asked = members.iter().map(|(id, set)| async move { (set, api.device_stats(*id).await) });
    let mut answers = futures::stream::iter(asked).buffer_unordered(AT_ONCE);
    let (mut done, mut first) = (0, None);
    while let Some((set, answer)) = answers.next().await {
        let sum = sums.get_mut(set).context("members are of these sets")?;
        sum.devices += 1;
        match answer {
            Ok(stats) => stats.iter().for_each(|stats| sum.add(stats)),
            Err(error) => {
                sum.unread += 1;
                first.get_or_insert(error);
            }
        }
        done += 1;
        if done % WORD == 0 && done < members.len() {
            printer.note(&format!("{done} of {} devices", members.len()))?;
        }
    }
    if let Some(error) = first {
        if sums.values().all(|sum| sum.devices == sum.unread) {
            return Err(mended(error));
        }
        printer.note(&format!("{:#}", mended(error)))?;
    }
    Ok(())
}

fn print(rows: &[Value], args: &TopArgs, printer: &mut Printer<'_>) -> Result<()> {
    let mut columns = COLUMNS.to_vec();
    if args.all_namespaces {
        columns.insert(0, NAMESPACE);
    }
    if printer.format == Format::Name {
        let typed = |row| json!({"name": format!("endpointset/{}", text(row, COLUMNS[0].at))});
        return printer.rows(&columns, &["/name"], &rows.iter().map(typed).collect::<Vec<_>>());
    }
    printer.measured(&columns, &["/name"], rows, Some(&[at(args.by)]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stats(data: &Value) -> DeviceStats {
        serde_json::from_value(json!({"current_month": data})).unwrap()
    }

    #[test]
    fn what_devices_used_is_added_up_and_currencies_are_not() {
        let mut sum = Sum { devices: 3, ..Sum::default() };
        let euro = json!({"code": "EUR"});
        sum.add(&stats(&json!({"data": {"volume": "0.1", "cost": "0.2", "currency": euro}, "sms": {"volume": "2", "cost": 1, "currency": euro}})));
        sum.add(&stats(&json!({"data": {"volume": 0.2, "cost": 0.1, "currency": euro}})));
        sum.add(&stats(&Value::Null));
        let row = sum.row("iot", "meters");
        assert_eq!((&row["devices"], &row["usage"]["sms"]), (&json!(3), &json!("2")));
        assert_eq!((&row["usage"]["dataMegabytes"], &row["usage"]["cost"]), (&json!("0.3"), &json!("1.3")));
        assert_eq!(row["usage"]["currency"], "EUR");
        let unread = Sum { devices: 2, unread: 2, ..Sum::default() };
        assert_eq!(unread.row("iot", "meters")["usage"], json!({}), "nobody knows is not zero");
        sum.add(&stats(&json!({"data": {"volume": 1, "cost": 4, "currency": {"code": "USD"}}})));
        assert!(
            sum.row("iot", "meters")["usage"].get("cost").is_none(),
            "euros and dollars are not one number"
        );
    }

    #[test]
    fn a_mark_says_whose_a_device_is() {
        let sets = [("iot".to_owned(), "meters".to_owned())].map(|set| (set, Sum::default())).into();
        let marked = |marks: &[&str]| -> Vec<(i64, String)> {
            (1..).zip(marks).map(|(id, mark)| (id, (*mark).to_owned())).collect()
        };
        let all = marked(&["prod/iot/meters", "prod", "prod/iot/others", "prod/other/meters"]);
        let found = members(&all, &sets, None).unwrap();
        assert_eq!(found, [(1, ("iot".to_owned(), "meters".to_owned()))]);
        let two = marked(&["prod/iot/meters", "dev/iot/meters"]);
        assert!(members(&two, &sets, None).unwrap_err().to_string().contains("prod and dev have sets"));
        assert_eq!(members(&two, &sets, Some("dev")).unwrap()[0].0, 2);
    }
}
