// Package peer is what all the programs that the enricher is compared with have in common: their
// flags, the table of what to add for which code, and the line by which they say that their first
// records have come. It has no Kafka in it: how to do that is what is compared.
package peer

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"
)

// Flags are what the harness tells a peer.
type Flags struct {
	Brokers     []string // host:port
	In          string   // topic
	Out         string   // topic of what is sound, enriched or not
	Dead        string   // topic of what is no JSON
	Group       string
	Compression string // none, lz4 or zstd
	Delivery    string // AtLeastOnce or ExactlyOnce
	Table       string // file, see Load
}

// The two deliveries.
const (
	AtLeastOnce = "at_least_once"
	ExactlyOnce = "exactly_once"
)

// Parse reads the flags of a program, whose name goes before what is wrong with them.
func Parse(name string, args []string) (Flags, error) {
	var f Flags
	fs := flag.NewFlagSet(name, flag.ContinueOnError)
	brokers := fs.String("brokers", "", "addresses, host:port, separated by commas")
	fs.StringVar(&f.In, "in", "", "input topic")
	fs.StringVar(&f.Out, "out", "", "output topic")
	fs.StringVar(&f.Dead, "dead", "", "topic for values that are no JSON")
	fs.StringVar(&f.Group, "group", "", "consumer group")
	fs.StringVar(&f.Compression, "compression", "none", "of what is written: none, lz4 or zstd")
	fs.StringVar(&f.Delivery, "delivery", AtLeastOnce, "at_least_once or exactly_once")
	fs.StringVar(&f.Table, "table", "", "file with what to add for which code")
	if err := fs.Parse(args); err != nil {
		return Flags{}, fmt.Errorf("parse flags: %w", err)
	}
	f.Brokers = strings.Split(*brokers, ",")
	for flagName, value := range map[string]string{"brokers": *brokers, "in": f.In, "out": f.Out, "dead": f.Dead, "group": f.Group, "table": f.Table} {
		if value == "" {
			return Flags{}, fmt.Errorf("parse flags: -%s is missing", flagName)
		}
	}
	if !slices.Contains([]string{"none", "lz4", "zstd"}, f.Compression) {
		return Flags{}, fmt.Errorf("parse flags: -compression %q is none of none, lz4, zstd", f.Compression)
	}
	if f.Delivery != AtLeastOnce && f.Delivery != ExactlyOnce {
		return Flags{}, fmt.Errorf("parse flags: -delivery %q is neither %s nor %s", f.Delivery, AtLeastOnce, ExactlyOnce)
	}
	return f, nil
}

// File is the table as the harness writes it, so that all contestants can add the same bytes.
type File struct {
	Field  string                     `json:"field"`  // key of the object
	Header string                     `json:"header"` // of the record, whose value is the code
	Codes  map[string]json.RawMessage `json:"codes"`  // code in decimal: the object
}

// Save writes the table where Load reads it. Objects stay as they are, byte for byte: json.Marshal
// would escape <, > and & in them.
func (f File) Save(path string) error {
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(f); err != nil {
		return fmt.Errorf("write table: %w", err)
	}
	if err := os.WriteFile(path, text.Bytes(), 0o600); err != nil {
		return fmt.Errorf("write table: %w", err)
	}
	return nil
}

// Table says what to add for which code. It does not change once made.
type Table struct {
	Header string             // name of the header to add
	Codes  map[string]*Splice // by the code in decimal
}

// Splice is what one code adds.
type Splice struct {
	Tail []byte // `,"hangup":{…}}`, which takes the place of the value's last brace
	Code []byte // value of the header
}

// Load reads a File.
func Load(path string) (*Table, error) {
	text, err := os.ReadFile(path) //nolint:gosec // the caller names it
	if err != nil {
		return nil, fmt.Errorf("read table: %w", err)
	}
	var f File
	if err := json.Unmarshal(text, &f); err != nil {
		return nil, fmt.Errorf("read table %s: %w", path, err)
	}
	if f.Field == "" || f.Header == "" || len(f.Codes) == 0 {
		return nil, fmt.Errorf("read table %s: %w", path, errIncomplete)
	}
	t := &Table{Header: f.Header, Codes: make(map[string]*Splice, len(f.Codes))}
	for code, object := range f.Codes {
		key, err := json.Marshal(f.Field)
		if err != nil {
			return nil, fmt.Errorf("read table %s: %w", path, err)
		}
		t.Codes[code] = &Splice{Tail: slices.Concat([]byte(","), key, []byte(":"), object, []byte("}")), Code: []byte(code)}
	}
	return t, nil
}

var errIncomplete = errors.New("field, header or codes are missing")

// Append appends value with the splice in it to dst. The value is a JSON object with at least one
// member; white space behind its last brace stays.
func (s *Splice) Append(dst, value []byte) []byte {
	end := len(value) - 1
	for value[end] != '}' {
		end--
	}
	dst = append(dst, value[:end]...)
	dst = append(dst, s.Tail...)
	return append(dst, value[end+1:]...)
}

// First prints the line `first` to w, once, however often and from wherever it is called. A peer calls it as
// it has its first fetched records in hand, before it does anything to them: the harness
// reads the clocks at this line.
func First(w io.Writer) func() {
	var once sync.Once
	return func() {
		once.Do(func() {
			_, _ = io.WriteString(w, "first\n") // the harness gives up on a peer that never says it
		})
	}
}

// Context ends with SIGTERM or SIGINT. Then a peer commits what it has acknowledged and exits with 0.
func Context() (context.Context, context.CancelFunc) {
	return signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
}
