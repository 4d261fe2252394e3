//go:build kafka

package chaos

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/callstream/enricher/internal/kafkatest"
)

// A soak: one process works for an hour at half the rate that it can keep up with, while a second one comes or goes
// each minute and its catalog changes each ten seconds. Every event has a number, so that a reader of the output sees
// at once if one is missing, comes twice, or comes out of order.
const (
	envSoak     = "SOAK"      // how long, such as 60m
	envSoakRate = "SOAK_RATE" // events a second, instead of half of what is measured at the beginning
	envSoakPlot = "SOAK_PLOT" // file for the picture

	soakPartitions = 4
	sampleEvery    = 10 * time.Second
	reloadEvery    = 10 * time.Second
	rebalanceEvery = time.Minute
	calibration    = 30 * time.Second
)

const soakConfig = `kafka: {brokers: ["%s"], client_id: soak, instance: %s, sasl: {mechanism: plain, username: filter, password_file: %s}}
input: {topics: [soak.in], group: soak}
output: {topic: soak.out}
dead_letter: {topic: soak.dead}
routes: [{name: busy, match: {codes: 3020}, topic: soak.busy}]
catalog: {overlays: [overlay.yaml]}
ops: {listen: "127.0.0.1:0", page: ""}
log: {format: json}
`

type soak struct {
	t        *testing.T
	c        *kafkatest.Cluster
	dir      string
	bin      string
	password string // file
	main     *kafkatest.Process
	address  string // of main's metrics

	produced [soakPartitions]atomic.Int64 // events acknowledged by the input
	seen     [soakPartitions]atomic.Int64 // consecutive numbers seen in the output
	rate     atomic.Int64                 // events a second; 0: as many as can be kept up with
	wrong    atomic.Pointer[string]
	samples  []sample
	reloads  int
	joined   int
}

// sample is what the process takes at one moment.
type sample struct {
	at                                 time.Duration
	rssMiB, heapMiB                    float64
	goroutines, descriptors, sockets   float64
	events, reloadsGood, reloadsFailed float64
}

func TestSoak(t *testing.T) {
	text := os.Getenv(envSoak)
	if text == "" {
		t.Skipf("takes as long as it is told to: %s=60m runs it", envSoak)
	}
	length, err := time.ParseDuration(text)
	require.NoError(t, err, envSoak)
	s := &soak{t: t, dir: t.TempDir(), c: kafkatest.Start(t, kafkatest.Options{HeapMB: 768, Roles: true, Properties: map[string]string{"log.retention.check.interval.ms": "5000"}})}
	for _, topic := range []string{"soak.in", "soak.out", "soak.busy", "soak.dead"} {
		// Old segments go: an hour of events is more than the disk is for. Who falls behind by so much would see a gap.
		s.c.CreateTopic(t, topic, soakPartitions, "retention.bytes", "268435456", "segment.bytes", "67108864")
	}
	s.c.Give(t, kafkatest.Filter, kafkatest.Filter, kafkatest.Names{
		"calls.raw": {"soak.in"}, "calls.enriched": {"soak.out"}, "calls.dead": {"soak.dead"}, "calls.gave-up": nil, "calls.retry.": {"soak.busy"}, "calls.": {"soak."},
		"enricher": {"soak"}, "enricher/filter/": {"soak/filter/"},
	})
	s.password = kafkatest.Secret(t, kafkatest.RolePassword)
	s.bin = build(t, s.dir, nil)
	s.overlay(0)
	s.main, s.address = s.start("main")

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 2)
	loading, stopLoading := context.WithCancel(ctx)
	go func() { done <- s.load(loading) }()
	go func() { done <- s.read(ctx) }()

	s.calibrate(ctx)
	s.hour(length)

	stopLoading()
	require.NoError(t, <-done)
	s.await(ctx, "everything that was sent has come out", func() bool { return s.total(&s.seen) == s.total(&s.produced) })
	cancel()
	require.NoError(t, <-done)
	require.NoError(t, s.main.Terminate(30*time.Second))
	require.Zero(t, s.main.ExitCode())
	require.Nil(t, s.wrong.Load())
	s.conclude(length)
}

func (s *soak) total(of *[soakPartitions]atomic.Int64) (n int64) {
	for i := range of {
		n += of[i].Load()
	}
	return n
}

func (s *soak) overlay(n int) {
	text := fmt.Sprintf("entries:\n  - {code: 3010, name: Busy %d}\n", n)
	tmp := filepath.Join(s.dir, "overlay.new")
	require.NoError(s.t, os.WriteFile(tmp, []byte(text), 0o600))
	require.NoError(s.t, os.Rename(tmp, filepath.Join(s.dir, "overlay.yaml")))
}

var servesAt = regexp.MustCompile(`"serving /livez, /readyz and /metrics".*"address":"([^"]+)"`)

