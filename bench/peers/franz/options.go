package main

import (
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/callstream/enricher/bench/internal/peer"
)

const (
	batchBytes      = 1_000_000 // what a topic takes by default, less a little
	linger          = 2 * time.Millisecond
	bufferedRecords = 200_000 // more than the polls that may wait have
)

func options(f peer.Flags) ([]kgo.Opt, error) {
	codec, err := compression(f.Compression)
	if err != nil {
		return nil, err
	}
	return append([]kgo.Opt{
		kgo.SeedBrokers(f.Brokers...),
		kgo.ConsumerGroup(f.Group),
		kgo.ConsumeTopics(f.In),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.BlockRebalanceOnPoll(),
		kgo.RecordPartitioner(kgo.ManualPartitioner()), // a record keeps its partition
		kgo.ProducerBatchMaxBytes(batchBytes),
		kgo.ProducerLinger(linger),
		kgo.MaxBufferedRecords(bufferedRecords),
		kgo.WithPools(&pool{}),
	}, codec...), nil
}
