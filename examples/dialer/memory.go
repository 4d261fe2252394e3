package main

import "time"

// recent knows the last so many orders again. The due topic has each order once, but webhooks repeat, and one
// call may give a callback and a record: then the filter sees two events of one call, and both have one id.
//
// It forgets when the process ends, and another process does not know what it knows. A database does both better:
// a table with the id as its key, and for each order, before the call is made,
//
//	INSERT INTO dialled (retry_id, at) VALUES ($1, now()) ON CONFLICT DO NOTHING
//
// Dial if a row was inserted. A process that dies after that and before the call has lost that call; one that
// inserts after the call may make it twice. No order of the two is free of both, unless the provider takes the
// id as an idempotency key. Rows are of use for retry.max_age.
type recent struct {
	known map[string]struct{}
	order []string // a ring
	next  int
}

func newRecent(size int) *recent {
	return &recent{known: map[string]struct{}{}, order: make([]string, size)}
}

func (r *recent) has(id string) bool {
	_, ok := r.known[id]
	return ok
}

func (r *recent) add(id string) {
	if r.has(id) {
		return
	}
	delete(r.known, r.order[r.next]) // the oldest; "" at first, which nothing has as its id
	r.known[id], r.order[r.next] = struct{}{}, id
	r.next = (r.next + 1) % len(r.order)
}

// budget bounds the calls to one number in a day. That is the dialer's to do: the retry loop counts the attempts
// of one call and knows nothing of other campaigns, of first calls, or of calls made by hand.
//
// Several processes need one budget between them. In a database it is a row for each number and day,
//
//	INSERT INTO calls (number, day, n) VALUES ($1, $2, 1)
//	ON CONFLICT (number, day) DO UPDATE SET n = calls.n + 1 WHERE calls.n < $3
//
// and the call is made if a row was written.
type budget struct {
	perDay int // 0: no limit
	day    string
	calls  map[string]int
}

func newBudget(perDay int) *budget { return &budget{perDay: perDay, calls: map[string]int{}} }

// take counts a call, unless there were enough.
func (b *budget) take(number string, now time.Time) bool {
	if day := now.UTC().Format(time.DateOnly); day != b.day {
		b.day = day
		clear(b.calls)
	}
	if b.perDay > 0 && b.calls[number] >= b.perDay {
		return false
	}
	b.calls[number]++
	return true
}
