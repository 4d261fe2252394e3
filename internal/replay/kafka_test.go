//go:build kafka

package replay_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/callstream/enricher/internal/config"
	"github.com/callstream/enricher/internal/kafkatest"
	"github.com/callstream/enricher/internal/replay"
)

const (
	manyLetters = 10_000
	// slow is added to each way between program and broker, so that there is a middle to interrupt.
	slow      = 100 * time.Millisecond
	onceTime  = 60 * time.Second
	replayCfg = `kafka: {brokers: ["%s"], sasl: {mechanism: plain, username: replay, password_file: %s}}
input: {topics: [in], group: g}
output: {topic: out}
dead_letter: {topic: dead}
`
)

// kafkaWorld is a real cluster with dead letters, and the program.
type kafkaWorld struct {
	*world
	cluster *kafkatest.Cluster
	dir     string
	bin     string
	group   string
}

func newKafkaWorld(t *testing.T) *kafkaWorld {
	t.Helper()
	c := kafkatest.Start(t, kafkatest.Options{Roles: true, Proxied: true})
	c.CreateTopic(t, "dead", 2, "retention.ms", "-1")
	c.CreateTopic(t, "in", 4, "retention.ms", "-1")
	c.Give(t, kafkatest.Replay, kafkatest.Replay, kafkatest.Names{"calls.dead": {"dead"}, "calls.raw": {"in"}, "enricher.replay.": {"g.replay."}})
	k := &kafkaWorld{world: worldOf(t, c.Addrs()), cluster: c, dir: t.TempDir()}
	k.cfg.Kafka.Brokers = c.RoleAddrs(t)
	k.cfg.Kafka.SASL = config.SASL{Mechanism: config.Plain, Username: kafkatest.Replay, PasswordFile: kafkatest.Secret(t, kafkatest.RolePassword)}
	k.bin = filepath.Join(k.dir, "enricher")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", k.bin, "./cmd/enricher")
	cmd.Dir = "../.."
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	require.NoError(t, os.WriteFile(filepath.Join(k.dir, "replay.yaml"), fmt.Appendf(nil, replayCfg, strings.Join(c.RoleAddrs(t), `","`), k.cfg.Kafka.SASL.PasswordFile), 0o600))
	k.produce(letters(0, manyLetters)...)
	plan, err := k.open(replay.Options{}).Plan(t.Context(), nil)
	require.NoError(t, err)
	require.EqualValues(t, manyLetters, plan.Replayed)
	k.group = plan.Group
	return k
}

// start starts a replay. Its output is in the file that is named.
func (k *kafkaWorld) start(name string) (p *kafkatest.Process, log string) {
	k.t.Helper()
	log = filepath.Join(k.dir, name)
	p, err := kafkatest.StartProcess(exec.Command(k.bin, "replay", "-c", filepath.Join(k.dir, "replay.yaml"), "--yes", "-o", "json"), log)
	require.NoError(k.t, err)
	k.t.Cleanup(func() { _ = p.Kill() })
	return p, log
}

// committed waits until the position is behind so many letters, and returns behind how many it is.
func (k *kafkaWorld) committed(p *kafkatest.Process, atLeast int64) int64 {
	k.t.Helper()
	cl := k.client()
	defer cl.Close()
	adm := kadm.NewClient(cl)
	var sum int64
	require.Eventually(k.t, func() bool {
		got, err := adm.FetchOffsets(k.t.Context(), k.group)
		sum = 0
		for _, o := range got["dead"] {
			sum += o.At
		}
		if err != nil {
			return false // no run has committed yet
		}
		return sum >= atLeast
	}, onceTime, 10*time.Millisecond)
	require.True(k.t, p.Running(), "it is to be interrupted")
	return sum
}

func (k *kafkaWorld) ends(p *kafkatest.Process, log string, code int) string {
	k.t.Helper()
	select {
	case <-p.Exited():
	case <-time.After(onceTime):
		require.Fail(k.t, "the replay does not end", "%v", p.Dump())
	}
	text, err := os.ReadFile(log)
	require.NoError(k.t, err)
	require.Equal(k.t, code, p.ExitCode(), string(text))
	return string(text)
}

