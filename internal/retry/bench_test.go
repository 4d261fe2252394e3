package retry_test

import (
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/callstream/enricher/internal/retry"
)

func BenchmarkLoop(b *testing.B) {
	for name, w := range map[string]*retry.Window{
		"any time":    nil,
		"in a window": newWindow(b, retry.WindowConfig{From: 8 * 60, To: 21 * 60, Spread: 30 * time.Minute}),
	} {
		l := newLoop(b, func(c *retry.Config) { c.Window = w })
		o := *someOrder()
		b.Run("enter "+name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				o.NotBeforeMS = now + 100_000
				l.Enter(now, &o)
			}
		})
		b.Run("release "+name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				o.NotBeforeMS = now - 100
				l.Release(now, &o)
			}
		})
	}
}

// BenchmarkNext has what the last span of a zone saves.
func BenchmarkNext(b *testing.B) {
	w := newWindow(b, retry.WindowConfig{From: 9 * 60, To: 17 * 60, Spread: 30 * time.Minute})
	zone, id := []byte("Europe/Berlin"), []byte("5f8e7c1d2b3a4956")
	b.Run("the same day", func(b *testing.B) {
		for b.Loop() {
			w.Next(now, zone, id)
		}
	})
	b.Run("always another day", func(b *testing.B) {
		ms := now
		for b.Loop() {
			ms += 48 * hour
			w.Next(ms, zone, id)
			if ms > now+10_000*hour {
				ms = now
			}
		}
	})
}

func BenchmarkHeaders(b *testing.B) {
	o := someOrder()
	headers := o.AppendHeaders(nil)
	names := make([][]byte, 0, len(headers))
	for _, h := range headers {
		names = append(names, []byte(h.Name))
	}
	b.Run("append", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			headers = o.AppendHeaders(headers[:0])
		}
	})
	b.Run("parse", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var p retry.Parser
			for i := range headers {
				p.Header(names[i], headers[i].Value)
			}
			if _, err := p.Order(); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkCancels measures the memory of a key as well.
func BenchmarkCancels(b *testing.B) {
	for _, keys := range []int{100_000, 1_000_000} {
		b.Run(strconv.Itoa(keys), func(b *testing.B) {
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			c := retry.NewCancels(24 * time.Hour)
			for i := range keys {
				c.Put(strconv.AppendInt([]byte("contact-"), int64(i), 10), now)
			}
			runtime.GC()
			runtime.ReadMemStats(&after)
			o := someOrder()
			for b.Loop() {
				c.Cancelled(o)
			}
			b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(keys), "B/key")
		})
	}
}
