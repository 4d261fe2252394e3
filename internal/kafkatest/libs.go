package kafkatest

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"github.com/rogpeppe/go-internal/lockedfile"
)

// DefaultVersion is the Apache Kafka that tests run against.
const DefaultVersion = "4.3.1"

// Environment variables that change where the jars come from.
const (
	envVersion = "ENRICHER_KAFKA_VERSION" // instead of DefaultVersion
	envLibs    = "ENRICHER_KAFKA_LIBS"    // a directory of jars; nothing is downloaded then
)

// downloadTime bounds Maven; the jars are about 124 MB.
const downloadTime = 5 * time.Minute

//go:embed pom.xml
var pom []byte

// libs returns a directory with the jars of a broker and its tools. They are
// downloaded once, into the user's cache; a file lock keeps test binaries that run at
// the same time from doing it twice.
func libs(ctx context.Context) (string, error) {
	if dir := os.Getenv(envLibs); dir != "" {
		if jars, _ := filepath.Glob(filepath.Join(dir, "kafka-clients-*.jar")); len(jars) == 0 {
			return "", fmt.Errorf("%s=%s: no kafka-clients jar in it", envLibs, dir)
		}
		return dir, nil
	}
	version := os.Getenv(envVersion)
	if version == "" {
		version = DefaultVersion
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find cache directory for Kafka's jars: %w", err)
	}
	return download(ctx, filepath.Join(cache, "callstream-enricher"), version)
}

// download fills parent/kafka-<version>, which exists only when complete.
func download(ctx context.Context, parent, version string) (string, error) {
	dir := filepath.Join(parent, "kafka-"+version)
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return "", fmt.Errorf("make cache directory: %w", err)
	}
	unlock, err := lockedfile.MutexAt(dir + ".lock").Lock()
	if err != nil {
		return "", fmt.Errorf("lock cache directory: %w", err)
	}
	defer unlock()
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	work, err := os.MkdirTemp(parent, "download-")
	if err != nil {
		return "", fmt.Errorf("make download directory: %w", err)
	}
	defer os.RemoveAll(work) //nolint:errcheck // only litter would be left
	if err := os.WriteFile(filepath.Join(work, "pom.xml"), pom, 0o600); err != nil {
		return "", fmt.Errorf("write pom.xml: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, downloadTime)
	defer cancel()
	jars := filepath.Join(work, "libs")
	cmd := exec.CommandContext(ctx, "mvn", "--quiet", "--batch-mode", "--file", filepath.Join(work, "pom.xml"),
		"-Dkafka.version="+version, "dependency:copy-dependencies", "-DoutputDirectory="+jars)
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("download Apache Kafka %s with Maven (or set %s to a directory of its jars): %w\n%s", version, envLibs, err, tail(out))
	}
	if err := os.Rename(jars, dir); err != nil {
		return "", fmt.Errorf("keep Kafka's jars: %w", err)
	}
	return dir, nil
}

// javaRuntime is how the jars are run.
type javaRuntime struct {
	libs   string // directory
	log4j  string // configuration file
	heapMB int
	level  string // of log messages
}

func (r javaRuntime) withLevel(level string) javaRuntime {
	r.level = level
	return r
}

// major is the major version of the jars, by the name of one; 4 if there is none of that name.
func (r javaRuntime) major() int {
	if jars, _ := filepath.Glob(filepath.Join(r.libs, "kafka-clients-3.*.jar")); len(jars) > 0 {
		return 3 //nolint:mnd // as the name says
	}
	return 4 //nolint:mnd // what the tools are written for
}

func (r javaRuntime) command(ctx context.Context, class string, args ...string) *exec.Cmd {
	all := []string{
		"-Xmx" + strconv.Itoa(r.heapMB) + "m",
		"-Dlog4j2.configurationFile=" + r.log4j, "-Dkafkatest.level=" + r.level,
		"-cp", filepath.Join(r.libs, "*"), class,
	}
	return exec.CommandContext(ctx, "java", append(all, args...)...)
}

// maxTail is how much of a log goes into a failure's message, in bytes.
const maxTail = 6 << 10

func tail(b []byte) []byte {
	if len(b) > maxTail {
		return append([]byte("… "), b[len(b)-maxTail:]...)
	}
	return b
}
