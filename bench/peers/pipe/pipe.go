// Package pipe prepares the tools that `enricher pipe` is compared with: jq, Miller, the core of benthos, and vrl.
// Each reads events from standard input, one JSON object on a line, and writes them to standard
// output with the object added, in the same order. It does not install them; README.md says how.
//
// Lines that are no JSON are not for them: jq and Miller stop at the first, vrl before the first.
package pipe

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/callstream/enricher/bench/internal/peer"
)

// Tool is a program and its arguments.
type Tool struct {
	Name string // of the executable
	Args []string
	// Whole says that it reads all of its input before it writes anything, which takes as much memory.
	Whole bool
}

//go:embed enrich.jq
var jqFilter []byte

//go:embed enrich.mlr
var millerProgram []byte

// Tools writes the tools' programs to dir and says how to call them. table is a file as peer.Load reads it.
func Tools(dir, table string) ([]Tool, error) {
	text, err := os.ReadFile(table) //nolint:gosec // the caller names it
	if err != nil {
		return nil, fmt.Errorf("read table: %w", err)
	}
	var f peer.File
	if err := json.Unmarshal(text, &f); err != nil {
		return nil, fmt.Errorf("read table %s: %w", table, err)
	}
	vrl, err := vrlProgram(f)
	if err != nil {
		return nil, fmt.Errorf("translate table %s: %w", table, err)
	}
	files := map[string][]byte{"enrich.jq": jqFilter, "enrich.mlr": millerProgram, "enrich.vrl": vrl}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			return nil, fmt.Errorf("write program: %w", err)
		}
	}
	return []Tool{
		{Name: "jq", Args: []string{"-c", "--slurpfile", "table", table, "-f", filepath.Join(dir, "enrich.jq")}},
		{Name: "mlr", Args: []string{"--ijsonl", "--ojsonl", "--no-auto-flatten", "put", "-s", "table=" + table, "-f", filepath.Join(dir, "enrich.mlr")}},
		{Name: "benthos", Args: []string{"-table", table}},
		{Name: "vrl", Args: []string{"--print-object", "--program", filepath.Join(dir, "enrich.vrl")}, Whole: true},
	}, nil
}
