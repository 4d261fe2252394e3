package enrich_test

import (
	"bytes"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/callstream/enricher/pkg/enrich"
)

// TestEveryKindAllocatesNothing, over the pools of the benchmarks, once a Result has grown
// to the largest event.
func TestEveryKindAllocatesNothing(t *testing.T) {
	take := enrichment(t)

	for _, k := range kinds(t, testPoolBytes) {
		if k.outcome == enrich.Malformed {
			continue
		}

		pass := func() {
			for _, v := range k.values {
				take(v)
			}
		}
		require.Zero(t, testing.AllocsPerRun(1, pass), k.name) // which takes a pass before the one that counts
	}
}

// TestMembersAllocateNothing either, whichever are asked for.
func TestMembersAllocateNothing(t *testing.T) {
	retryable, answered := []byte(outbound), []byte(inbound)

	for _, m := range enrich.Members() {
		take := enrichment(t, func(o *enrich.Options) { o.Fields = []string{m.Name} })
		require.Zero(t, testing.AllocsPerRun(10, func() { take(retryable); take(answered) }), m.Name)
	}
}

// Bounds for a malformed event, whose Detail is made for it: the standard library reads it
// once more to say where it breaks. They hold for any length; a callback takes a dozen
// allocations, 3 KiB together.
const (
	maxAllocs = 40
	// maxBytes is for each byte of the event, on top of slackBytes.
	maxBytes   = 5
	slackBytes = 4 << 10
)

// TestMalformedAllocatesLittle: a stream of rubbish must not become a stream of garbage.
func TestMalformedAllocatesLittle(t *testing.T) {
	take := enrichment(t)
	members := strings.Repeat(`"key":"some text of some length",`, 1<<15) // 1 MiB

	values := map[string][][]byte{
		"a megabyte, cut off":     {[]byte("{" + members)},
		"a megabyte, broken late": {[]byte("{" + members + "}")},
		"a megabyte, not UTF-8":   {[]byte("{" + members + "\"x\":\"\xff\"}")},
		"a megabyte, and another": {[]byte("{" + members + `"x":1}{` + members + `"x":1}`)},
		"nested too deeply":       {bytes.Repeat([]byte(`{"a":`), 20_000)},
		"an array":                {[]byte("[" + strings.Repeat("1,", 1<<10) + "1]")},
		"text":                    {[]byte("hello")},
		"nothing":                 {{}},
	}
	for _, k := range kinds(t, testPoolBytes) {
		if k.outcome == enrich.Malformed {
			values[k.name] = k.values[:5]
		}
	}

	for name, events := range values {
		for _, v := range events {
			require.False(t, take(v), name)

			allocs := testing.AllocsPerRun(1, func() { take(v) })
			require.LessOrEqual(t, allocs, float64(maxAllocs), name)
			require.LessOrEqual(t, allocated(func() { take(v) }), uint64(maxBytes*len(v)+slackBytes), name)
		}
	}
}

// allocated is how many bytes f allocates, and whoever else runs meanwhile.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats

	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)

	return after.TotalAlloc - before.TotalAlloc
}
