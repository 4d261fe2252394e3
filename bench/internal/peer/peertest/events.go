package peertest

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Partitions is how many each topic has.
const Partitions = 3

// Events are n records, spread over the partitions, in the order in which they are produced. All kinds
// come in each partition.
func Events(topic string, n int) []*kgo.Record {
	start := time.UnixMilli(1_790_000_000_123)
	kinds := values()
	all := make([]*kgo.Record, n)
	for i := range all {
		r := &kgo.Record{
			Topic:     topic,
			Partition: int32(i % Partitions),
			Timestamp: start.Add(time.Duration(i) * time.Millisecond),
			Value:     kinds[i/Partitions%len(kinds)](i),
		}
		if i%11 != 0 { // null keys as well
			r.Key = fmt.Appendf(nil, "call-%06d", i)
		}
		switch i % 4 { // none, one, repeated ones, null
		case 1:
			r.Headers = []kgo.RecordHeader{{Key: "source", Value: []byte("test")}}
		case 2:
			r.Headers = []kgo.RecordHeader{{Key: "a", Value: []byte("1")}, {Key: "b", Value: []byte{}}, {Key: "a", Value: []byte("2")}}
		case 3:
			r.Headers = []kgo.RecordHeader{{Key: "null"}}
		}
		all[i] = r
	}
	return all
}

// values are the kinds of value. Each has the number of the event in it, where it can have something in it.
func values() []func(i int) []byte {
	text := func(format string) func(int) []byte {
		return func(i int) []byte { return []byte(strings.ReplaceAll(format, "#", strconv.Itoa(i))) }
	}
	return []func(i int) []byte{
		text(`{"Event":"Hangup","CallUUID":"#","HangupCauseCode":"3010","To":"15555550123"}`),
		text(`{"Event":"Hangup","CallUUID":"#","HangupCauseCode":4000}`),
		text(`{"HangupCauseCode":"0","CallUUID":"#","TotalCost":2.0,"Big":12345678901234567890,"Price":1.10}`),
		text("{ \"CallUUID\" : \"#\" ,\n\t\"HangupCauseCode\" : 9100 }\r\n "),
		text(`{"CallUUID":"#","From":"J\u00fcrgen \"J\" ❤ \ud83d\ude00","HangupCauseCode":"1010","x":{"y":[1,{"}":null}]}}`),
		text(`{"CallUUID":"#","Event":"Ring"}`),                            // no code
		text(`{"CallUUID":"#","call":{"HangupCauseCode":"3010"}}`),         // not at the top
		text(`{"CallUUID":"#","HangupCauseCode":""}`),                      // none that counts
		text(`{"CallUUID":"#","HangupCauseCode":null,"List":[]}`),          // nor here
		text(`{"CallUUID":"#","HangupCauseCode":"9907","Event":"Hangup"}`), // unknown to the catalog, in the table
		text(`{"CallUUID":"#","HangupCauseCode":54321}`),                   // in neither
		text(`{}`),
		func(int) []byte { return nil }, // a tombstone
		text(`{"CallUUID":"#","HangupCauseCode":"3010"`),   // from here on malformed: cut off
		text(`{"CallUUID":"#","HangupCauseCode":"3010"}}`), // something behind it
		text(`{"CallUUID":"#"} {"CallUUID":"#"}`),
		text(`{"CallUUID":"#","HangupCauseCode":03010}`),
		text(`{"CallUUID":"#","HangupCauseCode":"3010","x":[1,2,]}`),
		text("{\"CallUUID\":\"#\",\"HangupCauseCode\":\"3010\",\"x\":\"\xff\"}"), // not UTF-8
		text("\x00\x00\x00\x00\x07{\"CallUUID\":\"#\"}"),                         // framed for a schema registry
		text(`["#"]`), // sound, but no object
		text(`CallUUID=#&HangupCauseCode=3010`),
		func(int) []byte { return []byte{} },
	}
}
