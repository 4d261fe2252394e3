// Package retry decides when a redial comes due. A retryable event waits on tier topics,
// each with one constant wait, until its moment has come; only then is it moved to the due
// topic, where it is an order to dial. The package says where a record goes next (Loop),
// what travels with it (Order, Parser), at which hours calls are allowed (Window), which
// retries have been called off (Cancels) and how many may come due in a second (Rail).
//
// It is pure logic: it reads no clock, moves no records and knows nothing of Kafka. Times
// are milliseconds since the epoch, as Kafka has them. It does not count attempts either:
// how often an event may be dialled is the advice's business, see pkg/enrich.
package retry
