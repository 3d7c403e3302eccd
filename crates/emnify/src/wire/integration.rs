//! What profiles and devices refer to: resolvers, callbacks, secrets, address spaces. None of them can be changed.

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::{Serialize, Serializer};

use super::collection::{Collection, Entry};
use super::record::record;

record!(
    /// A pair of resolvers; its key is the pair.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct DnsConfig {
        /// Its id.
        pub id: i64,
        /// First resolver.
        pub primary: String,
        /// Second resolver.
        pub secondary: String,
        /// 4 or 6.
        pub ip_address_version: Option<i64>,
    }
);

/// A new pair. Devices that are connected see it when they connect anew. [S]
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DnsConfigCreate {
    /// First resolver.
    pub primary: String,
    /// Second resolver; required. [S]
    pub secondary: String,
    /// 4; emnify ignores resolvers of version 6. [P]
    pub ip_address_version: i64,
}

/// Pairs of resolvers: no update and no read of one [S]. A create answers with an empty body [S]; several may be the same pair.
/// A delete is refused while a service profile uses the pair. [S]
pub const DNS: Collection<DnsConfig> = Collection::at("/api/v1/dns", "/api/v1/dns/{dns_id}").listed_only();

impl Entry for DnsConfig {
    type Id = i64;

    fn id(&self) -> i64 {
        self.id
    }
}

record!(
    /// Where the API calls to.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct ApiCallback {
        /// Its id.
        pub id: i64,
        /// The address.
        pub url: String,
        /// Free text.
        pub purpose: Option<String>,
        /// When it was created.
        pub created: Option<Timestamp>,
    }
);

/// A new callback. It belongs to the organisation of the login.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ApiCallbackCreate {
    /// The address: http or https.
    pub url: String,
    /// Free text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub purpose: Option<String>,
}

/// Callbacks: no update. A create answers with an empty body and `Location`; a delete with 200. [D][S]
pub const API_CALLBACKS: Collection<ApiCallback> =
    Collection::at("/api/v1/api_callback", "/api/v1/api_callback/{api_callback_id}");

impl Entry for ApiCallback {
    type Id = i64;

    fn id(&self) -> i64 {
        self.id
    }
}

record!(
    /// What signs calls; its value is never shown.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct ApiSecret {
        /// Its id.
        pub id: i64,
        /// Free text.
        pub purpose: Option<String>,
    }
);

/// A new secret.
#[derive(Debug, Clone, Serialize)]
pub struct ApiSecretCreate {
    /// Free text.
    pub purpose: String,
    /// The key that signs. Its field is named only where the listing says that it is not shown. [S]
    #[serde(serialize_with = "exposed")]
    pub secret: SecretString,
}

fn exposed<S: Serializer>(secret: &SecretString, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(secret.expose_secret())
}

/// Secrets that sign calls: no update, and the value is never shown. A create answers with an empty body and `Location`; a
/// delete with 200. [D][S]
pub const API_SECRETS: Collection<ApiSecret> =
    Collection::at("/api/v1/api_secret", "/api/v1/api_secret/{api_secret_id}").sensitive();

impl Entry for ApiSecret {
    type Id = i64;

    fn id(&self) -> i64 {
        self.id
    }
}

record!(
    /// Addresses for devices; its key is the CIDR.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct IpAddressSpace {
        /// Its id.
        pub id: i64,
        /// In CIDR form.
        pub ip_address_space: String,
        /// 4 or 6.
        pub ip_address_version: Option<i64>,
        /// Addresses in use.
        pub used_count: Option<i64>,
        /// Addresses left.
        pub available_count: Option<i64>,
    }
);

/// A new address space.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct IpAddressSpaceCreate {
    /// In CIDR form: within 10.192.0.0/12, 100.64.0.0/10 without 100.64.0.0/24, 10.112.0.0/12 or 10.176.0.0/12, else 422; a
    /// conflict with one that overlaps. [S]
    pub ip_address_space: String,
    /// 4 or 6.
    pub ip_address_version: i64,
}

/// Address spaces, with how much of them is left: no update and no read of one. A create answers with the space; a delete is
/// a conflict while a device has an address of it. [S]
pub const ADDRESS_SPACES: Collection<IpAddressSpace> =
    Collection::at("/api/v1/ip_address_space", "/api/v1/ip_address_space/{address_space_id}").listed_only();

impl Entry for IpAddressSpace {
    type Id = i64;

    fn id(&self) -> i64 {
        self.id
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{from_value, json, to_value};

    use super::*;

    #[test]
    fn a_pair_of_resolvers_is_read_and_written_as_documented() {
        let shown =
            json!({"id": 5, "primary": "9.9.9.9", "secondary": "149.112.112.112", "ip_address_version": "4"});
        let pair: DnsConfig = from_value(shown).unwrap();
        assert_eq!((pair.id(), pair.primary.as_str(), pair.ip_address_version), (5, "9.9.9.9", Some(4)));
        let new = DnsConfigCreate { primary: pair.primary, secondary: pair.secondary, ip_address_version: 4 };
        let body = json!({"primary": "9.9.9.9", "secondary": "149.112.112.112", "ip_address_version": 4});
        assert_eq!(to_value(new).unwrap(), body, "emnify requires all three");
    }

    #[test]
    fn a_callback_is_read_and_written_as_documented() {
        let shown = json!({"organisation_id": "42", "url": "https://a.example", "created": "2026-03-01 10:00:00",
                           "purpose": "sms", "id": "7"});
        let callback: ApiCallback = from_value(shown).unwrap();
        assert_eq!((callback.id(), callback.purpose.as_deref()), (7, Some("sms")));
        assert_eq!(callback.created, "2026-03-01T10:00:00Z".parse().ok());
        let new = ApiCallbackCreate { url: callback.url, purpose: None };
        assert_eq!(to_value(new).unwrap(), json!({"url": "https://a.example"}), "nor an organisation");
    }

    #[test]
    fn a_secret_is_written_and_never_shown() {
        let shown: ApiSecret =
            from_value(json!({"organisation_id": "42", "purpose": "sms", "id": 7})).unwrap();
        assert_eq!((shown.id(), shown.purpose.as_deref()), (7, Some("sms")));
        let new = ApiSecretCreate { purpose: "sms".into(), secret: "hush".to_owned().into() };
        assert!(!format!("{new:?}").contains("hush"));
        assert_eq!(to_value(new).unwrap(), json!({"purpose": "sms", "secret": "hush"}));
    }

    #[test]
    fn an_address_space_is_read_and_written_as_documented() {
        let shown = json!({"id": 31, "ip_address_space": "10.192.4.0/24", "ip_address_version": 4, "used_count": "3",
                           "available_count": 251});
        let space: IpAddressSpace = from_value(shown).unwrap();
        assert_eq!((space.id(), space.used_count, space.available_count), (31, Some(3), Some(251)));
        let new = IpAddressSpaceCreate { ip_address_space: space.ip_address_space, ip_address_version: 4 };
        assert_eq!(
            to_value(new).unwrap(),
            json!({"ip_address_space": "10.192.4.0/24", "ip_address_version": 4})
        );
    }
}
