//! Cloud Connect: attachments of customers' networks. Immutable, billed, and slow. [S]

use serde_json::{Value, json};

use super::route::Route;
use crate::http::body;
use crate::http::call::{Answer, Call, Reply};
use crate::http::refusal::Refusal;
use crate::reference_data;
use crate::rules::{cidr::Cidr, dates};
use crate::state::cloud_connect::{ACCEPT, Attachment, kind, status};

/// Regions that can be attached; each leaves by the breakout region of its own name. [?]
const REGIONS: [&str; 4] = ["ap-southeast-1", "eu-central-1", "eu-west-1", "us-east-1"];
/// Where a tunnel ends whose order names none. [?]
const USUAL: &str = "eu-west-1";
/// Of one month, in euros. [?]
const PRICE: f64 = 120.0;

/// The operations of this resource.
pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::express("get-cloud-connect-attachments", list),
        Route::express("create-cloud-connect-attachment-tgw", create_tgw),
        Route::express("create-cloud-connect-attachment-vpn", create_vpn),
        Route::express("get-cloud-connect-attachment-by-id", read),
        Route::express("retry-cloud-connect-attachment", retry),
        Route::express("delete-cloud-connect-attachment", delete),
        Route::express("get-cloud-connect-breakout-types", types),
        Route::express("get-cloud-connect-available-regions-by-breakout-type", regions),
        Route::express("list-cloud-connect-custom-prices", prices),
    ]
}

fn show(row: &Attachment) -> Value {
    let date = |at: Option<_>| at.map(dates::express);
    json!({
        "id": row.id,
        "name": row.name,
        "description": row.description,
        "user_id": row.user,
        "creation_date": dates::express(row.created),
        "accept_attachment_expiry_date": date(row.accept_by),
        "termination_date": date(row.terminated),
        "aws_transit_gateway_attachment_id": attached(row, kind::TGW).then(|| format!("tgw-attach-{:017x}", row.id)),
        "aws_vpn_connection_id": attached(row, kind::VPN).then(|| format!("vpn-{:017x}", row.id)),
        "status": {"id": row.status, "description": reference_data::describe("cloud_connect_status", row.status)},
        "type": {"id": row.kind, "description": reference_data::describe("cloud_connect_type", row.kind)},
        "region": row.region,
    })
}

/// AWS knows it, as one of these two sorts.
fn attached(row: &Attachment, sort: u64) -> bool {
    let sort_of = if matches!(row.kind, kind::TGW | kind::TGW_CLASSIC) { kind::TGW } else { kind::VPN };
    sort == sort_of && (status::PENDING_EGN..=status::DEACTIVATING).contains(&row.status)
}

/// The two ends that emnify offers, once it is active. The listing does not show them. [S]
fn tunnels(row: &Attachment) -> Vec<Value> {
    let vpn = matches!(row.kind, kind::VPN | kind::VPN_BGP);
    if !vpn || row.status != status::ACTIVE {
        return Vec::new();
    }
    let tunnel = |n: u64| {
        let place = row.id % 200;
        json!({
            "outside_address": format!("198.51.{place}.{n}"),
            "inside_cidr": row.inside_cidr.first().cloned().unwrap_or_else(|| format!("169.254.{place}.{}/30", n * 4)),
            "metrics": {"tunnel_state": "UP", "bytes_in": {}, "bytes_out": {}},
            "asn": row.asn.unwrap_or(64_512),
            "public_ip": row.public_ip,
            "psk": row.psk,
        })
    };
    vec![tunnel(1), tunnel(2)]
}

#[allow(clippy::unnecessary_wraps, reason = "the type of handlers")]
fn list(call: &mut Call<'_>) -> Answer {
    let number = |name| call.query(name).and_then(|text| text.parse::<u64>().ok());
    let (state, sort) = (number("status"), number("type"));
    let shown = |row: &&Attachment| {
        let here = state.map_or(row.status != status::DEACTIVATED, |state| row.status == state);
        here && sort.is_none_or(|sort| row.kind == sort)
    };
    Ok(Reply::json(call.org().attachments.values().filter(shown).map(show).collect::<Vec<_>>()))
}

