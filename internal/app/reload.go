package app

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/callstream/enricher/internal/config"
	"github.com/callstream/enricher/internal/ops"
	"github.com/callstream/enricher/internal/pipeline"
	"github.com/callstream/enricher/pkg/catalog"
	"github.com/callstream/enricher/pkg/enrich"
)

// settings are a configuration and what is made of it for the workers. They do not change; a reload replaces them.
type settings struct {
	cfg      *config.Config
	snap     *catalog.Snapshot
	enricher *enrich.Enricher
}

func newSettings(cfg *config.Config) (*settings, error) {
	snap, err := catalog.Load(cfg.Catalog.Overlays...)
	if err != nil {
		return nil, &ConfigError{fmt.Errorf("catalog.overlays: %w", err)}
	}
	if snap, err = snap.WithPolicies(Policies(cfg)); err != nil {
		return nil, &ConfigError{err}
	}
	e, err := enrich.New(snap, EnrichOptions(cfg))
	if err != nil {
		return nil, &ConfigError{fmt.Errorf("enrich: %w", err)}
	}
	return &settings{cfg: cfg, snap: snap, enricher: e}, nil
}

// Reload takes up what has changed in the configuration's file and in its overlays, as far as that can be done
// in a running process (see config.Config.With). If the outcome is not OK, nothing of it is in force.
func (a *App) Reload(ctx context.Context) ops.Reload {
	ctx, cancel := context.WithTimeout(ctx, reloadWithin)
	defer cancel()
	if a.load == nil {
		return ops.Reload{At: time.Now(), Catalog: a.now().snap.ID(), Problem: "this process has no configuration file to read again"}
	}
	if err := a.reloading.take(ctx); err != nil {
		return ops.Reload{At: time.Now(), Catalog: a.now().snap.ID(), Problem: fmt.Sprintf("another reload is not over yet: %v", err)}
	}
	defer a.reloading.give()
	before := a.now()
	a.taken = a.digest(ctx)
	next, restart, err := a.stage(ctx, before)
	outcome := ops.Reload{At: time.Now(), OK: err == nil, Catalog: before.snap.ID(), NeedsRestart: restart}
	if err != nil {
		outcome.Problem = err.Error()
		a.reloads.failed.Inc()
		a.log.Error("the configuration cannot be taken up; the last good one stays in force", zap.Error(err))
	} else {
		a.current.Store(next)
		outcome.Catalog, outcome.Changed = next.snap.ID(), config.Changes(before.cfg, next.cfg)
		if next.snap.ID() != before.snap.ID() {
			outcome.Changed = append(outcome.Changed, "the catalog")
		}
		a.reloads.succeeded.Inc()
		a.reloads.at.SetToCurrentTime()
		warnOfWindow(a.log, &next.cfg.Retry)
		what := "configuration taken up"
		if len(outcome.Changed) == 0 {
			what = "configuration read again, nothing of it has changed"
		}
		a.log.Info(what, zap.Strings("changed", outcome.Changed), zap.String("catalog", outcome.Catalog))
		if len(restart) > 0 {
			a.log.Warn("what else has changed needs a restart", zap.Strings("keys", restart))
		}
	}
	a.reloads.last.Store(&outcome)
	return outcome
}

// stage reads and checks everything, for all roles, and swaps only then. It returns the keys that have changed and need
// a restart as well.
func (a *App) stage(ctx context.Context, before *settings) (next *settings, restart []string, err error) {
	files := a.files
	read, err := within(ctx, a.reading, func() (*config.Config, error) {
		if err := readableAgain(files); err != nil {
			return nil, err
		}
		return a.load()
	})
	if err != nil {
		return nil, nil, err
	}
	if files := read.Files(); !slices.Equal(files, a.files) {
		a.files = files
		a.taken = a.digest(ctx)
	}
	merged := before.cfg.With(read)
	restart = config.Changes(merged, read)
	// Each of the two is sound by itself, and not what is made of them: a new route may lead to what was the due topic
	// and still is.
	if err := merged.Validate(); err != nil {
		return nil, restart, fmt.Errorf("with what cannot change before a restart (%s): %w", strings.Join(restart, ", "), err)
	}
	if next, err = within(ctx, a.reading, func() (*settings, error) { return newSettings(merged) }); err != nil {
		return nil, restart, err
	}
	rules, err := newRules(next)
	if err != nil {
		return nil, restart, err
	}
	swaps := make([]func(), len(a.pipelines))
	for i, p := range a.pipelines {
		if swaps[i], err = p.Stage(ctx, rules.of(p.Role())); err != nil {
			return nil, restart, fmt.Errorf("%s: %w", p.Role(), err)
		}
	}
	for _, swap := range swaps {
		swap()
	}
	return next, restart, nil
}

