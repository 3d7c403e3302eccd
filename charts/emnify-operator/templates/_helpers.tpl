{{- define "emnify.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- /* Up to 40 characters: shards and suffixes follow. */ -}}
{{- define "emnify.fullname" -}}
{{- $name := include "emnify.name" . -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "emnify.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "emnify.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- required "serviceAccount.name: with serviceAccount.create=false, name the service account that exists" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- /* As YAML that is text in any case: a release may be called 123. */ -}}
{{- define "emnify.selector" -}}
{{- dict "app.kubernetes.io/name" (include "emnify.name" .) "app.kubernetes.io/instance" .Release.Name | toYaml -}}
{{- end -}}

{{- /* Every Deployment: a shard each, or one without a name. */ -}}
{{- define "emnify.shards" -}}
{{- dict "all" (.Values.shards | default (list (dict "name" "" "selector" ""))) | toYaml -}}
{{- end -}}

{{- /* Name of a shard's objects; takes the root with `shard` in it. */ -}}
{{- define "emnify.shardName" -}}
{{- printf "%s-%s" (include "emnify.fullname" .) .shard.name | trimSuffix "-" -}}
{{- end -}}

{{- /* Pods of a shard. */ -}}
{{- define "emnify.shardSelector" -}}
{{- include "emnify.selector" . }}
{{- with .shard.name }}
emnify.io/shard: {{ . | quote }}
{{- end }}
{{- end -}}

{{- define "emnify.labels" -}}
{{- include "emnify.labelsOf" (list . (dict) (dict)) -}}
{{- end -}}

{{- /* Labels of an object, each once. What something selects by stays as it is, and so do the labels of the second argument;
over all others those of the third win, then commonLabels. */ -}}
{{- define "emnify.labelsOf" -}}
{{- $root := index . 0 -}}
{{- $chart := printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" -}}
{{- $told := dict "helm.sh/chart" $chart "app.kubernetes.io/version" $root.Chart.AppVersion "app.kubernetes.io/part-of" "emnify-operator" "app.kubernetes.io/managed-by" $root.Release.Service -}}
{{- merge (dict) (index . 1) (include "emnify.selector" $root | fromYaml) (index . 2) $root.Values.commonLabels $told | toYaml -}}
{{- end -}}

{{- /* A value that is null, or that lies in one that is, is as if it were left out; a map or list of the user's is then
empty. Every template begins with this. */ -}}
{{- define "emnify.complete" -}}
{{- include "emnify.fill" (dict "values" .Values "defaults" (include "emnify.defaults" . | fromYaml)) -}}
{{- end -}}

{{- define "emnify.fill" -}}
{{- range $key, $default := .defaults -}}
{{- if kindIs "invalid" (index $.values $key) -}}
{{- $_ := set $.values $key $default -}}
{{- else if kindIs "map" $default -}}
{{- include "emnify.fill" (dict "values" (index $.values $key) "defaults" $default) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "emnify.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end -}}
{{- end -}}

{{- /* The port of a URL: what it says, else 443 or 80. */ -}}
{{- define "emnify.port" -}}
{{- $url := urlParse . -}}
{{- $said := regexFind ":[0-9]+$" $url.host -}}
{{- if $said -}}{{ trimPrefix ":" $said }}{{- else if eq $url.scheme "http" -}}80{{- else -}}443{{- end -}}
{{- end -}}

{{- /* Combinations that no schema can refuse. */ -}}
{{- define "emnify.check" -}}
{{- if not .Values.installation -}}
{{- fail "installation: name this installation, such as --set installation=prod-eu. The name is written into emnify on everything that this cluster owns: it must differ between clusters that share an emnify workspace, and must not change later" -}}
{{- end -}}
{{- if and .Values.push.enabled (not .Values.push.secret.name) -}}
{{- fail "push.secret.name: with push.enabled=true, name the Secret that holds what data streams send in their header; without one anybody could push" -}}
{{- end -}}
{{- if not .Values.leaderElection.enabled -}}
{{- if gt (int .Values.replicas) 1 -}}
{{- fail (printf "leaderElection.enabled: %v replicas need it, or all of them would work at once; write true, or replicas=1" .Values.replicas) -}}
{{- end -}}
{{- if .Values.shards -}}
{{- fail "leaderElection.enabled: shards need it: their Leases keep them apart; write true" -}}
{{- end -}}
{{- end -}}
{{- $names := dict -}}
{{- range .Values.shards -}}
{{- if hasKey $names .name -}}
{{- fail (printf "shards: two are named %s; give each a name of its own" .name) -}}
{{- end -}}
{{- $_ := set $names .name true -}}
{{- end -}}
{{- range .Values.extraEnv -}}
{{- if eq .name "EMNIFY_OPERATOR_NAMESPACE" -}}
{{- fail "extraEnv: EMNIFY_OPERATOR_NAMESPACE is the namespace of the Pod; leave it out" -}}
{{- end -}}
{{- end -}}
{{- range .Values.extraVolumes -}}
{{- if has .name (list "push" "sms" "ca") -}}
{{- fail (printf "extraVolumes: %s is a volume of the chart; choose another name" .name) -}}
{{- end -}}
{{- end -}}
{{- range .Values.extraVolumeMounts -}}
{{- if has (trimSuffix "/" .mountPath) (list "/etc/emnify-operator/push" "/etc/emnify-operator/sms" "/etc/emnify-operator/ca") -}}
{{- fail (printf "extraVolumeMounts: %s is a folder of the chart; choose another path" .mountPath) -}}
{{- end -}}
{{- end -}}
{{- if and .Values.extraCA.configMap .Values.extraCA.secret -}}
{{- fail "extraCA: set configMap or secret, not both" -}}
{{- end -}}
{{- if and .Values.podDisruptionBudget.enabled (gt (int .Values.replicas) 1) (ge (int .Values.podDisruptionBudget.minAvailable) (int .Values.replicas)) -}}
{{- fail (printf "podDisruptionBudget.minAvailable: %v of %v replicas would block every drain of a node; write less than replicas" .Values.podDisruptionBudget.minAvailable .Values.replicas) -}}
{{- end -}}
{{- end -}}
