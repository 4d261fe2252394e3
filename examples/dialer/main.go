// Command dialer is a sample consumer of the retry loop's due topic, to start one's own from: each record is an
// order to dial. It knows an order again that comes twice, passes over one that it finds too late, keeps a budget for
// each number, commits after dialling, and hands the attempt back, so that the loop ends. See docs/retry.md.
//
// It is not a dialer: it prints instead of calling, and keeps in memory what belongs into a database.
//
//	go run ./examples/dialer -brokers 127.0.0.1:9092 -topic calls.due -events calls.raw
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "dialer:", err)
		os.Exit(1)
	}
}

// remembered is how many orders are known again: a day's at one a second, in some ten megabytes.
const remembered = 100_000

// oneDay is the default of retry.max_age.
const oneDay = 24 * time.Hour

func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("dialer", flag.ContinueOnError)
	flags.SetOutput(out)
	brokers := flags.String("brokers", "127.0.0.1:9092", "addresses to begin with, separated by commas")
	topic := flags.String("topic", "calls.due", "the due topic (retry.due)")
	group := flags.String("group", "dialer", "consumer group")
	events := flags.String("events", "", "topic for the event of each call made (input.topics), to close the loop; empty: none")
	perDay := flags.Int("per-day", 3, "most calls to a number in a day (UTC); 0: no limit")
	maxAge := flags.Duration("max-age", oneDay, "orders whose failed call ended longer ago are not dialled (retry.max_age); 0: no limit")
	if err := flags.Parse(args); err != nil {
		return fmt.Errorf("read arguments: %w", err)
	}
	client, err := newClient(strings.Split(*brokers, ","), *group, *topic)
	if err != nil {
		return err
	}
	defer client.CloseAllowingRebalance()
	d := &dialer{
		client: client, events: *events, out: out, dial: printing(out), now: time.Now,
		seen: newRecent(remembered), budget: newBudget(*perDay), maxAge: *maxAge,
	}
	return d.run(ctx)
}

// newClient makes a consumer that sees what is committed only, commits nothing by itself, and gives no
// partition away while a call is being made.
func newClient(brokers []string, group, topic string) (*kgo.Client, error) {
	client, err := kgo.NewClient(
		kgo.SeedBrokers(brokers...), kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), // or orders come twice that the filter took back
		kgo.DisableAutoCommit(), kgo.BlockRebalanceOnPoll(),
	)
	if err != nil {
		return nil, fmt.Errorf("make client: %w", err)
	}
	return client, nil
}

// printing stands for a call. A real one asks a provider for it here, with o.retryID as idempotency key if the
// provider takes one, and has no event to return: that comes as the provider's callback.
func printing(out io.Writer) dialFunc {
	return func(_ context.Context, o *order) ([]byte, error) {
		if _, err := fmt.Fprintf(out, "dial %s, attempt %d (%s)\n", o.number, o.attempt, o.retryID); err != nil {
			return nil, fmt.Errorf("print: %w", err)
		}
		event, err := json.Marshal(map[string]string{
			"CallUUID": o.retryID + "-" + strconv.Itoa(o.attempt), "Direction": "outbound", "To": o.number, "HangupCauseCode": "3010",
		})
		if err != nil {
			return nil, fmt.Errorf("make event: %w", err) // cannot be: texts
		}
		return event, nil
	}
}
