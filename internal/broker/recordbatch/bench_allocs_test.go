package recordbatch_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/callstream/enricher/internal/broker/recordbatch"
)

// perSeal is how often building and compressing a batch of a thousand records may allocate:
// gzip and lz4 write to a bytes.Buffer, which is made for each.
const perSeal = 1

// steady is how often f allocates once its buffers have grown: those of gzip's tables take more
// than the one run that AllocsPerRun makes before it counts.
func steady(f func()) float64 {
	for range 3 {
		f()
	}
	return testing.AllocsPerRun(5, f)
}

// TestDecodeDoesNotAllocate, from the bytes of a fetch to the last record, once the buffers
// have grown to the batch.
func TestDecodeDoesNotAllocate(t *testing.T) {
	for _, codec := range codecs() {
		t.Run(codec.String(), func(t *testing.T) {
			raw := rawBatch(t, codec, headersOf(t, 2))
			var (
				d     = recordbatch.NewDecompressor(0)
				out   []byte
				batch recordbatch.Batch
				r     recordbatch.Reader
				rec   recordbatch.Record
			)
			allocs := steady(func() {
				_, err := recordbatch.Next(raw, &batch)
				require.NoError(t, err)
				payload, err := d.Decompress(codec, batch.Payload, out[:0])
				require.NoError(t, err)
				if codec != recordbatch.None {
					out = payload
				}
				n := 0
				for r.Reset(&batch, payload); r.Next(&rec); n++ {
				}
				require.NoError(t, r.Err())
				require.Condition(t, func() bool { return n == perBatch }) // Equal would allocate
			})
			if !raceDetector {
				require.Zero(t, allocs)
			}
		})
	}
}

// TestBuildDoesNotAllocate, from the first record to the stamped batch.
func TestBuildDoesNotAllocate(t *testing.T) {
	for _, codec := range codecs() {
		t.Run(codec.String(), func(t *testing.T) {
			in, build, c := inputs(), recordbatch.NewBuilder(), recordbatch.NewCompressor()
			headers, add := headersOf(t, 2), added()
			drop := []string{add[0].Name}
			allocs := steady(func() {
				build.Reset()
				fill(build, in, headers, drop, add)
				require.NoError(t, build.Seal(c, codec))
				build.Stamp(false, 1, 1, 1)
			})
			if !raceDetector {
				require.LessOrEqual(t, allocs, float64(perSeal))
			}
		})
	}
}
