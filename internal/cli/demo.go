package cli

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/callstream/enricher/internal/config"
	"github.com/callstream/enricher/internal/demo"
	"github.com/callstream/enricher/internal/ops"
	"github.com/callstream/enricher/pkg/enrich"
)

type demoFlags struct {
	events   int
	duration time.Duration
	rate     int
	seed     uint64
	retry    bool
	listen   string
	open     bool
	delivery *format
	out      *format
}

// What the demo does if it is not told.
const (
	demoEvents = 20_000
	demoRate   = 2_000 // events per second, with --for

	retryEvents = 1_000 // with --retry
	retryRate   = 200
)

func newDemo(w *world) *cobra.Command {
	var f demoFlags

	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Watch the filter work, with nothing else installed",
		Long: `Start a Kafka broker inside this process, produce call events as they are seen in life
(fresh ids, all hangup causes, events without a code, unknown codes, form bodies, broken
ones, tombstones), run the real filter on them, and read back what comes out.

The last line says whether what went in came out. -o json prints one object:

  in            events that the filter consumed
  out           records that an independent reader saw on the output topic
  outcomes      {enriched, unknown_code, no_code, malformed, tombstone}
  dead_lettered, filtered, routes
  conserved     in = the outcomes = output + dead-lettered + filtered, all acknowledged and read
  elapsed_s, events_per_s
  latency_ms    {p50, p99} from an event's production to its output being read

--retry shows the retry loop: calls fail, wait (seconds instead of minutes), come due, are dialled
again by a simulated dialer, and are given up in the end or cancelled by who was
called. It ends when nothing waits any more. -o json has then also

  retry         {entered, waiting, due, redialled, gave_up, cancelled, early, late_p99_ms}`,
		Example: `  enricher demo
  enricher demo --retry
  enricher demo --for 30s --rate 5000 --listen 127.0.0.1:8080   and look at http://127.0.0.1:8080/
  enricher demo --for 5m --open
  enricher demo -o json | jq .conserved`,
		Args: arguments(0, 0, "no arguments"),
	}
	decimalFlag(cmd, &f.events, "events", demoEvents, "how many events; with --for: at most, no limit if not given")
	cmd.Flags().DurationVar(&f.duration, "for", 0, "how long to produce events, such as 30s")
	decimalFlag(cmd, &f.rate, "rate", 0, "events per second (default as fast as it goes; with --for 2000)")
	decimalFlag(cmd, &f.seed, "seed", 1, "the same seed gives the same events")
	cmd.Flags().BoolVar(&f.retry, "retry", false, "show the retry loop (1000 calls, 200 a second)")
	cmd.Flags().StringVar(&f.listen, "listen", "", "address for /livez, /readyz, /metrics and, on a loopback address, the status page, such as 127.0.0.1:8080")
	cmd.Flags().BoolVar(&f.open, "open", false, "open the status page in the browser (on 127.0.0.1 and a free port, unless --listen says where)")
	f.delivery = &format{string(config.Default().Delivery), config.Delivery("").Values()}
	cmd.Flags().Var(f.delivery, "delivery", "delivery guarantee")
	complete(cmd, "delivery", f.delivery.allowed)
	f.out = outputFlag(cmd, asTable, asJSON)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return w.demo(cmd, &f) }

	return cmd
}

func (w *world) demo(cmd *cobra.Command, f *demoFlags) error {
	opt, err := demoOptions(cmd, f)
	if err != nil {
		return err
	}

	if f.open && f.listen == "" {
		f.listen = "127.0.0.1:0"
	}

	cfg := demoConfig(f)
	log := w.logger(cfg.Log)

	if f.open && cfg.Ops.Page == "" {
		return usagef("--open shows the status page, which is on loopback addresses alone: give --listen one, such as 127.0.0.1:8080")
	}

	opt.Serving = func(addr, page string) {
		w.sayWhere(addr, page)

		if f.open {
			w.openBrowser(cmd.Context(), page, log)
		}
	}

	view := &liveView{w: w, p: w.painter(w.err)}
	show := view.show

	if !w.repaints() || f.out.value != asTable {
		show = nil
	}

	rep, err := demo.Run(cmd.Context(), cfg, opt, log, show)
	view.clear()

	if taken, ok := errors.AsType[*ops.AddressError](err); ok {
		return fmt.Errorf("demo: %w: give --listen a free address", taken.Err) // the flag stands for the setting
	}

	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}

	err = w.demoReport(rep, f)

	if !rep.Conserved {
		err = errors.Join(err, fmt.Errorf("demo: not conserved: %d made, %v, %d read from the output topic", rep.Made, rep.Totals, rep.Out))
	}

	return err
}

