{{/* The StatefulSet of a role: (dict "root" $ "role" "filter" "command" "run"). */}}
{{- define "enricher.statefulset" -}}
{{- $root := .root -}}
{{- $v := $root.Values -}}
{{- $role := index $v .role -}}
apiVersion: apps/v1
kind: StatefulSet
metadata:
  name: {{ include "enricher.roleName" . }}
  labels:
    {{- include "enricher.labels" (dict "root" $root "component" .role) | nindent 4 }}
spec:
  serviceName: {{ include "enricher.roleName" . }}
  {{- if or (ne .role "filter") (eq $v.autoscaling.type "none") }}
  replicas: {{ $role.replicas }}
  {{- end }}
  # Pods do not wait for each other: the group sorts out who reads what, and a roll-out that
  # never got ready can be replaced by the next one.
  podManagementPolicy: Parallel
  minReadySeconds: {{ $v.minReadySeconds }}
  revisionHistoryLimit: {{ $v.revisionHistoryLimit }}
  updateStrategy:
    {{- include "enricher.updateStrategy" $v.updateStrategy | nindent 4 }}
  selector:
    matchLabels:
      {{- include "enricher.roleSelector" . | nindent 6 }}
  template:
    metadata:
      labels:
        {{- include "enricher.podLabels" . | nindent 8 }}
        {{- with $v.podLabels }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- if or $v.restartOnChange $v.podAnnotations }}
      annotations:
        {{- if $v.restartOnChange }}
        checksum/config: {{ list $v.config $v.overlays | toJson | sha256sum }}
        {{- end }}
        {{- with $v.podAnnotations }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- end }}
    spec:
      {{- include "enricher.pod" . | nindent 6 }}
{{- end -}}

{{/* Without a partition Kubernetes makes a missing pod of a low number from the old template, and a roll-out that begins with
such a pod, because it is not available, deletes it as an old one and makes it again for ever. */}}
{{- define "enricher.updateStrategy" -}}
{{- $strategy := deepCopy (default dict .) -}}
{{- if eq (default "RollingUpdate" $strategy.type) "RollingUpdate" -}}
{{- $_ := set $strategy "rollingUpdate" (merge (default dict $strategy.rollingUpdate) (dict "partition" 0)) -}}
{{- end -}}
{{- toYaml $strategy -}}
{{- end -}}

{{- define "enricher.pod" -}}
{{- $root := .root -}}
{{- $v := $root.Values -}}
{{- $role := index $v .role -}}
{{- $selector := include "enricher.roleSelector" . | fromYaml -}}
serviceAccountName: {{ include "enricher.serviceAccountName" $root }}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with $v.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $role.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
securityContext:
  {{- toYaml $v.podSecurityContext | nindent 2 }}
terminationGracePeriodSeconds: {{ include "enricher.grace" $root }}
{{- with $v.dnsConfig }}
dnsConfig:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $role.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $role.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $role.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $role.topologySpreadConstraints }}
topologySpreadConstraints:
  {{- range . }}
  {{- toYaml (list (merge (deepCopy .) (dict "labelSelector" (dict "matchLabels" $selector)))) | nindent 2 }}
  {{- end }}
{{- end }}
{{- with $v.extraInitContainers }}
initContainers:
  {{- toYaml . | nindent 2 }}
{{- end }}
containers:
  {{- include "enricher.container" . | nindent 2 }}
  {{- with $v.extraContainers }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
volumes:
  {{- include "enricher.volumes" $root | nindent 2 }}
{{- end -}}

{{- define "enricher.container" -}}
{{- $v := .root.Values -}}
{{- $role := index $v .role -}}
- name: enricher
  image: {{ include "enricher.image" .root | quote }}
  imagePullPolicy: {{ $v.image.pullPolicy }}
  # The name outlives the pod: its successor aborts at once what this one may leave open.
  args: [{{ .command }}, -c, /etc/enricher/enricher.yaml, --instance, $(POD_NAME)]
  env:
    {{- include "enricher.env" .root | nindent 4 }}
  {{- with $v.extraEnvFrom }}
  envFrom:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  ports:
    - {name: ops, containerPort: {{ include "enricher.opsPort" .root }}, protocol: TCP}
  livenessProbe:
    httpGet: {path: /livez, port: ops}
    {{- toYaml $v.livenessProbe | nindent 4 }}
  readinessProbe:
    httpGet: {path: /readyz, port: ops}
    {{- toYaml $v.readinessProbe | nindent 4 }}
  {{- if int64 $v.preStopSleepSeconds }}
  lifecycle:
    preStop:
      sleep: {seconds: {{ $v.preStopSleepSeconds }}}
  {{- end }}
  resources:
    {{- toYaml $role.resources | nindent 4 }}
  securityContext:
    {{- toYaml $v.securityContext | nindent 4 }}
  volumeMounts:
    {{- include "enricher.mounts" .root | nindent 4 }}
{{- end -}}

{{/* MiB written as millions of bytes are 95 % of them. The kubelet fills the limit in, so this follows one that a
LimitRange or an autoscaler has set, and the node's memory where there is none. */}}
{{- define "enricher.env" -}}
- name: POD_NAME
  valueFrom: {fieldRef: {fieldPath: metadata.name}}
{{- if eq .Values.goMemLimit "auto" }}
- name: MEMORY_LIMIT_MIB
  valueFrom: {resourceFieldRef: {containerName: enricher, resource: limits.memory, divisor: 1Mi}}
- name: GOMEMLIMIT
  value: $(MEMORY_LIMIT_MIB)000000
{{- else if ne .Values.goMemLimit "off" }}
- name: GOMEMLIMIT
  value: {{ .Values.goMemLimit | quote }}
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* One volume for configuration and overlays, so that an update swaps them together. */}}
{{- define "enricher.volumes" -}}
- name: config
  projected:
    defaultMode: 0444
    sources:
      - configMap:
          name: {{ include "enricher.fullname" . }}
          items:
            - {key: enricher.yaml, path: enricher.yaml}
      {{- with .Values.overlays }}
      - configMap:
          name: {{ include "enricher.fullname" $ }}-overlays
          items:
            {{- range $name, $_ := . }}
            - {key: {{ $name | quote }}, path: {{ printf "overlays/%s" $name | quote }}}
            {{- end }}
      {{- end }}
{{- range $i, $s := .Values.secretMounts }}
- name: secret-{{ $i }}
  secret:
    secretName: {{ $s.secretName }}
    defaultMode: 0440
    {{- with $s.items }}
    items:
      {{- toYaml . | nindent 6 }}
    {{- end }}
    {{- if $s.optional }}
    optional: true
    {{- end }}
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "enricher.mounts" -}}
- {name: config, mountPath: /etc/enricher, readOnly: true}
{{- range $i, $s := .Values.secretMounts }}
- {name: secret-{{ $i }}, mountPath: {{ $s.mountPath | quote }}, readOnly: true}
{{- end }}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}
