package replay

import (
	"runtime"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

func newReasons() *pass { return &pass{reasons: map[string]string{}} }

// Anybody may have written reasons: they are cut, and those beyond a hundred are one.
func TestReasonsAreBounded(t *testing.T) {
	p := newReasons()
	long := "x" + strings.Repeat("é", 300)
	require.Equal(t, "none", p.reasonOf("none"))
	require.Equal(t, "x"+strings.Repeat("é", 99), p.reasonOf(long), "no character is cut in two")
	require.Equal(t, p.reasonOf(long), p.reasonOf(long+"é"))
	require.True(t, utf8.ValidString(p.reasonOf(long)))
	exact := strings.Repeat("y", reasonBytes)
	require.Equal(t, exact, p.reasonOf(exact))
	require.Equal(t, exact, p.reasonOf(exact+"y"))
	require.Empty(t, p.reasonOf(strings.Repeat("\x80", 300)), "no text at all")
	for i := len(p.reasons); i < reasonLimit; i++ {
		require.Equal(t, strconv.Itoa(i), p.reasonOf(strconv.Itoa(i)))
	}
	require.Equal(t, "other", p.reasonOf("one more"))
	require.Equal(t, "none", p.reasonOf("none"), "known ones keep their line")
	require.Len(t, p.reasons, reasonLimit)
}

// What is kept of a reason is not all that it was cut from.
func TestReasonsTakeLittleMemory(t *testing.T) {
	p, found := newReasons(), map[string]int64{}
	before := heap()
	for range 2 {
		for i := range 50 {
			found[p.reasonOf(strconv.Itoa(i)+strings.Repeat("x", 1<<20))]++
		}
	}
	require.Less(t, heap()-before, int64(8<<20))
	require.Len(t, found, 50)
	runtime.KeepAlive(p)
}

func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
