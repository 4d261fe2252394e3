package retry_test

import (
	"bytes"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/callstream/enricher/internal/retry"
)

// parse reads headers given as name, value, name, value.
func parse(headers ...string) (retry.Order, error) {
	var p retry.Parser
	for i := 0; i < len(headers); i += 2 {
		p.Header([]byte(headers[i]), []byte(headers[i+1]))
	}
	return p.Order()
}

func TestParseHeaders(t *testing.T) {
	t.Parallel()

	const (
		failed    = "hangup-retry-failed"
		notBefore = "hangup-retry-not-before"
		attempt   = "hangup-retry-attempt"
	)
	whole := []string{failed, "1000", notBefore, "2000", attempt, "3", "hangup-retry-id", "x"}
	with := func(more ...string) []string { return append(append([]string{"other", "y"}, whole...), more...) }
	want := retry.Order{FailedMS: 1000, NotBeforeMS: 2000, Attempt: 3, ID: []byte("x")}
	changed := func(f func(*retry.Order)) retry.Order { o := want; f(&o); return o }

	for name, tt := range map[string]struct {
		headers []string
		want    retry.Order
		wantErr string
	}{
		"what must be there":       {headers: whole, want: want},
		"and others":               {headers: with("hangup-retry", "a", "hangup-retry-keys", "b", "Hangup-Retry-Key", "c"), want: want},
		"all of it":                {headers: with("hangup-retry-key", "k", "hangup-retry-zone", "z"), want: changed(func(o *retry.Order) { o.Key, o.Zone = []byte("k"), []byte("z") })},
		"the last wins":            {headers: with(attempt, "4", "hangup-retry-id", "w"), want: changed(func(o *retry.Order) { o.Attempt, o.ID = 4, []byte("w") })},
		"the last wins if broken":  {headers: with(attempt, "x"), wantErr: "header hangup-retry-attempt is broken: want a number from 1"},
		"the first does not count": {headers: append([]string{attempt, "x"}, whole...), want: want},
		"empty key and zone":       {headers: with("hangup-retry-key", "k", "hangup-retry-key", "", "hangup-retry-zone", ""), want: want},
		"nothing":                  {wantErr: "header hangup-retry-failed is missing\nheader hangup-retry-not-before is missing\nheader hangup-retry-attempt is missing\nheader hangup-retry-id is missing"},
		"an empty id":              {headers: with("hangup-retry-id", ""), wantErr: "header hangup-retry-id is broken: want not empty"},
		"nothing where a number":   {headers: with(failed, ""), wantErr: "header hangup-retry-failed is broken: want milliseconds since the epoch"},
		"below zero":               {headers: with(failed, "-1", notBefore, "+1"), wantErr: "header hangup-retry-failed is broken: want milliseconds since the epoch\nheader hangup-retry-not-before is broken: want milliseconds since the epoch"},
		"attempt zero":             {headers: with(attempt, "0"), wantErr: "header hangup-retry-attempt is broken: want a number from 1"},
		"the greatest attempt":     {headers: with(attempt, "2147483647"), want: changed(func(o *retry.Order) { o.Attempt = math.MaxInt32 })},
		"one more":                 {headers: with(attempt, "2147483648"), wantErr: "header hangup-retry-attempt is broken: want a number from 1"},
		"the first of times":       {headers: with(failed, "0"), want: changed(func(o *retry.Order) { o.FailedMS = 0 })},
		"the last of times":        {headers: with(notBefore, "253402300799999"), want: changed(func(o *retry.Order) { o.NotBeforeMS = 253_402_300_799_999 })},
		"after it":                 {headers: with(notBefore, "253402300800000"), wantErr: "header hangup-retry-not-before is broken: want milliseconds since the epoch"},
		"more digits than fit":     {headers: with(notBefore, "99999999999999999999999"), wantErr: "header hangup-retry-not-before is broken: want milliseconds since the epoch"},
		"a character beside 0":     {headers: with(notBefore, "1/"), wantErr: "header hangup-retry-not-before is broken: want milliseconds since the epoch"},
		"a character beside 9":     {headers: with(notBefore, ":"), wantErr: "header hangup-retry-not-before is broken: want milliseconds since the epoch"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := parse(tt.headers...)
			if tt.wantErr != "" {
				require.EqualError(t, err, tt.wantErr)
				require.Zero(t, got)
				return
			}
			require.NoError(t, err)
			require.Equal(t, tt.want, got)
		})
	}
}

func TestAppendHeaders(t *testing.T) {
	t.Parallel()

	o := retry.Order{FailedMS: 1000, NotBeforeMS: 2000, Attempt: 3, ID: []byte("i"), Key: []byte("k"), Zone: []byte("z")}
	headers := o.AppendHeaders([]retry.Header{{Name: "other", Value: []byte("y")}})
	require.Equal(t, []retry.Header{
		{"other", []byte("y")},
		{"hangup-retry-failed", []byte("1000")},
		{"hangup-retry-not-before", []byte("2000")},
		{"hangup-retry-attempt", []byte("3")},
		{"hangup-retry-id", []byte("i")},
		{"hangup-retry-key", []byte("k")},
		{"hangup-retry-zone", []byte("z")},
	}, headers)

	names := make([]string, 0, len(headers))
	for _, h := range headers[1:] {
		names = append(names, h.Name)
		require.Equal(t, len(h.Value), cap(h.Value), "who appends to one value must not write into the next")
	}
	require.Equal(t, names, retry.HeaderNames())

	o.Key, o.Zone = nil, nil
	require.Len(t, o.AppendHeaders(nil), 4)
}

