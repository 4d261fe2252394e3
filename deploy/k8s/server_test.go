//go:build k8s

package k8s_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestServerAccepts installs each of the chart's cases on an API server alone, changes it, goes back and removes it. That asks for
// more than types do: defaults, ranges, names, immutable fields, the rules of KEDA's definitions, the Pod Security Standard.
func TestServerAccepts(t *testing.T) {
	c := startServer(t)
	defineKEDA(t, c)
	tr := newTranscript(t, c, "enricher")
	cases, err := filepath.Glob("../helm/enricher/ci/*-values.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, cases)
	for _, file := range cases {
		name := strings.TrimSuffix(filepath.Base(file), "-values.yaml")
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(filepath.Join(tr.dir, name+".yaml"), text, 0o600))
			// The definitions of the Prometheus operator are in no Go module. Hooks wait for somebody who acts.
			values := " -f " + name + ".yaml --set metrics.serviceMonitor.enabled=false,metrics.prometheusRule.enabled=false"
			chart := name + " deploy/helm/enricher -n " + name + values
			for _, command := range []string{
				"kubectl create namespace " + name,
				"helm template " + chart + " --skip-tests | kubectl apply --server-side --dry-run=server --validate=strict -n " + name + " -f -",
				"helm install " + chart + " --no-hooks",
				"helm upgrade " + chart + " --no-hooks --set config.log.level=debug,filter.replicas=4",
				"helm rollback " + name + " -n " + name + " --no-hooks",
				"helm uninstall " + name + " -n " + name + " --no-hooks",
			} {
				out, err := tr.shell(command)
				require.NoError(t, err, "$ %s\n%s", command, out)
				require.NotContains(t, out, "Warning:", "$ %s", command)
				t.Logf("$ %s\n%s", command, out)
			}
			out, err := tr.shell("kubectl get all,configmap,poddisruptionbudget,networkpolicy,serviceaccount,scaledobject -o name -l app.kubernetes.io/managed-by=Helm -n " + name)
			require.NoError(t, err, out)
			require.NotContains(t, out, "/", "something is left")
		})
	}
	t.Run("what the standard forbids is noticed", func(t *testing.T) {
		out, err := tr.shell("helm template x deploy/helm/enricher -f minimal.yaml --set securityContext.allowPrivilegeEscalation=true --skip-tests" +
			" | kubectl apply --server-side --dry-run=server -n minimal -f -")
		require.NoError(t, err, out)
		require.Contains(t, out, `Warning: would violate PodSecurity "restricted:latest": allowPrivilegeEscalation != false`)
	})
}
