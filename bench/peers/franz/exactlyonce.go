package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/callstream/enricher/bench/internal/peer"
)

// A transaction ends at whichever comes first.
const (
	transactionTime    = 100 * time.Millisecond
	transactionRecords = 50_000
)

func exactlyOnce(ctx context.Context, f peer.Flags, w *work, first func()) error {
	opts, err := options(f)
	if err != nil {
		return err
	}
	session, err := kgo.NewGroupTransactSession(append(opts,
		kgo.TransactionalID(fmt.Sprintf("%s-%d", f.Group, os.Getpid())),
	)...)
	if err != nil {
		return fmt.Errorf("make session: %w", err)
	}
	defer session.CloseAllowingRebalance()
	for {
		fetches := session.PollRecords(ctx, transactionRecords)
		if ctx.Err() != nil {
			return nil
		}
		if err := fetchError(fetches); err != nil {
			return err
		}
		if !fetches.Empty() {
			first()
			if err := transact(context.WithoutCancel(ctx), session, w, fetches); err != nil {
				return err
			}
		}
		session.AllowRebalance()
	}
}

// transact runs one transaction, which begins with what has been fetched. One that is aborted, for the group
// has gone on without this member, is no error: its records come again, to whoever owns them.
func transact(ctx context.Context, session *kgo.GroupTransactSession, w *work, fetches kgo.Fetches) error {
	if err := session.Begin(); err != nil {
		return fmt.Errorf("begin transaction: %w", err)
	}
	pollCtx, cancel := context.WithTimeout(ctx, transactionTime)
	defer cancel()
	var batches []*batch
	for left := transactionRecords; ; {
		b := w.send(ctx, session, fetches)
		batches = append(batches, b)
		if left -= b.records; left <= 0 || pollCtx.Err() != nil {
			break
		}
		fetches = session.PollRecords(pollCtx, left)
		if err := fetchError(fetches); err != nil {
			return err
		}
		if fetches.Empty() { // the time is over
			break
		}
	}
	committed, err := session.End(ctx, kgo.TryCommit) // flushes first
	if err != nil {
		return fmt.Errorf("end transaction: %w", err)
	}
	var failed error
	for _, b := range batches {
		if err := w.finish(b); err != nil && failed == nil {
			failed = err
		}
	}
	if committed && failed != nil { // the session never does that
		return fmt.Errorf("committed in spite of: %w", failed)
	}
	return nil
}
