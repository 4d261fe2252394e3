package cli

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/callstream/enricher/internal/config"
	"github.com/callstream/enricher/internal/privacy"
	"github.com/callstream/enricher/internal/replay"
)

type replayFlags struct {
	config     string
	from       string
	to         string
	reasons    []string
	since      string
	limit      int64
	maxReplays int
	again      bool
	dryRun     bool
	yes        bool
	out        *format
	show       privacy.Policy // from the configuration
}

// maxReplays is how often one event may be replayed if nothing else is said.
const maxReplays = 3

func newReplay(w *world) *cobra.Command {
	var f replayFlags

	cmd := &cobra.Command{
		Use:   "replay -c FILE",
		Short: "Give dead letters back to where they came from",
		Long: `Read a dead-letter topic to its end and produce each letter again, on the topic and
partition that it came from: value, key, headers and timestamp as they were, and the
header dlq-replays with the number of the replay. The letters stay where they are, too.

Letters and position are committed together. A run that was interrupted, by a signal or
by kill -9, goes on where it stood when the same command is given again, and a
read_committed reader sees each letter once. A command given a second time replays
what is new; --again begins anew. Each choice of --reason, --since and --to has a
position of its own, kept in the consumer group that the summary names.

An event that dies again is replayed --max-replays times at most. What cannot be replayed
is left and counted by why: value_omitted, corrupt_batch, no_origin, origin_missing,
origin_is_from, origin_refused, max_replays, too_large; see docs/dead-letters.md.

Of a configuration it uses kafka, input.group, output.compression, dead_letter.topic and the
topics of retry: --to may be none of those, for a record on retry.due is an order to dial.`,
		Example: `  enricher replay -c enricher.yaml --dry-run
  enricher replay -c enricher.yaml --reason too_deep,invalid_utf8 --since 2026-11-26T08:00:00Z
  enricher replay -c enricher.yaml --to calls.raw.again --limit 10 --yes -o json`,
		Args: arguments(0, 0, "no arguments"),
	}
	configFlag(cmd, &f.config)
	cmd.Flags().StringVar(&f.from, "from", "", "dead-letter `topic` (default dead_letter.topic)")
	cmd.Flags().StringVar(&f.to, "to", "", "`topic` for all letters (default the one each came from)")
	cmd.Flags().StringSliceVar(&f.reasons, "reason", nil, "only letters of these `reasons` (header dlq-reason)")
	complete(cmd, "reason", replayReasons())
	cmd.Flags().StringVar(&f.since, "since", "", "only events of this `time` or later, by their own timestamp: RFC 3339, or a date in UTC")
	decimalFlag(cmd, &f.limit, "limit", 0, "replay at most so many (default no limit)")
	decimalFlag(cmd, &f.maxReplays, "max-replays", maxReplays, "leave events that have been replayed so often")
	cmd.Flags().BoolVar(&f.again, "again", false, "begin at the start, whatever has been replayed already")
	cmd.Flags().BoolVar(&f.again, "from-start", false, "the same as --again")
	cmd.Flags().BoolVar(&f.dryRun, "dry-run", false, "write nothing, say what would be replayed")
	cmd.Flags().BoolVarP(&f.yes, "yes", "y", false, "do not ask")
	f.out = outputFlag(cmd, asText, asJSON)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return w.replay(cmd.Context(), &f) }

	return cmd
}

func (w *world) replay(ctx context.Context, f *replayFlags) error {
	if f.config == "" {
		return usagef("replay wants a configuration: -c FILE")
	}

	if !f.yes && !f.dryRun && !isTerminal(w.in) {
		return usagef("replay asks before it writes, and standard input is no terminal: add --yes, or --dry-run to see what would be replayed")
	}

	if err := known("--reason", f.reasons, replayReasons()); err != nil {
		return err
	}

	cfg, err := loadConfig(f.config)
	if err != nil {
		return err
	}

	f.show = privacy.Policy(cfg.Privacy)

	opt, err := replayOptions(f, cfg)
	if err != nil {
		return err
	}

	r, err := replay.Open(ctx, cfg, opt)
	if err != nil {
		return fmt.Errorf("replay: %w", err)
	}
	defer r.Close()

	if f.dryRun || !f.yes {
		if again, err := w.planReplay(ctx, r, f); err != nil || !again {
			return err
		}
	}

	w.finishes() // what is in a transaction is committed, and the summary says how far it has come

	bar := w.replayBar("replaying")
	rep, err := r.Run(ctx, bar.show)
	bar.clear()

	if rep != nil {
		err = errors.Join(err, w.reportReplay(rep, f))
	}

	if rep != nil && rep.Interrupted {
		err = errors.Join(err, errors.New("interrupted; what the summary says is committed, and the same command (without --again) goes on from there"))
	}

	if err != nil {
		return fmt.Errorf("replay: %w", err)
	}

	return nil
}

