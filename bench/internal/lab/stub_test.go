package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/callstream/enricher/bench/internal/contest"
	"github.com/callstream/enricher/bench/internal/peer"
)

// stubEnv makes the test binary a contestant that does its work, and one thing wrong.
const stubEnv = "LAB_TEST_STUB"

func TestMain(m *testing.M) {
	if fault := os.Getenv(stubEnv); fault != "" {
		peer.Exec("stub", func(ctx context.Context, f peer.Flags, t *peer.Table, first func()) error {
			return stub(ctx, fault, f, t, first)
		})
	}
	os.Exit(m.Run())
}

// program starts the test binary as a contestant.
type program struct{ fault string }

func (program) Version() string { return "" }

func (p program) Spec(r *contest.Run) (*contest.Spec, error) {
	return &contest.Spec{
		Path: os.Args[0], Env: []string{stubEnv + "=" + p.fault}, First: func(line []byte) bool { return string(line) == "first" },
		Args: []string{
			"-brokers", strings.Join(r.Brokers, ","), "-in", r.In, "-out", r.Out, "-dead", r.Dead, "-group", r.Group,
			"-compression", r.Compression, "-delivery", r.Delivery, "-table", r.Table,
		},
	}, nil
}

var errStub = errors.New("as it was told to")

// atOnce is how many records are taken at a time.
const atOnce = 1000

// wrongAt is which record of the first partition something is done wrong to.
const wrongAt = 100

func stub(ctx context.Context, fault string, f peer.Flags, t *peer.Table, first func()) error {
	if fault == "dies" {
		return errStub
	}
	c, err := kgo.NewClient(kgo.SeedBrokers(f.Brokers...), kgo.ConsumeTopics(f.In), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	if err != nil {
		return fmt.Errorf("make client: %w", err)
	}
	defer c.Close()
	s := &spoiler{fault: fault}
	for {
		fetches := c.PollRecords(ctx, atOnce)
		if ctx.Err() != nil {
			if fault == "ends badly" {
				return errStub
			}
			return nil
		}
		if fault != "never begins" {
			first()
		}
		var sent sync.WaitGroup
		fetches.EachRecord(func(r *kgo.Record) {
			out := &kgo.Record{Topic: f.Out, Partition: r.Partition, Key: r.Key, Value: r.Value, Headers: r.Headers, Timestamp: r.Timestamp}
			splice, sound := t.Find(r.Value)
			switch {
			case r.Value == nil:
			case !sound:
				out.Topic = f.Dead
				out.Headers = append(out.Headers, kgo.RecordHeader{Key: "dlq-reason", Value: []byte("x")})
			case splice != nil:
				out.Value = splice.Append(nil, r.Value)
				out.Headers = append(out.Headers, kgo.RecordHeader{Key: t.Header, Value: splice.Code})
			}
			for _, r := range s.spoil(out) {
				sent.Add(1)
				c.Produce(ctx, r, func(*kgo.Record, error) { sent.Done() })
			}
		})
		sent.Wait()
		if fault == "slow start" {
			fault = "none"
			<-time.After(20 * pollEvery) // time for a look at what has been written
		}
	}
}

// spoiler does one thing wrong.
type spoiler struct {
	fault string
	seen  int // records of partition 0
	kept  *kgo.Record
}

func (s *spoiler) spoil(r *kgo.Record) []*kgo.Record {
	if r.Partition != 0 {
		return []*kgo.Record{r}
	}
	if s.kept != nil {
		kept := s.kept
		s.kept = nil
		return []*kgo.Record{r, kept}
	}
	if s.seen++; s.seen != wrongAt {
		return []*kgo.Record{r}
	}
	again := *r
	switch s.fault {
	case "missing":
		again.Key = []byte("made up, so that the number is right")
		return []*kgo.Record{&again}
	case "duplicate":
		return []*kgo.Record{r, &again}
	case "swapped":
		s.kept = r
		return nil
	case "changed":
		r.Value = append([]byte(" "), r.Value...)
	case "time":
		r.Timestamp = r.Timestamp.Add(time.Millisecond)
	case "header":
		r.Headers = r.Headers[:1]
	case "partition":
		r.Partition = 1
	case "dropped":
		return nil
	case "dies in the middle":
		os.Exit(1)
	}
	return []*kgo.Record{r}
}
