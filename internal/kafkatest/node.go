package kafkatest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// node is one process of a cluster.
type node struct {
	id         int
	addr       string
	runtime    javaRuntime
	properties string // file
	logFile    string

	cmd     *exec.Cmd
	exited  chan struct{} // closed when the process has ended
	watcher *watcher
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

// newNode writes the configuration of one node. ports has two for each node of the cluster.
func (c *Cluster) newNode(id int, ports []int) (*node, error) {
	dir := filepath.Join(c.dir, "node"+strconv.Itoa(id))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make node directory: %w", err)
	}
	n := &node{
		id: id, addr: hostPort(ports[2*(id-1)]), runtime: c.runtime,
		properties: filepath.Join(dir, "server.properties"),
		logFile:    filepath.Join(dir, "server.log"),
	}
	properties := nodeProperties(id, ports, filepath.Join(dir, "data"))
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
	log, err := os.OpenFile(n.logFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("open log of node %d: %w", n.id, err)
	}
	defer log.Close() //nolint:errcheck // the child has its own descriptor
	cmd := n.runtime.withLevel("INFO").command(context.Background(), "kafka.Kafka", n.properties)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start node %d: %w", n.id, err)
	}
	n.cmd, n.exited = cmd, make(chan struct{})
	go func(exited chan struct{}) {
		_ = cmd.Wait() // how it ended is in its log
		close(exited)
	}(n.exited)
	if n.watcher, err = watch(cmd.Process.Pid); err != nil {
		return errors.Join(err, n.kill())
	}
	return nil
}

// running tells whether the process has been started and has not ended.
func (n *node) running() bool {
	if n.exited == nil {
		return false
	}
	select {
	case <-n.exited:
		return false
	default:
		return true
	}
}

func (n *node) kill() error { return n.end(syscall.SIGKILL) }

// terminate lets the node shut down, and kills it if that takes too long.
func (n *node) terminate() error {
	if err := n.end(syscall.SIGTERM); err != nil {
		return errors.Join(err, n.kill())
	}
	return nil
}

// end sends a signal to the process and waits until it has ended.
func (n *node) end(signal syscall.Signal) error {
	if !n.running() {
		n.watcher.dismiss()
		return nil
	}
	if err := n.cmd.Process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("signal node %d: %w", n.id, err)
	}
	timeout := time.NewTimer(stopTime)
	defer timeout.Stop()
	select {
	case <-n.exited:
		n.watcher.dismiss()
		return nil
	case <-timeout.C:
		return n.failure(fmt.Errorf("did not end within %s of %s", stopTime, signal))
	}
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

// watcher is a process that kills another one when this one dies: a test that is killed
// or runs into its time limit runs no clean-up. It waits on a pipe that nobody
// but this process holds open.
type watcher struct {
	cmd  *exec.Cmd
	pipe io.Closer
}

func watch(pid int) (*watcher, error) {
	//nolint:noctx // our own argument; it ends by itself
	cmd := exec.Command("/bin/sh", "-c", `cat >/dev/null; kill -9 "$1" 2>/dev/null`, "sh", strconv.Itoa(pid))
	pipe, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("watch process: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("watch process: %w", err)
	}
	return &watcher{cmd, pipe}, nil
}

// dismiss ends the watcher without a kill: the process is gone and its id may be another's.
func (w *watcher) dismiss() {
	if w == nil || w.cmd == nil {
		return
	}
	_ = w.cmd.Process.Kill()
	_ = w.pipe.Close()
	_ = w.cmd.Wait()
	w.cmd = nil
}
