//! Keys in the order in which the API was recorded to write them. [R] What was never recorded comes in alphabetical order.

use serde_json::Value;

use crate::Dialect;

/// The keys of a document and of what lies in it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Order {
    top: &'static [&'static str],
    within: &'static [&'static str],
}

/// Alphabetical.
pub(super) const NONE: Order = Order { top: &[], within: &[] };

const CODES: &[&str] = &["status_code", "error_code", "error_token", "message", "errors"];

/// Errors.
pub(super) const ERROR: Order = Order { top: CODES, within: CODES };

/// Devices of the Java service.
const ENDPOINT_2022: Order = Order {
    top: &[
        "id",
        "name",
        "tags",
        "created",
        "last_updated",
        "status",
        "service_profile",
        "tariff_profile",
        "sim",
        "imei",
        "ip_address",
        "ip_address_space",
        "imei_lock",
    ],
    within: &[
        "id",
        "iccid",
        "imsi",
        "msisdn",
        "status",
        "name",
        "description",
        "ip_address_space",
        "ip_address_version",
    ],
};

/// Devices of the Express service.
const ENDPOINT_2024: Order = Order {
    top: &[
        "id",
        "created",
        "last_updated",
        "name",
        "tags",
        "ip_address",
        "imei",
        "imei_lock",
        "status",
        "tariff_profile",
        "service_profile",
        "sim",
        "ip_address_space",
    ],
    within: &[
        "id",
        "iccid",
        "iccid_with_luhn",
        "sim_profile_type_id",
        "status",
        "imsi",
        "msisdn",
        "eid",
        "name",
        "description",
        "satellite_capable",
        "ip_address_space",
        "ip_address_version",
    ],
};

const SIM: Order = Order {
    top: &[
        "id",
        "iccid",
        "production_date",
        "activation_date",
        "status",
        "customer_org",
        "issuer_org",
        "reseller_org",
        "endpoint",
        "imsi",
        "msisdn",
        "model",
    ],
    within: &[
        "id",
        "iccid",
        "name",
        "imei",
        "created",
        "last_updated",
        "organisation_id",
        "service_profile_id",
        "tariff_profile_id",
        "tags",
        "ip_address",
        "ip_address_space_id",
        "country",
        "description",
        "memory_size",
        "formfactor",
        "manufacturer",
    ],
};

const EVENT: Order = Order {
    top: &[
        "timestamp",
        "alert",
        "description",
        "id",
        "event_type",
        "event_source",
        "event_severity",
        "organisation",
        "user",
        "endpoint",
        "sim",
        "imsi",
        "detail",
    ],
    within: &["iccid", "id", "username", "name", "description", "production_date", "import_date", "imsi"],
};

const SMS: Order = Order {
    top: &[
        "dlr_status_id",
        "organisation_id",
        "submit_date",
        "delivery_date",
        "expiry_date",
        "final_date",
        "retry_date",
        "last_delivery_attempt",
        "retry_count",
        "gsm_map_error",
        "dcs",
        "pid",
        "source_address",
        "endpoint_id",
        "sim_id",
        "iccid",
        "called_party_prefix",
        "msisdn",
        "imsi",
        "msc",
        "udh",
        "payload",
        "registered_delivery",
        "smpp_bind_id",
        "p2p_ext",
        "smpp_dlr_bind_id",
        "id",
        "status",
        "sms_type",
        "source_address_type",
        "esme_interface_type",
    ],
    within: &["description", "id"],
};

const OPERATOR: Order = Order {
    top: &["id", "name", "country", "tapcode", "mnc"],
    within: &["id", "name", "country_code", "mcc", "iso_code", "tapcode", "mnc"],
};

const CONNECTIVITY: Order = Order { top: &["status", "services", "location", "pdp_context"], within: &[] };

/// The order of an operation's answers.
pub(super) fn of(operation: &str, dialect: Dialect) -> Order {
    match operation {
        "get-endpoints" | "endpoint-by-id-get" | "create-endpoint" | "bulk-create-endpoint" => {
            if dialect == Dialect::D2022 { ENDPOINT_2022 } else { ENDPOINT_2024 }
        }
        "sim-per-page-sort-by-q-and-page-get" | "sim-by-id-get" | "register-sim-batch-by-bic" => SIM,
        "get-events"
        | "endpoint-events-by-id"
        | "sim-event-page-per-page-sort-by-sim-id-and-q-get"
        | "user-event-page-per-page-sort-by-user-id-and-q-get" => EVENT,
        "endpoint-sms-by-id-get" | "endpoint-sms-by-endpoint-id-and-sms-id-get" => SMS,
        "endpoint-operator-blacklist-by-endpoint-id-get" => OPERATOR,
        "endpoint-connectivity-by-id-get" => CONNECTIVITY,
        _ => NONE,
    }
}

/// A document, or a list of documents, with its keys in that order and the others after them.
pub(super) fn encode(value: &Value, order: Order) -> String {
    let mut out = String::new();
    write(value, order.top, order, &mut out);
    out
}

fn write(value: &Value, keys: &[&str], order: Order, out: &mut String) {
    match value {
        Value::Object(map) => {
            let place = |key: &str| keys.iter().position(|known| *known == key).unwrap_or(keys.len());
            let mut fields: Vec<_> = map.iter().map(|(key, value)| (place(key), key, value)).collect();
            fields.sort_by_key(|(place, ..)| *place);
            out.push('{');
            for (nth, (_, key, value)) in fields.into_iter().enumerate() {
                if nth > 0 {
                    out.push(',');
                }
                out.push_str(&Value::from(key.as_str()).to_string());
                out.push(':');
                write(value, order.within, order, out);
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for (nth, item) in items.iter().enumerate() {
                if nth > 0 {
                    out.push(',');
                }
                write(item, keys, order, out);
            }
            out.push(']');
        }
        plain => out.push_str(&plain.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn recorded_keys_come_first_in_their_order_at_every_depth() {
        let order = Order { top: &["b", "a"], within: &["y", "x"] };
        let value = json!({"zone": 1, "b": [{"x": null, "y": "x\"y"}], "a": {"c": 1, "x": 2}});
        let text = r#"{"b":[{"y":"x\"y","x":null}],"a":{"x":2,"c":1},"zone":1}"#;
        assert_eq!(encode(&value, order), text);
        assert_eq!(encode(&json!([value]), order), format!("[{text}]"), "a list is of documents");
        assert_eq!(serde_json::from_str::<Value>(text).expect("still JSON"), value);
        assert_eq!(encode(&value, NONE), value.to_string());
    }

    #[test]
    fn every_ordered_operation_is_a_published_one() {
        for operation in crate::operations::all() {
            let known = of(&operation.operation, Dialect::D2024);
            assert!(known.top.is_empty() || crate::resources::route_of(operation).is_some());
        }
        let ordered =
            crate::operations::all().iter().filter(|o| !of(&o.operation, Dialect::D2024).top.is_empty());
        assert_eq!(ordered.count(), 15, "a name that is misspelt orders nothing");
    }
}