// warnOfWindow says so if calls grow too old while they wait for calling hours.
func warnOfWindow(log *zap.Logger, r *config.Retry) {
	if !r.On() || r.Window.From == "" {
		return
	}
	w, err := window(&r.Window)
	if err != nil {
		return // told by newRules
	}
	if shut := w.LongestShut() + r.Window.Spread; shut > r.MaxAge {
		log.Warn("calls that wait through the longest time without calling hours will be given up as expired: raise retry.max_age",
			zap.Duration("window_shut_and_spread", shut), zap.Duration("max_age", r.MaxAge))
	}
}

// How often the files are looked at, how long a reload may take, and after how many looks one that failed is tried
// again: what it wanted of the cluster, a topic or an answer, may be there by then.
const (
	lookEvery    = 5 * time.Second
	reloadWithin = time.Minute
	looksToRetry = 12
)

// watchFiles reloads when the files have changed, or when asked to, until ctx ends. A change is taken up once two looks
// in a row have seen the same: an editor may be in the midst of writing. What is looked at is the content, so that it does
// not matter how a file is replaced (Kubernetes swaps a link).
func (a *App) watchFiles(ctx context.Context, looks <-chan time.Time, asked <-chan os.Signal) {
	if a.load == nil {
		return
	}
	failed := 0 // counts looks from a reload that failed on; 0: it did not
	for seen := a.lastTaken(ctx); ; {
		select {
		case <-ctx.Done():
			return
		case <-looks:
			now, taken := a.look(ctx)
			settled := now == seen
			seen = now
			if failed > 0 {
				failed++
			}
			if !settled || now == taken && failed <= looksToRetry {
				continue
			}
		case <-asked:
		}
		failed = 0
		if !a.Reload(ctx).OK {
			failed = 1
		}
		seen = a.lastTaken(ctx)
	}
}

// digest is what files hold.
type digest [sha256.Size]byte

// look gives what the files hold now, and what they held when they were read last.
func (a *App) look(ctx context.Context) (now, taken digest) {
	ctx, cancel := context.WithTimeout(ctx, reloadWithin)
	defer cancel()
	if a.reloading.take(ctx) != nil {
		return now, taken
	}
	defer a.reloading.give()
	return a.digest(ctx), a.taken
}

func (a *App) lastTaken(ctx context.Context) (taken digest) {
	if a.reloading.take(ctx) != nil {
		return taken
	}
	defer a.reloading.give()
	return a.taken
}

// digest is that of all files that the configuration names, as it was read last, be it in force or not. Files that cannot be
// read in time have none; the reload will say so. With a.reloading.
func (a *App) digest(ctx context.Context) digest {
	files := a.files
	sum, _ := within(ctx, a.reading, func() (digest, error) { return digestOf(files), nil })
	return sum
}

// digestOf takes a file that cannot be read for an empty one, and does not read what is no regular file: that may block, or
// take from a pipe what is meant for others.
func digestOf(files []string) digest {
	sum := sha256.New()
	for _, name := range files {
		_, _ = fmt.Fprintf(sum, "%q\n", name)
		if info, err := os.Stat(name); err == nil && !info.Mode().IsRegular() {
			_, _ = fmt.Fprintln(sum, info.Mode().Type())
			continue
		}
		if f, err := os.Open(name); err == nil { //nolint:gosec // the operator names them
			_, _ = io.Copy(sum, f)
			_ = f.Close()
		}
	}
	return digest(sum.Sum(nil))
}

