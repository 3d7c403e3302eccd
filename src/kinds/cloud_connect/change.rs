//! The calls that an attachment needs.

use std::{collections::BTreeMap, fmt};

use emnify::wire::cloud_connect::{TransitGatewayCreate, VpnCreate};
use emnify_engine::kind::{self, Class, FieldDiff, Verb, mark};
use secrecy::SecretString;

/// Path of the reference to the Secret with the key.
pub(super) const PSK: &str = "vpn.pskSecretRef";
/// Path of the Secret that is written.
pub(super) const OUTPUT: &str = "vpn.outputSecret";

/// What is ordered.
#[derive(Clone, Debug)]
pub enum Order {
    /// A share of emnify's transit gateway.
    TransitGateway(TransitGatewayCreate),
    /// A tunnel.
    Vpn(VpnCreate),
}

/// One call.
#[derive(Clone, Debug)]
pub enum Change {
    /// Orders it. It is billed from now on.
    Order(Order),
    /// Puts what emnify shows of the tunnels into the Secret.
    Deliver {
        /// By key of the Secret.
        values: BTreeMap<String, SecretString>,
        /// Keys that the Secret lacks, or holds something else under.
        lacks: Vec<String>,
    },
    /// Takes it down.
    Delete {
        /// How many devices may depend on it.
        disturbs: u64,
    },
}

fn ordered(order: &Order) -> Vec<FieldDiff> {
    let new = |path: &str, new: &str| FieldDiff::new(path, "-", new);
    let description = |text: &str| FieldDiff::new("description", "-", mark::split(text).0);
    match order {
        Order::TransitGateway(order) => vec![
            new("name", &order.name),
            description(&order.description),
            new("region", &order.region),
            new("transitGateway.vpcCidrs", &order.vpc_cidr.join(" ")),
            new("transitGateway.awsAccountId", &order.aws_account_id),
        ],
        Order::Vpn(order) => {
            let mut fields = vec![new("name", &order.name), description(&order.description)];
            fields.extend(order.region.as_deref().map(|region| new("region", region)));
            fields.push(new("vpn.publicIp", &order.public_ip));
            fields.push(new("vpn.onPremCidrs", &order.on_prem_cidr.join(" ")));
            fields.extend(order.asn.map(|asn| new("vpn.bgp.asn", &asn.to_string())));
            let inside = Some(order.inside_cidr.join(" ")).filter(|inside| !inside.is_empty());
            fields.extend(inside.map(|inside| new("vpn.bgp.insideCidrs", &inside)));
            fields.extend(order.psk.as_ref().map(|_| new(PSK, "***")));
            fields
        }
    }
}

impl kind::Change for Change {
    fn fields(&self) -> Vec<FieldDiff> {
        match self {
            Self::Order(order) => ordered(order),
            Self::Deliver { lacks, .. } => {
                vec![FieldDiff::new(OUTPUT, format!("without {}", lacks.join(" ")), "what emnify shows")]
            }
            Self::Delete { .. } => Vec::new(),
        }
    }

    fn class(&self) -> Class {
        match self {
            Self::Order(_) => Class::quiet(Verb::Create),
            Self::Deliver { .. } => Class::quiet(Verb::Update),
            Self::Delete { disturbs } => Class { disturbs: *disturbs, ..Class::quiet(Verb::Delete) },
        }
    }

    fn repeatable(&self) -> bool {
        !matches!(self, Self::Order(_))
    }

    /// A deletion takes a minute or more.
    fn accepted(&self) -> bool {
        matches!(self, Self::Delete { .. })
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Order(Order::TransitGateway(_)) => f.write_str("order a transit gateway attachment"),
            Self::Order(Order::Vpn(_)) => f.write_str("order a VPN attachment"),
            Self::Deliver { lacks, .. } => write!(f, "{OUTPUT}: write {}", lacks.join(" ")),
            Self::Delete { .. } => f.write_str("take the attachment down"),
        }
    }
}
