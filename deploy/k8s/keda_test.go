//go:build k8s

package k8s_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"
)

// defineKEDA installs KEDA's definitions.
func defineKEDA(t *testing.T, c *cluster) {
	t.Helper()
	definitions, err := filepath.Glob(filepath.Join(os.Getenv("ENRICHER_KEDA_CRDS"), "*.yaml"))
	require.NoError(t, err)
	require.NotEmpty(t, definitions, "KEDA's CRDs: start this by `make test-k8s`")
	for _, file := range definitions {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		object, err := yaml.YAMLToJSON(text)
		require.NoError(t, err)
		c.create(t, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", string(object))
	}
	c.await(t, "KEDA's definitions", "/apis/keda.sh/v1alpha1", "scaledobjects", "triggerauthentications")
}

// startKEDA starts KEDA's operator and its metrics server beside the cluster, which finds the latter by the name localhost.
func startKEDA(t *testing.T, c *cluster) {
	t.Helper()
	certs := filepath.Join(c.dir, "keda")
	cert := c.authority.Issue(t, "keda", "localhost", "127.0.0.1", "keda-operator.keda.svc")
	for name, from := range map[string]string{"tls.crt": cert.File, "tls.key": cert.KeyFile, "ca.crt": c.authority.File} {
		text, err := os.ReadFile(from)
		require.NoError(t, err)
		c.write(t, filepath.Join("keda", name), string(text))
	}
	grpc, api := freePort(t), freePort(t)
	c.create(t, "/api/v1/namespaces", `{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"keda"}}`)
	c.start(t, "keda-operator", "--metrics-bind-address", "127.0.0.1:0", "--health-probe-bind-address", "127.0.0.1:0",
		"--metrics-service-bind-address", "127.0.0.1:"+strconv.Itoa(grpc), "--cert-dir", certs, "--enable-cert-rotation=false",
		"--enable-webhook-patching=false", "--enable-apiservice-patching=false")
	c.start(t, "keda-adapter", "--secure-port", strconv.Itoa(api), "--bind-address", "127.0.0.1", "--port", strconv.Itoa(freePort(t)),
		"--client-ca-file", c.authority.File, "--tls-cert-file", filepath.Join(certs, "tls.crt"), "--tls-private-key-file", filepath.Join(certs, "tls.key"),
		"--cert-dir", certs, "--metrics-service-address", "127.0.0.1:"+strconv.Itoa(grpc),
		"--lister-kubeconfig", c.kubeconfig, "--authentication-kubeconfig", c.kubeconfig, "--authorization-kubeconfig", c.kubeconfig)
	c.create(t, "/api/v1/namespaces/keda/services", `{"apiVersion":"v1","kind":"Service","metadata":{"name":"keda-metrics-apiserver"},
		"spec":{"type":"ExternalName","externalName":"localhost","ports":[{"port":`+strconv.Itoa(api)+`}]}}`)
	service, err := json.Marshal(map[string]any{
		"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", "metadata": map[string]any{"name": "v1beta1.external.metrics.k8s.io"},
		"spec": map[string]any{
			"group": "external.metrics.k8s.io", "version": "v1beta1", "groupPriorityMinimum": 100, "versionPriority": 100,
			"service": map[string]any{"namespace": "keda", "name": "keda-metrics-apiserver", "port": api}, "insecureSkipTLSVerify": true,
		},
	})
	require.NoError(t, err)
	c.create(t, "/apis/apiregistration.k8s.io/v1/apiservices", string(service))
	c.await(t, "KEDA's metrics server", "/apis/external.metrics.k8s.io/v1beta1", "external.metrics.k8s.io/v1beta1")
}

// replicas is what the StatefulSet is asked for and has.
const replicas = "kubectl -n calls get statefulset enricher -o jsonpath='{.spec.replicas} wanted, {.status.replicas} there{\"\\n\"}'"

// scale goes from no pod to as many as there are partitions and back to none, by the lag of the real group. While pods wait for
// their image the lag stays, so that the number of pods is what the lag asks for and no matter of luck.
func (s *session) scale() {
	defineKEDA(s.t, s.cluster)
	startKEDA(s.t, s.cluster)
	s.file("keda.yaml", `autoscaling:
  type: keda
  minReplicas: 0
  behavior: # far quicker than the default, so that the end is seen
    scaleDown:
      stabilizationWindowSeconds: 5
      policies: [{type: Percent, value: 100, periodSeconds: 5}]
  keda:
    lagThreshold: 5000
    pollingInterval: 3
    cooldownPeriod: 10
`)
	s.say("Scaled on lag by KEDA. There is none, so the last pod ends:")
	s.run("helm upgrade enricher deploy/helm/enricher -n calls -f values.yaml -f keda.yaml --wait --timeout 5m")
	s.run("kubectl -n calls wait scaledobject/enricher --for condition=Ready --timeout 2m")
	s.eventuallyShell(replicas, "0 wanted, 0 there")

	release := s.agent.hold()
	defer release()
	const events = 100_000
	s.produce(events)
	s.say("%d records come in. One pod starts for the first of them, and KEDA's metric, lag divided by `lagThreshold`, makes it as many as there "+
		"are partitions (the pods wait for their image here, so the lag stays):", events)
	s.eventuallyShell(replicas, strconv.Itoa(partitions)+" wanted, "+strconv.Itoa(partitions)+" there")
	s.run("kubectl -n calls get hpa keda-hpa-enricher -o jsonpath='{.spec.metrics[0].external.target.averageValue} records a pod, at most {.spec.maxReplicas} pods{\"\\n\"}'")
	s.say("The image is there, the pods start, the lag goes, and so do they:")
	release()
	s.run("kubectl -n calls rollout status statefulset/enricher --timeout 5m")
	s.eventuallyShell(replicas, "0 wanted, 0 there")
}
