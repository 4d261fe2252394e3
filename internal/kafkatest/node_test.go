package kafkatest

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNodeProperties(t *testing.T) {
	one := nodeProperties(1, []int{10, 11}, "/data")
	require.Equal(t, "1@127.0.0.1:11", one["controller.quorum.voters"])
	require.Equal(t, "PLAINTEXT://127.0.0.1:10,CONTROLLER://127.0.0.1:11", one["listeners"])
	require.Equal(t, "1", one["transaction.state.log.min.isr"])

	three := nodeProperties(2, []int{10, 11, 20, 21, 30, 31}, "/data")
	require.Equal(t, "1@127.0.0.1:11,2@127.0.0.1:21,3@127.0.0.1:31", three["controller.quorum.voters"])
	require.Equal(t, "PLAINTEXT://127.0.0.1:20", three["advertised.listeners"])
	require.Equal(t, "3", three["offsets.topic.replication.factor"])
	require.Equal(t, "2", three["min.insync.replicas"])
}

func TestOptionsReplaceProperties(t *testing.T) {
	c := Cluster{dir: t.TempDir(), opts: Options{Nodes: 1, Properties: map[string]string{
		"auto.create.topics.enable": "true", "message.max.bytes": "2000",
	}}}
	n, err := c.newNode(1, []int{10, 11}, []int{12})
	require.NoError(t, err)
	text, err := os.ReadFile(n.properties)
	require.NoError(t, err)
	require.Contains(t, string(text), "\nauto.create.topics.enable=true\n")
	require.NotContains(t, string(text), "auto.create.topics.enable=false")
	require.Contains(t, string(text), "\nmessage.max.bytes=2000\n")
}

func TestFreePortsDiffer(t *testing.T) {
	ports, err := freePorts(6)
	require.NoError(t, err)
	seen := map[int]bool{}
	for _, p := range ports {
		require.Positive(t, p)
		require.False(t, seen[p])
		seen[p] = true
	}
}

func TestFailureShowsTheLog(t *testing.T) {
	n := node{id: 2, logFile: filepath.Join(t.TempDir(), "server.log")}
	require.ErrorContains(t, n.failure(errors.New("exited")), "no such file")

	require.NoError(t, os.WriteFile(n.logFile, []byte("the reason"), 0o600))
	err := n.failure(errors.New("exited"))
	require.EqualError(t, err, "node 2: exited; its log ends:\nthe reason")
	require.NotErrorIs(t, err, errPortTaken)

	require.NoError(t, os.WriteFile(n.logFile, []byte("java.net.BindException: Address already in use"), 0o600))
	require.ErrorIs(t, n.failure(errors.New("exited")), errPortTaken)
}

// sleeper is a process that only ends when it is told to.
func sleeper(t *testing.T) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("sleep", "600")
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	return cmd
}

func TestWatcherKillsWhenThePipeCloses(t *testing.T) {
	victim := sleeper(t)
	w, err := watch(victim.Process.Pid)
	require.NoError(t, err)
	require.NoError(t, w.pipe.Close()) // as the end of this process would
	var exit *exec.ExitError
	require.ErrorAs(t, victim.Wait(), &exit)
	status, ok := exit.Sys().(syscall.WaitStatus)
	require.True(t, ok)
	require.Equal(t, syscall.SIGKILL, status.Signal())
	w.dismiss()
}

func TestDismissedWatcherKillsNothing(t *testing.T) {
	victim := sleeper(t)
	w, err := watch(victim.Process.Pid)
	require.NoError(t, err)
	w.dismiss()
	w.dismiss() // again does no harm
	require.NoError(t, victim.Process.Signal(syscall.Signal(0)), "process %s", strconv.Itoa(victim.Process.Pid))
}

func TestNodeThatNeverStarted(t *testing.T) {
	n := &node{id: 1}
	require.False(t, n.running())
	require.NoError(t, n.kill())
	require.NoError(t, n.terminate())

	n.logFile = filepath.Join(t.TempDir(), "absent", "server.log")
	require.ErrorContains(t, n.start(), "start node 1: open log")
	n.logFile = filepath.Join(t.TempDir(), "server.log")
	t.Setenv("PATH", t.TempDir())
	require.ErrorContains(t, n.start(), "start node 1")
	require.ErrorContains(t, n.format(t.Context(), "id"), "format node 1")
}

func TestProxiedNode(t *testing.T) {
	c := Cluster{dir: t.TempDir(), opts: Options{Nodes: 1, Roles: true, Proxied: true}}
	n, err := c.newNode(1, []int{10, 11}, []int{12})
	require.NoError(t, err)
	defer n.proxy.Close()
	c.nodes = []*node{n}
	require.Equal(t, []string{"127.0.0.1:10"}, c.Addrs())
	require.Equal(t, []string{n.proxy.Addr()}, c.RoleAddrs(t))
	require.Equal(t, n.proxy, c.Proxy(t, 1))
	text, err := os.ReadFile(n.properties)
	require.NoError(t, err)
	require.Contains(t, string(text), "advertised.listeners=PLAINTEXT://127.0.0.1:10,ROLES://"+n.proxy.Addr()+"\n")
	require.Contains(t, string(text), "\nlisteners=PLAINTEXT://127.0.0.1:10,CONTROLLER://127.0.0.1:11,ROLES://127.0.0.1:12\n")
	require.Contains(t, string(text), "\ninter.broker.listener.name=PLAINTEXT\n")
}

func TestToolsOfKafka3(t *testing.T) {
	dir := t.TempDir()
	require.Equal(t, 4, javaRuntime{libs: dir}.major())
	require.NoError(t, os.WriteFile(filepath.Join(dir, "kafka-clients-3.9.1.jar"), nil, 0o600))
	require.Equal(t, 3, javaRuntime{libs: dir}.major())

	tool, args := before4(ConsoleProducer, []string{"--topic", "t", "--reader-property", "parse.key=true"})
	require.Equal(t, Tool("kafka.tools.ConsoleProducer"), tool)
	require.Equal(t, []string{"--topic", "t", "--property", "parse.key=true"}, args)
	tool, _ = before4(TopicCommand, nil)
	require.Equal(t, TopicCommand, tool)
}
