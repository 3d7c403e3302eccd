//! Whether an operator is at work: somebody holds its lease.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::coordination::v1::Lease;
use kube::{Api, Client, ResourceExt, api::ListParams};

/// The operator's lease and those of its shards. Who may not list leases, such as the operator itself, sees the first.
pub(super) async fn read(client: &Client, namespace: &str, name: &str) -> kube::Result<Vec<Lease>> {
    let leases: Api<Lease> = Api::namespaced(client.clone(), namespace);
    match leases.list(&ListParams::default()).await {
        Ok(list) => Ok(list.items),
        Err(kube::Error::Api(e)) if e.code == 403 => Ok(leases.get_opt(name).await?.into_iter().collect()),
        Err(error) => Err(error),
    }
}

/// Who holds one of these leases, as `<lease> is held by <holder>`.
pub(super) fn at_work(leases: &[Lease], name: &str, now: Timestamp) -> Option<String> {
    let shard = format!("{name}-");
    let mut ours =
        leases.iter().filter(|lease| lease.name_any() == name || lease.name_any().starts_with(&shard));
    ours.find_map(|lease| {
        let holder = holder(lease, now)?;
        Some(format!("lease {} is held by {holder}", lease.name_any()))
    })
}

/// Who holds a lease that was neither released nor left to expire.
fn holder(lease: &Lease, now: Timestamp) -> Option<&str> {
    let spec = lease.spec.as_ref()?;
    let holder = spec.holder_identity.as_deref().filter(|holder| !holder.is_empty())?;
    let renewed = spec.renew_time.as_ref()?.0;
    let lasts = SignedDuration::from_secs(spec.lease_duration_seconds.unwrap_or_default().into());
    (now.duration_since(renewed) <= lasts).then_some(holder)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn lease(name: &str, holder: &str, renewed: &str) -> Lease {
        serde_json::from_value(json!({
            "metadata": {"name": name},
            "spec": {"holderIdentity": holder, "renewTime": renewed, "leaseDurationSeconds": 15},
        }))
        .unwrap()
    }

    fn seen(lease: Lease) -> Option<String> {
        at_work(&[lease], "emnify-operator", "2026-11-22T10:00:20Z".parse().unwrap())
    }

    #[test]
    fn whoever_renewed_a_lease_lately_is_at_work() {
        let fresh = "2026-11-22T10:00:10.000000Z";
        let work = seen(lease("emnify-operator", "pod-1", fresh)).unwrap();
        assert_eq!(work, "lease emnify-operator is held by pod-1");
        assert!(seen(lease("emnify-operator-eu", "pod-2", fresh)).is_some(), "a shard is at work too");
        assert!(seen(lease("emnify-operators", "pod-3", fresh)).is_none(), "somebody else's lease");
        assert!(seen(lease("emnify-operator", "", fresh)).is_none(), "it was released");
        let old = "2026-11-22T10:00:00.000000Z";
        assert!(seen(lease("emnify-operator", "pod-1", old)).is_none(), "its holder died");
        assert!(seen(Lease::default()).is_none(), "it was never held");
    }
}