// sayWhere says where the demo answers, also to who has left the port to it.
func (w *world) sayWhere(addr, page string) {
	text := "/livez, /readyz and /metrics are answered at " + addr
	if page != "" {
		text = "the status page is at " + page + ", with /livez, /readyz and /metrics"
	}

	w.tell(text)
}

// demoReport prints what came of it; to a person also what to try next.
func (w *world) demoReport(rep *demo.Report, f *demoFlags) error {
	if f.out.value == asJSON {
		return writeJSON(w.out, rep)
	}

	p := w.painter(w.out)
	text := demoSummary(rep, p)

	if isTerminal(w.out) {
		text += whatNext(f)
	}

	return p.show(w.out, text)
}

// whatNext names what has not been tried yet, in two lines.
func whatNext(f *demoFlags) string {
	var tries []string
	if !f.open {
		tries = append(tries, "`enricher demo --for 5m --open` has a status page")
	}

	if !f.retry {
		tries = append(tries, "`enricher demo --retry` shows redials")
	}

	if len(tries) == 0 {
		tries = []string{"`enricher run -c FILE` is the same on your Kafka (config/minimal.yaml is a FILE to start from)"}
	}

	return "\nNext: " + strings.Join(tries, ", ") + ".\n`enricher explain 3010` says what a code means, and `enricher pipe < FILE` enriches your own events.\n"
}

// demoOptions is what the flags ask for.
func demoOptions(cmd *cobra.Command, f *demoFlags) (demo.Options, error) {
	opt := demo.Options{Events: f.events, For: f.duration, Rate: f.rate, Seed: f.seed}
	if f.events < 0 || f.rate < 0 || f.duration < 0 {
		return opt, usagef("--events, --rate and --for are not negative")
	}

	if err := checkListen(f.listen); err != nil {
		return opt, err
	}

	if f.duration > 0 && !cmd.Flags().Changed("events") {
		opt.Events = 0
	}

	if f.duration > 0 && !cmd.Flags().Changed("rate") {
		opt.Rate = demoRate
	}

	if f.retry {
		opt.Retry = true

		if !cmd.Flags().Changed("events") && f.duration == 0 {
			opt.Events = retryEvents
		}

		if !cmd.Flags().Changed("rate") {
			opt.Rate = retryRate
		}
	}

	if opt.Events == 0 && opt.For == 0 {
		return opt, usagef("--events 0 needs an end: add --for")
	}

	return opt, nil
}

// checkListen refuses what can be no address to listen on; "" is none.
func checkListen(addr string) error {
	if addr == "" {
		return nil
	}

	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return usagef("--listen %q is not host:port, such as 127.0.0.1:8080 or [::1]:8080", addr)
	}

	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return usagef("--listen %q: the port is not a number from 0 to 65535", addr)
	}

	return nil
}

// demoConfig is the configuration that the demo's filter runs with.
func demoConfig(f *demoFlags) *config.Config {
	cfg := config.Default()
	retryable := true
	cfg.Input.Topics, cfg.Input.Group = []string{"calls.raw"}, "enricher"
	cfg.Output.Topic, cfg.DeadLetter.Topic = "calls.enriched", "calls.dead"
	cfg.Routes = []config.Route{{Name: "retry", Match: config.Match{Retryable: &retryable}, Topic: "calls.retry"}}
	cfg.Delivery = config.Delivery(f.delivery.value)
	cfg.Ops.Listen, cfg.Ops.Page = f.listen, ""
	cfg.Log.Level = config.LogWarn

	if host, _, err := net.SplitHostPort(f.listen); err == nil && (host == "localhost" || net.ParseIP(host).IsLoopback()) {
		cfg.Ops.Page = f.listen
	}

	if f.retry {
		cfg.Routes = []config.Route{} // what shall be dialled again goes into the loop
		demo.RetryLoop(cfg)
	}

	return cfg
}

