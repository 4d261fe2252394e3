// Command enricher adds what hangup-cause codes mean to call events in Kafka. Everything it
// does is in internal/cli.
package main

import (
	"os"

	"github.com/callstream/enricher/internal/cli"
)

func main() { os.Exit(cli.Main()) }
