package catalog_test

import (
	"fmt"

	"github.com/callstream/enricher/pkg/catalog"
)

// What a code means, and what to do about it.
func ExampleSnapshot_Lookup() {
	e, ok := catalog.Default().Lookup(3010)
	if !ok {
		fmt.Println("no such code")
		return
	}
	fmt.Println(e.Name, "-", e.Summary)
	fmt.Println("fault:", e.Fault)
	fmt.Printf("retry: %s, first after at most %g s, %d times at most\n", e.Retry.Class, e.Retry.InitialS, e.Retry.MaxRetries)
	// Output:
	// Busy Line - The line was engaged.
	// fault: destination
	// retry: long_delay, first after at most 900 s, 3 times at most
}

// Older events have a name instead of a code. How its words are joined does not matter.
func ExampleSnapshot_LookupName() {
	for _, name := range []string{"USER_BUSY", "busy line", "NORMAL_UNSPECIFIED"} {
		if e, ok := catalog.Default().LookupName(name); ok {
			fmt.Println(name, "is", e.Code)
		} else {
			fmt.Println(name, "is not in the table")
		}
	}
	// Output:
	// USER_BUSY is 3010
	// busy line is 3010
	// NORMAL_UNSPECIFIED is not in the table
}

// An overlay changes single fields. Load does the same with files.
func ExampleParse() {
	overlay := []byte(`
entries:
  - code: 3010
    retry: {initial_s: 300}
`)
	s, err := catalog.Parse([]string{"ours.yaml"}, [][]byte{overlay})
	if err != nil {
		fmt.Println(err)
		return
	}
	e, _ := s.Lookup(3010)
	fmt.Println(e.Name, e.Retry.InitialS)
	// Output: Busy Line 300
}

// All mistakes come together, each with its place and the nearest right word.
func ExampleParse_mistakes() {
	overlay := []byte(`entries:
  - code: 3010
    fualt: carrier
  - code: 3001
    disabled: true
`)
	_, err := catalog.Parse([]string{"ours.yaml"}, [][]byte{overlay})
	fmt.Println(err)
	// Output:
	// ours.yaml:3:5: unknown key "fualt" in entries[0]; did you mean "fault"?
	// ours.yaml:4:5: entries[1]: code 3001 cannot be disabled: there is no such code; did you mean 3000?
}

// Two snapshots are compared code by code and field by field.
func ExampleDiff() {
	overlay := []byte(`
entries:
  - {code: 3010, fault: carrier, flags: [list_hygiene]}
  - {code: 9110, disabled: true}
`)
	s, err := catalog.Parse([]string{"ours.yaml"}, [][]byte{overlay})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, c := range catalog.Diff(catalog.Default(), s) {
		fmt.Println(c)
	}
	// Output:
	// ~ 3010 fault: "destination" → "carrier"
	// ~ 3010 flags: [] → ["list_hygiene"]
	// - 9110 Confirm Key Challenge Failed
}
