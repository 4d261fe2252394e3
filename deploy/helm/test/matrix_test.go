package chart_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	kedav1 "github.com/kedacore/keda/v2/apis/keda/v1alpha1"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/yaml"
)

// switches are values that can be turned each way by themselves; the matrix has all combinations.
var switches = []struct{ name, on string }{
	{"keda", `{partitions: 12, autoscaling: {type: keda, minReplicas: 0}}`},
	{"overlay", `{config: {catalog: {overlays: [overlays/a.yaml]}}, overlays: {a.yaml: "entries: []\n"}}`},
	{"secrets", `{secretMounts: [{secretName: s, mountPath: /run/secrets/s}], extraEnv: [{name: A, value: b}], extraEnvFrom: [{secretRef: {name: s}}]}`},
	{"operator", `{metrics: {serviceMonitor: {enabled: true}, prometheusRule: {enabled: true}, dashboards: {enabled: true}}}`},
	{"bare", `{networkPolicy: {enabled: false}, serviceAccount: {create: false}, tests: {enabled: false}, restartOnChange: false, goMemLimit: "off", filter: {podDisruptionBudget: {enabled: false}, topologySpreadConstraints: []}}`},
	{"topics", `{partitions: 12, topicsJob: {enabled: true, commandConfigSecret: admin}}`},
	{"labels", `{commonLabels: {team: calls}, podLabels: {tier: gold}, podAnnotations: {a: b}, imagePullSecrets: [{name: r}]}`},
}

// TestMatrix renders every combination of switches over every case, and holds each to what must always be so.
func TestMatrix(t *testing.T) {
	for _, name := range []string{"minimal", "retry"} {
		for bits := range 1 << len(switches) {
			var on, changes []string
			for i, s := range switches {
				if bits&(1<<i) != 0 {
					on, changes = append(on, s.name), append(changes, s.on)
				}
			}
			t.Run(name+"+"+strings.Join(on, "+"), func(t *testing.T) {
				if name == "retry" && slices.Contains(on, "overlay") {
					t.Skip("it has overlays of its own")
				}
				holds(t, objects(t, caseValues(t, name, changes...)))
			})
		}
	}
}

// TestCasesHold holds the cases to the same.
func TestCasesHold(t *testing.T) {
	for _, name := range cases(t) {
		t.Run(name, func(t *testing.T) { holds(t, objects(t, caseValues(t, name))) })
	}
}

// holds checks what must be so with any values.
func holds(t *testing.T, all []object) {
	t.Helper()
	seen := map[string]bool{}
	for _, o := range all {
		id := o.kind + "/" + o.name
		require.False(t, seen[id], "%s is there twice", id)
		seen[id] = true
		if spec := podSpec(o); spec != nil {
			podHolds(t, id, spec)
		}
		switch typed := o.typed.(type) {
		case *appsv1.StatefulSet:
			setHolds(t, all, typed)
		case *corev1.Service:
			require.NotEmpty(t, selected(all, typed.Spec.Selector), "%s selects nothing", id)
		case *policyv1.PodDisruptionBudget:
			require.Len(t, selected(all, typed.Spec.Selector.MatchLabels), 1, "%s is for one role", id)
		case *networkingv1.NetworkPolicy:
			policyHolds(t, all, typed)
		case *kedav1.ScaledObject:
			require.Nil(t, find[*appsv1.StatefulSet](t, all, "StatefulSet", typed.Spec.ScaleTargetRef.Name).Spec.Replicas)
			require.LessOrEqual(t, *typed.Spec.MinReplicaCount, *typed.Spec.MaxReplicaCount)
		case *autoscalingv2.HorizontalPodAutoscaler:
			require.Nil(t, find[*appsv1.StatefulSet](t, all, "StatefulSet", typed.Spec.ScaleTargetRef.Name).Spec.Replicas)
			require.False(t, has(all, "ScaledObject", o.name), "two that scale")
		}
	}
}

// podSpec is the pod in an object, nil if it makes none.
func podSpec(o object) *corev1.PodSpec {
	switch typed := o.typed.(type) {
	case *appsv1.StatefulSet:
		return &typed.Spec.Template.Spec
	case *batchv1.Job:
		return &typed.Spec.Template.Spec
	case *corev1.Pod:
		return &typed.Spec
	default:
		return nil
	}
}

func podLabels(o object) labels.Set {
	switch typed := o.typed.(type) {
	case *appsv1.StatefulSet:
		return typed.Spec.Template.Labels
	case *batchv1.Job:
		return typed.Spec.Template.Labels
	case *corev1.Pod:
		return typed.Labels
	default:
		return nil
	}
}

// selected are the StatefulSets whose pods a selector takes.
func selected(all []object, selector map[string]string) []string {
	var names []string
	for _, o := range all {
		if _, ok := o.typed.(*appsv1.StatefulSet); ok && labels.SelectorFromSet(selector).Matches(podLabels(o)) {
			names = append(names, o.name)
		}
	}
	return names
}

