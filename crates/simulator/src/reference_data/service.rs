//! Services a profile can grant, and the fixed SMS limits they can carry. Ids other than 38 (data) and 3 (voice) are
//! ours. [?]

use serde_json::{Value, json};

use super::lookups::{describe, row, rows};

/// A service: data, voice, SMS in either direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Service(u64);

impl Service {
    /// Data. [S]
    pub const DATA: Self = Self(38);
    /// SMS towards the device. [?]
    pub const SMS_MT: Self = Self(4);
    /// SMS from the device. [?]
    pub const SMS_MO: Self = Self(5);

    /// The service of that id.
    pub fn get(id: u64) -> Option<Self> {
        row("service", id).map(|_| Self(id))
    }

    /// Its id.
    pub fn id(self) -> u64 {
        self.0
    }

    /// As the lookup shows it. [S]
    pub fn json(self) -> &'static Value {
        row("service", self.0).expect("only services of the reference data exist")
    }

    /// As limits embed it: id and description.
    pub fn short(self) -> Value {
        json!({"id": self.0, "description": describe("service", self.0)})
    }
}

/// One of the fixed SMS limits: so many messages per period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SmsLimit {
    /// Its id.
    pub id: u64,
    /// The service it limits.
    pub service: Service,
    /// Messages per period.
    pub volume: u64,
}

impl SmsLimit {
    /// All limits, by id.
    pub fn all() -> impl Iterator<Item = Self> {
        rows("sms_limit").iter().map(Self::read)
    }

    fn read(row: &Value) -> Self {
        let number = |key: &str| row[key].as_u64().expect("limits of the reference data are complete");
        Self { id: number("id"), service: Service(number("service")), volume: number("volume") }
    }

    /// The limit of that id.
    pub fn get(id: u64) -> Option<Self> {
        row("sms_limit", id).map(Self::read)
    }

    /// As the limits of one service show it: monthly, UTC. [S][D]
    pub fn json(self) -> Value {
        json!({"id": self.id, "volume": self.volume, "period": row("traffic_limit_period", 2)})
    }

    /// As the list of all limits shows it.
    pub fn json_with_service(self) -> Value {
        let mut json = self.json();
        json["service"] = self.service.short();
        json
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sms_limits_belong_to_sms_services() {
        assert!(SmsLimit::all().all(|limit| [Service::SMS_MO, Service::SMS_MT].contains(&limit.service)));
        let limit = SmsLimit::get(501).expect("in the reference data");
        assert_eq!(limit.json_with_service()["service"], json!({"id": 5, "description": "SMS MO"}));
        assert_eq!(limit.json()["period"]["unit"], "months");
    }

    #[test]
    fn data_and_voice_have_their_published_ids() {
        assert_eq!(Service::DATA.json()["description"], "Data");
        assert_eq!(Service::get(3).expect("voice").json()["description"], "Voice");
        assert_eq!(Service::get(77), None);
    }
}
