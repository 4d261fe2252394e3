//go:build k8s

package k8s_test

import (
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/callstream/enricher/internal/kafkatest"
)

const partitions = 6

// session is one operator's day: a cluster, brokers, a shell, and all events that were put in so far.
type session struct {
	*transcript
	t       *testing.T
	cluster *cluster
	agent   *agent
	kafka   *kafkatest.Cluster

	mu       sync.Mutex
	produced int // events so far; each is numbered
}

// TestKubernetes is one story, told in docs/kubernetes.md. Its parts build on each other.
func TestKubernetes(t *testing.T) {
	s := newSession(t)
	s.install()
	stop := s.trickle()
	s.look()
	s.upgrade()
	s.badRelease()
	s.refused()
	s.delayRole()
	stop()
	s.scale()
	s.await()
	s.uninstall()
	s.everythingOnce()
	s.demo()
	s.finish()
	s.documented()
}

func newSession(t *testing.T) *session {
	t.Helper()
	program := buildProgram(t)
	s := &session{t: t, kafka: kafkatest.Start(t, kafkatest.Options{}), cluster: startCluster(t)}
	s.agent = newAgent(t, s.cluster, program, s.topicsJob)
	s.cluster.startNodes(t, s.agent.config(t))
	s.agent.run()
	s.transcript = newTranscript(t, s.cluster, program)
	return s
}

func buildProgram(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "enricher")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", program, "./cmd/enricher")
	cmd.Dir = "../.."
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	return program
}

var topicCommand = regexp.MustCompile(`(?m)^\S+/kafka-topics\.sh --bootstrap-server '[^']+' (.*)$`)

// topicsJob runs the script of the topics Job with Kafka's own tool, as its image would.
func (s *session) topicsJob(script string) error {
	all := topicCommand.FindAllStringSubmatch(strings.ReplaceAll(script, "\\\n", ""), -1)
	if len(all) == 0 {
		return fmt.Errorf("no command in %q", script)
	}
	for _, found := range all {
		args := strings.Fields(strings.ReplaceAll(found[1], "'", ""))
		s.kafka.Run(s.t, kafkatest.TopicCommand, "", args...)
	}
	return nil
}

func (s *session) install() {
	s.file("values.yaml", `image:
  repository: registry.example.com/calls/enricher
  tag: v0.1.0
partitions: `+strconv.Itoa(partitions)+`
config:
  kafka:
    brokers: [`+strings.Join(s.kafka.Addrs(), ", ")+`]
  input:
    topics: [calls.raw]
    group: enricher
    start: earliest
  output:
    topic: calls.enriched
  dead_letter:
    topic: calls.dead
filter:
  replicas: 3
topicsJob: # one broker here
  enabled: true
  input: true
  replicationFactor: 1
  config: {min.insync.replicas: "1"}
networkPolicy:
  brokers: {ports: [9092]}
`)
	s.say("Install, and let the chart's own test look:")
	require.Contains(s.t, s.run("helm lint deploy/helm/enricher -f values.yaml"), "0 chart(s) failed")
	out := s.run("helm install enricher deploy/helm/enricher -n calls --create-namespace -f values.yaml --wait --timeout 5m")
	require.Contains(s.t, out, "STATUS: deployed")
	s.produce(2000)
	out = s.run("helm test enricher -n calls --logs")
	require.Contains(s.t, out, "Phase:          Succeeded")
	require.Contains(s.t, out, "calls.raw", "the doctor's report is in the logs")
	s.say("Three pods in three zones:")
	out = s.run("kubectl -n calls get pods -l app.kubernetes.io/component=filter -o custom-columns=POD:.metadata.name,NODE:.spec.nodeName,READY:.status.containerStatuses[0].ready")
	for _, node := range []string{"node-a", "node-b", "node-c"} {
		require.Contains(s.t, out, node, "spread over the zones")
	}
	s.run("kubectl -n calls get statefulset,service,configmap,poddisruptionbudget,networkpolicy,serviceaccount -l app.kubernetes.io/instance=enricher -o name")
}

func (s *session) look() {
	s.say("Look:")
	s.run("kubectl -n calls rollout status statefulset/enricher")
	require.Contains(s.t, s.run("kubectl -n calls logs -l app.kubernetes.io/instance=enricher --prefix --tail 2"), "[pod/enricher-2/enricher]")
	s.forwarded("kubectl -n calls port-forward enricher-0 8080 8081", func() {
		require.Contains(s.t, s.run("curl -s 127.0.0.1:8080/readyz"), `"ok":true`)
		require.Contains(s.t, s.run("curl -s 127.0.0.1:8080/metrics | grep '^enricher_build_info'"), "version=")
		require.Contains(s.t, s.run("curl -s 127.0.0.1:8081/api/status | jq '.roles[] | {role, state, ledger}'"), `"role": "filter"`)
		require.Contains(s.t, s.run(`curl -s 127.0.0.1:8081/api/explain -d '{"Direction":"outbound","HangupCauseCode":"3010"}' | jq .retry`), "retryable")
	})
}

// demo needs no cluster; docs/operations.md has it.
func (s *session) demo() {
	s.say("The demo of [operations.md](operations.md), which needs none of this:")
	s.whileAnswering("enricher demo --for 5m --listen 127.0.0.1:8080", "/", func() {
		require.Contains(s.t, s.run("curl -s 127.0.0.1:8080/api/status | jq -r '.roles[].role'"), "filter")
	})
}

// forwarded works while ports are forwarded.
func (s *session) forwarded(command string, work func()) {
	s.t.Helper()
	s.whileAnswering(command, "/livez", work)
}

