package doctor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/callstream/enricher/internal/config"
	"github.com/callstream/enricher/internal/login"
)

// connect asks each configured address by itself, so that one which is wrong shows although another
// answers. It tells whether any did.
func (d *doctor) connect(ctx context.Context) bool {
	seeds := d.client.SeedBrokers()
	errs := make([]error, len(seeds))

	var wg sync.WaitGroup
	for i, seed := range seeds {
		wg.Go(func() { _, errs[i] = seed.Request(ctx, versionsRequest()) })
	}

	wg.Wait()

	answered := 0

	for i, addr := range d.cfg.Kafka.Brokers {
		if login.Refused(errs[i]) { // that it answers is settled, and the login is the next check
			errs[i] = nil
		}

		if errs[i] == nil {
			answered++

			d.note(OK, "connect", addr, "answers")
		}
	}

	for i, addr := range d.cfg.Kafka.Brokers {
		switch why := errs[i]; {
		case why == nil:
		case answered > 0: // the others will do, until they are away as well
			d.note(Warning, "connect", addr, "%s", d.whyNot(addr, why)).mend("# correct or remove it in kafka.brokers, or start that broker")
		default:
			d.note(Problem, "connect", addr, "%s", d.whyNot(addr, why)).mend("# correct kafka.brokers, or start that broker")
		}
	}

	return answered > 0
}

func versionsRequest() *kmsg.ApiVersionsRequest {
	req := kmsg.NewPtrApiVersionsRequest()
	req.ClientSoftwareName, req.ClientSoftwareVersion = "enricher-doctor", "1"

	return req
}

// whyNot says in a line why an address cannot be talked to.
func (d *doctor) whyNot(addr string, err error) string {
	var (
		dns     *net.DNSError
		timeout net.Error
		opening *login.Error
	)

	host, _, _ := net.SplitHostPort(addr)

	switch {
	case errors.As(err, &opening):
		return opening.Reason()
	case errors.As(err, &dns):
		return fmt.Sprintf("the name %q cannot be resolved: %s", host, dns.Err)
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused: nothing listens there"
	case errors.As(err, &timeout) && timeout.Timeout(), errors.Is(err, context.DeadlineExceeded):
		return "no answer in time: the address may be wrong, or a firewall drops what is sent there"
	default:
		return err.Error()
	}
}

// login makes the first request that a broker answers only to those who may come in.
func (d *doctor) login(ctx context.Context) bool {
	req := kmsg.NewPtrMetadataRequest()
	req.Topics = []kmsg.MetadataRequestTopic{} // none

	where := strings.Join(d.cfg.Kafka.Brokers, ",")

	resp, err := req.RequestWith(ctx, d.client)
	if err != nil {
		d.note(Problem, "login", where, "%s", d.whyNot(d.cfg.Kafka.Brokers[0], err)).mend("# correct kafka.sasl and kafka.tls, or the user at the brokers; see docs/security.md")

		return false
	}

	d.nodes = resp.Brokers
	switch k := d.cfg.Kafka; {
	case k.SASL.Mechanism == config.NoLogin && k.TLS.CertFile == "":
		d.note(OK, "login", where, "none is configured, and none is asked for")
	case k.SASL.Mechanism == config.NoLogin:
		d.note(OK, "login", where, "by the certificate in %s, if the brokers ask for one", k.TLS.CertFile)
	case !k.TLS.Enabled && k.SASL.Mechanism.Reveals():
		d.note(Warning, "login", where, "as %s by %s, and what it is proved by goes over the network for all to read", d.principal(), k.SASL.Mechanism).
			mend("# in the configuration: kafka: {tls: {enabled: true}}, and a TLS listener in kafka.brokers")
	default:
		d.note(OK, "login", where, "as %s by %s", d.principal(), k.SASL.Mechanism)
	}

	return true
}

