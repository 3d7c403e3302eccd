//! `DnsConfig`, and the service profile that refers to it.

use http::Method;
use serde_json::Value;

use crate::{
    portal::PortalClient,
    support::{Result, apply_ready, delete, edited, holds, id, look, make_ready, says, stage},
};

const PAIR: &str = r"
apiVersion: emnify.io/v1alpha1
kind: DnsConfig
metadata:
  name: own
spec:
  primary: 10.0.0.1
  secondary: 10.0.0.2
";

const PROFILE: &str = r"
apiVersion: emnify.io/v1alpha1
kind: ServiceProfile
metadata:
  name: meters
spec:
  name: Meters
  dns:
    name: own
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dns_config() -> Result<()> {
    let stage = stage("dns-config").await?;
    let made = id(&apply_ready(&stage, "DnsConfig", "own", PAIR).await?)?;
    let pair = look(&stage, |platform| platform.dns[&made].clone());
    assert_eq!((pair.primary.as_str(), pair.secondary.as_str()), ("10.0.0.1", "10.0.0.2"));
    let profile = id(&apply_ready(&stage, "ServiceProfile", "meters", PROFILE).await?)?;
    let uses = |platform: &emnify_simulator::state::Organisation| platform.service_profiles[&profile].dns;
    assert_eq!(look(&stage, uses), Some(made), "the profile has the pair of that name");

    let edit = edited(PAIR, &[("10.0.0.2", "10.0.0.3")]);
    stage.apply(&edit).await?;
    says(&stage, ("DnsConfig", "own"), ("Stalled", "ImmutableField"), &["secondary", "10.0.0.2"]).await?;
    make_ready(&stage, "DnsConfig", "own", PAIR).await?;

    let none = edited(PROFILE, &[("name: own", "none: true")]);
    make_ready(&stage, "ServiceProfile", "meters", &none).await?;
    let portal = PortalClient::open(&stage).await?;
    portal.send(Method::DELETE, &format!("/api/v1/dns/{made}"), Value::Null).await?;
    stage.kubectl_ok(&["annotate", "dnsconfigs.emnify.io", "own", "emnify.io/refresh=now"]).await?;
    let again = |platform: &emnify_simulator::state::Organisation| {
        let ours = platform.dns.values().filter(|pair| pair.primary == "10.0.0.1");
        ours.map(|pair| pair.id != made).collect::<Vec<_>>()
    };
    holds(&stage, "a pair that was deleted in the portal is made anew, once", again, vec![true]).await?;

    let by_addresses = edited(PROFILE, &[("name: own", "externalName: 10.0.0.1, 10.0.0.2")]);
    make_ready(&stage, "ServiceProfile", "meters", &by_addresses).await?;
    assert!(look(&stage, uses).is_some_and(|dns| dns != made), "its addresses name it too");
    make_ready(&stage, "ServiceProfile", "meters", PROFILE).await?;
    stage.kubectl_ok(&["delete", "dnsconfigs.emnify.io", "own", "--wait=false"]).await?;
    says(&stage, ("DnsConfig", "own"), ("Ready", "InUse"), &["ServiceProfile"]).await?;
    delete(&stage, "ServiceProfile", "meters").await?;
    stage.wait_gone("DnsConfig", "own").await?;
    assert_eq!(look(&stage, again), Vec::<bool>::new(), "what was made here is gone in emnify");
    Ok(())
}
