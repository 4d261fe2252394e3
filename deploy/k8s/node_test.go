//go:build k8s

package k8s_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"
)

// pod is what the agent reads of a Pod.
type pod struct {
	Metadata struct {
		Name              string            `json:"name"`
		Namespace         string            `json:"namespace"`
		UID               string            `json:"uid"`
		DeletionTimestamp string            `json:"deletionTimestamp"`
		Annotations       map[string]string `json:"annotations"`
	} `json:"metadata"`
	Spec struct {
		NodeName       string      `json:"nodeName"`
		GraceSeconds   int         `json:"terminationGracePeriodSeconds"`
		RestartPolicy  string      `json:"restartPolicy"`
		InitContainers []container `json:"initContainers"`
		Containers     []container `json:"containers"`
		Volumes        []struct {
			Projected struct {
				Sources []struct {
					ConfigMap struct {
						Name  string                       `json:"name"`
						Items []struct{ Key, Path string } `json:"items"`
					} `json:"configMap"`
				} `json:"sources"`
			} `json:"projected"`
		} `json:"volumes"`
	} `json:"spec"`
	Status struct {
		Phase string `json:"phase"`
	} `json:"status"`
}

type container struct {
	Name    string   `json:"name"`
	Image   string   `json:"image"`
	Command []string `json:"command"`
	Args    []string `json:"args"`
	Env     []struct {
		Name      string `json:"name"`
		Value     string `json:"value"`
		ValueFrom *struct {
			FieldRef struct {
				FieldPath string `json:"fieldPath"`
			} `json:"fieldRef"`
			ResourceFieldRef *struct{} `json:"resourceFieldRef"`
		} `json:"valueFrom"`
	} `json:"env"`
}

// ports are those of this machine that stand for 8080 and 8081 of a pod.
type ports struct{ ops, page int }

// agent does on this machine what a kubelet does on a node: it runs the containers of each pod that is bound to a node, and says
// when they are ready, have ended, or are gone.
type agent struct {
	t       *testing.T
	cluster *cluster
	program string // the enricher
	ports   map[string]ports
	topics  func(script string) error // runs the topics Job's script

	mu   sync.Mutex
	pods map[string]*workload // by uid
	gate chan struct{}        // closed: images are there, and pods start at once
}

type workload struct {
	stop context.CancelFunc
	done chan struct{}
}

// ended is true once the processes are gone.
func (w *workload) ended() bool {
	select {
	case <-w.done:
		return true
	default:
		return false
	}
}

// podNames are the names whose logs and ports kwok is told of; it is told once, when it starts.
func podNames() []string {
	names := []string{"enricher-test", "enricher-delay-0", "enricher-delay-1"}
	for i := range 6 {
		names = append(names, "enricher-"+strconv.Itoa(i))
	}
	return names
}

func newAgent(t *testing.T, c *cluster, program string, topics func(string) error) *agent {
	t.Helper()
	a := &agent{t: t, cluster: c, program: program, ports: map[string]ports{}, topics: topics, pods: map[string]*workload{}, gate: make(chan struct{})}
	close(a.gate)
	for _, name := range podNames() {
		a.ports[name] = ports{freePort(t), freePort(t)}
	}
	return a
}

// config is kwok's: what nodes do, and where logs and ports of the pods are.
func (a *agent) config(t *testing.T) string {
	t.Helper()
	stages, err := os.ReadFile("testdata/kwok.yaml")
	require.NoError(t, err)
	var b strings.Builder
	b.Write(stages)
	for name, p := range a.ports {
		fmt.Fprintf(&b, "---\napiVersion: kwok.x-k8s.io/v1alpha1\nkind: Logs\nmetadata: {name: %s, namespace: calls}\nspec: {logs: [{logsFile: %q}]}\n", name, a.log(name))
		fmt.Fprintf(&b, "---\napiVersion: kwok.x-k8s.io/v1alpha1\nkind: PortForward\nmetadata: {name: %s, namespace: calls}\nspec:\n  forwards:\n"+
			"    - {ports: [8080], target: {address: 127.0.0.1, port: %d}}\n    - {ports: [8081], target: {address: 127.0.0.1, port: %d}}\n", name, p.ops, p.page)
	}
	return a.cluster.write(t, "kwok.yaml", b.String())
}

