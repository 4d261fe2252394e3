package plan

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/callstream/enricher/bench/internal/result"
)

// Enrich is pkg/enrich, as the contestant of micro.
const Enrich = "enrich"

// micro runs the Go benchmarks of pkg/enrich that compare it with others, in ../.
func (b *Bench) micro() []step {
	return inRounds(b.Size.FewRounds, []string{Enrich}, func(round int, name string) step {
		return step{
			run:   result.Run{Part: Micro, Contestant: name, Round: round},
			label: fmt.Sprintf("%s, round %d: go test -bench Beside ./pkg/enrich", Micro, round), kind: Micro, estimate: 25 * time.Second,
			do: func(ctx context.Context, run *result.Run) (string, error) {
				text, err := goBench(ctx, b.Kit.Root, "BenchmarkBeside", "./pkg/enrich", b.Size.MicroTime)
				if err != nil {
					return "", err
				}
				found, err := ParseGoBench(text)
				if err != nil {
					return "", err
				}
				cases := slices.Sorted(maps.Keys(found))
				for i, kase := range cases {
					one := result.Run{Part: Micro, Case: kase, Contestant: name, Round: run.Round, Values: found[kase]}
					if i < len(cases)-1 {
						b.Result.Add(one)
					} else {
						*run = one
					}
				}
				return fmt.Sprintf("%d benchmarks", len(cases)), nil
			},
		}
	})
}

func goBench(ctx context.Context, dir, name, pkg string, each time.Duration) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-bench", "^"+name+"$", "-benchtime", each.String(), "-benchmem", "-count", "1", pkg)
	cmd.Dir = dir
	text, err := cmd.CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("go test -bench %s %s: %w\n%s", name, pkg, err, text)
	}
	return text, nil
}

var errNoBench = errors.New("read benchmarks: there are none")

// ParseGoBench reads what go test -bench prints: the figures of each benchmark by their units. Names are
// those of sub-benchmarks, without the number of processors.
func ParseGoBench(text []byte) (map[string]map[string]float64, error) {
	all := map[string]map[string]float64{}
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 4 || len(fields)%2 != 0 || !strings.HasPrefix(fields[0], "Benchmark") {
			continue
		}
		_, name, _ := strings.Cut(fields[0], "/")
		if at := strings.LastIndexByte(name, '-'); at >= 0 {
			name = name[:at]
		}
		figures := map[string]float64{}
		for i := 2; i+1 < len(fields); i += 2 {
			v, err := strconv.ParseFloat(fields[i], 64)
			if err != nil {
				return nil, fmt.Errorf("read benchmarks: %q: %w", lines.Text(), err)
			}
			figures[fields[i+1]] = v
		}
		all[name] = figures
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%w in %s", errNoBench, text)
	}
	return all, nil
}
