// Package app makes the parts from the configuration, and starts and stops them in order. It is
// the one place that knows all of them.
package app

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"go.uber.org/zap"

	"github.com/callstream/enricher/internal/broker"
	"github.com/callstream/enricher/internal/config"
	"github.com/callstream/enricher/internal/ops"
	"github.com/callstream/enricher/internal/pipeline"
	"github.com/callstream/enricher/pkg/catalog"
	"github.com/callstream/enricher/pkg/enrich"
)

// App is the program, made and not yet running.
type App struct {
	cfg      *config.Config
	log      *zap.Logger
	client   *broker.Client
	pipeline *pipeline.Pipeline
	ops      *ops.Server // nil: turned off
}

// New makes everything that can be made without a broker, so that mistakes show before the
// group is joined. A *ConfigError is the configuration's fault.
func New(cfg *config.Config, log *zap.Logger) (*App, error) {
	snap, err := catalog.Load(cfg.Catalog.Overlays...)
	if err != nil {
		return nil, &ConfigError{fmt.Errorf("catalog.overlays: %w", err)}
	}
	enricher, err := enrich.New(snap, EnrichOptions(cfg))
	if err != nil {
		return nil, &ConfigError{fmt.Errorf("enrich: %w", err)}
	}
	pipe, err := pipelineConfig(cfg)
	if err != nil {
		return nil, &ConfigError{err}
	}
	client := broker.NewClient(broker.Config{Brokers: cfg.Kafka.Brokers, ClientID: cfg.Kafka.ClientID, Topics: pipe.AllTopics(), Log: log.Named("client")})
	a := &App{cfg: cfg, log: log, client: client, pipeline: pipeline.New(pipe, client, enricher, log)}
	if cfg.Ops.Listen != "" {
		if a.ops, err = ops.Listen(cfg.Ops.Listen, a.metrics(snap), a.live, a.ready); err != nil {
			return nil, fmt.Errorf("start: %w", err)
		}
		log.Info("serving /livez, /readyz and /metrics", zap.String("address", a.ops.Addr()))
	}
	log.Info("catalog", zap.String("id", snap.ID()), zap.Int("entries", len(snap.Entries())))
	return a, nil
}

// ConfigError is a mistake in the configuration or in a file that it names.
type ConfigError struct{ Err error }

func (e *ConfigError) Error() string { return e.Err.Error() }

// Unwrap returns the mistake.
func (e *ConfigError) Unwrap() error { return e.Err }

// Pipeline is the filter, for those who want to look at its figures.
func (a *App) Pipeline() *pipeline.Pipeline { return a.pipeline }

// OpsAddr is the address that health and metrics are served on, with the real port; "" if they
// are turned off.
func (a *App) OpsAddr() string {
	if a.ops == nil {
		return ""
	}
	return a.ops.Addr()
}

// Run filters until ctx ends; then it drains, commits and leaves the group. The operator's
// endpoints answer until the very end.
func (a *App) Run(ctx context.Context) error {
	defer a.client.Close()
	opsCtx, stopOps := context.WithCancel(context.WithoutCancel(ctx))
	defer stopOps()
	served := make(chan error, 1)
	if a.ops != nil {
		go func() { served <- a.ops.Serve(opsCtx) }()
	} else {
		served <- nil
	}
	err := a.pipeline.Run(ctx)
	totals := a.pipeline.Ledger.Totals()
	a.log.Info("stopped", zap.Stringer("ledger", totals), zap.Bool("conserved", totals.Conserved()))
	stopOps()
	return errors.Join(err, <-served)
}

func (a *App) metrics(snap *catalog.Snapshot) prometheus.Gatherer {
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	info := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Namespace: "enricher", Name: "build_info", Help: "1; the labels say which program and which catalog run.",
	}, []string{"version", "catalog"})
	info.WithLabelValues(version(), snap.ID()).Set(1)
	reg.MustRegister(info)
	a.pipeline.Register(reg)
	return reg
}

func version() string {
	if b, ok := debug.ReadBuildInfo(); ok {
		return b.Main.Version
	}
	return "unknown"
}

// live says that the process answers, whatever the brokers do.
func (a *App) live() ops.Health {
	return ops.Health{OK: true, State: a.pipeline.State().String()}
}

// ready says whether the process takes part in the group.
func (a *App) ready() ops.Health {
	state := a.pipeline.State()
	h := ops.Health{OK: state == pipeline.Running, State: state.String()}
	if !h.OK {
		h.Reason = state.Reason()
	}
	return h
}
