package contest

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/callstream/enricher/internal/config"
)

// sh starts a shell as a contestant.
func sh(t *testing.T, script string, atFirst func(int)) *Process {
	t.Helper()
	if atFirst == nil {
		atFirst = func(int) {}
	}
	p, err := Start(&Spec{Path: "/bin/sh", Args: []string{"-c", script}, First: saysFirst, Assigned: assigned}, atFirst)
	require.NoError(t, err)
	t.Cleanup(p.Kill)
	return p
}

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func TestProcess(t *testing.T) {
	pids := make(chan int, 2)
	p := sh(t, `trap 'exit 0' TERM; echo hello; echo first >&2; echo first; while :; do sleep 0.01; done`, func(pid int) { pids <- pid })
	require.NoError(t, p.AwaitFirst(within(t, 10*time.Second)))
	require.Equal(t, p.Pid(), <-pids)
	require.NoError(t, p.Stop(10*time.Second))
	require.Empty(t, pids, "first is once")
}

func TestProcessWithoutWords(t *testing.T) {
	p := sh(t, `echo firstly; echo " first of all"; exec sleep 100`, nil)
	require.ErrorContains(t, p.AwaitFirst(within(t, 200*time.Millisecond)), "firstly | first of all")
	p.Kill()
	require.ErrorContains(t, p.AwaitFirst(within(t, time.Second)), "ended before it had begun")
}

