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

// touch opens the transaction, as the first record does.
func touch(t *testing.T, client *broker.Client, txn *broker.Transaction) {
	t.Helper()
	require.ErrorIs(t, commit(t, client, txn), broker.ErrLostMembership, "the transaction is open and not committed")
}

// commit is one of nobody's offsets.
func commit(t *testing.T, client *broker.Client, txn *broker.Transaction) error {
	t.Helper()
	m := broker.Membership{Group: "g", Generation: 7, MemberID: "nobody"}
	return txn.Commit(deadline(t), broker.NewGroupCoordinator(client, "g"), m, map[broker.TopicPartition]int64{{Topic: "out"}: 1})
}

// An owner that is told that it is fenced takes its id back where a time-out explains it, and once
// where only another process does.
func TestAbortTakesTheIDBack(t *testing.T) {
	const timeout = 10 * time.Second
	type abort struct{ slow, fenced bool }
	for name, tc := range map[string]struct {
		aborts []abort // one after the other
		twin   bool    // the last of them finds out
		answer *kerr.Error
	}{
		"owner":                                   {aborts: []abort{{}, {}, {}}},
		"fenced by a time-out, again and again":   {aborts: []abort{{slow: true, fenced: true}, {slow: true, fenced: true}}},
		"fenced once by one that was asleep":      {aborts: []abort{{fenced: true}, {}, {slow: true, fenced: true}}},
		"fenced twice":                            {aborts: []abort{{fenced: true}, {fenced: true}}, twin: true},
		"fenced twice, with an abort between":     {aborts: []abort{{fenced: true}, {}, {fenced: true}}, twin: true},
		"asleep itself, and fenced after that":    {aborts: []abort{{slow: true, fenced: true}, {fenced: true}}, twin: true},
		"the same without a request in its sleep": {aborts: []abort{{slow: true}, {fenced: true}}, twin: true},
		"another takes it at the same moment":     {aborts: []abort{{}}, answer: kerr.ProducerFenced},
		"its coordinator is busy with it":         {aborts: []abort{{}}, answer: kerr.ConcurrentTransactions},
	} {
		t.Run(name, inVirtualTime(func(t *testing.T, c *kfake.Cluster, client *broker.Client) {
			txn := client.NewTransaction("g/filter/a", timeout)
			require.NoError(t, txn.Begin(deadline(t)))
			var err error
			for _, a := range tc.aborts {
				require.NoError(t, err, "before the last abort")
				touch(t, client, txn)
				if a.slow {
					time.Sleep(timeout)
				}
				if a.fenced {
					c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.AddOffsetsToTxn}, Err: kerr.ProducerFenced, Count: 1})
					require.ErrorIs(t, commit(t, client, txn), broker.ErrInterrupted)
				}
				if tc.answer != nil {
					c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.InitProducerID}, Err: tc.answer, Count: 2})
				}
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
