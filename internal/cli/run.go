package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/callstream/enricher/internal/app"
	"github.com/callstream/enricher/internal/config"
	"github.com/callstream/enricher/internal/kafkatool"
)

func newRun(w *world) *cobra.Command {
	return newService(w, &cobra.Command{
		Use:   "run -c FILE",
		Short: "Run the filter",
		Long: `Run the filter: read raw call events from Kafka, enrich them, write them. With the role
delay (roles, or enricher delay) hold the calls of the retry loop until they are due.

What changes in its file and in the overlays is taken up while it runs, as far as that can
be (docs/configuration.md): within ten seconds, or at once on SIGHUP.

It stops on SIGTERM or SIGINT: it finishes what is in flight within
limits.shutdown_timeout, commits and leaves the group. A second signal ends it at
once; nothing is lost then either, since only what was acknowledged is committed.`,
		Example: "  enricher run -c config/enricher.yaml",
	}, func(*config.Config) error { return nil })
}

func newDelay(w *world) *cobra.Command {
	return newService(w, &cobra.Command{
		Use:   "delay -c FILE",
		Short: "Hold the calls of the retry loop until they are due",
		Long: `Run the other half of the retry loop: hold calls on the delay topics (retry.tiers) until
they may be dialled again, then write them to the due topic (retry.due). It is
enricher run with roles: [delay], whatever the file says of roles, so that filter and
delay can share one file and be scaled apart.

It stops like enricher run. What waits, waits in Kafka: a restart changes nothing.`,
		Example: "  enricher delay -c config/retry.yaml",
	}, func(cfg *config.Config) error {
		if !cfg.Retry.On() {
			return usagef("delay has nothing to do: the configuration has no retry.tiers (see docs/retry.md)")
		}

		cfg.Roles = []config.Role{config.RoleDelay}

		return nil
	})
}

// newService completes a command that runs until it is told to stop. adapt has the last word on the
// configuration.
func newService(w *world, cmd *cobra.Command, adapt func(*config.Config) error) *cobra.Command {
	var file, instance string

	cmd.Args = arguments(0, 0, "no arguments")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if file == "" {
			return usagef("%s wants a configuration: -c FILE; config/minimal.yaml is one to start from", cmd.Name())
		}

		load := func() (*config.Config, error) {
			cfg, err := loadConfig(file)
			if err != nil {
				return nil, err
			}

			if instance != "" {
				cfg.Kafka.Instance = instance
			}

			return cfg, adapt(cfg)
		}

		return serve(cmd, w, load)
	}
	cmd.Flags().StringVarP(&file, "config", "c", "", "configuration file")
	cmd.Flags().StringVar(&instance, "instance", "", "name of this process among those of its group, the same after a restart (default kafka.instance, else the host name)")

	return cmd
}

func serve(cmd *cobra.Command, w *world, load func() (*config.Config, error)) error {
	cfg, err := load()
	if err != nil {
		return err
	}

	log := w.logger(cfg.Log)
	defer log.Sync() //nolint:errcheck // a terminal or a pipe cannot be synced

	tuneGC()

	a, err := app.New(cfg, log)
	if err != nil {
		return fmt.Errorf("%s: %w", cmd.Name(), err)
	}

	a.ReloadFrom(load)

	unasked := context.AfterFunc(cmd.Context(), func() {
		log.Info("asked to stop: finishing what is in flight; a second signal ends the process at once", zap.Duration("within", cfg.Limits.ShutdownTimeout))
	})
	defer unasked()

	w.finishes()

	if err := a.Run(cmd.Context()); err != nil {
		hint := ""
		if app.Unreached(err) {
			hint = fmt.Sprintf("; `enricher doctor -c %s` looks at each broker", kafkatool.Quote(cmd.Flag("config").Value.String()))
		}

		return fmt.Errorf("%s: %w%s", cmd.Name(), err, hint)
	}

	return nil
}

// logger writes to stderr as the configuration says.
func (w *world) logger(cfg config.Log) *zap.Logger {
	enc := zapcore.NewJSONEncoder(jsonLog())
	if cfg.Format == config.LogConsole || cfg.Format == config.LogAuto && isTerminal(w.err) {
		c := zap.NewDevelopmentEncoderConfig()
		c.EncodeTime = zapcore.TimeEncoderOfLayout("15:04:05.000")
		if w.painter(w.err) {
			c.EncodeLevel = zapcore.CapitalColorLevelEncoder
		}
		c.ConsoleSeparator = " "
		enc = zapcore.NewConsoleEncoder(c)
	}

	level, err := zapcore.ParseLevel(string(cfg.Level))
	if err != nil {
		level = zapcore.InfoLevel // the configuration has been checked; this is for its zero value
	}

	return zap.New(zapcore.NewCore(enc, zapcore.Lock(zapcore.AddSync(escaping{w.err})), level))
}

func jsonLog() zapcore.EncoderConfig {
	c := zap.NewProductionEncoderConfig()
	c.TimeKey = "time"
	c.EncodeTime = zapcore.RFC3339NanoTimeEncoder
	c.EncodeDuration = zapcore.StringDurationEncoder

	return c
}
