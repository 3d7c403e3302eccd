//! What emnify tells of an organisation and its devices.

use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use emnify::{
    Error,
    wire::{
        Listing,
        reading::{
            AUTOMATION_LOG, Ask, BLOCKED_OPERATORS, CONNECTIVITY, COVERAGE, DATA_QUOTA, ENDPOINT,
            ENDPOINT_EVENTS, ENDPOINT_STATS, ENDPOINT_STATS_DAILY, EVENT_TYPES, EVENTS, LIMIT_EXTENSIONS,
            LOCATION, MESSAGE, MESSAGES, ORGANISATION_STATS, ORGANISATION_STATS_DAILY,
            ORGANISATION_STATS_HOURLY, PERMISSIONS, Reading, SIM_EVENTS, SIM_STATS, SIM_STATS_DAILY,
            SMS_QUOTA, TARIFF_PLAN, USER_EVENTS, WORKSPACE_STATS_DAILY,
        },
    },
};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{
    cli::{AutomationLogArgs, DeviceArgs, EventsArgs, Place, ReadArgs, SmsArgs, UsageArgs},
    emnify::{Emnify, SubjectKind, mended},
    printer::{Column, Printer, text},
};

/// News are asked for this often. emnify allows ten readings of the log a second, for everybody. [D]
const FOLLOW: Duration = Duration::from_secs(10);

const EVENT: &[Column] = &[
    Column::new("TIME", &["/timestamp"]),
    Column::new("TYPE", &["/event_type/description", "/event_type/name"]),
    Column::new("SEVERITY", &["/event_severity/description", "/event_severity/name"]),
    Column::new("DEVICE", &["/endpoint/name", "/endpoint/id"]),
    Column::wide("ICCID", &["/sim/iccid"]),
    Column::wide("USER", &["/user/username", "/user/name"]),
    Column::new("DESCRIPTION", &["/description"]),
];

/// Of a day or a month.
const USED: &[Column] = &[
    Column::new("PERIOD", &["/date", "/month"]),
    Column::new("DATA MB", &["/data/volume", "/data_volume/volume"]),
    Column::wide("RECEIVED MB", &["/data/volume_rx", "/data_volume/volume_rx"]),
    Column::wide("SENT MB", &["/data/volume_tx", "/data_volume/volume_tx"]),
    Column::new("SMS", &["/sms/volume", "/sms_volume/volume"]),
    Column::new("COST", &["/data/cost", "/data_volume/cost"]),
    Column::new("CURRENCY", &["/data/currency/code"]),
];

const HOURS: &[Column] = &[
    Column::new("HOUR", &["/hour"]),
    Column::new("RECEIVED MB", &["/data_rx"]),
    Column::new("SENT MB", &["/data_tx"]),
    Column::new("SMS RECEIVED", &["/sms_rx"]),
    Column::new("SMS SENT", &["/sms_tx"]),
];

const SMS: &[Column] = &[
    Column::new("ID", &["/id"]),
    Column::new("SUBMITTED", &["/submit_date"]),
    Column::new("DIRECTION", &["/sms_type/description", "/sms_type/id"]),
    Column::new("STATUS", &["/status/description", "/status/status", "/status/id"]),
    Column::wide("FROM", &["/source_address"]),
    Column::wide("TO", &["/dest_address", "/msisdn"]),
    Column::wide("DELIVERED", &["/delivery_date"]),
    Column::new("PAYLOAD", &["/payload"]),
];

const WHO: &[Column] = &[
    Column::new("ID", &["/organisation/id"]),
    Column::new("ORGANISATION", &["/organisation/name"]),
    Column::new("STATUS", &["/organisation/status/description", "/organisation/status/id"]),
    Column::new("PLAN", &["/tariffPlan/0/name", "/tariffPlan/0/tariff_plan/name", "/tariffPlan/0/id"]),
    Column::wide("PERMISSIONS", &["/permissions"]),
];

pub(super) async fn whoami(args: &ReadArgs, place: &Place, printer: &mut Printer<'_>) -> Result<()> {
    let emnify = Emnify::connect(args, place).await?;
    let organisation = emnify.organisation().await?;
    let plan = emnify.page(&TARIFF_PLAN, &Ask::of("my")).await.map(|page| page.items);
    // emnify does not publish what these look like, and an application has no roles: what is told is shown
    let permissions = emnify.page(&PERMISSIONS, &Ask::of("my")).await.map(|page| page.items);
    let mut row = json!({"organisation": organisation});
    for (field, answer) in [("tariffPlan", plan), ("permissions", permissions)] {
        match answer {
            Ok(rows) => row[field] = json!(rows),
            Err(error) => printer.note(&format!("{field}: {error:#}"))?,
        }
    }
    printer.rows(WHO, &["/organisation/id"], &[row])
}