// demoSummary is what a person reads at the end.
func demoSummary(rep *demo.Report, p painter) string {
	var b strings.Builder

	fmt.Fprintf(&b, "%s\n\n", p.paint(bold, fmt.Sprintf("%s events in %.1f s, %s events/s; from produced to read: p50 %.0f ms, p99 %.0f ms",
		thousands(rep.In), rep.ElapsedS, thousands(int64(rep.EventsPerS)), rep.LatencyMS.P50, rep.LatencyMS.P99)))

	b.WriteString(table(outcomeRows(rep), p))
	b.WriteByte('\n')
	b.WriteString(table(codeRows(rep), p))

	if rep.Retry != nil {
		b.WriteByte('\n')
		b.WriteString(table(retryRows(rep.Retry), p))
	}

	b.WriteByte('\n')

	for _, kind := range slices.Sorted(maps.Keys(rep.Samples)) {
		fmt.Fprintf(&b, "%s\n%s\n\n", p.paint(bold, "An event that was "+kind+":"), highlight(rep.Samples[kind], p))
	}

	verdict := p.paint(green, "conserved") + ": everything that went in came out, and an independent reader saw it."
	if !rep.Conserved {
		verdict = p.paint(red, "NOT CONSERVED") + fmt.Sprintf(": %d events were made, and the reader saw %d on the output topic.", rep.Made, rep.Out)
	}

	fmt.Fprintf(&b, "%s\n%s\n", rep.Totals, verdict)

	return b.String()
}

func outcomeRows(rep *demo.Report) [][]cell {
	rows := make([][]cell, 0, 1+enrich.NumOutcomes+len(rep.Routes))
	rows = append(rows, []cell{{"OUTCOME", bold}, {"EVENTS", bold}, {"SHARE", bold}, {"WHERE", bold}})
	where := map[string]string{"malformed": "dead letters: " + counts(rep.Reasons)}

	for o := range enrich.Outcome(enrich.NumOutcomes) {
		name := o.String()
		n := rep.Outcomes[name]
		rows = append(rows, []cell{{name, ""}, {thousands(n), ""}, {share(n, rep.In), ""}, {cmp.Or(where[name], "output topic"), faint}})
	}

	for _, name := range slices.Sorted(maps.Keys(rep.Routes)) {
		n := rep.Routes[name]
		rows = append(rows, []cell{{"route " + name, yellow}, {thousands(n), ""}, {share(n, rep.In), ""}, {"a copy on the route's topic", faint}})
	}

	return rows
}

// retryRows show the retry loop.
func retryRows(r *demo.Retry) [][]cell {
	row := func(name string, n int64, what string) []cell {
		return []cell{{name, ""}, {thousands(n), ""}, {what, faint}}
	}

	late := "–" // none was so far
	if r.Redialled > 0 {
		late = fmt.Sprintf("%.0f ms", max(r.LateP99MS, 0))
	}

	return [][]cell{
		{{"RETRY LOOP", bold}, {"CALLS", bold}, {"99 of 100 were with the dialer within " + late + " of their time", faint}},
		row("entered", r.Entered, "failed, may be dialled again, and began to wait"),
		row("waiting", r.Waiting, "in the delay topics"),
		row("due", r.Due, "their time came"),
		row("redialled", r.Redialled, "by the simulated dialer"),
		row("cancelled", r.Cancelled, "who was called said no meanwhile"),
		row("gave up", r.GaveUp, "as many attempts as the policy allows"),
		row("early", r.Early, "before their time"),
	}
}

// topCodes is how many codes the summary lists.
const topCodes = 12

func codeRows(rep *demo.Report) [][]cell {
	rows := [][]cell{{{"CODE", bold}, {"EVENTS", bold}, {"NAME", bold}, {"FAULT", bold}, {"RETRY CLASS", bold}}}

	for i, c := range rep.Codes {
		if i == topCodes {
			rows = append(rows, []cell{{"…", faint}, {"", ""}, {fmt.Sprintf("and %d more codes", len(rep.Codes)-topCodes), faint}})

			break
		}

		row := []cell{{strconv.Itoa(int(c.Code)), ""}, {thousands(c.Count), ""}}
		if c.Entry == nil {
			row = append(row, cell{"not in the catalog", yellow})
		} else {
			row = append(row, cell{c.Entry.Name, ""}, cell{string(c.Entry.Fault), ""}, cell{string(c.Entry.Retry.Class), ""})
		}

		rows = append(rows, row)
	}

	return rows
}

func counts(m map[string]int64) string {
	parts := make([]string, 0, len(m))
	for _, k := range slices.Sorted(maps.Keys(m)) {
		parts = append(parts, fmt.Sprintf("%s %d", visibleLine(k), m[k]))
	}

	return strings.Join(parts, ", ")
}

// highlight shows what was added to an event.
func highlight(value string, p painter) string {
	before, object, ok := strings.Cut(value, `,"hangup":`)
	if !ok {
		return p.paint(faint, value)
	}

	return p.paint(faint, before) + p.paint(green, `,"hangup":`+strings.TrimSuffix(object, "}")) + p.paint(faint, "}")
}

func share(n, of int64) string {
	if of == 0 {
		return "–"
	}

	return fmt.Sprintf("%.1f %%", 100*float64(n)/float64(of))
}

// thousands writes a number in groups of three.
func thousands(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}

	return s
}
