package cli_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/callstream/enricher/internal/cli"
	"github.com/callstream/enricher/internal/kafkatest"
)

// The start of each role prints for each topic that is missing the command that the doctor prints.
func TestStartAndDoctorAgreeOnMissingTopics(t *testing.T) {
	t.Parallel()

	command := regexp.MustCompile("`(kafka-topics\\.sh [^`]+ --topic (\\S+) [^`]+)`")

	for name, tc := range map[string]struct {
		verb    string
		there   []string
		missing []string
	}{
		"filter": {"run", []string{"calls.raw"}, []string{"calls.enriched", "calls.dead", "calls.copy", "calls.retry.1s", "calls.retry.5d", "calls.gave-up"}},
		"delay":  {"delay", []string{"calls.raw", "calls.retry.1s", "calls.retry.5d"}, []string{"calls.due", "calls.gave-up", "calls.cancel", "calls.dead"}},
	} {
		for _, brokers := range []int{1, 3} {
			t.Run(fmt.Sprintf("%s on %d", name, brokers), func(t *testing.T) {
				t.Parallel()

				cluster := kafkatest.StartFake(t, kfake.NumBrokers(brokers), kfake.SeedTopics(5, tc.there...))
				file := filepath.Join(t.TempDir(), "enricher.yaml")
				require.NoError(t, os.WriteFile(file, fmt.Appendf(nil, `
kafka: {brokers: [%q]}
input: {topics: [calls.raw], group: enricher}
output: {topic: calls.enriched}
dead_letter: {topic: calls.dead}
routes: [{name: copy, match: {fault: [carrier]}, topic: calls.copy}]
retry:
  tiers: [{topic: calls.retry.1s, wait: 1s}, {topic: calls.retry.5d, wait: 120h}]
  due: calls.due
  gave_up: calls.gave-up
  cancel: {topic: calls.cancel}
  max_age: 240h
ops: {listen: "", page: ""}
`, cluster.ListenAddrs()[0]), 0o600))

				_, start, code := execute(t, "", tc.verb, "-c", file)
				require.Equal(t, cli.ExitFailed, code, start)
				report, _, _ := execute(t, "", "doctor", "-c", file)

				var named []string

				for _, found := range command.FindAllStringSubmatch(start, -1) {
					require.Contains(t, report, "\n    "+found[1]+"\n", start)
					named = append(named, found[2])
				}

				require.ElementsMatch(t, tc.missing, named, start)
			})
		}
	}
}
