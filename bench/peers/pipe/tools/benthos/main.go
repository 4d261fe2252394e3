// Benthos is the pipe's work done with the core of Redpanda Connect: a stream from standard input to standard output
// with one bloblang mutation.
//
// What was tuned, and why:
//
//   - Messages travel in batches of 500: each trip through the stream's goroutines and its acknowledgement is
//     for a batch instead of an event.
//   - One processing thread: with more the order of events would not hold.
//   - A mutation changes the parsed event in place; a mapping would make another one.
//   - The table is a literal in the mutation, which is put together once. An object is looked up in it, not copied.
//   - No metrics, no tracing, no HTTP server.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"

	_ "github.com/redpanda-data/benthos/v4/public/components/io"   // stdin and stdout
	_ "github.com/redpanda-data/benthos/v4/public/components/pure" // mutation
	"github.com/redpanda-data/benthos/v4/public/service"
)

func main() {
	table := flag.String("table", "", "file with what to add for which code")
	flag.Parse()
	if err := run(context.Background(), *table); err != nil {
		fmt.Fprintf(os.Stderr, "benthos: %v\n", err)
		os.Exit(1)
	}
}

// config is the stream; the mutation goes in between.
const config = `
input:
  broker:
    inputs:
      - stdin: {scanner: {lines: {}}}
    batching: {count: 500, period: 5ms}
pipeline:
  threads: 1
  processors:
    - mutation: %q
output:
  stdout: {codec: lines}
logger: {level: error}
`

// mutation is about events that are objects, which all are that come down this pipe.
const mutation = `
let codes = %s
root.%s = $codes.get(this.HangupCauseCode.string()).or(deleted())
`

func run(ctx context.Context, file string) error {
	text, err := os.ReadFile(file) //nolint:gosec // the caller names it
	if err != nil {
		return fmt.Errorf("read table: %w", err)
	}
	var f struct { // as peer.File, whose module has to do without benthos
		Field string                     `json:"field"`
		Codes map[string]json.RawMessage `json:"codes"`
	}
	if err := json.Unmarshal(text, &f); err != nil {
		return fmt.Errorf("read table %s: %w", file, err)
	}
	codes, err := json.Marshal(f.Codes)
	if err != nil {
		return fmt.Errorf("read table %s: %w", file, err)
	}
	b := service.NewStreamBuilder()
	if err := b.SetYAML(fmt.Sprintf(config, fmt.Sprintf(mutation, codes, f.Field))); err != nil {
		return fmt.Errorf("configure stream: %w", err)
	}
	s, err := b.Build()
	if err != nil {
		return fmt.Errorf("build stream: %w", err)
	}
	if err := s.Run(ctx); err != nil { // returns at the end of the input
		return fmt.Errorf("run stream: %w", err)
	}
	return nil
}
