//! Endpoints: devices.

use jiff::Timestamp;
use serde::Serialize;

use super::collection::{Collection, Entry, Paging};
use super::common::{Named, Nullable, Ref, Reference};
use super::lenient;
use super::listing::Listing;
use super::record::record;
use super::tag::TagAssignment;
use crate::api::Api;
use crate::call::{Call, Created};
use crate::error::Error;
use crate::limits::Class;
use crate::page::{Cursor, Page};

/// The page of endpoints, usual and largest [R][D].
const LARGEST_PAGE: usize = 1_000;

/// States of an endpoint [D].
pub mod status {
    /// May use the network, if its SIM may.
    pub const ENABLED: i64 = 0;
    /// May not.
    pub const DISABLED: i64 = 1;
    /// Gone.
    pub const DELETED: i64 = 2;
}

record!(
    /// An endpoint as a listing, a detail or a create shows it.
    #[derive(Debug, Clone, PartialEq)]
    pub struct Endpoint {
        /// Its id.
        pub id: i64,
        /// Its name; not unique.
        pub name: Option<String>,
        /// Legacy comma list; `None` when never set, empty when cleared [R].
        pub tags: Option<String>,
        /// Tags of v2; only listings show them.
        pub tag_assignments: Option<Vec<TagAssignment>>,
        /// One of [`status`].
        #[read(lenient::reference)]
        pub status: Option<i64>,
        /// Service policy.
        pub service_profile: Option<Named>,
        /// Coverage policy.
        pub tariff_profile: Option<Named>,
        /// Its SIM; listings leave the key out where there is none [R].
        pub sim: Option<EndpointSim>,
        /// 16 characters (IMEISV), set or seen by the network; may end in a filler `f` [3P].
        pub imei: Option<String>,
        /// 15 digits.
        pub imei_with_luhn: Option<String>,
        /// Only this IMEI may use the SIM.
        pub imei_lock: Option<bool>,
        /// Its address.
        pub ip_address: Option<String>,
        /// Id of the address space.
        #[read(lenient::reference)]
        pub ip_address_space: Option<i64>,
        /// When it was created.
        pub created: Option<Timestamp>,
        /// When it last changed; up to 1 s after the answer's `Date` [R].
        pub last_updated: Option<Timestamp>,
    }
);

record!(
    /// The SIM in an endpoint.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct EndpointSim {
        /// Its id.
        pub id: i64,
        /// 19 digits.
        pub iccid: Option<String>,
        /// 20 digits.
        pub iccid_with_luhn: Option<String>,
        /// 32 digits, on eUICCs.
        pub eid: Option<String>,
        /// IMSI.
        pub imsi: Option<String>,
        /// Phone number.
        pub msisdn: Option<String>,
        /// One of [`super::sim::status`].
        #[read(lenient::reference)]
        pub status: Option<i64>,
    }
);

impl EndpointSim {
    /// Its ICCID of 19 digits, also where only the printed one of 20 is shown.
    pub fn number(&self) -> Option<&str> {
        super::sim::number(self.iccid.as_deref(), self.iccid_with_luhn.as_deref())
    }
}

/// A new endpoint.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EndpointCreate {
    /// Its state.
    pub status: Ref,
    /// Service policy.
    pub service_profile: Ref,
    /// Coverage policy.
    pub tariff_profile: Ref,
    /// The address space; required with an address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip_address_space: Option<Ref>,
    /// What differs between endpoints made together.
    #[serde(flatten)]
    pub own: EndpointOwn,
}

/// The part of a new endpoint that is its own when many are made together.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct EndpointOwn {
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Legacy comma list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags: Option<String>,
    /// Its SIM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sim: Option<SimAssignment>,
    /// IMEI or IMEISV.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub imei: Option<String>,
    /// Only this IMEI may use the SIM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub imei_lock: Option<bool>,
    /// A fixed address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip_address: Option<String>,
}

/// The SIM of a new endpoint. `activate` is always sent: its default differs by version of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct SimAssignment {
    /// Id of a free SIM of the organisation.
    pub id: i64,
    /// To Factory Test where the organisation has it, else to Activated.
    pub activate: bool,
    /// Overrides `activate` [S].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<Ref>,
}

/// Changes to an endpoint; what is `None` stays.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct EndpointPatch {
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Legacy comma list; empty clears.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags: Option<String>,
    /// Its state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<Ref>,
    /// Service policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_profile: Option<Ref>,
    /// Coverage policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tariff_profile: Option<Ref>,
    /// Its SIM, or none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sim: Option<SimChange>,
    /// IMEI or IMEISV, or none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub imei: Option<Nullable<String>>,
    /// Only this IMEI may use the SIM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub imei_lock: Option<bool>,
    /// A fixed address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip_address: Option<String>,
    /// Its address space; required with an address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip_address_space: Option<Ref>,
}

/// The SIM in a patch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SimChange {
    /// Takes the SIM away.
    Release,
    /// Puts this SIM in, in this state if one is given.
    Assign {
        /// Id of a free SIM.
        id: i64,
        /// One of [`super::sim::status`].
        status: Option<i64>,
    },
}

impl Serialize for SimChange {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Sim {
            #[serde(flatten)]
            link: Reference,
            #[serde(skip_serializing_if = "Option::is_none")]
            status: Option<Ref>,
        }
        let (link, status) = match *self {
            SimChange::Release => (Reference::Cleared, None),
            SimChange::Assign { id, status } => (Reference::To(id), status.map(Ref::from)),
        };
        Sim { link, status }.serialize(to)
    }
}

/// What a create made.
#[derive(Debug, Clone, PartialEq)]
pub struct CreatedEndpoint {
    /// Its id.
    pub id: i64,
    /// The endpoint itself, where the answer holds it: recorded empty in 2022 [R], an object in the spec of 2026 [S].
    pub shown: Option<Endpoint>,
}

