//! Traffic of devices: volumes in MB as strings. [3P][S]

use std::collections::BTreeMap;

use jiff::ToSpan as _;
use jiff::civil::Date;
use serde_json::{Map, Value, json};

use super::path::addressed;
use crate::http::call::{Answer, Call, Reply};
use crate::reference_data;
use crate::rules::dates;
use crate::state::{Endpoint, Usage};

/// Ids of the kinds of traffic. [P]
const DATA: u64 = 5;
const SMS: u64 = 6;

/// This month, the last and the last hour. Months without traffic are missing [3P], the hour is there.
pub(super) fn months(call: &mut Call<'_>) -> Answer {
    let id = addressed(call)?;
    let spans = spans(Some(&call.org().endpoints[&id]), call);
    let shown = spans.into_iter().filter(|span| span.month.is_none() || span.usage != Usage::default());
    Ok(Reply::json(shown.map(Span::json).collect::<Map<_, _>>()))
}

/// Day by day, between two days.
pub(super) fn daily(call: &mut Call<'_>) -> Answer {
    let id = addressed(call)?;
    Ok(Reply::json(daily_json(&call.org().endpoints[&id].usage, call)))
}

/// Daily traffic between the days a query names.
pub(crate) fn daily_json(usage: &BTreeMap<Date, Usage>, call: &Call<'_>) -> Vec<Value> {
    let day = |name: &str| call.query(name).and_then(dates::read).map(dates::day);
    let first = day("start_date").unwrap_or(Date::MIN);
    let last = day("end_date").unwrap_or(Date::MAX).max(first);
    let row = |(day, usage): (&Date, &Usage)| {
        let mut row = show(usage);
        row["date"] = day.to_string().into();
        for (kind, traffic_type) in [("data", DATA), ("sms", SMS)] {
            row[kind]["traffic_type"] = json!(reference_data::row("traffic_type", traffic_type));
            row[kind]["currency"] = json!(reference_data::row("currency", call.org().tariff_plan.currency));
        }
        row
    };
    usage.range(first..=last).map(row).collect()
}

/// Traffic of months and the hour as a SIM shows it: all three are there. [S]
pub(crate) fn usage_json(endpoint: Option<&Endpoint>, call: &Call<'_>) -> Value {
    spans(endpoint, call).into_iter().map(Span::json).collect::<Map<_, _>>().into()
}

/// Traffic of a month or an hour.
struct Span {
    name: &'static str,
    month: Option<Date>,
    usage: Usage,
}

impl Span {
    fn json(self) -> (String, Value) {
        let mut body = show(&self.usage);
        if let Some(month) = self.month {
            // The first day of it. [3P]
            body["data"]["month"] = month.to_string().into();
            body["sms"]["month"] = month.to_string().into();
        }
        (self.name.to_owned(), body)
    }
}

fn spans(endpoint: Option<&Endpoint>, call: &Call<'_>) -> [Span; 3] {
    let this = dates::day(call.now).first_of_month();
    let last = this.saturating_sub(1.month());
    let month = |name: &'static str, days: std::ops::Range<Date>| {
        let mut usage = Usage::default();
        let first = days.start;
        for (_, day) in endpoint.iter().flat_map(|endpoint| endpoint.usage.range(days.clone())) {
            usage.add(*day);
        }
        Span { name, month: Some(first), usage }
    };
    let hour = endpoint.map(|endpoint| endpoint.used_in_hour(call.now)).unwrap_or_default();
    [
        month("last_month", last..this),
        month("current_month", this..Date::MAX),
        Span { name: "last_hour", month: None, usage: hour },
    ]
}

fn show(usage: &Usage) -> Value {
    let megabytes = |volume: f64| format!("{volume:.6}");
    json!({
        "data": {
            "volume": megabytes(usage.data_tx + usage.data_rx),
            "volume_tx": megabytes(usage.data_tx),
            "volume_rx": megabytes(usage.data_rx),
        },
        "sms": {
            "volume": (usage.sms_tx + usage.sms_rx).to_string(),
            "volume_tx": usage.sms_tx.to_string(),
            "volume_rx": usage.sms_rx.to_string(),
        },
    })
}
