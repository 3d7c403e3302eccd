//! What is mirrored, and what is wanted, in the same terms.

use std::{net::IpAddr, time};

use emnify::wire::application_token::{self as wire, status};
use emnify_engine::kind::{Inputs, Invalid, mark};
use jiff::Timestamp;
use kube::ResourceExt;

use super::spec::ApplicationToken;
use crate::api::{DataKey, Duration};

/// Key of the attempt that made a token.
pub const NONCE: &str = "nonce";

/// A token that is not revoked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its id.
    pub id: i64,
    /// Description without our mark.
    pub text: String,
    /// `installation/namespace/name` of the object that made it.
    pub owner: Option<String>,
    /// Which attempt of that object made it.
    pub nonce: Option<String>,
    /// When it was made, by emnify's clock.
    pub created: Option<Timestamp>,
    /// When it ends.
    pub expires: Option<Timestamp>,
    /// Addresses that may use it.
    pub cidr: Option<String>,
}

impl Row {
    /// The row of a listing's entry; a revoked token is as good as absent, since it never comes back.
    pub fn live(token: wire::ApplicationToken) -> Option<Self> {
        if token.status == Some(status::REVOKED) {
            return None;
        }
        let description = token.description.unwrap_or_default();
        let (text, found) = mark::split(&description);
        let (owner, nonce) = match found.map(|found| found.split_once('#').unwrap_or((found, ""))) {
            Some((owner, nonce)) => {
                (Some(owner.to_owned()), Some(nonce.to_owned()).filter(|n| !n.is_empty()))
            }
            None => (None, None),
        };
        Some(Self {
            id: token.id,
            text: text.to_owned(),
            owner,
            nonce,
            created: token.created,
            expires: token.expiry_date,
            cidr: token.ip.filter(|ip| !ip.is_empty()),
        })
    }

    /// The description as it stands in emnify.
    pub fn description(&self) -> String {
        match &self.owner {
            Some(owner) => describe(Some(&self.text), owner, self.nonce.as_deref().unwrap_or_default()),
            None => self.text.clone(),
        }
    }
}

/// The user's text with our mark and the nonce of the attempt.
pub fn describe(text: Option<&str>, owner: &str, nonce: &str) -> String {
    let mark = if nonce.is_empty() { format!("[k8s {owner}]") } else { format!("[k8s {owner}#{nonce}]") };
    mark::append(text, &mark)
}

/// The only piece that the mirror's entry of one token does not show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// The other tokens with the same owner in their mark.
    Kin,
}

/// What was read beyond the token itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Parts {
    /// Tokens that the same object made: predecessors, and what a crash left behind.
    pub siblings: Option<Vec<Row>>,
}

/// What the spec asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct Want {
    /// The user's text; unset leaves what is there.
    pub text: Option<String>,
    /// `installation/namespace/name`.
    pub owner: String,
    /// Nonce of the last attempt, for a mark that was lost.
    pub nonce: Option<String>,
    /// When a token ends.
    pub ends: Ends,
    /// Addresses.
    pub cidr: Option<Cidr>,
    /// Key of the token in the Secret.
    pub token_key: String,
    /// Key of the JWT and how long before its end it is replaced; `None` without a JWT.
    pub jwt: Option<(String, Option<time::Duration>)>,
    /// Age at which a token is replaced.
    pub rotate_every: Option<time::Duration>,
    /// How long a replaced token goes on working.
    pub grace: time::Duration,
}

/// When a token ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ends {
    /// Not managed; a new token never ends.
    Unset,
    /// At this time.
    At(Timestamp),
    /// So long after it was made, and replaced so long before.
    After(time::Duration, Option<time::Duration>),
}

/// A network, in its normal form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cidr {
    network: IpAddr,
    prefix: u8,
}

