//go:build k8s

package k8s_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/callstream/enricher/internal/kafkatest"
)

const (
	adminToken = "admin-of-a-test"
	startTime  = 5 * time.Minute // on a busy machine; 20 s on an idle one
)

// cluster is a control plane: its processes end with the test.
type cluster struct {
	dir        string // what it writes: data, logs, certificates
	bin        string // where the programs are
	kubeconfig string
	accounts   string // the key that signs ServiceAccounts' tokens
	url        string
	client     *http.Client
	authority  *kafkatest.Authority
	node       struct {
		port int
		cert kafkatest.Certificate
	}
}

// binaries is the directory that `make k8s-build` fills.
func binaries(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("ENRICHER_K8S_BIN")
	require.NotEmpty(t, dir, "start this by `make test-k8s`, which builds the programs and says where they are")
	return dir
}

// startCluster starts a control plane, and waits until it works.
func startCluster(t *testing.T) *cluster {
	t.Helper()
	c := startServer(t)
	c.start(t, "kube-controller-manager", "--kubeconfig", c.kubeconfig, "--leader-elect=false", "--secure-port", "0",
		"--service-account-private-key-file", c.accounts, "--root-ca-file", c.authority.File, "--horizontal-pod-autoscaler-sync-period", "3s")
	c.start(t, "kube-scheduler", "--kubeconfig", c.kubeconfig, "--leader-elect=false", "--secure-port", "0")
	c.await(t, "default ServiceAccount", "/api/v1/namespaces/default/serviceaccounts/default")
	return c
}

// startServer starts etcd and an API server: it checks and keeps objects, and nobody acts on them.
func startServer(t *testing.T) *cluster {
	t.Helper()
	c := &cluster{dir: t.TempDir(), bin: binaries(t), authority: kafkatest.NewAuthority(t, "kubernetes")}
	server := c.authority.Issue(t, "kube-apiserver", "127.0.0.1", "localhost", "kubernetes.default.svc")
	frontProxy := c.authority.Issue(t, "front-proxy")
	c.node.port, c.node.cert = freePort(t), c.authority.Issue(t, "node", "127.0.0.1")
	port, etcd, peer := freePort(t), freePort(t), freePort(t)
	c.url = local("https", port)
	c.client = c.newClient(t)
	c.kubeconfig = c.write(t, "kubeconfig", c.kubeconfigText())
	tokens := c.write(t, "tokens.csv", adminToken+`,admin,admin,"system:masters"`+"\n")
	c.accounts = c.accountKey(t)

	c.start(t, "etcd", "--data-dir", filepath.Join(c.dir, "etcd"), "--unsafe-no-fsync", "--log-level", "warn",
		"--listen-client-urls", local("http", etcd), "--advertise-client-urls", local("http", etcd),
		"--listen-peer-urls", local("http", peer), "--initial-advertise-peer-urls", local("http", peer), "--initial-cluster", "default="+local("http", peer))
	c.start(t, "kube-apiserver", "--etcd-servers", local("http", etcd),
		"--bind-address", "127.0.0.1", "--advertise-address", "127.0.0.1", "--endpoint-reconciler-type", "none", "--secure-port", strconv.Itoa(port),
		"--tls-cert-file", server.File, "--tls-private-key-file", server.KeyFile, "--client-ca-file", c.authority.File,
		"--service-account-issuer", c.url, "--service-account-signing-key-file", c.accounts, "--service-account-key-file", c.accounts,
		"--authorization-mode", "RBAC", "--token-auth-file", tokens, "--service-cluster-ip-range", "10.0.0.0/24",
		"--admission-control-config-file", c.write(t, "admission.yaml", restricted(c.write(t, "security.yaml", podSecurity))),
		"--requestheader-client-ca-file", c.authority.File, "--requestheader-allowed-names", "front-proxy",
		"--requestheader-username-headers", "X-Remote-User", "--requestheader-group-headers", "X-Remote-Group",
		"--requestheader-extra-headers-prefix", "X-Remote-Extra-",
		"--proxy-client-cert-file", frontProxy.File, "--proxy-client-key-file", frontProxy.KeyFile)
	c.await(t, "API server", "/readyz")
	return c
}

// start runs one of the programs until the test ends.
func (c *cluster) start(t *testing.T, name string, args ...string) {
	t.Helper()
	logFile := filepath.Join(c.dir, name+".log")
	cmd := exec.CommandContext(context.Background(), filepath.Join(c.bin, name), args...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+c.kubeconfig, "POD_NAMESPACE=keda", "WATCH_NAMESPACE=", "KEDA_CLUSTER_OBJECT_NAMESPACE=keda")
	process, err := kafkatest.StartProcess(cmd, logFile)
	require.NoError(t, err)
	t.Cleanup(func() {
		if t.Failed() {
			text, _ := os.ReadFile(logFile)
			t.Logf("%s said at last:\n%s", name, text[max(0, len(text)-4096):])
		}
		_ = process.Kill() // there is nothing that it would have to put in order
	})
}

