package config_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/callstream/enricher/internal/config"
	"github.com/callstream/enricher/internal/strictyaml"
)

const least = `kafka: {brokers: ["k:9092"]}
input: {topics: [in], group: g}
output: {topic: out}
`

func parse(t *testing.T, text string) *config.Config {
	t.Helper()

	c, err := config.Parse("f", []byte(text), source())
	require.NoError(t, err)

	return c
}

func TestLeast(t *testing.T) {
	t.Parallel()

	want := config.Default()
	want.Kafka.Brokers = []string{"k:9092"}
	want.Input.Topics = []string{"in"}
	want.Input.Group = "g"
	want.Output.Topic = "out"
	require.NoError(t, want.Validate())
	require.Equal(t, values(t, want), values(t, parse(t, least)))
}

func TestDefaultLacksOnlyWhatIsRequired(t *testing.T) {
	t.Parallel()

	require.EqualError(t, config.Default().Validate(), `configuration: kafka.brokers: is required: the addresses to begin with, such as [127.0.0.1:9092]
configuration: input.topics: is required: the topics to read, such as [calls.raw]
configuration: input.group: is required: the consumer group that keeps the offsets
configuration: output.topic: is required: the topic for enriched events, such as calls.enriched`)
}

func TestValues(t *testing.T) {
	t.Parallel()

	c := parse(t, least+`
delivery: at_least_once
routes:
  - name: r
    match: {codes: 3010, outcome: [enriched, unknown_code], fault: carrier, retryable: false, direction: outbound}
    topic: r
  - {name: s, match: {codes: [3000-3099, "4000", 0]}, topic: r}
limits: {buffer_bytes: 1GiB, fetch_bytes: 20000, linger: 0s}
enrich: {headers: [], opt_in: [3010]}
ops: {listen: ""}
`)

	no := false
	require.Equal(t, []config.Route{
		{Name: "r", Topic: "r", Match: config.Match{
			Codes: []config.CodeRange{{3010, 3010}}, Outcome: []config.Outcome{"enriched", "unknown_code"},
			Fault: []string{"carrier"}, Retryable: &no, Direction: []config.Direction{"outbound"},
		}},
		{Name: "s", Topic: "r", Match: config.Match{Codes: []config.CodeRange{{3000, 3099}, {4000, 4000}, {0, 0}}}},
	}, c.Routes)
	require.Equal(t, "3000-3099", c.Routes[1].Match.Codes[0].String())
	require.Equal(t, "4000", c.Routes[1].Match.Codes[1].String())
	require.Equal(t, config.GiB, c.Limits.BufferBytes)
	require.Equal(t, config.Bytes(20000), c.Limits.FetchBytes)
	require.Zero(t, c.Limits.Linger)
	require.NotNil(t, c.Enrich.Headers, "nil means the default ones to pkg/enrich")
	require.Empty(t, c.Enrich.Headers)
	require.Empty(t, c.Ops.Listen)
}

func TestStart(t *testing.T) {
	t.Parallel()

	for text, want := range map[string]struct {
		latest bool
		at     time.Time
	}{
		"earliest":                  {},
		"latest":                    {latest: true},
		"2026-01-31T12:00:00Z":      {at: time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)},
		"2026-01-31T12:00:00+02:00": {at: time.Date(2026, 1, 31, 10, 0, 0, 0, time.UTC)},
	} {
		s := parse(t, strings.Replace(least, "group: g", "group: g, start: "+strings.ReplaceAll(text, text, `"`+text+`"`), 1)).Input.Start
		at, isTime := s.Time()
		require.Equal(t, want.latest, s.Latest(), text)
		require.Equal(t, !want.at.IsZero(), isTime, text)
		require.True(t, want.at.Equal(at), text)
	}
}

func TestBytes(t *testing.T) {
	t.Parallel()

	for text, want := range map[string]config.Bytes{"0": 0, "17": 17, "17B": 17, "3KiB": 3 << 10, "64 MiB": 64 << 20, "2GiB": 2 << 30} {
		var b config.Bytes
		require.NoError(t, b.UnmarshalText([]byte(text)), text)
		require.Equal(t, want, b, text)

		var again config.Bytes
		require.NoError(t, again.UnmarshalText([]byte(b.String())))
		require.Equal(t, b, again, text)
	}

	for _, text := range []string{"", "KiB", "-1", "1.5MiB", "1MB", "9223372036854775807KiB", "99999999999999999999", "1 M", "017", "00", "064KiB"} {
		var b config.Bytes
		require.Error(t, b.UnmarshalText([]byte(text)), text)
	}
}

