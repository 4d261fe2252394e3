package cli

import (
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"
)

// A number is what people read: a zero before it makes it no other one.
func TestFlagsAreDecimal(t *testing.T) {
	t.Parallel()

	var (
		cmd   cobra.Command
		few   int
		many  int64
		plain uint64
	)

	decimalFlag(&cmd, &few, "few", 3, "how many")
	decimalFlag(&cmd, &many, "many", 0, "how many")
	decimalFlag(&cmd, &plain, "plain", 1, "how many")
	require.Equal(t, "      --few int      how many (default 3)\n      --many int     how many\n      --plain uint   how many (default 1)\n", cmd.Flags().FlagUsages(), "as pflag's own")

	require.NoError(t, cmd.ParseFlags([]string{"--few", "017", "--many=-08", "--plain", "18446744073709551615"}))
	require.Equal(t, 17, few)
	require.Equal(t, int64(-8), many)
	require.Equal(t, uint64(18446744073709551615), plain)

	for _, text := range []string{"0x10", "0o7", "0b1", "1_000", "1e3", "", " 1", "9223372036854775808"} {
		require.Error(t, cmd.ParseFlags([]string{"--few", text}), text)
		require.Error(t, cmd.ParseFlags([]string{"--many", text}), text)
	}

	for _, text := range []string{"0x10", "-1", "18446744073709551616"} {
		require.Error(t, cmd.ParseFlags([]string{"--plain", text}), text)
	}
}
