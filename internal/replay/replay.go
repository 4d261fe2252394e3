// Package replay gives dead letters back to the topics that they came from: it reads a
// dead-letter topic once, up to where it ended at the start, and produces each letter again as it
// was before it died.
//
// Letters and the position behind them are committed in one transaction, so that a run that
// was interrupted, however that happened, goes on where it stood, and a read_committed reader
// sees each letter once. It joins no group: the transactional id is what lets one run of a
// kind write at a time.
//
// It is not part of the filter, mends no letter, and deletes none: they stay on their topic
// until its retention takes them.
package replay

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/callstream/enricher/internal/config"
	"github.com/callstream/enricher/internal/topic"
)

// Options say which letters are replayed, and where to.
type Options struct {
	// From is the dead-letter topic. Required.
	From string
	// To is where letters go; "": each to the topic it came from.
	To string
	// Reasons are those wanted (header dlq-reason); none: all.
	Reasons []string
	// Since is the earliest time of events wanted, their own and not that of their death; zero: all.
	Since time.Time
	// Limit is how many letters are replayed at most; 0: no limit.
	Limit int64
	// MaxReplays is how often one event may be replayed; 1 and more.
	MaxReplays int
	// Again begins at the start of the topic, whatever earlier runs have replayed.
	Again bool
}

// Replay is a connection to the cluster, with what is to be replayed. It is used by one goroutine.
type Replay struct {
	client  *kgo.Client
	adm     *kadm.Client
	opt     Options
	refused []string // topics that no letter came from, nor goes to
	name    string   // of the group that keeps the positions, and the transactional id
	targets *targets
	// The producer id, once taken over. It stays the same: another one would be another
	// replay's.
	producer int64
	epoch    int16
}

const (
	// Older versions are spoken where transactions would begin by themselves in newer ones
	// (KIP-890): the positions are put into the transaction here, beside kgo's own requests, and
	// both have to go by the same rules.
	maxProduce         = 11
	maxTxnOffsetCommit = 4
	maxEndTxn          = 4
)

// Open connects and checks that the topics are there. The configuration's part is kafka, input.group
// (which the name of the positions begins with), output.compression and the topics of retry.
func Open(ctx context.Context, cfg *config.Config, opt Options) (*Replay, error) {
	if opt.From == opt.To {
		return nil, fmt.Errorf("topic %q cannot be replayed to itself", opt.From)
	}
	if key := LoopTopic(cfg, opt.To); key != "" {
		return nil, fmt.Errorf("topic %q is %s: the retry loop alone writes there", opt.To, key)
	}
	r := &Replay{opt: opt, refused: refused(cfg), name: name(cfg.Input.Group, &opt), targets: newTargets()}
	versions := kversion.Stable()
	versions.SetMaxKeyVersion(int16(kmsg.Produce), maxProduce)
	versions.SetMaxKeyVersion(int16(kmsg.TxnOffsetCommit), maxTxnOffsetCommit)
	versions.SetMaxKeyVersion(int16(kmsg.EndTxn), maxEndTxn)
	var err error
	r.client, err = topic.Dial(ctx, cfg.Kafka,
		kgo.TransactionalID(r.name), kgo.TransactionTimeout(cfg.Kafka.TransactionTimeout), kgo.MaxVersions(versions),
		kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchCompression(codec(cfg.Output.Compression)),
		kgo.ProducerBatchMaxBytesFn(r.targets.batchBytes))
	if err != nil {
		return nil, err
	}
	r.adm = kadm.NewClient(r.client)
	r.targets.adm = r.adm
	if err := r.check(ctx); err != nil {
		r.client.Close()
		return nil, err
	}
	return r, nil
}

// Close closes the connections. A transaction that is open is left to its time-out; Run
// leaves none.
func (r *Replay) Close() { r.client.Close() }

func (r *Replay) check(ctx context.Context) error {
	if r.opt.To == "" {
		return nil
	}
	t, err := r.targets.find(ctx, r.opt.To)
	if err == nil && t.partitions == 0 {
		err = fmt.Errorf("topic %q does not exist", r.opt.To)
	}
	return err
}

// Plan reads without writing, and reports what Run would do.
func (r *Replay) Plan(ctx context.Context, show func(Progress)) (*Report, error) {
	p, err := r.newPass(ctx, show)
	if err != nil {
		return nil, explain(err)
	}
	p.report.DryRun = true
	err = p.scan(ctx, p.look)
	p.settle()
	return p.finish(), err
}

// Run replays. It ends at the end that the topic has when it begins, at the limit, or with the
// context: what is in hand is committed then, and the report says that it is not complete, which is no
// error.
//
// After an error the report has what was committed before. The same Run goes on from there.
// ErrTakenOver says that another one did meanwhile.
func (r *Replay) Run(ctx context.Context, show func(Progress)) (*Report, error) {
	if err := r.takeOver(ctx); err != nil {
		return nil, explain(err)
	}
	p, err := r.newPass(kadm.RequireStable(ctx), show)
	if err != nil {
		return nil, explain(err)
	}
	err = p.scan(ctx, p.replay)
	if _, atBatch := errors.AsType[*topic.BatchError](err); err == nil || atBatch { // who passes over it must not lose what stands before it
		err = errors.Join(err, p.commit(ctx))
	}
	if err != nil {
		p.abort(ctx)
		return p.finish(), explain(err)
	}
	p.settle()
	return p.finish(), nil
}

// pass is one reading of the topic.
type pass struct {
	*Replay
	show   func(Progress)
	report *Report
	places map[int32]*place
	found  tally // since the last commit
	txn    transaction
	failed error // in the midst of a fetch; said by the next record

	moves   map[move]int64    // what was settled
	reasons map[string]string // those that are counted by name, see reasonOf
}

