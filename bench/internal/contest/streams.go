package contest

import (
	"context"
	"os/exec"
	"path/filepath"
	"strings"
)

// streams is the Kafka Streams program under bench/peers/kstreams, in one of its variants.
type streams struct{ dir, variant, version string }

// buildStreams builds the program by Maven.
func buildStreams(variant string) func(context.Context, *Kit) (Program, error) {
	return func(ctx context.Context, k *Kit) (Program, error) {
		for _, tool := range []string{"java", "mvn"} {
			if _, err := exec.LookPath(tool); err != nil {
				return nil, &SkippedError{tool + " is not installed"}
			}
		}
		dir := filepath.Join(k.Root, "bench", "peers", "kstreams")
		if _, err := k.once("kstreams", func() (string, error) {
			return dir, command(ctx, dir, "mvn", "--quiet", "--batch-mode", "package")
		}); err != nil {
			return nil, err
		}
		return &streams{dir: dir, variant: variant, version: jarVersion(filepath.Join(dir, "target", "lib"), "kafka-streams-")}, nil
	}
}

// jarVersion finds the version in the name of a jar.
func jarVersion(dir, prefix string) string {
	jars, err := filepath.Glob(filepath.Join(dir, prefix+"*.jar"))
	if err != nil || len(jars) == 0 {
		return ""
	}
	return strings.TrimSuffix(strings.TrimPrefix(filepath.Base(jars[0]), prefix), ".jar")
}

func (s *streams) Version() string { return s.version }

// Spec starts it. It has begun when it says so.
func (s *streams) Spec(r *Run) (*Spec, error) {
	args := []string{"@" + filepath.Join(s.dir, "jvm.options"), "-jar", filepath.Join(s.dir, "target", "kstreams.jar"), "-variant", s.variant}
	return &Spec{Path: "java", Args: append(args, peerArgs(r)...), First: saysFirst}, nil
}
