// Package peertest holds the peers to the contract that they share: it gives a program a few hundred events of
// every kind, stops it in the middle and starts it again, and compares what it wrote, record
// by record, with what pkg/enrich makes of the same events.
//
// It is for tests alone.
package peertest
