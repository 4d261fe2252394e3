package plan

import (
	"context"
	"fmt"
	"time"

	"github.com/callstream/enricher/bench/internal/contest"
	"github.com/callstream/enricher/bench/internal/lab"
	"github.com/callstream/enricher/bench/internal/result"
)

// pipe is lines from a file to a file.
func (b *Bench) pipe() []step {
	var lines *lab.Lines
	steps := []step{prepare(fmt.Sprintf("%s: write %d lines", Pipe, b.Size.Pipe), 2*time.Second, func(context.Context) (err error) {
		if lines, err = b.Lab.WriteLines(b.Size.Seed, b.Size.Pipe, b.Size.MeanBytes); err == nil {
			b.Result.Loads = append(b.Result.Loads, result.Load{Part: Pipe, Events: lines.Events, Bytes: lines.Bytes, Compression: "none", Seed: b.Size.Seed})
		}
		return err
	})}
	return append(steps, inRounds(b.Size.FewRounds, b.Pipes, func(round int, p *contest.Pipe) step {
		return step{
			run:   result.Run{Part: Pipe, Contestant: p.ID, Round: round},
			label: fmt.Sprintf("%s, round %d: %s", Pipe, round, p.ID), kind: Pipe + p.ID, estimate: 5 * time.Second,
			do: func(ctx context.Context, run *result.Run) (string, error) {
				f, err := b.Lab.Pipe(ctx, p, lines, b.Size.RunLimit)
				if err != nil {
					return "", err
				}
				run.Values = map[string]float64{
					result.Events: float64(f.Events), result.Wall: f.Wall, result.CPU: f.CPU, result.PerMillion: f.PerMillion(),
					result.Rate: f.Rate(), result.PeakRSS: float64(f.PeakRSS),
				}
				return fmt.Sprintf("%.0f lines/s, %.2f CPU-s per million, %d MiB", f.Rate(), f.PerMillion(), f.PeakRSS>>20), nil
			},
		}
	})...)
}
