//! Tables of emnify, with what a manifest takes of each row.

use anyhow::{Result, anyhow, bail};
use emnify::wire::{
    integer,
    reading::{self as of, Ask, Reading},
};
use serde_json::Value;

use super::{
    cli::{GetArgs, Place},
    emnify::Emnify,
    printer::{Column, Printer},
};

/// A table.
#[derive(Clone, Copy, Debug)]
struct Lookup {
    name: &'static str,
    reading: Reading,
    /// What it is of, where it needs that.
    of: &'static str,
    columns: &'static [Column],
}

const ID: Column = Column::new("ID", &["/id", "/key"]);
/// What a manifest takes as `externalName`.
const NAME: Column = Column::new("EXTERNALNAME", &["/name", "/description", "/code", "/status"]);
const NAMED: &[Column] = &[ID, NAME];

const fn table(name: &'static str, reading: Reading) -> Lookup {
    Lookup { name, reading, of: "", columns: NAMED }
}

const fn with(columns: &'static [Column], lookup: Lookup) -> Lookup {
    Lookup { columns, ..lookup }
}

const fn each(of: &'static str, lookup: Lookup) -> Lookup {
    Lookup { of, ..lookup }
}

const OPERATORS: &[Column] = &[
    ID,
    NAME,
    Column::new("COUNTRY", &["/country/name", "/country/id"]),
    Column::new("MNC", &["/mnc", "/mncs"]),
    Column::wide("TAPCODES", &["/tapcode"]),
];
const COUNTRIES: &[Column] = &[
    ID,
    NAME,
    Column::new("ISO", &["/iso_code"]),
    Column::new("MCC", &["/mcc"]),
    Column::wide("PREFIX", &["/country_code"]),
];
const CURRENCIES: &[Column] = &[ID, Column::new("CODE", &["/code"]), Column::new("SYMBOL", &["/symbol"])];
const PRICES: &[Column] = &[
    ID,
    NAME,
    Column::new("PRICE", &["/price", "/cost", "/rate"]),
    Column::new("CURRENCY", &["/currency/code", "/currency"]),
];
const SPACES: &[Column] = &[Column::new("CIDR", &["/ip_address_space", ""])];
const OPERATIONS: &[Column] = &[
    ID,
    Column::new("ACTION", &["/action/description", "/action/name", "/action"]),
    Column::new("STATUS", &["/status/description", "/status/name", "/status"]),
    Column::new("CREATED", &["/created_at", "/created"]),
];
const EUICCS: &[Column] = &[
    ID,
    Column::new("EID", &["/eid"]),
    Column::new("STATUS", &["/status/description", "/status/name"]),
    Column::wide("UPDATED", &["/last_updated", "/updated_at"]),
];
const PRODUCTS: &[Column] = &[ID, NAME, Column::new("FREE", &["/count", "/available", "/unlinked"])];
const DEVICES: &[Column] =
    &[ID, NAME, Column::wide("SYSTEM", &["/operating_system"]), Column::wide("BROWSER", &["/browser"])];

/// Every table, by name.
const LOOKUPS: &[Lookup] = &[
    table("automation-actions", of::AUTOMATION_ACTIONS),
    with(SPACES, table("available-address-spaces", of::AVAILABLE_ADDRESS_SPACES)),
    table("breakout-regions", of::BREAKOUT_REGIONS),
    with(PRICES, table("cloud-connect-prices", of::CLOUD_CONNECT_PRICES)),
    each("id of a type", table("cloud-connect-regions", of::CLOUD_CONNECT_REGIONS)),
    table("cloud-connect-types", of::CLOUD_CONNECT_TYPES),
    with(COUNTRIES, table("countries", of::COUNTRIES)),
    with(CURRENCIES, table("currencies", of::CURRENCIES)),
    table("custom-event-templates", of::CUSTOM_EVENT_TEMPLATES),
    table("data-blocksizes", of::DATA_BLOCKSIZES),
    table("data-stream-filters", of::DATA_STREAM_FILTERS),
    table("data-stream-statuses", of::DATA_STREAM_STATUSES),
    table("data-stream-types", of::DATA_STREAM_TYPES),
    table("data-throttles", of::DATA_THROTTLES),
    table("endpoint-statuses", of::ENDPOINT_STATUSES),
    with(PRODUCTS, table("esim-products", of::ESIM_PRODUCTS)),
    table("esme-interface-types", of::ESME_INTERFACE_TYPES),
    table("euicc-operation-actions", of::EUICC_OPERATION_ACTIONS),
    table("euicc-operation-statuses", of::EUICC_OPERATION_STATUSES),
    each("id of an eUICC", with(OPERATIONS, table("euicc-operations", of::EUICC_OPERATIONS))),
    table("euicc-profile-statuses", of::EUICC_PROFILE_STATUSES),
    table("euicc-statuses", of::EUICC_STATUSES),
    with(EUICCS, table("euiccs", of::EUICC_LIST)),
    table("event-types", of::EVENT_TYPES),
    table("inclusive-volumes", of::INCLUSIVE_VOLUMES),
    each("device", table("limit-extensions", of::LIMIT_EXTENSIONS)),
    table("mfa-statuses", of::MFA_STATUSES),
    table("mfa-types", of::MFA_TYPES),
    with(OPERATORS, table("operators", of::OPERATORS)),
    table("organisation-statuses", of::ORGANISATION_STATUSES),
    each("device", table("quota", of::DATA_QUOTA)),
    table("rat-types", of::RAT_TYPES),
    table("service-levels", of::SERVICE_LEVELS),
    each("id of a service", table("service-limits", of::SERVICE_LIMITS)),
    table("services", of::SERVICES),
    table("sim-operation-actions", of::SIM_OPERATION_ACTIONS),
    table("sim-operation-statuses", of::SIM_OPERATION_STATUSES),
    with(OPERATIONS, table("sim-operations", of::SIM_OPERATIONS)),
    table("sim-statuses", of::SIM_STATUSES),
    table("system-events", of::SYSTEM_EVENTS),
    table("tag-colors", of::TAG_COLOURS),
    table("tariff-plans", of::TARIFF_PLANS),
    table("traffic-limits", of::TRAFFIC_LIMITS),
    each("id of a user", with(DEVICES, table("trusted-devices", of::TRUSTED_DEVICES))),
    table("user-roles", of::USER_ROLES),
    table("user-statuses", of::USER_STATUSES),
];

