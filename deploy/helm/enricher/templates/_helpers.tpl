{{/* Names, labels and what is worked out from the values. Whatever takes a role takes (dict "root" $ "role" "filter").
Numbers of values.yaml come as json.Number, which is a string to templates and so never empty: int64 before any test. */}}

{{- define "enricher.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 46 | trimSuffix "-" -}}
{{- end -}}

{{/* 46: a pod's label has this, -delay and a hash in at most 63 characters. */}}
{{- define "enricher.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride -}}
{{- else if contains (include "enricher.name" .) .Release.Name -}}
{{- .Release.Name | trunc 46 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "enricher.name" .) | trunc 46 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* The filter has the plain name, the delay role a longer one: so have their pods, and so the instances. */}}
{{- define "enricher.roleName" -}}
{{- $name := include "enricher.fullname" .root -}}
{{- if eq .role "filter" }}{{ $name }}{{ else }}{{ $name }}-{{ .role }}{{ end -}}
{{- end -}}

{{/* What selects every pod of the release. */}}
{{- define "enricher.selector" -}}
app.kubernetes.io/name: {{ include "enricher.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end -}}

{{- define "enricher.roleSelector" -}}
{{ include "enricher.selector" .root }}
app.kubernetes.io/component: {{ .role }}
{{- end -}}

{{/* Takes (dict "root" $ "component" "metrics"). */}}
{{- define "enricher.labels" -}}
{{ include "enricher.selector" .root }}
app.kubernetes.io/component: {{ .component }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Labels of pods: without the chart's version, so that a new chart that changes nothing replaces no pod. */}}
{{- define "enricher.podLabels" -}}
{{ include "enricher.roleSelector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "enricher.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "enricher.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "enricher.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* The delay role runs apart: "true" or nothing. */}}
{{- define "enricher.delayOn" -}}
{{- if and .Values.delay.enabled (.Values.config.retry | default dict).tiers }}true{{ end -}}
{{- end -}}

{{- define "enricher.opsPort" -}}
{{- regexFind "[0-9]+$" (toString ((.Values.config.ops | default dict).listen | default "")) -}}
{{- end -}}

{{/* Whole seconds of a duration such as 1m30s; what is below a second is left out. */}}
{{- define "enricher.seconds" -}}
{{- $start := toDate "2006-01-02" "2000-01-01" -}}
{{- sub (int64 (unixEpoch (mustDateModify (toString .) $start))) (int64 (unixEpoch $start)) -}}
{{- end -}}

{{/* Least that a pod needs to stop: it drains, gives up what it cannot finish, which may take 30 s, and 5 s are for the rest. */}}
{{- define "enricher.leastGrace" -}}
{{- $shutdown := (.Values.config.limits | default dict).shutdown_timeout | default "30s" -}}
{{- add (int64 (include "enricher.seconds" $shutdown)) 30 5 (int64 .Values.preStopSleepSeconds) -}}
{{- end -}}

{{- define "enricher.grace" -}}
{{- if kindIs "invalid" .Values.terminationGracePeriodSeconds -}}
{{- include "enricher.leastGrace" . -}}
{{- else -}}
{{- int64 .Values.terminationGracePeriodSeconds -}}
{{- end -}}
{{- end -}}

{{/* Ports of the brokers for the NetworkPolicy, as a JSON list. */}}
{{- define "enricher.brokerPorts" -}}
{{- $ports := list -}}
{{- range .Values.networkPolicy.brokers.ports -}}
{{- $ports = append $ports (int64 .) -}}
{{- end -}}
{{- if not $ports -}}
{{- range (.Values.config.kafka | default dict).brokers -}}
{{- $ports = append $ports (int64 (regexFind "[0-9]+$" .)) -}}
{{- end -}}
{{- end -}}
{{- uniq $ports | toJson -}}
{{- end -}}

{{- define "enricher.maxReplicas" -}}
{{- default (int64 .Values.partitions) (int64 .Values.autoscaling.maxReplicas) -}}
{{- end -}}

{{- define "enricher.newPartitions" -}}
{{- default (int64 .Values.partitions) (int64 .Values.topicsJob.partitions) -}}
{{- end -}}
