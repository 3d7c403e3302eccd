//! Cloud Connect: attachments of customers' networks. Made in minutes to days, billed by the month, never changed. [S][P]

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};
use serde_json::Value;

use super::collection::{Collection, Entry};
use super::common::Named;
use super::lenient;
use super::record::record;
use crate::api::Api;
use crate::call::{Call, Created};
use crate::error::{Error, found};

/// States. [S]
pub mod status {
    /// The customer has to act.
    pub const PENDING_CUSTOMER: i64 = 1;
    /// AWS waits for the customer to accept the share.
    pub const PENDING_AWS: i64 = 2;
    /// emnify sets it up.
    pub const PENDING_EGN: i64 = 3;
    /// emnify sets up the routes.
    pub const PENDING_CRG: i64 = 4;
    /// In use.
    pub const ACTIVE: i64 = 5;
    /// On its way out.
    pub const DEACTIVATING: i64 = 6;
    /// Gone.
    pub const DEACTIVATED: i64 = 7;
    /// emnify takes back what failed.
    pub const ROLLING_BACK: i64 = 8;
}

/// Types. [S]
pub mod kind {
    /// An AWS transit gateway.
    pub const TGW: i64 = 1;
    /// An `IPsec` tunnel.
    pub const VPN: i64 = 2;
    /// One with BGP.
    pub const VPN_BGP: i64 = 3;
    /// The same, twice. [P]
    pub const VPN_BGP_HA: i64 = 4;
    /// Of an earlier kind, which only support deletes.
    pub const TGW_CLASSIC: i64 = 7;
    /// The same.
    pub const VPN_CLASSIC: i64 = 8;
}

record!(
    /// An attachment, as the listing shows it: without networks and tunnels. [S]
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Attachment {
        /// Its id.
        pub id: i64,
        /// Its name.
        pub name: Option<String>,
        /// Free text.
        pub description: Option<String>,
        /// When it was ordered.
        #[key("creation_date")]
        pub created: Option<Timestamp>,
        /// Until when the customer may accept the share.
        #[key("accept_attachment_expiry_date")]
        pub accept_before: Option<Timestamp>,
        /// AWS's id of a transit gateway's attachment.
        #[key("aws_transit_gateway_attachment_id")]
        pub transit_gateway: Option<String>,
        /// AWS's id of a tunnel.
        #[key("aws_vpn_connection_id")]
        pub vpn_connection: Option<String>,
        /// One of [`status`].
        pub status: Option<Named>,
        /// One of [`kind`].
        #[key("type")]
        pub kind: Option<Named>,
        /// Of AWS.
        pub region: Option<String>,
    }
);

record!(
    /// One end that emnify offers. Whether the key is shown is unsaid by the schema, and said by its text. [S]
    #[derive(Clone)]
    pub struct Tunnel {
        /// Where it can be reached.
        pub outside_address: Option<String>,
        /// The network within.
        pub inside_cidr: Option<String>,
        /// Of emnify's side.
        pub asn: Option<i64>,
        /// Of the customer's side.
        pub public_ip: Option<String>,
        /// The pre-shared key.
        pub psk: Option<SecretString>,
        /// `UP` or `DOWN`.
        #[key("metrics")]
        #[read(tunnel_state)]
        pub state: Option<String>,
    }
);

impl std::fmt::Debug for Tunnel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tunnel").field("outside_address", &self.outside_address).finish_non_exhaustive()
    }
}

#[allow(clippy::unnecessary_wraps, clippy::needless_pass_by_value, reason = "the signature of readers")]
fn tunnel_state(value: Value) -> Result<Option<String>, lenient::Unlike> {
    Ok(value.get("tunnel_state").and_then(Value::as_str).map(str::to_owned))
}

record!(
    /// The whole of one: the listing's entry and its tunnels.
    #[derive(Debug, Clone)]
    pub struct AttachmentDetail {
        /// Its id.
        pub id: i64,
        /// None before it is active; one object or several. [S]
        #[key("tunnel_information")]
        #[read(lenient::one_or_many)]
        pub tunnels: Vec<Tunnel>,
    }
);

