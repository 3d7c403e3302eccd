//! Every kind from `kubectl apply` over an edit to `kubectl delete`.

use crate::support::{Result, apply_ready, delete, holds, id, look, stage};

const SERVICE_PROFILE: &str = r#"
apiVersion: emnify.io/v1alpha1
kind: ServiceProfile
metadata:
  name: meters
spec:
  name: Meters
  description: Electricity meters
  allowed2g: false
  allowed3g: false
  allowed4g: true
  allowedNbIot: true
  smsP2pExt: false
  services:
    - service:
        externalName: Data
    - service:
        externalName: SMS MT
      limit:
        volume: 100
  dataLimits:
    - volume: 100M
      warningPercent: 80
  dns:
    externalName: 9.9.9.9, 149.112.112.112
  breakoutRegion:
    externalName: Europe (Ireland)
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn service_profile() -> Result<()> {
    let stage = stage("service-profile").await?;
    let object = apply_ready(&stage, "ServiceProfile", "meters", SERVICE_PROFILE).await?;
    let id = id(&object)?;
    let profile = look(&stage, |platform| platform.service_profiles[&id].clone());
    assert_eq!(profile.name, "Meters");
    assert!(profile.description.starts_with("Electricity meters [k8s "), "{}", profile.description);
    delete(&stage, "ServiceProfile", "meters").await?;
    holds(&stage, "a deleted ServiceProfile is gone", |p| p.service_profiles.contains_key(&id), false).await
}
