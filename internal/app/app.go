// Package app makes the parts from the configuration, and starts and stops them in order. It is
// the one place that knows all of them.
package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"runtime/debug"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/callstream/enricher/internal/broker"
	"github.com/callstream/enricher/internal/config"
	"github.com/callstream/enricher/internal/login"
	"github.com/callstream/enricher/internal/ops"
	"github.com/callstream/enricher/internal/pipeline"
)

// App is the program, made and not yet running.
type App struct {
	log       *zap.Logger
	client    *broker.Client
	pipelines []*pipeline.Pipeline           // one for each role
	load      func() (*config.Config, error) // nil: the configuration cannot be read again
	lookEvery time.Duration                  // at its files
	current   atomic.Pointer[settings]
	reading   turn     // one read of files at a time; who gives up waiting leaves one that is blocked behind
	reloading turn     // one reload at a time; guards the next two
	files     []string // that the configuration names, as it was read last
	taken     digest   // what they held then
	reloads   *reloads
	ops       *ops.Server // nil: turned off
	page      *ops.Server // the status page's; nil: turned off, or served by ops
}

// New makes everything that can be made without a broker, so that mistakes show before the
// group is joined. A *ConfigError is the configuration's fault.
func New(cfg *config.Config, log *zap.Logger) (*App, error) {
	start, err := newSettings(cfg)
	if err != nil {
		return nil, err
	}
	roles, topics, err := pipelineConfigs(start)
	if err != nil {
		return nil, &ConfigError{err}
	}
	client, err := newClient(cfg, topics, log)
	if err != nil {
		return nil, &ConfigError{err}
	}
	a := &App{log: log, client: client, lookEvery: lookEvery, reading: newTurn(), reloading: newTurn()}
	a.current.Store(start)
	a.reloads = newReloads(a)
	for _, role := range roles {
		role.Sample = a.sampler()
		a.pipelines = append(a.pipelines, pipeline.New(role, client, log.Named(role.Role.String())))
	}
	if err := a.listen(cfg); err != nil {
		return nil, err
	}
	warnOfWindow(log, &cfg.Retry)
	log.Info("catalog", zap.String("id", start.snap.ID()), zap.Int("entries", len(start.snap.Entries())))
	return a, nil
}

// ReloadFrom says how the configuration is read again: from its file, checked as at the start. Without it, it cannot be. Before
// Run.
func (a *App) ReloadFrom(load func() (*config.Config, error)) {
	a.load, a.files = load, a.now().cfg.Files()
	a.taken = digestOf(a.files)
}

// listen opens the operator's addresses.
func (a *App) listen(cfg *config.Config) (err error) {
	if cfg.Ops.Listen != "" {
		if a.ops, err = ops.Listen(cfg.Ops.Listen, a.metrics(), a.live, a.ready); err != nil {
			return fmt.Errorf("start: %w", err)
		}
		a.log.Info("serving /livez, /readyz and /metrics", zap.String("address", a.ops.Addr()))
	}
	if cfg.Ops.Page == "" {
		return nil
	}
	page := a.statusPage(cfg, newStatus(a))
	if cfg.Ops.Page == cfg.Ops.Listen {
		err = a.ops.AddPage(page)
	} else {
		a.page, err = ops.ListenPage(cfg.Ops.Page, page)
	}
	switch {
	case errors.Is(err, ops.ErrExposed), errors.Is(err, ops.ErrTLS):
		if a.ops != nil {
			err = errors.Join(err, a.ops.Close())
		}
		return &ConfigError{err}
	case err != nil:
		// Processes of one host often share a file. That one has no page is no reason for it not to work.
		a.log.Warn("no status page", zap.Error(err))
	default:
		a.log.Info("serving the status page", zap.String("address", a.PageURL()))
		a.warnOfPage(cfg)
	}
	return nil
}

// now is what is in force.
func (a *App) now() *settings { return a.current.Load() }

