//go:build kafka

package app_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/callstream/enricher/internal/config"
	"github.com/callstream/enricher/internal/kafkatest"
)

// proofSize is how large the proof is.
type proofSize struct {
	n     int
	waits []time.Duration // of the tiers
	feed  time.Duration   // over which the calls fail
	ahead time.Duration   // up to which they may be dialled again
	// whole is what the times ahead are multiples of. The catalog's delays are whole seconds, so events
	// that are read as they come have rests just below whole seconds.
	whole time.Duration
}

func sizeOfProof(t *testing.T) proofSize {
	t.Helper()
	switch os.Getenv("LOOP") {
	case "long":
		return proofSize{100_000, []time.Duration{5 * time.Second, 20 * time.Second, time.Minute, 2 * time.Minute}, 150 * time.Second, 180 * time.Second, time.Second}
	case "":
		return proofSize{4_000, []time.Duration{500 * time.Millisecond, 2 * time.Second, 8 * time.Second, 20 * time.Second}, 25 * time.Second, 40 * time.Second, time.Millisecond}
	default:
		require.Fail(t, "LOOP may be long, or not set")
		return proofSize{}
	}
}

// The names of the processes; two hold calls.
const theFilter, delayA, delayB = "filter", "delay-a", "delay-b"

// TestKafkaRetryLoop: calls fail for a while, a filter and two delay processes work and are killed five times.
// Every call comes due once, none early, as it was. LOOP=long makes it 100,000 calls and takes eight
// minutes; its figures are in docs/retry.md.
func TestKafkaRetryLoop(t *testing.T) {
	size := sizeOfProof(t)
	w := newLoopWorld(t, kafkatest.Start(t, kafkatest.Options{Roles: true}), "loop.", size.waits)
	w.cfg.Limits.CommitInterval = 100 * time.Millisecond // the default
	p := &proof{loopWorld: w, size: size, procs: map[string]*kafkatest.Process{}, dir: t.TempDir(), want: map[string]failure{}}
	p.build()
	due, others := w.cfg.Retry.Due, []string{w.cfg.Retry.GaveUp, w.cfg.DeadLetter.Topic}
	w.watch(append(others, due)...)
	for _, name := range []string{theFilter, delayA, delayB} {
		p.start(name)
	}
	t.Cleanup(func() {
		for _, proc := range p.procs {
			_ = proc.Kill() // nobody needs it any more
		}
	})

	fed := make(chan error, 1)
	m := newMaker(t, w.cfg, 1)
	go func() { fed <- p.feed(m) }()
	for i, victim := range []string{delayA, theFilter, delayB, delayA, delayB} {
		p.await(size.n * (i + 1) / 7)
		p.kill(victim)
		p.start(victim)
	}
	p.await(size.n)
	require.NoError(t, <-fed)
	w.until("nothing waits any more", time.Minute, w.drained)
	p.stop()

	for _, topic := range others {
		require.Zero(t, w.count(topic), topic)
	}
	for _, s := range w.all(due) {
		p.checkDue(s)
	}
	require.Empty(t, p.want, "did not come due")
	p.figures()
}

// proof is the program's processes, and what has to come of the calls.
type proof struct {
	*loopWorld

	size  proofSize
	dir   string
	bin   string
	procs map[string]*kafkatest.Process
	kills []time.Time
	want  map[string]failure
	waits []lateness
}

// lateness is how much later than it might a call came due.
type lateness struct {
	time.Duration

	disturbed bool // by a kill
}

func (p *proof) build() {
	p.bin = filepath.Join(p.dir, "enricher")
	cmd := exec.CommandContext(p.t.Context(), "go", "build", "-o", p.bin, "./cmd/enricher")
	cmd.Dir = "../.."
	out, err := cmd.CombinedOutput()
	require.NoError(p.t, err, string(out))
	p.cfg.Log.Format = config.LogJSON
	text, err := p.cfg.YAML()
	require.NoError(p.t, err)
	require.NoError(p.t, os.WriteFile(filepath.Join(p.dir, "enricher.yaml"), text, 0o600))
}

func (p *proof) logFile(name string) string { return filepath.Join(p.dir, name+".log") }

func (p *proof) start(name string) {
	verb := "delay"
	if name == theFilter {
		verb = "run"
	}
	cmd := exec.Command(p.bin, verb, "-c", filepath.Join(p.dir, "enricher.yaml"), "--instance", name)
	proc, err := kafkatest.StartProcess(cmd, p.logFile(name))
	require.NoError(p.t, err)
	p.procs[name] = proc
}

func (p *proof) kill(name string) {
	require.NoError(p.t, p.procs[name].Kill())
	p.kills = append(p.kills, time.Now())
	p.t.Logf("killed %s with %d of %d due", name, p.count(p.cfg.Retry.Due), p.size.n)
}

// feed lets calls fail at a steady pace. One in twenty is read when its time has passed already.
func (p *proof) feed(m *maker) error {
	const step = 100 * time.Millisecond
	steps := int(p.size.feed / step)
	tick := time.NewTicker(step)
	defer tick.Stop()
	for i := range steps {
		var batch []failure
		for range p.size.n*(i+1)/steps - p.size.n*i/steps {
			ahead := time.Duration(m.rand.Int64N(int64(p.size.ahead))).Truncate(p.size.whole)
			if m.rand.IntN(20) == 0 {
				ahead = -time.Hour
			}
			batch = append(batch, m.failing(time.Now().Add(ahead)))
		}
		p.mu.Lock()
		for _, f := range batch {
			p.want[f.id] = f
		}
		p.mu.Unlock()
		if err := p.send(batch...); err != nil {
			return err
		}
		<-tick.C
	}
	return nil
}

