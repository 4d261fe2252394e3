package app_test

import (
	"context"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/zap/zaptest"

	"github.com/callstream/enricher/internal/app"
	"github.com/callstream/enricher/internal/config"
	"github.com/callstream/enricher/internal/kafkatest"
	"github.com/callstream/enricher/internal/ops"
)

// reloading is a program whose configuration is in files.
type reloading struct {
	*running

	dir     string
	brokers []string
	out     *kgo.Client // reads what comes out
	stop    context.CancelFunc
	done    chan error // how it ended
}

// startFiles runs a program from files, which it looks at that often.
func startFiles(t *testing.T, look time.Duration) *reloading {
	t.Helper()
	c := kafkatest.StartFake(t, kfake.NumBrokers(1), kfake.SeedTopics(1, "calls.raw", "calls.enriched", "calls.dead", "calls.busy"))
	r := &reloading{dir: t.TempDir(), brokers: c.ListenAddrs()}
	r.out = reader(t, r.brokers, "calls.enriched")
	r.write("overlay.yaml", "entries:\n  - {code: 3010, name: First}\n")
	r.configure("")
	load := func() (*config.Config, error) { return config.Load(filepath.Join(r.dir, "enricher.yaml")) }
	cfg, err := load()
	require.NoError(t, err)
	a, err := app.New(cfg, zaptest.NewLogger(t))
	require.NoError(t, err)
	a.ReloadFrom(load)
	a.LookEvery(look)
	ctx, cancel := context.WithCancel(context.Background())
	r.stop, r.done = cancel, make(chan error, 1)
	go func() { r.done <- a.Run(ctx) }()
	r.running = &running{t: t, app: a}
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-r.done)
	})
	r.until("ready", func() bool {
		code, _ := r.get("/readyz")
		return code == http.StatusOK
	})
	return r
}

func (r *reloading) write(name, text string) {
	if err := os.WriteFile(filepath.Join(r.dir, name), []byte(text), 0o600); err != nil {
		panic(err)
	}
}

// configure writes the configuration with more at its end.
func (r *reloading) configure(more string) {
	r.write("enricher.yaml", fmt.Sprintf(`kafka: {brokers: ['%s']}
input: {topics: [calls.raw], group: g}
output: {topic: calls.enriched}
dead_letter: {topic: calls.dead}
ops: {listen: '127.0.0.1:0', page: '127.0.0.1:0'}
catalog: {overlays: [overlay.yaml]}
%s`, strings.Join(r.brokers, "', '"), more))
}

// edit changes the configuration.
func (r *reloading) edit(old, text string) {
	r.t.Helper()
	before, err := os.ReadFile(filepath.Join(r.dir, "enricher.yaml"))
	require.NoError(r.t, err)
	require.Contains(r.t, string(before), old)
	r.write("enricher.yaml", strings.ReplaceAll(string(before), old, text))
}

// name is what an event that is sent now is called.
func (r *reloading) name() string {
	r.t.Helper()
	produce(r.t, r.brokers, `{"Direction":"outbound","HangupCauseCode":"3010"}`)
	return gjson.GetBytes(next(r.t, r.out).Value, "hangup.name").Str
}

func reader(t *testing.T, brokers []string, topic string) *kgo.Client {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.ConsumeTopics(topic), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	require.NoError(t, err)
	t.Cleanup(cl.Close)
	return cl
}

// next is the next record of a reader.
func next(t *testing.T, cl *kgo.Client) *kgo.Record {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	defer cancel()
	fs := cl.PollRecords(ctx, 1)
	require.NoError(t, fs.Err0())
	require.Equal(t, 1, fs.NumRecords())
	return fs.Records()[0]
}

// post asks for a reload as an operator does.
func (r *reloading) post() (int, ops.Reload) {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), http.MethodPost, "http://"+r.app.PageAddr()+"/-/reload", nil)
	require.NoError(r.t, err)
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	require.NoError(r.t, err)
	text, err := io.ReadAll(resp.Body)
	require.NoError(r.t, err)
	require.NoError(r.t, resp.Body.Close())
	var outcome ops.Reload
	require.NoError(r.t, json.Unmarshal(text, &outcome), string(text))
	return resp.StatusCode, outcome
}