// planReplay reads without writing. That is all of a dry run; else it asks whether to go on.
func (w *world) planReplay(ctx context.Context, r *replay.Replay, f *replayFlags) (goOn bool, err error) {
	bar := w.replayBar("reading")
	plan, err := r.Plan(ctx, bar.show)
	bar.clear()

	if err != nil {
		return false, fmt.Errorf("replay: %w", err)
	}

	if plan.Interrupted {
		return false, errors.New("replay: interrupted before anything was written")
	}

	if f.dryRun {
		return false, w.reportReplay(plan, f)
	}

	if plan.Replayed == 0 {
		plan.DryRun = false

		return false, w.reportReplay(plan, f)
	}

	yes, err := w.ask(ctx, question(plan))
	if err != nil {
		return false, fmt.Errorf("replay: %w", err)
	}

	if !yes {
		return false, errors.New("replay: not confirmed; nothing was written")
	}

	return true, nil
}

func replayOptions(f *replayFlags, cfg *config.Config) (replay.Options, error) {
	opt := replay.Options{
		From: cmp.Or(f.from, cfg.DeadLetter.Topic), To: f.to, Reasons: f.reasons,
		Limit: f.limit, MaxReplays: f.maxReplays, Again: f.again,
	}

	switch {
	case opt.From == "":
		return opt, usagef("replay wants a dead-letter topic: %s has no dead_letter.topic, so name it with --from", f.config)
	case opt.From == opt.To:
		return opt, usagef("--to %s is the dead-letter topic itself", opt.To)
	case replay.LoopTopic(cfg, opt.To) != "":
		return opt, usagef("--to %s is %s: the retry loop alone writes there, and what is on retry.due is dialled at once; give letters to a topic of input.topics", opt.To, replay.LoopTopic(cfg, opt.To))
	case opt.Limit < 0:
		return opt, usagef("--limit is not negative; 0 stands for no limit")
	case opt.MaxReplays < 1:
		return opt, usagef("--max-replays is 1 or more")
	case f.since == "":
		return opt, nil
	}

	at, ok := pointInTime(f.since)
	if !ok {
		return opt, usagef("--since %s: want a time such as 2026-11-26T08:00:00Z or a date such as 2026-11-26 (no duration: when the command is given again to go on, it would mean another time)", f.since)
	}

	opt.Since = at

	return opt, nil
}

// replayReasons are those that letters may be chosen by.
func replayReasons() []string { return append(replay.Reasons(), replay.NoReason) }

// question names the topics, the one with the most letters first.
func question(plan *replay.Report) string {
	to := map[string]int64{}
	for _, m := range plan.Moves {
		to[m.To] += m.Count
	}

	topics := slices.SortedFunc(maps.Keys(to), func(a, b string) int { return cmp.Or(cmp.Compare(to[b], to[a]), cmp.Compare(a, b)) })
	if len(topics) > 1 {
		for i, t := range topics {
			topics[i] = fmt.Sprintf("%s (%s)", t, thousands(to[t]))
		}
	}

	return fmt.Sprintf("Replay %s of %s to %s?", records(plan.Replayed), plan.From, strings.Join(topics, ", "))
}

func records(n int64) string {
	if n == 1 {
		return "1 record"
	}

	return thousands(n) + " records"
}

