//go:build kafka

package chaos

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// mutant is the program with one thing broken.
type mutant struct {
	name     string
	file     string // from the root
	old, new string
}

// mutants are the ways in which a commit can be wrong that the proof has to notice.
func mutants() []mutant {
	const (
		session     = "internal/pipeline/session.go"
		transaction = "internal/broker/transaction.go"
		abort       = "if t.fenced && elapsed(t.reclaimed) < reclaimWindow {"
		generation  = "req.Generation, req.MemberID = m.Generation, m.MemberID"
		position    = "offsets[part.TopicPartition] = part.position"
	)
	return []mutant{
		{"offset one too far", session, position, position + " + 1"},
		{"abort ignored", transaction, abort, "if t.ok = true; t.ok {\n\t\treturn nil\n\t}\n\t" + abort},
		{"abort commits", transaction, abort, "if !t.opened.IsZero() {\n\t\tif err := t.end(ctx); err != nil {\n\t\t\treturn err\n\t\t}\n\t}\n\t" + abort},
		{"generation not checked", transaction, generation, "req.Generation, req.MemberID = -1, \"\""},
	}
}

// mutantPlan has what each of them needs to do harm: takeovers, and processes that wake up
// with a transaction open that is not theirs to end.
func mutantPlan() ([]fault, size) {
	const stop = sessionTimeout + 2*time.Second // less than the transaction time-out, which would help
	return []fault{
		{at: 2 * time.Second, do: stopEnricher, instance: "b", length: stop},
		{at: 13 * time.Second, do: killEnricher, instance: "a", length: time.Second},
		{at: 22 * time.Second, do: stopEnricher, instance: "c", length: stop},
	}, size{events: 35_000, rate: 1000}
}

// A proof that cannot fail proves nothing: programs that commit wrongly have to be found out.
func TestMutantsAreFoundOut(t *testing.T) {
	if !long() {
		t.Skipf("takes minutes: %s=long runs it", envSize)
	}
	c := cluster(t)
	faults, s := mutantPlan()
	r := newRun(t, c, build(t, t.TempDir(), nil), "", 1, s)
	report, good := r.chaos(faults)
	require.True(t, good, "unbroken: %s", report)
	for i, m := range mutants() {
		t.Run(m.name, func(t *testing.T) {
			text, err := os.ReadFile(filepath.Join(root, m.file))
			require.NoError(t, err)
			require.Equal(t, 1, strings.Count(string(text), m.old), "%s has changed: %q", m.file, m.old)
			bin := build(t, t.TempDir(), map[string]string{m.file: strings.Replace(string(text), m.old, m.new, 1)})
			s := s
			s.mutation = m.name
			r := newRun(t, c, bin, "-"+strconv.Itoa(i), 1, s)
			report, good := r.chaos(faults)
			require.False(t, good, "nobody noticed: %s", report)
		})
	}
}