func TestExpansion(t *testing.T) {
	t.Parallel()

	c := parse(t, `
kafka:
  brokers: ["${HOST:-k}:9092"]
  client_id: a-${GROUP}-${NONE:-fallback}-$${GROUP}-$x$
  rack: ${EMPTY}
  create_topics: ${YES}
input:
  topics: [in]
  group: "${INJECT}"
  max_depth: ${DEPTH}
output:
  topic: ${file:crlf}
limits:
  linger: ${LINGER:-7ms}
  commit_interval: "${WAIT}"
enrich:
  field: ${file:two}
catalog:
  overlays: ["${EMPTY:-x.yaml}"]
`)
	require.Equal(t, []string{"k:9092"}, c.Kafka.Brokers)
	require.Equal(t, "a-from-env-fallback-${GROUP}-$x$", c.Kafka.ClientID)
	require.Empty(t, c.Kafka.Rack)
	require.True(t, c.Kafka.CreateTopics)
	require.Equal(t, "x}, evil: {a: b", c.Input.Group, "a value cannot become structure")
	require.Equal(t, 7, c.Input.MaxDepth)
	require.Equal(t, "value", c.Output.Topic)
	require.Equal(t, 7*time.Millisecond, c.Limits.Linger)
	require.Equal(t, 3*time.Second, c.Limits.CommitInterval)
	require.Equal(t, "a\nb\n", c.Enrich.Field, "one line end goes, no more")
	require.Equal(t, []string{"x.yaml"}, c.Catalog.Overlays)
}

func TestYAMLMasksFilesAndReadsBack(t *testing.T) {
	t.Parallel()

	c := parse(t, strings.Replace(least, "group: g", "group: \"${file:secret}\", start: \"2026-01-31T12:00:00Z\"", 1)+`
routes:
  - {name: r, match: {codes: [3010, 3000-3099], flags: "${file:crlf}", retryable: true}, topic: t}
enrich: {field: "${GROUP}"}
limits: {session_timeout: 5m, commit_interval: 10s}
`)
	text, err := c.YAML()
	require.NoError(t, err)
	require.NotContains(t, string(text), "hunter")
	require.Contains(t, string(text), "group: \"***\"\n")
	require.NotContains(t, string(text), "from-env")
	require.Contains(t, string(text), "session_timeout: 5m\n")
	require.NotContains(t, string(text), "value")

	js, err := c.JSON()
	require.NoError(t, err)

	var fromJSON map[string]any
	require.NoError(t, json.Unmarshal(js, &fromJSON))
	require.Equal(t, "***", fromJSON["input"].(map[string]any)["group"])
	require.NotContains(t, string(js), "hunter")
	require.True(t, strings.HasPrefix(string(js), "{\n  \"kafka\": {\n    \"brokers\": ["), "the keys stay in order")

	again := parse(t, string(text))
	want := values(t, c)
	want["routes"].([]any)[0].(map[string]any)["match"].(map[string]any)["flags"] = []any{"***"}
	want["input"].(map[string]any)["group"] = "***"
	want["enrich"].(map[string]any)["field"] = "***"
	require.Equal(t, want, values(t, again))
}

// values is a configuration as plain values, secrets masked.
func values(t *testing.T, c *config.Config) map[string]any {
	t.Helper()

	text, err := c.YAML()
	require.NoError(t, err)

	doc, err := strictyaml.Parse("shown", text)
	require.NoError(t, err)

	out := map[string]any{}
	require.Empty(t, doc.Decode(&out))

	return out
}