impl Cidr {
    /// Reads `203.0.113.0/24`; a single address is a network of one.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = text.split_once('/').map_or((text, None), |(a, p)| (a, Some(p)));
        let address: IpAddr = address.parse().ok()?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.map_or(Some(longest), |prefix| prefix.parse().ok()).filter(|p| *p <= longest)?;
        let network = match address {
            IpAddr::V4(v4) => {
                IpAddr::V4((u32::from(v4) & u32::MAX.checked_shl(u32::from(32 - prefix)).unwrap_or(0)).into())
            }
            IpAddr::V6(v6) => IpAddr::V6(
                (u128::from(v6) & u128::MAX.checked_shl(u32::from(128 - prefix)).unwrap_or(0)).into(),
            ),
        };
        Some(Self { network, prefix })
    }
}

impl std::fmt::Display for Cidr {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.network, self.prefix)
    }
}

/// Replacing tokens more often would leave a trail of live ones.
pub const SHORTEST: time::Duration = time::Duration::from_secs(3600);
const GRACE: time::Duration = time::Duration::from_secs(3600);

impl ApplicationToken {
    /// Name of the Secret it writes.
    pub fn secret_name(&self) -> String {
        let named = self.spec.secret_ref.as_ref().and_then(|secret| secret.name.as_ref());
        named.map_or_else(|| format!("{}-token", self.name_any()), ToString::to_string)
    }

    /// Keys of the token and of the JWT.
    pub fn secret_keys(&self) -> (String, String) {
        let secret = self.spec.secret_ref.clone().unwrap_or_default();
        let key = |key: Option<DataKey>, default: &str| {
            key.map_or_else(|| default.to_owned(), |key| key.to_string())
        };
        (key(secret.token_key, "token"), key(secret.jwt_key, "jwt"))
    }

    pub(super) fn wanted(&self, from: &Inputs) -> Result<Want, Invalid> {
        let spec = &self.spec;
        let span = |path: &str, value: &Option<Duration>| value.as_ref().map(|d| d.get(path)).transpose();
        let cidr = spec.cidr.as_deref().map(|text| {
            Cidr::parse(text).ok_or_else(|| Invalid::new("cidr", "write a network such as 203.0.113.0/24"))
        });
        let (token_key, jwt_key) = self.secret_keys();
        if spec.jwt.is_some() && token_key == jwt_key {
            return Err(Invalid::new(
                "secretRef.jwtKey",
                "must differ from tokenKey: both go into one Secret",
            ));
        }
        let refresh =
            span("jwt.refreshBefore", &spec.jwt.as_ref().and_then(|jwt| jwt.refresh_before.clone()))?;
        let rotate_every = span("rotateEvery", &spec.rotate_every)?;
        let ends = self.ends()?;
        if let Some(every) = rotate_every {
            if every < SHORTEST {
                return Err(Invalid::new("rotateEvery", "write at least 1h"));
            }
            if matches!(ends, Ends::After(life, _) if every >= life) {
                return Err(Invalid::new(
                    "rotateEvery",
                    "must be shorter than expiresIn, or the token ends before it is replaced",
                ));
            }
        }
        Ok(Want {
            text: spec.description.clone(),
            owner: format!("{}/{}", from.installation, from.object),
            nonce: from.nonce.clone(),
            ends,
            cidr: cidr.transpose()?,
            token_key,
            jwt: spec.jwt.as_ref().filter(|jwt| jwt.enabled).map(|_| (jwt_key, refresh)),
            rotate_every,
            grace: span("gracePeriod", &spec.grace_period)?.unwrap_or(GRACE),
        })
    }

    fn ends(&self) -> Result<Ends, Invalid> {
        let spec = &self.spec;
        match (&spec.expiry, &spec.expires_in) {
            (None, None) => Ok(Ends::Unset),
            (Some(at), None) => at.get("expiry").map(Ends::At),
            (None, Some(life)) => {
                let life = life.get("expiresIn")?;
                let before = spec.rotate_before.as_ref().map(|d| d.get("rotateBefore")).transpose()?;
                if life < SHORTEST {
                    return Err(Invalid::new("expiresIn", "write at least 1h"));
                }
                if before.is_some_and(|before| before + SHORTEST > life) {
                    let message = "must be at least an hour shorter than expiresIn, or every token would be replaced at once";
                    return Err(Invalid::new("rotateBefore", message));
                }
                Ok(Ends::After(life, before))
            }
            (Some(_), Some(_)) => Err(Invalid::new("expiry", "set at most one of expiry, expiresIn")),
        }
    }
}
