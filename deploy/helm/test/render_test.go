package chart_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"helm.sh/helm/v4/pkg/chart/v2/lint"
	"helm.sh/helm/v4/pkg/chart/v2/lint/support"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
)

// TestLint is `helm lint --strict`, once for each case.
func TestLint(t *testing.T) {
	for _, name := range cases(t) {
		t.Run(name, func(t *testing.T) {
			for _, m := range lint.RunAll(chartDir, caseValues(t, name), namespace).Messages {
				if m.Severity > support.InfoSev {
					t.Error(m)
				}
			}
		})
	}
}

// TestGolden shows what a change of the chart does to what is installed.
func TestGolden(t *testing.T) {
	for _, name := range cases(t) {
		t.Run(name, func(t *testing.T) {
			var b strings.Builder
			for _, o := range objects(t, caseValues(t, name)) {
				if o.name == "demo-enricher-dashboards" {
					continue // long, and compared with its source elsewhere
				}
				b.WriteString("---\n# " + o.template + "\n" + strings.Trim(o.text, "\n") + "\n")
			}
			golden(t, filepath.Join("testdata", "golden", name+".yaml"), b.String())
		})
	}
}

// TestNotes holds the text that `helm install` prints to the cases.
func TestNotes(t *testing.T) {
	for _, name := range cases(t) {
		t.Run(name, func(t *testing.T) {
			rendered, err := render(caseValues(t, name))
			require.NoError(t, err)
			golden(t, filepath.Join("testdata", "golden", name+".notes.txt"), rendered["enricher/templates/NOTES.txt"])
		})
	}
}

// TestNotesWarn shows what the notes say of values that are allowed and seldom meant.
func TestNotesWarn(t *testing.T) {
	for _, tt := range []struct{ name, values, want string }{
		{"no dead letters", `config: {dead_letter: null}`, "the first malformed event stops the pods"},
		{"too many pods", `{partitions: 1, filter: {replicas: 2}}`, "2 pods share 1 partitions"},
		{"create topics", `config: {kafka: {create_topics: true}}`, "config.kafka.create_topics is on"},
		{"no policy", `networkPolicy: {enabled: false}`, "there is no NetworkPolicy"},
		{"token endpoint", tokenEndpoint, "tokens of https://idp.example/token, and the NetworkPolicy"},
		{"keys of AWS", keysOfAWS, "by aws-msk-iam, and the NetworkPolicy"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			plain, err := render(caseValues(t, "minimal"))
			require.NoError(t, err)
			require.NotContains(t, plain["enricher/templates/NOTES.txt"], tt.want)
			rendered, err := render(caseValues(t, "minimal", tt.values))
			require.NoError(t, err)
			require.Contains(t, rendered["enricher/templates/NOTES.txt"], tt.want)
		})
	}
}

// Logins that ask somebody else than the brokers first.
const (
	tokenEndpoint = `config: {kafka: {tls: {enabled: true}, sasl: {mechanism: oauthbearer, oauth: {token_url: "https://idp.example/token", client_id: calls, client_secret_file: /run/secrets/s}}}}`
	keysOfAWS     = `config: {kafka: {tls: {enabled: true}, sasl: {mechanism: aws-msk-iam}}}`
)

// TestNotesAreQuietAboutLogins that the policy lets through.
func TestNotesAreQuietAboutLogins(t *testing.T) {
	const tokenFile = `config: {kafka: {tls: {enabled: true}, sasl: {mechanism: oauthbearer, token_file: /run/secrets/token}}}`
	for _, tt := range []struct{ name, login, policy string }{
		{"no policy, token endpoint", tokenEndpoint, `networkPolicy: {enabled: false}`},
		{"no policy, keys of AWS", keysOfAWS, `networkPolicy: {enabled: false}`},
		{"allowed, token endpoint", tokenEndpoint, `networkPolicy: {extraEgress: [{ports: [{port: 443}]}]}`},
		{"allowed, keys of AWS", keysOfAWS, `networkPolicy: {extraEgress: [{ports: [{port: 443}]}]}`},
		{"token in a file", tokenFile, `{}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			rendered, err := render(caseValues(t, "minimal", tt.login, tt.policy))
			require.NoError(t, err)
			require.NotContains(t, rendered["enricher/templates/NOTES.txt"], "extraEgress")
		})
	}
}

// TestPodsFollowTheConfiguration: a changed configuration replaces pods, and nothing else does.
func TestPodsFollowTheConfiguration(t *testing.T) {
	template := func(changes ...string) corev1.PodTemplateSpec {
		return find[*appsv1.StatefulSet](t, objects(t, caseValues(t, "retry", changes...)), "StatefulSet", "demo-enricher").Spec.Template
	}
	before := template()
	require.NotEmpty(t, before.Annotations["checksum/config"])
	require.Equal(t, before, template(`{filter: {replicas: 5}, metrics: {serviceMonitor: {enabled: true}}}`))
	require.NotContains(t, before.Labels, "helm.sh/chart", "a new chart would replace pods")
	require.NotEqual(t, before, template(`config: {log: {level: debug}}`), "the configuration has changed")
	require.NotEqual(t, before, template(`overlays: {acme.yaml: "entries: []\n"}`), "an overlay has changed")

	live := `restartOnChange: false`
	require.Equal(t, template(live), template(live, `config: {log: {level: debug}}`))
}

// TestGrace: a pod has the time that the program takes at most to stop.
func TestGrace(t *testing.T) {
	for _, tt := range []struct {
		name, values string
		want         int64
	}{
		{"default", `{}`, 30 + 30 + 5},
		{"minutes", `config: {limits: {shutdown_timeout: 1m30s}}`, 90 + 30 + 5},
		{"below a second", `config: {limits: {shutdown_timeout: 1500ms}}`, 1 + 30 + 5},
		{"sleep before", `preStopSleepSeconds: 10`, 30 + 30 + 5 + 10},
		{"given", `terminationGracePeriodSeconds: 300`, 300},
		{"just enough", `terminationGracePeriodSeconds: 65`, 65},
		{"from outside", `{terminationGracePeriodSeconds: 40, config: {limits: {shutdown_timeout: "${STOP}"}}}`, 40},
	} {
		t.Run(tt.name, func(t *testing.T) {
			set := find[*appsv1.StatefulSet](t, objects(t, caseValues(t, "minimal", tt.values)), "StatefulSet", "demo-enricher")
			require.Equal(t, tt.want, *set.Spec.Template.Spec.TerminationGracePeriodSeconds)
		})
	}
}

// TestNames: what Kubernetes derives from a name has to fit as well.
func TestNames(t *testing.T) {
	for _, tt := range []struct{ name, values, want string }{
		{"release and chart", `{}`, "demo-enricher"},
		{"chart renamed", `nameOverride: filter`, "demo-filter"},
		{"release has the name", `nameOverride: demo`, "demo"},
		{"as given", `fullnameOverride: calls`, "calls"},
		{"long", `nameOverride: a234567890123456789012345678901234567890123456`, "demo-a2345678901234567890123456789012345678901"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			all := objects(t, caseValues(t, "retry", tt.values))
			require.True(t, has(all, "StatefulSet", tt.want))
			require.True(t, has(all, "StatefulSet", tt.want+"-delay"))
			for _, o := range all {
				require.LessOrEqual(t, len(o.name), 63)
			}
			require.LessOrEqual(t, len(tt.want+"-delay-")+10, 63, "a pod's label controller-revision-hash")
		})
	}
}
