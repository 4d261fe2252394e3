package measure

import (
	"encoding/binary"
	"io"
	"math"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// TestMain makes the test binary itself the process that is looked at, if it is asked to.
func TestMain(m *testing.M) {
	switch os.Getenv("MEASURE_TEST") {
	case "burn": // takes 300 ms of processor time by its own count, says so, and waits
		for used := time.Duration(0); used < 300*time.Millisecond; {
			var u unix.Rusage
			if unix.Getrusage(unix.RUSAGE_SELF, &u) != nil {
				os.Exit(2)
			}
			used = time.Duration(u.Utime.Nano() + u.Stime.Nano())
		}
		_, _ = os.Stdout.WriteString("done\n")
		_, _ = io.Copy(io.Discard, os.Stdin)
	case "grow": // touches 64 MiB, lets go of it, and waits
		b, err := unix.Mmap(-1, 0, 64<<20, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
		if err != nil {
			os.Exit(2)
		}
		for i := 0; i < len(b); i += 4096 {
			b[i] = 1
		}
		if unix.Munmap(b) != nil {
			os.Exit(2)
		}
		_, _ = os.Stdout.WriteString("done\n")
		_, _ = io.Copy(io.Discard, os.Stdin)
	default:
		os.Exit(m.Run())
	}
}

// child starts this binary as another process and waits until it has done its part.
func child(t *testing.T, part string) int {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "MEASURE_TEST="+part)
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		require.NoError(t, in.Close())
		require.NoError(t, cmd.Wait())
	})
	line := make([]byte, len("done\n"))
	_, err = io.ReadFull(out, line)
	require.NoError(t, err)
	return cmd.Process.Pid
}

func TestCPUTimeOfAnotherProcess(t *testing.T) {
	pid := child(t, "burn")
	got, err := CPUTime(pid)
	require.NoError(t, err)
	require.GreaterOrEqual(t, got, 300*time.Millisecond)
	require.Less(t, got, 450*time.Millisecond) // start and end of a Go program are 10 ms or so
	mine, err := CPUTime(os.Getpid())
	require.NoError(t, err)
	require.NotEqual(t, mine, got)
}

func TestCPUTimeOfNoProcess(t *testing.T) {
	_, err := CPUTime(1 << 22) // beyond the largest id
	require.ErrorContains(t, err, "CPU clock")
}

func TestMemoryOfAnotherProcess(t *testing.T) {
	m, err := MemoryOf(child(t, "grow"))
	require.NoError(t, err)
	require.Greater(t, m.Peak, int64(64<<20))
	require.Less(t, m.Resident, int64(48<<20))
	require.Positive(t, m.Resident)
}

func TestMemoryBroken(t *testing.T) {
	_, err := MemoryOf(1 << 22)
	require.ErrorContains(t, err, "read memory")
	path := filepath.Join(t.TempDir(), "status")
	for text, want := range map[string]string{"VmRSS: 12 kB\n": "VmHWM", "VmHWM: x kB\nVmRSS: 1 kB\n": "VmHWM"} {
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		_, err := memoryIn(path)
		require.ErrorContains(t, err, want)
	}
}

func TestMachine(t *testing.T) {
	m, err := machineIn([]byte("cpu  100 20 30 1000 50 1 2 7 9 9\ncpu0 1\n"))
	require.NoError(t, err)
	require.Equal(t, Machine{Busy: 1530 * time.Millisecond, Stolen: 70 * time.Millisecond, Total: 12100 * time.Millisecond}, m)
	require.Equal(t, Machine{}, m.Sub(m))
	for _, text := range []string{"", "cpu 1 2 3", "cpu a 2 3 4 5 6 7 8"} {
		_, err := machineIn([]byte(text))
		require.Error(t, err)
	}
	_, err = MachineNow()
	require.NoError(t, err)
}

func TestWire(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close() //nolint:errcheck // nothing was written
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		_, _ = io.CopyN(c, c, 100_000)
		_, _ = io.Copy(io.Discard, c)
	}()
	m := NewMeter(os.Getpid())
	require.NoError(t, m.Read())
	before := m.Total()
	c, err := net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	defer c.Close() //nolint:errcheck // closed before
	go func() { _, _ = c.Write(make([]byte, 100_000)) }()
	_, err = io.ReadFull(c, make([]byte, 100_000))
	require.NoError(t, err)
	require.Eventually(t, func() bool { // the last acknowledgement may be on its way
		require.NoError(t, m.Read())
		return m.Total() == Wire{Sent: before.Sent + 200_001, Received: before.Received + 200_000, Connections: before.Connections + 2}
	}, 5*time.Second, 10*time.Millisecond) // both ends are this process's
	after := m.Total()
	require.NoError(t, c.Close())
	require.NoError(t, m.Read())
	require.Equal(t, after, m.Total(), "what has been closed still counts")
}

func TestWireBroken(t *testing.T) {
	require.ErrorContains(t, NewMeter(1<<22).Read(), "open files")
	none := func(uint32, uint64, uint64) { t.Error("found something") }
	long := make([]byte, 20)
	binary.NativeEndian.PutUint32(long, 21)
	short := make([]byte, 20)
	binary.NativeEndian.PutUint32(short, 20)
	refused := append([]byte(nil), short...)
	binary.NativeEndian.PutUint16(refused[4:], unix.NLMSG_ERROR)
	for name, b := range map[string][]byte{"longer than it is": long, "too short": short, "refused": refused} {
		_, err := messages(b, none)
		require.ErrorIs(t, err, errDiag, name)
	}
	_, err := attribute([]byte{9, 0, 0, 0, 0}, 1)
	require.ErrorIs(t, err, errDiag)
}

func TestSummary(t *testing.T) {
	require.Equal(t, Range{}, Summary(nil))
	require.Equal(t, Range{Median: 3, Min: 1, Max: 9, N: 3}, Summary([]float64{9, 1, 3}))
	require.Equal(t, Range{Median: 2.5, Min: 1, Max: 9, N: 4}, Summary([]float64{9, 1, 3, 2}))
}

func TestRatios(t *testing.T) {
	// In round 2 everything took twice as long; in round 3 one of them failed.
	got := Ratios(map[int]float64{1: 1, 2: 2, 4: 1.5}, map[int]float64{1: 2, 2: 4, 3: 2, 4: 2})
	require.Equal(t, Range{Median: 0.5, Min: 0.5, Max: 0.75, N: 3}, got)
	require.Equal(t, Range{}, Ratios(map[int]float64{1: 1}, map[int]float64{1: 0}))
}

func TestPercentile(t *testing.T) {
	hundred := make([]float64, 100)
	for i := range hundred {
		hundred[i] = float64(i + 1)
	}
	for p, want := range map[float64]float64{0: 1, 0.5: 50, 0.501: 51, 0.99: 99, 0.999: 100, 1: 100} {
		require.InDelta(t, want, Percentile(hundred, p), 0, "%v", p)
	}
	require.True(t, math.IsNaN(Percentile(nil, 0.5)))
}