pub(super) async fn usage(args: &UsageArgs, place: &Place, printer: &mut Printer<'_>) -> Result<()> {
    let emnify = Emnify::connect(&args.read, place).await?;
    if args.workspaces {
        return days(&emnify, &WORKSPACE_STATS_DAILY, Ask::default(), printer).await;
    }
    let Some(device) = &args.device else {
        return match (args.daily, args.hourly) {
            (true, _) => days(&emnify, &ORGANISATION_STATS_DAILY, Ask::of("my"), printer).await,
            (_, true) => hours(&emnify, printer).await,
            _ => months(&emnify, &ORGANISATION_STATS, Ask::of("my"), printer).await,
        };
    };
    let subject = emnify.subject(device).await?;
    let (monthly, daily) = match subject.kind {
        SubjectKind::Endpoint => (ENDPOINT_STATS, ENDPOINT_STATS_DAILY),
        SubjectKind::Sim => (SIM_STATS, SIM_STATS_DAILY),
        SubjectKind::User | SubjectKind::Other => {
            bail!("{device} uses nothing by itself; name a device or a SIM")
        }
    };
    let ask = Ask::of(subject.id);
    if args.daily {
        days(&emnify, &daily, ask, printer).await
    } else {
        months(&emnify, &monthly, ask, printer).await
    }
}

async fn months(emnify: &Emnify, reading: &Reading, ask: Ask, printer: &mut Printer<'_>) -> Result<()> {
    let rows = emnify.page(reading, &ask).await?.items;
    let months: Vec<_> = ["current_month", "last_month"]
        .into_iter()
        .filter_map(|month| {
            let mut row = rows.first()?.get(month)?.clone();
            let name = text(&row, &["/data/month", "/sms/month"]);
            // a month without traffic is missing, or empty
            row.as_object_mut()?.insert("month".into(), if name == "-" { month.into() } else { name.into() });
            Some(row)
        })
        .collect();
    let shown = if printer.is_raw() { &rows } else { &months };
    printer.rows(USED, &["/month"], shown)
}

/// Days are rows of their own, or stand in the one row that there is.
async fn days(emnify: &Emnify, reading: &Reading, ask: Ask, printer: &mut Printer<'_>) -> Result<()> {
    let mut rows = emnify.page(reading, &ask).await?.items;
    if let [one] = rows.as_slice()
        && let Some(days) = one.get("days").and_then(Value::as_array)
    {
        rows = days.clone();
    }
    printer.measured(USED, &["/date"], &rows, Some(&["/data/volume", "/data_volume/volume"]))
}

/// emnify shows hours as columns of numbers from the first of the days that were asked for.
async fn hours(emnify: &Emnify, printer: &mut Printer<'_>) -> Result<()> {
    let today = Timestamp::now().strftime("%Y-%m-%d").to_string();
    let ask =
        Ask { query: vec![("start_date", today.clone()), ("end_date", today.clone())], ..Ask::of("my") };
    let raw = emnify.page(&ORGANISATION_STATS_HOURLY, &ask).await?.items;
    let Some(columns) = raw.first() else { return printer.rows(HOURS, &["/hour"], &[]) };
    let at = |pointer: &str, hour: usize| columns.pointer(&format!("{pointer}/{hour}")).cloned();
    let rows: Vec<_> = (0..24)
        .map_while(|hour| {
            let (rx, tx) = (at("/data/rx", hour), at("/data/tx", hour));
            (rx.is_some() || tx.is_some()).then(|| {
                json!({"hour": format!("{today} {hour:02}:00Z"), "data_rx": rx, "data_tx": tx,
                    "sms_rx": at("/sms/rx", hour), "sms_tx": at("/sms/tx", hour)})
            })
        })
        .collect();
    let shown = if printer.is_raw() { &raw } else { &rows };
    printer.rows(HOURS, &["/hour"], shown)
}

