//! What stands alone: address spaces, resolvers, tags, callbacks, people, tokens, attachments, streams, automations.

use emnify_simulator::{
    reference_data::{Family as Uuids, number as number_of},
    state::{
        ApiCallback, ApiSecret, ApplicationToken, Attachment, Automation, ConfiguredAction, CustomEvent,
        DataStream, Dns, IpAddressSpace, Lockout, Membership, MfaKey, Property, Table, Tag, Trigger, User,
    },
};
use jiff::Timestamp;
use serde_json::Value;

use super::read::{Lacks, id, list, needed, number, text, time, words};

pub(super) fn space(row: &Value) -> Result<IpAddressSpace, Lacks> {
    let ip_address_version = number(&row["ip_address_version"]).unwrap_or(4);
    let ip_address_space = words(row, "ip_address_space");
    Ok(IpAddressSpace { id: needed(row, "id")?, ip_address_space, ip_address_version })
}

pub(super) fn dns(row: &Value) -> Result<Dns, Lacks> {
    let (primary, secondary) = (words(row, "primary"), words(row, "secondary"));
    let ip_address_version = number(&row["ip_address_version"]).unwrap_or(4);
    Ok(Dns { id: needed(row, "id")?, primary, secondary, ip_address_version })
}

pub(super) fn tag(row: &Value) -> Result<Tag, Lacks> {
    let color = id(&row["tag_color"]).unwrap_or(1);
    Ok(Tag { id: needed(row, "id")?, name: words(row, "name"), color })
}

pub(super) fn callback(row: &Value) -> Result<ApiCallback, Lacks> {
    let created = time(&row["created"]).unwrap_or_default();
    Ok(ApiCallback {
        id: needed(row, "id")?,
        url: words(row, "url"),
        purpose: words(row, "purpose"),
        created,
    })
}

/// emnify never shows the secret itself.
pub(super) fn secret(row: &Value) -> Result<ApiSecret, Lacks> {
    Ok(ApiSecret { id: needed(row, "id")?, secret: String::new(), purpose: words(row, "purpose") })
}

pub(super) fn token(row: &Value) -> Result<ApplicationToken, Lacks> {
    let id = needed(row, "id")?;
    Ok(ApplicationToken {
        id,
        // nobody logs in with it here, and no answer shows it
        token: format!("not shown {id}"),
        description: text(&row["description"]),
        revoked: super::read::id(&row["status"]).unwrap_or_default() != 0,
        created: time(&row["created"]).unwrap_or_default(),
        expiry_date: time(&row["expiry_date"]),
        ip: text(&row["ip"]),
        creator: super::read::id(&row["creator"]),
        roles: vec![1],
    })
}

/// A person as the listing shows them.
pub(super) fn user(row: &Value, organisation: u64) -> Result<User, Lacks> {
    let status = id(&row["status"]).unwrap_or(1);
    Ok(User {
        id: needed(row, "id")?,
        username: words(row, "username"),
        name: words(row, "name"),
        password_sha1: String::new(),
        status,
        created: time(&row["created"]).unwrap_or_default(),
        workspaces: vec![Membership { organisation, roles: Vec::new(), status, default: true }],
        mfa_keys: Table::default(),
        trusted_devices: Table::default(),
        lockout: Lockout::default(),
    })
}

/// Roles and second factors, which only a person's own page shows.
pub(super) fn roles(detail: &Value) -> (Vec<u64>, Table<MfaKey>) {
    let mut keys = Table::default();
    for row in list(&detail["mfa"]) {
        let Some(id) = number(&row["id"]) else { continue };
        let status = super::read::id(&row["status"]).unwrap_or(1);
        keys.put(MfaKey { id, status, secret_key: String::new(), creation_date: Timestamp::UNIX_EPOCH });
    }
    (list(&detail["roles"]).iter().filter_map(id).collect(), keys)
}

