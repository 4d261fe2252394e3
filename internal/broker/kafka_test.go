//go:build kafka

package broker_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/callstream/enricher/internal/broker"
	"github.com/callstream/enricher/internal/config"
	"github.com/callstream/enricher/internal/kafkatest"
	"github.com/callstream/enricher/internal/login"
)

// asFilter is a client of a filter that has the topic "out", the group "g" and a transactional id.
func asFilter(t *testing.T, c *kafkatest.Cluster, id string) *broker.Client {
	t.Helper()
	c.Give(t, kafkatest.Filter, kafkatest.Filter, kafkatest.Names{
		"calls.raw": {"out"}, "calls.enriched": {"out"}, "calls.dead": nil, "calls.gave-up": nil, "calls.retry.": nil, "calls.": nil,
		"enricher": {"g"}, "enricher/filter/": {id},
	})
	d, err := login.New(config.Kafka{SASL: config.SASL{Mechanism: config.Plain, Username: kafkatest.Filter, Password: kafkatest.RolePassword}})
	require.NoError(t, err)
	return broker.NewClient(broker.Config{Brokers: c.RoleAddrs(t), ClientID: "test", Dial: d.DialContext, ConnectTimeout: d.Timeout()})
}

// Two processes of one name that both have work: the younger takes the id over, the older
// takes it back once, and gives way when it is fenced again.
func TestKafkaTwinGivesWay(t *testing.T) {
	c := kafkatest.Start(t, kafkatest.Options{Roles: true})
	c.CreateTopic(t, "out", 1)
	client := asFilter(t, c, "g/filter/same")
	t.Cleanup(client.Close)
	older := client.NewTransaction("g/filter/same", 10*time.Second)
	require.NoError(t, older.Begin(deadline(t)))
	require.NoError(t, older.Abort(deadline(t)), "nobody else has the id")
	touch(t, client, older)

	younger := client.NewTransaction("g/filter/same", 10*time.Second)
	require.NoError(t, younger.Begin(deadline(t)))
	touch(t, client, younger)
	fenced := func(txn *broker.Transaction) {
		t.Helper()
		require.ErrorIs(t, commit(t, client, txn), broker.ErrInterrupted)
	}
	fenced(older)
	require.NoError(t, older.Abort(deadline(t)), "the younger may be one that was asleep")
	touch(t, client, older)
	fenced(younger)
	require.NoError(t, younger.Abort(deadline(t)))
	touch(t, client, younger)
	fenced(older)
	err := older.Abort(deadline(t))
	require.ErrorIs(t, err, broker.ErrTwin)
	require.ErrorContains(t, err, "--instance")
	require.NoError(t, younger.Abort(deadline(t)), "the older one did not take it back")
}

// An owner gets its id back whatever became of its transaction, also where the coordinator
// answers "fenced": Kafka 3.9 does for each of these, 4.3 where it was started again.
func TestKafkaOwnerIsNoTwin(t *testing.T) {
	c := kafkatest.Start(t, kafkatest.Options{Roles: true, Properties: map[string]string{
		"transaction.abort.timed.out.transaction.cleanup.interval.ms": "200",
	}})
	c.CreateTopic(t, "out", 1)
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.Addrs()...))
	require.NoError(t, err)
	t.Cleanup(cl.Close)
	const timeout = time.Second
	ended := func(id string) {
		t.Helper()
		require.Eventually(t, func() bool {
			all, err := kadm.NewClient(cl).DescribeTransactions(deadline(t), id)
			return err == nil && all[id].State != "Ongoing" && all[id].State != "PrepareAbort"
		}, testTimeout, 50*time.Millisecond)
	}
	for name, lose := range map[string]func(id string){
		"open":                           func(string) {},
		"timed out":                      ended,
		"timed out, coordinator away":    func(id string) { ended(id); c.Kill(t, 1); c.Restart(t, 1) },
		"coordinator away while it open": func(string) { c.Kill(t, 1); c.Restart(t, 1) },
	} {
		t.Run(name, func(t *testing.T) {
			client := asFilter(t, c, name)
			t.Cleanup(client.Close)
			txn := client.NewTransaction(name, timeout)
			require.NoError(t, txn.Begin(deadline(t)))
			for range 2 { // a second time within the window: it must not count against it
				touch(t, client, txn)
				lose(name)
				require.NoError(t, txn.Abort(deadline(t)))
			}
		})
	}
}
