package broker

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Topic is what a start needs to know of a topic.
type Topic struct {
	Name            string
	ID              [16]byte // another if the topic was deleted and made anew
	Partitions      int32
	MaxMessageBytes int  // the topic's max.message.bytes; 0: could not be read
	Readable        bool // by this user, as far as the broker says
	Writable        bool
}

// MissingTopicsError lists topics that do not exist.
type MissingTopicsError struct {
	Topics  []string
	Brokers int // how many brokers there are
	// Create gives the command that makes a topic; nil: nobody has said. Who knows what the topics are for sets it.
	Create func(topic string) string
}

// Error names each topic in a line of its own, with the command that makes it.
func (e *MissingTopicsError) Error() string {
	lines := make([]string, 0, len(e.Topics))
	for _, t := range e.Topics {
		line := fmt.Sprintf("topic %q does not exist", t)
		if e.Create != nil {
			line += fmt.Sprintf(": create it with `%s`, or for trying out set kafka.create_topics: true", e.Create(t))
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

// Topics reads the metadata of topics. Missing ones are a *MissingTopicsError; a
// topic that this user may not even describe is an error that names it.
func (c *Client) Topics(ctx context.Context, names []string) (map[string]Topic, error) {
	req := kmsg.NewPtrMetadataRequest()
	req.SetVersion(10)
	req.AllowAutoTopicCreation, req.IncludeTopicAuthorizedOperations = false, true
	for _, n := range names {
		t := kmsg.NewMetadataRequestTopic()
		t.Topic = new(n)
		req.Topics = append(req.Topics, t)
	}
	resp, err := c.Request(ctx, AnyNode, req)
	if err != nil {
		return nil, err
	}
	md, ok := resp.(*kmsg.MetadataResponse)
	if !ok {
		return nil, errFrame
	}
	var (
		topics  = map[string]Topic{}
		missing = &MissingTopicsError{Brokers: len(md.Brokers)}
		others  []error
	)
	for i := range md.Topics {
		t := &md.Topics[i]
		if t.Topic == nil {
			continue
		}
		switch code := kafka.Error(t.ErrorCode); code {
		case 0, kafka.LeaderNotAvailable:
			topics[*t.Topic] = Topic{
				Name: *t.Topic, ID: t.TopicID, Partitions: int32(len(t.Partitions)), //nolint:gosec // as many as the protocol can number
				Readable: allowed(t.AuthorizedOperations, aclRead), Writable: allowed(t.AuthorizedOperations, aclWrite),
			}
		case kafka.UnknownTopicOrPartition:
			missing.Topics = append(missing.Topics, *t.Topic)
		case kafka.TopicAuthorizationFailed:
			others = append(others, fmt.Errorf("topic %q: this user may not see it (or it does not exist): allow READ on it if it is read, WRITE if it is written (DESCRIBE comes with them): %w", *t.Topic, code))
		default:
			others = append(others, fmt.Errorf("topic %q: %w", *t.Topic, code))
		}
	}
	if len(missing.Topics) > 0 {
		others = append(others, missing)
	}
	return topics, errors.Join(others...)
}

// Bits of authorized_operations, numbered as Kafka's AclOperation.
const (
	aclRead  = 3
	aclWrite = 4
)

// allowed reads a bit field of operations. Brokers that do not tell answer with the
// smallest int32; then nothing is known, and the first request will tell.
func allowed(ops int32, op int) bool { return ops == -1<<31 || ops&(1<<op) != 0 }

// MaxMessageBytes reads max.message.bytes of topics. Without the right to describe
// configurations (or on an error) a topic is left out.
func (c *Client) MaxMessageBytes(ctx context.Context, names []string) map[string]int {
	limits := map[string]int{}
	for topic, settings := range c.TopicSettings(ctx, names, "max.message.bytes") {
		if n, err := strconv.Atoi(settings["max.message.bytes"]); err == nil && n > 0 {
			limits[topic] = n
		}
	}
	return limits
}

// TopicSettings reads settings of topics, by topic and name. Without the right to describe
// configurations (or on an error) a topic is left out.
func (c *Client) TopicSettings(ctx context.Context, names []string, settings ...string) map[string]map[string]string {
	req := kmsg.NewPtrDescribeConfigsRequest()
	req.SetVersion(1)
	for _, n := range names {
		r := kmsg.NewDescribeConfigsRequestResource()
		r.ResourceType, r.ResourceName, r.ConfigNames = kmsg.ConfigResourceTypeTopic, n, settings
		req.Resources = append(req.Resources, r)
	}
	found := map[string]map[string]string{}
	resp, err := c.Request(ctx, AnyNode, req)
	if err != nil {
		return found
	}
	dc, ok := resp.(*kmsg.DescribeConfigsResponse)
	if !ok {
		return found
	}
	for i := range dc.Resources {
		r := &dc.Resources[i]
		for j := range r.Configs {
			if v := r.Configs[j].Value; v != nil {
				if found[r.ResourceName] == nil {
					found[r.ResourceName] = map[string]string{}
				}
				found[r.ResourceName][r.Configs[j].Name] = *v
			}
		}
	}
	return found
}

// CreateTopics makes topics with the brokers' default replication; those that exist
// already are left as they are. settings are those of single topics, by topic and name.
func (c *Client) CreateTopics(ctx context.Context, names []string, partitions int32, settings map[string]map[string]string) error {
	controller, err := c.controller(ctx)
	if err != nil {
		return err
	}
	req := kmsg.NewPtrCreateTopicsRequest()
	req.SetVersion(4)
	req.TimeoutMillis = milliseconds(requestTimeout)
	for _, n := range names {
		t := kmsg.NewCreateTopicsRequestTopic()
		t.Topic, t.NumPartitions, t.ReplicationFactor = n, partitions, -1
		for name, value := range settings[n] {
			cfg := kmsg.NewCreateTopicsRequestTopicConfig()
			cfg.Name, cfg.Value = name, new(value)
			t.Configs = append(t.Configs, cfg)
		}
		req.Topics = append(req.Topics, t)
	}
	resp, err := c.Request(ctx, controller, req)
	if err != nil {
		return err
	}
	ct, ok := resp.(*kmsg.CreateTopicsResponse)
	if !ok {
		return errFrame
	}
	var errs []error
	for i := range ct.Topics {
		t := &ct.Topics[i]
		if code := kafka.Error(t.ErrorCode); code != 0 && code != kafka.TopicAlreadyExists {
			errs = append(errs, fmt.Errorf("create topic %q: %w", t.Topic, code))
		}
	}
	return errors.Join(errs...)
}

func (c *Client) controller(ctx context.Context) (int32, error) {
	l, err := c.Layout(ctx)
	if err != nil {
		return 0, err
	}
	if _, ok := l.Brokers[l.Controller]; !ok {
		return AnyNode, nil
	}
	return l.Controller, nil
}
