package kafkatest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func script(t *testing.T, text string) (p *Process, log func() string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "log")
	p, err := StartProcess(exec.Command("/bin/sh", "-c", text), file)
	require.NoError(t, err)
	t.Cleanup(func() { _ = p.Kill() })
	return p, func() string {
		b, err := os.ReadFile(file)
		require.NoError(t, err)
		return string(b)
	}
}

func TestProcessEnds(t *testing.T) {
	p, log := script(t, "echo out; echo err >&2; exit 3")
	<-p.Exited()
	require.False(t, p.Running())
	require.Equal(t, 3, p.ExitCode())
	require.ElementsMatch(t, []string{"out", "err"}, strings.Fields(log()))
	require.NoError(t, p.Kill(), "it has ended, which is what was wanted")
}

func TestProcessIsKilledPausedAndResumed(t *testing.T) {
	p, _ := script(t, "exec sleep 600")
	require.True(t, p.Running())
	require.NoError(t, p.Pause())
	state := func() string { // Linux tells: T is stopped
		b, err := os.ReadFile("/proc/" + strconv.Itoa(p.Pid()) + "/stat")
		require.NoError(t, err)
		return strings.Fields(string(b))[2]
	}
	require.Eventually(t, func() bool { return state() == "T" }, 5*time.Second, time.Millisecond)
	require.NoError(t, p.Resume())
	require.Eventually(t, func() bool { return state() != "T" }, 5*time.Second, time.Millisecond)
	require.NoError(t, p.Pause())
	require.NoError(t, p.Kill(), "a paused process can be killed")
	require.Equal(t, -1, p.ExitCode())
	require.Error(t, p.Pause())
}

func TestProcessTerminates(t *testing.T) {
	p, log := script(t, `trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.01; done`)
	require.Eventually(t, func() bool { return strings.Contains(log(), "up") }, 5*time.Second, time.Millisecond)
	require.NoError(t, p.Terminate(5*time.Second))
	require.Zero(t, p.ExitCode())
	require.Contains(t, log(), "bye")

	deaf, log := script(t, `trap '' TERM; echo up; while :; do sleep 0.01; done`)
	require.Eventually(t, func() bool { return strings.Contains(log(), "up") }, 5*time.Second, time.Millisecond)
	require.ErrorContains(t, deaf.Terminate(50*time.Millisecond), "did not end within 50ms of terminated")
	require.False(t, deaf.Running(), "it was killed")

	goes, log := script(t, `trap 'echo all threads' QUIT; echo up; while :; do sleep 0.01; done`)
	require.Eventually(t, func() bool { return strings.Contains(log(), "up") }, 5*time.Second, time.Millisecond)
	require.NoError(t, goes.Dump())
	require.False(t, goes.Running(), "it was killed")
	require.Contains(t, log(), "all threads")
}

func TestProcessThatCannotStart(t *testing.T) {
	_, err := StartProcess(exec.Command("/absent/program"), filepath.Join(t.TempDir(), "log"))
	require.ErrorContains(t, err, "start /absent/program")
	_, err = StartProcess(exec.Command("true"), filepath.Join(t.TempDir(), "absent", "log"))
	require.ErrorContains(t, err, "open log")
}
