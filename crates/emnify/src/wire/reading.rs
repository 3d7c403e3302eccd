//! What is read for people and shown as it is: nothing is decoded, so that what emnify adds is shown too.

use serde_json::Value;

use super::listing::Listing;
use crate::api::Api;
use crate::call::{Call, Reply, date};
use crate::error::Error;
use crate::limits::Class;
use crate::page::{Cursor, Page};

/// A family or a table of emnify that is read as it is: `RAT_TYPES.rows(&api, &Ask::default())`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    route: &'static str,
    class: Option<Class>,
    /// It comes in pages, and takes an order and filters.
    paged: bool,
}

/// Which rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ask {
    /// Values of the `{...}` of the route, in order.
    pub args: Vec<String>,
    /// Order, filters and size of pages, of what comes in pages.
    pub listing: Listing,
    /// Other parameters of the query.
    pub query: Vec<(&'static str, String)>,
    /// Which page.
    pub at: Cursor,
}

impl Ask {
    /// Rows of one thing.
    pub fn of(id: impl Into<String>) -> Self {
        Self { args: vec![id.into()], ..Self::default() }
    }
}

/// Rows of a page where none is asked for.
const USUAL: usize = 100;

impl Reading {
    /// What lies at a route, whole.
    pub(crate) const fn at(route: &'static str) -> Self {
        Self { route, class: None, paged: false }
    }

    const fn paged(self) -> Self {
        Self { paged: true, ..self }
    }

    const fn limited(self, class: Class) -> Self {
        Self { class: Some(class), ..self }
    }

    /// How many values its route takes.
    pub fn takes(&self) -> usize {
        self.route.matches('{').count()
    }

    /// A page of rows: those of an array or an envelope, else the one object that there is. A row is JSON, so none is unreadable.
    pub async fn rows(&self, api: &Api, ask: &Ask) -> Result<Page<Value>, Error> {
        let mut call = ask.args.iter().fold(Call::get(self.route), Call::arg).limited(self.class);
        if self.paged {
            call = ask.listing.apply(call, ask.at);
        }
        call.query.extend(ask.query.iter().cloned());
        let full = self.paged.then(|| ask.listing.full(USUAL, usize::MAX));
        shown(&api.call(call).await?, ask.at, full)
    }
}

fn shown(reply: &Reply, at: Cursor, full: Option<usize>) -> Result<Page<Value>, Error> {
    if reply.body.iter().all(u8::is_ascii_whitespace) {
        return reply.page(at, None);
    }
    match reply.json::<Value>()? {
        Value::Array(_) => reply.page(at, full),
        Value::Object(fields) if fields.get("data").is_some_and(Value::is_array) => {
            reply.envelope(at, u32::MAX)
        }
        one => Ok(Page {
            items: vec![one],
            page: at.page,
            pages: 1,
            total: None,
            server_time: date(&reply.headers),
            unreadable: vec![],
            nameless: 0,
            cut: false,
        }),
    }
}

