package login

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// Any text becomes one line of what can be seen, and stays what it is if it is one.
func TestOneLine(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) })).Draw(t, "text")
		line := oneLine(text)
		require.True(t, utf8.ValidString(line))
		require.Negative(t, strings.IndexFunc(line, func(r rune) bool { return !unicode.IsPrint(r) }))
		require.Equal(t, line, oneLine(line))
	})
	require.Equal(t, `"é" c:\x � 日本`, oneLine(" \"é\"\t c:\\x\n\n� 日本 "))
	require.Equal(t, `\xef\xbf \U000e0041`, oneLine("\xef\xbf \U000e0041"))
}

func TestCut(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                         "",
		"1234":                     "1234",
		"12345":                    "1234…",
		"123é":                     "123…",
		"1日本":                      "1日…",
		"12日本":                     "12…",
		"😀x":                       "😀…",
		"1😀":                       "1…",
		"日本":                       "日…",
		"\x80\x80\x80\x80\x80\x80": "\x80…",
	} {
		require.Equal(t, want, cut(text, 4), "%q", text)
	}
}