// start runs a process and waits until it serves its metrics.
func (s *soak) start(name string) (p *kafkatest.Process, address string) {
	file := filepath.Join(s.dir, name+".yaml")
	require.NoError(s.t, os.WriteFile(file, fmt.Appendf(nil, soakConfig, strings.Join(s.c.RoleAddrs(s.t), `", "`), name, s.password), 0o600))
	log := filepath.Join(s.dir, name+".log")
	p, err := kafkatest.StartProcess(exec.Command(s.bin, "run", "-c", file), log)
	require.NoError(s.t, err)
	s.t.Cleanup(func() { _ = p.Kill() }) // if it still runs, nobody needs it any more
	s.await(s.t.Context(), name+" serves", func() bool {
		text, _ := os.ReadFile(log)
		if m := servesAt.FindSubmatch(text); m != nil {
			address = string(m[1])
		}
		return address != ""
	})
	return p, address
}

func (s *soak) await(ctx context.Context, what string, cond func() bool) {
	s.t.Helper()
	for end := time.Now().Add(3 * time.Minute); !cond(); {
		require.True(s.t, time.Now().Before(end) && sleep(ctx, 50*time.Millisecond), "%s: not within three minutes; sent %d, seen %d", what, s.total(&s.produced), s.total(&s.seen))
	}
}

// ahead is how many events may be on their way when there is no rate.
const ahead = 50_000

// load sends events, as many a second as rate says.
func (s *soak) load(ctx context.Context) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(s.c.Addrs()...), kgo.DefaultProduceTopic("soak.in"), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerLinger(5*time.Millisecond), kgo.ProducerBatchCompression(kgo.Lz4Compression()), kgo.MaxBufferedRecords(20_000))
	if err != nil {
		return err
	}
	defer client.Close()
	codes, pad := []int{3010, 3020, 4000, 4010, 9999}, strings.Repeat("x", 380)
	var number [soakPartitions]int64
	credit, last := 0.0, time.Now()
	for ctx.Err() == nil {
		rate := s.rate.Load()
		for rate == 0 && s.total(&s.produced)-s.total(&s.seen) > ahead && sleep(ctx, 5*time.Millisecond) {
		}
		if !sleep(ctx, 10*time.Millisecond) {
			break
		}
		credit = min(credit+time.Since(last).Seconds()*float64(rate), float64(rate)) // a stall is made up for, up to a second
		last = time.Now()
		n := int(credit)
		if rate == 0 {
			n = 2000
		}
		credit -= min(float64(n), credit)
		for i := range n {
			p := i % soakPartitions
			value := fmt.Appendf(nil, `{"n":%d,"CallUUID":"%d-%d","Direction":"outbound","HangupCauseCode":"%d","CallStatus":"busy","note":"%s"}`, number[p], p, number[p], codes[number[p]%5], pad)
			number[p]++
			client.Produce(context.WithoutCancel(ctx), &kgo.Record{Partition: int32(p), Value: value}, func(_ *kgo.Record, err error) {
				if err != nil {
					s.complain("the load: %v", err)
				}
				s.produced[p].Add(1)
			})
		}
	}
	limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	return client.Flush(limit)
}

func (s *soak) complain(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	s.wrong.CompareAndSwap(nil, &text)
}

// read sees that each output partition has the numbers of its input partition, each once and in order.
func (s *soak) read(ctx context.Context) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(s.c.Addrs()...), kgo.ConsumeTopics("soak.out"), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	if err != nil {
		return err
	}
	defer client.Close()
	for {
		fetched := client.PollFetches(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err := fetched.Err(); err != nil {
			return fmt.Errorf("read the output: %w", err)
		}
		fetched.EachRecord(func(r *kgo.Record) {
			text, _, _ := strings.Cut(strings.TrimPrefix(string(r.Value[:min(len(r.Value), 40)]), `{"n":`), ",")
			n, err := strconv.ParseInt(text, 10, 64)
			if want := s.seen[r.Partition].Add(1) - 1; err != nil || n != want {
				s.complain("partition %d has event %s where %d should be", r.Partition, text, want)
			}
		})
	}
}

// calibrate finds out how many events a second come through when as many are sent, and halves that.
func (s *soak) calibrate(ctx context.Context) {
	if text := os.Getenv(envSoakRate); text != "" {
		rate, err := strconv.ParseInt(text, 10, 64)
		require.NoError(s.t, err, envSoakRate)
		s.rate.Store(rate)
		return
	}
	s.await(ctx, "the first events come out", func() bool { return s.total(&s.seen) > ahead })
	before, begun := s.total(&s.seen), time.Now()
	sleep(ctx, calibration)
	most := float64(s.total(&s.seen)-before) / time.Since(begun).Seconds()
	s.rate.Store(max(1, int64(most/2)))
	s.t.Logf("%.0f events a second come through, load and reader on the same machine; half of it is sent", most)
}

