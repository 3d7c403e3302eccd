//! From a spec to an order, checked as far as that can be done before anything is billed.

use std::net::Ipv4Addr;

use emnify::wire::cloud_connect::{TransitGatewayCreate, VpnCreate, kind};
use emnify_engine::kind::{
    Input, Inputs, Invalid, Kind as _, Source, mark,
    secret::{self, SecretValue},
};
use secrecy::{ExposeSecret, SecretString};

use super::{
    change::{Order, PSK},
    lookups,
    spec::{Bgp, CloudConnect, TransitGateway, Vpn},
};
use crate::kinds::ip_address_space::network::Network;

/// Path of the region.
const REGION: &str = "region";
/// So many characters of the digest of an order are in its mark.
const SHORT: usize = 12;

/// What a spec wants of an attachment.
#[derive(Clone, Debug, PartialEq)]
pub struct Want {
    pub(super) name: Option<String>,
    /// What a new attachment is called where the spec does not say.
    born: String,
    pub(super) description: Option<String>,
    /// `installation/namespace/name`.
    pub(super) owner: String,
    pub(super) region: Option<String>,
    /// Unset of one that is there already and whose networks are not the spec's business.
    pub(super) network: Option<Attached>,
}

/// What is attached.
#[derive(Clone, Debug, PartialEq)]
pub enum Attached {
    /// Through emnify's transit gateway.
    TransitGateway {
        /// Networks, sorted.
        vpc_cidrs: Vec<String>,
        /// Twelve digits.
        account: String,
    },
    /// By a tunnel.
    Vpn {
        /// The customer's end.
        public_ip: String,
        /// Networks behind it, sorted.
        on_prem_cidrs: Vec<String>,
        /// Number of the autonomous system and networks within the tunnels, sorted.
        bgp: Option<(i64, Vec<String>)>,
        /// The key, unless emnify makes one.
        psk: Option<SecretValue>,
        /// What emnify shows of the tunnels goes into a Secret.
        output: bool,
    },
}

impl Attached {
    /// Its type, as emnify counts them.
    pub(super) fn kind(&self) -> i64 {
        match self {
            Self::TransitGateway { .. } => kind::TGW,
            Self::Vpn { bgp: None, .. } => kind::VPN,
            Self::Vpn { bgp: Some(_), .. } => kind::VPN_BGP,
        }
    }

    /// Its field in the spec.
    pub(super) fn path(&self) -> &'static str {
        match self {
            Self::TransitGateway { .. } => "transitGateway",
            Self::Vpn { .. } => "vpn",
        }
    }

    /// Everything that emnify does not show once it was ordered, but for the key; for people, and for the digest in the mark,
    /// which no release may count otherwise.
    pub(super) fn unseen(&self) -> String {
        match self {
            Self::TransitGateway { vpc_cidrs, account } => {
                format!("vpcCidrs {}, awsAccountId {account}", vpc_cidrs.join(" "))
            }
            Self::Vpn { public_ip, on_prem_cidrs, bgp, .. } => {
                let base = format!("publicIp {public_ip}, onPremCidrs {}", on_prem_cidrs.join(" "));
                match bgp {
                    None => base,
                    Some((asn, inside)) if inside.is_empty() => format!("{base}, bgp.asn {asn}"),
                    Some((asn, inside)) => {
                        format!("{base}, bgp.asn {asn}, bgp.insideCidrs {}", inside.join(" "))
                    }
                }
            }
        }
    }

    /// Tells one order from another.
    pub(super) fn digest(&self) -> String {
        let mut digest =
            secret::digest(&SecretString::from(""), "CloudConnect", [self.path(), &self.unseen()]);
        digest.truncate(SHORT);
        digest
    }
}

impl Want {
    /// What orders the attachment: its mark says what was ordered, since emnify does not.
    pub(super) fn order(&self, attached: &Attached) -> Order {
        let name = self.name.as_ref().unwrap_or(&self.born).clone();
        let owner = format!("[k8s {}#{}]", self.owner, attached.digest());
        let description = mark::append(self.description.as_deref(), &owner);
        match attached.clone() {
            Attached::TransitGateway { vpc_cidrs, account } => Order::TransitGateway(TransitGatewayCreate {
                kind: (),
                name,
                description,
                vpc_cidr: vpc_cidrs,
                region: self.region.clone().unwrap_or_default(),
                aws_account_id: account,
            }),
            Attached::Vpn { public_ip, on_prem_cidrs, bgp, psk, .. } => {
                let (asn, inside_cidr) = bgp.unzip();
                Order::Vpn(VpnCreate {
                    bgp: asn.is_some(),
                    name,
                    description,
                    region: self.region.clone(),
                    public_ip,
                    on_prem_cidr: on_prem_cidrs,
                    psk: psk.map(|psk| psk.value().clone()),
                    asn,
                    inside_cidr: inside_cidr.unwrap_or_default(),
                })
            }
        }
    }
}

