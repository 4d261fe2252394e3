package broker_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/callstream/enricher/internal/broker"
)

// answerInit gives the next InitProducerID requests that name an id and an epoch these
// answers; what comes after them, and those that take an id over, go to the cluster.
func answerInit(c *kfake.Cluster, codes ...*kerr.Error) {
	c.ControlKey(int16(kmsg.InitProducerID), func(req kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		init, ok := req.(*kmsg.InitProducerIDRequest)
		if !ok || init.ProducerID < 0 || len(codes) == 0 {
			return nil, nil, false
		}
		resp, ok := init.ResponseKind().(*kmsg.InitProducerIDResponse)
		if !ok {
			return nil, nil, false
		}
		resp.ErrorCode, resp.ProducerID, resp.ProducerEpoch = codes[0].Code, -1, -1
		codes = codes[1:]
		return resp, nil, true
	})
}

// touch puts a partition into the transaction, as the first record does.
func touch(t *testing.T, client *broker.Client, txn *broker.Transaction) {
	t.Helper()
	group := broker.NewGroupCoordinator(client, "g")
	err := txn.Commit(deadline(t), group, broker.Membership{Group: "g", Generation: 7, MemberID: "nobody"}, map[broker.TopicPartition]int64{{Topic: "out"}: 1})
	require.ErrorIs(t, err, broker.ErrLostMembership, "the transaction is open and not committed")
}

// An owner that is told that it is fenced takes its id back where a time-out can be the reason,
// and at most once where it cannot.
func TestAbortTakesTheIDBack(t *testing.T) {
	const long, shortest = 10 * time.Minute, 10 * time.Second
	for name, tc := range map[string]struct {
		timeout time.Duration
		open    bool
		answers []*kerr.Error // of several aborts, one after the other
		aborts  int
		twin    bool
	}{
		"owner":                                 {timeout: long, open: true, aborts: 2},
		"open for longer than the time-out":     {timeout: shortest, open: true, answers: []*kerr.Error{kerr.ProducerFenced}, aborts: 1},
		"asked twice":                           {timeout: long, open: true, answers: []*kerr.Error{kerr.ConcurrentTransactions, kerr.ProducerFenced, kerr.ConcurrentTransactions, kerr.ProducerFenced}, aborts: 2},
		"forgotten by the brokers":              {timeout: long, answers: []*kerr.Error{kerr.InvalidProducerIDMapping}, aborts: 1},
		"fenced once by one that was asleep":    {timeout: long, open: true, answers: []*kerr.Error{kerr.InvalidProducerEpoch}, aborts: 1},
		"fenced twice":                          {timeout: long, open: true, answers: []*kerr.Error{kerr.ProducerFenced, kerr.ProducerFenced}, aborts: 2, twin: true},
		"fenced twice, with nothing open":       {timeout: shortest, answers: []*kerr.Error{kerr.ProducerFenced, kerr.ProducerFenced}, aborts: 2, twin: true},
		"fenced after it came back from asleep": {timeout: long, open: true, answers: []*kerr.Error{kerr.ConcurrentTransactions, kerr.ProducerFenced, kerr.ProducerFenced}, aborts: 2, twin: true},
	} {
		t.Run(name, inVirtualTime(func(t *testing.T, c *kfake.Cluster, client *broker.Client) {
			txn := client.NewTransaction("g/filter/a", tc.timeout)
			require.NoError(t, txn.Begin(deadline(t)))
			if tc.open {
				touch(t, client, txn)
			}
			if tc.timeout < long {
				time.Sleep(shortest)
			}
			answerInit(c, tc.answers...)
			var err error
			for range tc.aborts {
				require.NoError(t, err, "before the last abort")
				err = txn.Abort(deadline(t))
			}
			if tc.twin {
				require.ErrorIs(t, err, broker.ErrTwin)
				require.ErrorContains(t, err, "--instance")
				return
			}
			require.NoError(t, err)
		}))
	}
}

// inVirtualTime runs a test whose clock goes on by itself while everybody waits.
func inVirtualTime(test func(t *testing.T, c *kfake.Cluster, client *broker.Client)) func(t *testing.T) {
	return func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var network kfake.VirtualNetwork
			c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.ListenFn(network.Listen), kfake.Ports(9001), kfake.SeedTopics(1, "out"))
			require.NoError(t, err)
			defer c.Close()
			client := broker.NewClient(broker.Config{Brokers: c.ListenAddrs(), ClientID: "test", Topics: []string{"out"}, Dial: network.DialContext})
			defer client.Close()
			test(t, c, client)
		})
	}
}
