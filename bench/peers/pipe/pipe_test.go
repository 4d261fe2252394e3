package pipe_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/callstream/enricher/bench/internal/events"
	"github.com/callstream/enricher/bench/internal/peer"
	"github.com/callstream/enricher/bench/internal/peer/peertest"
	"github.com/callstream/enricher/bench/peers/pipe"
	"github.com/callstream/enricher/pkg/catalog"
)

// binEnv names a directory with tools that are not in PATH.
const binEnv = "BENCH_PIPE_BIN"

// find finds a tool. Those of the Go module beside this one are built; the test is
// skipped if others are not installed.
func find(tb testing.TB, name string) string {
	tb.Helper()
	if path := filepath.Join(os.Getenv(binEnv), name); os.Getenv(binEnv) != "" {
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	pkg := map[string]string{"mlr": "github.com/johnkerl/miller/v6/cmd/mlr", "benthos": "./benthos"}[name]
	if pkg == "" {
		tb.Skipf("%s is not installed, see README.md", name)
	}
	path := filepath.Join(tb.TempDir(), name)
	out, err := exec.CommandContext(tb.Context(), "go", "-C", "tools", "build", "-o", path, pkg).CombinedOutput()
	require.NoError(tb, err, "build %s: %s", name, out)
	return path
}

func tools(tb testing.TB) (list []pipe.Tool, oracle *peertest.Oracle) {
	tb.Helper()
	oracle = peertest.NewOracle(tb)
	list, err := pipe.Tools(tb.TempDir(), oracle.WriteTable(tb))
	require.NoError(tb, err)
	return list, oracle
}

func TestTools(t *testing.T) {
	list, oracle := tools(t)
	var in bytes.Buffer
	var want [][]byte
	for _, r := range peertest.Events("in", 300) {
		w := oracle.Expect(r, "out", "dead")
		if w.Topic == "dead" || r.Value == nil || bytes.ContainsRune(r.Value, '\n') || bytes.Contains(r.Value, []byte("12345678901234567890")) {
			continue // no line of JSON; or a number that two of them cannot keep
		}
		in.Write(append(r.Value, '\n'))
		want = append(want, w.Value)
	}
	require.Greater(t, len(want), 100)
	for _, tool := range list {
		t.Run(tool.Name, func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), find(t, tool.Name), tool.Args...)
			var stdout, stderr bytes.Buffer
			cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(in.Bytes()), &stdout, &stderr
			require.NoError(t, cmd.Run(), stderr.String())
			got := strings.Split(strings.TrimSuffix(stdout.String(), "\n"), "\n")
			require.Len(t, got, len(want))
			for i := range want {
				require.JSONEq(t, string(want[i]), got[i])
			}
		})
	}
}

func TestToolsErrors(t *testing.T) {
	_, err := pipe.Tools(t.TempDir(), "none")
	require.ErrorIs(t, err, os.ErrNotExist)
	table := filepath.Join(t.TempDir(), "t.json")
	require.NoError(t, os.WriteFile(table, []byte("{"), 0o600))
	_, err = pipe.Tools(t.TempDir(), table)
	require.ErrorContains(t, err, "read table")
	f := peer.File{Field: "h", Header: "c", Codes: map[string]json.RawMessage{"1": json.RawMessage(`{"a":[null,true,1.50,{},"{{x}}\"\\\n\u0001é"]}`)}}
	require.NoError(t, f.Save(table))
	_, err = pipe.Tools(filepath.Join(t.TempDir(), "none"), table)
	require.ErrorIs(t, err, os.ErrNotExist)

	dir := t.TempDir()
	_, err = pipe.Tools(dir, table)
	require.NoError(t, err)
	program, err := os.ReadFile(filepath.Join(dir, "enrich.vrl"))
	require.NoError(t, err)
	require.Contains(t, string(program), `if code == "1" { .h = {"a": [null, true, 1.50, {}, "\u{7b}\u{7b}x}}\"\\\u{a}\u{1}é"]} }`)
}

// BenchmarkTools tells the CPU time of each, starting included, per event of 581 bytes.
func BenchmarkTools(b *testing.B) {
	const n = 100_000
	list, _ := tools(b)
	var in bytes.Buffer
	g := events.New(1, catalog.Default().Entries(), 581, time.UnixMilli(0))
	for lines := 0; lines < n; {
		if e := g.Next(); json.Valid(e.Value) {
			in.Write(append(e.Value, '\n'))
			lines++
		}
	}
	for _, tool := range list {
		b.Run(tool.Name, func(b *testing.B) {
			path := find(b, tool.Name)
			var cpu time.Duration
			for b.Loop() {
				cmd := exec.CommandContext(b.Context(), path, tool.Args...)
				cmd.Stdin = bytes.NewReader(in.Bytes())
				require.NoError(b, cmd.Run())
				cpu += cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
			}
			b.ReportMetric(float64(cpu.Nanoseconds())/float64(b.N*n), "cpu-ns/event")
			b.ReportMetric(float64(b.N*n)/b.Elapsed().Seconds(), "events/s")
		})
	}
}
