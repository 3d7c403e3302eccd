//! Event types of the dossier's section 4.1.

/// A type of event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the API's own words")]
pub struct EventType {
    pub id: u64,
    pub name: &'static str,
    /// 0 info, 1 warn, 2 critical.
    pub severity: u64,
    /// 0 network, 1 policy control, 2 API.
    pub source: u64,
    pub alert: bool,
}

impl EventType {
    const fn new(id: u64, name: &'static str, severity: u64, source: u64, alert: bool) -> Self {
        Self { id, name, severity, source, alert }
    }

    /// The type of that id.
    pub fn get(id: u64) -> Option<&'static Self> {
        EVENT_TYPES.iter().find(|kind| kind.id == id)
    }

    /// The API's word for a source. [R]
    pub fn source_name(source: u64) -> &'static str {
        match source {
            0 => "Network",
            1 => "Policy Control",
            _ => "API",
        }
    }

    /// The API's word for a severity. [R]
    pub fn severity_name(severity: u64) -> &'static str {
        match severity {
            0 => "Info",
            1 => "Warn",
            _ => "Critical",
        }
    }
}

/// All types with an explanation in public text. [P][R][D]
pub const EVENT_TYPES: &[EventType] = &[
    EventType::new(0, "Generic", 1, 1, true),
    EventType::new(1, "Update location", 0, 0, false),
    EventType::new(2, "Update GPRS location", 0, 0, false),
    EventType::new(3, "Create PDP Context", 0, 0, false),
    EventType::new(5, "Delete PDP Context", 0, 0, false),
    EventType::new(6, "User authentication failed", 1, 2, false),
    EventType::new(7, "Application authentication failed", 1, 2, false),
    EventType::new(8, "SIM activation", 0, 2, false),
    EventType::new(9, "SIM suspension", 0, 2, false),
    EventType::new(10, "SIM deletion", 0, 2, false),
    EventType::new(11, "Endpoint blocked", 1, 1, true),
    EventType::new(12, "Organisation blocked", 1, 1, true),
    EventType::new(13, "Support Access", 1, 2, false),
    EventType::new(14, "Multi-factor Authentication", 0, 2, false),
    EventType::new(15, "Purge location", 0, 0, false),
    EventType::new(16, "Purge GPRS location", 0, 0, false),
    EventType::new(17, "Self-Signup", 0, 2, false),
    EventType::new(18, "Quota threshold reached", 1, 1, true),
    EventType::new(19, "Quota used up", 1, 1, true),
    EventType::new(20, "SMS quota threshold reached", 1, 1, true),
    EventType::new(21, "SMS quota used up", 1, 1, true),
    EventType::new(22, "CloudConnect TGW share created", 0, 2, false),
    EventType::new(23, "CloudConnect TGW available", 0, 2, false),
    EventType::new(25, "CloudConnect TGW terminated", 0, 2, false),
    EventType::new(30, "OpenVPN authentication", 0, 2, false),
    EventType::new(31, "Organisation updated", 0, 2, false),
    EventType::new(32, "Billing configuration updated", 1, 2, false),
    EventType::new(36, "User invited", 0, 2, false),
    EventType::new(37, "Password reset requested", 0, 2, false),
    EventType::new(40, "User verification requested", 0, 2, false),
    EventType::new(41, "User verified", 0, 2, false),
    EventType::new(42, "Endpoint enabled", 0, 2, false),
    EventType::new(43, "Endpoint disabled", 0, 2, false),
    EventType::new(45, "SIM factory test", 0, 2, false),
    EventType::new(46, "User deleted", 1, 2, false),
    EventType::new(48, "SIM registration", 0, 2, false),
    EventType::new(50, "SIM Released", 0, 2, false),
    EventType::new(51, "SIM Assigned", 0, 2, false),
    EventType::new(52, "Data quota enabled", 1, 2, false),
    EventType::new(53, "Data quota disabled", 1, 2, false),
    EventType::new(54, "SMS quota enabled", 1, 2, false),
    EventType::new(55, "SMS quota disabled", 1, 2, false),
    EventType::new(56, "Data quota assigned", 0, 2, false),
    EventType::new(57, "Data quota deleted", 0, 2, false),
    EventType::new(58, "SMS quota assigned", 0, 2, false),
    EventType::new(59, "SMS quota deleted", 0, 2, false),
    EventType::new(60, "Data quota expired", 1, 1, true),
    EventType::new(67, "User switched workspaces", 0, 2, false),
    EventType::new(68, "Reset connectivity", 0, 2, false),
    EventType::new(69, "SIM migration", 0, 2, false),
    // Named in public text without their ids: these ids are ours. [?]
    EventType::new(9001, "Endpoint data traffic limit warning", 1, 1, true),
    EventType::new(9002, "SMS MO P2P limit reached", 1, 1, false),
    EventType::new(9003, "Endpoint limit extension", 0, 2, false),
];
