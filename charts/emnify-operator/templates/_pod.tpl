{{- define "emnify.pod" -}}
serviceAccountName: {{ include "emnify.serviceAccount" . }}
automountServiceAccountToken: true
enableServiceLinks: false
terminationGracePeriodSeconds: {{ .Values.terminationGracePeriodSeconds }}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
securityContext:
  {{- toYaml .Values.podSecurityContext | nindent 2 }}
{{- include "emnify.placement" . }}
containers:
  - name: operator
    image: {{ include "emnify.image" . }}
    {{- with .Values.image.pullPolicy }}
    imagePullPolicy: {{ . }}
    {{- end }}
    args:
      {{- include "emnify.args" . | nindent 6 }}
    env:
      {{- include "emnify.env" . | nindent 6 }}
    ports:
      - name: admin
        containerPort: 8080
      {{- if .Values.push.enabled }}
      - name: push
        containerPort: 8081
      {{- end }}
    # Alive from the first moment: it waits for definitions and the API server itself.
    livenessProbe:
      httpGet:
        path: /livez
        port: admin
      periodSeconds: 10
      timeoutSeconds: 5
      failureThreshold: 3
    # A standby is ready too: readiness asks neither for the lease nor for emnify.
    readinessProbe:
      httpGet:
        path: /readyz
        port: admin
      periodSeconds: 5
      timeoutSeconds: 5
      failureThreshold: 3
    resources:
      {{- toYaml .Values.resources | nindent 6 }}
    securityContext:
      {{- toYaml .Values.securityContext | nindent 6 }}
    {{- with include "emnify.mounts" . }}
    volumeMounts:
      {{- . | nindent 6 }}
    {{- end }}
{{- with include "emnify.volumes" . }}
volumes:
  {{- . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "emnify.placement" -}}
{{- $selector := include "emnify.shardSelector" . | fromYaml -}}
{{- $term := dict "topologyKey" "kubernetes.io/hostname" "labelSelector" (dict "matchLabels" $selector) -}}
{{- $affinity := dict -}}
{{- if eq .Values.podAntiAffinity "required" -}}
{{- $affinity = dict "podAntiAffinity" (dict "requiredDuringSchedulingIgnoredDuringExecution" (list $term)) -}}
{{- else if eq .Values.podAntiAffinity "preferred" -}}
{{- $affinity = dict "podAntiAffinity" (dict "preferredDuringSchedulingIgnoredDuringExecution" (list (dict "weight" 100 "podAffinityTerm" $term))) -}}
{{- end -}}
{{- with mergeOverwrite $affinity (deepCopy .Values.affinity) }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.topologySpreadConstraints }}
topologySpreadConstraints:
  {{- range . }}
  - {{- toYaml (merge (deepCopy .) (dict "labelSelector" (dict "matchLabels" $selector))) | nindent 4 }}
  {{- end }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "emnify.args" -}}
