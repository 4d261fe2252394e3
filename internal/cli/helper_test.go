package cli_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/callstream/enricher/internal/cli"
)

// execute runs one command line in this process.
func execute(t *testing.T, stdin string, args ...string) (stdout, stderr string, code int) {
	t.Helper()

	var out, errs bytes.Buffer

	code = cli.Execute(context.Background(), args, strings.NewReader(stdin), &out, &errs)

	return out.String(), errs.String(), code
}

func asExit(err error, target *interface{ ExitCode() int }) bool { return errors.As(err, target) }
