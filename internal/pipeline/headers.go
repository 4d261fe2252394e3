package pipeline

import (
	"cmp"
	"slices"

	"github.com/callstream/enricher/internal/broker"
	"github.com/callstream/enricher/internal/broker/recordbatch"
)

// headerAttempt carries the number of the call that ended, from 1, where the event itself
// has no field for it.
const headerAttempt = "hangup-attempt"

// headerRetryID names a redial, so that who dials it may know it again.
const headerRetryID = "hangup-retry-id"

// attemptHeader finds the last header of that name; nil without one. Headers have been
// checked by the reader.
func attemptHeader(raw []byte) (value []byte) {
	_ = recordbatch.EachHeader(raw, func(key, v []byte) bool {
		if string(key) == headerAttempt {
			value = v
		}
		return true
	})
	return value
}

func sortAborted(a []broker.AbortedTransaction) {
	slices.SortFunc(a, func(x, y broker.AbortedTransaction) int { return cmp.Compare(x.FirstOffset, y.FirstOffset) })
}
