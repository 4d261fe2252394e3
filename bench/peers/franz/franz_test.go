package main

import (
	"context"
	"io"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/callstream/enricher/bench/internal/peer"
	"github.com/callstream/enricher/bench/internal/peer/peertest"
	"github.com/callstream/enricher/internal/kafkatest"
)

func contestant() peertest.Contestant {
	return peertest.Contestant{Run: func(ctx context.Context, args []string, stdout io.Writer) error {
		return peer.Run(ctx, "franz", args, stdout, run)
	}}
}

func TestContract(t *testing.T) {
	addrs := kafkatest.StartFake(t, kfake.NumBrokers(2)).ListenAddrs()
	for _, delivery := range []string{peer.AtLeastOnce, peer.ExactlyOnce} {
		for _, compression := range []string{"none", "lz4", "zstd"} {
			t.Run(delivery+"/"+compression, func(t *testing.T) {
				peertest.Check(t, addrs, contestant(), delivery, compression)
			})
		}
	}
}
