package retry

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"unsafe"

	"github.com/tidwall/gjson"
)

// FieldsConfig says where in an event an order's key and zone are. The lists are gjson
// paths; a field is present if it exists, is not null and not "", and the first present
// path wins.
type FieldsConfig struct {
	Key    []string
	Zone   []string
	Number []string // who is called, with the country's code
	// ZonesByPrefix gives the zone of numbers that begin with a prefix, where an event has
	// no zone of its own. The longest prefix wins.
	ZonesByPrefix map[string]string
}

// Fields finds an order's key and zone in an event. It is safe for concurrent use.
type Fields struct {
	key, zone, number []string
	prefixes          prefixes
}

// NewFields checks a configuration; all mistakes are reported together.
func NewFields(c FieldsConfig) (*Fields, error) {
	f := &Fields{key: slices.Clone(c.Key), zone: slices.Clone(c.Zone), number: slices.Clone(c.Number)}
	var errs []error
	for _, list := range []struct {
		name  string
		paths []string
	}{{"key", f.key}, {"zone", f.zone}, {"number", f.number}} {
		if slices.Contains(list.paths, "") {
			errs = append(errs, fmt.Errorf("%s has an empty path", list.name))
		}
	}
	if len(c.ZonesByPrefix) > 0 && len(f.number) == 0 {
		errs = append(errs, errors.New("there are zones by prefix, but no path to a number"))
	}
	for _, prefix := range slices.Sorted(maps.Keys(c.ZonesByPrefix)) {
		name := c.ZonesByPrefix[prefix]
		if _, err := loadZone(name); err != nil {
			errs = append(errs, fmt.Errorf("prefix %q: %w", prefix, err))
		}
		if err := f.prefixes.add(prefix, name); err != nil {
			errs = append(errs, fmt.Errorf("prefix %q: %w", prefix, err))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return f, nil
}

// Fill sets o's Key and Zone from an event, a JSON object; a form body has to be made one
// first. Both are nil if nothing is found. They may alias value.
func (f *Fields) Fill(o *Order, value []byte) {
	text := unsafe.String(unsafe.SliceData(value), len(value)) //nolint:gosec // nobody writes to value, see above
	o.Key = first(text, f.key)
	if o.Zone = first(text, f.zone); o.Zone == nil && len(f.prefixes.nodes) > 0 {
		o.Zone = f.prefixes.find(first(text, f.number))
	}
}

// first gives the first that is present, a string's text or anything else's JSON.
func first(text string, paths []string) []byte {
	for _, path := range paths {
		r := gjson.Get(text, path)
		found := r.Raw
		if r.Type == gjson.String {
			found = r.Str
		}
		if found != "" && r.Type != gjson.Null {
			return unsafe.Slice(unsafe.StringData(found), len(found)) //nolint:gosec // for reading only
		}
	}
	return nil
}

// prefixes finds the longest one that a number begins with. Numbers are written in many
// ways, so only digits count.
type prefixes struct{ nodes []prefixNode }

// prefixNode is the digits on the way to it.
type prefixNode struct {
	next [10]int32 // 0: none, since the root follows nothing
	zone []byte    // nil: no prefix ends here
}

func (p *prefixes) add(prefix, zone string) error {
	if p.nodes == nil {
		p.nodes = make([]prefixNode, 1)
	}
	at := int32(0)
	for i := range len(prefix) {
		d, kind := digit(prefix[i])
		switch kind {
		case isDigit:
			if p.nodes[at].next[d] == 0 {
				p.nodes[at].next[d] = int32(len(p.nodes)) //nolint:gosec // bounded by the configuration's size
				p.nodes = append(p.nodes, prefixNode{})
			}
			at = p.nodes[at].next[d]
		case isMark:
		case isOther:
			return errors.New("want digits, as in \"+49\"")
		}
	}
	switch {
	case at == 0:
		return errors.New("want digits, as in \"+49\"")
	case p.nodes[at].zone != nil:
		return errors.New("its digits are there twice")
	}
	p.nodes[at].zone = []byte(zone)
	return nil
}

func (p *prefixes) find(number []byte) (zone []byte) {
	at := int32(0)
	for _, c := range number {
		d, kind := digit(c)
		if kind == isMark {
			continue
		}
		if kind == isOther {
			break
		}
		if at = p.nodes[at].next[d]; at == 0 {
			break
		}
		if z := p.nodes[at].zone; z != nil {
			zone = z
		}
	}
	return zone
}

// kind is what a byte of a telephone number is.
type kind uint8

const (
	isDigit kind = iota
	isMark       // makes it easier to read
	isOther
)

func digit(c byte) (value byte, k kind) {
	switch {
	case c >= '0' && c <= '9':
		return c - '0', isDigit
	case c == '+' || c == ' ' || c == '-' || c == '(' || c == ')':
		return 0, isMark
	default:
		return 0, isOther
	}
}
