//go:build image && !linux

package main

import (
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

func start(t *testing.T, _ *v1.ConfigFile, _ string) {
	t.Helper()
	t.Run("start", func(t *testing.T) { t.Skip("SKIPPED: containers need Linux") })
}
