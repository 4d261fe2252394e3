package contest

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Process is a contestant that runs. It is killed when this process dies.
type Process struct {
	cmd    *exec.Cmd
	first  chan struct{} // closed at the line that says that it has begun
	exited chan struct{} // closed when it has ended and all it wrote has been read
	err    error         // of its end

	mu       sync.Mutex
	tail     [][]byte // the last lines on both outputs, for error messages
	assigned Assignment
}

// Spec is how a process is started.
type Spec struct {
	Path string
	Args []string
	Env  []string // added to this process's
	// First recognises the line, on either output, that says that the process has begun.
	First func(line []byte) bool
	// Assigned reads a line that says which partitions the process was assigned; nil if it does not say so.
	Assigned func(line []byte) (Assignment, bool)
	// Log, if not nil, gets all lines.
	Log io.Writer
}

// Assignment is what a process has of its group's partitions.
type Assignment struct{ Generation, Partitions int }

// Start starts a process. atFirst is called at its first line, as soon as that is read.
func Start(spec *Spec, atFirst func(pid int)) (*Process, error) {
	p := &Process{first: make(chan struct{}), exited: make(chan struct{})}
	p.cmd = exec.Command(spec.Path, spec.Args...) //nolint:noctx // it is asked to end first, see Stop
	p.cmd.Env = append(os.Environ(), spec.Env...)
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", spec.Path, err)
	}
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", spec.Path, err)
	}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", spec.Path, err)
	}
	var once sync.Once
	begun := func() {
		once.Do(func() {
			atFirst(p.cmd.Process.Pid)
			close(p.first)
		})
	}
	var readers sync.WaitGroup
	for _, out := range []io.Reader{stdout, stderr} {
		readers.Go(func() { p.read(out, spec, begun) })
	}
	go func() {
		readers.Wait()
		p.err = p.cmd.Wait()
		close(p.exited)
	}()
	return p, nil
}

// maxLine is the longest line kept whole; stacks have shorter ones.
const (
	maxLine  = 64 << 10
	maxLines = 20
	maxShown = 500 // of a line, in an error
)

func (p *Process) read(out io.Reader, spec *Spec, begun func()) {
	lines := bufio.NewReaderSize(out, maxLine)
	for {
		line, err := lines.ReadSlice('\n')
		if len(line) > 0 {
			if spec.First(bytes.TrimSpace(line)) {
				begun()
			}
			if spec.Assigned != nil {
				if a, ok := spec.Assigned(line); ok {
					p.assign(a)
				}
			}
			p.keep(line, spec.Log)
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return
		}
	}
}

func (p *Process) assign(a Assignment) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.assigned = a
}

// Assigned is the last assignment that the process spoke of.
func (p *Process) Assigned() Assignment {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.assigned
}

func (p *Process) keep(line []byte, log io.Writer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if log != nil {
		_, _ = log.Write(line) // the log is for people to look at
	}
	if p.tail = append(p.tail, bytes.Clone(bytes.TrimSpace(line))); len(p.tail) > maxLines {
		p.tail = p.tail[1:]
	}
}

// Pid is the process's id.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Exited is closed when the process has ended.
func (p *Process) Exited() <-chan struct{} { return p.exited }

// AwaitFirst waits for the line that says that the process has begun.
func (p *Process) AwaitFirst(ctx context.Context) error {
	select {
	case <-p.first:
		return nil
	case <-p.exited:
		select {
		case <-p.first: // both
			return nil
		default:
			return p.failure("it ended before it had begun")
		}
	case <-ctx.Done():
		return p.failure("it has not begun in time")
	}
}

// Failure says that the process did something that it should not have, with its last lines.
func (p *Process) failure(what string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	last := make([]string, len(p.tail))
	for i, line := range p.tail {
		last[i] = string(line[:min(len(line), maxShown)])
	}
	return fmt.Errorf("%s; its last lines: %s", what, strings.Join(last, " | "))
}

// Ended says how the process ended, which it should not have done.
func (p *Process) Ended() error {
	<-p.exited
	return p.failure(fmt.Sprintf("it ended by itself (%v)", p.cmd.ProcessState))
}

// Stop asks the process to end, by SIGTERM, and waits. It is an error if that takes longer than limit, when it is killed,
// or if the exit code is not 0.
func (p *Process) Stop(limit time.Duration) error {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended, which shows below
	timeout := time.NewTimer(limit)
	defer timeout.Stop()
	select {
	case <-p.exited:
	case <-timeout.C:
		p.Kill()
		return p.failure(fmt.Sprintf("it did not end within %s of SIGTERM", limit))
	}
	if p.err != nil {
		return p.failure(fmt.Sprintf("it did not end well after SIGTERM (%v)", p.cmd.ProcessState))
	}
	return nil
}

// Kill ends the process at once, and waits.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill() // it may have ended
	<-p.exited
}