func (a *agent) log(pod string) string { return filepath.Join(a.cluster.dir, "pods", pod+".log") }

// hold keeps new pods from starting, as if their node had to pull the image; what it returns lets them start.
func (a *agent) hold() (release func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	gate := make(chan struct{})
	a.gate = gate
	return sync.OnceFunc(func() { close(gate) })
}

// run looks after the pods until the test ends.
func (a *agent) run() {
	require.NoError(a.t, os.MkdirAll(filepath.Join(a.cluster.dir, "pods"), 0o755))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for tick := time.NewTicker(200 * time.Millisecond); ; {
			select {
			case <-ctx.Done():
				tick.Stop()
				return
			case <-tick.C:
				a.look(ctx)
			}
		}
	}()
	a.t.Cleanup(func() {
		cancel()
		<-done
		for _, w := range a.pods {
			<-w.done
		}
	})
}

// look starts what is new and stops what is to be deleted.
func (a *agent) look(ctx context.Context) {
	var list struct {
		Items []pod `json:"items"`
	}
	if !a.cluster.get(a.t, "/api/v1/pods", &list) {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	there := map[string]bool{}
	for _, p := range list.Items {
		there[p.Metadata.UID] = true
		w := a.pods[p.Metadata.UID]
		switch {
		case p.Spec.NodeName == "":
		case p.Metadata.DeletionTimestamp != "":
			if w == nil || w.ended() {
				a.cluster.remove(a.t, p)
				continue
			}
			w.stop()
		case w == nil && p.Status.Phase == "Running":
			podCtx, stop := context.WithCancel(ctx)
			w = &workload{stop, make(chan struct{})}
			a.pods[p.Metadata.UID] = w
			go a.serve(podCtx, w, p, a.gate)
		}
	}
	for uid, w := range a.pods {
		if !there[uid] { // deleted by force
			w.stop()
		}
	}
}

// serve runs a pod until it ends or is to be deleted.
func (a *agent) serve(ctx context.Context, w *workload, p pod, gate <-chan struct{}) {
	defer close(w.done)
	select {
	case <-gate:
		a.containers(ctx, p)
	case <-ctx.Done():
	}
	<-ctx.Done()
}

func (a *agent) containers(ctx context.Context, p pod) {
	log, err := newLog(a.log(p.Metadata.Name))
	if err != nil {
		a.cluster.annotate(a.t, p, "failed")
		return
	}
	defer log.close()
	for _, c := range p.Spec.InitContainers {
		if err := a.process(ctx, p, c, io.Discard); err != nil {
			_, _ = fmt.Fprintln(log, c.Name, err)
			a.cluster.annotate(a.t, p, "failed")
			return
		}
	}
	for ctx.Err() == nil {
		err := a.process(ctx, p, p.Spec.Containers[0], log)
		switch {
		case p.Spec.RestartPolicy == "Always":
			select { // a kubelet takes ten seconds and then longer ones
			case <-ctx.Done():
			case <-time.After(time.Second):
			}
			continue
		case err == nil:
			a.cluster.annotate(a.t, p, "succeeded")
		default:
			_, _ = fmt.Fprintln(log, err)
			a.cluster.annotate(a.t, p, "failed")
		}
		return
	}
}

// process runs one container to its end. The end of ctx is a SIGTERM, and after the pod's grace a SIGKILL.
func (a *agent) process(ctx context.Context, p pod, c container, log io.Writer) error {
	if len(c.Command) > 0 {
		return a.topics(c.Args[0])
	}
	dir, err := a.mount(p)
	if err != nil {
		return err
	}
	env := environment(p, c)
	var args []string
	for _, arg := range c.Args {
		arg = strings.NewReplacer("/etc/enricher", dir, "$(POD_NAME)", p.Metadata.Name).Replace(arg)
		args = append(args, arg)
	}
	cmd := exec.CommandContext(ctx, a.program, args...)
	cmd.Env, cmd.Stdout, cmd.Stderr = env, log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = time.Duration(p.Spec.GraceSeconds) * time.Second
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start container: %w", err)
	}
	probing, stop := context.WithCancel(ctx)
	var probe sync.WaitGroup
	if p.Spec.RestartPolicy == "Always" {
		probe.Go(func() { a.probe(probing, p) })
	}
	err = cmd.Wait()
	stop()
	probe.Wait()
	return err
}