// readableAgain refuses what is no regular file. At the start it may be a pipe, such as <(…) of a shell.
func readableAgain(files []string) error {
	for _, name := range files {
		if info, err := os.Stat(name); err == nil && !info.Mode().IsRegular() {
			return fmt.Errorf("read configuration: %s is no regular file and cannot be read again: put a file there, or restart", name)
		}
	}
	return nil
}

// within runs what reads files, and gives up on it when ctx ends: it may be blocked for ever, by a pipe or by a file system that
// hangs. One that is left behind keeps the turn until it returns, so that there is one at most.
func within[T any](ctx context.Context, reading turn, read func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	err := reading.take(ctx)
	if err == nil {
		go func() {
			defer reading.give()
			value, err := read()
			done <- result{value, err}
		}()
		select {
		case r := <-done:
			return r.value, r.err
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("it or a file that it names blocks; is one a pipe, or on a file system that hangs? (%w)", err)
	}
	var none T
	return none, fmt.Errorf("read configuration: %w", err)
}

// turn is a lock. Who waits for it can be told to stop.
type turn chan struct{}

func newTurn() turn { return make(turn, 1) }

func (t turn) take(ctx context.Context) error {
	select {
	case t <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err() //nolint:wrapcheck // the caller says what it has waited for
	}
}

func (t turn) give() { <-t }

// reloads are the metrics of reloads, and the last one.
type reloads struct {
	app       *App
	succeeded prometheus.Counter
	failed    prometheus.Counter
	at        prometheus.Gauge
	last      atomic.Pointer[ops.Reload] // nil: none yet
}

func newReloads(a *App) *reloads {
	total := prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: "enricher", Name: "config_reloads_total", Help: "Times that the configuration was read again, by result.",
	}, []string{"result"})
	r := &reloads{
		app: a, succeeded: total.WithLabelValues("success"), failed: total.WithLabelValues("failure"),
		at: prometheus.NewGauge(prometheus.GaugeOpts{
			Namespace: "enricher", Name: "config_last_reload_success_timestamp_seconds", Help: "When the configuration in force was read.",
		}),
	}
	r.at.SetToCurrentTime()
	return r
}

// Describe sends nothing: the labels of build_info change with the catalog.
func (*reloads) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (r *reloads) Collect(ch chan<- prometheus.Metric) {
	r.succeeded.Collect(ch)
	r.failed.Collect(ch)
	r.at.Collect(ch)
	gauge := func(name, help string, v float64, labels ...string) {
		names := []string{"version", "catalog"}[:len(labels)]
		ch <- prometheus.MustNewConstMetric(prometheus.NewDesc("enricher_"+name, help, names, nil), prometheus.GaugeValue, v, labels...)
	}
	ok := 1.0
	if last := r.last.Load(); last != nil && !last.OK {
		ok = 0
	}
	gauge("config_last_reload_successful", "1 if the configuration's file, as it was read last, is in force; 0 if it has a mistake.", ok)
	gauge("build_info", "1; the labels say which program and which catalog run.", 1, version(), r.app.now().snap.ID())
}

// roleRules are what the roles do with records, by a configuration.
type roleRules struct{ filter, delay pipeline.Rules }

func (r *roleRules) of(role pipeline.Role) pipeline.Rules {
	if role == pipeline.Delay {
		return r.delay
	}
	return r.filter
}

func newRules(s *settings) (r roleRules, err error) {
	r.filter = pipeline.Rules{Enricher: s.enricher, Drop: Drops(s.cfg)}
	if r.filter.Routes, err = Routes(s.cfg); err != nil {
		return r, &ConfigError{err}
	}
	if !slices.ContainsFunc(r.filter.Routes, func(r pipeline.Route) bool { return r.Match.AboutCall() }) {
		opt := EnrichOptions(s.cfg)
		opt.WrittenOnly = true // the page's own explains all
		if r.filter.Enricher, err = enrich.New(s.snap, opt); err != nil {
			return r, &ConfigError{fmt.Errorf("enrich: %w", err)}
		}
	}
	if s.cfg.Retry.On() {
		if r.filter.Retry, err = loop(&s.cfg.Retry); err != nil {
			return r, &ConfigError{fmt.Errorf("retry: %w", err)}
		}
	}
	r.delay.Retry = r.filter.Retry
	return r, nil
}
