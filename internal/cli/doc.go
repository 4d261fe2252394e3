// Package cli is the command line: one file per command. It parses, calls and prints;
// what is done is done elsewhere.
//
// A command gets its world (arguments, standard streams, environment) from Execute, and
// touches no other: that is what lets the tests run whole sessions in process.
package cli