// probe asks /readyz until it says yes, and tells the node then.
func (a *agent) probe(ctx context.Context, p pod) {
	url := local("http", a.ports[p.Metadata.Name].ops) + "/readyz"
	for tick := time.NewTicker(200 * time.Millisecond); ; {
		select {
		case <-ctx.Done():
			tick.Stop()
			return
		case <-tick.C:
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
		if err != nil {
			return
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			continue
		}
		_ = resp.Body.Close()
		if resp.StatusCode == http.StatusOK {
			a.cluster.annotate(a.t, p, "ready")
			tick.Stop()
			return
		}
	}
}

// mount lays out the pod's configuration. All pods share this machine, so that each gets addresses of its own.
func (a *agent) mount(p pod) (string, error) {
	dir, err := os.MkdirTemp(filepath.Join(a.cluster.dir, "pods"), p.Metadata.Name+"-")
	if err != nil {
		return "", fmt.Errorf("mount: %w", err)
	}
	for _, source := range p.Spec.Volumes[0].Projected.Sources {
		var config struct {
			Data map[string]string `json:"data"`
		}
		if !a.cluster.get(a.t, "/api/v1/namespaces/"+p.Metadata.Namespace+"/configmaps/"+source.ConfigMap.Name, &config) {
			return "", fmt.Errorf("mount: no ConfigMap %s", source.ConfigMap.Name)
		}
		for _, item := range source.ConfigMap.Items {
			text := config.Data[item.Key]
			if item.Path == "enricher.yaml" {
				if text, err = withPorts(text, a.ports[p.Metadata.Name]); err != nil {
					return "", err
				}
			}
			file := filepath.Join(dir, item.Path)
			if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
				return "", fmt.Errorf("mount: %w", err)
			}
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				return "", fmt.Errorf("mount: %w", err)
			}
		}
	}
	return dir, nil
}

func withPorts(text string, p ports) (string, error) {
	var config map[string]any
	if err := yaml.Unmarshal([]byte(text), &config); err != nil {
		return "", fmt.Errorf("read configuration: %w", err)
	}
	ops, _ := config["ops"].(map[string]any)
	ops["listen"], ops["page"] = fmt.Sprintf("127.0.0.1:%d", p.ops), fmt.Sprintf("127.0.0.1:%d", p.page)
	out, err := yaml.Marshal(config)
	if err != nil {
		return "", fmt.Errorf("write configuration: %w", err)
	}
	return string(out), nil
}

// environment is the container's, with what a kubelet fills in; every pod here has the default limit of 256 MiB.
func environment(p pod, c container) []string {
	env := []string{"HOME=/"}
	var known []string
	for _, e := range c.Env {
		value := strings.NewReplacer(known...).Replace(e.Value)
		switch {
		case e.ValueFrom == nil:
		case e.ValueFrom.ResourceFieldRef != nil:
			value = "256"
		case e.ValueFrom.FieldRef.FieldPath == "metadata.name":
			value = p.Metadata.Name
		}
		env = append(env, e.Name+"="+value)
		known = append(known, "$("+e.Name+")", value)
	}
	return env
}