/// Typed as a list of one. [S]
fn read(call: &mut Call<'_>) -> Answer {
    let row = find(call)?;
    let mut shown = show(row);
    let tunnels = tunnels(row);
    if !tunnels.is_empty() {
        shown["tunnel_information"] = tunnels.into();
    }
    Ok(Reply::json(vec![shown]))
}

fn find<'a>(call: &'a Call<'_>) -> Result<&'a Attachment, Refusal> {
    call.record("cloudconnect_attachment_id", |org| &org.attachments, "Cloud Connect attachment")
}

fn text(call: &Call<'_>, field: &str) -> Option<String> {
    call.field(field).as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

fn required(call: &Call<'_>, field: &str) -> Result<String, Refusal> {
    text(call, field).ok_or_else(|| Refusal::bad_request(format!("{field} is required")))
}

fn region(call: &Call<'_>) -> Result<String, Refusal> {
    let region = required(call, "region")?;
    if REGIONS.contains(&region.as_str()) {
        Ok(region)
    } else {
        Err(Refusal::bad_request("region is not available"))
    }
}

fn networks(call: &Call<'_>, field: &str, most: usize, required: bool) -> Result<Vec<String>, Refusal> {
    let all: Vec<String> = call
        .field(field)
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|n| n.as_str())
        .map(str::to_owned)
        .collect();
    let readable = all.iter().all(|network| network.parse::<Cidr>().is_ok());
    if !readable || all.len() > most || (required && all.is_empty()) {
        return Err(Refusal::bad_request(format!("{field} must hold at most {most} networks")));
    }
    Ok(all)
}

fn blank(call: &Call<'_>, name: String, region: String, kind: u64, status: u64) -> Attachment {
    Attachment {
        id: 0,
        name,
        description: text(call, "description"),
        kind,
        status,
        since: call.now,
        region,
        created: call.now,
        accept_by: None,
        terminated: None,
        user: call.caller.user,
        vpc_cidr: Vec::new(),
        aws_account_id: None,
        public_ip: None,
        psk: None,
        asn: None,
        on_prem_cidr: Vec::new(),
        inside_cidr: Vec::new(),
    }
}

fn add(call: &mut Call<'_>, row: Attachment) -> Reply {
    let (org, mut actor) = call.act();
    let id = org.attachments.add(actor.next, row);
    if org.attachments[&id].kind == kind::TGW {
        org.tell_attachment(&mut actor, 22, id);
    }
    Reply::created(format!("/api/v1/cnc/breakout/{id}"))
}

/// Here the type is a text. [S]
fn create_tgw(call: &mut Call<'_>) -> Answer {
    if call.field("type").as_str() != Some("1") {
        return Err(Refusal::bad_request("type must be '1'"));
    }
    let (name, region) = (required(call, "name")?, region(call)?);
    let account = required(call, "aws_account_id")?;
    if account.len() != 12 || !account.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Refusal::bad_request("aws_account_id must have 12 digits"));
    }
    let vpc_cidr = networks(call, "vpc_cidr", 16, true)?;
    let row = Attachment {
        vpc_cidr,
        aws_account_id: Some(account),
        accept_by: Some(call.now + ACCEPT),
        ..blank(call, name, region, kind::TGW, status::PENDING_AWS)
    };
    Ok(add(call, row))
}

