//! Which part of an organisation a route belongs to, and what has to be copied before it is asked for.

use http::Method;

/// What is copied together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Group {
    /// Devices, SIMs, profiles and what these refer to: each row names others.
    Fleet,
    /// Automations and the events they wait for.
    Automations,
    /// Data streams.
    Streams,
    /// Attachments of networks.
    Attachments,
    /// People.
    People,
    /// Application tokens.
    Tokens,
}

/// A family of objects, with its listing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs, reason = "each is named after what it holds")]
pub(super) enum Family {
    IpAddressSpaces,
    Dns,
    Tags,
    ApiCallbacks,
    ApiSecrets,
    ServiceProfiles,
    TariffProfiles,
    Sims,
    Endpoints,
    CustomEvents,
    Automations,
    DataStreams,
    Attachments,
    Users,
    ApplicationTokens,
}

/// Where a route leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Into a family that is copied.
    Of(Family),
    /// To what is the same for everybody, or never changes during a rehearsal: the live answer is handed on.
    Passed,
    /// To what only the copy has: its log of events, its logins.
    Own,
    /// To a batch of SIMs, which is in no listing and known by its code.
    Batch,
}

/// A piece of one object that no listing shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "each is named after what it holds")]
pub(super) enum Piece {
    DataQuota,
    SmsQuota,
    Blocklist,
    ServiceProfile,
    TariffProfile,
    User,
    Attachment,
}

/// Families by the beginning of their routes; the first that fits counts.
const ROUTES: &[(&str, Place)] = &[
    ("/api/v1/authenticate", Place::Own),
    ("/api/v1/endpoint/status", Place::Passed),
    ("/api/v1/sim/status", Place::Passed),
    ("/api/v1/sim/migration", Place::Passed),
    ("/api/v1/sim/operation/status", Place::Passed),
    ("/api/v1/sim/operation/action", Place::Passed),
    ("/api/v1/sim/unlinked_product_stats", Place::Passed),
    ("/api/v1/user/status", Place::Passed),
    ("/api/v1/user/role", Place::Passed),
    ("/api/v1/user/mfa/status", Place::Passed),
    ("/api/v1/user/mfa/type", Place::Passed),
    ("/api/v1/user/{user_id}/role/permission", Place::Passed),
    ("/api/v1/automation/action", Place::Passed),
    ("/api/v1/automation/recipient", Place::Passed),
    ("/api/v1/event/custom/template", Place::Passed),
    ("/api/v1/event/system/configuration", Place::Passed),
    ("/api/v1/event/type", Place::Passed),
    ("/api/v1/ip_address_space/available", Place::Own),
    ("/api/v2/data_stream/filter_field_type", Place::Passed),
    ("/api/v2/data_stream/status", Place::Passed),
    ("/api/v2/data_stream/type", Place::Passed),
    ("/api/v1/endpoint", Place::Of(Family::Endpoints)),
    ("/api/v2/endpoint", Place::Of(Family::Endpoints)),
    ("/api/v2/bulk-operations/endpoint", Place::Of(Family::Endpoints)),
    ("/api/v2/bulk-operations", Place::Of(Family::Tags)),
    ("/api/v1/sim", Place::Of(Family::Sims)),
    ("/api/v1/sim_batch", Place::Batch),
    ("/api/v1/service_profile", Place::Of(Family::ServiceProfiles)),
    ("/api/v1/tariff_profile", Place::Of(Family::TariffProfiles)),
    ("/api/v2/tariff_profile", Place::Of(Family::TariffProfiles)),
    ("/api/v1/dns", Place::Of(Family::Dns)),
    ("/api/v1/ip_address_space", Place::Of(Family::IpAddressSpaces)),
    ("/api/v1/api_callback", Place::Of(Family::ApiCallbacks)),
    ("/api/v1/api_secret", Place::Of(Family::ApiSecrets)),
    ("/api/v2/tags", Place::Of(Family::Tags)),
    ("/api/v1/event/custom/configuration", Place::Of(Family::CustomEvents)),
    ("/api/v1/automation", Place::Of(Family::Automations)),
    ("/api/v2/data_stream", Place::Of(Family::DataStreams)),
    ("/api/v1/cnc/breakout", Place::Of(Family::Attachments)),
    ("/api/v1/user", Place::Of(Family::Users)),
    ("/api/v2/user", Place::Of(Family::Users)),
    ("/api/v1/application_token", Place::Of(Family::ApplicationTokens)),
    ("/api/v1/event", Place::Own),
];

/// Where a route leads. What nobody knows is handed on.
pub(super) fn place_of(route: &str) -> Place {
    let fits =
        |start: &str| route.strip_prefix(start).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    ROUTES.iter().find(|(start, _)| fits(start)).map_or(Place::Passed, |(_, place)| *place)
}

