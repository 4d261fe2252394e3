package chart_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestSchemaRefuses: what is wrong in one place is told by the schema, with the place.
func TestSchemaRefuses(t *testing.T) {
	for _, tt := range []struct{ name, values, want string }{
		{"unknown value", `replicaCount: 3`, "additional properties 'replicaCount' not allowed"},
		{"unknown value of a role", `filter: {replica: 3}`, "at '/filter': additional properties 'replica' not allowed"},
		{"unknown key of the configuration", `config: {kafka: {clientid: x}}`, "at '/config/kafka': additional properties 'clientid' not allowed"},
		{"word of the configuration", `config: {delivery: twice}`, "at '/config/delivery': value must be one of 'exactly_once', 'at_least_once'"},
		{"no brokers", `config: {kafka: {brokers: []}}`, "at '/config/kafka/brokers': minItems: got 0, want 1"},
		{"type", `filter: {replicas: two}`, "at '/filter/replicas': got string, want integer"},
		{"negative", `filter: {replicas: -1}`, "at '/filter/replicas': minimum: got -1, want 0"},
		{"two autoscalers", `autoscaling: {type: both}`, "at '/autoscaling/type': value must be one of 'none', 'keda', 'hpa'"},
		{"old shape of autoscaling", `autoscaling: {enabled: true}`, "at '/autoscaling': additional properties 'enabled' not allowed"},
		{"digest", `image: {digest: latest}`, "at '/image/digest': 'latest' does not match pattern"},
		{"pull policy", `image: {pullPolicy: Sometimes}`, "at '/image/pullPolicy': value must be one of 'Always', 'IfNotPresent', 'Never'"},
		{"name too long", `fullnameOverride: a2345678901234567890123456789012345678901234567`, "at '/fullnameOverride': maxLength: got 47, want 46"},
		{"name", `fullnameOverride: Calls`, "at '/fullnameOverride': 'Calls' does not match pattern"},
		{"port", `networkPolicy: {brokers: {ports: [90922]}}`, "at '/networkPolicy/brokers/ports/0': maximum: got 90,922, want 65,535"},
		{"label", `podLabels: {tier: 1}`, "at '/podLabels/tier': got number, want string"},
		{"overlay's name", `overlays: {acme.txt: ""}`, "'acme.txt' does not match pattern"},
		{"memory limit", `goMemLimit: 90%`, "at '/goMemLimit': '90%' does not match pattern"},
		{"quantity", `filter: {resources: {limits: {memory: 256MiB}}}`, "at '/filter/resources/limits/memory'"},
		{"disruption", `filter: {podDisruptionBudget: {maxUnavailable: 0}}`, "at '/filter/podDisruptionBudget/maxUnavailable'"},
		{"probe's question", `livenessProbe: {httpGet: {path: /}}`, "at '/livenessProbe': additional properties 'httpGet' not allowed"},
		{"relative mount", `secretMounts: [{secretName: s, mountPath: secrets}]`, "at '/secretMounts/0/mountPath': 'secrets' does not match pattern"},
		{"mount without Secret", `secretMounts: [{mountPath: /secrets}]`, "at '/secretMounts/0': missing property 'secretName'"},
		{"quote in a topic's setting", `topicsJob: {config: {retention.ms: "1' --x"}}`, "at '/topicsJob/config/retention.ms'"},
		{"interval", `metrics: {serviceMonitor: {interval: 30}}`, "at '/metrics/serviceMonitor/interval': got number, want string"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := render(caseValues(t, "minimal", tt.values))
			require.ErrorContains(t, err, tt.want)
		})
	}
}

// TestNothingIsGuessed: without values the chart says what it wants.
func TestNothingIsGuessed(t *testing.T) {
	_, err := render(map[string]any{})
	require.ErrorContains(t, err, "at '/config': missing properties 'kafka', 'input', 'output'")
}

