//! Profiles and the tariffs behind them, as the copy keeps them.

use emnify_simulator::state::{
    BlockedOperator, DataLimit, InclusiveVolume, ProfileService, RateZone, ServiceProfile, State, Table,
    Tariff, TariffProfile,
};
use jiff::Timestamp;
use serde_json::Value;

use super::read::{Lacks, decimal, flag, id, list, needed, number, time, words};

/// A service profile as its listing shows it.
pub(super) fn service(row: &Value) -> Result<ServiceProfile, Lacks> {
    let data = if row["apply_data_quota"].is_null() { "apply_quota" } else { "apply_data_quota" };
    Ok(ServiceProfile {
        id: needed(row, "id")?,
        name: words(row, "name"),
        description: words(row, "description"),
        allowed_2g: flag(&row["allowed_2g"]),
        allowed_3g: flag(&row["allowed_3g"]),
        allowed_4g: flag(&row["allowed_4g"]),
        allowed_nb_iot: flag(&row["allowed_nb_iot"]),
        allowed_nb_iot_geo: flag(&row["allowed_nb_iot_geo"]),
        apply_data_quota: flag(&row[data]),
        apply_sms_quota: flag(&row["apply_sms_quota"]),
        retail: flag(&row["retail"]),
        prepaid: flag(&row["prepaid"]),
        nipdp: flag(&row["nipdp"]),
        sms_p2p_int: flag(&row["sms_p2p_int"]),
        sms_p2p_ext: flag(&row["sms_p2p_ext"]),
        api_callback: id(&row["api_callback"]),
        api_secret: id(&row["api_secret"]),
        moc_callback: id(&row["moc_callback"]),
        esme_interface_type: id(&row["esme_interface_type"]),
        breakout_region: id(&row["breakout_region"]),
        dns: id(&row["dns"]),
        services: Vec::new(),
        data_limits: Table::default(),
    })
}

/// Its services, which only its own page shows.
pub(super) fn services(detail: &Value) -> Vec<ProfileService> {
    let limits = |row: &Value| list(&row["traffic_limit"]).iter().filter_map(id).collect();
    let service = |row: &Value| Some(ProfileService { service: id(row)?, traffic_limits: limits(row) });
    list(&detail["service"]).iter().filter_map(service).collect()
}

/// Its data limits.
pub(super) fn data_limits(rows: &[Value]) -> Table<DataLimit> {
    let mut limits = Table::default();
    for row in rows {
        let (Some(id), Some(service)) = (number(&row["id"]), id(&row["service"])) else { continue };
        limits.put(DataLimit {
            id,
            service,
            satellite_only: flag(&row["satellite_only"]),
            period: super::read::id(&row["period"]).unwrap_or(2),
            volume: number(&row["volume"]).unwrap_or_default(),
            warning_percent: number(&row["warning_percent"]),
        });
    }
    limits
}

/// A tariff profile as its listing shows it; what it tells of its tariff is learnt.
pub(super) fn tariff(row: &Value, state: &mut State) -> Result<TariffProfile, Lacks> {
    let tariff = needed(row, "tariff")?;
    let shown = &row["tariff"];
    let known = state.tariffs.entry(tariff).or_insert_with(|| Tariff {
        id: tariff,
        name: words(shown, "name"),
        description: words(shown, "description"),
        rate_zones: Table::default(),
        inclusive_volumes: Table::default(),
    });
    let volume = &row["inclusive_volume"];
    if let Some(volume) = inclusive_volume(volume) {
        known.inclusive_volumes.entry(volume.id).or_insert(volume);
    }
    Ok(TariffProfile {
        id: needed(row, "id")?,
        name: words(row, "name"),
        description: words(row, "description"),
        tariff,
        rate_zones: Vec::new(),
        inclusive_volume: id(volume),
        operator_blocklist: Vec::new(),
    })
}

/// A volume that a profile or an organisation has.
pub(super) fn inclusive_volume(row: &Value) -> Option<InclusiveVolume> {
    let zone = if row["ratezone"].is_null() { &row["tariff"]["ratezone"] } else { &row["ratezone"] };
    Some(InclusiveVolume {
        id: id(row)?,
        volume: decimal(&row["volume"]),
        rate: decimal(&row["rate"]),
        pooled: flag(&row["pooled"]),
        start_date: time(&row["start_date"]).unwrap_or_default(),
        end_date: time(&row["end_date"]),
        rate_zone: id(zone).unwrap_or_default(),
    })
}

/// The zones of a profile's tariff, and which of them are selected: only its own page shows them.
pub(super) fn zones(detail: &Value) -> (Vec<RateZone>, Vec<u64>) {
    let mut selected = Vec::new();
    let mut zone = |row: &Value| {
        let id = number(&row["id"])?;
        if flag(&row["selected"]) {
            selected.push(id);
        }
        Some(RateZone {
            id,
            name: words(row, "name"),
            rate: 0.0,
            operators: Vec::new(),
            valid_from: time(&row["valid_from"]).unwrap_or(Timestamp::UNIX_EPOCH),
            valid_until: time(&row["valid_until"]),
        })
    };
    let zones = list(&detail["ratezone"]).iter().filter_map(&mut zone).collect();
    (zones, selected)
}

/// Its blocked operators.
pub(super) fn blocked(rows: &[Value]) -> Vec<BlockedOperator> {
    let one = |row: &Value| {
        let refused = &row["blocklist"];
        Some(BlockedOperator {
            operator: id(&row["operator"])?,
            completely: flag(&refused["operator"]),
            rat_types: list(&refused["rat_types"]).iter().filter_map(id).collect(),
        })
    };
    rows.iter().filter_map(one).collect()
}
