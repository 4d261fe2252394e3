package topic

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestPatienceEndsAfterHalfAMinute(t *testing.T) {
	bad := errors.New("broker 1: gone")

	for _, tt := range []struct {
		name string
		err  error
		want string
	}{
		{"with what was wrong", bad, "nothing came for 30s: broker 1: gone"},
		{"with nothing wrong", nil, "nothing came for 30s: the brokers have less than they said at the start"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPatience()
				begun := time.Now()

				var err error
				for err == nil {
					err = p.wait(t.Context(), tt.err)
				}

				require.EqualError(t, err, tt.want)
				require.InDelta(t, patienceTime.Seconds(), time.Since(begun).Seconds(), 1)
			})
		})
	}
}

func TestPatienceBeginsAnewWhenSomethingCame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPatience()
		for range 100 {
			time.Sleep(patienceTime - time.Second) // virtual
			require.NoError(t, p.wait(t.Context(), nil))
			p.reset()
		}
	})
}

func TestPatienceEndsWithTheContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, newPatience().wait(ctx, nil), context.Canceled)
}
