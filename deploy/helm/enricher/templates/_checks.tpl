{{/* What the schema cannot say, since it lies between values. All mistakes are reported at once. */}}
{{- define "enricher.checks" -}}
{{- $wrong := concat
      (include "enricher.checkConfig" . | fromJsonArray)
      (include "enricher.checkFiles" . | fromJsonArray)
      (include "enricher.checkScale" . | fromJsonArray)
      (include "enricher.checkStop" . | fromJsonArray)
      (include "enricher.checkOutside" . | fromJsonArray) -}}
{{- if $wrong -}}
{{- fail (printf "\n\nThe values do not fit together:\n  - %s\n" (join "\n  - " $wrong)) -}}
{{- end -}}
{{- end -}}

{{- define "enricher.checkConfig" -}}
{{- $wrong := list -}}
{{- $c := .Values.config -}}
{{- $listen := toString (($c.ops | default dict).listen | default "") -}}
{{- if not (include "enricher.opsPort" .) -}}
{{- $wrong = append $wrong (printf "config.ops.listen is %q: probes and scrapes want an address with a port, such as \":8080\"" $listen) -}}
{{- else if regexMatch "^(127\\.|localhost:|\\[::1\\])" $listen -}}
{{- $wrong = append $wrong (printf "config.ops.listen is %q: probes and scrapes come from outside the pod; use \":%s\"" $listen (include "enricher.opsPort" .)) -}}
{{- end -}}
{{- if ($c.kafka | default dict).instance -}}
{{- $wrong = append $wrong "config.kafka.instance: leave it out; each pod takes its own name, and two pods of one name would fence each other" -}}
{{- end -}}
{{- $roles := $c.roles | default (list "filter") -}}
{{- if not (has "filter" $roles) -}}
{{- $wrong = append $wrong "config.roles is without filter: leave roles out; the delay role has pods of its own" -}}
{{- else if and (has "delay" $roles) (include "enricher.delayOn" .) -}}
{{- $wrong = append $wrong "config.roles has delay, and delay.enabled runs it apart as well: leave roles out, or set delay.enabled to false" -}}
{{- end -}}
{{- toJson $wrong -}}
{{- end -}}

{{- define "enricher.checkFiles" -}}
{{- $wrong := list -}}
{{- $named := list -}}
{{- range (.Values.config.catalog | default dict).overlays -}}
{{- $named = append $named (trimPrefix "/etc/enricher/" .) -}}
{{- end -}}
{{- range $name, $_ := .Values.overlays -}}
{{- if not (has (printf "overlays/%s" $name) $named) -}}
{{- $wrong = append $wrong (printf "overlays has %q, which config.catalog.overlays does not name: add \"overlays/%s\" to it" $name $name) -}}
{{- end -}}
{{- end -}}
{{- range $named -}}
{{- if and (hasPrefix "overlays/" .) (not (hasKey ($.Values.overlays | default dict) (trimPrefix "overlays/" .))) -}}
{{- $wrong = append $wrong (printf "config.catalog.overlays names %q, and overlays has no such file" .) -}}
{{- end -}}
{{- end -}}
{{- range .Values.secretMounts -}}
{{- if hasPrefix "/etc/enricher/" (printf "%s/" .mountPath) -}}
{{- $wrong = append $wrong (printf "secretMounts: %s lies in the configuration's folder, which is a volume already: use /run/secrets/%s" .mountPath .secretName) -}}
{{- end -}}
{{- end -}}
{{- range .Values.extraEnv -}}
{{- if has .name (list "POD_NAME" "MEMORY_LIMIT_MIB") -}}
{{- $wrong = append $wrong (printf "extraEnv has %s, which is the chart's" .name) -}}
{{- else if and (eq .name "GOMEMLIMIT") (ne $.Values.goMemLimit "off") -}}
{{- $wrong = append $wrong "extraEnv has GOMEMLIMIT: use goMemLimit" -}}
{{- end -}}
{{- end -}}
{{- toJson $wrong -}}
{{- end -}}

