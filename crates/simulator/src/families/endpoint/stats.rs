//! Traffic of devices: volumes in MB as strings; months without traffic are missing. [3P][S]

use std::collections::BTreeMap;

use jiff::ToSpan as _;
use jiff::civil::Date;
use serde_json::{Map, Value, json};

use super::addressed;
use crate::http::call::{Answer, Call, Reply};
use crate::rules::dates;
use crate::state::Usage;

/// This month and the last.
pub(super) fn months(call: &mut Call<'_>) -> Answer {
    let id = addressed(call)?;
    Ok(Reply::json(usage_json(&call.org().endpoints[&id].usage, dates::day(call.now))))
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
        row
    };
    usage.range(first..=last).map(row).collect()
}

/// Monthly traffic, as devices and SIMs show it.
pub(crate) fn usage_json(usage: &BTreeMap<Date, Usage>, today: Date) -> Value {
    let this = today.first_of_month();
    let last = this.saturating_sub(1.month());
    let mut body = Map::new();
    for (name, days) in [("last_month", last..this), ("current_month", this..Date::MAX)] {
        let mut sum = Usage::default();
        for (_, day) in usage.range(days) {
            sum.data_tx += day.data_tx;
            sum.data_rx += day.data_rx;
            sum.sms_tx += day.sms_tx;
            sum.sms_rx += day.sms_rx;
        }
        if sum != Usage::default() {
            body.insert(name.to_owned(), show(&sum));
        }
    }
    body.into()
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
