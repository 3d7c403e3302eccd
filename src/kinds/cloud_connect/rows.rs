//! What emnify shows of an attachment beyond its entry in the listing.

use std::collections::BTreeMap;

use emnify::{
    Api, Cursor, Error,
    wire::{
        Listing,
        cloud_connect::{Price, Tunnel as Wire},
    },
};
use emnify_engine::kind::Id;
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};

/// Prices are asked for again after this time: the organisation's contract changes them.
const PRICED: SignedDuration = SignedDuration::from_hours(24);

/// A piece of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// The ends that emnify offers.
    Tunnels,
    /// What attachments cost.
    Prices,
    /// How many devices the organisation has.
    Devices,
}

/// What was read of the pieces.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Parts {
    /// None before it is active.
    pub(super) tunnels: Vec<Tunnel>,
    /// By type, and when that was asked.
    pub(super) prices: Option<(Timestamp, BTreeMap<i64, String>)>,
    /// Of the whole organisation.
    pub(super) devices: Option<u64>,
}

/// One end that emnify offers.
#[derive(Clone, Default)]
pub struct Tunnel {
    pub(super) outside_address: Option<String>,
    pub(super) inside_cidr: Option<String>,
    pub(super) asn: Option<i64>,
    pub(super) public_ip: Option<String>,
    pub(super) psk: Option<SecretString>,
    pub(super) state: Option<String>,
}

impl Tunnel {
    fn key(&self) -> Option<&str> {
        self.psk.as_ref().map(SecretString::expose_secret)
    }
}

impl PartialEq for Tunnel {
    fn eq(&self, other: &Self) -> bool {
        let Self { outside_address, inside_cidr, asn, public_ip, psk: _, state } = self;
        let shown = (outside_address, inside_cidr, asn, public_ip, state);
        let others = (&other.outside_address, &other.inside_cidr, &other.asn, &other.public_ip, &other.state);
        shown == others && self.key() == other.key()
    }
}

impl std::fmt::Debug for Tunnel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tunnel").field("outside_address", &self.outside_address).finish_non_exhaustive()
    }
}

impl From<Wire> for Tunnel {
    fn from(wire: Wire) -> Self {
        let Wire { outside_address, inside_cidr, asn, public_ip, psk, state } = wire;
        let psk = psk.filter(|psk| !psk.expose_secret().is_empty());
        Self { outside_address, inside_cidr, asn, public_ip, psk, state }
    }
}

/// What the tunnels have, by key of the Secret that it goes into.
pub(super) fn values(tunnels: &[Tunnel]) -> BTreeMap<String, SecretString> {
    let mut values = BTreeMap::new();
    for (tunnel, n) in tunnels.iter().zip(1..) {
        let text = |text: &Option<String>| text.clone().map(SecretString::from);
        let all = [
            ("psk", tunnel.psk.clone()),
            ("outside-address", text(&tunnel.outside_address)),
            ("inside-cidr", text(&tunnel.inside_cidr)),
            ("public-ip", text(&tunnel.public_ip)),
            ("asn", tunnel.asn.map(|asn| asn.to_string().into())),
        ];
        let known = all.into_iter().filter_map(|(key, value)| Some((key, value?)));
        values.extend(known.map(|(key, value)| (format!("tunnel-{n}-{key}"), value)));
    }
    values
}

/// Reads one piece.
pub(super) async fn read(api: &Api, id: &Id, part: Part, into: &mut Parts) -> Result<(), Error> {
    match part {
        Part::Tunnels => {
            let detail = api.cloud_connect_detail(id.number()?).await?;
            let mut tunnels: Vec<_> =
                detail.into_iter().flat_map(|detail| detail.tunnels).map(Tunnel::from).collect();
            // whichever emnify shows first is the first one
            tunnels.sort_by(|a, b| a.outside_address.cmp(&b.outside_address));
            into.tunnels = tunnels;
        }
        Part::Prices => {
            let now = api.client().server_time();
            let fresh = |asked: Timestamp| now.duration_since(asked).abs() < PRICED;
            if !into.prices.as_ref().is_some_and(|(asked, _)| fresh(*asked)) {
                into.prices = Some((now, prices(api).await?));
            }
        }
        Part::Devices => {
            let page = api.list_endpoints(Cursor::first(), &Listing::all().per_page(1)).await?;
            into.devices = Some(page.total.unwrap_or_else(|| page.pages.into()));
        }
    }
    Ok(())
}

/// What emnify refuses to show is nothing.
fn shown<T>(error: Error) -> Result<Vec<T>, Error> {
    match error {
        Error::NotFound { .. } | Error::Rejected { .. } | Error::Unauthorized { .. } => Ok(Vec::new()),
        other => Err(other),
    }
}

/// Prices for people, by type. A login that may not see them orders all the same: what it costs was acknowledged.
async fn prices(api: &Api) -> Result<BTreeMap<i64, String>, Error> {
    let prices = api.cloud_connect_prices().await.or_else(shown)?;
    let currencies = if prices.is_empty() { Vec::new() } else { api.currencies().await.or_else(shown)? };
    let one = |price: &Price| {
        let code = currencies.iter().find(|known| Some(known.id) == price.currency);
        let code = code.map(|known| format!(" {}", known.code)).unwrap_or_default();
        (price.breakout_type_id, format!("{:.2}{code}", price.amount))
    };
    // the first one of a type counts
    Ok(prices.iter().rev().map(one).collect())
}