// ask puts a question on the terminal; anything but yes is no. An interrupt ends the waiting.
func (w *world) ask(ctx context.Context, question string) (bool, error) {
	if err := write(w.err, visibleLine(question)+" [y/N] "); err != nil {
		return false, err
	}

	answer := make(chan string, 1)

	go func() { // left behind by an interrupt: the process ends
		line, _ := bufio.NewReader(w.in).ReadString('\n') // the end of input is a no
		answer <- line
	}()

	select {
	case <-ctx.Done():
		_ = write(w.err, "\n")

		return false, fmt.Errorf("nothing was written: %w", ctx.Err())
	case line := <-answer:
		line = strings.ToLower(strings.TrimSpace(line))

		return line == "y" || line == "yes", nil
	}
}

func (w *world) reportReplay(rep *replay.Report, f *replayFlags) error {
	showReplay(rep, f.show)

	if f.out.value == asJSON {
		return writeJSON(w.out, rep)
	}

	p := w.painter(w.out)

	return p.show(w.out, replaySummary(rep, p))
}

// showReplay masks reasons, which anybody may have written into the letters' headers.
func showReplay(rep *replay.Report, show privacy.Policy) {
	for i := range rep.Moves {
		rep.Moves[i].Reason = show.Word(rep.Moves[i].Reason)
	}

	others := map[string]int64{}
	for reason, n := range rep.OtherReasons {
		others[show.Word(reason)] += n
	}

	rep.OtherReasons = others
}

// replaySummary is what a person reads at the end.
func replaySummary(rep *replay.Report, p painter) string {
	var b strings.Builder

	if len(rep.Moves) > 0 {
		rows := make([][]cell, 0, 1+len(rep.Moves))
		rows = append(rows, []cell{{"REASON", bold}, {"TO", bold}, {"RECORDS", bold}})

		for _, m := range rep.Moves {
			rows = append(rows, []cell{{m.Reason, ""}, {m.To, ""}, {thousands(m.Count), ""}})
		}

		b.WriteString(table(rows, p) + "\n")
	}

	done := "replayed"
	if rep.DryRun {
		done = "would be replayed"
	}

	fmt.Fprintf(&b, "%s of %s %s", records(rep.Replayed), rep.From, p.paint(green, done))

	if rep.Already > 0 {
		fmt.Fprintf(&b, ", continuing after %s already replayed", thousands(rep.Already))
	}

	b.WriteString(".\n")

	if n := total(rep.Left); n > 0 {
		left := map[string]int64{}
		for why, count := range rep.Left {
			left[string(why)] = count
		}

		fmt.Fprintf(&b, "%s: %s.\n", p.paint(yellow, thousands(n)+" left"), counts(left))
	}

	if n := total(rep.OtherReasons); n > 0 {
		fmt.Fprintf(&b, "%s of other reasons: %s.\n", thousands(n), counts(rep.OtherReasons))
	}

	if rep.Earlier > 0 {
		fmt.Fprintf(&b, "%s of an earlier time.\n", thousands(rep.Earlier))
	}

	if rep.LimitReached {
		b.WriteString("The limit was reached, and there are more letters.\n")
	}

	fmt.Fprintf(&b, "%s\n", p.paint(faint, "position: consumer group "+rep.Group))

	return b.String()
}

func total[K comparable](counts map[K]int64) int64 {
	var n int64
	for _, c := range counts {
		n += c
	}

	return n
}

// replayBar is a line on the terminal; elsewhere it shows nothing.
func (w *world) replayBar(what string) *lineBar {
	return &lineBar{w: w, on: w.repaints(), what: what}
}

// lineBar is a progress bar of one line.
type lineBar struct {
	w     *world
	on    bool
	what  string
	shown time.Time
}

// barPause is how often the bar is painted at most.
const barPause = 50 * time.Millisecond

func (b *lineBar) show(p replay.Progress) {
	if !b.on || p.Total == 0 || p.Done < p.Total && time.Since(b.shown) < barPause {
		return
	}

	b.shown = time.Now()
	full := int(min(scaled(p.Done, p.Total), barWidth))
	_ = write(b.w.err, fmt.Sprintf("\r\x1b[K%s%s %s, %s%%, %s", strings.Repeat("█", full), strings.Repeat("░", barWidth-full), b.what,
		thousands(100*p.Done/p.Total), records(p.Replayed))) // a bar that cannot be shown is no failure
}

func (b *lineBar) clear() {
	if !b.shown.IsZero() {
		_ = write(b.w.err, "\r\x1b[K") // as in show
	}
}
