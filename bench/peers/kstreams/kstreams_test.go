//go:build kafka

package kstreams

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/callstream/enricher/bench/internal/peer"
	"github.com/callstream/enricher/bench/internal/peer/peertest"
	"github.com/callstream/enricher/internal/kafkatest"
)

// stopTime is for the last commit.
const stopTime = 40 * time.Second

func build(t *testing.T) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "mvn", "--quiet", "--batch-mode", "package").CombinedOutput()
	require.NoError(t, err, "%s", out)
}

// program runs the jar until ctx ends, and then asks it to end, by SIGTERM.
func program(variant string) func(ctx context.Context, args []string, stdout io.Writer) error {
	return func(ctx context.Context, args []string, stdout io.Writer) error {
		cmd := exec.CommandContext(ctx, "java", append([]string{"@jvm.options", "-jar", "target/kstreams.jar", "-variant", variant}, args...)...)
		var stderr bytes.Buffer
		cmd.Stdout, cmd.Stderr = stdout, &stderr
		cmd.WaitDelay = stopTime
		asked := false
		cmd.Cancel = func() error {
			asked = true
			return cmd.Process.Signal(syscall.SIGTERM)
		}
		err := cmd.Run()
		if asked && cmd.ProcessState.ExitCode() == 0 {
			return nil
		}
		return fmt.Errorf("%w: %s", err, stderr.String())
	}
}

func TestContract(t *testing.T) {
	build(t)
	addrs := kafkatest.Start(t, kafkatest.Options{}).Addrs()
	sameJSON := func(tb testing.TB, want, got []byte, msg string) {
		tb.Helper()
		require.JSONEq(tb, string(want), string(got), msg)
	}
	for _, tc := range []struct{ variant, delivery, compression string }{
		{"fast", peer.AtLeastOnce, "none"},
		{"fast", peer.AtLeastOnce, "lz4"},
		{"fast", peer.ExactlyOnce, "zstd"},
		{"tree", peer.AtLeastOnce, "none"},
		{"tree", peer.ExactlyOnce, "none"},
	} {
		t.Run(tc.variant+"/"+tc.delivery+"/"+tc.compression, func(t *testing.T) {
			c := peertest.Contestant{Run: program(tc.variant)}
			if tc.variant == "tree" {
				c.Equal = sameJSON
			}
			peertest.Check(t, addrs, c, tc.delivery, tc.compression)
		})
	}
}

func TestArguments(t *testing.T) {
	build(t)
	for name, tc := range map[string]struct {
		args []string
		want string
	}{
		"unknown":  {[]string{"-x", "1"}, "bad argument -x"},
		"missing":  {nil, "-table is missing"},
		"no file":  {[]string{"-table", "none"}, "NoSuchFileException: none"},
		"variant":  {[]string{"-table", peertest.NewOracle(t).WriteTable(t), "-variant", "slow"}, "-variant slow"},
		"delivery": {[]string{"-table", peertest.NewOracle(t).WriteTable(t), "-brokers", "127.0.0.1:1", "-group", "g", "-in", "i", "-out", "o", "-dead", "d", "-delivery", "some"}, "-delivery some"},
	} {
		t.Run(name, func(t *testing.T) {
			err := program("fast")(t.Context(), tc.args, io.Discard)
			require.ErrorContains(t, err, tc.want)
			require.ErrorContains(t, err, "exit status 1")
		})
	}
}
