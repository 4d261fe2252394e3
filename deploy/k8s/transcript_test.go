//go:build k8s

package k8s_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the transcript into docs/kubernetes.md")

const (
	docsFile = "../../docs/kubernetes.md"
	begin    = "<!-- transcript: written by `make test-k8s UPDATE=1` -->\n"
	end      = "<!-- end of transcript -->\n"
)

// transcript is a session at a shell, as a page of documentation shows it.
type transcript struct {
	t    *testing.T
	dir  string
	env  []string
	text strings.Builder
	ran  []string
}

// newTranscript works in a directory that looks like a clone of this repository with the user's files in it.
func newTranscript(t *testing.T, c *cluster, program string) *transcript {
	t.Helper()
	dir := t.TempDir()
	root, err := filepath.Abs("../..")
	require.NoError(t, err)
	require.NoError(t, os.Symlink(filepath.Join(root, "deploy"), filepath.Join(dir, "deploy")))
	home := t.TempDir()
	return &transcript{t: t, dir: dir, env: append(os.Environ(), "KUBECONFIG="+c.kubeconfig, "HOME="+home,
		"PATH="+c.bin+":"+filepath.Dir(program)+":"+os.Getenv("PATH"))}
}

// say puts a paragraph in front of the next commands.
func (tr *transcript) say(format string, args ...any) {
	fmt.Fprintf(&tr.text, "\n"+format+"\n", args...)
}

// file is one that the user has written.
func (tr *transcript) file(name, text string) {
	tr.t.Helper()
	require.NoError(tr.t, os.WriteFile(filepath.Join(tr.dir, name), []byte(text), 0o600))
	fmt.Fprintf(&tr.text, "\n`%s`:\n\n```yaml\n%s```\n", name, same(text))
}

// run runs a command that has to succeed, and shows it.
func (tr *transcript) run(command string) string {
	tr.t.Helper()
	out, err := tr.shell(command)
	require.NoError(tr.t, err, "$ %s\n%s", command, out)
	return tr.show(command, out)
}

// fail runs a command that has to fail, and shows it.
func (tr *transcript) fail(command string) string {
	tr.t.Helper()
	out, err := tr.shell(command)
	require.Error(tr.t, err, "$ %s\n%s", command, out)
	return tr.show(command, out)
}

func (tr *transcript) show(command, out string) string {
	tr.ran = append(tr.ran, command)
	fmt.Fprintf(&tr.text, "\n```console\n$ %s\n%s```\n", command, tidy(out))
	return out
}

func (tr *transcript) shell(command string) (string, error) {
	ctx, cancel := context.WithTimeout(tr.t.Context(), 8*time.Minute)
	defer cancel()
	return tr.output(exec.CommandContext(ctx, "bash", "-o", "pipefail", "-c", command))
}

