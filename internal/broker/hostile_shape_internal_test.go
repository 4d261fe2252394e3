package broker

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/segmentio/kafka-go/protocol"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// spoken are the answers that have a shape.
func spoken() (all []asked) {
	for key := range int16(100) {
		for version := range int16(20) {
			if shapeOf(protocol.ApiKey(key), version) != "" {
				all = append(all, asked{key: key, version: version})
			}
		}
	}
	return all
}

// filled is an answer with n of everything that there can be several of.
func filled(t require.TestingT, key, version int16, n int) []byte {
	resp := kmsg.ResponseForKey(key)
	require.NotNil(t, resp)
	resp.SetVersion(version)
	fill(reflect.ValueOf(resp).Elem(), n)
	resp.SetVersion(version)
	body := resp.AppendTo(nil)
	if resp.IsFlexible() && protocol.ApiKey(key) != protocol.ApiVersions {
		body = append([]byte{0}, body...)
	}
	return body
}

func fill(v reflect.Value, n int) {
	switch v.Kind() { //nolint:exhaustive // what answers are made of
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[kmsg.Tags]() {
			return
		}
		for _, field := range v.Fields() {
			fill(field, n)
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			v.SetBytes(assigned(n))
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), n, n))
		for i := range n {
			fill(v.Index(i), n)
		}
	case reflect.Pointer:
		if n > 0 {
			v.Set(reflect.New(v.Type().Elem()))
			fill(v.Elem(), n)
		}
	case reflect.String:
		v.SetString("name")
	}
}

// assigned is bytes that are an assignment as well.
func assigned(n int) []byte {
	if n == 0 {
		return nil
	}
	a := kmsg.NewConsumerMemberAssignment()
	for range n {
		t := kmsg.NewConsumerMemberAssignmentTopic()
		t.Topic, t.Partitions = "in", make([]int32, n)
		a.Topics = append(a.Topics, t)
	}
	return a.AppendTo(nil)
}

// What kafka-go decodes itself is walked through first, in every version that it may ask for.
func TestEveryVersionOfKafkaGoHasAShape(t *testing.T) {
	for _, key := range []protocol.ApiKey{protocol.ApiVersions, protocol.Metadata, protocol.SaslHandshake, protocol.SaslAuthenticate} {
		for v := key.MinVersion(); v <= key.MaxVersion(); v++ {
			require.NotEmpty(t, shapeOf(key, v), "%s version %d, of the transport", key, v)
		}
	}
	for key, versions := range map[protocol.ApiKey][]int16{ // those of conn.go, which the consumer group uses
		protocol.FindCoordinator: {0}, protocol.JoinGroup: {1, 2}, protocol.SyncGroup: {0},
		protocol.Heartbeat: {0}, protocol.LeaveGroup: {0},
	} {
		for _, v := range versions {
			require.NotEmpty(t, shapeOf(key, v), "%s version %d, of the group", key, v)
		}
		require.True(t, decodedByKafkaGo(int16(key)))
	}
}

// And all that this package asks for itself: each of its requests goes through one of these.
func TestEveryRequestOfOursHasAShape(t *testing.T) {
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	request := regexp.MustCompile(`kmsg\.NewPtr(\w+)Request\(\)\n\s*\w+\.SetVersion\((\w+)\)`)
	found := 0
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		src, err := os.ReadFile(name)
		require.NoError(t, err)
		for _, m := range request.FindAllStringSubmatch(string(src), -1) {
			version, err := strconv.ParseInt(m[2], 10, 16)
			if m[2] == "fetchVersion" {
				version, err = fetchVersion, nil
			}
			require.NoError(t, err)
			require.NotEmpty(t, shapeOf(protocol.ApiKey(keyOf(t, m[1])), int16(version)), "%s version %d, of %s", m[1], version, name)
			found++
		}
		require.Len(t, request.FindAllString(string(src), -1), strings.Count(string(src), "Request()"), name)
	}
	require.Greater(t, found, 12)
}

func keyOf(t *testing.T, name string) int16 {
	t.Helper()
	for key := range int16(kmsg.MaxKey + 1) {
		if kmsg.NameForKey(key) == name {
			return key
		}
	}
	t.Fatalf("no request %s", name)
	return -1
}

// The shapes fit what another library writes, to the last byte.
func TestShapesAreThoseOfTheProtocol(t *testing.T) {
	require.Greater(t, len(spoken()), 35)
	for _, a := range spoken() {
		for _, n := range []int{0, 1, 3} {
			body := filled(t, a.key, a.version, n)
			w := walker{left: body}
			s := shapeOf(protocol.ApiKey(a.key), a.version)
			require.True(t, w.walk(s), "%s version %d with %d of all", kmsg.NameForKey(a.key), a.version, n)
			require.Empty(t, w.left, "%s version %d with %d of all", kmsg.NameForKey(a.key), a.version, n)
			if n == 0 {
				require.LessOrEqual(t, s.least(), len(body), "%s version %d", kmsg.NameForKey(a.key), a.version)
			}
		}
	}
}

// Each prefix of an answer is refused, and each answer in which some four bytes claim two billion
// costs no more memory than a small multiple of what has come.
func TestAnswersThatLieAreRefusedOrHarmless(t *testing.T) {
	for _, a := range spoken() {
		whole := filled(t, a.key, a.version, 2)
		for n := range whole {
			require.ErrorIs(t, plausible(a.key, a.version, whole[:n]), errFrame, "%s version %d, %d of %d bytes", kmsg.NameForKey(a.key), a.version, n, len(whole))
		}
		for at := range len(whole) - 3 {
			for _, lie := range []uint32{0x7fffffff, 0xffffff7f, 0x80000000, 0xfffffffe, 0x00ffffff} {
				body := bytes.Clone(whole)
				binary.BigEndian.PutUint32(body[at:], lie)
				bounded(t, a.key, a.version, body)
			}
		}
	}
}

// bounded decodes with both libraries what is plausible.
func bounded(t require.TestingT, key, version int16, body []byte) {
	if plausible(key, version, body) != nil {
		return
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	req := kmsg.RequestForKey(key)
	req.SetVersion(version)
	_, _ = parse(req, body)
	if decodedByKafkaGo(key) && version <= protocol.ApiKey(key).MaxVersion() && version >= protocol.ApiKey(key).MinVersion() {
		frame := binary.BigEndian.AppendUint32(nil, uint32(len(body)+4))
		frame = append(append(frame, 0, 0, 0, 1), body...)
		_, _, _ = protocol.ReadResponse(bytes.NewReader(frame), protocol.ApiKey(key), version)
	}
	runtime.ReadMemStats(&after)
	most := uint64(64*len(body) + 1<<20)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, most, "%s version %d: %x", kmsg.NameForKey(key), version, body)
}

// FuzzAnswers: what the guard lets pass, and what this package decodes, neither panics nor takes
// memory out of proportion, whatever a broker sends.
func FuzzAnswers(f *testing.F) {
	all := spoken()
	for i, a := range all {
		for n := range 3 {
			f.Add(uint8(i), filled(f, a.key, a.version, n))
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, body []byte) {
		a := all[int(which)%len(all)]
		bounded(t, a.key, a.version, body)
	})
}
