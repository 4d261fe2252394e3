package retry_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/callstream/enricher/internal/retry"
)

func TestFill(t *testing.T) {
	t.Parallel()

	f, err := retry.NewFields(retry.FieldsConfig{
		Key:    []string{"contact.id", "To"},
		Zone:   []string{"contact.zone", "tz"},
		Number: []string{"To", "to_number"},
		ZonesByPrefix: map[string]string{
			"+49": "Europe/Berlin", "1": "America/New_York", "+1 (808)": "Pacific/Honolulu", "1-80": "America/Chicago", "+43 ": "Europe/Vienna",
		},
	})
	require.NoError(t, err)

	for name, tt := range map[string]struct{ event, key, zone string }{
		"nothing there":               {`{"a":1}`, "", ""},
		"no event at all":             {``, "", ""},
		"the first field":             {`{"contact":{"id":"c1","zone":"Asia/Tokyo"},"To":"+4930123"}`, "c1", "Asia/Tokyo"},
		"null is not there":           {`{"contact":{"id":null,"zone":null},"To":"+4930123","tz":"Asia/Tokyo"}`, "+4930123", "Asia/Tokyo"},
		"an empty text is not there":  {`{"contact":{"id":"","zone":""},"To":"+4930123"}`, "+4930123", "Europe/Berlin"},
		"a number":                    {`{"contact":{"id":4711},"to_number":4930123}`, "4711", "Europe/Berlin"},
		"false is there":              {`{"contact":{"id":false}}`, "false", ""},
		"escapes":                     {`{"contact":{"id":"a\u0062\"c"},"To":"\u002b49"}`, `ab"c`, "Europe/Berlin"},
		"the longest prefix":          {`{"To":"+1 808 555 0100"}`, "+1 808 555 0100", "Pacific/Honolulu"},
		"a shorter prefix":            {`{"To":"+1 809 555 0100"}`, "+1 809 555 0100", "America/Chicago"},
		"the shortest prefix":         {`{"To":"1 212 555 0100"}`, "1 212 555 0100", "America/New_York"},
		"the prefix and no more":      {`{"To":"+1-80"}`, "+1-80", "America/Chicago"},
		"not all of a prefix":         {`{"To":"4"}`, "4", ""},
		"no prefix":                   {`{"To":"+33 1 23"}`, "+33 1 23", ""},
		"all the marks":               {`{"To":" (+4)-9"}`, " (+4)-9", "Europe/Berlin"},
		"an address is no number":     {`{"To":"sip:4930123@example.com"}`, "sip:4930123@example.com", ""},
		"what follows does not count": {`{"To":"+43x49"}`, "+43x49", "Europe/Vienna"},
		"digits after a letter":       {`{"To":"+4x9"}`, "+4x9", ""},
		"only the first number":       {`{"To":"+33","to_number":"+49"}`, "+33", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := retry.Order{Key: []byte("before"), Zone: []byte("before"), ID: []byte("id"), Attempt: 7}
			f.Fill(&o, []byte(tt.event))
			want := retry.Order{ID: []byte("id"), Attempt: 7}
			if tt.key != "" {
				want.Key = []byte(tt.key)
			}
			if tt.zone != "" {
				want.Zone = []byte(tt.zone)
			}
			require.Equal(t, want, o)
		})
	}
}

func TestFillWithoutConfiguration(t *testing.T) {
	t.Parallel()

	f, err := retry.NewFields(retry.FieldsConfig{})
	require.NoError(t, err)
	o := retry.Order{Key: []byte("before"), Zone: []byte("before")}
	f.Fill(&o, []byte(`{"To":"+49"}`))
	require.Zero(t, o)
}

func TestNewFieldsReportsEveryMistake(t *testing.T) {
	t.Parallel()

	f, err := retry.NewFields(retry.FieldsConfig{
		Key: []string{"a", ""}, Zone: []string{""},
		ZonesByPrefix: map[string]string{"+": "UTC", "": "UTC", "+49": "Europe/Berlin", "49": "Europe/Berlin", "+44": "Europe/Londn", "+4a": "UTC", "7": ""},
	})
	require.Nil(t, f)
	require.EqualError(t, err, `key has an empty path
zone has an empty path
there are zones by prefix, but no path to a number
prefix "": want digits, as in "+49"
prefix "+": want digits, as in "+49"
prefix "+44": time zone "Europe/Londn" is not in the tz database: want a name like Europe/Berlin
prefix "+4a": want digits, as in "+49"
prefix "49": its digits are there twice
prefix "7": time zone "" is not in the tz database: want a name like Europe/Berlin`)

	_, err = retry.NewFields(retry.FieldsConfig{Number: []string{""}})
	require.EqualError(t, err, "number has an empty path")
}

func TestFillAllocatesNothing(t *testing.T) {
	f, err := retry.NewFields(retry.FieldsConfig{
		Key: []string{"contact"}, Zone: []string{"zone"}, Number: []string{"To"}, ZonesByPrefix: map[string]string{"+49": "Europe/Berlin"},
	})
	require.NoError(t, err)
	event, o := []byte(`{"contact":"c1","To":"+4930123"}`), &retry.Order{}
	require.Zero(t, testing.AllocsPerRun(100, func() { f.Fill(o, event) }))
	require.Equal(t, "Europe/Berlin", string(o.Zone))
}
