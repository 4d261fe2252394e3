package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// lane copies one partition: a goroutine fetches, one works, one produces.
type lane struct {
	in, out              string
	partition            int32
	fetchFrom, produceTo string // addresses
	bytes                int    // of a fetch; and the most of a batch, unless maxBatch is less
	codec                codec
	constant             []byte
	first                func()
}

const (
	fetchAhead    = 2 // buffers
	batchesAhead  = 3
	maxBatch      = 1_000_000 // what a topic takes by default, less a little
	maxWaitMillis = 500
)

// fetched is an answer and the offset that was asked for.
type fetched struct {
	buf     []byte
	records []byte
	offset  int64
}

// run copies until ctx ends or something fails.
func (l *lane) run(ctx context.Context) error {
	from, err := dial(ctx, l.fetchFrom)
	if err != nil {
		return err
	}
	defer from.Close() //nolint:errcheck // an answer that is still to come is not wanted
	to, err := dial(ctx, l.produceTo)
	if err != nil {
		return err
	}
	defer to.Close() //nolint:errcheck // every request is answered by then

	ctx, stop := context.WithCancel(ctx)
	defer stop()
	wake := context.AfterFunc(ctx, func() { _ = from.SetDeadline(time.Unix(1, 0)) }) // ends a fetch that waits
	defer wake()

	answers, usedAnswers := make(chan *fetched, fetchAhead), make(chan *fetched, fetchAhead)
	full, empty := make(chan *builder, batchesAhead), make(chan *builder, batchesAhead)
	for range fetchAhead {
		usedAnswers <- &fetched{}
	}
	for range batchesAhead {
		empty <- &builder{}
	}
	// Each goroutine ends when the one before it has; one that fails goes on emptying its channel, so that
	// nobody waits for it, and ends the fetching.
	var stages sync.WaitGroup
	var errs [3]error
	stages.Go(func() {
		defer close(answers)
		errs[0] = l.fetch(ctx, from, usedAnswers, answers)
	})
	stages.Go(func() {
		defer close(full)
		errs[1] = l.work(answers, usedAnswers, empty, full)
		stop()
		for f := range answers {
			usedAnswers <- f
		}
	})
	stages.Go(func() {
		errs[2] = l.produce(to, full, empty)
		stop()
		for b := range full {
			empty <- b
		}
	})
	stages.Wait()
	return errors.Join(errs[:]...)
}

func (l *lane) fetch(ctx context.Context, c *conn, used <-chan *fetched, answers chan<- *fetched) error {
	part := kmsg.NewFetchRequestTopicPartition()
	part.Partition, part.PartitionMaxBytes = l.partition, int32(l.bytes) //nolint:gosec // at most mostBytes
	topic := kmsg.NewFetchRequestTopic()
	topic.Topic, topic.Partitions = l.in, []kmsg.FetchRequestTopicPartition{part}
	req := kmsg.NewPtrFetchRequest()
	req.Version, req.MaxWaitMillis, req.MinBytes, req.MaxBytes = fetchVersion, maxWaitMillis, 1, part.PartitionMaxBytes
	req.SessionEpoch = -1 // no session
	req.Topics = []kmsg.FetchRequestTopic{topic}
	at := &req.Topics[0].Partitions[0].FetchOffset
	var resp kmsg.FetchResponse
	for {
		f := <-used
		var err error
		if f.buf, err = c.ask(req, &resp, f.buf); ctx.Err() != nil {
			return nil //nolint:nilerr // the end was asked for
		}
		if err != nil {
			return fmt.Errorf("fetch: %w", err)
		}
		if f.records, err = recordsOf(&resp); err != nil {
			return fmt.Errorf("fetch %s/%d at %d: %w", l.in, l.partition, *at, err)
		}
		f.offset = *at
		if *at, err = after(f.records, *at); err != nil {
			return fmt.Errorf("fetch %s/%d at %d: %w", l.in, l.partition, f.offset, err)
		}
		if *at > f.offset {
			l.first()
		}
		answers <- f // there is room for as many as there are
	}
}

