package topic

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
)

const (
	// patienceTime is how long a scan goes on without anything coming.
	patienceTime = 30 * time.Second
	retryPause   = 100 * time.Millisecond
)

var errNothing = errors.New("the brokers have less than they said at the start")

// patience ends a scan that does not get on.
type patience struct{ since time.Time }

func newPatience() *patience { return &patience{time.Now()} }

func (p *patience) reset() { p.since = time.Now() }

// wait pauses before the next try. When it has lasted too long it returns what was wrong.
func (p *patience) wait(ctx context.Context, err error) error {
	if time.Since(p.since) > patienceTime {
		if err == nil {
			err = errNothing
		}

		return fmt.Errorf("nothing came for %s: %w", patienceTime, err)
	}

	select {
	case <-time.After(retryPause):
		return nil
	case <-ctx.Done():
		return ctx.Err() //nolint:wrapcheck // the caller names the topic
	}
}

// fnError is an error of the caller's function.
type fnError struct{ err error }

func (e *fnError) Error() string { return e.err.Error() }
func (e *fnError) Unwrap() error { return e.err }

// brokerError is a request that failed: what it asked for may be had a moment later.
type brokerError struct {
	broker int32
	err    error
}

func (e *brokerError) Error() string { return fmt.Sprintf("broker %d: %v", e.broker, e.err) }
func (e *brokerError) Unwrap() error { return e.err }

// retriable says whether asking again may help.
func retriable(err error) bool {
	if _, ok := errors.AsType[*fnError](err); ok {
		return false
	}

	if e, ok := errors.AsType[*kerr.Error](err); ok {
		return e.Retriable
	}

	_, ok := errors.AsType[*brokerError](err)

	return ok
}
