package replay

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
)

const (
	settingMaxMessage = "max.message.bytes"
	// defaultMaxMessage is Kafka's default, taken where the topic's own cannot be read.
	defaultMaxMessage = 1048588
	// maxBatch bounds a batch whatever the topic takes: requests have to fit kgo's bound on them.
	maxBatch = 64 << 20
)

// target is a topic that letters go to.
type target struct {
	partitions int // 0: it does not exist
	maxBytes   int // the largest batch it takes
}

// targets are the topics seen so far. kgo's goroutines ask it as well.
type targets struct {
	adm   *kadm.Client
	mu    sync.Mutex
	known map[string]*target
}

func newTargets() *targets { return &targets{known: map[string]*target{}} }

// find looks a topic up, once.
func (ts *targets) find(ctx context.Context, name string) (*target, error) {
	if t := ts.get(name); t != nil {
		return t, nil
	}
	details, err := ts.adm.ListTopicsWithInternal(ctx, name)
	switch {
	case errors.Is(err, kerr.TopicAuthorizationFailed): // kadm makes it an error of the whole
		return nil, fmt.Errorf("topic %q: this user may not see it: allow DESCRIBE and WRITE on it: %w", name, err)
	case err != nil:
		return nil, fmt.Errorf("read metadata of topic %q: %w", name, err)
	}
	t := &target{partitions: len(details[name].Partitions), maxBytes: ts.maxMessage(ctx, name)}
	switch err := details[name].Err; {
	case errors.Is(err, kerr.UnknownTopicOrPartition), errors.Is(err, kerr.InvalidTopicException): // a name out of a header
		t.partitions = 0
	case err != nil:
		return nil, fmt.Errorf("read metadata of topic %q: %w", name, err)
	}
	if err := ctx.Err(); err != nil { // the settings may be missing for that
		return nil, fmt.Errorf("read metadata of topic %q: %w", name, err)
	}
	ts.mu.Lock()
	defer ts.mu.Unlock()
	ts.known[name] = t
	return t, nil
}

func (ts *targets) get(name string) *target {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	return ts.known[name]
}

// maxMessage reads what a topic takes. Without the right to, the default stands for it.
func (ts *targets) maxMessage(ctx context.Context, name string) int {
	configs, err := ts.adm.DescribeTopicConfigs(ctx, name)
	if err != nil {
		return defaultMaxMessage
	}
	for _, topic := range configs {
		for _, c := range topic.Configs {
			if n, err := strconv.Atoi(c.MaybeValue()); err == nil && n > 0 && c.Key == settingMaxMessage {
				return min(n, maxBatch)
			}
		}
	}
	return defaultMaxMessage
}

// batchBytes bounds kgo's batches.
func (ts *targets) batchBytes(name string) int32 {
	if t := ts.get(name); t != nil {
		return int32(t.maxBytes) //nolint:gosec // at most maxBatch
	}
	return defaultMaxMessage
}
