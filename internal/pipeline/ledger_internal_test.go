package pipeline

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/callstream/enricher/internal/broker"
	"github.com/callstream/enricher/pkg/enrich"
)

// What one partition has too much must not make up for what another lacks.
func TestLedgerIsHeldForEachPartition(t *testing.T) {
	l := newLedger(nil)
	first, second := broker.TopicPartition{Topic: "in"}, broker.TopicPartition{Topic: "in", Partition: 1}
	work := func(tp broker.TopicPartition, in, out int64) {
		tally := newTally(0, 0)
		tally.account.Outcomes[enrich.NoCode], tally.account.Output = in, out
		tally.flush(l, tp, nil)
		l.ackedOf("out").Add(out)
	}
	work(first, 3, 3)
	work(second, 2, 2)
	totals := l.Totals()
	require.True(t, totals.Conserved())
	require.EqualValues(t, 5, totals.In)
	require.Equal(t, Account{Outcomes: totals.Partitions[second].Outcomes, Output: 2}, totals.Partitions[second])

	work(first, 2, 1)
	require.False(t, l.Totals().Conserved(), "one is missing")
	work(second, 1, 2)
	totals = l.Totals()
	require.Equal(t, totals.In, totals.Output+totals.Dead+totals.Filtered, "the sums agree")
	require.False(t, totals.Conserved(), "and still one is missing")
}
