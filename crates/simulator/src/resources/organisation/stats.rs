//! What the devices of an organisation have used. Volumes are strings of MB and of messages. [3P]

use jiff::civil::Date;
use jiff::{Span, ToSpan};
use serde_json::{Value, json};

use super::path::own;
use crate::http::call::{Answer, Call, Reply};
use crate::http::refusal::{Code, Refusal};
use crate::reference_data;
use crate::resources::route::{Class, Route};
use crate::rules::dates;
use crate::state::{Organisation, SimState, Usage};

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::php("get-organisation-monthly-stats", monthly).class(Class::Ten),
        Route::php("get-organisation-daily-stats", daily_of),
        Route::php("get-organisation-hourly-stats", hourly),
        Route::php("statistics-daily-by-id-get", daily),
        Route::express("get-workspace-daily-stats", workspaces),
    ]
}

/// Usage of all devices in a span of days, both ends included.
fn usage(org: &Organisation, from: Date, until: Date) -> Usage {
    let days = org.endpoints.values().flat_map(|endpoint| endpoint.usage.range(from..=until));
    days.fold(Usage::default(), |sum, (_, day)| Usage {
        data_tx: sum.data_tx + day.data_tx,
        data_rx: sum.data_rx + day.data_rx,
        sms_tx: sum.sms_tx + day.sms_tx,
        sms_rx: sum.sms_rx + day.sms_rx,
    })
}

fn data(usage: Usage) -> Value {
    volumes(5, &[usage.data_tx + usage.data_rx, usage.data_rx, usage.data_tx].map(|mb| format!("{mb:.6}")))
}

fn sms(usage: Usage) -> Value {
    volumes(6, &[usage.sms_tx + usage.sms_rx, usage.sms_rx, usage.sms_tx].map(|count| count.to_string()))
}

fn volumes(traffic_type: u64, [all, rx, tx]: &[String; 3]) -> Value {
    json!({
        "cost": "0.0000000000",
        "currency_id": "1",
        "currency": reference_data::row("currency", 1),
        "traffic_type_id": traffic_type.to_string(),
        "traffic_type": reference_data::row("traffic_type", traffic_type),
        "volume": all,
        "volume_rx": rx,
        "volume_tx": tx,
    })
}

fn month(org: &Organisation, first: Date) -> Value {
    let usage = usage(org, first, first.last_of_month());
    let name = first.strftime("%Y-%m").to_string();
    let (mut data, mut sms) = (data(usage), sms(usage));
    data["month"] = name.clone().into();
    sms["month"] = name.into();
    json!({"data": data, "sms": sms})
}

fn monthly(call: &mut Call<'_>) -> Answer {
    own(call, "org_id_or_my")?;
    let org = call.org();
    let this = dates::day(call.now).first_of_month();
    let last = this.saturating_sub(Span::new().months(1));
    let sims = |state: SimState| org.sims.values().filter(|sim| sim.status == state).count();
    let users =
        call.state.users.values().filter(|user| user.workspaces.iter().any(|at| at.organisation == org.id));
    Ok(Reply::json(json!({
        "current_month": month(org, this),
        "last_month": month(org, last),
        "sim": {
            "issued": sims(SimState::Issued),
            "factory_mode": sims(SimState::FactoryTest),
            "active": sims(SimState::Activated),
            "suspended": sims(SimState::Suspended),
            "total": org.sims.len(),
        },
        "service_profiles": org.service_profiles.len(),
        "tariff_profiles": org.tariff_profiles.len(),
        "users": users.count(),
        "active_chargeable_sims": sims(SimState::Activated),
        "hosting_fees": 0,
        "inclusive_volume": {"unpooled": 0, "pooled": 0},
    })))
}

/// The days asked for; the last 30 unless said otherwise.
fn span(call: &Call<'_>) -> Result<(Date, Date), Refusal> {
    let today = dates::day(call.now);
    let day = |field: &str, default: Date| match call.query(field) {
        None => Ok(default),
        Some(text) => dates::read(text)
            .map(dates::day)
            .ok_or_else(|| Refusal::coded(422, Code::INVALID_FORMAT, format!("{field} is no date"))),
    };
    let end = day("end_date", today)?;
    let start = day("start_date", end.saturating_sub(29.days()))?;
    if start > end || start.until(end).is_ok_and(|span| span.get_days() > 366) {
        return Err(Refusal::coded(422, Code::INVALID_QUERY, "start_date and end_date span no year"));
    }
    Ok((start, end))
}

fn days(from: Date, until: Date) -> impl Iterator<Item = Date> {
    from.series(1.day()).take_while(move |day| *day <= until)
}

#[allow(clippy::unnecessary_wraps, reason = "the type of handlers")]
fn daily(call: &mut Call<'_>) -> Answer {
    let (from, until) = span(call)?;
    let org = call.org();
    let rows = days(from, until).map(|day| {
        let usage = usage(org, day, day);
        json!({"date": day.to_string(), "data": data(usage), "sms": sms(usage)})
    });
    Ok(Reply::json(rows.collect::<Vec<_>>()))
}

fn daily_of(call: &mut Call<'_>) -> Answer {
    own(call, "org_id_or_my")?;
    daily(call)
}

/// Usage is kept by day: all of a day is shown in its first hour. [?]
fn hourly(call: &mut Call<'_>) -> Answer {
    own(call, "org_id_or_my")?;
    let (from, until) = span(call)?;
    let org = call.org();
    let hours = |read: fn(Usage) -> String| -> Vec<String> {
        days(from, until)
            .flat_map(|day| {
                let first = read(usage(org, day, day));
                std::iter::once(first).chain(std::iter::repeat_n("0".to_owned(), 23))
            })
            .collect()
    };
    Ok(Reply::json(json!({
        "data": {"rx": hours(|day| format!("{:.6}", day.data_rx)), "tx": hours(|day| format!("{:.6}", day.data_tx))},
        "sms": {"rx": hours(|day| day.sms_rx.to_string()), "tx": hours(|day| day.sms_tx.to_string())},
    })))
}

/// Numbers rather than strings: this is a newer service. [S]
fn workspaces(call: &mut Call<'_>) -> Answer {
    let (from, until) = span(call)?;
    let org = call.org();
    let volume =
        |tx: f64, rx: f64| json!({"volume": tx + rx, "volume_tx": tx, "volume_rx": rx, "cost": null});
    #[allow(clippy::cast_precision_loss, reason = "counts of messages are far below 2^53")]
    let both = |usage: Usage| {
        json!({
            "data_volume": volume(usage.data_tx, usage.data_rx),
            "sms_volume": volume(usage.sms_tx as f64, usage.sms_rx as f64),
        })
    };
    let days: Vec<_> = days(from, until)
        .map(|day| {
            let mut row = both(usage(org, day, day));
            row["date"] = day.to_string().into();
            row
        })
        .collect();
    Ok(Reply::json(json!({"id": org.id, "days": days, "total": both(usage(org, from, until))})))
}