// podHolds: the restricted Pod Security Standard, a root that cannot be written, no token, and mounts that exist.
func podHolds(t *testing.T, id string, spec *corev1.PodSpec) {
	t.Helper()
	require.False(t, *spec.AutomountServiceAccountToken, id)
	require.False(t, *spec.EnableServiceLinks, id)
	require.False(t, spec.HostNetwork || spec.HostPID || spec.HostIPC, id)
	require.True(t, *spec.SecurityContext.RunAsNonRoot, id)
	require.Positive(t, *spec.SecurityContext.RunAsUser, id)
	require.Equal(t, corev1.SeccompProfileTypeRuntimeDefault, spec.SecurityContext.SeccompProfile.Type, id)
	volumes := map[string]bool{}
	for _, v := range spec.Volumes {
		require.Nil(t, v.HostPath, id)
		require.False(t, volumes[v.Name], "%s: volume %s is there twice", id, v.Name)
		volumes[v.Name] = true
	}
	for _, c := range slices.Concat(spec.InitContainers, spec.Containers) {
		what := id + ", container " + c.Name
		require.False(t, *c.SecurityContext.AllowPrivilegeEscalation, what)
		require.True(t, *c.SecurityContext.ReadOnlyRootFilesystem, what)
		require.Equal(t, []corev1.Capability{"ALL"}, c.SecurityContext.Capabilities.Drop, what)
		require.Empty(t, c.SecurityContext.Capabilities.Add, what)
		require.NotEmpty(t, c.Image, what)
		require.Contains(t, c.Resources.Limits, corev1.ResourceMemory, what)
		for _, m := range c.VolumeMounts {
			require.True(t, volumes[m.Name], "%s: no volume %s", what, m.Name)
			require.True(t, m.ReadOnly || m.Name == "tmp", "%s: %s can be written", what, m.Name)
		}
		env := map[string]bool{}
		for _, e := range c.Env {
			require.False(t, env[e.Name], "%s: %s is there twice", what, e.Name)
			env[e.Name] = true
		}
	}
}

// setHolds is what makes a role work.
func setHolds(t *testing.T, all []object, set *appsv1.StatefulSet) {
	t.Helper()
	require.Equal(t, appsv1.ParallelPodManagement, set.Spec.PodManagementPolicy)
	require.NotNil(t, set.Spec.UpdateStrategy.RollingUpdate, "a partition, or a roll-out may delete and make an old pod for ever")
	require.Zero(t, *set.Spec.UpdateStrategy.RollingUpdate.Partition)
	require.Equal(t, []string{set.Name}, selected(all, set.Spec.Selector.MatchLabels), "its selector takes its own pods alone")
	service := find[*corev1.Service](t, all, "Service", set.Spec.ServiceName)
	require.Equal(t, corev1.ClusterIPNone, service.Spec.ClusterIP)
	require.Equal(t, []string{set.Name}, selected(all, service.Spec.Selector))
	require.True(t, service.Spec.PublishNotReadyAddresses)

	spec := set.Spec.Template.Spec
	c := spec.Containers[0]
	command := map[bool]string{false: "run", true: "delay"}[strings.HasSuffix(set.Name, "-delay")]
	require.Equal(t, []string{command, "-c", "/etc/enricher/enricher.yaml", "--instance", "$(POD_NAME)"}, c.Args)
	require.Equal(t, "POD_NAME", c.Env[0].Name)
	require.Equal(t, "metadata.name", c.Env[0].ValueFrom.FieldRef.FieldPath)
	require.Len(t, c.Ports, 1)
	require.Equal(t, "/livez", c.LivenessProbe.HTTPGet.Path)
	require.Equal(t, "/readyz", c.ReadinessProbe.HTTPGet.Path)
	for _, probe := range []*corev1.Probe{c.LivenessProbe, c.ReadinessProbe} {
		require.Equal(t, c.Ports[0].Name, probe.HTTPGet.Port.String())
	}
	require.GreaterOrEqual(t, *spec.TerminationGracePeriodSeconds, int64(65))
	for _, constraint := range spec.TopologySpreadConstraints {
		require.Equal(t, set.Spec.Selector, constraint.LabelSelector)
	}
	if account := spec.ServiceAccountName; account != "default" && has(all, "ServiceAccount", account) {
		require.False(t, *find[*corev1.ServiceAccount](t, all, "ServiceAccount", account).AutomountServiceAccountToken)
	}
	for _, source := range spec.Volumes[0].Projected.Sources {
		data := find[*corev1.ConfigMap](t, all, "ConfigMap", source.ConfigMap.Name).Data
		for _, item := range source.ConfigMap.Items {
			require.Contains(t, data, item.Key)
		}
		require.Len(t, source.ConfigMap.Items, len(data), "every file is mounted")
	}
}