// whileAnswering works while a command in the background answers on the port 8080, and ends the command.
func (s *session) whileAnswering(command, path string, work func()) {
	s.t.Helper()
	stop := s.background(command)
	defer stop()
	eventually(s.t, "port 8080", func() bool {
		req, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, "http://127.0.0.1:8080"+path, http.NoBody)
		require.NoError(s.t, err)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return false
		}
		return resp.Body.Close() == nil && resp.StatusCode == http.StatusOK
	})
	work()
}

func (s *session) upgrade() {
	s.say("A change of the configuration replaces the pods one after the other, the last one first:")
	before := s.uids()
	s.run("helm upgrade enricher deploy/helm/enricher -n calls -f values.yaml --set config.limits.commit_interval=200ms --wait --timeout 10m")
	after := s.uids()
	for i := range before {
		require.NotEqual(s.t, before[i], after[i], "pod %d is another one", i)
	}
	// This comes while pod 0 is not available yet, so that the roll-out begins with it.
	s.say("Back to what it was:")
	s.run("helm rollback enricher -n calls --wait")
	s.run("helm history enricher -n calls --max 3 -o json | jq -r '.[] | [.revision, .status, .description] | @tsv'")
	s.say("A Secret has changed, so the pods are to start again:")
	s.run("kubectl -n calls rollout restart statefulset/enricher")
	s.run("kubectl -n calls rollout status statefulset/enricher --timeout 8m")
}

// available waits until all pods have been ready for minReadySeconds. A roll-out begins with those that have not.
func (s *session) available() {
	s.t.Helper()
	const available = "kubectl -n calls get statefulset enricher -o jsonpath={.status.availableReplicas}"
	eventually(s.t, "available pods", func() bool {
		out, err := s.shell(available)
		return err == nil && out == "3"
	})
}

// uids tell one pod from its successor of the same name.
func (s *session) uids() []string {
	out, err := s.shell("kubectl -n calls get pods -l app.kubernetes.io/component=filter --sort-by .metadata.name -o jsonpath='{.items[*].metadata.uid}'")
	require.NoError(s.t, err, out)
	return strings.Fields(out)
}

func (s *session) badRelease() {
	s.say("A release that never gets ready, since its output topic is not there, stops after its first pod. The others go on:")
	s.available()
	before := s.uids()
	out := s.fail("helm upgrade enricher deploy/helm/enricher -n calls -f values.yaml --set topicsJob.enabled=false --set config.output.topic=calls.nowhere --wait --timeout 1m")
	require.Contains(s.t, out, "UPGRADE FAILED")
	s.run("kubectl -n calls get pods -l app.kubernetes.io/component=filter -o custom-columns=POD:.metadata.name,READY:.status.containerStatuses[0].ready")
	require.Equal(s.t, before[:2], s.uids()[:2], "the first two are the old ones")
	const logs = "kubectl -n calls logs enricher-2 --tail 1"
	eventually(s.t, "the reason in the log", func() bool {
		out, err := s.shell(logs)
		return err == nil && strings.Contains(out, "calls.nowhere")
	})
	require.Contains(s.t, s.run(logs), "calls.nowhere")
	s.say("The way back replaces the stuck pod by itself:")
	s.run("helm rollback enricher -n calls --wait --timeout 5m")
	s.run("kubectl -n calls get pods -l app.kubernetes.io/component=filter -o custom-columns=POD:.metadata.name,READY:.status.containerStatuses[0].ready")
}

func (s *session) refused() {
	s.say("What does not fit together is refused before anything changes:")
	out := s.fail("helm upgrade enricher deploy/helm/enricher -n calls -f values.yaml --set config.kafka.clientid=x")
	require.Contains(s.t, out, "additional properties 'clientid' not allowed")
}

func (s *session) delayRole() {
	s.file("retry.yaml", `config:
  retry:
    tiers:
      - {topic: calls.retry.5s, wait: 5s}
      - {topic: calls.retry.2m, wait: 2m}
    due: calls.due
    gave_up: calls.gave-up
delay:
  replicas: 2
`)
	s.say("With a retry loop there is a second StatefulSet, and the topics Job makes its topics:")
	s.run("helm upgrade enricher deploy/helm/enricher -n calls -f values.yaml -f retry.yaml --wait --timeout 10m")
	s.run("kubectl -n calls rollout status statefulset/enricher-delay")
	out := s.kafka.Run(s.t, kafkatest.TopicCommand, "", "--describe", "--topic", "calls.retry.5s")
	require.Contains(s.t, out, "PartitionCount: "+strconv.Itoa(partitions))
	require.Contains(s.t, out, "retention.ms")
	s.run("helm upgrade enricher deploy/helm/enricher -n calls -f values.yaml --wait --timeout 10m")
	out = s.run("kubectl -n calls get statefulset -o name")
	require.NotContains(s.t, out, "delay")
}

func (s *session) uninstall() {
	s.say("Away with it. Pods finish what is in flight after Helm has returned. The namespace and the topics stay, and the pod of `helm test`, for its logs:")
	s.run("helm uninstall enricher -n calls --wait")
	s.run("kubectl -n calls delete pod enricher-test")
	s.eventuallyShell("kubectl -n calls get all,configmap,poddisruptionbudget,networkpolicy,scaledobject -l app.kubernetes.io/instance=enricher",
		"No resources found in calls namespace.")
}

// eventuallyShell waits until a command prints a text.
func (s *session) eventuallyShell(command, want string) {
	s.t.Helper()
	var out string
	done := func() bool {
		out, _ = s.shell(command)
		return strings.TrimSpace(out) == want
	}
	require.Eventually(s.t, done, startTime, time.Second, "waited for %q of: %s", want, command)
	s.show(command, out)
}
