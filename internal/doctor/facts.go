package doctor

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
)

// The brokers' own topics.
const (
	offsetsTopic      = "__consumer_offsets"
	transactionsTopic = "__transaction_state"
)

// topicFacts is what the cluster tells of a topic.
type topicFacts struct {
	err        error // it does not exist, or may not be seen
	partitions []kmsg.MetadataResponseTopicPartition
	operations operations
	settings   settings
	denied     error // why there are no settings
}

// settings are configuration values by key; nil: they could not be read.
type settings map[string]string

func (s settings) number(key string) (int64, bool) {
	n, err := strconv.ParseInt(s[key], 10, 64)

	return n, err == nil
}

// operations are those that this user may do, as a bit for each of Kafka's AclOperation.
type operations int32

// told is false if the broker does not say.
func (o operations) told() bool { return o != math.MinInt32 }

func (o operations) allow(op kmsg.ACLOperation) bool { return o&(1<<op) != 0 }

func (d *doctor) exactlyOnce() bool { return d.cfg.Delivery == "exactly_once" }

// readTopics asks for all topics at once. Asking for a topic creates none.
func (d *doctor) readTopics(ctx context.Context) {
	d.topics = map[string]*topicFacts{}

	req := kmsg.NewPtrMetadataRequest()
	req.IncludeTopicAuthorizedOperations = true

	for _, name := range d.names() {
		t := kmsg.NewMetadataRequestTopic()
		t.Topic = new(name)
		req.Topics = append(req.Topics, t)
	}

	resp, err := req.RequestWith(ctx, d.client)
	if err != nil {
		for _, name := range d.names() {
			d.topics[name] = &topicFacts{err: fmt.Errorf("read metadata: %w", err)}
		}

		return
	}

	for i := range resp.Topics {
		if t := &resp.Topics[i]; t.Topic != nil {
			d.topics[*t.Topic] = &topicFacts{
				err: topicError(t.ErrorCode), partitions: t.Partitions, operations: operations(t.AuthorizedOperations),
			}
		}
	}

	for _, name := range d.names() {
		if d.topics[name] == nil { // a broker that leaves one out
			d.topics[name] = &topicFacts{err: kerr.UnknownTopicOrPartition}
		}
	}

	d.readTopicSettings(ctx)
}

// topicError lets a topic pass whose partitions have no leader: that is said of them.
func topicError(code int16) error {
	if code == kerr.LeaderNotAvailable.Code {
		return nil
	}

	return kerr.ErrorForCode(code) //nolint:wrapcheck // the code is the error
}

// names are the topics of the configuration and the brokers' own.
func (d *doctor) names() []string {
	var names []string
	for _, s := range d.subjects {
		names = append(names, s.Topic)
	}

	return append(names, offsetsTopic, transactionsTopic)
}

func (d *doctor) readTopicSettings(ctx context.Context) {
	req := kmsg.NewPtrDescribeConfigsRequest()

	for name, t := range d.topics {
		if t.err == nil {
			r := kmsg.NewDescribeConfigsRequestResource()
			r.ResourceType, r.ResourceName = kmsg.ConfigResourceTypeTopic, name
			req.Resources = append(req.Resources, r)
		}
	}

	if len(req.Resources) == 0 {
		return
	}

	resp, err := req.RequestWith(ctx, d.client)
	for _, t := range d.topics {
		t.denied = err
	}

	if err != nil {
		return
	}

	for i := range resp.Resources {
		if t := d.topics[resp.Resources[i].ResourceName]; t != nil {
			t.settings, t.denied = takeSettings(&resp.Resources[i])
		}
	}
}

func takeSettings(r *kmsg.DescribeConfigsResponseResource) (settings, error) {
	if err := kerr.ErrorForCode(r.ErrorCode); err != nil {
		return nil, err //nolint:wrapcheck // the code is the error
	}

	s := settings{}

	for _, c := range r.Configs {
		if c.Value != nil {
			s[c.Name] = *c.Value
		}
	}

	return s, nil
}

// readSettings asks each broker for its own.
func (d *doctor) readSettings(ctx context.Context) {
	d.settings = map[int32]settings{}

	for i := range d.nodes {
		id := d.nodes[i].NodeID
		req := kmsg.NewPtrDescribeConfigsRequest()
		r := kmsg.NewDescribeConfigsRequestResource()
		r.ResourceType, r.ResourceName = kmsg.ConfigResourceTypeBroker, strconv.Itoa(int(id))
		req.Resources = append(req.Resources, r)

		resp, err := req.RequestWith(ctx, d.client.Broker(int(id)))
		if err == nil && len(resp.Resources) == 1 {
			d.settings[id], err = takeSettings(&resp.Resources[0])
		}

		if err != nil {
			delete(d.settings, id)

			if !refused(d.denied) { // which can be mended, whatever else another broker says
				d.denied = err
			}
		}
	}
}

// brokerNumber is the least and the greatest of a setting over the brokers that told it.
func (d *doctor) brokerNumber(key string) (least, greatest int64, ok bool) {
	for _, s := range d.settings {
		n, has := s.number(key)
		if !has {
			continue
		}

		if !ok {
			least, greatest, ok = n, n, true
		}

		least, greatest = min(least, n), max(greatest, n)
	}

	return least, greatest, ok
}

// guess names the version of a broker by what it knows.
func guess(resp *kmsg.ApiVersionsResponse) string {
	return "Kafka " + strings.ReplaceAll(kversion.FromApiVersionsResponse(resp).VersionGuess(), "v", "")
}