// hour is the soak itself: samples, reloads, and a second process that comes and goes.
func (s *soak) hour(length time.Duration) {
	begun := time.Now()
	samples, reloads, rebalances := time.NewTicker(sampleEvery), time.NewTicker(reloadEvery), time.NewTicker(rebalanceEvery)
	defer samples.Stop()
	defer reloads.Stop()
	defer rebalances.Stop()
	end := time.After(length)
	var second *kafkatest.Process
	for s.wrong.Load() == nil {
		select {
		case <-end:
			if second != nil {
				require.NoError(s.t, second.Terminate(time.Minute))
			}
			return
		case <-samples.C:
			s.samples = append(s.samples, s.sample(time.Since(begun)))
			if last := s.samples[len(s.samples)-1]; len(s.samples)%30 == 0 {
				s.t.Logf("%v: %+v, sent %d, seen %d", last.at.Round(time.Second), last, s.total(&s.produced), s.total(&s.seen))
			}
		case <-reloads.C:
			s.reloads++
			s.overlay(s.reloads)
			require.NoError(s.t, syscall.Kill(s.main.Pid(), syscall.SIGHUP))
		case <-rebalances.C:
			s.joined++
			if second == nil {
				second, _ = s.start("second")
				continue
			}
			require.NoError(s.t, second.Terminate(time.Minute))
			require.Zero(s.t, second.ExitCode())
			second = nil
		}
	}
	require.Nil(s.t, s.wrong.Load())
}

func (s *soak) sample(at time.Duration) sample {
	m, err := metricsOf(s.t.Context(), s.address)
	require.NoError(s.t, err)
	fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", s.main.Pid()))
	require.NoError(s.t, err)
	sockets := 0
	for _, fd := range fds {
		if to, _ := os.Readlink(fmt.Sprintf("/proc/%d/fd/%s", s.main.Pid(), fd.Name())); strings.HasPrefix(to, "socket:") {
			sockets++
		}
	}
	return sample{
		at: at, rssMiB: m["process_resident_memory_bytes"] / (1 << 20), heapMiB: m["go_memstats_heap_inuse_bytes"] / (1 << 20),
		goroutines: m["go_goroutines"], descriptors: float64(len(fds)), sockets: float64(sockets), events: m["enricher_output_records_total"],
		reloadsGood: m[`enricher_config_reloads_total{result="success"}`], reloadsFailed: m[`enricher_config_reloads_total{result="failure"}`],
	}
}

// metricsOf reads metrics by their names; those of one name add up, but where a label is result.
func metricsOf(ctx context.Context, address string) (map[string]float64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/metrics", nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close() //nolint:errcheck // only read
	out := map[string]float64{}
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		name, value, ok := strings.Cut(lines.Text(), " ")
		if v, err := strconv.ParseFloat(value, 64); ok && err == nil {
			if base, labels, _ := strings.Cut(name, "{"); !strings.HasPrefix(labels, "result=") {
				name = base
			}
			out[name] += v
		}
	}
	if len(out) == 0 {
		return nil, errors.New("no metrics")
	}
	return out, nil
}

// conclude holds the last quarter to the second: what grows, grows in between. The first is for caches to fill.
func (s *soak) conclude(length time.Duration) {
	n := len(s.samples)
	require.Greater(s.t, n, 8, "too short for a conclusion")
	early, late := s.samples[n/4:n/2], s.samples[3*n/4:]
	var b strings.Builder
	fmt.Fprintf(&b, "%v at %d events a second: %d events, each once and in order; %d times a second process came or went, %d changes of the catalog\n", length, s.rate.Load(), s.total(&s.seen), s.joined, s.reloads)
	for _, of := range []struct {
		what   string
		get    func(sample) float64
		most   float64 // that the later median may be above the earlier one
		margin float64
	}{
		{"resident memory, MiB", func(x sample) float64 { return x.rssMiB }, 1.1, 2},
		{"heap in use, MiB", func(x sample) float64 { return x.heapMiB }, 1.2, 3},
		{"goroutines", func(x sample) float64 { return x.goroutines }, 1, 4},
		{"file descriptors", func(x sample) float64 { return x.descriptors }, 1, 4},
		{"connections", func(x sample) float64 { return x.sockets }, 1, 4},
	} {
		all := values(s.samples, of.get)
		first, last := median(values(early, of.get)), median(values(late, of.get))
		fmt.Fprintf(&b, "%-22s second quarter %6.1f, last quarter %6.1f (least %.1f, most %.1f)\n", of.what, first, last, slices.Min(all), slices.Max(all))
		require.LessOrEqual(s.t, last, first*of.most+of.margin, "%s grows", of.what)
	}
	s.t.Logf("soak report\n%s", b.String())
	last := s.samples[n-1]
	require.Zero(s.t, last.reloadsFailed)
	require.InDelta(s.t, s.reloads, last.reloadsGood, 2, "reloads that were asked for and taken up")
	if file := os.Getenv(envSoakPlot); file != "" {
		require.NoError(s.t, os.WriteFile(file, []byte(s.plot()), 0o600))
	}
}

func values(of []sample, get func(sample) float64) []float64 {
	out := make([]float64, len(of))
	for i, x := range of {
		out[i] = get(x)
	}
	return out
}

func median(of []float64) float64 {
	of = slices.Sorted(slices.Values(of))
	return of[len(of)/2]
}
