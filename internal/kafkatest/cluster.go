package kafkatest

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Options describe a cluster. The zero value is one node with the settings that tests
// want: topics are not created by themselves, groups do not wait for members.
type Options struct {
	Nodes      int               // combined broker and controller nodes: 1 (also for 0) or 3
	Properties map[string]string // added to each node's server.properties, or replacing its lines
	HeapMB     int               // Java heap of a node, or of a tool; 0 is 512
	Roles      bool              // the nodes look at rights, and have a listener for those who log in as a role
	Proxied    bool              // those reach each node through a Proxy
	Listeners  []Listener        // besides the plain one and that of the roles
}

// Listener is a further one of each node. Its name is upper case; what Properties has for it begins with
// listener.name. and the name in lower case.
type Listener struct{ Name, Protocol string }

// Cluster is a running Apache Kafka. Its nodes have the ids 1, 2, 3.
type Cluster struct {
	opts    Options
	runtime javaRuntime
	id      string
	dir     string
	nodes   []*node
}

const (
	defaultHeapMB = 512

	startTime = 90 * time.Second // a node takes about 4 s when the machine is idle
	stopTime  = 30 * time.Second // until SIGTERM is followed by SIGKILL
	pollEvery = 100 * time.Millisecond
	// portTries is how often a cluster is begun anew when another process has taken one of
	// the ports in the moment between choosing and listening.
	portTries = 3
)

// Start starts a cluster and waits until each broker is a member of it. It stops with the
// test; if the test's process dies, the nodes are killed.
func Start(tb testing.TB, opts Options) *Cluster {
	tb.Helper()
	require.True(tb, opts.Roles || !opts.Proxied, "roles come by the proxies, and nobody else")
	opts.Nodes, opts.HeapMB = cmp.Or(opts.Nodes, 1), cmp.Or(opts.HeapMB, defaultHeapMB)
	ctx, cancel := context.WithTimeout(tb.Context(), startTime+downloadTime)
	defer cancel()
	jars, err := libs(ctx)
	require.NoError(tb, err)
	dir := tb.TempDir() // before the clean-up below: it must be removed after the nodes have ended
	c := &Cluster{opts: opts, runtime: javaRuntime{libs: jars, log4j: filepath.Join(dir, "log4j2.properties"), heapMB: opts.HeapMB, level: "WARN"}}
	require.NoError(tb, os.WriteFile(c.runtime.log4j, []byte(log4jConfig), 0o600))
	tb.Cleanup(c.stop)
	for try := 1; ; try++ {
		c.dir = filepath.Join(dir, "try"+strconv.Itoa(try))
		err := c.start(ctx)
		if err == nil {
			return c
		}
		c.stop()
		if !errors.Is(err, errPortTaken) || try == portTries {
			require.NoError(tb, err, "start Apache Kafka")
		}
	}
}

// Addrs are the addresses of all nodes, running or not. They ask for no login, and who comes by them may do all.
func (c *Cluster) Addrs() []string {
	addrs := make([]string, len(c.nodes))
	for i, n := range c.nodes {
		addrs[i] = n.addr
	}
	return addrs
}

// listeners are those besides the plain one.
func (c *Cluster) listeners() []Listener {
	if !c.opts.Roles {
		return c.opts.Listeners
	}
	return append([]Listener{{roles, "SASL_PLAINTEXT"}}, c.opts.Listeners...)
}

// AddrsOf are the addresses of a further listener.
func (c *Cluster) AddrsOf(tb testing.TB, listener string) []string {
	tb.Helper()
	addrs := make([]string, 0, len(c.nodes))
	for _, n := range c.nodes {
		require.Contains(tb, n.listeners, listener, "no such listener")
		addrs = append(addrs, n.listeners[listener])
	}
	return addrs
}

// Proxy is what stands before a node of a cluster that was started with Options.Proxied.
func (c *Cluster) Proxy(tb testing.TB, id int) *Proxy {
	tb.Helper()
	p := c.node(tb, id).proxy
	require.NotNil(tb, p, "the cluster has no proxies")
	return p
}

// Pause stops a node in its tracks, by SIGSTOP: its connections stay open and nothing answers.
func (c *Cluster) Pause(tb testing.TB, id int) {
	tb.Helper()
	require.NoError(tb, c.node(tb, id).process.Pause())
}

// Resume lets a paused node go on.
func (c *Cluster) Resume(tb testing.TB, id int) {
	tb.Helper()
	require.NoError(tb, c.node(tb, id).process.Resume())
}

// Kill ends a node as a crash would, by SIGKILL.
func (c *Cluster) Kill(tb testing.TB, id int) {
	tb.Helper()
	require.NoError(tb, c.node(tb, id).kill())
}

// Shutdown ends a node in order: it hands over its partitions first.
func (c *Cluster) Shutdown(tb testing.TB, id int) {
	tb.Helper()
	require.NoError(tb, c.node(tb, id).terminate())
}

// Restart starts a node again, on its old port and log directory, and waits until it has
// rejoined.
func (c *Cluster) Restart(tb testing.TB, id int) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), startTime)
	defer cancel()
	n := c.node(tb, id)
	require.NoError(tb, n.start())
	require.NoError(tb, c.await(ctx, n))
}

// Log is what a node has written so far.
func (c *Cluster) Log(tb testing.TB, id int) string {
	tb.Helper()
	b, err := os.ReadFile(c.node(tb, id).logFile)
	require.NoError(tb, err)
	return string(b)
}