func (r *reloading) metric(line string) bool {
	r.t.Helper()
	_, text := r.get("/metrics")
	return strings.Contains(text, "\n"+line+"\n")
}

func TestReloadTakesUpWhatChanged(t *testing.T) {
	r := startFiles(t, time.Hour)
	require.Equal(t, "First", r.name())
	require.True(t, r.metric("enricher_config_last_reload_successful 1"))

	r.write("overlay.yaml", "entries:\n  - {code: 3010, name: Second}\n")
	r.configure("routes: [{name: busy, match: {codes: 3010}, topic: calls.busy}]\nretry: {policies: [{match: {codes: 3010}, max_attempts: 2}]}\nlimits: {linger: 5ms}\n")
	require.Equal(t, "First", r.name(), "nobody has asked for a reload")
	code, outcome := r.post()
	require.Equal(t, http.StatusOK, code, outcome.Problem)
	require.True(t, outcome.OK)
	require.Equal(t, []string{"routes", "retry.policies", "the catalog"}, outcome.Changed)
	require.Equal(t, []string{"limits.linger"}, outcome.NeedsRestart)
	require.Equal(t, "Second", r.name())
	require.Equal(t, "Second", gjson.GetBytes(next(t, reader(t, r.brokers, "calls.busy")).Value, "hangup.name").Str)
	require.True(t, r.metric(`enricher_config_reloads_total{result="success"} 1`))
	require.True(t, r.metric(`enricher_route_records_total{role="filter",route="busy"} 1`))

	// The page shows what is in force, and what is not.
	st := r.status()
	require.Equal(t, &outcome, st.Reload)
	require.Equal(t, outcome.Catalog, st.Catalog)
	require.Equal(t, "busy", st.Routes[0].Name)
	shown := r.page("/api/config", "")
	require.Contains(t, shown, "calls.busy")
	require.Contains(t, shown, "linger: 2ms")
	html := r.page("/", "")
	require.Contains(t, html, "taken up: routes, retry.policies, the catalog.")
	require.Contains(t, html, "not taken up before a restart: <code>limits.linger</code>")
	_, metrics := r.get("/metrics")
	require.Contains(t, metrics, fmt.Sprintf("enricher_build_info{catalog=%q", outcome.Catalog))
}

// TestReloadKeepsTheLastGoodOne: each mistake is told with its place, and nothing changes.
func TestReloadKeepsTheLastGoodOne(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(r *reloading)
		want   string
	}{
		"unknown key":       {func(r *reloading) { r.configure("colour: red\n") }, `unknown key "colour"`},
		"no file":           {func(r *reloading) { r.remove("enricher.yaml") }, "no such file"},
		"overlay's mistake": {func(r *reloading) { r.write("overlay.yaml", "entries:\n  - {code: 3010, fualt: carrier}\n") }, `did you mean "fault"?`},
		"no overlay":        {func(r *reloading) { r.remove("overlay.yaml") }, "catalog.overlays: "},
		"enrich":            {func(r *reloading) { r.configure("enrich: {fields: [colour]}\n") }, "colour"},
		"route's topic": {
			func(r *reloading) { r.configure("routes: [{name: more, match: {codes: 3010}, topic: nowhere}]\n") },
			`filter: check topics: topic "nowhere" does not exist: create it with`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := startFiles(t, time.Hour)
			tt.change(r)
			code, outcome := r.post()
			require.Equal(t, http.StatusUnprocessableEntity, code)
			require.False(t, outcome.OK)
			require.Contains(t, outcome.Problem, tt.want)
			require.True(t, r.metric("enricher_config_last_reload_successful 0"))
			require.True(t, r.metric(`enricher_config_reloads_total{result="failure"} 1`))
			require.Equal(t, "First", r.name())
			require.Equal(t, &outcome, r.status().Reload)
			require.Contains(t, r.page("/", ""), "not taken up: the last good one stays in force")
			require.Contains(t, r.page("/", ""), template.HTMLEscapeString(tt.want))

			// Mended, it is taken up, and the gauge says so.
			r.write("overlay.yaml", "entries:\n  - {code: 3010, name: Mended}\n")
			r.configure("")
			code, _ = r.post()
			require.Equal(t, http.StatusOK, code)
			require.True(t, r.metric("enricher_config_last_reload_successful 1"))
			require.Equal(t, "Mended", r.name())
		})
	}
}

