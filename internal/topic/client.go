// Package topic reads topics beside the data path, for the operator's verbs: it connects with what
// the configuration says of Kafka, and reads a topic once from one point in time to another.
//
// It is not the filter's client, which is internal/broker: it joins no group and commits nothing, makes a
// record of every record, and gives up where the filter would wait. It knows nothing of call events.
package topic

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/callstream/enricher/internal/broker/recordbatch"
	"github.com/callstream/enricher/internal/config"
	"github.com/callstream/enricher/internal/login"
)

const (
	// answerTimeout is how long Dial waits for any broker: a person waits for it.
	answerTimeout = 5 * time.Second
	// metadataAge is how long a client believes what it knows of leaders: kgo's five seconds are long for
	// someone who waits.
	metadataAge = 250 * time.Millisecond
	// maxAnswer bounds what a broker may send at once: kgo makes room for as much as it says, and for many times as much for
	// what it says it has in it. A fetch has its first batch whole, however little was asked for, and 64 MiB is the most that a
	// batch of this program has (limits.batch_bytes) and that one is unpacked to.
	maxAnswer = recordbatch.DefaultMaxDecompressed + requestBytes
)

// Options are what a client needs to reach the cluster that a configuration names. It is the one
// place that knows how, for whoever needs options of their own besides.
func Options(k config.Kafka) ([]kgo.Opt, error) {
	dialer, err := login.New(k)
	if err != nil {
		return nil, fmt.Errorf("prepare the login: %w", err)
	}

	return []kgo.Opt{
		kgo.SeedBrokers(k.Brokers...),
		kgo.ClientID(k.ClientID),
		kgo.Dialer(dialer.DialContext),
		kgo.MetadataMinAge(metadataAge),
		kgo.BrokerMaxReadBytes(maxAnswer), kgo.FetchMaxBytes(requestBytes), // kgo wants no less of the one than of the other
		kgo.DisableClientMetrics(), // a verb is short, and its end would wait for a last push of them
	}, nil
}

// Dial makes a client and waits until one broker answers, for at most five seconds. Further
// options lie over those of the configuration. The caller closes the client.
func Dial(ctx context.Context, k config.Kafka, more ...kgo.Opt) (*kgo.Client, error) {
	options, err := Options(k)
	if err != nil {
		return nil, err
	}

	client, err := kgo.NewClient(append(options, more...)...)
	if err != nil {
		return nil, fmt.Errorf("make Kafka client: %w", err)
	}

	if err := answers(ctx, client); err != nil {
		client.Close()

		if ctx.Err() != nil {
			return nil, fmt.Errorf("connect to Kafka: %w", ctx.Err())
		}

		if why, ok := errors.AsType[*login.Error](err); ok {
			return nil, why // says it better than what kgo puts around it
		}

		return nil, fmt.Errorf("kafka.brokers: none of %s answers: %w", strings.Join(k.Brokers, ", "), err)
	}

	return client, nil
}

var errSilent = fmt.Errorf("nothing came within %s", answerTimeout)

// answers asks all brokers of the configuration at once: one that takes a connection and says nothing
// holds a request up for ten seconds, whatever its context says.
func answers(ctx context.Context, client *kgo.Client) error {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()

	seeds := client.SeedBrokers()
	results := make(chan error, len(seeds))

	for _, seed := range seeds {
		go func() {
			req := kmsg.NewPtrMetadataRequest()
			req.Topics = []kmsg.MetadataRequestTopic{} // none
			_, err := req.RequestWith(ctx, seed)
			results <- err
		}()
	}

	err := errSilent

	for range seeds {
		select {
		case err = <-results:
			if err == nil {
				return nil
			}
		case <-ctx.Done():
			return err
		}
	}

	return err
}
