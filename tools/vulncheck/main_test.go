package main

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRun(t *testing.T) {
	db := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/index/db.json" {
			http.NotFound(w, r)
		}
	}))
	defer db.Close()
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	refusing := httptest.NewServer(http.NotFoundHandler())
	defer refusing.Close()
	for _, tt := range []struct {
		name     string
		db       string
		required bool
		found    error
		scanned  []string
		says     string
		err      string
	}{
		{"nothing found", db.URL, true, nil, []string{"a", "b"}, "vulncheck: b", ""},
		{"something found, all looked at", db.URL, false, errors.New("exit status 3"), []string{"a", "b"}, "", "scan a: exit status 3\nscan b: exit status 3"},
		{"no database", gone.URL, false, nil, nil, "SKIPPED, nothing was looked at: reach database", ""},
		{"no database, but required", gone.URL, true, nil, nil, "", "reach database"},
		{"another server", refusing.URL, false, nil, nil, "404 Not Found", ""},
		{"no address", "://", true, nil, nil, "", "missing protocol scheme"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out strings.Builder
			var scanned []string
			c := check{db: tt.db, required: tt.required, out: &out, scan: func(_ context.Context, url, dir string) error {
				require.Equal(t, tt.db, url)
				scanned = append(scanned, dir)

				return tt.found
			}}
			err := c.run(t.Context(), []string{"a", "b"})
			require.Equal(t, tt.scanned, scanned)
			require.Contains(t, out.String(), tt.says)
			if tt.err != "" {
				require.ErrorContains(t, err, tt.err)

				return
			}
			require.NoError(t, err)
		})
	}
}
