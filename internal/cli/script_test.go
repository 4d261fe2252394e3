package cli_test

import (
	"flag"
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"

	"github.com/callstream/enricher/internal/cli"
)

var update = flag.Bool("update", false, "write what is generated instead of comparing it")

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"enricher": func() { os.Exit(cli.Main()) }})
}

// TestScripts runs the sessions of testdata/script. In them `exits N command…` holds a command to
// an exit code.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		UpdateScripts:       *update,
		RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			root, err := os.Getwd()
			e.Setenv("ROOT", root+"/../..")
			e.Setenv("NO_COLOR", "")

			return err
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":   exits,
			"kafka":   kafka,
			"produce": produce,
			"consume": consume,
			"json":    jsonIs,
		},
	})
}

// exits runs a command and compares its exit code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 || len(args[0]) != 1 {
		ts.Fatalf("usage: exits CODE command [args]")
	}

	err := ts.Exec(args[1], args[2:]...)

	got := 0
	if err != nil {
		var exit interface{ ExitCode() int }
		if !asExit(err, &exit) {
			ts.Fatalf("%v", err)
		}

		got = exit.ExitCode()
	}

	if want := int(args[0][0] - '0'); got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

func TestSchemaFileIsCurrent(t *testing.T) {
	t.Parallel()

	const file = "../../config/schema.json"

	out, errs, code := execute(t, "", "config", "schema")
	require.Equal(t, cli.ExitOK, code, errs)

	if *update {
		require.NoError(t, os.WriteFile(file, []byte(out), 0o600))
	}

	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(want), out, "run the test with -update if this is meant")
}