/// Statuses of devices. [S]
pub const ENDPOINT_STATUSES: Reading = Reading::at("/api/v1/endpoint/status");
/// Statuses of SIMs. [S]
pub const SIM_STATUSES: Reading = Reading::at("/api/v1/sim/status");
/// Statuses of users. [S]
pub const USER_STATUSES: Reading = Reading::at("/api/v1/user/status");
/// Statuses of second factors. [S]
pub const MFA_STATUSES: Reading = Reading::at("/api/v1/user/mfa/status");
/// Kinds of second factors. [S]
pub const MFA_TYPES: Reading = Reading::at("/api/v1/user/mfa/type");
/// Roles of users. [S]
pub const USER_ROLES: Reading = Reading::at("/api/v1/user/role");
/// Devices that need no second factor, of a user. [S]
pub const TRUSTED_DEVICES: Reading = Reading::at("/api/v1/user/{user_id}/mfa/trusted_device");
/// Statuses of organisations. [S]
pub const ORGANISATION_STATUSES: Reading = Reading::at("/api/v1/organisation/status");
/// Statuses of operations of SIMs. [S]
pub const SIM_OPERATION_STATUSES: Reading = Reading::at("/api/v1/sim/operation/status");
/// What operations of SIMs do. [S]
pub const SIM_OPERATION_ACTIONS: Reading = Reading::at("/api/v1/sim/operation/action");
/// Operations of SIMs, the newest first. [S]
pub const SIM_OPERATIONS: Reading = Reading::at("/api/v1/sim/operation");
/// Products of eSIMs that can be linked, and how many there are. [S]
pub const ESIM_PRODUCTS: Reading = Reading::at("/api/v1/sim/unlinked_product_stats");
/// eUICCs. [S]
pub const EUICC_LIST: Reading = Reading::at("/api/v1/euicc").paged().limited(Class::Listing);
/// One eUICC. [S]
pub const EUICC_DETAIL: Reading = Reading::at("/api/v1/euicc/{euicc_id}");
/// Statuses of eUICCs. [S]
pub const EUICC_STATUSES: Reading = Reading::at("/api/v1/euicc/status");
/// Statuses of profiles of eUICCs. [S]
pub const EUICC_PROFILE_STATUSES: Reading = Reading::at("/api/v1/euicc/profile/status");
/// What operations of eUICCs do. [S]
pub const EUICC_OPERATION_ACTIONS: Reading = Reading::at("/api/v1/euicc/operation/action");
/// Statuses of operations of eUICCs. [S]
pub const EUICC_OPERATION_STATUSES: Reading = Reading::at("/api/v1/euicc/operation/status");
/// Operations of an eUICC. [S]
pub const EUICC_OPERATIONS: Reading = Reading::at("/api/v1/euicc/{euicc_id}/operation");
/// Types of events. [S]
pub const EVENT_TYPES: Reading = Reading::at("/api/v1/event/type");
/// Regions where traffic leaves emnify's network. [S]
pub const BREAKOUT_REGIONS: Reading = Reading::at("/api/v1/breakout_region");
/// Countries. [S]
pub const COUNTRIES: Reading = Reading::at("/api/v1/country");
/// Currencies. [S]
pub const CURRENCIES: Reading = Reading::at("/api/v1/currency");
/// Units that data is billed in. [S]
pub const DATA_BLOCKSIZES: Reading = Reading::at("/api/v1/data_blocksize");
/// Speeds that data can be slowed down to. [S]
pub const DATA_THROTTLES: Reading = Reading::at("/api/v1/data_throttle");
/// How SMS are handed to applications. [S]
pub const ESME_INTERFACE_TYPES: Reading = Reading::at("/api/v1/esme_interface_type");
/// Radio access types. [S]
pub const RAT_TYPES: Reading = Reading::at("/api/v1/rat_type");
/// Levels of support. [S]
pub const SERVICE_LEVELS: Reading = Reading::at("/api/v1/service_level");
/// Network operators. [S]
pub const OPERATORS: Reading = Reading::at("/api/v1/operator");
/// Services of a profile. [S]
pub const SERVICES: Reading = Reading::at("/api/v1/service");
/// Limits that a service may have. [S]
pub const SERVICE_LIMITS: Reading = Reading::at("/api/v1/service/{service_id}/traffic_limit");
/// Limits of traffic. [S]
pub const TRAFFIC_LIMITS: Reading = Reading::at("/api/v1/traffic_limit");
/// Ranges that an address space may take. [S]
pub const AVAILABLE_ADDRESS_SPACES: Reading = Reading::at("/api/v1/ip_address_space/available");
/// Colours of tags. [S]
pub const TAG_COLOURS: Reading = Reading::at("/api/v2/tag-colors");
/// Kinds of fields that data streams filter by. [S]
pub const DATA_STREAM_FILTERS: Reading = Reading::at("/api/v2/data_stream/filter_field_type");
/// Statuses of data streams. [S]
pub const DATA_STREAM_STATUSES: Reading = Reading::at("/api/v2/data_stream/status");
/// Kinds of data streams. [S]
pub const DATA_STREAM_TYPES: Reading = Reading::at("/api/v2/data_stream/type");
/// Kinds of attachments of networks. [S]
pub const CLOUD_CONNECT_TYPES: Reading = Reading::at("/api/v1/cnc/breakout_type");
/// Regions of a kind of attachment. [S]
pub const CLOUD_CONNECT_REGIONS: Reading =
    Reading::at("/api/v1/cnc/breakout_type/{breakout_type_id}/available_region");
/// What attachments cost. [S]
pub const CLOUD_CONNECT_PRICES: Reading = Reading::at("/api/v1/cnc/pricing");
/// What automations can do. [S]
pub const AUTOMATION_ACTIONS: Reading = Reading::at("/api/v1/automation/action");
/// What one thing that automations can do takes. [S]
pub const AUTOMATION_ACTION: Reading = Reading::at("/api/v1/automation/action/{id}");
/// What an automation did. [S]
pub const AUTOMATION_LOG: Reading = Reading::at("/api/v1/automation/log");
/// Events that automations wait for. [S]
pub const SYSTEM_EVENTS: Reading = Reading::at("/api/v1/event/system/configuration");
/// One of them with its fields. [S]
pub const SYSTEM_EVENT: Reading = Reading::at("/api/v1/event/system/configuration/{system_event_id}");
/// What events of one's own are made of. [S]
pub const CUSTOM_EVENT_TEMPLATES: Reading = Reading::at("/api/v1/event/custom/template");
/// Inclusive volumes that are active. [S]
pub const INCLUSIVE_VOLUMES: Reading =
    Reading::at("/api/v1/organisation/{org_id_or_my}/inclusive_volume/active");
