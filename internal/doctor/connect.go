package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
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
		dns       *net.DNSError
		record    tls.RecordHeaderError
		authority x509.UnknownAuthorityError
		name      x509.HostnameError
		invalid   x509.CertificateInvalidError
		timeout   net.Error
	)

	host, _, _ := net.SplitHostPort(addr)

	switch {
	case errors.As(err, &dns):
		return fmt.Sprintf("the name %q cannot be resolved: %s", host, dns.Err)
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused: nothing listens there"
	case errors.As(err, &record):
		return "the TLS handshake fails: what listens there speaks no TLS"
	case errors.As(err, &authority):
		return "the TLS handshake fails: the broker's certificate is signed by an unknown authority"
	case errors.As(err, &name), errors.As(err, &invalid):
		return fmt.Sprintf("the TLS handshake fails: %s", err)
	case strings.Contains(err.Error(), "tls alert record"):
		return "answers with a TLS alert: it expects TLS, and the configuration speaks plaintext"
	case hungUp(err):
		return "accepts the connection and closes it at once: it may expect TLS, or is no Kafka broker"
	case errors.As(err, &timeout) && timeout.Timeout(), errors.Is(err, context.DeadlineExceeded):
		return "no answer in time: the address may be wrong, or a firewall drops what is sent there"
	default:
		return err.Error()
	}
}

func hungUp(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) }

// login makes the first request that a broker answers only to those who may come in.
func (d *doctor) login(ctx context.Context) bool {
	req := kmsg.NewPtrMetadataRequest()
	req.Topics = []kmsg.MetadataRequestTopic{} // none

	where := strings.Join(d.cfg.Kafka.Brokers, ",")

	resp, err := req.RequestWith(ctx, d.client)
	if err == nil {
		d.nodes = resp.Brokers
		d.note(OK, "login", where, "none is configured, and none is asked for")

		return true
	}

	switch {
	case errors.Is(err, kerr.SaslAuthenticationFailed):
		d.note(Problem, "login", where, "the brokers refuse it: %v", err)
	case hungUp(err): // after they have told their versions, which anybody may know
		d.note(Problem, "login", where, "the brokers close the connection at the first request: they expect a login (SASL), and the configuration has none").
			mend("# name a listener without SASL in kafka.brokers: this version has no login")
	default:
		d.note(Problem, "login", where, "%s", d.whyNot(d.cfg.Kafka.Brokers[0], err))
	}

	return false
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

	d.note(OK, "broker", on, "at %s, %s", addr, guess(resp))
}

func speaks(resp *kmsg.ApiVersionsResponse, n need) bool {
	for _, k := range resp.ApiKeys {
		if k.ApiKey == int16(n.key) {
			return k.MinVersion <= n.version && n.version <= k.MaxVersion
		}
	}

	return false
}