// ConfigError is a mistake in the configuration or in a file that it names.
type ConfigError struct{ Err error }

func (e *ConfigError) Error() string { return e.Err.Error() }

// Unwrap returns the mistake.
func (e *ConfigError) Unwrap() error { return e.Err }

// Unreached tells whether an error of Run is that brokers could not be asked, and says nothing of what to do. Of TLS and logins
// errors say it themselves.
func Unreached(err error) bool {
	_, network := errors.AsType[*net.OpError](err)
	_, told := errors.AsType[*login.Error](err)
	return (network || broker.ConnectionLost(err)) && !told
}

// Pipeline is that of a role, for those who want to look at its figures; nil if this process has
// another role.
func (a *App) Pipeline(role pipeline.Role) *pipeline.Pipeline {
	for _, p := range a.pipelines {
		if p.Role() == role {
			return p
		}
	}
	return nil
}

// OpsAddr is the address that health and metrics are served on, with the real port; "" if they
// are turned off.
func (a *App) OpsAddr() string {
	if a.ops == nil {
		return ""
	}
	return a.ops.Addr()
}

// Run works until ctx ends or a role fails; then it drains, commits and leaves the groups. The operator's
// endpoints answer until the very end.
func (a *App) Run(ctx context.Context) error {
	defer a.client.Close()
	opsCtx, stopOps := context.WithCancel(context.WithoutCancel(ctx))
	defer stopOps()
	var serving errgroup.Group
	for _, s := range []*ops.Server{a.ops, a.page} {
		if s != nil {
			serving.Go(func() error { return s.Serve(opsCtx) })
		}
	}
	roles, rolesCtx := errgroup.WithContext(ctx)
	looks, asked := time.NewTicker(a.lookEvery), make(chan os.Signal, 1)
	defer looks.Stop()
	if a.load != nil {
		signal.Notify(asked, syscall.SIGHUP)
		defer signal.Stop(asked)
	}
	roles.Go(func() error {
		a.watchFiles(rolesCtx, looks.C, asked)
		return nil
	})
	for _, p := range a.pipelines {
		roles.Go(func() error {
			err := p.Run(rolesCtx)
			totals := p.Ledger.Totals()
			a.log.Info("stopped", zap.Stringer("role", p.Role()), zap.Stringer("ledger", totals), zap.Bool("conserved", totals.Conserved()))
			return err
		})
	}
	err := roles.Wait()
	stopOps()
	return errors.Join(err, serving.Wait())
}

func (a *App) metrics() prometheus.Gatherer {
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	reg.MustRegister(a.reloads)
	for _, p := range a.pipelines {
		p.Register(reg)
	}
	return reg
}

func version() string {
	if b, ok := debug.ReadBuildInfo(); ok {
		return b.Main.Version
	}
	return "unknown"
}

// live says that the process is not wedged, whatever the brokers do.
func (a *App) live() ops.Health {
	h := ops.Health{OK: true, State: a.least().State().String()}
	for _, p := range a.pipelines {
		if h.Reason = p.Wedged(time.Now()); h.Reason != "" {
			h.OK, h.Reason = false, p.Role().String()+": "+h.Reason
			break
		}
	}
	return h
}

// ready says whether every role does its work.
func (a *App) ready() ops.Health {
	h := ops.Health{OK: true, State: a.least().State().String()}
	for _, p := range a.pipelines {
		if h.Reason = p.Unready(time.Now()); h.Reason != "" {
			h.OK = false
			if len(a.pipelines) > 1 {
				h.Reason = p.Role().String() + ": " + h.Reason
			}
			break
		}
	}
	return h
}

// least is the pipeline that says most about what is wrong: the first that does not run.
func (a *App) least() *pipeline.Pipeline {
	for _, p := range a.pipelines {
		if p.State() != pipeline.Running {
			return p
		}
	}
	return a.pipelines[0]
}
