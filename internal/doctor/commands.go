package doctor

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/callstream/enricher/internal/config"
	"github.com/callstream/enricher/internal/kafkatool"
)

// Lines that can be pasted into a shell beside Kafka's tools, for this cluster.

func (d *doctor) tool(name string, args ...string) string {
	return kafkatool.Line(d.cfg.Kafka.Brokers, name, args...)
}

func (d *doctor) addPartitions(name string, partitions int) string {
	return d.tool("kafka-topics.sh", "--alter", "--topic", name, "--partitions", strconv.Itoa(partitions))
}

func (d *doctor) alterTopic(name, key string, value any) string {
	return kafkatool.Alter(d.cfg.Kafka.Brokers, name, key, value)
}

// retention takes whole milliseconds.
func (d *doctor) retention(name string, keep time.Duration) string {
	return d.alterTopic(name, "retention.ms", keep.Milliseconds())
}

// principal is who the brokers take this program for, unless they have rules of their own for names.
func (d *doctor) principal() string {
	switch k := d.cfg.Kafka; {
	case k.SASL.Username != "":
		return "User:" + k.SASL.Username
	case k.SASL.Mechanism == config.OAuthBearer:
		return "User:SUBJECT-OF-THE-TOKEN"
	case k.SASL.Mechanism == config.AWSMSKIAM:
		return "User:ARN-OF-THE-ROLE"
	case k.TLS.CertFile != "":
		return "User:" + subject(k.TLS)
	default:
		return "User:ANONYMOUS"
	}
}

// subject is that of the program's own certificate, as the brokers write it (RFC 2253).
func subject(t config.TLS) string {
	pair, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
	if err != nil {
		return "SUBJECT-OF-THE-CERTIFICATE"
	}

	return pair.Leaf.Subject.String()
}

// allow is an ACL. on names the resource, such as "--topic", "calls.raw".
func (d *doctor) allow(operations []string, on ...string) string {
	return d.tool("kafka-acls.sh", slices.Concat([]string{"--add", "--allow-principal", d.principal()}, each("--operation", operations), on)...)
}

// each puts an option before every value.
func each(option string, values []string) []string {
	words := make([]string, 0, 2*len(values)) //nolint:mnd // option and value
	for _, v := range values {
		words = append(words, option, v)
	}

	return words
}

// longestPlan is how many partitions a plan of replicas may have and still be a line that somebody reads.
const longestPlan = 64

// replicate moves a topic to more replicas: those that a partition has, and the next brokers.
func (d *doctor) replicate(name string, parts []kmsg.MetadataResponseTopicPartition, replicas int) []string {
	if len(parts) > longestPlan {
		return []string{fmt.Sprintf("# give each partition %d replicas with kafka-reassign-partitions.sh", replicas)}
	}

	type move struct {
		Topic     string  `json:"topic"`
		Partition int32   `json:"partition"`
		Replicas  []int32 `json:"replicas"`
	}

	plan := struct {
		Version    int    `json:"version"`
		Partitions []move `json:"partitions"`
	}{Version: 1}

	for i := range parts {
		to := slices.Clone(parts[i].Replicas)

		for k := range d.nodes {
			next := d.nodes[(int(parts[i].Partition)+k)%len(d.nodes)].NodeID
			if len(to) < replicas && !slices.Contains(to, next) {
				to = append(to, next)
			}
		}

		plan.Partitions = append(plan.Partitions, move{name, parts[i].Partition, to})
	}

	text, err := json.Marshal(plan)
	if err != nil {
		return nil // cannot be: numbers and a name
	}

	file := name + ".replicas.json"

	return []string{
		"echo " + kafkatool.Quote(string(text)) + " > " + file,
		d.tool("kafka-reassign-partitions.sh", "--reassignment-json-file", file, "--execute"),
	}
}