func (tr *transcript) output(cmd *exec.Cmd) (string, error) {
	cmd.Dir, cmd.Env = tr.dir, tr.env
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// background starts a command that goes on until it is stopped.
func (tr *transcript) background(command string) (stop func()) {
	tr.t.Helper()
	ctx, cancel := context.WithCancel(tr.t.Context())
	cmd := exec.CommandContext(ctx, "bash", "-c", "exec "+command)
	cmd.Dir, cmd.Env = tr.dir, tr.env
	log, err := os.Create(filepath.Join(tr.dir, "background.log"))
	require.NoError(tr.t, err)
	cmd.Stdout, cmd.Stderr = log, log
	require.NoError(tr.t, cmd.Start())
	tr.ran = append(tr.ran, command)
	fmt.Fprintf(&tr.text, "\n```console\n$ %s &\n```\n", command)
	return func() {
		cancel()
		_ = cmd.Wait()
		_ = log.Close()
		if tr.t.Failed() {
			text, _ := os.ReadFile(log.Name())
			tr.t.Logf("%s\n%s", command, text)
		}
	}
}

// What differs from run to run, and would only make the page change.
var untidy = []struct {
	from *regexp.Regexp
	to   string
}{
	{regexp.MustCompile(`127\.0\.0\.1:\d{5}`), "127.0.0.1:9092"},
	{regexp.MustCompile(`(?m)^(LAST DEPLOYED|Last Started|Last Completed): .*$`), "$1: …"},
	{regexp.MustCompile(`(?m) +\d+[smh](\d+[sm])?$`), "  …"}, // AGE
	{regexp.MustCompile(`\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[^\s",]*`), "…"},
	{regexp.MustCompile(`"[^"]*/kubelet/[^"]*"|/tmp/[^\s"]*/(pods|Test)[^\s"]*`), "…"},
	{regexp.MustCompile(`\bv\d[\w.-]*\+dirty\b|v0\.0\.0-\d{14}-[0-9a-f]{12}|\(devel\)`), "v0.1.0"},
	{regexp.MustCompile(`[ \t]+\n`), "\n"},
	{regexp.MustCompile(`\n{3,}`), "\n\n"},
}

// same takes out what differs from run to run.
func same(text string) string {
	for _, u := range untidy {
		text = u.from.ReplaceAllString(text, u.to)
	}
	return text
}

// tidy shows what is the same, and of much the beginning and the end.
func tidy(text string) string {
	text = same(text)
	lines := strings.SplitAfter(text, "\n")
	if len(lines) > 24 {
		lines = append(append(lines[:12:12], "…\n"), lines[len(lines)-10:]...)
	}
	text = strings.Join(lines, "")
	if text != "" && !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	return text
}

// finish writes the transcript into the page, or checks that the page has the same commands.
func (tr *transcript) finish() {
	tr.t.Helper()
	page, err := os.ReadFile(docsFile)
	require.NoError(tr.t, err)
	before, rest, found := strings.Cut(string(page), begin)
	require.True(tr.t, found, "%s has no place for the transcript", docsFile)
	old, after, found := strings.Cut(rest, end)
	require.True(tr.t, found, "%s: the transcript has no end", docsFile)
	if *update {
		require.NoError(tr.t, os.WriteFile(docsFile, []byte(before+begin+tr.text.String()+"\n"+end+after), 0o644))
		return
	}
	require.Equal(tr.t, commandsIn(tr.text.String()), commandsIn(old), "run: make test-k8s UPDATE=1")
}

func commandsIn(text string) []string {
	var all []string
	for line := range strings.Lines(text) {
		if command, found := strings.CutPrefix(line, "$ "); found {
			all = append(all, strings.TrimSpace(command))
		}
	}
	return all
}

var codeBlock = regexp.MustCompile("(?s)```[a-z]*\n(.*?)```")

// documented holds the commands of the pages for operators to those that have run: each must be one of them, or its beginning.
func (tr *transcript) documented() {
	tr.t.Helper()
	notHere := map[string]string{
		"enricher demo --for 5m --open":      "there is no browser",
		"ssh -L 8081:127.0.0.1:8081 HOST":    "there is no other host",
		"kubectl port-forward POD 8081:8081": "enricher-0 has been forwarded",
	}
	for _, file := range []string{docsFile, "../../docs/operations.md"} {
		page, err := os.ReadFile(file)
		require.NoError(tr.t, err)
		before, rest, _ := strings.Cut(string(page), begin)
		_, after, _ := strings.Cut(rest, end)
		for _, block := range codeBlock.FindAllStringSubmatch(before+after, -1) {
			for line := range strings.Lines(block[1]) {
				command, _, _ := strings.Cut(line, "  #")
				command = strings.TrimSpace(command)
				if !isCommand(command) || notHere[command] != "" {
					continue
				}
				require.True(tr.t, tr.hasRun(command), "%s: %q has not been run", file, command)
			}
		}
	}
}

func isCommand(line string) bool {
	program, _, _ := strings.Cut(line, " ")
	return slices.Contains([]string{"helm", "kubectl", "enricher", "curl", "ssh"}, program)
}

func (tr *transcript) hasRun(command string) bool {
	return slices.ContainsFunc(tr.ran, func(ran string) bool { return strings.HasPrefix(ran, command) })
}
