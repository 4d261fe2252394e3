package cli_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/callstream/enricher/internal/kafkatest"
)

// The first signal waits for what is in flight, and here the broker takes nothing: only the second one ends the process.
func TestSecondSignalEndsAtOnce(t *testing.T) {
	t.Parallel()

	if runtime.GOOS == "windows" {
		t.Skip("there are no such signals")
	}

	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		t.Run(sig.String(), func(t *testing.T) {
			t.Parallel()

			cluster := kafkatest.StartFake(t, kfake.SeedTopics(1, "calls.raw", "calls.enriched"))
			sent := make(chan struct{}, 1)
			cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: "calls.enriched", Err: kerr.NotEnoughReplicas, Count: -1, When: func(kmsg.Request) bool {
				select {
				case sent <- struct{}{}:
				default:
				}

				return true
			}})

			brokers := cluster.ListenAddrs()
			cl, err := kgo.NewClient(kgo.SeedBrokers(brokers...))
			require.NoError(t, err)
			t.Cleanup(cl.Close)
			require.NoError(t, cl.ProduceSync(t.Context(), &kgo.Record{Topic: "calls.raw", Value: []byte("{}")}).FirstErr())

			file := filepath.Join(t.TempDir(), "enricher.yaml")
			require.NoError(t, os.WriteFile(file, fmt.Appendf(nil, `
kafka: {brokers: [%q]}
input: {topics: [calls.raw], group: enricher}
output: {topic: calls.enriched}
limits: {shutdown_timeout: 10m}
ops: {listen: "", page: ""}
`, brokers[0]), 0o600))

			ctx, cancel := context.WithTimeout(t.Context(), waiting)
			defer cancel()

			cmd := exec.CommandContext(ctx, "enricher", "run", "-c", file)
			log, err := cmd.StderrPipe()
			require.NoError(t, err)
			require.NoError(t, cmd.Start())

			select {
			case <-sent:
			case <-ctx.Done():
				require.Fail(t, "it sends nothing")
			}

			require.NoError(t, cmd.Process.Signal(sig))

			for lines := bufio.NewScanner(log); ; {
				require.True(t, lines.Scan(), "it does not say that it has been asked to stop")

				if strings.Contains(lines.Text(), `"msg":"asked to stop`) {
					break
				}
			}

			for asked := time.Now(); time.Since(asked) < 3*time.Second; { // longer than what has nothing to finish may take
				select {
				case <-sent:
				case <-ctx.Done():
					require.Fail(t, "it has given up")
				}
			}

			require.NoError(t, cmd.Process.Signal(sig))

			var exit *exec.ExitError

			require.ErrorAs(t, cmd.Wait(), &exit)
			status, ok := exit.Sys().(syscall.WaitStatus)
			require.True(t, ok)
			require.True(t, status.Signaled(), "exit code %d", exit.ExitCode())
			require.Equal(t, sig, status.Signal())
		})
	}
}