// reachAll asks each broker at the address that the cluster advertises, which may be another than the
// configured one, and whether it knows the requests that the filter makes.
func (d *doctor) reachAll(ctx context.Context) {
	answers := make([]*kmsg.ApiVersionsResponse, len(d.nodes))
	errs := make([]error, len(d.nodes))

	var wg sync.WaitGroup
	for i := range d.nodes {
		wg.Go(func() {
			answers[i], errs[i] = versionsRequest().RequestWith(ctx, d.client.Broker(int(d.nodes[i].NodeID)))
		})
	}

	wg.Wait()

	for i := range d.nodes {
		n := &d.nodes[i]
		addr := net.JoinHostPort(n.Host, strconv.Itoa(int(n.Port)))
		on := fmt.Sprintf("broker %d", n.NodeID)

		if errs[i] != nil {
			d.note(Problem, "broker", on, "the cluster says that it is at %s: %s", addr, d.whyNot(addr, errs[i])).
				mend("# if it runs, its advertised.listeners names an address that this machine cannot use")

			continue
		}

		d.quorum = d.quorum || speaks(answers[i], need{kmsg.DescribeQuorum, 1})
		d.versions(on, addr, answers[i])
	}
}

// need is a request of the filter's at the one version that it speaks.
type need struct {
	key     kmsg.Key
	version int16
}

// needs are those of internal/broker and of the group membership; Kafka 2.8 and later have them all.
func needs(transactions bool) []need {
	all := []need{
		{kmsg.Produce, 8},
		{kmsg.Fetch, 11},
		{kmsg.Metadata, 10},
		{kmsg.OffsetCommit, 7},
		{kmsg.OffsetFetch, 7},
		{kmsg.FindCoordinator, 2},
		{kmsg.ListOffsets, 5},
		{kmsg.InitProducerID, 2},
	}
	if transactions {
		all = append(all, need{kmsg.InitProducerID, 4}, need{kmsg.AddPartitionsToTxn, 3}, need{kmsg.AddOffsetsToTxn, 3},
			need{kmsg.TxnOffsetCommit, 3}, need{kmsg.EndTxn, 3})
	}

	return all
}

func (d *doctor) versions(on, addr string, resp *kmsg.ApiVersionsResponse) {
	var lacks []string

	for _, n := range needs(d.exactlyOnce()) {
		if !speaks(resp, n) {
			lacks = append(lacks, fmt.Sprintf("%s v%d", n.key.Name(), n.version))
		}
	}

	if len(lacks) > 0 {
		d.note(Problem, "broker", on, "at %s, %s: does not know %s", addr, guess(resp), strings.Join(lacks, ", ")).
			mend("# the filter wants Apache Kafka 2.8 or later")

		return
	}

	version := guess(resp)
	if tooOld(version) {
		d.note(Warning, "broker", on, "at %s, it looks like %s: it knows the requests that the filter makes, and is older than what the filter is tested with", addr, version).
			mend("# the filter wants Apache Kafka 2.8 or later")

		return
	}

	d.note(OK, "broker", on, "at %s, %s", addr, version)
}

var release = regexp.MustCompile(`(\d+)\.(\d+)`)

// tooOld tells whether a guess is a version below 2.8. Of two versions between which it lies the later one counts; a guess without
// any is no reason to warn.
func tooOld(version string) bool {
	const major, minor = 2, 8

	all := release.FindAllStringSubmatch(version, -1)
	if len(all) == 0 {
		return false
	}

	last := all[len(all)-1]
	x, err1 := strconv.Atoi(last[1])
	y, err2 := strconv.Atoi(last[2])

	return errors.Join(err1, err2) == nil && (x < major || x == major && y < minor)
}

func speaks(resp *kmsg.ApiVersionsResponse, n need) bool {
	for _, k := range resp.ApiKeys {
		if k.ApiKey == int16(n.key) {
			return k.MinVersion <= n.version && n.version <= k.MaxVersion
		}
	}

	return false
}
