package enrich_test

import (
	"fmt"

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

	e.Enrich(&enrich.Record{Value: []byte(`{ "HangupCauseCode": 3010.0, "price": 2.0 }`)}, &res)
	fmt.Printf("%s\n", res.AppendValue(nil))
	// Output:
	// { "HangupCauseCode": 3010.0, "price": 2.0 ,"hangup":{"name":"Busy Line","fault":"destination","retry":{"class":"long_delay"}}}
}

// Explain tells which rule decided, and what the ones before it saw.
func ExampleEnricher_Explain() {
	e, err := enrich.New(catalog.Default(), enrich.DefaultOptions())
	if err != nil {
		panic(err)
	}

	fmt.Print(e.Explain(&enrich.Record{Value: []byte(`HangupCauseCode=3010&Direction=inbound`)}))
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
