// Package catalog knows the hangup causes: what each code means, who ended the call, in
// which direction and state it occurs, whose problem it is, and whether dialling
// again makes sense.
//
// A [Snapshot] is one immutable state of it: the embedded table ([Default]), or that table
// with a user's overlay files laid over it ([Load]). Look-ups allocate nothing and take
// no lock. [Diff] compares two snapshots.
//
// The package does not read events and gives no advice about a particular call: that is
// pkg/enrich. Facts are those of the published hangup-cause table; sentences and the
// numbers of the retry policies are this project's judgement.
package catalog
