//! Address spaces: ranges of device addresses. Immutable. [S]

use std::net::Ipv4Addr;

use rand::seq::IndexedRandom;
use serde_json::{Value, json};

use super::route::{Needs, Route};
use crate::http::body;
use crate::http::call::{Answer, Call, Reply};
use crate::http::refusal::{Code, Issue, Refusal};
use crate::rules::cidr::{ALLOWED, Cidr};
use crate::state::rules::hosts;
use crate::state::{IpAddressSpace, Organisation};

/// How many unassigned spaces are offered at once. [S]
const OFFERS: usize = 10;

/// The operations of this resource. Writes are for administrators. [P]
pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::java("ip-address-space-get", list),
        Route::java("ip-address-space-post", create).needs(Needs::Admin),
        Route::java("ip-address-space-available-by-ip-address-version-get", available),
        Route::java("ip-address-space-by-id-put", assign).needs(Needs::Admin),
        Route::java("ip-address-space-by-id-delete", delete).needs(Needs::Admin),
    ]
}

fn show(space: &IpAddressSpace) -> Value {
    json!({
        "id": space.id,
        "ip_address_space": space.ip_address_space,
        "ip_address_version": space.ip_address_version,
    })
}

fn used(org: &Organisation, space: u64) -> u64 {
    let users = org.endpoints.values().filter(|endpoint| endpoint.ip_address_space == Some(space));
    users.count() as u64
}

#[allow(clippy::unnecessary_wraps, reason = "the type of handlers")]
fn list(call: &mut Call<'_>) -> Answer {
    let org = call.org();
    let rows: Vec<_> = org
        .ip_address_spaces
        .values()
        .map(|space| {
            let size = hosts(&space.ip_address_space)
                .map_or(0, |(first, last)| u64::from(last.to_bits() - first.to_bits()) + 1);
            let used = used(org, space.id);
            let mut row = show(space);
            row["used_count"] = used.into();
            row["available_count"] = size.saturating_sub(used).into();
            row
        })
        .collect();
    Ok(Reply::json(rows))
}

fn overlaps(org: &Organisation, range: Cidr) -> bool {
    let held = org.ip_address_spaces.values().filter_map(|space| space.ip_address_space.parse::<Cidr>().ok());
    held.into_iter().any(|space| space.overlaps(range))
}

fn create(call: &mut Call<'_>) -> Answer {
    let mut issues = Vec::new();
    for field in ["ip_address_space", "ip_address_version"] {
        if call.field(field).is_null() {
            issues.push(Issue::required(field));
        }
    }
    if !issues.is_empty() {
        return Err(Refusal::invalid(issues));
    }
    let text = call.field("ip_address_space").as_str().unwrap_or("").to_owned();
    let version = body::unsigned(call.field("ip_address_version"));
    let Ok(range) = text.parse::<Cidr>() else {
        return Err(Refusal::bad_request(format!("'{text}' is not an IPv4 network in CIDR notation")));
    };
    if version != Some(4) {
        return Err(Refusal::invalid(vec![Issue::format("ip_address_version")]));
    }
    // Two causes, one code: only the message tells them apart. [S]
    if let Err(cause) = range.allowed() {
        return Err(Refusal::invalid(vec![Issue::new(Code::NOT_ALLOWED, cause.to_string())]));
    }
    if overlaps(call.org(), range) {
        return Err(Refusal::conflict("The IP address space overlaps with an existing one"));
    }
    let (org, next) = call.split();
    let space = IpAddressSpace { id: 0, ip_address_space: range.to_string(), ip_address_version: 4 };
    let id = org.ip_address_spaces.add(next, space);
    Ok(Reply::json(show(&org.ip_address_spaces[&id])).located(format!("/api/v1/ip_address_space/{id}")))
}

/// Unassigned spaces have ids of their own, read off their first address, far above those of assigned ones. [?]
fn offer_id(range: Cidr) -> u64 {
    u64::from(range.network().to_bits() >> 4)
}

fn offered(id: u64) -> Option<Cidr> {
    let bits = u32::try_from(id).ok()?.checked_mul(16)?;
    let range = Cidr::block_of(Ipv4Addr::from_bits(bits));
    range.allowed().ok().map(|()| range)
}

/// Ten random spaces that nobody holds; IPv6 has none. [S]
#[allow(clippy::unnecessary_wraps, reason = "the type of handlers")]
fn available(call: &mut Call<'_>) -> Answer {
    if call.query("ip_address_version").is_some_and(|version| version != "4") {
        return Ok(Reply::json(Vec::<Value>::new()));
    }
    let mut rng = rand::rng();
    let mut offers: Vec<Cidr> = Vec::new();
    // The allowed ranges hold millions of blocks, of which an organisation can take but a part: a bound for the rest.
    for _ in 0..OFFERS * 100 {
        let range = ALLOWED.choose(&mut rng).expect("four ranges");
        let address = rand::random_range(range.network().to_bits()..=range.last().to_bits());
        let block = Cidr::block_of(Ipv4Addr::from_bits(address));
        if block.allowed().is_ok() && !offers.contains(&block) && !overlaps(call.org(), block) {
            offers.push(block);
        }
        if offers.len() == OFFERS {
            break;
        }
    }
    let row = |range: &Cidr| json!({"id": offer_id(*range), "ip_address_space": range.to_string(), "ip_address_version": 4});
    Ok(Reply::json(offers.iter().map(row).collect::<Vec<_>>()))
}

/// Deprecated in favour of POST. [S]
fn assign(call: &mut Call<'_>) -> Answer {
    let id = call.id("address_space_id")?;
    let (org, next) = call.split();
    if org.ip_address_spaces.contains_key(&id) {
        return Err(Refusal::conflict("The IP address space is already assigned"));
    }
    let range = offered(id).ok_or_else(|| Refusal::not_found("IP address space"))?;
    if overlaps(org, range) {
        return Err(Refusal::conflict("The IP address space overlaps with an existing one"));
    }
    let space = IpAddressSpace { id, ip_address_space: range.to_string(), ip_address_version: 4 };
    org.ip_address_spaces.insert(id, space);
    next.ip_address_space = next.ip_address_space.max(id + 1);
    Ok(Reply::done())
}

/// Refused while a device has an address in it. [S]
fn delete(call: &mut Call<'_>) -> Answer {
    let id = call.id("address_space_id")?;
    let (org, _) = call.split();
    if !org.ip_address_spaces.contains_key(&id) {
        return Err(Refusal::not_found("IP address space"));
    }
    if used(org, id) > 0 {
        return Err(Refusal::conflict("The IP address space is used by endpoints"));
    }
    org.ip_address_spaces.remove(&id);
    org.indexes.lowest_free.remove(&id);
    Ok(Reply::done())
}
