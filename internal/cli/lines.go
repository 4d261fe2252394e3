package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
)

const (
	readSize    = 256 << 10
	longestLine = 64 << 20
)

// line is one line of the input.
type line struct {
	number int64  // from 1
	text   []byte // without the line end; valid until the next call of next
	end    []byte // "\n", "\r\n", or nothing at the end of the input
	size   int64  // of the text, in bytes; text is nil if it is beyond the limit
}

// lineReader cuts an input into lines of any length up to a limit. It keeps one buffer,
// which grows to the longest line.
type lineReader struct {
	in     io.Reader
	idle   func() error // called before each read, which may block
	limit  int
	number int64

	buf     []byte
	from    int // buf[from:to] is what has been read and not given out
	to      int
	scanned int   // no line end stands before it
	dropped int64 // bytes of the current line that are beyond the limit
	err     error // of the input: io.EOF at its end
}

func newLineReader(in io.Reader, limit int, idle func() error) *lineReader {
	return &lineReader{in: in, idle: idle, limit: limit, buf: make([]byte, readSize)}
}

// next gives the next line, and io.EOF behind the last one.
func (r *lineReader) next() (line, error) {
	for {
		if i := bytes.IndexByte(r.buf[r.scanned:r.to], '\n'); i >= 0 {
			return r.cut(r.scanned+i, 1), nil
		}

		r.scanned = r.to

		switch {
		case errors.Is(r.err, io.EOF) && (r.from < r.to || r.dropped > 0):
			return r.cut(r.to, 0), nil
		case r.err != nil:
			return line{}, r.err
		}

		if r.to-r.from > r.limit+len("\r") { // keep on reading, but not in memory
			r.dropped += int64(r.to - r.from)
			r.from, r.to, r.scanned = 0, 0, 0
		}

		if err := r.fill(); err != nil {
			return line{}, err
		}
	}
}

// cut takes the line that ends before position end.
func (r *lineReader) cut(end, newline int) line {
	text, rest := r.buf[r.from:end], r.buf[end:end+newline]

	if n := len(text) - 1; newline == 1 && n >= 0 && text[n] == '\r' {
		text, rest = text[:n], r.buf[end-1:end+newline]
	}

	r.number++
	l := line{number: r.number, text: text, end: rest, size: r.dropped + int64(len(text))}

	if l.size > int64(r.limit) {
		l.text = nil
	}

	r.from, r.scanned, r.dropped = end+newline, end+newline, 0

	return l
}

// fill reads more behind what is there, and makes room if there is none.
func (r *lineReader) fill() error {
	if err := r.idle(); err != nil {
		return err
	}

	if r.from > 0 {
		copy(r.buf, r.buf[r.from:r.to])
		r.from, r.to, r.scanned = 0, r.to-r.from, r.scanned-r.from
	}

	if len(r.buf)-r.to < readSize/2 {
		grown := make([]byte, 2*len(r.buf)) //nolint:mnd // twice
		copy(grown, r.buf[:r.to])
		r.buf = grown
	}

	n, err := r.in.Read(r.buf[r.to:])
	r.to += n

	if err != nil && !errors.Is(err, io.EOF) {
		err = fmt.Errorf("read input: %w", err)
	}

	r.err = err

	return nil
}

// interruptible is a reader whose Read returns when ctx ends, although the one under
// it blocks, as standard input does. That one's last Read is then abandoned.
type interruptible struct {
	ctx    context.Context //nolint:containedctx // it bounds Read, whose signature is given
	asked  chan struct{}
	filled chan chunk
	rest   chunk
}

type chunk struct {
	bytes []byte
	err   error
}

func newInterruptible(ctx context.Context, in io.Reader) *interruptible {
	r := &interruptible{ctx: ctx, asked: make(chan struct{}, 1), filled: make(chan chunk, 1)}

	go func() {
		buf := make([]byte, readSize)

		for {
			select {
			case <-ctx.Done():
				return
			case <-r.asked:
			}

			n, err := in.Read(buf)
			r.filled <- chunk{buf[:n], err}
		}
	}()

	return r
}

// Read reads when it is asked to, not ahead: the buffer under it is one.
func (r *interruptible) Read(p []byte) (int, error) {
	if len(r.rest.bytes) == 0 && r.rest.err == nil {
		r.asked <- struct{}{}

		select {
		case <-r.ctx.Done():
			return 0, fmt.Errorf("interrupted: %w", context.Cause(r.ctx))
		case r.rest = <-r.filled:
		}
	}

	n := copy(p, r.rest.bytes)
	r.rest.bytes = r.rest.bytes[n:]

	if len(r.rest.bytes) > 0 {
		return n, nil
	}

	return n, r.rest.err
}