/// Whether only the live organisation knows what is asked of an object that was there before: where a device is, what was said to it, and
/// whom a person trusts.
pub(super) fn is_reported(method: &Method, route: &str) -> bool {
    const READ: [&str; 4] = [
        "/api/v1/endpoint/{endpoint_id}/connectivity",
        "/api/v1/endpoint/{endpoint_id}/event",
        "/api/v1/endpoint/{endpoint_id}/sms",
        "/api/v1/user/{user_id}/mfa/trusted_device",
    ];
    const TAKEN_BACK: [&str; 2] = [
        "/api/v1/endpoint/{endpoint_id}/sms/{sms_id}",
        "/api/v1/user/{user_id}/mfa/trusted_device/{device_id}",
    ];
    (*method == Method::GET && READ.contains(&route))
        || (*method == Method::DELETE && TAKEN_BACK.contains(&route))
}

/// The piece that has to be there before a route of one object is asked for.
pub(super) fn pieces_of(route: &str) -> &'static [Piece] {
    match route {
        "/api/v1/endpoint/{endpoint_id}/quota/data" => &[Piece::DataQuota],
        "/api/v1/endpoint/{endpoint_id}/quota/sms" => &[Piece::SmsQuota],
        _ if route.starts_with("/api/v1/endpoint/{endpoint_id}/operator_blacklist") => &[Piece::Blocklist],
        _ if route.starts_with("/api/v1/service_profile/{profile_id}") => &[Piece::ServiceProfile],
        _ if route.contains("/tariff_profile/{") => &[Piece::TariffProfile],
        _ if route.contains("/user/{user_id}") => &[Piece::User],
        _ if route.starts_with("/api/v1/cnc/breakout/{") => &[Piece::Attachment],
        _ => &[],
    }
}

impl Family {
    /// What is copied with it.
    pub(super) fn group(self) -> Group {
        match self {
            Self::IpAddressSpaces
            | Self::Dns
            | Self::Tags
            | Self::ApiCallbacks
            | Self::ApiSecrets
            | Self::ServiceProfiles
            | Self::TariffProfiles
            | Self::Sims
            | Self::Endpoints => Group::Fleet,
            Self::CustomEvents | Self::Automations => Group::Automations,
            Self::DataStreams => Group::Streams,
            Self::Attachments => Group::Attachments,
            Self::Users => Group::People,
            Self::ApplicationTokens => Group::Tokens,
        }
    }

    /// The route of its listing, and how many rows its pages have; none where all come at once.
    pub(super) fn listing(self) -> (&'static str, Option<(&'static str, usize)>) {
        match self {
            Self::IpAddressSpaces => ("/api/v1/ip_address_space", None),
            Self::Dns => ("/api/v1/dns", None),
            Self::Tags => ("/api/v2/tags", Some(("page_size", 1_000))),
            Self::ApiCallbacks => ("/api/v1/api_callback", None),
            Self::ApiSecrets => ("/api/v1/api_secret", None),
            Self::ServiceProfiles => ("/api/v1/service_profile", None),
            Self::TariffProfiles => ("/api/v1/tariff_profile", None),
            Self::Sims => ("/api/v1/sim", Some(("per_page", 2_500))),
            Self::Endpoints => ("/api/v1/endpoint", Some(("per_page", 1_000))),
            Self::CustomEvents => ("/api/v1/event/custom/configuration", None),
            Self::Automations => ("/api/v1/automation", None),
            Self::DataStreams => ("/api/v2/data_stream", None),
            Self::Attachments => ("/api/v1/cnc/breakout", None),
            Self::Users => ("/api/v1/user", Some(("per_page", 1_000))),
            Self::ApplicationTokens => ("/api/v1/application_token", None),
        }
    }

    /// What people call it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::IpAddressSpaces => "IP address spaces",
            Self::Dns => "DNS configurations",
            Self::Tags => "tags",
            Self::ApiCallbacks => "API callbacks",
            Self::ApiSecrets => "API secrets",
            Self::ServiceProfiles => "service profiles",
            Self::TariffProfiles => "tariff profiles",
            Self::Sims => "SIMs",
            Self::Endpoints => "endpoints",
            Self::CustomEvents => "custom events",
            Self::Automations => "automations",
            Self::DataStreams => "data streams",
            Self::Attachments => "Cloud Connect attachments",
            Self::Users => "users",
            Self::ApplicationTokens => "application tokens",
        }
    }
}

impl Group {
    /// Its families, those first that others refer to.
    pub(super) fn families(self) -> &'static [Family] {
        match self {
            Self::Fleet => &[
                Family::IpAddressSpaces,
                Family::Dns,
                Family::Tags,
                Family::ApiCallbacks,
                Family::ApiSecrets,
                Family::ServiceProfiles,
                Family::TariffProfiles,
                Family::Sims,
                Family::Endpoints,
            ],
            Self::Automations => &[Family::CustomEvents, Family::Automations],
            Self::Streams => &[Family::DataStreams],
            Self::Attachments => &[Family::Attachments],
            Self::People => &[Family::Users],
            Self::Tokens => &[Family::ApplicationTokens],
        }
    }
}
