{{- define "exporter.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "exporter.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else if contains (include "exporter.name" .) .Release.Name }}
{{- .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "exporter.name" .) | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "exporter.selector" -}}
app.kubernetes.io/name: {{ include "exporter.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "exporter.labels" -}}
{{- $labels := include "exporter.selector" . | fromYaml }}
{{- $_ := set $labels "app.kubernetes.io/version" .Chart.AppVersion }}
{{- $_ := set $labels "app.kubernetes.io/managed-by" .Release.Service }}
{{- $_ := set $labels "helm.sh/chart" (printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_") }}
{{- toYaml (merge $labels .Values.commonLabels) }}
{{- end }}

{{- define "exporter.serviceAccount" -}}
{{- .Values.serviceAccount.name | default (ternary (include "exporter.fullname" .) "default" .Values.serviceAccount.create) }}
{{- end }}

{{/* The configuration of the exporter, with the place of its state. */}}
{{- define "exporter.config" -}}
{{- $config := deepCopy .Values.config }}
{{- if .Values.postgres.existingSecret }}
{{- $postgres := dict "dsn_file" (printf "/etc/vod-transcode-exporter/postgres/%s" .Values.postgres.key) }}
{{- $_ := set $config "state" (mergeOverwrite ($config.state | default dict) (dict "postgres" $postgres)) }}
{{- else if not $config.state }}
{{- $_ := set $config "state" (dict "path" "/var/lib/vod-transcode-exporter/state.db") }}
{{- end }}
{{- if include "exporter.shared" . }}
{{- $_ := set $config "state" (merge $config.state (dict "replica" "${POD_NAME}")) }}
{{- end }}
{{- toYaml $config }}
{{- end }}

{{/* Not empty if the replicas share their state. */}}
{{- define "exporter.shared" -}}
{{- if or .Values.postgres.existingSecret (dig "state" "postgres" "" .Values.config) }}shared{{ end }}
{{- end }}

{{/* The web configuration. */}}
{{- define "exporter.web" -}}
{{- $web := deepCopy .Values.web.config }}
{{- if .Values.web.tlsSecret }}
{{- $pair := dict "cert_file" "/etc/vod-transcode-exporter/tls/tls.crt" "key_file" "/etc/vod-transcode-exporter/tls/tls.key" }}
{{- $tls := $web.tls_server_config | default dict }}
{{- $_ := set $web "tls_server_config" (ternary $tls (merge $tls $pair) (or (hasKey $tls "cert") (hasKey $tls "cert_file"))) }}
{{- end }}
{{- if $web }}{{ toYaml $web }}{{ end }}
{{- end }}

{{- define "exporter.scheme" -}}
{{- $web := include "exporter.web" . | fromYaml }}
{{- .Values.web.scheme | default (ternary "https" "http" (hasKey $web "tls_server_config")) }}
{{- end }}

{{/* The path before all paths of the exporter, without a slash at its end. */}}
{{- define "exporter.prefix" -}}
{{- $path := .Values.web.routePrefix | default (get (urlParse .Values.web.externalUrl) "path") | trimAll "/" }}
{{- if $path }}/{{ $path }}{{ end }}
{{- end }}

{{/* A probe. The kubelet has no client certificate: where each client needs one, the port is all that it can ask. */}}
{{- define "exporter.probe" -}}
{{- $web := include "exporter.web" .root | fromYaml }}
{{- if eq (dig "tls_server_config" "client_auth_type" "" $web) "RequireAndVerifyClientCert" -}}
tcpSocket:
  port: metrics
{{- else -}}
httpGet:
  path: {{ include "exporter.prefix" .root }}{{ .path }}
  port: metrics
  scheme: {{ include "exporter.scheme" .root | upper }}
{{- end }}
{{- end }}

{{/* A duration of Prometheus in milliseconds. */}}
{{- define "exporter.milliseconds" -}}
{{- $units := dict "ms" 1 "s" 1000 "m" 60000 "h" 3600000 "d" 86400000 "w" 604800000 "y" 31536000000 }}
{{- $sum := 0 }}
{{- range regexFindAll "[0-9]+(ms|[smhdwy])" . -1 }}
{{- $sum = add $sum (mul (regexFind "[0-9]+" . | int64) (get $units (regexFind "[a-z]+" .) | int64)) }}
{{- end }}
{{- $sum }}
{{- end }}

{{/* What a monitor says of an endpoint. `instance` is the name of the pod, which lasts longer than its address. */}}
{{- define "exporter.endpoint" -}}
{{- with .Values.monitor -}}
port: metrics
path: {{ include "exporter.prefix" $ }}/metrics
scheme: {{ include "exporter.scheme" $ }}
interval: {{ .interval }}
scrapeTimeout: {{ .scrapeTimeout }}
{{- with .basicAuth }}
basicAuth: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tlsConfig }}
tlsConfig: {{- toYaml . | nindent 2 }}
{{- end }}
relabelings:
  - targetLabel: job
    replacement: {{ .job }}
  - sourceLabels: [__meta_kubernetes_pod_name]
    targetLabel: instance
  - action: labeldrop
    regex: pod|container|endpoint|service
  {{- with .relabelings }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- $shared := include "exporter.shared" $ }}
{{- if or $shared .metricRelabelings }}
metricRelabelings:
  {{- if $shared }}
  - sourceLabels: [__name__, account]
    regex: vod_(transcode_.+|usage_.+|up|account_info);.+
    targetLabel: instance
    replacement: {{ include "exporter.fullname" $ }}
  {{- end }}
  {{- with .metricRelabelings }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* Values that contradict each other. */}}
{{- define "exporter.refuse" -}}
{{- if and (gt (int .Values.replicas) 1) (not (include "exporter.shared" .)) }}
{{- fail (printf "replicas is %d, but the state is a file, which only one exporter may use. Set replicas to 1, or keep the state in PostgreSQL with postgres.existingSecret." (int .Values.replicas)) }}
{{- end }}
{{- with .Values.monitor }}
{{- if gt (include "exporter.milliseconds" .scrapeTimeout | int64) (include "exporter.milliseconds" .interval | int64) }}
{{- fail (printf "monitor.scrapeTimeout (%s) is longer than monitor.interval (%s), which Prometheus refuses. Make it shorter." .scrapeTimeout .interval) }}
{{- end }}
{{- end }}
{{- if and .Values.podMonitor.enabled .Values.serviceMonitor.enabled }}
{{- fail "podMonitor and serviceMonitor are both enabled, so each pod would be scraped twice. Enable one of them." }}
{{- end }}
{{- if and .Values.web.existingSecret (or .Values.web.config .Values.web.tlsSecret) }}
{{- fail "web.existingSecret has the web configuration, so web.config and web.tlsSecret have no effect. Remove one or the others." }}
{{- end }}
{{- end }}
