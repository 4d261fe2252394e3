package measure

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Memory is what a process has in memory, in bytes.
type Memory struct {
	Resident int64 // now
	Peak     int64 // at most so far
}

// MemoryOf reads the memory of a process.
func MemoryOf(pid int) (Memory, error) {
	return memoryIn(filepath.Join("/proc", strconv.Itoa(pid), "status"))
}

func memoryIn(path string) (Memory, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return Memory{}, fmt.Errorf("read memory: %w", err)
	}
	var m Memory
	for name, to := range map[string]*int64{"VmRSS": &m.Resident, "VmHWM": &m.Peak} {
		if *to, err = kilobytes(text, name); err != nil {
			return Memory{}, fmt.Errorf("read memory in %s: %w", path, err)
		}
	}
	return m, nil
}

// kilobytes finds a line such as "VmRSS:   1234 kB".
func kilobytes(text []byte, name string) (int64, error) {
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		value, ok := strings.CutPrefix(lines.Text(), name+":")
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", name, err)
		}
		return n << 10, nil
	}
	return 0, fmt.Errorf("%s is not in it", name)
}

// Machine is how the whole machine's processors have spent their time since it was started.
type Machine struct {
	Busy   time.Duration // not idle, and not stolen
	Stolen time.Duration // wanted, but the host gave it to other guests
	Total  time.Duration // of all processors together
}

// Sub is what has passed since before.
func (m Machine) Sub(before Machine) Machine {
	return Machine{Busy: m.Busy - before.Busy, Stolen: m.Stolen - before.Stolen, Total: m.Total - before.Total}
}

// MachineNow reads /proc/stat.
func MachineNow() (Machine, error) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return Machine{}, fmt.Errorf("read processors' times: %w", err)
	}
	return machineIn(text)
}

// machineIn reads a line such as "cpu  user nice system idle iowait irq softirq steal guest guest_nice".
// Guests' times are in user and nice already.
func machineIn(text []byte) (Machine, error) {
	line, _, _ := bytes.Cut(text, []byte("\n"))
	fields := strings.Fields(string(line))
	const idle, iowait, steal, used = 4, 5, 8, 9
	if len(fields) < used || fields[0] != "cpu" {
		return Machine{}, fmt.Errorf("read processors' times: %q is not the line wanted", line)
	}
	var m Machine
	for i := 1; i < used; i++ {
		n, err := strconv.ParseInt(fields[i], 10, 64)
		if err != nil {
			return Machine{}, fmt.Errorf("read processors' times: %w", err)
		}
		d := time.Duration(n) * tick
		m.Total += d
		switch i {
		case idle, iowait:
		case steal:
			m.Stolen += d
		default:
			m.Busy += d
		}
	}
	return m, nil
}

// tick is the unit of /proc/stat: USER_HZ is 100 on all that Linux runs on today.
const tick = 10 * time.Millisecond