{{- define "enricher.checkScale" -}}
{{- $wrong := list -}}
{{- $a := .Values.autoscaling -}}
{{- if ne $a.type "none" -}}
{{- $partitions := int64 .Values.partitions -}}
{{- $most := int64 (include "enricher.maxReplicas" .) -}}
{{- if not $partitions -}}
{{- $wrong = append $wrong "autoscaling wants to know how many pods can work: set partitions to that of the input topic with most" -}}
{{- else if gt $most $partitions -}}
{{- $wrong = append $wrong (printf "autoscaling.maxReplicas is %d, and %d partitions keep at most %d pods busy" $most $partitions $partitions) -}}
{{- else if gt (int64 $a.minReplicas) $most -}}
{{- $wrong = append $wrong (printf "autoscaling.minReplicas is %d, more than the most, %d" (int64 $a.minReplicas) $most) -}}
{{- end -}}
{{- end -}}
{{- if eq $a.type "hpa" -}}
{{- if eq (int64 $a.minReplicas) 0 -}}
{{- $wrong = append $wrong "autoscaling.minReplicas is 0: only type keda can start a first pod" -}}
{{- end -}}
{{- if and (not $a.hpa.metrics) (not (.Values.filter.resources.requests | default dict).cpu) -}}
{{- $wrong = append $wrong "autoscaling.type is hpa, which compares with filter.resources.requests.cpu: set it" -}}
{{- end -}}
{{- end -}}
{{- if eq $a.type "keda" -}}
{{- $outside := concat ((.Values.config.kafka | default dict).brokers | default list) (.Values.config.input.topics | default list) (list .Values.config.input.group) -}}
{{- range $outside -}}
{{- if contains "${" (toString .) -}}
{{- $wrong = append $wrong (printf "autoscaling.type is keda, which does not fill in %q: write brokers, topics and group out" .) -}}
{{- end -}}
{{- end -}}
{{- range $key, $_ := $a.keda.metadata -}}
{{- if has $key (list "bootstrapServers" "consumerGroup" "topic" "lagThreshold" "activationLagThreshold" "offsetResetPolicy") -}}
{{- $wrong = append $wrong (printf "autoscaling.keda.metadata has %s, which comes from config or from autoscaling.keda" $key) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toJson $wrong -}}
{{- end -}}

{{- define "enricher.checkStop" -}}
{{- $wrong := list -}}
{{- $shutdown := toString ((.Values.config.limits | default dict).shutdown_timeout | default "30s") -}}
{{- $given := .Values.terminationGracePeriodSeconds -}}
{{- if contains "${" $shutdown -}}
{{- if kindIs "invalid" $given -}}
{{- $wrong = append $wrong (printf "config.limits.shutdown_timeout is %q: set terminationGracePeriodSeconds to what it becomes and 35 s more" $shutdown) -}}
{{- end -}}
{{- else if not (kindIs "invalid" $given) -}}
{{- $least := int64 (include "enricher.leastGrace" .) -}}
{{- if lt (int64 $given) $least -}}
{{- $wrong = append $wrong (printf "terminationGracePeriodSeconds is %d: config.limits.shutdown_timeout (%s), the abort of a transaction (30 s), preStopSleepSeconds and 5 s need %d" (int64 $given) $shutdown $least) -}}
{{- end -}}
{{- end -}}
{{- toJson $wrong -}}
{{- end -}}

{{- define "enricher.checkOutside" -}}
{{- $wrong := list -}}
{{- if and .Values.networkPolicy.enabled (not .Values.networkPolicy.brokers.ports) -}}
{{- range (.Values.config.kafka | default dict).brokers -}}
{{- if not (regexMatch ":[0-9]+$" .) -}}
{{- $wrong = append $wrong (printf "config.kafka.brokers has %q, whose port cannot be read: set networkPolicy.brokers.ports" .) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if .Values.topicsJob.enabled -}}
{{- if eq (include "enricher.newPartitions" .) "0" -}}
{{- $wrong = append $wrong "topicsJob wants a number of partitions: set partitions" -}}
{{- end -}}
{{- range (include "enricher.topics" . | fromJsonArray) -}}
{{- if contains "${" .name -}}
{{- $wrong = append $wrong (printf "topicsJob does not fill in %q: write the topic out" .name) -}}
{{- end -}}
{{- end -}}
{{- range (.Values.config.kafka | default dict).brokers -}}
{{- if contains "${" . -}}
{{- $wrong = append $wrong (printf "topicsJob does not fill in %q: write the broker out" .) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toJson $wrong -}}
{{- end -}}