/// Tables whose rows can be looked at one by one.
const DETAILS: &[(&str, Reading)] = &[
    ("automation-actions", of::AUTOMATION_ACTION),
    ("euiccs", of::EUICC_DETAIL),
    ("system-events", of::SYSTEM_EVENT),
];

pub(super) async fn run(args: &GetArgs, place: &Place, printer: &mut Printer<'_>) -> Result<()> {
    let Some(name) = &args.table else {
        let rows: Vec<_> =
            LOOKUPS.iter().map(|lookup| vec![lookup.name.to_owned(), lookup.of.to_owned()]).collect();
        printer.table(&["TABLE".into(), "OF".into()], &rows)?;
        return Ok(());
    };
    let lookup = find(name)?;
    let emnify = Emnify::connect(&args.read, place).await?;
    let detail = DETAILS.iter().find(|(table, _)| *table == lookup.name).filter(|_| args.of.is_some());
    let reading = detail.map_or(lookup.reading, |(_, reading)| *reading);
    let ask = match (reading.takes(), &args.of) {
        (0, None) => Ask::default(),
        (0, Some(of)) => bail!("{name} is of nothing: leave out {of}"),
        (_, Some(of)) => Ask::of(id(&emnify, of).await?),
        // the organisation of the token
        (_, None) if lookup.of.is_empty() => Ask::of(mine(&emnify, &reading).await?),
        (_, None) => bail!("{name} needs the {}: kubectl emnify get {name} ...", lookup.of),
    };
    let rows = emnify.all(&reading, ask, printer).await?;
    printer.rows(lookup.columns, &["/name", "/description", "/code", "/id"], &rows)
}

/// Names of all tables.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    LOOKUPS.iter().map(|lookup| lookup.name)
}

fn find(name: &str) -> Result<&'static Lookup> {
    LOOKUPS.iter().find(|lookup| lookup.name == name).ok_or_else(|| {
        let near =
            LOOKUPS.iter().map(|lookup| lookup.name).filter(|one| one.contains(name) || name.contains(one));
        let near: Vec<_> = near.collect();
        let near = if near.is_empty() { String::new() } else { format!("; perhaps {}", near.join(" or ")) };
        anyhow!("there is no table {name}{near}; kubectl emnify get names all")
    })
}

/// An id as it is, or that of an object.
async fn id(emnify: &Emnify, of: &str) -> Result<String> {
    if of.contains('/') || of.contains(':') {
        return Ok(emnify.subject(of).await?.id);
    }
    Ok(of.to_owned())
}

async fn mine(emnify: &Emnify, reading: &Reading) -> Result<String> {
    if *reading != of::TARIFF_PLANS {
        return Ok("my".to_owned());
    }
    let organisation = emnify.organisation().await?;
    let id = integer(organisation.get("id").unwrap_or(&Value::Null));
    id.map(|id| id.to_string()).ok_or_else(|| anyhow!("emnify shows the organisation without an id"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_in_order_and_say_what_they_are_of() {
        assert!(LOOKUPS.is_sorted_by_key(|lookup| lookup.name));
        for lookup in LOOKUPS {
            let whole = lookup.of.is_empty() && lookup.reading.takes() == 0;
            let mine = [of::TARIFF_PLANS, of::INCLUSIVE_VOLUMES].contains(&lookup.reading);
            assert!(whole || mine || !lookup.of.is_empty(), "{}", lookup.name);
        }
        let error = find("rat").err().map(|error| error.to_string()).unwrap_or_default();
        assert!(error.contains("rat-types"), "{error}");
    }
}
