package lab

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"time"

	"github.com/tidwall/gjson"

	"github.com/callstream/enricher/bench/internal/contest"
	"github.com/callstream/enricher/bench/internal/events"
	"github.com/callstream/enricher/bench/internal/measure"
	"github.com/callstream/enricher/bench/internal/verify"
)

// Lines is a file of events, one a line, and the file that should come out.
type Lines struct {
	Events int64
	Bytes  int64
	in     string
	want   string
}

// WriteLines makes events, sound ones only, for the other tools stop at one that is broken.
func (l *Lab) WriteLines(seed uint64, n int64, mean int) (*Lines, error) {
	lines := &Lines{Events: n, in: filepath.Join(l.dir, "lines.ndjson"), want: filepath.Join(l.dir, "lines.want")}
	in, err := os.Create(lines.in)
	if err != nil {
		return nil, fmt.Errorf("write lines: %w", err)
	}
	defer in.Close() //nolint:errcheck // closed below if all went well
	want, err := os.Create(lines.want)
	if err != nil {
		return nil, fmt.Errorf("write lines: %w", err)
	}
	defer want.Close() //nolint:errcheck // as above
	toIn, toWant := bufio.NewWriter(in), bufio.NewWriter(want)
	g := events.New(seed, l.entries, mean, time.Now())
	for made := int64(0); made < n; {
		e := g.Next()
		if e.Kind == events.Broken || e.Kind == events.Tombstone {
			continue
		}
		made++
		lines.Bytes += int64(len(e.Value))
		_, out := l.oracle.expect(contest.Same, &verify.Record{Value: e.Value, TimestampMS: -1})
		_, _ = toIn.Write(append(e.Value, '\n')) // Flush tells
		_, _ = toWant.Write(append(out.Value, '\n'))
	}
	if err := errors.Join(toIn.Flush(), toWant.Flush(), in.Close(), want.Close()); err != nil {
		return nil, fmt.Errorf("write lines: %w", err)
	}
	return lines, nil
}

// Pipe runs a pipe once over all lines. The figures are those of the whole run, from starting the program to its end.
func (l *Lab) Pipe(ctx context.Context, p *contest.Pipe, lines *Lines, limit time.Duration) (*Figures, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	dir, err := os.MkdirTemp(l.dir, "pipe-")
	if err != nil {
		return nil, fmt.Errorf("make directory: %w", err)
	}
	defer os.RemoveAll(dir) //nolint:errcheck // only litter would be left
	args, err := p.Args(dir, l.table)
	if err != nil {
		return nil, err
	}
	if err := l.settle(ctx); err != nil {
		return nil, err
	}
	out := filepath.Join(dir, "out")
	f, err := runPipe(ctx, p.Path, args, lines.in, out)
	if err != nil {
		return nil, err
	}
	f.Events = lines.Events
	if err := sameLines(lines.want, out, p.Exact); err != nil {
		return nil, err
	}
	return f, nil
}

func runPipe(ctx context.Context, path string, args []string, from, to string) (*Figures, error) {
	in, err := os.Open(from)
	if err != nil {
		return nil, fmt.Errorf("open lines: %w", err)
	}
	defer in.Close() //nolint:errcheck // only read
	out, err := os.Create(to)
	if err != nil {
		return nil, fmt.Errorf("open output: %w", err)
	}
	defer out.Close() //nolint:errcheck // the other process writes it
	cmd := exec.CommandContext(ctx, path, args...)
	var stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = in, out, &stderr
	start := time.Now()
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", filepath.Base(path), err)
	}
	ended := make(chan struct{})
	peak := make(chan int64, 1)
	go func() { peak <- peakOf(cmd.Process.Pid, ended) }()
	err = cmd.Wait()
	f := &Figures{Wall: time.Since(start).Seconds(), CPU: (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds()}
	close(ended)
	f.PeakRSS = <-peak
	if err != nil {
		return nil, fmt.Errorf("run %s: %w: %.1000s", filepath.Base(path), errors.Join(err, ctx.Err()), stderr.String())
	}
	return f, nil
}

// peakOf looks at a process's peak memory until it ends. What the kernel tells at the end of a process (ru_maxrss) is no use: it has
// that of this process in it, from before the other program was loaded.
func peakOf(pid int, ended <-chan struct{}) (peak int64) {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		if m, err := measure.MemoryOf(pid); err == nil { // else it is just ending
			peak = max(peak, m.Peak)
		}
		select {
		case <-ended:
			return peak
		case <-tick.C:
		}
	}
}

var errLines = errors.New("output is wrong")

// sameLines compares two files: byte for byte if exact; else that each line is about the call that it should be about, and one in
// sixteen as JSON.
func sameLines(want, got string, exact bool) error {
	w, err := os.Open(want)
	if err != nil {
		return fmt.Errorf("compare lines: %w", err)
	}
	defer w.Close() //nolint:errcheck // only read
	g, err := os.Open(got)
	if err != nil {
		return fmt.Errorf("compare lines: %w", err)
	}
	defer g.Close() //nolint:errcheck // only read
	wanted, found := bufio.NewReaderSize(w, maxLine), bufio.NewReaderSize(g, maxLine)
	for n := 1; ; n++ {
		a, errA := wanted.ReadSlice('\n')
		b, errB := found.ReadSlice('\n')
		switch {
		case errors.Is(errA, io.EOF) && errors.Is(errB, io.EOF) && len(b) == 0:
			return nil
		case errA != nil || errB != nil:
			return fmt.Errorf("%w: line %d is missing, or too many: %.500q, should be %.500q", errLines, n, b, a)
		case !same(a, b, exact, n%oneIn == 0):
			return fmt.Errorf("%w: line %d is %.1000q, should be %.1000q", errLines, n, b, a)
		}
	}
}

// maxLine is the longest line compared.
const maxLine = 1 << 20

func same(want, got []byte, exact, whole bool) bool {
	if exact {
		return bytes.Equal(want, got)
	}
	for _, id := range []string{"CallUUID", "call_uuid"} {
		if gjson.GetBytes(want, id).String() != gjson.GetBytes(got, id).String() {
			return false
		}
	}
	if !whole {
		return gjson.GetBytes(want, contest.Field+".code").Raw == gjson.GetBytes(got, contest.Field+".code").Raw
	}
	var a, b any
	return json.Unmarshal(want, &a) == nil && json.Unmarshal(got, &b) == nil && reflect.DeepEqual(a, b)
}
