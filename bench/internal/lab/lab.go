// Package lab is where contestants are run: a broker with topics to read, one run of one or
// more processes with its clocks, and the comparison of what came out.
package lab

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/callstream/enricher/bench/internal/kafka"
	"github.com/callstream/enricher/pkg/catalog"
)

// Lab is a broker and what is needed to run contestants on it.
type Lab struct {
	Client *kafka.Client
	// Settle is how long to wait at most until the machine is quiet, before each run.
	Settle time.Duration
	// Log says what the contestants write; nil: nothing is kept of them but the last lines of those that fail.
	Log *os.File

	addrs   []string
	close   func()
	dir     string
	table   string // file
	entries []catalog.Entry
	oracle  *oracle
	names   int // for topics and groups
}

// Open starts a broker with its logs under dir.
func Open(ctx context.Context, dir string) (*Lab, error) {
	broker, err := kafka.Start(ctx, dir)
	if err != nil {
		return nil, fmt.Errorf("open lab: %w", err)
	}
	l, err := on(broker.Addrs(), dir)
	if err != nil {
		broker.Close()
		return nil, err
	}
	l.close = broker.Close
	return l, nil
}

// on makes a Lab on brokers that run already.
func on(addrs []string, dir string) (*Lab, error) {
	snap, err := catalog.Load()
	if err != nil {
		return nil, fmt.Errorf("open lab: %w", err)
	}
	l := &Lab{addrs: addrs, close: func() {}, dir: dir, entries: snap.Entries()}
	if l.oracle, err = newOracle(snap); err != nil {
		return nil, err
	}
	if err := l.writeTable(); err != nil {
		return nil, err
	}
	if l.Client, err = kafka.Connect(addrs); err != nil {
		return nil, fmt.Errorf("open lab: %w", err)
	}
	return l, nil
}

// aliveLimit is how long a broker may take to show that it is alive.
const aliveLimit = 30 * time.Second

// Alive tells whether the broker still makes topics.
func (l *Lab) Alive(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, aliveLimit)
	defer cancel()
	topic, err := l.Client.CreateTopic(ctx, l.name("alive"), 1)
	if err != nil {
		return fmt.Errorf("see whether the broker is alive: %w", err)
	}
	return l.Client.DeleteTopics(ctx, topic)
}

// Close ends the broker and removes its logs.
func (l *Lab) Close() {
	l.Client.Close()
	l.close()
}

func (l *Lab) writeTable() error {
	table, err := l.oracle.table(l.entries)
	if err != nil {
		return err
	}
	text, err := json.Marshal(table)
	if err != nil {
		return fmt.Errorf("write table: %w", err)
	}
	l.table = filepath.Join(l.dir, "table.json")
	if err := os.WriteFile(l.table, text, 0o600); err != nil {
		return fmt.Errorf("write table: %w", err)
	}
	return nil
}

// name makes a name that has not been used yet.
func (l *Lab) name(prefix string) string {
	l.names++
	return prefix + "-" + strconv.Itoa(l.names)
}
