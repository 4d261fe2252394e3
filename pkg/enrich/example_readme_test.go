package enrich_test

import (
	"fmt"
	"time"

	"github.com/callstream/enricher/pkg/catalog"
	"github.com/callstream/enricher/pkg/enrich"
)

func Example_program() {
	opt := enrich.DefaultOptions()
	opt.Fields = []string{"name", "retry.retryable", "retry.not_before"} // else all but those on request

	e, err := enrich.New(catalog.Default(), opt)
	if err != nil {
		panic(err)
	}

	ended := time.Date(2026, time.September, 18, 8, 52, 26, 0, time.UTC)
	event := &enrich.Record{
		Value:       []byte(`{"CallUUID":"6d1f0a52","Direction":"outbound","HangupCauseCode":"3010"}`),
		TimestampMS: ended.UnixMilli(), // not_before counts from it. -1: not known; 0 would be 1970
	}

	var res enrich.Result // reuse it: one for each goroutine

	e.Enrich(event, &res)
	fmt.Println(res.Outcome, res.Code, res.Advice.Retryable, res.Advice.DelayS)
	fmt.Println(string(res.AppendValue(nil)))
	// Output:
	// enriched 3010 true 863
	// {"CallUUID":"6d1f0a52","Direction":"outbound","HangupCauseCode":"3010","hangup":{"name":"Busy Line","retry":{"retryable":true,"not_before":"2026-09-18T09:06:49.000Z"}}}
}