record!(
    /// What an attachment costs in a month.
    #[derive(Debug, Clone, PartialEq)]
    pub struct Price {
        /// One of [`kind`].
        pub breakout_type_id: i64,
        /// In the currency.
        pub amount: f64,
        /// Id of the currency.
        #[read(lenient::reference)]
        pub currency: Option<i64>,
    }
);

record!(
    /// A region that can be attached.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Region {
        /// AWS's name.
        pub attachment_region: String,
    }
);

record!(
    /// A currency.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Currency {
        /// Its id.
        pub id: i64,
        /// Such as `EUR`.
        pub code: String,
    }
);

/// A new attachment of a transit gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TransitGatewayCreate {
    /// Always 1; a text here. [S]
    #[serde(rename = "type", serialize_with = "one")]
    pub kind: (),
    /// Its name.
    pub name: String,
    /// Free text.
    pub description: String,
    /// Networks behind it.
    pub vpc_cidr: Vec<String>,
    /// Of AWS.
    pub region: String,
    /// Twelve digits.
    pub aws_account_id: String,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
fn one<S: Serializer>((): &(), to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str("1")
}

/// A new tunnel.
#[derive(Debug, Clone)]
pub struct VpnCreate {
    /// With BGP: an object with a text here. [S]
    pub bgp: bool,
    /// Its name.
    pub name: String,
    /// Free text.
    pub description: String,
    /// Of AWS; emnify chooses one if there is none.
    pub region: Option<String>,
    /// The customer's end.
    pub public_ip: String,
    /// Networks behind it, three at most.
    pub on_prem_cidr: Vec<String>,
    /// 8 to 64 letters, digits, dots and underscores, not beginning with 0; emnify makes one if there is none. [S]
    pub psk: Option<SecretString>,
    /// Of the customer's side; BGP needs it.
    pub asn: Option<i64>,
    /// Networks of the tunnels, `/30`, three at most.
    pub inside_cidr: Vec<String>,
}

impl Serialize for VpnCreate {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut body = to.serialize_map(None)?;
        body.serialize_entry("type", &serde_json::json!({"id": if self.bgp { "3" } else { "2" }}))?;
        for (key, value) in
            [("name", &self.name), ("description", &self.description), ("public_ip", &self.public_ip)]
        {
            body.serialize_entry(key, value)?;
        }
        if let Some(region) = &self.region {
            body.serialize_entry("region", region)?;
        }
        body.serialize_entry("on_prem_cidr", &self.on_prem_cidr)?;
        // required, and "if empty generated" [S]
        body.serialize_entry("psk", self.psk.as_ref().map_or("", |psk| psk.expose_secret()))?;
        if let Some(asn) = self.asn {
            body.serialize_entry("asn", &asn)?;
        }
        if !self.inside_cidr.is_empty() {
            body.serialize_entry("inside_cidr", &self.inside_cidr)?;
        }
        body.end()
    }
}

/// Attachments that are not deactivated. A delete answers 200 and takes a minute; 400 for what is gone or of a classic type. [S]
pub const ATTACHMENTS: Collection<Attachment> =
    Collection::at("/api/v1/cnc/breakout", "/api/v1/cnc/breakout/{cloudconnect_attachment_id}")
        .shown_in_a_list();

impl Entry for Attachment {
    type Id = i64;

    fn id(&self) -> i64 {
        self.id
    }
}

impl Api {
    /// The tunnels of an attachment; `None` if there is no such attachment. Shown as a list of one. [S]
    pub async fn cloud_connect_detail(&self, id: i64) -> Result<Option<AttachmentDetail>, Error> {
        let call = Call::get("/api/v1/cnc/breakout/{cloudconnect_attachment_id}").arg(id).sensitive();
        let Some(reply) = found(self.call(call).await)? else { return Ok(None) };
        reply.only().map(Some)
    }

    /// Has the share of a transit gateway offered again that its customer did not accept in time [S].
    pub async fn offer_again(&self, id: i64) -> Result<(), Error> {
        let call = Call::patch("/api/v1/cnc/breakout/{cloudconnect_attachment_id}").arg(id).repeatable(false);
        self.call(call).await.map(drop)
    }