/// Here the type is an object. [S]
fn create_vpn(call: &mut Call<'_>) -> Answer {
    let sort = call.reference("type").filter(|sort| [kind::VPN, kind::VPN_BGP].contains(sort));
    let sort = sort.ok_or_else(|| Refusal::bad_request("type.id must be '2' or '3'"))?;
    let name = required(call, "name")?;
    let region = if call.field("region").is_null() { USUAL.to_owned() } else { region(call)? };
    let public_ip = required(call, "public_ip")?;
    if public_ip.parse::<std::net::Ipv4Addr>().is_err() {
        return Err(Refusal::bad_request("public_ip is no address"));
    }
    let asn = body::unsigned(call.field("asn"));
    if sort == kind::VPN_BGP && asn.is_none() {
        return Err(Refusal::bad_request("asn is required"));
    }
    let psk = match call.field("psk").as_str() {
        None => return Err(Refusal::bad_request("psk is required")),
        Some("") => format!("psk.{:016x}", rand::random::<u64>()),
        Some(psk) if is_key(psk) => psk.to_owned(),
        // as a careless service would: the value is repeated
        Some(psk) => return Err(Refusal::bad_request(format!("psk '{psk}' is not allowed"))),
    };
    let row = Attachment {
        public_ip: Some(public_ip),
        psk: Some(psk),
        asn,
        on_prem_cidr: networks(call, "on_prem_cidr", 3, true)?,
        inside_cidr: networks(call, "inside_cidr", 3, false)?,
        ..blank(call, name, region, sort, status::PENDING_EGN)
    };
    Ok(add(call, row))
}

/// 8 to 64 letters, digits, dots and underscores, not beginning with 0. [S]
fn is_key(psk: &str) -> bool {
    let allowed = psk.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_'));
    allowed && (8..=64).contains(&psk.len()) && !psk.starts_with('0')
}

/// Only of a share that was not accepted in time. [S]
fn retry(call: &mut Call<'_>) -> Answer {
    let row = find(call)?;
    if row.kind != kind::TGW || row.status != status::PENDING_AWS || !row.expired(call.now) {
        return Err(Refusal::not_found("Expired Cloud Connect attachment"));
    }
    let (id, by) = (row.id, call.now + ACCEPT);
    let (org, _) = call.split();
    if let Some(row) = org.attachments.get_mut(&id) {
        row.accept_by = Some(by);
    }
    Ok(Reply::done())
}

/// Neither of what is gone or rolls back, nor of the classic types. [S]
fn delete(call: &mut Call<'_>) -> Answer {
    let row = find(call)?;
    if matches!(row.status, status::DEACTIVATED | status::ROLLING_BACK) {
        return Err(Refusal::bad_request("The attachment cannot be deleted in its present status"));
    }
    if matches!(row.kind, kind::TGW_CLASSIC | kind::VPN_CLASSIC) {
        return Err(Refusal::bad_request("Classic attachments are deleted by support"));
    }
    let (id, now) = (row.id, call.now);
    let (org, _) = call.split();
    if let Some(row) = org.attachments.get_mut(&id).filter(|row| row.status != status::DEACTIVATING) {
        (row.status, row.since) = (status::DEACTIVATING, now);
    }
    Ok(Reply::done())
}

#[allow(clippy::unnecessary_wraps, reason = "the type of handlers")]
fn types(_: &mut Call<'_>) -> Answer {
    Ok(Reply::json(reference_data::rows("cloud_connect_type").to_vec()))
}

fn regions(call: &mut Call<'_>) -> Answer {
    let id = call.id("breakout_type_id")?;
    reference_data::row("cloud_connect_type", id).ok_or_else(|| Refusal::not_found("Breakout type"))?;
    let row = |region: &&str| json!({"attachment_region": region, "device_breakout_region": region});
    Ok(Reply::json(REGIONS.iter().map(row).collect::<Vec<_>>()))
}

#[allow(clippy::unnecessary_wraps, reason = "the type of handlers")]
fn prices(_: &mut Call<'_>) -> Answer {
    let price = |id: u64| json!({"id": id, "breakout_type_id": id, "amount": PRICE, "currency": {"id": 1}});
    Ok(Reply::json([kind::TGW, kind::VPN, kind::VPN_BGP].map(price).to_vec()))
}