// await waits until n calls have come due, and looks that nobody ends meanwhile.
func (p *proof) await(n int) {
	p.until(strconv.Itoa(n)+" due", p.size.feed+p.size.ahead+2*time.Minute, func() bool {
		for name, proc := range p.procs {
			require.True(p.t, proc.Running(), "%s ended by itself: %s", name, p.lastLine(name))
		}
		return p.count(p.cfg.Retry.Due) >= n
	})
}

func (p *proof) lastLine(name string) string {
	text, err := os.ReadFile(p.logFile(name))
	require.NoError(p.t, err)
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return lines[len(lines)-1]
}

// stop ends all in order, and looks at what they have written.
func (p *proof) stop() {
	for name, proc := range p.procs {
		require.NoError(p.t, proc.Terminate(40*time.Second))
		require.Zero(p.t, proc.ExitCode(), "%s: %s", name, p.lastLine(name))
		text, err := os.ReadFile(p.logFile(name))
		require.NoError(p.t, err)
		for line := range bytes.Lines(text) {
			var said struct {
				Level     string `json:"level"`
				Conserved *bool  `json:"conserved"`
			}
			require.NoError(p.t, json.Unmarshal(line, &said), string(line))
			require.Contains(p.t, []string{"info", "warn"}, said.Level, string(line))
			require.False(p.t, said.Conserved != nil && !*said.Conserved, string(line))
		}
	}
}

// checkDue holds a due record against the call that it stands for.
func (p *proof) checkDue(s sighting) {
	t := p.t
	h := headersOf(t, s.Record)
	f, ok := p.want[h["id"]]
	require.True(t, ok, "%q came due twice, or out of nothing", h["id"])
	delete(p.want, f.id)
	require.False(t, s.at.Before(f.notBefore), "%s came due %v early", f.id, f.notBefore.Sub(s.at))
	require.Equal(t, f.endedMS, s.Timestamp.UnixMilli(), "the time of the call is restored")
	require.Equal(t, f.id, string(s.Key))
	require.Equal(t, strconv.Itoa(f.attempt+1), h["hangup-attempt"])
	require.Equal(t, f.notBefore.UTC().Format("2006-01-02T15:04:05.000Z"), h["hangup-not-before"])
	require.NotEmpty(t, f.retryID)
	require.Equal(t, f.retryID, h["hangup-retry-id"])
	for name := range h {
		allowed := name == "id" || name == "hangup-attempt" || name == "hangup-retry-id" || slices.Contains(p.cfg.Enrich.Headers, name)
		require.True(t, allowed, "%s is left of the wait", name)
	}
	raw := strings.TrimSuffix(string(f.record().Value), "}")
	require.True(t, strings.HasPrefix(string(s.Value), raw), "the event is as it was: %s", s.Value)
	require.EqualValues(t, f.attempt, gjson.GetBytes(s.Value, "hangup.retry.attempt").Int())
	require.True(t, gjson.GetBytes(s.Value, "hangup.retry.retryable").Bool())
	if !f.late {
		p.waits = append(p.waits, lateness{s.at.Sub(f.notBefore), p.disturbed(f.notBefore, s.at)})
	}
}

// recovery is how long a kill may be felt at the most: a session timeout, which the group would wait for the dead member if
// nobody took it out, and what has come due meanwhile.
const recovery = 10 * time.Second

func (p *proof) disturbed(from, to time.Time) bool {
	return slices.ContainsFunc(p.kills, func(at time.Time) bool { return from.Before(at.Add(recovery)) && to.After(at) })
}

// figures prints how late calls came due, and where they had waited. The long run's are held to what is
// promised; with the short one's waits the machine's other work would decide.
func (p *proof) figures() {
	var all, calm []time.Duration
	for _, l := range p.waits {
		all = append(all, l.Duration)
		if !l.disturbed {
			calm = append(calm, l.Duration)
		}
	}
	p.t.Logf("%d calls, all due once and none early; %d of them read after their time", p.size.n, p.size.n-len(all))
	p.t.Logf("late: %s", quantiles(all))
	p.t.Logf("late, but for %v after each kill: %s", recovery, quantiles(calm))
	var tiers []string
	for _, tier := range p.cfg.Retry.Tiers {
		tiers = append(tiers, tier.Topic)
	}
	entered := p.readAll(tiers)
	p.t.Logf("written to the tiers: %v", entered)
	for _, tier := range tiers {
		require.NotZero(p.t, entered[tier], "nobody waited in %s", tier)
	}
	if p.size.n >= 100_000 {
		slices.Sort(all)
		require.LessOrEqual(p.t, all[len(all)*99/100], p.size.waits[0], "more than the smallest tier late")
	}
}

func quantiles(all []time.Duration) string {
	if len(all) == 0 {
		return "none"
	}
	slices.Sort(all)
	at := func(q int) time.Duration { return all[min(len(all)*q/100, len(all)-1)].Round(time.Millisecond) }
	return fmt.Sprintf("p50 %v, p99 %v, max %v (%d)", at(50), at(99), at(100), len(all))
}
