//! Lookup tables of the API, by what specs call their rows.

use std::time::Duration;

use emnify::{
    Api, Cursor, Error,
    wire::{
        blocklist::Operator,
        lookup::Service,
        tariff_profile::TARIFF_PROFILES,
        traffic_limit::{DATA, Period, TrafficLimit},
    },
};
use emnify_engine::kind::{LookupRow, Table};
use futures::{FutureExt, future::BoxFuture};

use crate::api::OperatorReference;

type Loading = BoxFuture<'static, Result<Vec<LookupRow>, Error>>;

/// What only emnify changes.
const FIXED: Duration = Duration::from_secs(24 * 60 * 60);
/// What the organisation changes.
const OWN: Duration = Duration::from_secs(5 * 60);

/// Mobile network operators by name, name with country, TAP code, and MCC and MNC.
pub static OPERATORS: Table = Table { name: "operator", folds: true, keep: FIXED, load: operators };
/// Radio technologies by name.
pub static RAT_TYPES: Table = Table { name: "radio technology", folds: true, keep: FIXED, load: rat_types };
/// Services by name.
pub static SERVICES: Table = Table { name: "service", folds: true, keep: FIXED, load: services };
/// The fixed choice of SMS limits, by [`limit_name`].
pub static SERVICE_LIMITS: Table =
    Table { name: "SMS limit", folds: true, keep: FIXED, load: service_limits };
/// Breakout regions by name.
pub static BREAKOUT_REGIONS: Table =
    Table { name: "breakout region", folds: true, keep: FIXED, load: breakout_regions };
/// ESME interface types by name.
pub static ESME_INTERFACE_TYPES: Table =
    Table { name: "ESME interface type", folds: true, keep: FIXED, load: esme_interface_types };
/// Tariffs by name, as far as profiles of the organisation have them: no operation lists tariffs [S].
pub static TARIFFS: Table =
    Table { name: "tariff of the organisation's profiles", folds: true, keep: OWN, load: tariffs };
/// Types of events by name.
pub static EVENT_TYPES: Table = Table { name: "event type", folds: true, keep: FIXED, load: event_types };
/// What can be done with SIMs, by name.
pub static SIM_OPERATION_ACTIONS: Table =
    Table { name: "action of SIM operations", folds: true, keep: FIXED, load: sim_operation_actions };
/// Products of which profiles were bought that are on no eUICC yet, by name.
pub static ESIM_PRODUCTS: Table =
    Table { name: "eSIM product with profiles left", folds: true, keep: OWN, load: esim_products };
/// What eUICCs can be told, by the letters of its name: [`letters`].
pub static EUICC_ACTIONS: Table =
    Table { name: "action of eUICCs", folds: true, keep: FIXED, load: euicc_actions };

/// The letters of a name: `Download Profile`, `download_profile` and `DownloadProfile` are one.
pub fn letters(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphabetic).collect::<String>().to_ascii_lowercase()
}

/// How the table of limits calls one: `<service>: <volume> per <period>`, or without the period.
pub fn limit_name(service: &str, volume: i64, period: Option<&str>) -> String {
    match period {
        Some(period) => format!("{service}: {volume} per {}", singular(period)),
        None => format!("{service}: {volume}"),
    }
}

/// Volume and period of a limit of the service, if `name` is how the table calls one of it.
pub fn limit_of(name: &str, service: &str) -> Option<(i64, Option<String>)> {
    let said = name.strip_prefix(service)?.strip_prefix(": ")?;
    let (volume, period) =
        said.split_once(" per ").map_or((said, None), |(volume, period)| (volume, Some(period)));
    Some((volume.parse().ok()?, period.map(str::to_owned)))
}

/// emnify writes units in singular and plural.
fn singular(period: &str) -> &str {
    period.strip_suffix('s').unwrap_or(period)
}

fn row(id: i64, names: impl IntoIterator<Item = String>) -> LookupRow {
    let names = names.into_iter().filter(|name| !name.is_empty()).collect();
    LookupRow { id: id.into(), names, shown: None }
}

fn operators(api: Api) -> Loading {
    async move { Ok(api.operators().await?.iter().map(operator).collect()) }.boxed()
}

fn operator(operator: &Operator) -> LookupRow {
    let mut names = vec![operator.name.clone()];
    names.extend(operator.tapcode.iter().map(|code| OperatorReference::tap_name(&code.tapcode)));
    if let Some(country) = &operator.country {
        names.push(format!("{} / {}", country.name, operator.name));
        let mcc = country.mcc.iter();
        let pairs = mcc.flat_map(|mcc| operator.mnc.iter().map(move |code| format!("{mcc}-{}", code.mnc)));
        names.extend(pairs.map(|pair| OperatorReference::mcc_mnc_name(&pair)));
    }
    row(operator.id, names)
}

fn rat_types(api: Api) -> Loading {
    async move {
        let all = api.rat_types().await?.into_iter();
        Ok(all.map(|rat| row(rat.id, rat.name)).collect())
    }
    .boxed()
}

fn services(api: Api) -> Loading {
    async move {
        let all = api.services().await?.into_iter();
        Ok(all.map(|service| row(service.id, [service.description])).collect())
    }
    .boxed()
}