/// The tariff plan that is active. [S]
pub const TARIFF_PLAN: Reading = Reading::at("/api/v1/organisation/{org_id_or_my}/tariff_plan/active");
/// Tariff plans of an organisation. [S]
pub const TARIFF_PLANS: Reading = Reading::at("/api/v1/organisation/{org_id}/tariff_plan");

/// The event log. [S]
pub const EVENTS: Reading = Reading::at("/api/v1/event").paged().limited(Class::Listing);
/// Events of a device. [S]
pub const ENDPOINT_EVENTS: Reading =
    Reading::at("/api/v1/endpoint/{endpoint_id}/event").paged().limited(Class::Listing);
/// Events of a SIM. [S]
pub const SIM_EVENTS: Reading = Reading::at("/api/v1/sim/{sim_id}/event").paged().limited(Class::Listing);
/// Events of a user. [S]
pub const USER_EVENTS: Reading = Reading::at("/api/v1/user/{user_id}/event").paged().limited(Class::Listing);

/// What the organisation has used this month and last. [S]
pub const ORGANISATION_STATS: Reading =
    Reading::at("/api/v1/organisation/{org_id_or_my}/stats").limited(Class::Listing);
/// The same by day. [S]
pub const ORGANISATION_STATS_DAILY: Reading =
    Reading::at("/api/v1/organisation/{org_id_or_my}/stats/daily").limited(Class::Listing);
/// The same by hour. [S]
pub const ORGANISATION_STATS_HOURLY: Reading =
    Reading::at("/api/v1/organisation/{org_id_or_my}/stats/hourly").limited(Class::Listing);
/// What every workspace of a user has used, by day. [S]
pub const WORKSPACE_STATS_DAILY: Reading =
    Reading::at("/api/v2/workspace/stats/daily").limited(Class::Listing);
/// What a device has used this month and last. [S]
pub const ENDPOINT_STATS: Reading = Reading::at("/api/v1/endpoint/{endpoint_id}/stats").limited(Class::Light);
/// The same by day. [S]
pub const ENDPOINT_STATS_DAILY: Reading =
    Reading::at("/api/v1/endpoint/{endpoint_id}/stats/daily").limited(Class::Light);
/// What a SIM has used this month and last. [S]
pub const SIM_STATS: Reading = Reading::at("/api/v1/sim/{sim_id}/stats").limited(Class::Listing);
/// The same by day. [S]
pub const SIM_STATS_DAILY: Reading = Reading::at("/api/v1/sim/{sim_id}/stats/daily").limited(Class::Listing);

/// One device. [S]
pub const ENDPOINT: Reading = Reading::at("/api/v1/endpoint/{endpoint_id}").limited(Class::Detail);
/// How a device is connected. [S]
pub const CONNECTIVITY: Reading =
    Reading::at("/api/v1/endpoint/{endpoint_id}/connectivity").limited(Class::Detail);
/// Where in the network a device is: the visited network is asked. [S]
pub const LOCATION: Reading =
    Reading::at("/api/v1/endpoint/{endpoint_id}/connectivity_info").limited(Class::Listing);
/// Data that a device may still use. [S]
pub const DATA_QUOTA: Reading = Reading::at("/api/v1/endpoint/{endpoint_id}/quota/data");
/// SMS that a device may still send. [S]
pub const SMS_QUOTA: Reading = Reading::at("/api/v1/endpoint/{endpoint_id}/quota/sms");
/// Extensions of a device's limits. [S]
pub const LIMIT_EXTENSIONS: Reading = Reading::at("/api/v1/endpoint/{endpoint_id}/traffic_limit_extension");
/// Networks that a device may not use. [S]
pub const BLOCKED_OPERATORS: Reading = Reading::at("/api/v1/endpoint/{endpoint_id}/operator_blacklist");
/// Messages of a device. [S]
pub const MESSAGES: Reading = Reading::at("/api/v1/endpoint/{endpoint_id}/sms");
/// One message. [S]
pub const MESSAGE: Reading = Reading::at("/api/v1/endpoint/{endpoint_id}/sms/{sms_id}");
/// Countries and networks of a tariff profile. [S]
pub const COVERAGE: Reading =
    Reading::at("/api/v1/tariff_profile/{tariff_profile_id}/coverage").limited(Class::Light);
/// The organisation of the login. [S]
pub const ORGANISATION: Reading = Reading::at("/api/v1/organisation/my");
/// What a user may do; `my` is the login. Untyped. [S]
pub const PERMISSIONS: Reading = Reading::at("/api/v1/user/{user_id}/role/permission");
/// SIMs. [S]
pub const SIM_LIST: Reading = Reading::at("/api/v1/sim").paged().limited(Class::Listing);
