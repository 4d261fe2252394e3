package main

import (
	"context"
	"io"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/callstream/enricher/bench/internal/peer"
	"github.com/callstream/enricher/bench/internal/peer/peertest"
	"github.com/callstream/enricher/internal/kafkatest"
)

func contestant() peertest.Contestant {
	return peertest.Contestant{Run: func(ctx context.Context, args []string, stdout io.Writer) error {
		return peer.Run(ctx, "kafkago", args, stdout, run)
	}}
}

func TestContract(t *testing.T) {
	c := contestant()
	oracle := peertest.NewOracle(t)
	c.Expect = func(r *kgo.Record, out, dead string) *kgo.Record {
		w := oracle.Expect(r, out, dead)
		if len(r.Value) == 0 { // the reader takes what is empty for null
			w.Topic, w.Value = out, nil
		}
		for i, h := range w.Headers {
			if len(h.Value) == 0 {
				w.Headers[i].Value = nil
			}
		}
		return w
	}
	addrs := kafkatest.StartFake(t).ListenAddrs()
	for _, compression := range []string{"none", "lz4", "zstd"} {
		t.Run(compression, func(t *testing.T) {
			peertest.Check(t, addrs, c, peer.AtLeastOnce, compression)
		})
	}
}

func TestExactlyOnceIsRefused(t *testing.T) {
	err := run(t.Context(), peer.Flags{Delivery: peer.ExactlyOnce}, nil, nil)
	require.ErrorContains(t, err, "at_least_once alone")
}
