{{- /* Generated from `values.yaml`: `UPDATE=1 cargo test --test generated`. */ -}}
{{- define "emnify.defaults" -}}
affinity: {}
allowedBaseUrls: []
commonLabels: {}
dashboard:
  annotations: {}
  enabled: false
  labels: {}
deploymentAnnotations: {}
extraCA: {}
extraEnv: []
extraVolumeMounts: []
extraVolumes: []
fullnameOverride: ''
image:
  digest: ''
  pullPolicy: ''
  repository: emnify-operator
  tag: ''
imagePullSecrets: []
installation: ''
ipShare: 1
leaderElection:
  enabled: true
  leaseDuration: 15s
  renewDeadline: 10s
  retryPeriod: 2s
listenAddress: 0.0.0.0
logFormat: json
logLevel: info
nameOverride: ''
networkPolicy:
  apiServerPorts:
  - 443
  - 6443
  - 8443
  - 16443
  enabled: true
  extraEgress: []
  metricsFrom: []
  pushFrom: []
nodeSelector: {}
otlpEndpoint: ''
podAnnotations: {}
podAntiAffinity: preferred
podDisruptionBudget:
  enabled: true
  minAvailable: 1
podLabels: {}
podSecurityContext: {}
priorityClassName: ''
prometheusRule:
  enabled: false
  labels: {}
  runbookUrl: ''
proxy:
  https: ''
  noProxy: localhost,127.0.0.1,.svc,.cluster.local
push:
  enabled: false
  header: authorization
  secret: {}
  service:
    annotations: {}
    port: 80
    type: ClusterIP
  smsSecret: {}
rbac:
  aggregate: true
  create: true
  outliveNamespaces: true
replicas: 2
resources: {}
securityContext: {}
service:
  annotations: {}
  port: 8080
serviceAccount:
  annotations: {}
  create: true
  name: ''
serviceMonitor:
  enabled: false
  honorLabels: true
  interval: 30s
  labels: {}
  metricRelabelings: []
  relabelings: []
  scrapeTimeout: 10s
shards: []
sweepInterval: ''
terminationGracePeriodSeconds: 10
tolerations: []
topologySpreadConstraints: []
watchNamespaces: []
{{- end -}}