func (c *Cluster) node(tb testing.TB, id int) *node {
	tb.Helper()
	require.True(tb, id >= 1 && id <= len(c.nodes), "no node %d", id)
	return c.nodes[id-1]
}

func (c *Cluster) start(ctx context.Context) error {
	id := make([]byte, 16) // a UUID, as Kafka wants it
	_, _ = rand.Read(id)   // never fails
	c.id = base64.RawURLEncoding.EncodeToString(id)
	if strings.HasPrefix(c.id, "-") { // would be taken for an option
		c.id = "A" + c.id[1:]
	}
	more := len(c.listeners())
	ports, err := freePorts((2 + more) * c.opts.Nodes) // the two are listener and controller
	if err != nil {
		return err
	}
	ports, others := ports[:2*c.opts.Nodes], ports[2*c.opts.Nodes:]
	c.nodes = nil
	for i := range c.opts.Nodes {
		n, err := c.newNode(i+1, ports, others[i*more:(i+1)*more])
		if err != nil {
			return err
		}
		c.nodes = append(c.nodes, n)
	}
	for _, n := range c.nodes {
		if err := n.format(ctx, c.id); err != nil {
			return err
		}
	}
	for _, n := range c.nodes {
		if err := n.start(); err != nil { //nolint:contextcheck // a node outlives the start of its cluster
			return err
		}
	}
	for _, n := range c.nodes {
		if err := c.await(ctx, n); err != nil {
			return err
		}
	}
	return nil
}

// stop ends what still runs. Nodes are killed: nobody needs their data any more.
func (c *Cluster) stop() {
	for _, n := range c.nodes {
		_ = n.kill() // there is nobody to tell, and the watcher kills as well
		if n.proxy != nil {
			n.proxy.Close()
		}
	}
}

// await waits until a node answers and knows all running brokers, or says why it does not.
func (c *Cluster) await(ctx context.Context, n *node) error {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	client, err := kgo.NewClient(kgo.SeedBrokers(n.addr), kgo.RetryTimeout(time.Second), kgo.DialTimeout(time.Second))
	if err != nil {
		return fmt.Errorf("make client: %w", err)
	}
	defer client.Close()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		err := c.complete(ctx, client)
		if err == nil {
			return nil
		}
		if errors.Is(err, errPortTaken) {
			return n.failure(err)
		}
		select {
		case <-n.process.Exited():
			return n.failure(errors.New("exited"))
		case <-ctx.Done():
			return n.failure(fmt.Errorf("not ready in time: %w", err))
		case <-tick.C:
		}
	}
}

// complete asks for the brokers and compares them with the nodes that run.
func (c *Cluster) complete(ctx context.Context, client *kgo.Client) error {
	running := 0
	for _, n := range c.nodes {
		if n.running() {
			running++
		}
	}
	req := kmsg.NewPtrMetadataRequest()
	req.Topics = []kmsg.MetadataRequestTopic{}
	resp, err := req.RequestWith(ctx, client.SeedBrokers()[0])
	if err != nil {
		return fmt.Errorf("ask for metadata: %w", err)
	}
	if got := message(resp.ClusterID); got != c.id { // somebody else's broker was faster on this port
		return fmt.Errorf("%w: a broker of cluster %q listens there, this one is %q", errPortTaken, got, c.id)
	}
	if len(resp.Brokers) < running {
		return fmt.Errorf("%d of %d brokers are there", len(resp.Brokers), running)
	}
	return nil
}

// freePorts finds n ports by listening on all of them at once.
func freePorts(n int) ([]int, error) {
	ports := make([]int, n)
	listeners := make([]net.Listener, 0, n) // all are held until the last is found
	defer func() {
		for _, l := range listeners {
			_ = l.Close() // nothing was written
		}
	}()
	for i := range ports {
		l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // at once
		if err != nil {
			return nil, fmt.Errorf("find a free port: %w", err)
		}
		listeners = append(listeners, l)
		tcp, ok := l.Addr().(*net.TCPAddr)
		if !ok {
			return nil, fmt.Errorf("find a free port: %s is not TCP", l.Addr())
		}
		ports[i] = tcp.Port
	}
	return ports, nil
}

// AwaitInSync waits until every replica of every partition is in sync: only then does a
// cluster of three outlive the next loss.
func (c *Cluster) AwaitInSync(tb testing.TB) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), startTime)
	defer cancel()
	client, err := kgo.NewClient(kgo.SeedBrokers(c.Addrs()...))
	require.NoError(tb, err)
	defer client.Close()
	require.NoError(tb, awaitInSync(ctx, client))
}

func awaitInSync(ctx context.Context, client *kgo.Client) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		behind, err := lagging(ctx, client)
		if err == nil && behind == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for replicas: %d partitions lack some: %w", behind, errors.Join(err, ctx.Err()))
		case <-tick.C:
		}
	}
}

// lagging counts the partitions some of whose replicas are not in sync.
func lagging(ctx context.Context, client *kgo.Client) (int, error) {
	resp, err := kmsg.NewPtrMetadataRequest().RequestWith(ctx, client) // no list of topics: all
	if err != nil {
		return 0, fmt.Errorf("ask for metadata: %w", err)
	}
	behind := 0
	for _, t := range resp.Topics {
		for i := range t.Partitions {
			if len(t.Partitions[i].ISR) < len(t.Partitions[i].Replicas) {
				behind++
			}
		}
	}
	return behind, nil
}