func TestCheckWords(t *testing.T) {
	t.Parallel()

	c := parse(t, least+`
routes:
  - {name: r, match: {fault: carier, class: [never, x], flags: [a], source: b}, topic: r}
enrich: {fields: [code, retry.clas], headers: [hangup-kode]}
`)
	err := c.CheckWords(config.Vocabulary{
		Faults: []string{"carrier"}, Classes: []string{"never"}, Flags: []string{"b"}, Sources: []string{"caller"},
		Members: []string{"code", "retry.class"}, Headers: []string{"hangup-code"},
	})
	require.EqualError(t, err, `f:6:30: routes[0].match.fault: "carier" is none of carrier; did you mean "carrier"?
f:6:53: routes[0].match.class[1]: "x" is none of never
f:6:65: routes[0].match.flags[0]: "a" is none of b; did you mean "b"?
f:6:77: routes[0].match.source: "b" is none of caller
f:7:25: enrich.fields[1]: "retry.clas" is none of code, retry.class; did you mean "retry.class"?
f:7:48: enrich.headers[0]: "hangup-kode" is none of hangup-code; did you mean "hangup-code"?`)

	require.Empty(t, c.CheckWords(config.Vocabulary{}))
}

func TestCheckOptIn(t *testing.T) {
	t.Parallel()

	c := parse(t, least+"enrich: {opt_in: [1, 2]}\n")
	require.EqualError(t, c.CheckOptIn([]int32{2, 3}), "f:4:19: enrich.opt_in[0]: 1 asks for no opt-in; those that do are 2, 3")
	require.Empty(t, c.CheckOptIn([]int32{1, 2, 3}))

	made := config.Default()
	made.Enrich.OptIn = []int32{1}
	require.EqualError(t, made.CheckOptIn(nil), "configuration: enrich.opt_in[0]: 1 asks for no opt-in; those that do are none")
}

// TestCheckPaths: every list of paths is looked at, and only those of enrich are held against its field.
func TestCheckPaths(t *testing.T) {
	t.Parallel()

	c := parse(t, least+`
enrich:
  field: why
  foreign_when: [f]
  paths: {code: [c1, "${GROUP}"], name: [n], direction: [d], answer_time: [a], billed: [b], status: [s], call_id: [i], a_leg: [l], parent_call: [p], attempt: [t], event: [e]}
retry:
  cancel: {key: [k]}
  window: {zone_paths: [z], number_paths: [m]}
`)
	got := c.CheckPaths(func(path, field string) error { return fmt.Errorf("has %d bytes, field %q", len(path), field) }) //nolint:err113 // a text
	require.EqualError(t, got, `f:7:18: enrich.foreign_when[0]: "f" has 1 bytes, field "why"
f:8:18: enrich.paths.code[0]: "c1" has 2 bytes, field "why"
f:8:22: enrich.paths.code[1]: *** has 8 bytes, field "why"
f:8:42: enrich.paths.name[0]: "n" has 1 bytes, field "why"
f:8:58: enrich.paths.direction[0]: "d" has 1 bytes, field "why"
f:8:76: enrich.paths.answer_time[0]: "a" has 1 bytes, field "why"
f:8:89: enrich.paths.billed[0]: "b" has 1 bytes, field "why"
f:8:102: enrich.paths.status[0]: "s" has 1 bytes, field "why"
f:8:116: enrich.paths.call_id[0]: "i" has 1 bytes, field "why"
f:8:128: enrich.paths.a_leg[0]: "l" has 1 bytes, field "why"
f:8:146: enrich.paths.parent_call[0]: "p" has 1 bytes, field "why"
f:8:160: enrich.paths.attempt[0]: "t" has 1 bytes, field "why"
f:8:172: enrich.paths.event[0]: "e" has 1 bytes, field "why"
f:10:18: retry.cancel.key[0]: "k" has 1 bytes, field ""
f:11:25: retry.window.zone_paths[0]: "z" has 1 bytes, field ""
f:11:44: retry.window.number_paths[0]: "m" has 1 bytes, field ""`)
	require.Empty(t, c.CheckPaths(func(string, string) error { return nil }))
}