// policyHolds: it is for every pod, and lets out what is named and nothing else.
func policyHolds(t *testing.T, all []object, policy *networkingv1.NetworkPolicy) {
	t.Helper()
	require.ElementsMatch(t, []networkingv1.PolicyType{networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress}, policy.Spec.PolicyTypes)
	selector, err := metav1.LabelSelectorAsSelector(&policy.Spec.PodSelector)
	require.NoError(t, err)
	for _, o := range all {
		if podSpec(o) != nil {
			require.True(t, selector.Matches(podLabels(o)), "%s %s is not covered", o.kind, o.name)
		}
	}
	for i, rule := range policy.Spec.Egress {
		require.NotEmpty(t, rule.Ports, "egress rule %d lets everything out", i)
	}
	for i, rule := range policy.Spec.Ingress {
		require.NotEmpty(t, rule.Ports, "ingress rule %d lets everything in", i)
		require.NotEmpty(t, rule.From, "ingress rule %d lets everybody in", i)
	}
}

// TestPolicyPorts: brokers and DNS by the values, else by the brokers' addresses.
func TestPolicyPorts(t *testing.T) {
	for _, tt := range []struct {
		name, base, values string
		want               []string
	}{
		{"from the brokers", "keda", `{}`, []string{"UDP 53", "TCP 53", "TCP 9092", "TCP 9093"}},
		{"one port, many brokers", "minimal", `{}`, []string{"UDP 53", "TCP 53", "TCP 9092"}},
		{"as given", "minimal", `networkPolicy: {brokers: {ports: [9094]}, dns: {ports: [53, 5353]}}`, []string{"UDP 53", "TCP 53", "UDP 5353", "TCP 5353", "TCP 9094"}},
		{"more", "minimal", `networkPolicy: {extraEgress: [{ports: [{port: 443, protocol: TCP}]}]}`, []string{"UDP 53", "TCP 53", "TCP 9092", "TCP 443"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			policy := find[*networkingv1.NetworkPolicy](t, objects(t, caseValues(t, tt.base, tt.values)), "NetworkPolicy", "demo-enricher")
			var got []string
			for _, rule := range policy.Spec.Egress {
				for _, p := range rule.Ports {
					got = append(got, fmt.Sprintf("%s %s", *p.Protocol, p.Port))
				}
			}
			require.Equal(t, tt.want, got)
		})
	}
}

// TestTopicsJob: what the program writes, with the settings that the loop needs.
func TestTopicsJob(t *testing.T) {
	job := find[*batchv1.Job](t, objects(t, caseValues(t, "retry")), "Job", "demo-enricher-topics")
	script := job.Spec.Template.Spec.Containers[0].Args[0]
	commands := map[string]string{}
	for c := range strings.SplitSeq(strings.TrimSpace(strings.ReplaceAll(script, "\\\n", "")), "\n") {
		words := strings.Fields(c)
		at := slices.Index(words, "--topic")
		require.Positive(t, at, c)
		commands[strings.Trim(words[at+1], "'")] = strings.Join(words, " ")
	}
	require.ElementsMatch(t, []string{
		"calls.raw", "calls.enriched", "calls.dead", "calls.carrier", "calls.due", "calls.gave-up",
		"calls.retry.5s", "calls.retry.1m", "calls.retry.1h", "calls.cancel",
	}, slices.Collect(maps.Keys(commands)))
	for topic, c := range commands {
		require.Contains(t, c, "/opt/kafka/bin/kafka-topics.sh --bootstrap-server 'kafka-0.kafka:9092,kafka-1.kafka:9092' --create --if-not-exists", topic)
		require.Contains(t, c, "--partitions 12 --replication-factor 3", topic)
		require.Contains(t, c, "--config 'min.insync.replicas=2'", topic)
	}
	require.Contains(t, commands["calls.retry.1h"], "--config 'retention.ms=93602000'", "twice the wait, a day, and 2 s of rounding")
	require.Contains(t, commands["calls.due"], "--config 'retention.ms=172801000'", "max_age, a day, and 1 s of rounding")
	require.Contains(t, commands["calls.gave-up"], "--config 'cleanup.policy=delete'")
	require.Contains(t, commands["calls.cancel"], "--config 'cleanup.policy=compact'")
	require.NotContains(t, commands["calls.enriched"], "cleanup.policy")
}

// TestUpdateStrategy: a roll-out always has a partition, also where the values have a strategy of their own.
func TestUpdateStrategy(t *testing.T) {
	for _, tt := range []struct{ name, values, want string }{
		{"as it comes", `{}`, `{type: RollingUpdate, rollingUpdate: {partition: 0}}`},
		{"without a type", `updateStrategy: {type: null}`, `{rollingUpdate: {partition: 0}}`},
		{"staged", `updateStrategy: {rollingUpdate: {partition: 2}}`, `{type: RollingUpdate, rollingUpdate: {partition: 2}}`},
		{"two at once", `updateStrategy: {rollingUpdate: {maxUnavailable: 2}}`, `{type: RollingUpdate, rollingUpdate: {partition: 0, maxUnavailable: 2}}`},
		{"by hand", `updateStrategy: {type: OnDelete}`, `{type: OnDelete}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var want appsv1.StatefulSetUpdateStrategy
			require.NoError(t, yaml.UnmarshalStrict([]byte(tt.want), &want))
			set := find[*appsv1.StatefulSet](t, objects(t, caseValues(t, "minimal", tt.values)), "StatefulSet", "demo-enricher")
			require.Equal(t, want, set.Spec.UpdateStrategy)
		})
	}
}
