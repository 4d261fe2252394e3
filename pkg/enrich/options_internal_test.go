package enrich

import (
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/callstream/enricher/pkg/catalog"
)

// TestEnricherSharesNoList with its caller, whichever lists there are.
func TestEnricherSharesNoList(t *testing.T) {
	t.Parallel()

	opt := DefaultOptions()
	opt.Fields, opt.Headers, opt.OptIn = []string{"code"}, []string{headerRetryID}, []int32{9100}

	e, err := New(catalog.Default(), opt)
	require.NoError(t, err)

	requireApart(t, reflect.ValueOf(opt), reflect.ValueOf(e.opt), "Options")
}

func requireApart(t *testing.T, a, b reflect.Value, name string) {
	t.Helper()

	for f, list := range a.Fields() {
		inner := name + "." + f.Name

		switch list.Kind() {
		case reflect.Slice:
			require.NotZero(t, list.Len(), inner)
			require.NotEqual(t, list.Pointer(), b.FieldByIndex(f.Index).Pointer(), inner)
		case reflect.Struct:
			requireApart(t, list, b.FieldByIndex(f.Index), inner)
		default: // holds no list
		}
	}
}