pub(super) fn attachment(row: &Value, now: Timestamp) -> Result<Attachment, Lacks> {
    let mut kept = serde_json::json!({
        "id": needed(row, "id")?, "name": words(row, "name"), "description": row["description"],
        "type": needed(row, "type")?, "status": needed(row, "status")?, "region": words(row, "region"), "since": now,
    });
    for (field, at) in [
        ("created", &row["creation_date"]),
        ("accept_by", &row["accept_attachment_expiry_date"]),
        ("terminated", &row["termination_date"]),
    ] {
        if let Some(at) = time(at) {
            kept[field] = at.to_string().into();
        }
    }
    if let Some(user) = number(&row["user_id"]) {
        kept["user"] = user.into();
    }
    serde_json::from_value(kept).map_err(|error| error.to_string())
}

/// What only its own page shows of an attachment. The key of its tunnels is left where it is.
pub(super) fn tunnels(detail: &Value, row: &mut Attachment) {
    let Some(tunnel) = list(&detail["tunnel_information"]).first() else { return };
    row.public_ip = text(&tunnel["public_ip"]);
    row.asn = number(&tunnel["asn"]);
    row.inside_cidr =
        list(&detail["tunnel_information"]).iter().filter_map(|one| text(&one["inside_cidr"])).collect();
}

/// A data stream; `at` is the number that it has in the copy.
pub(super) fn stream(row: &Value, at: u64) -> Result<DataStream, Lacks> {
    let destination = &row["destination"];
    let kept = serde_json::json!({
        "id": at, "name": words(row, "name"), "kind": needed(row, "data_stream_type")?,
        "connection_type": words(destination, "connection_type"),
        "credentials": destination["credentials"].as_object().cloned().unwrap_or_default(),
        "filters": list(&row["filters"]), "status": needed(row, "status")?,
    });
    serde_json::from_value(kept).map_err(|error| error.to_string())
}

/// Properties of an event or an action.
fn properties(rows: &Value) -> Vec<Property> {
    let one = |row: &Value| Property {
        property: words(row, "property"),
        value: words(row, "value"),
        value_array: list(&row["value_array"]).iter().filter_map(text).collect(),
    };
    list(rows).iter().map(one).collect()
}

fn uuid(value: &Value, family: Uuids, what: &str) -> Result<u64, Lacks> {
    let shown = value["id"].as_str().and_then(|text| number_of(family, text));
    shown.ok_or_else(|| format!("the copy does not know its {what}"))
}

pub(super) fn custom_event(row: &Value) -> Result<CustomEvent, Lacks> {
    Ok(CustomEvent {
        id: uuid(row, Uuids::CustomEvent, "id")?,
        name: words(row, "name"),
        template: uuid(&row["template"], Uuids::Template, "template")?,
        configuration_properties: properties(&row["configuration_properties"]),
    })
}

pub(super) fn automation(row: &Value) -> Result<Automation, Lacks> {
    let event = &row["actionable_event"];
    let actionable_event = if event["custom_event"].is_object() {
        Trigger::CustomEvent(uuid(&event["custom_event"], Uuids::CustomEvent, "custom event")?)
    } else {
        Trigger::SystemEvent(uuid(&event["system_event"], Uuids::SystemEvent, "system event")?)
    };
    let action = |row: &Value| -> Result<ConfiguredAction, Lacks> {
        let action = uuid(&row["action"], Uuids::Action, "action")?;
        Ok(ConfiguredAction { action, properties: properties(&row["properties"]) })
    };
    Ok(Automation {
        id: uuid(row, Uuids::Automation, "id")?,
        name: words(row, "name"),
        description: words(row, "description"),
        status: words(row, "status"),
        actionable_event,
        configured_actions: list(&row["configured_actions"]).iter().map(action).collect::<Result<_, _>>()?,
        targeting_properties: properties(&row["targeting_properties"]),
        number_of_executions: number(&row["number_of_executions"]).unwrap_or_default(),
        last_execution: time(&row["last_execution"]),
        created_at: time(&row["created_at"]).unwrap_or_default(),
        modified_at: time(&row["modified_at"]).unwrap_or_default(),
    })
}
