//! Where a device is on the network.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::common::Named;
use super::lenient;
use super::record::record;
use crate::api::Api;
use crate::call::Call;
use crate::error::{Error, found};
use crate::limits::Class;

/// How a device is connected [R].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Connectivity {
    /// `ATTACHED`, `ONLINE`, `OFFLINE` or `BLOCKED`; other words may come.
    pub status: String,
    /// The last known place.
    pub location: Option<Location>,
    /// The data session.
    pub session: Option<Session>,
}

record!(
    /// Where a device was last seen.
    #[derive(Debug, Clone, PartialEq, Eq, Default)]
    pub struct Location {
        /// The network.
        pub operator: Option<Named>,
        /// The country.
        pub country: Option<Country>,
        /// When voice or SMS was last registered.
        pub last_updated: Option<Timestamp>,
        /// When data was last registered.
        pub last_updated_gprs: Option<Timestamp>,
    }
);

record!(
    /// A country.
    #[derive(Debug, Clone, PartialEq, Eq, Default)]
    pub struct Country {
        /// Its name.
        pub name: Option<String>,
        /// Its mobile country code.
        pub mcc: Option<String>,
        /// Two letters.
        pub iso_code: Option<String>,
    }
);

record!(
    /// A data session (PDP context).
    #[derive(Debug, Clone, PartialEq, Eq, Default)]
    pub struct Session {
        /// When it began.
        pub created: Option<Timestamp>,
        /// Id of the network.
        pub operator_id: Option<i64>,
        /// Mobile country code.
        pub mcc: Option<String>,
        /// Mobile network code.
        pub mnc: Option<String>,
        /// Location area.
        pub lac: Option<String>,
        /// Cell.
        pub ci: Option<String>,
        /// Service area.
        pub sac: Option<String>,
        /// Routing area.
        pub rac: Option<String>,
        /// The device's address.
        pub ue_ip_address: Option<String>,
        /// The device's IMEI and software version.
        pub imeisv: Option<String>,
        /// Radio technology.
        pub rat_type: Option<SessionRat>,
    }
);

record!(
    /// The radio technology of a session.
    #[derive(Debug, Clone, PartialEq, Eq, Default)]
    pub struct SessionRat {
        /// Its id.
        #[key("rat_type_id", "id")]
        pub rat_type_id: Option<i64>,
        /// Its name.
        pub description: Option<String>,
    }
);

record!(
    struct Wire {
        #[read(lenient::as_is)]
        status: Status,
        location: Option<Location>,
        pdp_context: Option<Session>,
    }
);

#[derive(Deserialize)]
struct Status {
    description: String,
}

impl From<Wire> for Connectivity {
    fn from(wire: Wire) -> Self {
        Self { status: wire.status.description, location: wire.location, session: wire.pdp_context }
    }
}

impl Api {
    /// How a device is connected; `None` if there is no such endpoint.
    pub async fn connectivity(&self, endpoint: i64) -> Result<Option<Connectivity>, Error> {
        let call =
            Call::get("/api/v1/endpoint/{endpoint_id}/connectivity").limited(Class::Detail).arg(endpoint);
        let Some(reply) = found(self.call(call).await)? else { return Ok(None) };
        reply.json::<Wire>().map(|wire| Some(wire.into()))
    }
}

impl Api {
    /// Ends the data session of a device, its registration in the network, or both; the device begins them anew [D]. It ends
    /// Factory Test of its SIM [P].
    pub async fn reset_connectivity(&self, endpoint: i64, data: bool, network: bool) -> Result<(), Error> {
        let reset = [("pdp_context", data), ("location", network)];
        let body: serde_json::Map<_, _> = reset
            .iter()
            .filter(|(_, reset)| *reset)
            .map(|(key, _)| ((*key).to_owned(), Value::Null))
            .collect();
        let call = Call::patch("/api/v1/endpoint/{endpoint_id}/connectivity").limited(Class::Detail);
        self.call(call.arg(endpoint).body(&body)).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(value: Value) -> Connectivity {
        serde_json::from_value::<Wire>(value).unwrap().into()
    }

    #[test]
    fn an_offline_device_has_no_place() {
        let offline = read(json!({"status": {"description": "OFFLINE"}, "services": []}));
        assert_eq!(offline, Connectivity { status: "OFFLINE".into(), location: None, session: None });
        let php = read(
            json!({"status": {"description": "OFFLINE"}, "services": [], "location": [], "pdp_context": []}),
        );
        assert_eq!(php, offline, "PHP spells an empty object as an empty list");
    }

    #[test]
    fn an_online_device_tells_where_it_is() {
        let online = read(json!({
            "status": {"description": "ONLINE"}, "services": ["GPRS"],
            "location": {"iccid": "8988303000000000001", "last_updated": "2022-03-27T23:20:49.000+0000",
                "operator": {"id": 4, "name": "O2", "country": {"id": 74, "name": "Germany"}},
                "country": {"country_id": "74", "name": "Germany", "country_code": "49", "mcc": "262", "iso_code": "de"}},
            "pdp_context": {"pdp_context_id": "1", "created": "2022-03-27 23:20:49", "mcc": "262", "mnc": "03",
                "lac": 16, "ci": "4711", "operator_id": "4", "rat_type": {"rat_type_id": "6", "description": "4G"}}
        }));
        let session = online.session.unwrap();
        assert_eq!(session.ci.as_deref(), Some("4711"));
        assert_eq!(session.rat_type.unwrap().rat_type_id, Some(6));
        let location = online.location.unwrap();
        assert_eq!(location.operator.unwrap().name.as_deref(), Some("O2"));
        assert_eq!(location.country.unwrap().mcc.as_deref(), Some("262"));
    }
}