// TestChecksAreReportedWithTheRest, but for what they say of places at which something is known to be wrong.
func TestChecksAreReportedWithTheRest(t *testing.T) {
	t.Parallel()

	var sound []string

	said := func(paths ...string) func(*config.Config) strictyaml.Mistakes {
		return func(c *config.Config) strictyaml.Mistakes {
			ms := strictyaml.Mistakes{{File: "overlay", Line: 7, Column: 8, Msg: "routes: of another file"}}

			for _, path := range paths {
				ms = append(ms, c.At(path, "of a check"), c.At(path, "of a check, again"))

				if c.Sound(path) {
					sound = append(sound, path)
				}
			}

			return ms
		}
	}

	_, err := config.Parse("f", []byte(`kafka: {brokers: ["k:9092"]}
input: {topics: [in], group: g, max_depth: 0}
output: {topic: out}
routes:
  - {name: a, topic: a, match: {fault: 3}}
  - {name: b, topic: b, match: {falt: x, codes: 1}}
  - {name: c, topic: c, match: {codes: 1}}
catalog: {overlay: [x]}
`), source(), said("routes[0]", "routes[1]", "routes[2]", "catalog.overlays", "input.max_depth", "input.format"), said("routes[2].match"), said("routes[2]"))
	require.EqualError(t, err, `f:2:1: input.format: of a check
f:2:1: input.format: of a check, again
f:2:44: input.max_depth: 0 is out of range (1 to 10000000)
f:5:40: routes[0].match.fault: expected a string, found the number 3; write "3"
f:6:33: unknown key "falt" in routes[1].match; did you mean "fault"?
f:7:5: routes[2]: of a check
f:7:5: routes[2]: of a check, again
f:7:25: routes[2].match: of a check
f:7:25: routes[2].match: of a check, again
f:8:11: unknown key "overlay" in catalog; did you mean "overlays"?
overlay:7:8: routes: of another file
overlay:7:8: routes: of another file
overlay:7:8: routes: of another file`)
	require.Equal(t, []string{"routes[2]", "input.format", "routes[2].match"}, sound)
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "c.yaml")
	t.Setenv("ENRICHER_TEST_GROUP", "g")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "topic"), []byte("out\n"), 0o600))
	require.NoError(t, os.WriteFile(path, []byte(`
kafka: {brokers: ["k:9092"]}
input: {topics: [in], group: "${ENRICHER_TEST_GROUP}"}
output: {topic: "${file:topic}"}
catalog: {overlays: [over/lay.yaml, /absolute.yaml]}
`), 0o600))

	c, err := config.Load(path)
	require.NoError(t, err)
	require.Equal(t, "g", c.Input.Group)
	require.Equal(t, "out", c.Output.Topic)
	require.Equal(t, []string{filepath.Join(dir, "over/lay.yaml"), "/absolute.yaml"}, c.Catalog.Overlays)

	_, err = config.Load(filepath.Join(dir, "none.yaml"))
	require.ErrorIs(t, err, os.ErrNotExist)

	_, err = config.Load(dir)
	require.ErrorContains(t, err, "is a directory")

	require.NoError(t, os.WriteFile(path, make([]byte, 1<<20+1), 0o600))
	_, err = config.Load(path)
	require.ErrorContains(t, err, "too large: more than 1048576 bytes")

	require.NoError(t, os.WriteFile(path, []byte("kafka: {brokers: ["), 0o600))
	_, err = config.Load(path)
	require.ErrorContains(t, err, "c.yaml:1:18: not YAML")
}

func TestReadSecret(t *testing.T) {
	t.Parallel()

	file := filepath.Join(t.TempDir(), "secret")
	for text, want := range map[string]string{"": "", "\n": "", "a": "a", "a\n": "a", "a\r\n": "a", "a\n\n": "a\n", "a \n": "a ", strings.Repeat("x", 64<<10): strings.Repeat("x", 64<<10)} {
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		got, err := config.ReadSecret(file)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}

	require.NoError(t, os.WriteFile(file, make([]byte, 64<<10+1), 0o600))
	_, err := config.ReadSecret(file)
	require.EqualError(t, err, file+": too large: more than 65536 bytes")

	_, err = config.ReadSecret(file + ".none")
	require.ErrorIs(t, err, os.ErrNotExist)
}

func FuzzParse(f *testing.F) {
	f.Add(least)
	f.Add(least + "routes: [{name: a, match: {codes: 1-2}, topic: t}]\nlimits: {linger: 1ms, buffer_bytes: 1MiB}\n")
	f.Add(least + "log: {level: \"${A:-${B}}\"}\n")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := config.Parse("f", []byte(text), source())
		if err != nil {
			var ms strictyaml.Mistakes
			require.ErrorAs(t, err, &ms)

			return
		}

		require.NoError(t, c.Validate())
		_, err = c.YAML()
		require.NoError(t, err)
	})
}