func (r *reloading) remove(name string) { require.NoError(r.t, os.Remove(filepath.Join(r.dir, name))) }

// TestReloadOfFilesThatChange: the way of an editor, and that of Kubernetes, which swaps a link.
func TestReloadOfFilesThatChange(t *testing.T) {
	r := startFiles(t, 5*time.Millisecond)
	taken := func(name string) {
		r.until(name+" is taken up", func() bool { return r.status().Reload != nil && r.name() == name })
	}
	r.write("overlay.yaml", "entries:\n  - {code: 3010, name: Written}\n")
	taken("Written")

	for i, name := range []string{"Linked", "Swapped"} {
		data := filepath.Join(r.dir, fmt.Sprintf("..data%d", i))
		require.NoError(t, os.Mkdir(data, 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(data, "overlay.yaml"), []byte("entries:\n  - {code: 3010, name: "+name+"}\n"), 0o600))
		require.NoError(t, os.Symlink(filepath.Join(data, "overlay.yaml"), filepath.Join(r.dir, "new")))
		require.NoError(t, os.Rename(filepath.Join(r.dir, "new"), filepath.Join(r.dir, "overlay.yaml")))
		taken(name)
	}

	// A mistake changes nothing.
	r.write("overlay.yaml", "entries: 7\n")
	r.until("told", func() bool { return r.metric("enricher_config_last_reload_successful 0") })
	require.Equal(t, "Swapped", r.name())
	r.write("overlay.yaml", "entries:\n  - {code: 3010, name: Last}\n")
	taken("Last")

	// What failed for a topic that was not there is tried again, without another change.
	r.configure("routes: [{name: more, match: {codes: 3010}, topic: calls.later}]\n")
	r.until("refused", func() bool { return r.metric("enricher_config_last_reload_successful 0") })
	r.create("calls.later")
	r.until("taken up by itself", func() bool { return r.metric("enricher_config_last_reload_successful 1") })
	require.Equal(t, "Last", r.name())
	require.Equal(t, "Last", gjson.GetBytes(next(t, reader(t, r.brokers, "calls.later")).Value, "hangup.name").Str)
}

// TestReloadIsNotTriedAtEveryLook: a mistake stays one, and the log would be full of it.
func TestReloadIsNotTriedAtEveryLook(t *testing.T) {
	looks, asked := make(chan time.Time), make(chan os.Signal)
	r := startFiles(t, time.Hour)
	done := make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		r.app.WatchFiles(ctx, looks, asked)
		close(done)
	}()
	looks <- time.Now() // it has begun
	r.write("overlay.yaml", "entries: 7\n")
	looksUntil := func(failures int) (n int) {
		for want := fmt.Sprintf(`enricher_config_reloads_total{result="failure"} %d`, failures); !r.metric(want); n++ {
			require.LessOrEqual(t, n, 2*app.LooksToRetry, "not tried again")
			looks <- time.Now()
		}
		return n
	}
	looksUntil(1)
	require.InDelta(t, app.LooksToRetry, looksUntil(2), 1)
	cancel()
	<-done
}

func (r *reloading) create(topic string) {
	r.t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(r.brokers...))
	require.NoError(r.t, err)
	defer cl.Close()
	_, err = kadm.NewClient(cl).CreateTopic(r.t.Context(), 1, 1, nil, topic)
	require.NoError(r.t, err)
}

// TestReloadOfAMixThatIsNotSound: the file is, and what of it can be taken up is not, beside what stays.
func TestReloadOfAMixThatIsNotSound(t *testing.T) {
	r := startFiles(t, time.Hour)
	r.configure("routes: [{name: busy, match: {codes: 3010}, topic: calls.raw}]\n")
	r.edit("topics: [calls.raw]", "topics: [calls.other]")
	_, err := config.Load(filepath.Join(r.dir, "enricher.yaml"))
	require.NoError(t, err, "by itself it is sound")
	code, outcome := r.post()
	require.Equal(t, http.StatusUnprocessableEntity, code)
	require.Contains(t, outcome.Problem, "with what cannot change before a restart (input.topics): ")
	require.Contains(t, outcome.Problem, `routes[0].topic: "calls.raw" is input.topics[0] too`)
	require.Equal(t, []string{"input.topics"}, outcome.NeedsRestart)
}