func recordsOf(resp *kmsg.FetchResponse) ([]byte, error) {
	if err := kerr.ErrorForCode(resp.ErrorCode); err != nil {
		return nil, err //nolint:wrapcheck // the caller says what it was about
	}
	if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
		return nil, errors.New("answer is about something else")
	}
	p := &resp.Topics[0].Partitions[0]
	return p.RecordBatches, kerr.ErrorForCode(p.ErrorCode) //nolint:wrapcheck // the same
}

// after is the offset to ask for next: records are looked at only as far as they tell that.
func after(records []byte, offset int64) (int64, error) {
	for len(records) > 0 {
		size, next := skim(records)
		if size == 0 { // cut off
			break
		}
		if size < 0 {
			return 0, errCorrupt
		}
		records, offset = records[size:], next
	}
	return offset, nil
}

func (l *lane) work(answers <-chan *fetched, used chan<- *fetched, empty <-chan *builder, full chan<- *builder) error {
	w := &worker{lane: l, table: crc32.MakeTable(crc32.Castagnoli), prefix: produceRequest(l.out, l.partition), empty: empty, full: full}
	var err error
	if w.packer, err = newPacker(); err != nil {
		return err
	}
	for f := range answers {
		err := w.copy(f)
		used <- f
		if err != nil {
			return fmt.Errorf("copy %s/%d: %w", l.in, l.partition, err)
		}
	}
	return nil
}

// worker makes batches of batches.
type worker struct {
	*lane

	table  *crc32.Table
	packer *packer
	plain  []byte // decompressed records
	prefix []byte
	empty  <-chan *builder
	full   chan<- *builder
	b      *builder // being filled; nil if there is none
}

// copy copies what has been fetched. Nothing is held back at its end.
func (w *worker) copy(f *fetched) error {
	var in batch
	for buf := f.records; len(buf) > 0; buf = buf[in.complete:] {
		err := in.parse(buf, w.table)
		if errors.Is(err, errCut) {
			break
		}
		if err == nil && !in.skip {
			err = w.copyBatch(&in, f.offset)
		}
		if err != nil {
			return err
		}
	}
	return w.flush()
}

func (w *worker) copyBatch(in *batch, from int64) error {
	records, err := w.packer.unpack(in.codec, in.payload, w.plain)
	if err != nil {
		return err
	}
	if in.codec != codecNone {
		w.plain = records
	}
	most := min(w.bytes, maxBatch)
	var r record
	for i := 0; i < len(records); {
		if i = r.parse(records, i); i < 0 {
			return errCorrupt
		}
		if in.base+r.offset < from { // the batch began before what was asked for
			continue
		}
		if w.b != nil && w.b.size()+len(r.value)+len(w.constant)+len(r.key)+len(r.headers)+recordHead > most {
			if err := w.flush(); err != nil {
				return err
			}
		}
		if w.b == nil {
			w.b = <-w.empty
			w.b.reset(w.prefix)
		}
		if end := bytes.LastIndexByte(r.value, '}'); end >= 0 {
			w.b.append(in.time+r.time, &r, r.value[:end], w.constant, r.value[end+1:])
		} else {
			w.b.append(in.time+r.time, &r, r.value, nil, nil)
		}
	}
	return nil
}

// recordHead is the most that a record takes beyond key, value and headers, in bytes.
const recordHead = 32

func (w *worker) flush() error {
	if w.b == nil {
		return nil
	}
	b := w.b
	w.b = nil
	if err := b.finish(w.packer, w.codec, w.table); err != nil {
		return err
	}
	w.full <- b
	return nil
}

// produce sends batches and waits for the acknowledgement of each.
func (l *lane) produce(c *conn, full <-chan *builder, empty chan<- *builder) error {
	var answer []byte
	for b := range full {
		var err error
		answer, err = c.exchange(b.buf, answer)
		if err == nil {
			err = accepted(answer)
		}
		empty <- b
		if err != nil {
			return fmt.Errorf("produce to %s/%d: %w", l.out, l.partition, err)
		}
	}
	return nil
}

func accepted(answer []byte) error {
	resp := kmsg.NewPtrProduceResponse()
	resp.SetVersion(produceVersion)
	if err := resp.ReadFrom(answer); err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
		return errors.New("answer is about something else")
	}
	return kerr.ErrorForCode(resp.Topics[0].Partitions[0].ErrorCode) //nolint:wrapcheck // the caller says what it was about
}
