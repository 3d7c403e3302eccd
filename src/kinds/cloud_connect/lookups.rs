//! Where attachments can end, by type. emnify alone changes it.

use std::time::Duration;

use emnify::{Api, Error, wire::cloud_connect::kind};
use emnify_engine::kind::{Id, LookupRow, Table};
use futures::FutureExt;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Regions of transit gateways.
pub(super) static TRANSIT_GATEWAY_REGIONS: Table = Table {
    name: "region of transit gateways",
    folds: true,
    keep: DAY,
    load: |api| regions(api, kind::TGW).boxed(),
};
/// Regions of tunnels.
pub(super) static VPN_REGIONS: Table =
    Table { name: "region of tunnels", folds: true, keep: DAY, load: |api| regions(api, kind::VPN).boxed() };
/// Regions of tunnels with BGP.
pub(super) static VPN_BGP_REGIONS: Table = Table {
    name: "region of tunnels with BGP",
    folds: true,
    keep: DAY,
    load: |api| regions(api, kind::VPN_BGP).boxed(),
};

async fn regions(api: Api, kind: i64) -> Result<Vec<LookupRow>, Error> {
    let row = |region: String| LookupRow { id: Id::Text(region.clone()), names: vec![region], shown: None };
    let mut names: Vec<_> =
        api.cloud_connect_regions(kind).await?.into_iter().map(|known| known.attachment_region).collect();
    // one for each region that devices may leave by
    names.sort_unstable();
    names.dedup();
    Ok(names.into_iter().map(row).collect())
}
