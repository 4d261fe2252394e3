package enrich_test

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/tidwall/gjson"

	"github.com/callstream/enricher/pkg/enrich"
)

// BenchmarkEnrich takes events of one kind after the other through Enrich.
func BenchmarkEnrich(b *testing.B) {
	take := enrichment(b)

	for _, k := range kinds(b, poolBytes) {
		b.Run(k.name, func(b *testing.B) { alone(b, k.values, take) })
	}

	all, _ := life(b)
	b.Run("life", func(b *testing.B) { alone(b, all, take) })
}

// BenchmarkBeside compares Enrich, which checks an event, reads it and writes the object,
// with parts of that by others: the check of the grammar alone by gjson and encoding/json,
// and the code alone by gjson's Get, which does not look at what stands behind it.
//
// ns/op and MB/s are Enrich's, the other figures how often Enrich's time is that of the
// other: below 1, Enrich is faster.
func BenchmarkBeside(b *testing.B) {
	_, soundJSON := life(b)

	for _, k := range append(kinds(b, poolBytes), kind{name: "life_json", values: soundJSON, code: callbackCode}) {
		if k.foreign {
			continue
		}

		b.Run(k.name, func(b *testing.B) { beside(b, k) })
	}
}

// BenchmarkForm compares Enrich of form bodies with what reads them only, into a map. The
// figures are as in BenchmarkBeside.
func BenchmarkForm(b *testing.B) {
	for _, k := range kinds(b, poolBytes) {
		if !strings.HasPrefix(k.name, "form") {
			continue
		}

		b.Run(k.name, func(b *testing.B) {
			enriched := enrichment(b)
			sideBySide(b, []way{
				{"", func(i int) bool { return enriched(k.values[i]) }},
				{"url.ParseQuery", func(i int) bool {
					_, err := url.ParseQuery(string(k.values[i]))

					return err == nil
				}},
			}, len(k.values), meanSize(k.values))
		})
	}
}

// BenchmarkMembers shows what the members and headers cost that an operator can do without.
// The figures beside ns/op are as in BenchmarkBeside.
func BenchmarkMembers(b *testing.B) {
	every := make([]string, 0, len(enrich.Members()))
	for _, m := range enrich.Members() {
		every = append(every, m.Name)
	}

	pool := mixture(poolBytes, 1, []byte(outbound))

	var ways []way

	for _, choice := range []struct {
		name   string
		change func(*enrich.Options)
	}{
		{"default", func(*enrich.Options) {}},
		{"all", func(o *enrich.Options) { o.Fields = every }},
		{"no_headers", func(o *enrich.Options) { o.Headers = []string{} }},
		{"code", func(o *enrich.Options) { o.Fields = []string{"code"} }},
		{"code_no_headers", func(o *enrich.Options) { o.Fields, o.Headers = []string{"code"}, []string{} }},
	} {
		take := enrichment(b, choice.change)
		ways = append(ways, way{choice.name, func(i int) bool { return take(pool[i]) }})
	}

	ways = append(ways, way{"gjson.ValidBytes", func(i int) bool { return gjson.ValidBytes(pool[i]) }})
	sideBySide(b, ways, len(pool), meanSize(pool))
}

// enrichment is the product's way to take an event.
func enrichment(t testing.TB, change ...func(*enrich.Options)) func(value []byte) bool {
	t.Helper()

	e := newRealEnricher(t, change...)
	rec, res := enrich.Record{TimestampMS: fixedMS}, enrich.Result{}

	return func(value []byte) bool {
		rec.Value = value
		e.Enrich(&rec, &res)

		return res.Outcome != enrich.Malformed
	}
}

func alone(b *testing.B, values [][]byte, take func([]byte) bool) {
	b.Helper()
	b.SetBytes(meanSize(values))
	b.ReportAllocs()

	for i := 0; b.Loop(); {
		take(values[i])

		if i++; i == len(values) {
			i = 0
		}
	}
}

func beside(b *testing.B, k kind) {
	b.Helper()

	texts := make([]string, len(k.values)) // views: GetBytes would copy what it finds
	for i, v := range k.values {
		texts[i] = unsafe.String(unsafe.SliceData(v), len(v))
	}

	enriched := enrichment(b)
	ways := []way{
		{"", func(i int) bool { return enriched(k.values[i]) }},
		{"gjson.ValidBytes", func(i int) bool { return gjson.ValidBytes(k.values[i]) }},
		{"json.Valid", func(i int) bool { return json.Valid(k.values[i]) }},
	}

	if k.code != "" {
		ways = append(ways, way{"gjson.Get", func(i int) bool { return gjson.Get(texts[i], k.code).Exists() }})
	}

	sideBySide(b, ways, len(k.values), meanSize(k.values))
}

// way is one of several ways to take the event of that number.
type way struct {
	name string
	take func(i int) bool
}

// sideBySide lets several ways take the same events in short turns, one after the other,
// and compares the medians of the turns. Whatever else the machine does then hits a few
// turns and not the figure, which figures taken one after the other do not survive.
func sideBySide(b *testing.B, ways []way, events int, size int64) {
	b.Helper()

	const perTurn = 64

	turns := make([][]float64, len(ways))
	at := 0

	for n := 0; b.Loop(); n++ {
		for w := range ways {
			w = (w + n) % len(ways) // who comes first finds the events cold
			start := time.Now()

			for i := range perTurn {
				ways[w].take((at + i) % events)
			}

			turns[w] = append(turns[w], float64(time.Since(start)))
		}

		at = (at + perTurn) % events
	}

	first := median(turns[0]) / perTurn
	b.ReportMetric(first, "ns/op")
	b.ReportMetric(float64(size)/first*1e3, "MB/s")

	for w := 1; w < len(ways); w++ {
		b.ReportMetric(first*perTurn/median(turns[w]), "of-"+ways[w].name)
	}
}

func median(x []float64) float64 {
	slices.Sort(x)

	return x[len(x)/2]
}

func meanSize(values [][]byte) int64 {
	sum := 0
	for _, v := range values {
		sum += len(v)
	}

	return int64(sum / len(values))
}
