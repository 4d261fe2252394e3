package casetest

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/callstream/enricher/internal/strictyaml"
	"github.com/callstream/enricher/pkg/enrich"
)

// Sizes that are taken, in bytes.
const (
	maxFile  = 16 << 20
	maxEvent = 64 << 20
)

// Case is one event and what is expected of it. Load makes it.
type Case struct {
	Name      string // unique in its file
	File      string // as it was given to Load
	Line      int    // where the case begins, from 1
	EventFile string // where the event is read from, relative to the process; "" if the case holds it
	Value     []byte // the event; nil: a tombstone
	Timestamp time.Time

	key     []byte
	headers map[string]text
	expect  expectation
	doc     *strictyaml.Document
	path    string // of the case in the document
}

// written is a case as it stands in a file.
type written struct {
	Name      string          `yaml:"name"`
	Event     *event          `yaml:"event"`
	EventFile string          `yaml:"event_file"`
	Key       *text           `yaml:"key"`
	Headers   map[string]text `yaml:"headers"`
	Timestamp *moment         `yaml:"timestamp"`
	Expect    expectation     `yaml:"expect"`
}

// expectation is what has to come out. Only what is given is looked at.
type expectation struct {
	Outcome outcome          `yaml:"outcome"`
	Reason  reason           `yaml:"reason"`
	Code    *int32           `yaml:"code"`
	Output  *bool            `yaml:"output"`
	Routes  []string         `yaml:"routes"`
	Fields  map[string]want  `yaml:"fields"`
	Headers map[string]*text `yaml:"headers"`
	Advice  advice           `yaml:"advice"`

	noCode bool // code: null
}

type advice struct {
	Retryable   *bool   `yaml:"retryable"`
	Class       class   `yaml:"class"`
	DelayS      *amount `yaml:"delay_s"`
	NotBefore   *moment `yaml:"not_before"`
	Attempt     *amount `yaml:"attempt"`
	MaxAttempts *amount `yaml:"max_attempts"`
	Reason      rule    `yaml:"reason"`
}

func (e *expectation) empty() bool {
	return e.Outcome == "" && e.Reason == "" && e.Code == nil && !e.noCode && e.Output == nil && e.Routes == nil &&
		len(e.Fields) == 0 && len(e.Headers) == 0 && e.Advice == advice{}
}

// Load reads a file of cases and the events that it names. What is wrong with the content is
// of type strictyaml.Mistakes, all of it at once.
func Load(path string) ([]*Case, error) {
	src, err := readFile(path, maxFile)
	if err != nil {
		return nil, fmt.Errorf("read cases: %w", err)
	}

	return Parse(path, src)
}

// Parse is Load for bytes at hand. Files of events are looked for beside the name.
func Parse(name string, src []byte) ([]*Case, error) {
	doc, err := strictyaml.Parse(name, src)
	if err != nil {
		return nil, err
	}

	var file struct {
		Cases []written `yaml:"cases"`
	}

	l := loader{doc: doc, first: map[string]int{}}
	l.mistakes = doc.Decode(&file)

	if len(l.mistakes) == 0 && len(file.Cases) == 0 {
		l.mistakes = append(l.mistakes, doc.At("cases", "no cases: there is nothing to test; list them under the key cases"))
	}

	var cases []*Case
	for i := range file.Cases {
		cases = append(cases, l.make(&file.Cases[i], fmt.Sprintf("cases[%d]", i)))
	}

	if err := l.mistakes.Err(); err != nil {
		return nil, err
	}

	return cases, nil
}

// loader makes cases of what is written.
type loader struct {
	doc      *strictyaml.Document
	first    map[string]int // line of the first case of each name
	mistakes strictyaml.Mistakes
}

func (l *loader) mistake(path, format string, args ...any) {
	l.mistakes = append(l.mistakes, l.doc.At(path, "%s: %s", path, fmt.Sprintf(format, args...)))
}

func (l *loader) make(w *written, path string) *Case {
	c := &Case{
		Name: w.Name, File: l.doc.File(), Line: l.doc.At(path, "").Line, headers: w.Headers, expect: w.Expect,
		doc: l.doc, path: path,
	}
	if w.Key != nil {
		c.key = []byte(*w.Key)
	}

	if w.Timestamp != nil {
		c.Timestamp = time.Time(*w.Timestamp)
	}

	l.name(c)
	l.event(c, w)
	l.nulls(path)
	l.paths(c)

	c.expect.noCode = l.doc.IsNull(path + ".expect.code")
	if c.expect.empty() && !l.wrong(path, "expect") {
		l.mistake(path, "expects nothing, so that it could not fail; say under expect what has to come out: outcome, reason, code, output, routes, fields, headers or advice")
	}

	return c
}

