package plan

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/callstream/enricher/bench/internal/contest"
	"github.com/callstream/enricher/bench/internal/lab"
	"github.com/callstream/enricher/bench/internal/result"
)

// allocations is how many the enricher's process makes for each event, everything included: the growth of its own count
// between the end of a short run and that of a long one. Starting and growing to size falls out.
func (b *Bench) allocations() (steps []step) {
	short, long := new(*lab.Input), new(*lab.Input)
	steps = append(
		steps,
		b.load(Allocations, "short", b.spec(b.Size.Fast/5, "none", contest.Same), short),
		b.load(Allocations, "long", b.spec(b.Size.Fast, "none", contest.Same), long),
	)
	for _, c := range b.some(EnricherALO, EnricherEO) {
		steps = append(steps, step{
			run:   result.Run{Part: Allocations, Contestant: c.ID, Round: 1},
			label: Allocations + ": " + c.ID, kind: Allocations, estimate: 12 * time.Second,
			do: func(ctx context.Context, run *result.Run) (string, error) {
				few, err := b.mallocs(ctx, c, *short)
				if err != nil {
					return "", err
				}
				many, err := b.mallocs(ctx, c, *long)
				if err != nil {
					return "", err
				}
				each := (many - few) / float64((*long).Spec.Events-(*short).Spec.Events)
				run.Values = map[string]float64{result.Allocations: each}
				return fmt.Sprintf("%.4f per event", each), nil
			},
		})
	}
	return append(steps, b.unload(Allocations, "", short, long))
}

// mallocs is a process's own count at the end of a run.
func (b *Bench) mallocs(ctx context.Context, c *contest.Contestant, in *lab.Input) (count float64, err error) {
	addr, err := freeAddr(ctx)
	if err != nil {
		return 0, err
	}
	_, err = b.Lab.Run(ctx, &lab.Trial{Contestant: c, Input: in, Limit: b.Size.RunLimit, Ops: addr, AtEnd: func() error {
		count, err = scrape(ctx, "http://"+addr+"/metrics", "go_memstats_mallocs_total")
		return err
	}})
	return count, err
}

// freeAddr is an address that nobody listens on now.
func freeAddr(ctx context.Context) (string, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	addr := l.Addr().String()
	if err := l.Close(); err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	return addr, nil
}

// scrape reads one metric without labels.
func scrape(ctx context.Context, url, name string) (float64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return 0, fmt.Errorf("read metrics: %w", err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, fmt.Errorf("read metrics: %w", err)
	}
	defer resp.Body.Close() //nolint:errcheck // only read
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		if value, ok := strings.CutPrefix(lines.Text(), name+" "); ok {
			v, err := strconv.ParseFloat(value, 64)
			if err != nil {
				return 0, fmt.Errorf("read metrics: %w", err)
			}
			return v, nil
		}
	}
	return 0, errors.Join(fmt.Errorf("read metrics: there is no %s", name), lines.Err())
}
