package cli

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/callstream/enricher/internal/doctor"
)

func newDoctor(w *world) *cobra.Command {
	var (
		file, instance string
		timeout        time.Duration
	)

	cmd := &cobra.Command{
		Use:   "doctor -c FILE",
		Short: "Find out whether the filter can run on its cluster",
		Long: `Connects to the cluster of a configuration and looks at all that the filter needs there:
the brokers and their versions, each topic, each right, limits, retention and lag. For
what is wrong it prints the command that mends it. It only reads; docs/doctor.md says
what each check means.

Exit code 0 if nothing is worse than a warning, 1 if there is a problem.`,
		Example: `  enricher doctor -c enricher.yaml
  enricher doctor -c enricher.yaml -o json | jq -r '.checks[] | select(.status == "problem") | .fix[]?'`,
		Args: arguments(0, 0, "no arguments"),
	}
	configFlag(cmd, &file)
	cmd.Flags().StringVar(&instance, "instance", "", "name of the process whose rights are asked for (default kafka.instance, else the host name)")
	cmd.Flags().DurationVar(&timeout, "timeout", doctor.DefaultTimeout, "bound on the whole run")
	out := outputFlag(cmd, asTable, asJSON)

	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if file == "" {
			return usagef("doctor wants a configuration: -c FILE; config/minimal.yaml is one to start from")
		}

		if timeout <= 0 {
			return usagef("--timeout %s: want more than nothing, such as 10s", timeout)
		}

		cfg, err := loadConfig(file)
		if err != nil {
			return err
		}

		if instance != "" {
			cfg.Kafka.Instance = instance
		}

		report, err := doctor.Run(cmd.Context(), cfg, doctor.Options{Timeout: timeout})
		if err != nil {
			return fmt.Errorf("doctor: %w", err)
		}

		return writeDiagnosis(w, report, out.value)
	}

	return cmd
}

func writeDiagnosis(w *world, report *doctor.Report, format string) error {
	var err error
	if format == asJSON {
		err = writeJSON(w.out, report)
	} else {
		p := w.painter(w.out)
		err = p.show(w.out, diagnosis(report, p))
	}

	if err == nil && report.Status == doctor.Problem {
		return &silentError{}
	}

	return err
}

// diagnosis is a line for each check, those that mend it below, and how many there are of each status.
func diagnosis(report *doctor.Report, p painter) string {
	rows := make([][]cell, 1, 1+len(report.Checks))
	rows[0] = []cell{{"STATUS", bold}, {"CHECK", bold}, {"ON", bold}, {"FOUND", bold}}

	for _, c := range report.Checks {
		rows = append(rows, []cell{{string(c.Status), statusColour(c.Status)}, {text: c.Check}, {text: c.On}, {text: c.Found}})
	}

	var b strings.Builder

	i := 0
	for line := range strings.Lines(table(rows, p)) {
		b.WriteString(line)

		if i > 0 { // below the title
			for _, fix := range report.Checks[i-1].Fix {
				b.WriteString("    " + p.paint(faint, fix) + "\n")
			}
		}

		i++
	}

	var counts []string

	for _, s := range []doctor.Status{doctor.OK, doctor.Warning, doctor.Problem, doctor.NotChecked} {
		n, word := report.Count(s), string(s)
		if n > 1 && (s == doctor.Warning || s == doctor.Problem) {
			word += "s"
		}

		if n > 0 {
			counts = append(counts, p.paint(statusColour(s), fmt.Sprintf("%d %s", n, word)))
		}
	}

	return b.String() + "\n" + strings.Join(counts, ", ") + "\n"
}

func statusColour(s doctor.Status) colour {
	switch s {
	case doctor.OK:
		return green
	case doctor.Warning:
		return yellow
	case doctor.Problem:
		return red
	case doctor.NotChecked:
	}

	return faint
}
