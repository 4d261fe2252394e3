package kafkatest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// node is one process of a cluster.
type node struct {
	id         int
	addr       string
	runtime    javaRuntime
	properties string // file
	logFile    string

	listeners map[string]string // addresses of the further ones

	proxy   *Proxy   // nil: roles talk to the node itself
	process *Process // nil: never started
}

// errPortTaken means that another process was faster.
var errPortTaken = errors.New("port is in use")

// log4jConfig keeps standard output for what a tool prints, and lets nodes say more than tools.
const log4jConfig = `rootLogger.level = ${sys:kafkatest.level:-WARN}
rootLogger.appenderRef.console.ref = STDERR
appender.console.type = Console
appender.console.name = STDERR
appender.console.target = SYSTEM_ERR
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{ISO8601} %p %c{1}: %m%n
`

// newNode writes the configuration of one node. ports has two for each node of the cluster;
// others are those of its further listeners.
func (c *Cluster) newNode(id int, ports, others []int) (*node, error) {
	dir := filepath.Join(c.dir, "node"+strconv.Itoa(id))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make node directory: %w", err)
	}
	n := &node{
		id: id, addr: hostPort(ports[2*(id-1)]), runtime: c.runtime,
		properties: filepath.Join(dir, "server.properties"),
		logFile:    filepath.Join(dir, "server.log"),
		listeners:  map[string]string{},
	}
	properties := nodeProperties(id, ports, filepath.Join(dir, "data"))
	for i, l := range c.listeners() {
		n.listeners[l.Name] = hostPort(others[i])
		advertised := n.listeners[l.Name]
		if c.opts.Proxied && l.Name == roles {
			var err error
			if n.proxy, err = StartProxy(advertised); err != nil {
				return nil, fmt.Errorf("start proxy of node %d: %w", id, err)
			}
			advertised = n.proxy.Addr()
		}
		properties["listeners"] += "," + l.Name + "://" + n.listeners[l.Name]
		properties["advertised.listeners"] += "," + l.Name + "://" + advertised
		properties["listener.security.protocol.map"] += "," + l.Name + ":" + l.Protocol
	}
	if c.opts.Roles {
		maps.Copy(properties, rolesProperties())
	}
	maps.Copy(properties, c.opts.Properties)
	var text bytes.Buffer
	for _, k := range slices.Sorted(maps.Keys(properties)) {
		fmt.Fprintf(&text, "%s=%s\n", k, properties[k])
	}
	if err := os.WriteFile(n.properties, text.Bytes(), 0o600); err != nil {
		return nil, fmt.Errorf("write server.properties: %w", err)
	}
	return n, nil
}

// nodeProperties are those of a combined node: broker and controller in one process.
func nodeProperties(id int, ports []int, data string) map[string]string {
	nodes := len(ports) / 2 // listener and controller
	var voters []string
	for i := range nodes {
		voters = append(voters, fmt.Sprintf("%d@%s", i+1, hostPort(ports[2*i+1])))
	}
	listener, controller := hostPort(ports[2*(id-1)]), hostPort(ports[2*(id-1)+1])
	replicas, inSync := strconv.Itoa(nodes), strconv.Itoa(nodes/2+1)
	return map[string]string{
		"process.roles":                                    "broker,controller",
		"node.id":                                          strconv.Itoa(id),
		"controller.quorum.voters":                         strings.Join(voters, ","),
		"listeners":                                        "PLAINTEXT://" + listener + ",CONTROLLER://" + controller,
		"advertised.listeners":                             "PLAINTEXT://" + listener,
		"controller.listener.names":                        "CONTROLLER",
		"inter.broker.listener.name":                       "PLAINTEXT",
		"listener.security.protocol.map":                   "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
		"log.dirs":                                         data,
		"auto.create.topics.enable":                        "false",
		"default.replication.factor":                       replicas,
		"min.insync.replicas":                              inSync,
		"offsets.topic.replication.factor":                 replicas,
		"offsets.topic.num.partitions":                     "4",
		"transaction.state.log.replication.factor":         replicas,
		"transaction.state.log.min.isr":                    inSync,
		"transaction.state.log.num.partitions":             "4",
		"share.coordinator.state.topic.replication.factor": replicas,
		"share.coordinator.state.topic.min.isr":            inSync,
		"group.initial.rebalance.delay.ms":                 "0",
	}
}

// format prepares the log directory, which a broker refuses to do by itself.
func (n *node) format(ctx context.Context, clusterID string) error {
	cmd := n.runtime.command(ctx, "kafka.tools.StorageTool", "format", "-t", clusterID, "-c", n.properties)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("format node %d: %w\n%s", n.id, err, tail(out))
	}
	return nil
}

// start runs the process; it does not wait until it answers.
func (n *node) start() error {
	process, err := StartProcess(n.runtime.withLevel("INFO").command(context.Background(), "kafka.Kafka", n.properties), n.logFile)
	if err != nil {
		return fmt.Errorf("start node %d: %w", n.id, err)
	}
	n.process = process
	return nil
}

// running tells whether the process has been started and has not ended.
func (n *node) running() bool { return n.process != nil && n.process.Running() }

func (n *node) kill() error {
	if n.process == nil {
		return nil
	}
	if err := n.process.Kill(); err != nil {
		return n.failure(err)
	}
	return nil
}

// terminate lets the node shut down, and kills it if that takes too long.
func (n *node) terminate() error {
	if n.process == nil {
		return nil
	}
	if err := n.process.Terminate(stopTime); err != nil {
		return n.failure(err)
	}
	return nil
}

// failure adds the end of the node's log to an error.
func (n *node) failure(err error) error {
	log, readErr := os.ReadFile(n.logFile)
	if readErr != nil {
		log = []byte(readErr.Error())
	}
	if bytes.Contains(log, []byte("Address already in use")) {
		err = fmt.Errorf("%w: %w", errPortTaken, err)
	}
	return fmt.Errorf("node %d: %w; its log ends:\n%s", n.id, err, tail(log))
}

func hostPort(port int) string { return "127.0.0.1:" + strconv.Itoa(port) }