// TestReloadIsDoneOnce: what was asked for by POST is not seen as a change by the next look.
func TestReloadIsDoneOnce(t *testing.T) {
	r := startFiles(t, time.Hour)
	r.write("overlay.yaml", "entries:\n  - {code: 3010, name: Second}\n")
	r.write("more.yaml", "entries:\n  - {code: 3020, name: More}\n")
	r.edit("overlays: [overlay.yaml]", "overlays: [overlay.yaml, more.yaml]")
	_, outcome := r.post()
	require.True(t, outcome.OK, outcome.Problem)
	looks, asked := make(chan time.Time), make(chan os.Signal)
	done := make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		r.app.WatchFiles(ctx, looks, asked)
		close(done)
	}()
	for range 5 {
		looks <- time.Now()
	}
	require.True(t, r.metric(`enricher_config_reloads_total{result="success"} 1`))

	// A new overlay that is broken, and then mended: its file is looked at although it is not in force.
	r.write("new.yaml", "entries: 7\n")
	r.edit("more.yaml", "new.yaml")
	_, outcome = r.post()
	require.False(t, outcome.OK)
	r.write("new.yaml", "entries:\n  - {code: 3020, name: Mended}\n")
	for range 4 {
		looks <- time.Now()
	}
	require.True(t, r.metric("enricher_config_last_reload_successful 1"))
	cancel()
	<-done
}

func TestReloadOnHangup(t *testing.T) {
	r := startFiles(t, time.Hour)
	r.write("overlay.yaml", "entries:\n  - {code: 3010, name: Hung up}\n")
	require.NoError(t, syscall.Kill(os.Getpid(), syscall.SIGHUP))
	r.until("taken up", func() bool { return r.status().Reload != nil })
	require.Equal(t, "Hung up", r.name())
}

// TestReloadThatBlocks: a program that is asked to stop does not wait for a file.
func TestReloadThatBlocks(t *testing.T) {
	r := startFiles(t, time.Hour)
	fifo := filepath.Join(r.dir, "fifo")
	require.NoError(t, syscall.Mkfifo(fifo, 0o600))
	r.configure("log: {level: '${file:fifo}'}\n")
	require.NoError(t, syscall.Kill(os.Getpid(), syscall.SIGHUP))
	w, err := os.OpenFile(fifo, os.O_WRONLY, 0) // waits until it is read
	require.NoError(t, err)
	r.stop()
	select {
	case err := <-r.done:
		r.done <- err // for the end of the test
	case <-time.After(testTimeout):
		t.Error("it waits for what is blocked")
	}
	require.NoError(t, w.Close())
}

// TestReloadOfWhatIsNoFile: a pipe in the place of a file is neither read nor waited for.
func TestReloadOfWhatIsNoFile(t *testing.T) {
	for _, name := range []string{"enricher.yaml", "overlay.yaml"} {
		t.Run(name, func(t *testing.T) {
			r := startFiles(t, 5*time.Millisecond)
			r.remove(name)
			require.NoError(t, syscall.Mkfifo(filepath.Join(r.dir, name), 0o600))
			r.until("told", func() bool {
				last := r.status().Reload
				return last != nil && strings.HasSuffix(last.Problem, "/"+name+" is no regular file and cannot be read again: put a file there, or restart")
			})
			require.Equal(t, "First", r.name())
			r.remove(name)
			r.write("overlay.yaml", "entries:\n  - {code: 3010, name: Second}\n")
			r.configure("")
			r.until("taken up", func() bool { return r.status().Reload.OK && r.name() == "Second" })
		})
	}
}

// TestReloadWithoutAFile: a program that was not started from one says so.
func TestReloadWithoutAFile(t *testing.T) {
	a, err := app.New(configFor("127.0.0.1:1"), zaptest.NewLogger(t))
	require.NoError(t, err)
	require.Contains(t, a.Reload(t.Context()).Problem, "no configuration file")
}
