package contest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/callstream/enricher/pkg/enrich"
)

// Fields are the object's members that everybody adds: all that depend on the code alone, but for long texts.
func Fields() []string {
	return []string{"code", "known", "name", "sources", "fault", "retry.class", "retry.auto", "catalog"}
}

// Field and HeaderName are where the object and the code go.
const (
	Field      = "hangup"
	HeaderName = "hangup-code"
)

// Options are how pkg/enrich does some work: the enricher's own, and what all outputs are compared with.
func Options(w Work) enrich.Options {
	o := enrich.DefaultOptions()
	if w != Full {
		o.Field, o.Fields, o.Headers = Field, Fields(), []string{HeaderName}
	}
	return o
}

type enricher struct{ bin, version string }

func buildEnricher(ctx context.Context, k *Kit) (Program, error) {
	bin, err := k.goProgram(ctx, k.Root, "./cmd/enricher")
	if err != nil {
		return nil, err
	}
	return &enricher{bin: bin, version: Revision(ctx, k.Root)}, nil
}

func (e *enricher) Version() string { return e.version }

// Config is the configuration file of a run.
func Config(r *Run) string {
	var b strings.Builder
	fmt.Fprintf(&b, "kafka:\n  brokers: [\"%s\"]\n  instance: bench-%d\n", strings.Join(r.Brokers, `", "`), r.Instance)
	fmt.Fprintf(&b, "input: {topics: [%s], group: %s}\n", r.In, r.Group)
	fmt.Fprintf(&b, "output: {topic: %s, compression: %s}\n", r.Out, r.Compression)
	fmt.Fprintf(&b, "dead_letter: {topic: %s}\ndelivery: %s\n", r.Dead, r.Delivery)
	if r.Work != Full {
		fmt.Fprintf(&b, "enrich:\n  fields: [%s]\n  headers: [%s]\n", strings.Join(Fields(), ", "), HeaderName)
	}
	if r.CommitInterval > 0 {
		fmt.Fprintf(&b, "limits: {commit_interval: %s}\n", r.CommitInterval)
	}
	fmt.Fprintf(&b, "ops: {listen: %q}\nlog: {format: json}\n", r.Ops)
	return b.String()
}

// Spec starts it. It has begun when it says that it was assigned partitions: earlier than the first fetch has
// come back, which is when the others say so.
func (e *enricher) Spec(r *Run) (*Spec, error) {
	path, err := writeFile(r.Dir, fmt.Sprintf("enricher-%d.yaml", r.Instance), Config(r))
	if err != nil {
		return nil, err
	}
	return &Spec{Path: e.bin, Args: []string{"run", "-c", path}, First: hasSome, Assigned: assigned}, nil
}

// assigned recognises the log line about a generation.
func assigned(line []byte) (Assignment, bool) {
	var m struct {
		Msg        string `json:"msg"`
		Generation int    `json:"generation"`
		Partitions int    `json:"partitions"`
	}
	if !bytes.Contains(line, []byte("joined the group")) || json.Unmarshal(line, &m) != nil || m.Msg != "joined the group" {
		return Assignment{}, false
	}
	return Assignment{Generation: m.Generation, Partitions: m.Partitions}, true
}

// hasSome recognises the first one in which the process has partitions.
func hasSome(line []byte) bool {
	a, ok := assigned(line)
	return ok && a.Partitions > 0
}
