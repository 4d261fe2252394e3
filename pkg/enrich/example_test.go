package enrich_test

import (
	"fmt"
	"time"

	"github.com/callstream/enricher/pkg/catalog"
	"github.com/callstream/enricher/pkg/enrich"
)

// An Enricher is made once; each goroutine keeps a Result of its own.
func Example() {
	e, err := enrich.New(catalog.Default(), enrich.DefaultOptions())
	if err != nil {
		panic(err)
	}

	var res enrich.Result

	for _, value := range []string{
		`{"Event":"Ring","Direction":"outbound"}`,
		`{"Event":"Hangup","Direction":"outbound","HangupCauseCode":"3010","AnswerTime":""}`,
		`{"Event":"Hangup","Direction":"inbound","HangupCauseCode":"3010"}`,
		`{"Event":"Hangup","HangupCauseCode":9999}`,
		`{"Event":`,
	} {
		e.Enrich(&enrich.Record{Value: []byte(value), TimestampMS: -1}, &res)

		switch res.Outcome {
		case enrich.Enriched:
			fmt.Println(res.Code, res.Entry.Name, "- retry:", res.Advice.Retryable, res.Advice.Reason)
		case enrich.NoCode, enrich.Tombstone:
			fmt.Println(res.Outcome)
		case enrich.UnknownCode, enrich.Malformed:
			fmt.Println(res.Outcome, res.Reason)
		}
	}
	// Output:
	// no_code
	// 3010 Busy Line - retry: true policy
	// 3010 Busy Line - retry: false not_outbound
	// unknown_code unknown_code
	// malformed not_json
}

// The event stays as it was, byte for byte, but for the object; options choose
// what is in it. The value comes in three parts, so that it need not be copied.
func ExampleEnricher_Enrich() {
	opt := enrich.DefaultOptions()
	opt.Fields = []string{"name", "fault", "retry.class"}

	e, err := enrich.New(catalog.Default(), opt)
	if err != nil {
		panic(err)
	}

	var res enrich.Result

	e.Enrich(&enrich.Record{Value: []byte(`{ "HangupCauseCode": 3010.0, "price": 2.0 }`), TimestampMS: -1}, &res)
	fmt.Printf("%s\n", res.AppendValue(nil))
	// Output:
	// { "HangupCauseCode": 3010.0, "price": 2.0 ,"hangup":{"name":"Busy Line","fault":"destination","retry":{"class":"long_delay"}}}
}

// A form, the body of a callback, comes out as a JSON object of its pairs.
func ExampleEnricher_Enrich_form() {
	opt := enrich.DefaultOptions()
	opt.Fields = []string{"code", "name"}

	e, err := enrich.New(catalog.Default(), opt)
	if err != nil {
		panic(err)
	}

	var res enrich.Result

	e.Enrich(&enrich.Record{Value: []byte("HangupCauseCode=3010&To=%2B15555550100&CallerName="), TimestampMS: -1}, &res)
	fmt.Printf("%s\n", res.AppendValue(nil))
	// Output:
	// {"HangupCauseCode":"3010","To":"+15555550100","CallerName":"","hangup":{"code":3010,"name":"Busy Line"}}
}

// Advice counts from the record's timestamp, and its jitter from the call's id, so
// that a replay gives the same.
func ExampleAdvice() {
	e, err := enrich.New(catalog.Default(), enrich.DefaultOptions())
	if err != nil {
		panic(err)
	}

	var res enrich.Result

	value := []byte(`{"CallUUID":"672b0b3f","Direction":"outbound","HangupCauseCode":"3010"}`)

	for _, attempt := range []string{"1", "2", "3", "4"} {
		e.Enrich(&enrich.Record{Value: value, TimestampMS: 1_795_514_400_000, HeaderAttempt: []byte(attempt)}, &res)

		if a := res.Advice; a.Retryable {
			fmt.Printf("call %d of %d has ended: again in %d s, at %s\n", a.Attempt, a.MaxAttempts, a.DelayS,
				time.UnixMilli(a.NotBeforeMS).UTC().Format(time.TimeOnly))
		} else {
			fmt.Printf("call %d of %d has ended: %s\n", a.Attempt, a.MaxAttempts, a.Reason)
		}
	}
	// Output:
	// call 1 of 4 has ended: again in 747 s, at 10:12:27
	// call 2 of 4 has ended: again in 1113 s, at 10:18:33
	// call 3 of 4 has ended: again in 3537 s, at 10:58:57
	// call 4 of 4 has ended: attempts_exhausted
}

// Explain tells which rule decided, and what the ones before it saw.
func ExampleEnricher_Explain() {
	e, err := enrich.New(catalog.Default(), enrich.DefaultOptions())
	if err != nil {
		panic(err)
	}

	fmt.Print(e.Explain(&enrich.Record{Value: []byte(`HangupCauseCode=3010&Direction=inbound`), TimestampMS: -1}))
	// Output:
	// outcome: enriched
	// cause: 3010 Busy Line, by code
	//
	// found in the event (* what counts):
	//  * code         HangupCauseCode = "3010"
	//  * direction    Direction = "inbound"
	//
	// rules for a redial (> the one that decides):
	//    unknown_code        code leads to entry 3010
	//    bad_code            code leads to entry 3010
	//    unknown_name        code leads to entry 3010
	//    direction_unknown   direction inbound
	//  > not_outbound        direction inbound
	//
	// advice: do not redial (not_outbound)
}