pub(super) async fn events(args: &EventsArgs, place: &Place, printer: &mut Printer<'_>) -> Result<()> {
    let emnify = Emnify::connect(&args.read, place).await?;
    let (reading, of) = match &args.device {
        None => (EVENTS, Vec::new()),
        Some(device) => {
            let subject = emnify.subject(device).await?;
            let reading = match subject.kind {
                SubjectKind::Endpoint => ENDPOINT_EVENTS,
                SubjectKind::Sim => SIM_EVENTS,
                SubjectKind::User => USER_EVENTS,
                SubjectKind::Other => bail!("{device} has no events; name a device, a SIM or a user"),
            };
            (reading, vec![subject.id])
        }
    };
    let mut listing = Listing::all().sort("-timestamp").per_page(args.limit.clamp(1, 1000));
    if let Some(kind) = &args.kind {
        listing = listing.filter("type", event_type(&emnify, kind).await?);
    }
    let since = args.since.as_deref().map(since).transpose()?;
    let ask = Ask { args: of, listing, ..Ask::default() };
    let mut known = Vec::new();
    loop {
        let mut rows = match emnify.try_page(&reading, &ask).await {
            Ok(page) => page.items,
            // what passes ends nothing that has begun
            Err(error) if args.follow && !known.is_empty() && passes(&error) => {
                printer.note(&format!("{error}; it is asked again"))?;
                Vec::new()
            }
            Err(error) => return Err(mended(error)),
        };
        let shown = rows.len();
        rows.retain(|row| {
            since.is_none_or(|since| at(row).is_none_or(|at| at >= since)) && !known.contains(&row["id"])
        });
        if !known.is_empty() && shown > 0 && rows.len() == shown {
            printer.note("more happened than is shown: take a larger --limit")?;
        }
        // the newest last, as a log reads
        rows.reverse();
        if !args.follow || !rows.is_empty() {
            printer.rows(EVENT, &["/id"], &rows)?;
        }
        if !args.follow {
            return Ok(());
        }
        known.extend(rows.into_iter().map(|mut row| row["id"].take()));
        let most = usize::try_from(args.limit).unwrap_or(usize::MAX).saturating_mul(4);
        known.drain(..known.len().saturating_sub(most));
        tokio::time::sleep(FOLLOW).await;
    }
}

/// Asked again it may be answered.
fn passes(error: &Error) -> bool {
    matches!(
        error,
        Error::Throttled { .. }
            | Error::Unavailable { .. }
            | Error::Ambiguous { .. }
            | Error::Unreadable { .. }
    )
}

fn at(row: &Value) -> Option<Timestamp> {
    emnify::parse_timestamp(row["timestamp"].as_str()?)
}

/// The time so long ago.
fn since(typed: &str) -> Result<Timestamp> {
    let span: SignedDuration =
        typed.parse().with_context(|| format!("--since {typed}: write a time such as 30m or 48h"))?;
    Timestamp::now().checked_sub(span).with_context(|| format!("--since {typed} is too long ago"))
}

/// A type by its number, or by its name as emnify shows it.
async fn event_type(emnify: &Emnify, typed: &str) -> Result<String> {
    if typed.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(typed.to_owned());
    }
    let types = emnify.page(&EVENT_TYPES, &Ask::default()).await?.items;
    let named = |row: &&Value| text(row, &["/description", "/name"]).eq_ignore_ascii_case(typed);
    let found = types.iter().find(named);
    found
        .map(|row| text(row, &["/id"]))
        .ok_or_else(|| anyhow!("there is no type of events {typed}: kubectl emnify get event-types"))
}

pub(super) async fn sms(args: &SmsArgs, place: &Place, printer: &mut Printer<'_>) -> Result<()> {
    let emnify = Emnify::connect(&args.read, place).await?;
    let device = emnify.subject(&args.device).await?;
    let of = device.device()?.to_owned();
    let rows = match &args.message {
        Some(message) => {
            emnify.page(&MESSAGE, &Ask { args: vec![of, message.clone()], ..Ask::default() }).await?.items
        }
        None => emnify.all(&MESSAGES, Ask::of(of), printer).await?,
    };
    printer.rows(SMS, &["/id"], &rows)
}

