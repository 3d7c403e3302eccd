//! A service profile as a manifest.

use emnify_engine::kind::{Id, Kind as _, Table};

use super::{
    rows::{DATA, DataLimit as HaveLimit, Detail, Flag, HaveService, Link, Part, Parts, Row},
    spec::{DataLimit, Service, ServiceLimit, ServiceProfile, ServiceProfileSpec},
};
use crate::{
    api::{ClearableReference, ExternalReference, Volume},
    kinds::{
        api_callback::ApiCallback,
        api_secret::ApiSecret,
        common::lookups::{BREAKOUT_REGIONS, ESME_INTERFACE_TYPES, SERVICE_LIMITS, SERVICES, limit_of},
        dns_config::DnsConfig,
        export::{Draft, Export, Exported, Manifest},
    },
};

/// As many as a manifest may list.
const MOST_SERVICES: usize = 32;

impl Export for ServiceProfile {
    const EXPORT: Exported<Self> = Exported::Always(Manifest {
        parts: |_| vec![Part::Detail, Part::DataLimits],
        tables,
        ..Manifest::of(|row| row.name.clone(), write)
    });
}

fn tables(_: &Row, parts: &Parts) -> Vec<&'static Table> {
    let Some(detail) = &parts.detail else { return Vec::new() };
    let needed = [
        (!detail.services.is_empty(), &SERVICES),
        (detail.services.values().any(|service| !service.limits.is_empty()), &SERVICE_LIMITS),
        (link(detail, Link::EsmeInterfaceType).is_some(), &ESME_INTERFACE_TYPES),
        (link(detail, Link::BreakoutRegion).is_some(), &BREAKOUT_REGIONS),
    ];
    needed.into_iter().filter_map(|(needed, table)| needed.then_some(table)).collect()
}

fn link(detail: &Detail, link: Link) -> Option<i64> {
    detail.links.get(&link).copied().flatten()
}

fn write(row: &Row, parts: &Parts, draft: &mut Draft<'_>) -> Result<ServiceProfile, String> {
    let detail = parts.detail.as_ref().ok_or("services: emnify does not show them")?;
    let limits = parts.data_limits.as_deref().ok_or("dataLimits: emnify does not show them")?;
    let flag = |flag: Flag| row.flags.get(&flag).or_else(|| detail.flags.get(&flag)).copied();
    let object = |draft: &Draft<'_>, which: Link, kind: &str| -> Option<ClearableReference> {
        link(detail, which).map(|id| draft.clearable(kind, id))
    };
    let plain = |draft: &Draft<'_>, which: Link, table: &Table| -> Option<ExternalReference> {
        link(detail, which).map(|id| draft.external(table, id))
    };
    let spec = ServiceProfileSpec {
        name: row.name.clone(),
        description: draft.text("description", &row.description, 255),
        allowed_2g: flag(Flag::Allowed2g),
        allowed_3g: flag(Flag::Allowed3g),
        allowed_4g: flag(Flag::Allowed4g),
        allowed_nb_iot: flag(Flag::AllowedNbIot),
        allowed_nb_iot_geo: flag(Flag::AllowedNbIotGeo),
        apply_data_quota: flag(Flag::ApplyDataQuota),
        apply_sms_quota: flag(Flag::ApplySmsQuota),
        retail: flag(Flag::Retail),
        nipdp: flag(Flag::Nipdp),
        sms_p2p_int: flag(Flag::SmsP2pInt),
        sms_p2p_ext: flag(Flag::SmsP2pExt),
        services: services(detail, draft),
        data_limits: data_limits(limits, draft),
        dns: object(draft, Link::Dns, DnsConfig::KIND),
        api_callback: object(draft, Link::ApiCallback, ApiCallback::KIND),
        api_secret: object(draft, Link::ApiSecret, ApiSecret::KIND),
        moc_callback: object(draft, Link::MocCallback, ApiCallback::KIND),
        esme_interface_type: plain(draft, Link::EsmeInterfaceType, &ESME_INTERFACE_TYPES),
        breakout_region: plain(draft, Link::BreakoutRegion, &BREAKOUT_REGIONS),
        common: draft.common(),
    };
    Ok(ServiceProfile::new(draft.name(), spec))
}

fn services(detail: &Detail, draft: &mut Draft<'_>) -> Option<Vec<Service>> {
    if detail.services.len() > MOST_SERVICES {
        draft.lacks(format!("services: it has more than {MOST_SERVICES}"));
        return None;
    }
    let one = |(id, known): (&i64, &HaveService)| {
        let service = draft.external(&SERVICES, *id);
        let called = service.external_name.clone().unwrap_or_else(|| id.to_string());
        let limit = limit(*id, &called, known, draft);
        Service { service, limit }
    };
    Some(detail.services.iter().map(one).collect())
}