func TestProcessThatEndsBadly(t *testing.T) {
	p := sh(t, `echo first; echo broken >&2; exit 3`, nil)
	<-p.Exited()
	require.ErrorContains(t, p.Ended(), "exit status 3")
	require.ErrorContains(t, p.Stop(time.Second), "broken")

	p = sh(t, `trap 'exit 4' TERM; echo first; while :; do sleep 0.01; done`, nil)
	require.NoError(t, p.AwaitFirst(within(t, 10*time.Second)))
	require.ErrorContains(t, p.Stop(10*time.Second), "exit status 4")

	p = sh(t, `trap '' TERM; echo first; while :; do sleep 0.01; done`, nil)
	require.NoError(t, p.AwaitFirst(within(t, 10*time.Second)))
	require.ErrorContains(t, p.Stop(50*time.Millisecond), "did not end within 50ms")
	require.Error(t, syscall.Kill(p.Pid(), 0), "it was killed")

	_, err := Start(&Spec{Path: "/no/such/program", First: saysFirst}, func(int) {})
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestProcessLog(t *testing.T) {
	var log strings.Builder
	long := strings.Repeat("x", 2*maxLine)
	p, err := Start(&Spec{Path: "/bin/sh", Args: []string{"-c", "head -c 131072 /dev/zero | tr '\\0' x; echo; echo first; echo end"}, First: saysFirst, Log: &log}, func(int) {})
	require.NoError(t, err)
	<-p.Exited()
	require.Equal(t, long+"\nfirst\nend\n", log.String())
	require.NoError(t, p.AwaitFirst(t.Context()))
}

func TestAssigned(t *testing.T) {
	const (
		joined = `{"level":"info","time":"x","msg":"joined the group","generation":7,"partitions":4}`
		none   = `{"level":"info","time":"x","msg":"joined the group","generation":6,"partitions":0}`
		failed = `{"level":"warn","msg":"cannot join the group, trying again"}`
		quoted = `{"level":"warn","msg":"not \"joined the group\"","partitions":4}`
	)
	a, ok := assigned([]byte(joined))
	require.True(t, ok)
	require.Equal(t, Assignment{Generation: 7, Partitions: 4}, a)
	require.True(t, hasSome([]byte(joined)))
	a, ok = assigned([]byte(none))
	require.True(t, ok)
	require.Equal(t, Assignment{Generation: 6}, a)
	for _, line := range []string{none, failed, quoted, "joined the group"} {
		require.False(t, hasSome([]byte(line)), line)
	}
	p := sh(t, "echo '"+none+"'; echo '"+joined+"'", nil)
	<-p.Exited()
	require.Equal(t, Assignment{Generation: 7, Partitions: 4}, p.Assigned())
}

// What a run configures has to be a configuration.
func TestConfig(t *testing.T) {
	path := filepath.Join(t.TempDir(), "enricher.yaml")
	for _, work := range []Work{Same, Full} {
		r := Run{Brokers: []string{"a:1", "b:2"}, In: "i", Out: "o", Dead: "d", Group: "g", Compression: "zstd", Delivery: ExactlyOnce, Work: work, Instance: 3, CommitInterval: 50 * time.Millisecond, Ops: "127.0.0.1:1"}
		require.NoError(t, os.WriteFile(path, []byte(Config(&r)), 0o600))
		c, err := config.Load(path)
		require.NoError(t, err)
		require.Equal(t, []string{"a:1", "b:2"}, c.Kafka.Brokers)
		require.Equal(t, "bench-3", c.Kafka.Instance)
		require.EqualValues(t, "exactly_once", c.Delivery)
		require.EqualValues(t, "zstd", c.Output.Compression)
		require.Equal(t, 50*time.Millisecond, c.Limits.CommitInterval)
		require.Equal(t, "127.0.0.1:1", c.Ops.Listen)
		if work == Same {
			require.Equal(t, Fields(), c.Enrich.Fields)
			require.Equal(t, []string{HeaderName}, c.Enrich.Headers)
		} else {
			require.Empty(t, c.Enrich.Fields)
			require.Equal(t, config.Default().Enrich.Headers, c.Enrich.Headers)
		}
	}
}

func TestIDs(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range All() {
		require.False(t, seen[c.ID], c.ID)
		seen[c.ID] = true
		require.NotEmpty(t, c.Title)
		require.NotEmpty(t, c.Settings)
		require.Contains(t, []string{AtLeastOnce, ExactlyOnce}, c.Delivery)
	}
	for _, p := range Pipes() {
		require.False(t, seen[p.ID], p.ID)
		seen[p.ID] = true
	}
}

func TestBuild(t *testing.T) {
	k := NewKit("no/such/place", t.TempDir(), t.TempDir())
	for _, c := range All() {
		if c.ID == "enricher-alo" || c.ID == "franz-alo" {
			require.ErrorContains(t, k.Build(t.Context(), c), "build "+c.ID)
			require.ErrorContains(t, k.Build(t.Context(), c), "build "+c.ID, "the error is kept")
			require.Nil(t, c.Program)
		}
	}
	built := 0
	for range 2 {
		path, err := k.once("x", func() (string, error) { built++; return "path", nil })
		require.NoError(t, err)
		require.Equal(t, "path", path)
	}
	require.Equal(t, 1, built)
}

// Tools that are missing are skipped, not failed.
func TestSkipped(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	k := NewKit(".", t.TempDir(), t.TempDir())
	var skipped *SkippedError
	for _, c := range All() {
		if strings.HasPrefix(c.ID, "streams") {
			require.ErrorAs(t, k.Build(t.Context(), c), &skipped)
			require.Contains(t, skipped.Reason, "java")
		}
	}
	for _, p := range Pipes() {
		switch p.ID {
		case "pipe-jq", "pipe-vrl":
			require.ErrorAs(t, k.BuildPipe(t.Context(), p), &skipped, p.ID)
			require.Contains(t, skipped.Reason, "not installed")
		default:
			require.Error(t, k.BuildPipe(t.Context(), p), p.ID) // go is missing too, which is no reason to skip
		}
	}
}

func TestVRLFromCache(t *testing.T) {
	cache := t.TempDir()
	bin := filepath.Join(cache, "vrl-"+VRLVersion, "bin")
	require.NoError(t, os.MkdirAll(bin, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(bin, "vrl"), nil, 0o600))
	path, version, err := findVRL(t.Context(), NewKit(".", "", cache))
	require.NoError(t, err)
	require.Equal(t, filepath.Join(bin, "vrl"), path)
	require.Equal(t, VRLVersion, version)
}

func TestVersions(t *testing.T) {
	dir := t.TempDir()
	require.Empty(t, jarVersion(dir, "kafka-streams-"))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "kafka-streams-4.3.1.jar"), nil, 0o600))
	require.Equal(t, "4.3.1", jarVersion(dir, "kafka-streams-"))
	require.Empty(t, moduleVersion(os.Args[0], "example.com/none"))
	require.Empty(t, moduleVersion("none", "example.com/none"))
	require.Equal(t, "unknown", Revision(t.Context(), dir))
}