// TestChecksRefuse: what is wrong between values is told by the templates, with what to do.
func TestChecksRefuse(t *testing.T) {
	for _, tt := range []struct{ name, base, values, want string }{
		{"nowhere to ask", "minimal", `config: {ops: {listen: ""}}`, `config.ops.listen is "": probes and scrapes want an address with a port`},
		{"loopback", "minimal", `config: {ops: {listen: "127.0.0.1:8080"}}`, `config.ops.listen is "127.0.0.1:8080": probes and scrapes come from outside the pod; use ":8080"`},
		{"loopback of IPv6", "minimal", `config: {ops: {listen: "[::1]:8080"}}`, `use ":8080"`},
		{"instance", "minimal", `config: {kafka: {instance: one}}`, "config.kafka.instance: leave it out"},
		{"no filter", "retry", `config: {roles: [delay]}`, "config.roles is without filter"},
		{"delay twice", "retry", `config: {roles: [filter, delay]}`, "config.roles has delay, and delay.enabled runs it apart as well"},
		{"overlay that is not used", "minimal", `overlays: {a.yaml: ""}`, `overlays has "a.yaml", which config.catalog.overlays does not name: add "overlays/a.yaml" to it`},
		{"overlay that is not there", "minimal", `config: {catalog: {overlays: [overlays/a.yaml]}}`, `config.catalog.overlays names "overlays/a.yaml", and overlays has no such file`},
		{"mount over the configuration", "minimal", `secretMounts: [{secretName: s, mountPath: /etc/enricher}]`, "use /run/secrets/s"},
		{"mount in the configuration", "minimal", `secretMounts: [{secretName: s, mountPath: /etc/enricher/s}]`, "lies in the configuration's folder"},
		{"pod's name from outside", "minimal", `extraEnv: [{name: POD_NAME, value: x}]`, "extraEnv has POD_NAME, which is the chart's"},
		{"memory limit twice", "minimal", `extraEnv: [{name: GOMEMLIMIT, value: 1GiB}]`, "extraEnv has GOMEMLIMIT: use goMemLimit"},
		{"partitions not known", "minimal", `autoscaling: {type: keda}`, "set partitions to that of the input topic with most"},
		{"more pods than partitions", "keda", `autoscaling: {maxReplicas: 25}`, "autoscaling.maxReplicas is 25, and 24 partitions keep at most 24 pods busy"},
		{"more pods than partitions, by CPU", "hpa", `autoscaling: {maxReplicas: 9}`, "autoscaling.maxReplicas is 9, and 8 partitions"},
		{"fewest above most", "keda", `autoscaling: {minReplicas: 13}`, "autoscaling.minReplicas is 13, more than the most, 12"},
		{"hpa from nothing", "hpa", `autoscaling: {minReplicas: 0}`, "only type keda can start a first pod"},
		{"hpa of nothing", "hpa", `filter: {resources: {requests: {cpu: null}}}`, "set it"},
		{"keda with variables", "keda", `config: {input: {group: "${GROUP}"}}`, `does not fill in "${GROUP}"`},
		{"keda's topic twice", "keda", `autoscaling: {keda: {metadata: {topic: x}}}`, "autoscaling.keda.metadata has topic"},
		{"too little time", "minimal", `terminationGracePeriodSeconds: 64`, "terminationGracePeriodSeconds is 64: config.limits.shutdown_timeout (30s)"},
		{"too little time after a sleep", "minimal", `{preStopSleepSeconds: 10, terminationGracePeriodSeconds: 74}`, "need 75"},
		{"time not known", "minimal", `config: {limits: {shutdown_timeout: "${STOP}"}}`, "set terminationGracePeriodSeconds"},
		{"port not known", "minimal", `config: {kafka: {brokers: ["${BROKER}"]}}`, "set networkPolicy.brokers.ports"},
		{"topics without partitions", "minimal", `topicsJob: {enabled: true}`, "topicsJob wants a number of partitions"},
		{"topics with variables", "retry", `config: {output: {topic: "${OUT}"}}`, `topicsJob does not fill in "${OUT}": write the topic out`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := render(caseValues(t, tt.base, tt.values))
			require.ErrorContains(t, err, tt.want)
		})
	}
}

// TestChecksTellAll: all mistakes at once.
func TestChecksTellAll(t *testing.T) {
	_, err := render(caseValues(t, "minimal", `{config: {kafka: {instance: one}, ops: {listen: ""}}, terminationGracePeriodSeconds: 1, overlays: {a.yaml: ""}}`))
	for _, want := range []string{"config.kafka.instance", "config.ops.listen", "terminationGracePeriodSeconds", `overlays has "a.yaml"`} {
		require.ErrorContains(t, err, want)
	}
}