// orders are such as Enter lets in.
func orders() *rapid.Generator[retry.Order] {
	return rapid.Custom(func(t *rapid.T) retry.Order {
		blob := rapid.OneOf(rapid.Just([]byte(nil)), rapid.SliceOfN(rapid.Byte(), 1, 40))
		return retry.Order{
			FailedMS:    rapid.Int64Range(0, 253_402_300_799_999).Draw(t, "failed"),
			NotBeforeMS: rapid.Int64Range(0, 253_402_300_799_999).Draw(t, "not before"),
			Attempt:     rapid.IntRange(1, math.MaxInt32).Draw(t, "attempt"),
			ID:          rapid.SliceOfN(rapid.Byte(), 1, 40).Draw(t, "id"),
			Key:         blob.Draw(t, "key"),
			Zone:        blob.Draw(t, "zone"),
		}
	})
}

func TestParseReadsWhatAppendWrites(t *testing.T) {
	t.Parallel()

	rapid.Check(t, func(t *rapid.T) {
		want := orders().Draw(t, "order")
		headers := rapid.Permutation(want.AppendHeaders(nil)).Draw(t, "headers")
		var p retry.Parser
		for _, h := range headers {
			require.True(t, p.Header([]byte(h.Name), h.Value))
		}
		got, err := p.Order()
		require.NoError(t, err)
		require.Equal(t, want, got)
	})
}

// TestWhatEntersCanBeRead: no order that Enter lets in is a dead letter on the tier.
func TestWhatEntersCanBeRead(t *testing.T) {
	t.Parallel()

	rapid.Check(t, func(t *rapid.T) {
		l := newLoop(t, func(c *retry.Config) { c.Window = nightly(t) })
		o := retry.Order{
			FailedMS:    rapid.OneOf(rapid.Int64(), rapid.Int64Range(-hour, 24*hour)).Draw(t, "failed"),
			NotBeforeMS: rapid.OneOf(rapid.Int64(), rapid.Int64Range(-hour, 48*hour)).Draw(t, "not before"),
			Attempt:     rapid.IntRange(-1, 3).Draw(t, "attempt"),
			ID:          []byte("id"),
		}
		if l.Enter(rapid.Int64Range(0, 24*hour).Draw(t, "now"), &o).Place != retry.ToTier {
			return
		}
		var p retry.Parser
		for _, h := range o.AppendHeaders(nil) {
			p.Header([]byte(h.Name), h.Value)
		}
		got, err := p.Order()
		require.NoError(t, err, "%+v", o)
		require.Equal(t, o, got)
	})
}

func TestParsingAllocatesNothing(t *testing.T) {
	headers := someOrder().AppendHeaders(nil)
	names := retry.HeaderNames()
	keys := make([][]byte, 0, len(names))
	for _, name := range names {
		keys = append(keys, []byte(name))
	}
	require.Zero(t, testing.AllocsPerRun(100, func() {
		var p retry.Parser
		for i := range headers {
			p.Header(keys[i], headers[i].Value)
		}
		if _, err := p.Order(); err != nil {
			panic(err)
		}
	}))
}

func someOrder() *retry.Order {
	return &retry.Order{
		FailedMS: now - 1000, NotBeforeMS: now + hour, Attempt: 2,
		ID: []byte("5f8e7c1d2b3a4956"), Key: []byte("contact-4711"), Zone: []byte("Europe/Berlin"),
	}
}

// FuzzParser takes headers as lines of name=value. What is read can be written and read again.
func FuzzParser(f *testing.F) {
	for _, seed := range []string{
		"", "=", "hangup-retry-failed=1\nhangup-retry-not-before=2\nhangup-retry-attempt=3\nhangup-retry-id=4\nhangup-retry-key=5\nhangup-retry-zone=6",
		"hangup-retry-failed=1\nhangup-retry-failed=x", "hangup-retry-attempt=0", "hangup-retry-not-before=253402300800000",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, lines []byte) {
		var p retry.Parser
		for line := range bytes.SplitSeq(lines, []byte("\n")) {
			name, value, _ := bytes.Cut(line, []byte("="))
			require.True(t, p.Header(name, value))
		}
		o, err := p.Order()
		if err != nil {
			require.Zero(t, o)
			return
		}
		require.NotEmpty(t, o.ID)
		require.GreaterOrEqual(t, o.Attempt, 1)
		require.GreaterOrEqual(t, min(o.FailedMS, o.NotBeforeMS), int64(0))

		var again retry.Parser
		for _, h := range o.AppendHeaders(nil) {
			again.Header([]byte(h.Name), h.Value)
		}
		same, err := again.Order()
		require.NoError(t, err)
		require.Equal(t, o, same)
	})
}
