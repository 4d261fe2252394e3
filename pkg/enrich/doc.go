// Package enrich reads raw call events, finds the hangup cause in them, and
// writes what a catalog knows about it, and whether to dial again, into the
// event. The rest of the event stays as it was, byte for byte.
//
// An [Enricher] is made once for a catalog snapshot and options. Its
// [Enricher.Enrich] is a pure function of the record: no clock, no randomness, no
// logging, no state. The same record gives the same result today and in a replay.
// Whatever is wrong with an event is an [Outcome], never an error. With a Result
// that is used again it allocates nothing for sound events.
//
// The package knows nothing of Kafka, files or configuration formats, and does
// not decide where an event goes: it says what the event is. It is no JSON or form
// library either; of an event it understands only what it needs.
//
// docs/event.md in the repository describes the object that is written, the
// outcomes, the reasons and the order of the rules for advice.
package enrich