/// Mark and digest of the order, from a description.
pub(super) fn marked(description: Option<&str>) -> (&str, Option<&str>, Option<&str>) {
    let (text, found) = mark::split(description.unwrap_or_default());
    let (owner, digest) = found.map(|found| found.split_once('#').unwrap_or((found, ""))).unzip();
    (text, owner, digest.filter(|digest| !digest.is_empty()))
}

/// Nothing was ordered yet.
fn is_new(object: &CloudConnect) -> bool {
    object.spec.common.id.is_none() && object.status().is_none_or(|status| status.common.id.is_none())
}

pub(super) fn inputs(object: &CloudConnect) -> Vec<Input> {
    let spec = &object.spec;
    let key = spec.vpn.as_ref().and_then(|vpn| vpn.psk_secret_ref.as_ref());
    let key = key.map(|key| {
        let source = Source::Secret { name: key.name.to_string(), key: key.key.to_string() };
        Input::new(PSK, source)
    });
    // what is there is not asked for once more: emnify may close a region to new ones
    let table = match (&spec.transit_gateway, &spec.vpn) {
        (Some(_), _) => &lookups::TRANSIT_GATEWAY_REGIONS,
        (None, Some(Vpn { bgp: Some(_), .. })) => &lookups::VPN_BGP_REGIONS,
        (None, _) => &lookups::VPN_REGIONS,
    };
    let region = spec.region.clone().filter(|_| is_new(object));
    let region = region.map(|name| Input::new(REGION, Source::Lookup { table, name, optional: false }));
    key.into_iter().chain(region).collect()
}

pub(super) fn want(object: &CloudConnect, from: &Inputs) -> Result<Want, Invalid> {
    let spec = &object.spec;
    if spec.common.id.is_none() && spec.acknowledge_monthly_fee != Some(true) {
        let message = "an attachment is billed monthly: set it to true to order one";
        return Err(Invalid::new("acknowledgeMonthlyFee", message));
    }
    let network = match (&spec.transit_gateway, &spec.vpn) {
        (Some(gateway), None) => Some(through_gateway(gateway, spec.region.as_deref())?),
        (None, Some(vpn)) => Some(by_tunnel(vpn, from)?),
        (None, None) if spec.common.id.is_some() => None,
        _ => return Err(Invalid::new("vpn", "set exactly one of transitGateway, vpn")),
    };
    Ok(Want {
        name: spec.name.clone(),
        born: from.name().to_owned(),
        description: spec.description.clone(),
        owner: format!("{}/{}", from.installation, from.object),
        region: spec.region.clone(),
        network,
    })
}

fn through_gateway(gateway: &TransitGateway, region: Option<&str>) -> Result<Attached, Invalid> {
    if region.is_none() {
        return Err(Invalid::new(REGION, "transitGateway needs the region that your gateway is in"));
    }
    let vpc_cidrs = networks("transitGateway.vpcCidrs", &gateway.vpc_cidrs)?;
    Ok(Attached::TransitGateway { vpc_cidrs, account: gateway.aws_account_id.clone() })
}

fn by_tunnel(vpn: &Vpn, from: &Inputs) -> Result<Attached, Invalid> {
    let address = vpn.public_ip.parse::<Ipv4Addr>();
    let public_ip =
        address.map_err(|_| Invalid::new("vpn.publicIp", "write an IPv4 address such as 203.0.113.10"))?;
    let bgp = vpn.bgp.as_ref().map(|Bgp { asn, inside_cidrs }| {
        let inside = networks("vpn.bgp.insideCidrs", inside_cidrs.as_deref().unwrap_or_default())?;
        Ok((*asn, inside))
    });
    let psk = vpn.psk_secret_ref.as_ref().map(|key| {
        let value = from.secret_value(PSK).ok_or_else(|| Invalid::new(PSK, "could not be read"))?;
        if is_key(value.value().expose_secret()) {
            return Ok(value.clone());
        }
        let message = format!(
            "key {} of Secret {} holds no pre-shared key: 8 to 64 letters, digits, dots and underscores, not beginning with 0",
            key.key, key.name
        );
        Err(Invalid::new(PSK, message))
    });
    Ok(Attached::Vpn {
        public_ip: public_ip.to_string(),
        on_prem_cidrs: networks("vpn.onPremCidrs", &vpn.on_prem_cidrs)?,
        bgp: bgp.transpose()?,
        psk: psk.transpose()?,
        output: vpn.output_secret.is_some(),
    })
}

/// What emnify takes as a key. [S]
fn is_key(psk: &str) -> bool {
    let allowed = psk.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_'));
    allowed && (8..=64).contains(&psk.len()) && !psk.starts_with('0')
}

/// Ranges as such, sorted: their order says nothing.
fn networks(path: &str, all: &[String]) -> Result<Vec<String>, Invalid> {
    let one = |(at, written): (usize, &String)| {
        let path = format!("{path}[{at}]");
        let network: Network = written.parse().map_err(|message| Invalid::new(&path, message))?;
        if network.to_string() == *written {
            return Ok(written.clone());
        }
        Err(Invalid::new(path, format!("{written} is an address in a range: write {network}")))
    };
    let mut all = all.iter().enumerate().map(one).collect::<Result<Vec<_>, _>>()?;
    all.sort_unstable();
    Ok(all)
}