func (r *Replay) newPass(ctx context.Context, show func(Progress)) (*pass, error) {
	p := &pass{Replay: r, show: show, found: newTally(), moves: map[move]int64{}, reasons: map[string]string{}}
	var err error
	if p.places, err = r.positions(ctx); err != nil {
		return nil, err
	}
	p.report = &Report{From: r.opt.From, Group: r.name, Left: map[Why]int64{}, OtherReasons: map[string]int64{}}
	for _, at := range p.places {
		p.report.Already += at.replayed
	}
	return p, nil
}

// scan gives each letter that no earlier run has passed to fn. That the context has ended is no error.
func (p *pass) scan(ctx context.Context, fn func(context.Context, *kgo.Record) error) error {
	err := topic.Scan(ctx, p.client, topic.ScanConfig{Topic: p.opt.From, From: p.from(), Progress: func(done, total int64) {
		if p.failed == nil {
			p.failed = p.commitDue(ctx) // also if nothing comes: a transaction must not wait for that
		}
		if p.show != nil {
			p.show(Progress{Done: done, Total: total, Replayed: p.report.Replayed + p.found.replayed})
		}
	}}, func(rec *kgo.Record) error {
		if p.failed == nil {
			p.failed = p.take(ctx, rec, fn)
		}
		if p.failed != nil {
			return topic.ErrStop // so that what failed is not said to be the reading
		}
		return nil
	})
	if p.failed != nil {
		err = p.failed
	}
	switch {
	case errors.Is(err, topic.ErrStop):
		return nil
	case ctx.Err() != nil && errors.Is(err, ctx.Err()):
		p.report.Interrupted = true
		return nil
	}
	if e, ok := errors.AsType[*topic.BatchError](err); ok {
		return fmt.Errorf("%w; a replay begins where group %q stands: set its partition %d to %d", err, p.name, e.Partition, e.Next)
	}
	return err
}

// take gives one letter to fn. ErrStop says that the limit is reached.
func (p *pass) take(ctx context.Context, rec *kgo.Record, fn func(context.Context, *kgo.Record) error) error {
	if err := ctx.Err(); err != nil { // one fetch may hold thousands of letters
		return err //nolint:wrapcheck // the caller compares it
	}
	if p.opt.Limit > 0 && p.report.Replayed+p.found.replayed == p.opt.Limit {
		p.report.LimitReached = true
		return topic.ErrStop
	}
	if err := fn(ctx, rec); err != nil {
		return err
	}
	p.found.read++
	p.place(rec.Partition).next = rec.Offset + 1
	return p.commitDue(ctx)
}

// look counts what would become of a letter.
func (p *pass) look(ctx context.Context, rec *kgo.Record) error {
	_, _, err := p.judge(ctx, rec)
	return err
}

// replay produces a letter again, if it is to be.
func (p *pass) replay(ctx context.Context, rec *kgo.Record) error {
	out, ok, err := p.judge(ctx, rec)
	if err != nil || !ok {
		return err
	}
	p.place(rec.Partition).replayed++
	return p.produce(ctx, out)
}

// judge counts a letter, and makes the event of one that is to be replayed.
func (p *pass) judge(ctx context.Context, rec *kgo.Record) (out *kgo.Record, ok bool, err error) {
	l := open(rec)
	switch {
	case len(p.opt.Reasons) > 0 && !slices.Contains(p.opt.Reasons, l.reason):
		p.found.otherReasons[p.reasonOf(l.reason)]++
		return nil, false, nil
	case l.time.Before(p.opt.Since):
		p.found.earlier++
		return nil, false, nil
	}
	to := l.origin
	if p.opt.To != "" {
		to = p.opt.To
	}
	why := p.unfit(&l, to)
	if why == "" {
		if out, why, err = p.address(ctx, &l, to); err != nil {
			return nil, false, err
		}
	}
	if why != "" {
		p.found.left[why]++
		return nil, false, nil
	}
	p.found.replayed++
	p.found.moves[move{p.reasonOf(l.reason), to}]++
	return out, true, nil
}

// address makes the event for a topic, or says why the topic does not take it.
func (p *pass) address(ctx context.Context, l *letter, to string) (*kgo.Record, Why, error) {
	t, err := p.targets.find(ctx, to)
	if err != nil {
		return nil, "", err
	}
	if t.partitions == 0 {
		return nil, OriginMissing, nil
	}
	out := l.restore(to)
	if size(out) > t.maxBytes {
		return nil, TooLarge, nil
	}
	out.Partition = l.partitionOf(t.partitions)
	return out, "", nil
}

// name is the same for the same letters and the same target, so that a run finds where the one before it
// stood. It does not depend on the order of the reasons.
func name(group string, opt *Options) string {
	reasons := slices.Clone(opt.Reasons)
	slices.Sort(reasons)
	since := ""
	if !opt.Since.IsZero() {
		since = opt.Since.UTC().Format(time.RFC3339Nano)
	}
	sum := sha256.Sum256([]byte(strings.Join(slices.Compact(reasons), ",") + "\n" + since + "\n" + opt.To))
	return group + ".replay." + opt.From + "." + hex.EncodeToString(sum[:4])
}

func codec(c config.Compression) kgo.CompressionCodec {
	switch c {
	case config.CompressionGzip:
		return kgo.GzipCompression()
	case config.CompressionSnappy:
		return kgo.SnappyCompression()
	case config.CompressionLZ4:
		return kgo.Lz4Compression()
	case config.CompressionZstd:
		return kgo.ZstdCompression()
	case config.CompressionNone:
	}
	return kgo.NoCompression()
}
