package verify_test

import (
	"bytes"
	"errors"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/callstream/enricher/bench/internal/verify"
)

// record makes the nth record of a partition.
func record(partition int32, n int) *verify.Record {
	id := strconv.Itoa(int(partition)) + "-" + strconv.Itoa(n)
	return &verify.Record{
		Key: []byte("key " + id), Value: []byte("value " + id), TimestampMS: int64(1000 + n),
		Headers: []verify.Header{{Key: "a", Value: []byte("1")}, {Key: "b", Value: []byte("2")}},
	}
}

const each = 10

// expectation has ten records in each of two partitions, and one dead letter.
func expectation(normal func(verify.Place, *verify.Record)) *verify.Expectation {
	e := verify.New(2, normal)
	for n := range each {
		for p := range int32(2) {
			e.Add(verify.Output, p, record(p, n))
		}
	}
	e.Add(verify.DeadLetter, 1, record(1, 99))
	return e
}

type seen struct {
	place     verify.Place
	partition int32
	record    *verify.Record
}

func right() (all []seen) {
	for n := range each {
		all = append(all, seen{verify.Output, 0, record(0, n)}, seen{verify.Output, 1, record(1, n)})
	}
	return append(all, seen{verify.DeadLetter, 1, record(1, 99)})
}

func check(e *verify.Expectation, all []seen) error {
	c := e.Begin()
	for _, s := range all {
		c.Saw(s.place, s.partition, s.record)
	}
	return c.End()
}

func TestRight(t *testing.T) {
	e := expectation(nil)
	require.EqualValues(t, 2*each+1, e.Len())
	require.Equal(t, each, e.Count(verify.Output, 1))
	require.NoError(t, check(e, right()))
	require.NoError(t, check(e, right()), "a second time")
}

func TestWrong(t *testing.T) {
	for name, tt := range map[string]struct {
		spoil func(all []seen) []seen
		want  string
	}{
		"missing":            {func(all []seen) []seen { return slices.Delete(all, 4, 5) }, "1 are missing"},
		"missing at the end": {func(all []seen) []seen { return slices.Delete(all, 18, 19) }, "1 records are missing at the end"},
		"no dead letter":     {func(all []seen) []seen { return all[:len(all)-1] }, "dead letter partition 1: 1 records are missing"},
		"nothing":            {func([]seen) []seen { return nil }, "missing"},
		"duplicate":          {func(all []seen) []seen { return slices.Insert(all, 6, all[4]) }, "duplicate"},
		"duplicate at the end": {
			func(all []seen) []seen { return append(all, seen{verify.Output, 1, record(1, each-1)}) }, "duplicate",
		},
		"out of order":      {func(all []seen) []seen { all[4], all[6] = all[6], all[4]; return all }, "out of order"},
		"unknown":           {func(all []seen) []seen { return append(all, seen{verify.Output, 1, record(1, 50)}) }, "does not belong there"},
		"other partition":   {func(all []seen) []seen { all[4].partition = 1; return all }, "does not belong there"},
		"no such partition": {func(all []seen) []seen { all[4].partition = 2; return all }, "partition 2 should not be there"},
		"other place":       {func(all []seen) []seen { all[4].place = verify.DeadLetter; return all }, "dead letter partition 0"},
		"value":             {func(all []seen) []seen { all[4].record.Value[0]++; return all }, "not what it should be"},
		"empty value":       {func(all []seen) []seen { all[4].record.Value = nil; return all }, "not what it should be"},
		"key":               {func(all []seen) []seen { all[4].record.Key = []byte("x"); return all }, "does not belong there"},
		"timestamp":         {func(all []seen) []seen { all[4].record.TimestampMS++; return all }, "not what it should be"},
		"header's value":    {func(all []seen) []seen { all[4].record.Headers[0].Value = []byte("2"); return all }, "not what it should be"},
		"header's order":    {func(all []seen) []seen { slices.Reverse(all[4].record.Headers); return all }, "not what it should be"},
		"header too many": {func(all []seen) []seen {
			all[4].record.Headers = append(all[4].record.Headers, verify.Header{Key: "c"})
			return all
		}, "not what it should be"},
		"header between key and value": {func(all []seen) []seen {
			all[4].record.Headers = []verify.Header{{Key: "a1", Value: []byte{}}, {Key: "b", Value: []byte("2")}}
			return all
		}, "not what it should be"},
	} {
		t.Run(name, func(t *testing.T) {
			err := check(expectation(nil), tt.spoil(right()))
			require.Error(t, err)
			var wrong *verify.Error
			require.ErrorAs(t, err, &wrong)
			require.Contains(t, errors.Join(wrong.Failures...).Error(), tt.want)
		})
	}
}

// One mistake must not hide what comes behind it, nor make all of it wrong.
func TestGoesOn(t *testing.T) {
	all := right()
	all[4].record.Value = []byte("changed")
	all = slices.Delete(all, 8, 9)
	var wrong *verify.Error
	require.ErrorAs(t, check(expectation(nil), all), &wrong)
	require.Equal(t, 2, wrong.Count)
}

func TestManyFailures(t *testing.T) {
	all := right()
	for i := range all {
		all[i].record.Value = nil
	}
	var wrong *verify.Error
	require.ErrorAs(t, check(expectation(nil), all), &wrong)
	require.Equal(t, 2*each+1, wrong.Count)
	require.Len(t, wrong.Failures, 5)
}

func TestHopeless(t *testing.T) {
	const n = 50_000
	e, all := verify.New(1, nil), []seen{}
	for i := range n {
		e.Add(verify.Output, 0, record(0, i))
		all = append(all, seen{verify.Output, 0, record(0, -i-1)})
	}
	var wrong *verify.Error
	require.ErrorAs(t, check(e, all), &wrong)
	require.GreaterOrEqual(t, wrong.Count, n)
}

func TestNormal(t *testing.T) {
	e := expectation(func(place verify.Place, r *verify.Record) {
		if place == verify.Output {
			r.Value = bytes.TrimSuffix(r.Value, []byte(" more"))
		}
	})
	all := right()
	for i := range all[:10] {
		all[i].record.Value = append(all[i].record.Value, " more"...)
	}
	require.NoError(t, check(e, all))
}

func TestIsLast(t *testing.T) {
	e := expectation(nil)
	require.True(t, e.IsLast(verify.Output, 0, record(0, each-1).Key))
	require.False(t, e.IsLast(verify.Output, 1, record(0, each-1).Key))
	require.False(t, e.IsLast(verify.Output, 0, record(0, 0).Key))
	require.False(t, e.IsLast(verify.DeadLetter, 0, record(0, 0).Key), "nothing is due there")
}
