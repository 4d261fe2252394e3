package cli

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/callstream/enricher/internal/kafkatool"
)

// badValue says what a flag wants, where pflag says what the parser of Go's library did. Flags with a closed list say it
// themselves.
func badValue(err *pflag.InvalidValueError) error {
	cause := err.Unwrap()

	var want string

	switch kind := err.GetFlag().Value.Type(); {
	case errors.Is(cause, strconv.ErrRange):
		want = "out of range"
	case kind == "int" || kind == "int64":
		want = "want a whole number"
	case kind == "uint64":
		want = "want a whole number that is not negative"
	case kind == "bool":
		want = "want true or false"
	case kind == "duration":
		want = "want a duration such as 500ms or 30s"
		if _, number := strconv.ParseFloat(err.GetValue(), 64); number == nil {
			want = "want a duration; add the unit: ms, s, m or h"
		}
	default:
		return err
	}

	return fmt.Errorf("%s%s", strings.TrimSuffix(err.Error(), cause.Error()), want)
}

// meantAsConfig suggests -c for a file that is given to a command which takes no arguments; "" if that cannot be meant.
func meantAsConfig(cmd *cobra.Command, arg string) string {
	flag := cmd.Flags().Lookup("config")
	if flag == nil || flag.Changed {
		return ""
	}

	if file, err := os.Stat(arg); err != nil || !file.Mode().IsRegular() {
		return ""
	}

	return fmt.Sprintf("; did you mean `-c %s`?", kafkatool.Quote(arg))
}