func (l *loader) name(c *Case) {
	line, twice := l.first[c.Name]

	switch {
	case c.Name == "" && l.wrong(c.path, "name"):
	case c.Name == "":
		l.mistake(c.path, "has no name")
	case twice:
		l.mistake(c.path+".name", "another case has this name, on line %d", line)
	default:
		l.first[c.Name] = c.Line
	}
}

func (l *loader) event(c *Case, w *written) {
	given, file := l.doc.Has(c.path+".event"), l.doc.Has(c.path+".event_file")

	switch {
	case given && file:
		l.mistake(c.path+".event_file", "the case has an event already; keep one of event and event_file")
	case file && w.EventFile == "":
		if !l.wrong(c.path, "event_file") {
			l.mistake(c.path+".event_file", "names no file")
		}
	case file:
		c.EventFile = resolve(filepath.Dir(c.File), w.EventFile)

		value, err := readFile(c.EventFile, maxEvent)
		if err != nil {
			l.mistake(c.path+".event_file", "read event: %v", err)
		}

		c.Value = chomp(value)
	case !given && !l.wrong(c.path, "event"):
		l.mistake(c.path, "has no event; give event or event_file")
	case w.Event != nil: // else null: a tombstone
		c.Value = w.Event.bytes
	}
}

// paths refuses gjson paths that could never match: what they are expected to lead to would never be there, or never be missing.
func (l *loader) paths(c *Case) {
	for _, path := range slices.Sorted(maps.Keys(c.expect.Fields)) {
		if err := enrich.CheckPath(path, ""); err != nil {
			l.mistake(c.path+".expect.fields", "%q %v", path, err)
		}
	}
}

// nulls refuses keys without a value, which the decoder takes for keys that are not there: they
// look like expectations and would hold always.
func (l *loader) nulls(path string) {
	for _, key := range []string{
		"key", "headers", "timestamp", "expect", "expect.output", "expect.routes", "expect.fields", "expect.headers", "expect.advice",
		"expect.advice.retryable", "expect.advice.delay_s", "expect.advice.not_before", "expect.advice.attempt", "expect.advice.max_attempts",
	} {
		if p := path + "." + key; l.doc.IsNull(p) {
			l.mistake(p, "has no value; give one, or leave the key out")
		}
	}
}

// wrong tells whether a key of a case, or one that was perhaps meant to be it, has a mistake
// already: one is enough.
func (l *loader) wrong(path, key string) bool {
	for _, m := range l.mistakes {
		within := path + "." + key
		if strings.HasPrefix(m.Msg, within) || strings.Contains(m.Msg, " in "+within) || strings.Contains(m.Msg, " in "+path+";") {
			return true
		}
	}

	return false
}

// record is the case's event as the filter would get it.
func (c *Case) record() *enrich.Record {
	rec := &enrich.Record{Key: c.key, Value: c.Value, TimestampMS: -1}
	if !c.Timestamp.IsZero() {
		rec.TimestampMS = c.Timestamp.UnixMilli()
	}

	if attempt, ok := c.headers[attemptHeader]; ok {
		rec.HeaderAttempt = []byte(attempt)
	}

	return rec
}

// at is where something of the case stands in its file.
func (c *Case) at(path string) strictyaml.Mistake { return c.doc.At(c.path+"."+path, "") }

func resolve(dir, path string) string {
	if filepath.IsAbs(path) {
		return path
	}

	return filepath.Join(dir, path)
}

// chomp takes off the last line end, which is the editor's. What is empty is still no tombstone.
func chomp(value []byte) []byte {
	text := strings.TrimSuffix(strings.TrimSuffix(string(value), "\n"), "\r")

	return []byte(text)
}

var errTooLarge = errors.New("too large")

func readFile(path string, atMost int64) ([]byte, error) {
	f, err := os.Open(path) //nolint:gosec // the user names the file
	if err != nil {
		return nil, err //nolint:wrapcheck // names operation and path
	}
	defer f.Close() //nolint:errcheck // only read

	src, err := io.ReadAll(io.LimitReader(f, atMost+1))
	if err != nil {
		return nil, err //nolint:wrapcheck // names operation and path
	}

	if int64(len(src)) > atMost {
		return nil, fmt.Errorf("%s: %w: more than %d bytes", path, errTooLarge, atMost)
	}

	return src, nil
}
