package recordbatch

import (
	"fmt"
	"strings"
)

// Codec is a compression type, numbered as in a batch's attributes.
type Codec int8

// The codecs of Kafka.
const (
	None Codec = iota
	Gzip
	Snappy
	LZ4
	Zstd
)

// codecs lists all, in order of their numbers.
func codecs() []Codec { return []Codec{None, Gzip, Snappy, LZ4, Zstd} }

// String is the name that Kafka's compression.type uses.
func (c Codec) String() string {
	switch c {
	case None:
		return "none"
	case Gzip:
		return "gzip"
	case Snappy:
		return "snappy"
	case LZ4:
		return "lz4"
	case Zstd:
		return "zstd"
	default:
		return fmt.Sprintf("codec %d", int8(c))
	}
}

// ParseCodec is the inverse of String for the five codecs; the error lists them.
func ParseCodec(name string) (Codec, error) {
	var names []string
	for _, c := range codecs() {
		if c.String() == name {
			return c, nil
		}
		names = append(names, c.String())
	}
	return None, fmt.Errorf("compression %q is not one of %s", name, strings.Join(names, ", "))
}

// TooLargeError says that a payload unpacks to more than the Decompressor's limit.
type TooLargeError struct {
	Codec Codec
	Limit int // bytes
}

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("%s payload unpacks to more than the limit of %d bytes for one batch", e.Codec, e.Limit)
}

func unknownCodec(c Codec) error {
	return fmt.Errorf("%w: %s is not one that Kafka has", ErrCorrupt, c)
}