// uncommitted is how many records of "in" were written by transactions that came to nothing, or
// are markers of transactions.
func (k *kafkaWorld) uncommitted() int64 {
	k.t.Helper()
	cl := k.client()
	defer cl.Close()
	ends, err := kadm.NewClient(cl).ListEndOffsets(k.t.Context(), "in")
	require.NoError(k.t, err)
	var sum int64
	ends.Each(func(o kadm.ListedOffset) { sum += o.Offset })
	return sum - manyLetters
}

func lastReport(t *testing.T, text string) replay.Report {
	t.Helper()
	var rep replay.Report
	require.NoError(t, json.NewDecoder(strings.NewReader(text)).Decode(&rep), text)
	return rep
}

// Ten thousand letters, interrupted by kill -9 and by SIGINT: each arrives once, as it was, in order.
func TestKafkaInterruptedTwice(t *testing.T) {
	k := newKafkaWorld(t)
	shown := k.cluster.Run(t, kafkatest.ConsoleConsumer, "", "--topic", "dead", "--from-beginning", "--max-messages", "1", "--timeout-ms", "20000",
		"--isolation-level", "read_committed", "--property", "print.partition=true", "--property", "print.offset=true", "--property", "print.headers=true")
	require.Regexp(t, `(?m)^Partition:\d\tOffset:0\tid:\d+,dlq-reason:not_json,dlq-error:what,dlq-topic:in,dlq-partition:\d,`, shown, "as docs/dead-letters.md shows")
	k.cluster.Proxy(t, 1).Delay(slow)

	p, log := k.start("killed")
	first := k.committed(p, 1)
	require.NoError(t, p.Kill())
	k.ends(p, log, -1)

	begun := time.Now()
	p, log = k.start("interrupted")
	second := k.committed(p, first+1)
	wait := time.Since(begun)
	require.NoError(t, syscall.Kill(p.Pid(), syscall.SIGINT))
	text := k.ends(p, log, 1)
	require.Contains(t, text, "enricher: replay: interrupted")
	rep := lastReport(t, text)
	require.True(t, rep.Interrupted)
	require.GreaterOrEqual(t, rep.Already, first)
	require.Less(t, wait, k.cfg.Kafka.TransactionTimeout, "the dead one's transaction is not waited for")

	p, log = k.start("completed")
	last := lastReport(t, k.ends(p, log, 0))
	require.Equal(t, rep.Already+rep.Replayed, last.Already)
	require.EqualValues(t, manyLetters, last.Already+last.Replayed)
	require.Positive(t, last.Replayed)

	k.cluster.Proxy(t, 1).Delay(0)
	onceInOrder(t, k.read("in"), manyLetters)
	t.Logf("killed behind %d letters or more, the next had committed more after %v, interrupted behind %d, %d replayed by the last; %d offsets of in are of aborted transactions or markers",
		first, wait.Round(time.Millisecond), second, last.Replayed, k.uncommitted())

	p, log = k.start("once more")
	last = lastReport(t, k.ends(p, log, 0))
	require.EqualValues(t, manyLetters, last.Already)
	require.Zero(t, last.Read)
}

// One that sleeps in the midst, another that does the whole, and the first wakes: what it had in hand counts
// for nothing.
func TestKafkaSleeperIsFenced(t *testing.T) {
	k := newKafkaWorld(t)
	k.cluster.Proxy(t, 1).Delay(slow)
	sleeper, log := k.start("sleeper")
	k.committed(sleeper, 1)
	require.NoError(t, sleeper.Pause())
	p, log2 := k.start("awake")
	rep := lastReport(t, k.ends(p, log2, 0))
	require.EqualValues(t, manyLetters, rep.Already+rep.Replayed)
	require.Positive(t, rep.Replayed)
	require.NoError(t, sleeper.Resume())
	require.Contains(t, k.ends(sleeper, log, 1), "another replay of the same letters has taken over")
	k.cluster.Proxy(t, 1).Delay(0)
	onceInOrder(t, k.read("in"), manyLetters)
}