/// The limit as emnify's catalogue calls it; none is left out, and so is what the catalogue does not tell.
fn limit(id: i64, called: &str, known: &HaveService, draft: &mut Draft<'_>) -> Option<ServiceLimit> {
    let (first, more) = known.limits.split_first()?;
    let catalogued = Id::Int(*first);
    let names = draft.names(&SERVICE_LIMITS, &catalogued);
    // the longest says the period, too
    let found = names.filter_map(|name| limit_of(name, called)).max_by_key(|(_, period)| period.is_some());
    let Some((volume, period)) = found.filter(|_| more.is_empty() && id != DATA) else {
        draft.lacks(format!("services: the limit of {called} is none that a manifest can say"));
        return None;
    };
    Some(ServiceLimit { volume: Some(volume), period, none: None })
}

fn data_limits(limits: &[HaveLimit], draft: &mut Draft<'_>) -> Option<Vec<DataLimit>> {
    let of = |satellite: bool| limits.iter().filter(move |limit| limit.rule.satellite_only == satellite);
    if of(true).count() > 1 || of(false).count() > 1 {
        draft.lacks("dataLimits: it has several that count the same traffic");
        return None;
    }
    let all: Vec<DataLimit> = of(false)
        .chain(of(true))
        .map(|limit| DataLimit {
            volume: volume(limit.rule.volume),
            warning_percent: limit.rule.warning_percent,
            satellite_only: limit.rule.satellite_only.then_some(true),
        })
        .collect();
    Some(all).filter(|all| !all.is_empty())
}

/// As people write it: `500M`.
fn volume(bytes: i64) -> Volume {
    let units =
        [("T", 1_000_000_000_000), ("Gi", 1 << 30), ("G", 1_000_000_000), ("Mi", 1 << 20), ("M", 1_000_000)];
    let unit = units.iter().find(|(_, size)| bytes > 0 && bytes % size == 0);
    unit.map_or(Volume::Bytes(bytes), |(unit, size)| Volume::Text(format!("{}{unit}", bytes / size)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use emnify_engine::kind::LookupRow;
    use serde_json::{Value, json, to_value};

    use super::*;
    use crate::kinds::{common::lookups::limit_name, export::Known, service_profile::rows::DataRule};

    fn written(limits: Vec<i64>, rules: Vec<DataRule>) -> (Value, Vec<String>) {
        let mut known = Known::default();
        known.learn(&SERVICES, vec![LookupRow { id: Id::Int(4), names: vec!["SMS MT".into()], shown: None }]);
        let names = vec![
            limit_name("4", 100, None),
            limit_name("SMS MT", 100, None),
            limit_name("SMS MT", 100, Some("1 month")),
        ];
        known.learn(&SERVICE_LIMITS, vec![LookupRow { id: Id::Int(403), names, shown: None }]);
        let services = BTreeMap::from([(4, HaveService { name: "SMS MT".into(), limits })]);
        let detail = Detail { services, ..Detail::default() };
        let limits = rules.into_iter().map(HaveLimit::from).collect();
        let parts = Parts { detail: Some(detail), data_limits: Some(limits) };
        let row = Row { id: 7, name: "Meters".into(), ..Row::default() };
        let mut draft = Draft::new(&known, "meters", &Id::Int(7));
        let object = write(&row, &parts, &mut draft).unwrap();
        (to_value(&object.spec).unwrap(), draft.finish().0)
    }

    #[test]
    fn limits_are_written_as_people_do() {
        let rule = |volume, satellite_only| DataRule { volume, warning_percent: Some(80), satellite_only };
        let (spec, lacks) = written(vec![403], vec![rule(1 << 30, true), rule(500_000_000, false)]);
        let limit = json!({"volume": 100, "period": "1 month"});
        assert_eq!(spec["services"], json!([{"service": {"externalName": "SMS MT"}, "limit": limit}]));
        let data = json!([{"volume": "500M", "warningPercent": 80}, {"volume": "1Gi", "warningPercent": 80, "satelliteOnly": true}]);
        assert_eq!((&spec["dataLimits"], lacks.len()), (&data, 0));
        for (bytes, text) in
            [(0, "0"), (1, "1"), (1_500_000_000, "1500M"), (2_000_000_000_000, "2T"), (1 << 20, "1Mi")]
        {
            assert_eq!(volume(bytes).to_string(), text);
            assert_eq!(volume(bytes).bytes("volume"), Ok(bytes));
        }
    }

    #[test]
    fn limits_that_no_manifest_can_say_are_left_alone_and_told() {
        let rule = DataRule { volume: 1, warning_percent: None, satellite_only: false };
        for limits in [vec![9], vec![403, 9]] {
            let (spec, lacks) = written(limits, vec![rule.clone(), rule.clone()]);
            assert!(spec["services"][0].get("limit").is_none() && spec.get("dataLimits").is_none(), "{spec}");
            assert_eq!(lacks.len(), 2, "{lacks:?}");
        }
    }
}
