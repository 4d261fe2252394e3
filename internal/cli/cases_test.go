package cli_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/callstream/enricher/internal/cli"
)

var (
	docFile = regexp.MustCompile("(?s)(<!-- file: ([^ ]+) -->\n```[a-z]+\n)(.*?)```\n")
	docRun  = regexp.MustCompile("(?s)(<!-- run: [^\n]+ -->\n```console\n\\$ enricher )([^\n]+)\n(.*?)```\n")
)

// What docs/testing.md shows of a session is what the session shows, and a file that it shows is that
// of the repository, if there is one.
func TestTestingDocs(t *testing.T) {
	root, err := filepath.Abs("../..")
	require.NoError(t, err)

	file := filepath.Join(root, "docs/testing.md")
	src, err := os.ReadFile(file)
	require.NoError(t, err)

	t.Chdir(t.TempDir())
	require.NoError(t, os.CopyFS("testdata/cases", os.DirFS(filepath.Join(root, "testdata/cases"))))
	require.NoError(t, os.CopyFS("config", os.DirFS(filepath.Join(root, "config"))))

	replaced := 0
	doc := docFile.ReplaceAllStringFunc(string(src), func(block string) string {
		m := docFile.FindStringSubmatch(block)
		replaced++

		if own, err := os.ReadFile(m[2]); err == nil {
			return m[1] + string(own) + "```\n"
		}

		require.NoError(t, os.WriteFile(m[2], []byte(m[3]), 0o600))

		return block
	})

	var codes []int

	doc = docRun.ReplaceAllStringFunc(doc, func(block string) string {
		m := docRun.FindStringSubmatch(block)
		out, errs, code := execute(t, "", strings.Fields(m[2])...)
		require.Empty(t, errs)

		codes = append(codes, code)

		return m[1] + m[2] + "\n" + out + "```\n"
	})

	require.Equal(t, 3, replaced)
	require.Equal(t, []int{cli.ExitOK, cli.ExitFailed, cli.ExitOK}, codes)

	if *update {
		require.NoError(t, os.WriteFile(file, []byte(doc), 0o600))

		return
	}

	require.Equal(t, doc, string(src), "run the test with -update if this is meant")
}

// What comes with a record counts as it does in the filter: the header of the attempt, the timestamp
// and a value that is null.
func TestDiffTopicRecords(t *testing.T) {
	t.Parallel()

	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "raw"))
	require.NoError(t, err)
	t.Cleanup(cluster.Close)

	brokers := strings.Join(cluster.ListenAddrs(), ",")
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers), kgo.DefaultProduceTopic("raw"))
	require.NoError(t, err)
	t.Cleanup(client.Close)

	value := []byte(`{"HangupCauseCode":3010,"Direction":"outbound"}`)
	require.NoError(t, client.ProduceSync(t.Context(),
		&kgo.Record{Value: value},
		&kgo.Record{Value: value, Headers: []kgo.RecordHeader{{Key: "hangup-attempt", Value: []byte("1")}, {Key: "hangup-attempt", Value: []byte("4")}}},
		&kgo.Record{Value: nil},
	).FirstErr())

	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))

		return path
	}
	file := write("enricher.yaml", "kafka: {brokers: [\""+brokers+"\"]}\ninput: {topics: [raw], group: g}\noutput: {topic: out}\n")
	overlay := write("overlay.yaml", "entries: [{code: 3010, retry: {max_retries: 4}}]\n")

	out, errs, code := execute(t, "", "catalog", "diff", "builtin", overlay, "-c", file, "--topic", "raw", "-o", "json")
	require.Equal(t, cli.ExitOK, code, errs)
	require.Empty(t, errs)
	require.Equal(t, int64(3), gjson.Get(out, "events.events").Int())
	require.Equal(t, int64(1), gjson.Get(out, "events.changed").Int(), "the fourth attempt alone")
	require.Equal(t, "attempts_exhausted", gjson.Get(out, `events.codes.0.changes.#(aspect=="reason").old`).Str)
}