/// The one table of several calls: each service that counts SMS has its own choice.
fn service_limits(api: Api) -> Loading {
    async move {
        let mut rows = Vec::new();
        for service in api.services().await?.into_iter().filter(counts_sms) {
            let limits = api.traffic_limits_of(service.id).await?;
            rows.extend(limits.iter().filter_map(|limit| service_limit(&service, limit)));
        }
        Ok(rows)
    }
    .boxed()
}

fn counts_sms(service: &Service) -> bool {
    let kind = service.traffic_type.as_ref().and_then(|kind| kind.name.as_deref());
    service.id != DATA && kind.is_none_or(|kind| kind.to_ascii_uppercase().contains("SMS"))
}

fn service_limit(service: &Service, limit: &TrafficLimit) -> Option<LookupRow> {
    let volume = limit.volume?;
    let period = limit.period.as_ref().and_then(period_name);
    let calls = [service.id.to_string(), service.description.clone()];
    let names = calls.iter().flat_map(|call| {
        let dated = period.as_deref().map(|period| limit_name(call, volume, Some(period)));
        [Some(limit_name(call, volume, None)), dated].into_iter().flatten()
    });
    Some(row(limit.id, names))
}

fn period_name(period: &Period) -> Option<String> {
    let unit = period.unit.as_deref()?.trim().to_lowercase();
    Some(format!("{} {}", period.time_units.unwrap_or(1), singular(&unit)))
}

fn breakout_regions(api: Api) -> Loading {
    async move {
        let all = api.breakout_regions().await?.into_iter();
        Ok(all.map(|region| row(region.id, [region.name])).collect())
    }
    .boxed()
}

fn esme_interface_types(api: Api) -> Loading {
    async move {
        let all = api.esme_interface_types().await?.into_iter();
        Ok(all.map(|kind| row(kind.id, kind.name)).collect())
    }
    .boxed()
}

fn event_types(api: Api) -> Loading {
    async move {
        let all = api.event_types().await?.into_iter();
        Ok(all.map(|kind| row(kind.id, kind.name)).collect())
    }
    .boxed()
}

fn sim_operation_actions(api: Api) -> Loading {
    async move {
        let all = api.sim_operation_actions().await?.into_iter();
        Ok(all.map(|action| row(action.id, action.name)).collect())
    }
    .boxed()
}

fn esim_products(api: Api) -> Loading {
    async move {
        let all = api.esim_products().await?.into_iter().filter_map(|row| row.product);
        Ok(all.map(|product| row(product.id, product.name)).collect())
    }
    .boxed()
}

fn euicc_actions(api: Api) -> Loading {
    async move {
        let all = api.euicc_operation_actions().await?.into_iter();
        Ok(all.map(|action| row(action.id, action.name.map(|name| letters(&name)))).collect())
    }
    .boxed()
}

fn tariffs(api: Api) -> Loading {
    async move {
        let profiles = TARIFF_PROFILES.list(&api, Cursor::first()).await?.items;
        let mut rows: Vec<LookupRow> = Vec::new();
        for tariff in profiles.into_iter().filter_map(|profile| profile.tariff) {
            let tariff = row(tariff.id, tariff.name);
            if !rows.contains(&tariff) {
                rows.push(tariff);
            }
        }
        Ok(rows)
    }
    .boxed()
}

#[cfg(test)]
mod tests {
    use serde_json::{from_value, json};

    use super::*;

    #[test]
    fn an_operator_answers_to_its_name_its_tap_code_and_its_network_codes() {
        let telekom: Operator = from_value(json!({
            "id": 13, "name": "Telekom", "country": {"name": "Germany", "mcc": "262"},
            "mnc": [{"mnc": "01"}, {"mnc": "06"}], "tapcode": [{"tapcode": "DEUD1"}]
        }))
        .unwrap();
        let names = operator(&telekom).names;
        for name in ["Telekom", "Germany / Telekom", "TAP code DEUD1", "MCC-MNC 262-01", "MCC-MNC 262-06"] {
            assert!(names.iter().any(|known| known == name), "{name} is missing in {names:?}");
        }
    }

    #[test]
    fn what_euiccs_can_be_told_goes_by_its_letters() {
        for name in ["Download Profile", "download_profile", "DownloadProfile"] {
            assert_eq!(letters(name), "downloadprofile", "emnify publishes no names of them");
        }
    }

    #[test]
    fn a_limit_answers_to_volume_and_period_of_its_service() {
        let service: Service = from_value(json!({"id": 4, "description": "SMS MT"})).unwrap();
        let monthly: TrafficLimit = from_value(
            json!({"id": 401, "volume": 100, "period": {"id": 2, "time_units": 1, "unit": "months"}}),
        )
        .unwrap();
        let names = service_limit(&service, &monthly).unwrap().names;
        let wanted = [
            limit_name("4", 100, None),
            limit_name("SMS MT", 100, Some("1 month")),
            limit_name("SMS MT", 100, Some("1 months")),
        ];
        assert!(wanted.iter().all(|name| names.contains(name)), "{wanted:?} in {names:?}");
        assert_eq!(limit_of(&wanted[0], "4"), Some((100, None)));
        assert_eq!(limit_of(&wanted[1], "SMS MT"), Some((100, Some("1 month".to_owned()))));
        assert_eq!(limit_of(&wanted[1], "SMS"), None, "another service");
        assert!(
            !names.contains(&limit_name("SMS MT", 100, Some("1 day"))),
            "another period is another limit"
        );
    }
}