/// Endpoints: pages of 1,000, which is also the most [R]. A create answers with the endpoint or with nothing: see
/// [`Api::create_endpoint`].
pub const ENDPOINTS: Collection<Endpoint> =
    Collection::at("/api/v1/endpoint", "/api/v1/endpoint/{endpoint_id}")
        .paged(Paging::Pages { usual: LARGEST_PAGE, most: LARGEST_PAGE })
        .limited(Class::Listing, Class::Detail);

impl Entry for Endpoint {
    type Id = i64;

    fn id(&self) -> i64 {
        self.id
    }
}

impl Api {
    /// One page of endpoints: 1,000 unless told otherwise, which is also the most [R].
    pub async fn list_endpoints(&self, at: Cursor, listing: &Listing) -> Result<Page<Endpoint>, Error> {
        ENDPOINTS.list_where(self, at, listing).await
    }

    /// One endpoint.
    pub async fn endpoint(&self, id: i64) -> Result<Option<Endpoint>, Error> {
        ENDPOINTS.get(self, id).await
    }

    /// Creates an endpoint. The API wants endpoint writes one after another [S].
    pub async fn create_endpoint(&self, new: &EndpointCreate) -> Result<CreatedEndpoint, Error> {
        let reply = self.call(Call::post("/api/v1/endpoint").body(new)).await?;
        let Created { id } = reply.created()?;
        // the create took place, whatever can be read of it
        let shown = reply.json::<Endpoint>().ok().filter(|endpoint| endpoint.id == id);
        Ok(CreatedEndpoint { id, shown })
    }

    /// Changes an endpoint.
    pub async fn patch_endpoint(&self, id: i64, patch: &EndpointPatch) -> Result<(), Error> {
        ENDPOINTS.patch(self, id, patch).await
    }

    /// Deletes an endpoint; a conflict while it holds a SIM [R].
    pub async fn delete_endpoint(&self, id: i64) -> Result<(), Error> {
        ENDPOINTS.delete(self, id).await
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_is_set_is_sent() {
        let patch = EndpointPatch { name: Some("a".into()), ..EndpointPatch::default() };
        assert_eq!(serde_json::to_value(&patch).unwrap(), json!({"name": "a"}));
        let release = EndpointPatch { sim: Some(SimChange::Release), ..EndpointPatch::default() };
        assert_eq!(serde_json::to_value(&release).unwrap(), json!({"sim": {"id": null}}));
        let assign = SimChange::Assign { id: 4, status: Some(1) };
        assert_eq!(serde_json::to_value(assign).unwrap(), json!({"id": 4, "status": {"id": 1}}));
        let new = EndpointCreate {
            status: 0.into(),
            service_profile: 1.into(),
            tariff_profile: 2.into(),
            ip_address_space: None,
            own: EndpointOwn {
                sim: Some(SimAssignment { id: 3, activate: false, status: None }),
                ..EndpointOwn::default()
            },
        };
        let want = json!({
            "status": {"id": 0}, "service_profile": {"id": 1}, "tariff_profile": {"id": 2},
            "sim": {"id": 3, "activate": false}
        });
        assert_eq!(serde_json::to_value(&new).unwrap(), want, "the wish about activation is explicit");
    }

    #[test]
    fn an_endpoint_of_any_dialect_is_read() {
        let old = json!({
            "id": 1.0, "name": "d", "tags": null, "status": {"id": 1, "description": "Disabled"},
            "service_profile": {"id": "7", "name": "s"}, "tariff_profile": {"id": 8, "name": "t"},
            "imei": "123456789012345f", "imei_lock": "0", "ip_address": "10.192.0.1",
            "ip_address_space": {"id": 5, "ip_address_space": "10.192.0.0/28"},
            "created": "2022-03-27T23:20:49.000+0000", "surprise": [1]
        });
        let read: Endpoint = serde_json::from_value(old).unwrap();
        assert_eq!((read.id, read.status, read.ip_address_space), (1, Some(1), Some(5)));
        assert_eq!(read.service_profile.unwrap().id, 7);
        assert_eq!((read.imei_lock, read.sim, read.tag_assignments), (Some(false), None, None));
        assert_eq!(read.created, "2022-03-27T23:20:49Z".parse().ok());
        let bulk: Endpoint =
            serde_json::from_value(json!({"id": 2, "sim": {}, "status": {"description": "Enabled"}}))
                .unwrap();
        assert_eq!((bulk.sim, bulk.status), (None, None), "what is not shown is not known");
    }

    #[test]
    fn the_sim_of_either_year_has_its_19_digits() {
        let of_2022 = json!({"id": 250, "iccid": "8988303000000000129", "imsi": "295050999900095",
            "msisdn": "423663999900095", "status": {"id": 1, "description": "Activated"}});
        let of_2024 = json!({"id": 4_401_340, "iccid": "8988303000006738593", "iccid_with_luhn": "89883030000067385937",
            "sim_profile_type_id": 1, "status": {"id": 1, "description": "Activated"}, "imsi": "295050901900082",
            "msisdn": "423663921524357"});
        let printed_only = json!({"id": 4_401_340, "iccid_with_luhn": "89883030000067385937"});
        let as_printed = json!({"id": 4_401_340, "iccid": "89883030000067385937"});
        for (shown, number) in [
            (of_2022, "8988303000000000129"),
            (of_2024, "8988303000006738593"),
            (printed_only, "8988303000006738593"),
            (as_printed, "8988303000006738593"),
        ] {
            let sim: EndpointSim = serde_json::from_value(shown).unwrap();
            assert_eq!((sim.number(), sim.eid.as_deref()), (Some(number), None));
        }
    }
}