    /// Orders an attachment of a transit gateway. It is billed from now on.
    pub async fn create_transit_gateway(&self, new: &TransitGatewayCreate) -> Result<Created, Error> {
        self.call(Call::post("/api/v1/cnc/breakout/tgw").body(new)).await?.created()
    }

    /// Orders a tunnel. It is billed from now on.
    pub async fn create_vpn(&self, new: &VpnCreate) -> Result<Created, Error> {
        self.call(Call::post("/api/v1/cnc/breakout/vpn").body(new).sensitive()).await?.created()
    }

    /// What attachments cost in a month, by type.
    pub async fn cloud_connect_prices(&self) -> Result<Vec<Price>, Error> {
        self.call(Call::get("/api/v1/cnc/pricing")).await?.lookup()
    }

    /// Regions that a type of attachment can be made in.
    pub async fn cloud_connect_regions(&self, kind: i64) -> Result<Vec<Region>, Error> {
        let call = Call::get("/api/v1/cnc/breakout_type/{breakout_type_id}/available_region").arg(kind);
        self.call(call).await?.lookup()
    }

    /// Currencies.
    pub async fn currencies(&self) -> Result<Vec<Currency>, Error> {
        self.call(Call::get("/api/v1/currency")).await?.lookup()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{from_value, json, to_value};

    use super::*;

    #[test]
    fn an_attachment_and_its_tunnels_are_read_as_documented() {
        let row = json!({"id": 4, "name": "dc", "status": {"id": 2.0, "description": "Pending"}, "type": {"id": 1},
                         "region": "eu-west-1", "accept_attachment_expiry_date": "2026-05-08T12:00:00.000Z"});
        let row: Attachment = from_value(row).unwrap();
        assert_eq!((row.id(), row.status.as_ref().map(|s| s.id)), (4, Some(2)));
        assert_eq!(row.accept_before, "2026-05-08T12:00:00Z".parse().ok());
        for tunnels in
            [json!({"outside_address": "1.2.3.4"}), json!([{"outside_address": "1.2.3.4", "psk": "hush"}])]
        {
            let detail: AttachmentDetail =
                from_value(json!({"id": 4, "tunnel_information": tunnels})).unwrap();
            assert_eq!(detail.tunnels[0].outside_address.as_deref(), Some("1.2.3.4"), "one, or several");
            assert!(!format!("{detail:?}").contains("hush"));
        }
        let none: AttachmentDetail = from_value(json!({"id": 4})).unwrap();
        assert!(none.tunnels.is_empty(), "an absent key or tunnel is no error");
    }

    #[test]
    fn the_type_is_a_text_for_one_and_an_object_for_the_other() {
        let text = |text: &str| text.to_owned();
        let tgw = TransitGatewayCreate {
            kind: (),
            name: text("hq"),
            description: text("d"),
            vpc_cidr: vec![text("10.0.0.0/16")],
            region: text("eu-west-1"),
            aws_account_id: text("123456789012"),
        };
        assert_eq!(to_value(tgw).unwrap()["type"], "1");
        let vpn = VpnCreate {
            bgp: false,
            name: text("dc"),
            description: text("d"),
            region: Some(text("eu-west-1")),
            public_ip: text("203.0.113.10"),
            on_prem_cidr: vec![text("192.0.2.0/24")],
            psk: None,
            asn: None,
            inside_cidr: Vec::new(),
        };
        let body = to_value(&vpn).unwrap();
        assert_eq!((&body["type"], &body["psk"]), (&json!({"id": "2"}), &json!("")), "emnify makes the key");
        assert_eq!(body["region"], "eu-west-1");
        let own =
            VpnCreate { region: None, bgp: true, psk: Some(text("hush").into()), asn: Some(65_000), ..vpn };
        assert!(!format!("{own:?}").contains("hush"));
        let body = to_value(own).unwrap();
        assert_eq!(
            (&body["type"], &body["psk"], &body["asn"]),
            (&json!({"id": "3"}), &json!("hush"), &json!(65_000))
        );
        assert_eq!(body.get("region"), None, "where emnify chooses");
    }
}
