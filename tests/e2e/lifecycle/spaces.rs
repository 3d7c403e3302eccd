//! `IpAddressSpace`, and the device that has an address of it.

use emnify_simulator::state::Organisation;
use http::Method;
use serde_json::{Value, json};

use crate::{
    portal::PortalClient,
    support::{Result, apply_ready, delete, edited, holds, id, look, make_ready, says, stage},
};

const SPACE: &str = r"
apiVersion: emnify.io/v1alpha1
kind: IpAddressSpace
metadata:
  name: north
spec:
  cidr: 10.192.4.0/24
";

const DEVICE: &str = r"
apiVersion: emnify.io/v1alpha1
kind: Endpoint
metadata:
  name: meter-1
spec:
  serviceProfile: {id: '101'}
  tariffProfile: {id: '201'}
  ipAddress: 10.192.4.20
  ipAddressSpace:
    name: north
";

fn ours(platform: &Organisation) -> Vec<u64> {
    let ours = platform.ip_address_spaces.values().filter(|space| space.ip_address_space == "10.192.4.0/24");
    ours.map(|space| space.id).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ip_address_space() -> Result<()> {
    let stage = stage("ip-address-space").await?;
    let made = id(&apply_ready(&stage, "IpAddressSpace", "north", SPACE).await?)?;
    assert_eq!(look(&stage, ours), [made]);
    let device = id(&apply_ready(&stage, "Endpoint", "meter-1", DEVICE).await?)?;
    let has = look(&stage, |platform| platform.endpoints[&device].ip_address_space);
    assert_eq!(has, Some(made), "the device has an address of the space of that name");

    stage.apply(&edited(SPACE, &[("10.192.4.0/24", "10.192.4.7/24")])).await?;
    says(&stage, ("IpAddressSpace", "north"), ("Stalled", "InvalidSpec"), &["write 10.192.4.0/24"]).await?;
    stage.apply(&edited(SPACE, &[("10.192.4.0/24", "10.192.5.0/24")])).await?;
    says(&stage, ("IpAddressSpace", "north"), ("Stalled", "ImmutableField"), &["cidr", "10.192.4.0/24"])
        .await?;
    make_ready(&stage, "IpAddressSpace", "north", SPACE).await?;

    stage.kubectl_ok(&["delete", "ipaddressspaces.emnify.io", "north", "--wait=false"]).await?;
    says(&stage, ("IpAddressSpace", "north"), ("Ready", "InUse"), &["Endpoint"]).await?;
    delete(&stage, "Endpoint", "meter-1").await?;
    stage.wait_gone("IpAddressSpace", "north").await?;
    assert_eq!(look(&stage, ours), Vec::<u64>::new(), "what was made here is gone in emnify");

    let made = id(&apply_ready(&stage, "IpAddressSpace", "north", SPACE).await?)?;
    let portal = PortalClient::open(&stage).await?;
    portal.send(Method::DELETE, &format!("/api/v1/ip_address_space/{made}"), Value::Null).await?;
    stage.kubectl_ok(&["annotate", "ipaddressspaces.emnify.io", "north", "emnify.io/refresh=now"]).await?;
    let again = |platform: &Organisation| ours(platform).into_iter().map(|id| id != made).collect::<Vec<_>>();
    holds(&stage, "one that was deleted in the portal is made anew, once", again, vec![true]).await?;

    let theirs = json!({"ip_address_space": "10.192.9.0/24", "ip_address_version": 4});
    portal.send(Method::POST, "/api/v1/ip_address_space", theirs).await?;
    let south = edited(SPACE, &[("name: north", "name: south"), ("10.192.4.0/24", "10.192.9.0/24")]);
    stage.apply(&south).await?;
    says(&stage, ("IpAddressSpace", "south"), ("Stalled", "AlreadyExists"), &["to take it over"]).await?;
    Ok(())
}
