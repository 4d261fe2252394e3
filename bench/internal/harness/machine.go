package harness

import (
	"bufio"
	"bytes"
	"context"
	"os"
	"os/exec"
	"runtime"
	"sort"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/callstream/enricher/bench/internal/contest"
	"github.com/callstream/enricher/bench/internal/kafka"
	"github.com/callstream/enricher/bench/internal/plan"
	"github.com/callstream/enricher/bench/internal/result"
)

// describe notes what everything ran on and how it was set.
func (o *Options) describe(ctx context.Context, b *plan.Bench, logs string) {
	r := b.Result
	r.Command = "make bench"
	if o.Smoke {
		r.Command = "make bench-smoke"
	}
	if o.Only != "" || len(o.Who) > 0 {
		r.Command = strings.TrimSpace("go -C bench run ./cmd/bench -only " + o.Only + " -who " + strings.Join(o.Who, ","))
	}
	r.Machine = machine(logs)
	r.Revision = contest.Revision(ctx, o.Root)
	r.Versions = []result.Named{
		{Name: "enricher", Value: r.Revision},
		{Name: "Apache Kafka", Value: kafka.Version()},
		{Name: "Go", Value: strings.TrimPrefix(runtime.Version(), "go")},
		{Name: "Java", Value: firstLine(ctx, "java", "-version")},
	}
	for name, value := range kafka.Properties() {
		r.Broker = append(r.Broker, result.Named{Name: name, Value: value})
	}
	sort.Slice(r.Broker, func(i, j int) bool { return r.Broker[i].Name < r.Broker[j].Name })
	r.Broker = append(r.Broker, result.Named{Name: "Java heap", Value: strconv.Itoa(kafka.HeapMB) + " MB"})
	r.Config = contest.Config(&contest.Run{
		Brokers: []string{"127.0.0.1:9092"}, In: "calls.raw", Out: "calls.enriched", Dead: "calls.dead", Group: "enricher",
		Compression: "none", Delivery: contest.ExactlyOnce,
	})
	r.Fields = contest.Fields()
}

func machine(logs string) result.Machine {
	m := result.Machine{Cores: runtime.NumCPU(), Model: "unknown", Kernel: "unknown", Logs: logs, MemoryGB: int(meminfo("MemTotal") >> 30)}
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		if model := value(text, "model name"); model != "" {
			m.Model = model
		}
	}
	var u unix.Utsname
	if unix.Uname(&u) == nil {
		m.Kernel = unix.ByteSliceToString(u.Sysname[:]) + " " + unix.ByteSliceToString(u.Release[:]) + " " + unix.ByteSliceToString(u.Machine[:])
	}
	return m
}

// value finds a line such as "name : value".
func value(text []byte, name string) string {
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		if k, v, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(k) == name {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

// meminfo is a line of /proc/meminfo, in bytes; 0 if it is not there.
func meminfo(name string) int64 {
	text, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0
	}
	n, err := strconv.ParseInt(strings.TrimSuffix(value(text, name), " kB"), 10, 64)
	if err != nil {
		return 0
	}
	return n << 10
}

// available is the memory that can be had without pushing anything out, in bytes.
func available() int64 { return meminfo("MemAvailable") }

// fileSystem says what a directory is on.
func fileSystem(dir string) string {
	const (
		tmpfs = 0x01021994
		ext   = 0xef53
		xfs   = 0x58465342
		btrfs = 0x9123683e
		over  = 0x794c7630
	)
	var fs unix.Statfs_t
	if unix.Statfs(dir, &fs) != nil {
		return "unknown"
	}
	switch fs.Type {
	case tmpfs:
		return "tmpfs (memory)"
	case ext:
		return "ext4"
	case xfs:
		return "xfs"
	case btrfs:
		return "btrfs"
	case over:
		return "overlayfs"
	default:
		return "0x" + strconv.FormatInt(fs.Type, 16)
	}
}

// firstLine is what a command says about its version.
func firstLine(ctx context.Context, name string, args ...string) string {
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	if err != nil {
		return "unknown"
	}
	line, _, _ := strings.Cut(string(out), "\n")
	return strings.TrimSpace(line)
}