- run
- {{ printf "--installation=%s" .Values.installation | quote }}
{{- with .Values.watchNamespaces }}
- {{ printf "--namespaces=%s" (join "," .) | quote }}
{{- end }}
{{- range .Values.allowedBaseUrls }}
- {{ printf "--allowed-base-url=%s" . | quote }}
{{- end }}
- {{ printf "--ip-share=%v" (round (divf .Values.ipShare (max 1 (len .Values.shards))) 4) | quote }}
{{- with .Values.sweepInterval }}
- {{ printf "--sweep-interval=%s" . | quote }}
{{- end }}
{{- if .Values.leaderElection.enabled }}
- {{ printf "--lease-name=%s" (include "emnify.fullname" .) | quote }}
- {{ printf "--lease-duration=%s" .Values.leaderElection.leaseDuration | quote }}
- {{ printf "--renew-deadline=%s" .Values.leaderElection.renewDeadline | quote }}
- {{ printf "--retry-period=%s" .Values.leaderElection.retryPeriod | quote }}
{{- else }}
- --leader-elect=false
{{- end }}
{{- with .shard.selector }}
- {{ printf "--shard-selector=%s" . | quote }}
- {{ printf "--shard-name=%s" $.shard.name | quote }}
{{- end }}
- {{ printf "--admin-addr=%s:8080" .Values.listenAddress | quote }}
{{- if .Values.push.enabled }}
- {{ printf "--push-addr=%s:8081" .Values.listenAddress | quote }}
- --push-secret-file=/etc/emnify-operator/push/secret
- {{ printf "--push-header=%s" .Values.push.header | quote }}
{{- if (.Values.push.smsSecret).name }}
- --sms-secret-file=/etc/emnify-operator/sms/keys
{{- end }}
{{- end }}
- {{ printf "--log-format=%s" .Values.logFormat | quote }}
- {{ printf "--log-level=%s" .Values.logLevel | quote }}
{{- with .Values.otlpEndpoint }}
- {{ printf "--otlp-endpoint=%s" . | quote }}
{{- end }}
{{- end -}}

{{- /* Each name once: one of extraEnv stands in the place of the chart's. */ -}}
{{- define "emnify.env" -}}
{{- /* The Pod's, whatever moved it there: kustomize and Flux change namespaces, and know no argument of ours. */ -}}
{{- $env := list (dict "name" "EMNIFY_OPERATOR_NAMESPACE" "valueFrom" (dict "fieldRef" (dict "fieldPath" "metadata.namespace"))) -}}
{{- if or .Values.extraCA.configMap .Values.extraCA.secret -}}
{{- /* Both folders, every file: naming one alone would replace the certificates of the image. */ -}}
{{- $env = append $env (dict "name" "SSL_CERT_DIR" "value" "/etc/ssl/certs:/etc/emnify-operator/ca") -}}
{{- end -}}
{{- with .Values.proxy.https -}}
{{- $env = concat $env (list (dict "name" "HTTPS_PROXY" "value" .) (dict "name" "NO_PROXY" "value" $.Values.proxy.noProxy)) -}}
{{- end -}}
{{- $theirs := dict -}}
{{- range .Values.extraEnv -}}
{{- $_ := set $theirs .name true -}}
{{- end -}}
{{- $kept := list -}}
{{- range $env -}}
{{- if not (hasKey $theirs .name) -}}
{{- $kept = append $kept . -}}
{{- end -}}
{{- end -}}
{{- concat $kept .Values.extraEnv | toYaml -}}
{{- end -}}

{{- define "emnify.mounts" -}}
{{- if .Values.push.enabled }}
- name: push
  mountPath: /etc/emnify-operator/push
  readOnly: true
{{- if (.Values.push.smsSecret).name }}
- name: sms
  mountPath: /etc/emnify-operator/sms
  readOnly: true
{{- end }}
{{- end }}
{{- if or .Values.extraCA.configMap .Values.extraCA.secret }}
- name: ca
  mountPath: /etc/emnify-operator/ca
  readOnly: true
{{- end }}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "emnify.volumes" -}}
{{- if .Values.push.enabled }}
- name: push
  secret:
    secretName: {{ .Values.push.secret.name }}
    items:
      - key: {{ .Values.push.secret.key }}
        path: secret
{{- if (.Values.push.smsSecret).name }}
- name: sms
  secret:
    secretName: {{ .Values.push.smsSecret.name }}
    items:
      - key: {{ .Values.push.smsSecret.key | default "key" }}
        path: keys
{{- end }}
{{- end }}
{{- if or .Values.extraCA.configMap .Values.extraCA.secret }}
- name: ca
  {{- if .Values.extraCA.configMap }}
  configMap:
    name: {{ .Values.extraCA.configMap }}
  {{- else }}
  secret:
    secretName: {{ .Values.extraCA.secret }}
  {{- end }}
    items:
      - key: {{ .Values.extraCA.key }}
        path: ca.crt
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}
