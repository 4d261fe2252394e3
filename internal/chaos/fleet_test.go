//go:build kafka

package chaos

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/callstream/enricher/internal/kafkatest"
)

// root is the module's directory, where `go build` finds the program.
const root = "../.."

// build builds the program, with files put in the place of others: {path from the root: its
// content}.
func build(t *testing.T, dir string, instead map[string]string) string {
	t.Helper()
	overlay := struct {
		Replace map[string]string `json:"Replace"` //nolint:tagliatelle // the name that go build wants
	}{map[string]string{}}
	for path, text := range instead {
		original, err := filepath.Abs(filepath.Join(root, path))
		require.NoError(t, err)
		file := filepath.Join(dir, filepath.Base(path))
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		overlay.Replace[original] = file
	}
	text, err := json.Marshal(overlay)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "overlay.json"), text, 0o600))
	bin := filepath.Join(dir, "enricher")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-overlay", filepath.Join(dir, "overlay.json"), "-o", bin, "./cmd/enricher")
	cmd.Dir = root
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	return bin
}

// fleet is the enrichers of one run.
type fleet struct {
	t       *testing.T
	bin     string
	dir     string // configurations and logs
	locks   map[string]*sync.Mutex
	mu      sync.Mutex
	procs   map[string]*kafkatest.Process // those that should be running
	began   map[string]int                // how often each has been started
	trouble []string                      // what should not have happened
}

const config = `kafka:
  brokers: [%s]
  client_id: enricher-%s
  instance: %s
  transaction_timeout: %s
  sasl: {mechanism: plain, username: filter, password_file: %s}
input: {topics: [%s], group: %s}
output: {topic: %s}
dead_letter: {topic: %s}
delivery: %s
routes:
  - {name: retry, match: {retryable: true}, topic: %s}
limits: {commit_interval: %s, session_timeout: %s, shutdown_timeout: 30s}
ops: {listen: "127.0.0.1:0"}
log: {format: json}
`

// newFleet writes the configurations. Topics and group have a common suffix, so that several
// runs can use one cluster.
func newFleet(t *testing.T, bin, dir, suffix string, addrs []string, s size) *fleet {
	t.Helper()
	f := &fleet{t: t, bin: bin, dir: dir, locks: map[string]*sync.Mutex{}, procs: map[string]*kafkatest.Process{}, began: map[string]int{}}
	delivery := "exactly_once"
	if s.atLeast {
		delivery = "at_least_once"
	}
	password := kafkatest.Secret(t, kafkatest.RolePassword)
	quoted := `"` + strings.Join(addrs, `","`) + `"`
	for _, name := range instances() {
		f.locks[name] = &sync.Mutex{}
		text := fmt.Sprintf(config, quoted, name, name, transactionTimeout, password, "in"+suffix, "g"+suffix, "out"+suffix, "dead"+suffix, delivery, "retry"+suffix, commitInterval, sessionTimeout)
		require.NoError(t, os.WriteFile(f.file(name, "yaml"), []byte(text), 0o600))
	}
	t.Cleanup(func() {
		for _, name := range instances() {
			if p := f.take(name); p != nil {
				_ = p.Kill() // nobody needs it any more
			}
		}
	})
	return f
}

func (f *fleet) file(name, ext string) string { return filepath.Join(f.dir, name+"."+ext) }

func (f *fleet) complain(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.trouble = append(f.trouble, fmt.Sprintf(format, args...))
}

// start starts an enricher. One that ends without having been told to is trouble, and is
// started again, as whoever looks after it in earnest would.
func (f *fleet) start(name string) {
	cmd := exec.Command(f.bin, "run", "-c", f.file(name, "yaml"))
	p, err := kafkatest.StartProcess(cmd, f.file(name, "log"))
	if err != nil {
		f.complain("start enricher %s: %v", name, err)
		return
	}
	f.mu.Lock()
	f.procs[name] = p
	f.began[name]++
	f.mu.Unlock()
	go func() {
		<-p.Exited()
		f.mu.Lock()
		mine := f.procs[name] == p
		if mine {
			delete(f.procs, name)
		}
		f.mu.Unlock()
		if mine {
			f.complain("enricher %s ended by itself with exit code %d: %s", name, p.ExitCode(), f.lastLine(name))
			f.start(name)
		}
	}()
}

// take gives a process out of the hands of the one who watches it; nil: it does not run.
func (f *fleet) take(name string) *kafkatest.Process {
	f.mu.Lock()
	defer f.mu.Unlock()
	p := f.procs[name]
	delete(f.procs, name)
	return p
}

func (f *fleet) get(name string) *kafkatest.Process {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.procs[name]
}

func (f *fleet) running() (names []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, name := range instances() {
		if f.procs[name] != nil {
			names = append(names, name)
		}
	}
	return names
}

// stopTime is what an enricher is given to end: its shutdown_timeout and a little.
const stopTime = 35 * time.Second

// terminate ends an enricher in order, and looks whether it was.
func (f *fleet) terminate(name string) {
	p := f.take(name)
	if p == nil {
		return
	}
	if err := p.Terminate(stopTime); err != nil {
		f.complain("SIGTERM of enricher %s: %v", name, err)
		return
	}
	if p.ExitCode() != 0 {
		f.complain("enricher %s ended with exit code %d after SIGTERM: %s", name, p.ExitCode(), f.lastLine(name))
	}
}

func (f *fleet) kill(name string) {
	if p := f.take(name); p != nil {
		if err := p.Kill(); err != nil {
			f.complain("kill enricher %s: %v", name, err)
		}
	}
}

// stopAll ends all that run, at once.
func (f *fleet) stopAll() {
	var all sync.WaitGroup
	for _, name := range f.running() {
		all.Go(func() { f.terminate(name) })
	}
	all.Wait()
}

func (f *fleet) lastLine(name string) string {
	lines := strings.Split(strings.TrimSpace(string(f.log(name))), "\n")
	return lines[len(lines)-1]
}

func (f *fleet) log(name string) []byte {
	b, err := os.ReadFile(f.file(name, "log"))
	if err != nil {
		return nil // never started
	}
	return b
}

// judge looks for what an enricher must never write, and counts the rest of its warnings.
func (f *fleet) judge() (trouble []string, warnings map[string]int) {
	f.mu.Lock()
	trouble = append(trouble, f.trouble...)
	f.mu.Unlock()
	warnings = map[string]int{}
	for _, name := range instances() {
		for line := range bytes.Lines(f.log(name)) {
			var m struct {
				Level     string `json:"level"`
				Msg       string `json:"msg"`
				Conserved *bool  `json:"conserved"`
			}
			if json.Unmarshal(line, &m) != nil {
				trouble = append(trouble, fmt.Sprintf("enricher %s wrote: %s", name, line))
				break // stacks
			}
			if m.Conserved != nil && !*m.Conserved {
				trouble = append(trouble, fmt.Sprintf("enricher %s does not conserve: %s", name, line))
			}
			switch m.Level {
			case "warn":
				warnings[m.Msg]++
			case "info":
			default:
				trouble = append(trouble, fmt.Sprintf("enricher %s: %s", name, line))
			}
		}
	}
	return trouble, warnings
}