pub(super) async fn locate(args: &DeviceArgs, place: &Place, printer: &mut Printer<'_>) -> Result<()> {
    const COLUMNS: &[Column] = &[
        Column::new("STATE", &["/subscriber_info/state", "/subscriber_info/error"]),
        Column::new("CURRENT", &["/subscriber_info/location/current_location_retrieved"]),
        Column::new("AGE", &["/subscriber_info/location/age_of_location"]),
        Column::new("MCC", &["/subscriber_info/location/cell_global_id/mcc"]),
        Column::new("MNC", &["/subscriber_info/location/cell_global_id/mnc"]),
        Column::new("LAC", &["/subscriber_info/location/cell_global_id/lac"]),
        Column::new("CELL", &["/subscriber_info/location/cell_global_id/cid"]),
        Column::wide("ASKED", &["/request_timestamp"]),
        Column::wide("ANSWERED", &["/reply_timestamp"]),
    ];
    let emnify = Emnify::connect(&args.read, place).await?;
    let device = emnify.subject(&args.device).await?;
    let rows = emnify.page(&LOCATION, &Ask::of(device.device()?)).await?.items;
    if rows.iter().all(|row| row.get("subscriber_info").is_none()) {
        printer.note(
            "the network did not answer; try again, or look at its last events: kubectl emnify events",
        )?;
    }
    printer.rows(COLUMNS, &["/subscriber_info/state"], &rows)
}

pub(super) async fn coverage(args: &DeviceArgs, place: &Place, printer: &mut Printer<'_>) -> Result<()> {
    const COLUMNS: &[Column] = &[
        Column::new("COUNTRY", &["/country/name", "/country/id"]),
        Column::new("ISO", &["/country/iso_code"]),
        Column::new("MCC", &["/country/mcc"]),
        Column::new("NETWORKS", &["/redundancy_count"]),
    ];
    let emnify = Emnify::connect(&args.read, place).await?;
    let profile = emnify.subject(&args.device).await?;
    let rows = emnify.all(&COVERAGE, Ask::of(profile.id), printer).await?;
    printer.rows(COLUMNS, &["/country/iso_code", "/country/name"], &rows)
}

pub(super) async fn automation_log(
    args: &AutomationLogArgs,
    place: &Place,
    printer: &mut Printer<'_>,
) -> Result<()> {
    const COLUMNS: &[Column] = &[
        Column::new("TIME", &["/created_at"]),
        Column::new("STATUS", &["/status"]),
        Column::wide("ACTION", &["/action/name", "/action/id"]),
        Column::new("MESSAGE", &["/message"]),
    ];
    let emnify = Emnify::connect(&args.read, place).await?;
    let automation = emnify.subject(&args.automation).await?;
    let query = vec![("automationId", automation.id), ("automationExecutionNumber", args.run.to_string())];
    let rows = emnify.all(&AUTOMATION_LOG, Ask { query, ..Ask::default() }, printer).await?;
    printer.rows(COLUMNS, &["/id"], &rows)
}

/// Parts of the page of a device: its title, and where it is read.
const PARTS: &[(&str, Reading)] = &[
    ("device", ENDPOINT),
    ("connectivity", CONNECTIVITY),
    ("dataQuota", DATA_QUOTA),
    ("smsQuota", SMS_QUOTA),
    ("limitExtensions", LIMIT_EXTENSIONS),
    ("blockedOperators", BLOCKED_OPERATORS),
    ("usage", ENDPOINT_STATS),
    ("events", ENDPOINT_EVENTS),
];

/// One page for support. A part that emnify does not show is told, and the rest goes on.
pub(super) async fn describe(args: &DeviceArgs, place: &Place, printer: &mut Printer<'_>) -> Result<()> {
    let emnify = Emnify::connect(&args.read, place).await?;
    let device = emnify.subject(&args.device).await?;
    let id = device.device()?;
    let mut page = serde_json::Map::new();
    for (title, reading) in PARTS {
        let listing = Listing::all().sort("-timestamp").per_page(10);
        match emnify.try_page(reading, &Ask { listing, ..Ask::of(id) }).await {
            Ok(read) if read.items.is_empty() => {}
            Ok(read) => {
                let many = ["limitExtensions", "blockedOperators", "events"].contains(title);
                let value =
                    if many { read.items.into() } else { read.items.into_iter().next().unwrap_or_default() };
                page.insert((*title).to_owned(), value);
            }
            Err(error) if *title == "device" => return Err(mended(error)),
            // a quota that is not set is missing
            Err(Error::NotFound { .. }) if title.ends_with("Quota") => {}
            Err(error) => printer.note(&format!("{title}: {:#}", mended(error)))?,
        }
    }
    let page = Value::Object(page);
    if printer.is_raw() {
        return printer.rows(&[], &[], &[page]);
    }
    printer.page(&page)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_ago_is_read_as_people_write_it() {
        for typed in ["30m", "2h", "168h", "90 minutes"] {
            assert!(since(typed).is_ok(), "{typed}");
        }
        let error = since("yesterday").unwrap_err().to_string();
        assert!(error.contains("--since yesterday: write a time such as"), "{error}");
    }
}
