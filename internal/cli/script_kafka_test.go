package cli_test

import (
	"bytes"
	"context"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/tidwall/gjson"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Commands for sessions with a broker, which is a fake one inside the test.

// waiting bounds how long a session waits for records.
const waiting = 30 * time.Second

// kafka starts a broker that ends with the session: `kafka [TOPIC…]`, two partitions each. $BROKERS
// is its address.
func kafka(ts *testscript.TestScript, neg bool, topics []string) {
	if neg {
		ts.Fatalf("usage: kafka [TOPIC...]")
	}

	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(2, topics...))
	ts.Check(err)
	ts.Defer(cluster.Close)
	ts.Setenv("BROKERS", strings.Join(cluster.ListenAddrs(), ","))
}

// produce writes each line of a file as a record: `produce TOPIC FILE`.
func produce(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: produce TOPIC FILE")
	}

	cl := kafkaClient(ts, kgo.DefaultProduceTopic(args[0]))
	defer cl.Close()

	ctx, cancel := context.WithTimeout(context.Background(), waiting)
	defer cancel()

	for line := range strings.Lines(ts.ReadFile(args[1])) {
		ts.Check(cl.ProduceSync(ctx, kgo.StringRecord(strings.TrimSuffix(line, "\n"))).FirstErr())
	}
}

// consume waits for so many records and writes their values to a file, one a line: `consume TOPIC N FILE`.
// It sees only what is committed.
func consume(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: consume TOPIC N FILE")
	}

	want, err := strconv.Atoi(args[1])
	ts.Check(err)

	cl := kafkaClient(ts, kgo.ConsumeTopics(args[0]), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.FetchMaxWait(50*time.Millisecond))
	defer cl.Close()

	ctx, cancel := context.WithTimeout(context.Background(), waiting)
	defer cancel()

	var (
		got  bytes.Buffer
		seen int
	)

	for seen < want {
		fetches := cl.PollFetches(ctx)
		if ctx.Err() != nil {
			ts.Fatalf("%d of %d records on %s within %v", seen, want, args[0], waiting)
		}

		ts.Check(fetches.Err())
		fetches.EachRecord(func(r *kgo.Record) {
			got.Write(r.Value)
			got.WriteByte('\n')

			seen++
		})
	}

	if seen > want {
		ts.Fatalf("%d records on %s, want %d", seen, args[0], want)
	}

	ts.Check(os.WriteFile(ts.MkAbs(args[2]), got.Bytes(), 0o600))
}

func kafkaClient(ts *testscript.TestScript, opts ...kgo.Opt) *kgo.Client {
	cl, err := kgo.NewClient(append(opts, kgo.SeedBrokers(strings.Split(ts.Getenv("BROKERS"), ",")...))...)
	ts.Check(err)

	return cl
}

// jsonIs compares a value with its text in JSON: `json FILE PATH WANT`, the path as gjson has it.
// FILE may be stdout.
func jsonIs(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 3 {
		ts.Fatalf("usage: json FILE PATH WANT")
	}

	text := ts.ReadFile(args[0])
	if !gjson.Valid(text) {
		ts.Fatalf("%s is no JSON: %s", args[0], text)
	}

	if got := gjson.Get(text, args[1]).Raw; (got == args[2]) == neg {
		ts.Fatalf("%s is %s", args[1], got)
	}
}
