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

// decimal is the value of a flag that is a whole number, as people write it: to pflag 017 is 15, and 0x10 a number.
type decimal[T int | int64 | uint64] struct{ to *T }

// decimalFlag adds such a flag.
func decimalFlag[T int | int64 | uint64](cmd *cobra.Command, to *T, name string, otherwise T, usage string) {
	*to = otherwise
	cmd.Flags().Var(decimal[T]{to}, name, usage)
}

func (d decimal[T]) String() string { return fmt.Sprint(*d.to) }
func (d decimal[T]) Type() string   { return fmt.Sprintf("%T", *d.to) }

func (d decimal[T]) Set(text string) error {
	var err error

	switch to := any(d.to).(type) {
	case *int:
		*to, err = strconv.Atoi(text)
	case *int64:
		*to, err = strconv.ParseInt(text, 10, 64)
	case *uint64:
		*to, err = strconv.ParseUint(text, 10, 64)
	}

	return err //nolint:wrapcheck // badValue says it in words
}

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