// startNodes starts kwok with three nodes in as many zones.
func (c *cluster) startNodes(t *testing.T, config string) {
	t.Helper()
	c.start(t, "kwok", "--kubeconfig", c.kubeconfig, "--config", config, "--manage-all-nodes", "--node-ip", "127.0.0.1",
		"--node-port", strconv.Itoa(c.node.port), "--server-address", fmt.Sprintf("127.0.0.1:%d", c.node.port),
		"--tls-cert-file", c.node.cert.File, "--tls-private-key-file", c.node.cert.KeyFile, "--node-lease-duration-seconds", "40")
	for _, zone := range []string{"a", "b", "c"} {
		c.create(t, "/api/v1/nodes", `{"apiVersion":"v1","kind":"Node","metadata":{"name":"node-`+zone+`","labels":{
			"kubernetes.io/hostname":"node-`+zone+`","topology.kubernetes.io/zone":"`+zone+`"}}}`)
	}
	c.await(t, "nodes", "/api/v1/nodes", `"type":"Ready","status":"True"`)
}

// await asks until the answer is 200 and has all the texts.
func (c *cluster) await(t *testing.T, what, path string, texts ...string) {
	t.Helper()
	var answer []byte
	eventually(t, what, func() bool {
		var status int
		status, answer = c.call(t, http.MethodGet, path, "", "")
		for _, text := range texts {
			if !bytes.Contains(answer, []byte(text)) {
				return false
			}
		}
		return status == http.StatusOK
	})
}

func (c *cluster) create(t *testing.T, path, object string) {
	t.Helper()
	status, answer := c.call(t, http.MethodPost, path, "application/json", object)
	require.Equal(t, http.StatusCreated, status, "%s", answer)
}

// get reads a list or an object.
func (c *cluster) get(t *testing.T, path string, into any) bool {
	t.Helper()
	status, answer := c.call(t, http.MethodGet, path, "", "")
	return status == http.StatusOK && json.Unmarshal(answer, into) == nil
}

// annotate says how the processes of a pod fare. The pod may be gone by then.
func (c *cluster) annotate(t *testing.T, p pod, process string) {
	t.Helper()
	path := "/api/v1/namespaces/" + p.Metadata.Namespace + "/pods/" + p.Metadata.Name
	patch := `{"metadata":{"uid":"` + p.Metadata.UID + `","annotations":{"process":"` + process + `"}}}`
	c.call(t, http.MethodPatch, path, "application/merge-patch+json", patch)
}

// remove says that the processes of a pod have ended, as a kubelet does. The pod is named by its uid as well: its name may have
// passed to a successor, which has to stay. (A stage of kwok's that deletes knows the name alone.)
func (c *cluster) remove(t *testing.T, p pod) {
	t.Helper()
	path := "/api/v1/namespaces/" + p.Metadata.Namespace + "/pods/" + p.Metadata.Name
	options := `{"apiVersion":"v1","kind":"DeleteOptions","gracePeriodSeconds":0,"preconditions":{"uid":"` + p.Metadata.UID + `"}}`
	c.call(t, http.MethodDelete, path, "application/json", options)
}

func (c *cluster) call(t *testing.T, method, path, kind, body string) (int, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), method, c.url+path, strings.NewReader(body))
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+adminToken)
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	resp, err := c.client.Do(req)
	if err != nil {
		return 0, nil
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, nil
	}
	return resp.StatusCode, answer
}

func (c *cluster) newClient(t *testing.T) *http.Client {
	t.Helper()
	pool := x509.NewCertPool()
	text, err := os.ReadFile(c.authority.File)
	require.NoError(t, err)
	require.True(t, pool.AppendCertsFromPEM(text))
	return &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS13}}}
}

// accountKey signs the tokens of ServiceAccounts.
func (c *cluster) accountKey(t *testing.T) string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	return c.write(t, "accounts.key", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})))
}

func (c *cluster) write(t *testing.T, name, text string) string {
	t.Helper()
	file := filepath.Join(c.dir, name)
	require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	return file
}

func (c *cluster) kubeconfigText() string {
	return `apiVersion: v1
kind: Config
clusters: [{name: test, cluster: {server: "` + c.url + `", certificate-authority: "` + c.authority.File + `"}}]
users: [{name: admin, user: {token: ` + adminToken + `}}]
contexts: [{name: test, context: {cluster: test, user: admin}}]
current-context: test
`
}

// podSecurity refuses every pod that the restricted standard does not allow, and warns of whatever would make one.
const podSecurity = `apiVersion: pod-security.admission.config.k8s.io/v1
kind: PodSecurityConfiguration
defaults: {enforce: restricted, enforce-version: latest, warn: restricted, warn-version: latest}
`

func restricted(file string) string {
	return `apiVersion: apiserver.config.k8s.io/v1
kind: AdmissionConfiguration
plugins: [{name: PodSecurity, path: "` + file + `"}]
`
}

func local(scheme string, port int) string { return fmt.Sprintf("%s://127.0.0.1:%d", scheme, port) }

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port
}

func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	require.Eventually(t, done, startTime, 200*time.Millisecond, "waited for: %s", what)
}
