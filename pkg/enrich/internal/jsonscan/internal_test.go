package jsonscan

import (
	"bytes"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// TestMarks: every byte that can end or break a string is marked, at every place
// in a word and beside every kind of neighbour; others only behind those.
func TestMarks(t *testing.T) {
	t.Parallel()

	var d Doc

	for n := range 130 {
		for c := range 256 {
			p := append(bytes.Repeat([]byte{byte(c)}, n), `x"y\z`...)
			p = append(append(p, byte(c)), "\xff\x00\x80}"...)
			high := d.mark(p)
			require.Equal(t, c >= utf8.RuneSelf || p[len(p)-2] >= utf8.RuneSelf, high)
			requireMarks(t, p, d.marks)
		}
	}
}

// TestMarkPortable holds what other processors do to the same.
func TestMarkPortable(t *testing.T) {
	t.Parallel()

	for c := range 256 {
		for n := range 130 {
			p := append(bytes.Repeat([]byte{byte(c)}, n), "\"#\\]\x1f \x7f"...)

			marks, high := markedBy(markPortable, p)
			require.Equal(t, n > 0 && c >= utf8.RuneSelf, high)
			requireMarks(t, p, marks)

			if !haveMarkBlocks() {
				continue
			}

			exact, high := markedBy(markFast, p)
			require.Equal(t, n > 0 && c >= utf8.RuneSelf, high)

			for i, b := range p {
				require.Equal(t, b == '"' || b == '\\' || b < ' ' || i == len(p)-1, exact[i>>6]>>(i&63)&1 == 1, "%q at %d", p, i)
			}
		}
	}
}

// markedBy marks p in one way.
func markedBy(way func([]byte, *[64]byte, []uint64) bool, p []byte) (marks []uint64, high bool) {
	var last [64]byte

	copy(last[:], p[len(p)&^63:])

	marks = make([]uint64, (len(p)+63)/64)
	high = way(p, &last, marks)
	marks[len(marks)-1] |= 1 << (uint(len(p)-1) & 63)

	if n := len(p) % 64; n > 0 { // what stands behind the text are zeroes, which are control bytes
		marks[len(marks)-1] &= 1<<n - 1
	}

	return marks, high
}

func requireMarks(t *testing.T, p []byte, marks []uint64) {
	t.Helper()

	for i, b := range p {
		marked := marks[i>>6]>>(i&63)&1 == 1
		special := b == '"' || b == '\\' || b < ' '

		if special || i == len(p)-1 {
			require.True(t, marked, "%q at %d", p, i)
		} else if marked {
			require.True(t, i > 0 && (p[i-1] == '"' || p[i-1] == '\\' || p[i-1] < ' ' || p[i-1] >= utf8.RuneSelf || b == '#' || b == ']'), "%q at %d", p, i)
		}
	}
}

// BenchmarkMarks: the bitmap with and without vector instructions, against a look at each byte;
// 683 bytes.
func BenchmarkMarks(b *testing.B) {
	p := bytes.Repeat([]byte(`{"HangupCauseCode":"3010","Event":"Hangup"},`), 16)[:683]
	marks := make([]uint64, (len(p)+63)/64)

	var last [64]byte

	copy(last[:], p[len(p)&^63:])

	if haveMarkBlocks() {
		b.Run("avx2", func(b *testing.B) {
			for b.Loop() {
				markFast(p, &last, marks)
			}
		})
	}

	b.Run("words", func(b *testing.B) {
		for b.Loop() {
			markPortable(p, &last, marks)
		}
	})
	b.Run("bytes", func(b *testing.B) {
		for b.Loop() {
			clear(marks)

			for i, c := range p {
				if c == '"' || c == '\\' || c < ' ' {
					marks[i>>6] |= 1 << (uint(i) & 63)
				}
			}
		}
	})
}

// BenchmarkFind: keys nobody asked for and keys that are wanted, against a map.
func BenchmarkFind(b *testing.B) {
	names := []string{"HangupCauseCode", "hangup_cause_code", "Direction", "AnswerTime", "CallUUID", "Event", "BillDuration", "CallStatus"}
	keys := [][]byte{
		[]byte("ParentAuthID"), []byte("AnswerTime"), []byte("From"), []byte("RequestUUID"), []byte("HangupCauseCode"), []byte("To"),
		[]byte("STIRAttestation"), []byte("Event"), []byte("Duration"), []byte("BillRate"),
	}

	k, err := NewKeys(names)
	require.NoError(b, err)

	table := map[string]int{}
	for i, name := range names {
		table[name] = i
	}

	b.Run("own", func(b *testing.B) {
		for b.Loop() {
			for _, key := range keys {
				k.find(key, 0, len(key))
			}
		}
	})
	b.Run("map", func(b *testing.B) {
		n := 0

		for b.Loop() {
			for _, key := range keys {
				n += table[string(key)]
			}
		}
	})
}
