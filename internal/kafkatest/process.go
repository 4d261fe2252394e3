package kafkatest

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"
)

// Process is a child process that can be crashed, stopped in its tracks and woken again. It is
// killed when this process dies, however that happens.
type Process struct {
	cmd     *exec.Cmd
	exited  chan struct{} // closed when the process has ended
	state   *os.ProcessState
	watcher *watcher
}

// StartProcess starts cmd, both of whose outputs are added to a file.
func StartProcess(cmd *exec.Cmd, logFile string) (*Process, error) {
	log, err := os.OpenFile(logFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	defer log.Close() //nolint:errcheck // the child has its own descriptor
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", cmd.Path, err)
	}
	p := &Process{cmd: cmd, exited: make(chan struct{})}
	go func() {
		_ = cmd.Wait() // how it ended is in its state
		p.state = cmd.ProcessState
		close(p.exited)
	}()
	if p.watcher, err = watch(cmd.Process.Pid); err != nil {
		return nil, errors.Join(err, p.Kill())
	}
	return p, nil
}

// Pid is the id of the process.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Exited is closed when the process has ended.
func (p *Process) Exited() <-chan struct{} { return p.exited }

// ExitCode is that of a process that has ended; -1 if a signal ended it.
func (p *Process) ExitCode() int { return p.state.ExitCode() }

// Running tells whether the process has not ended.
func (p *Process) Running() bool {
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

// Kill ends the process by SIGKILL, as a crash would.
func (p *Process) Kill() error { return p.end(syscall.SIGKILL, stopTime) }

// Terminate asks the process to end, by SIGTERM. It is an error if that takes longer than
// limit; then the process writes to its log what it is at, and is killed.
func (p *Process) Terminate(limit time.Duration) error {
	if err := p.end(syscall.SIGTERM, limit); err != nil {
		return errors.Join(err, p.Dump())
	}
	return nil
}

// Dump makes the process write to its log what all its threads or goroutines are at, by
// SIGQUIT, and ends it.
func (p *Process) Dump() error {
	if p.end(syscall.SIGQUIT, dumpTime) == nil {
		return nil
	}
	return p.Kill() // Java goes on after SIGQUIT
}

// Pause stops the process in its tracks, by SIGSTOP: its connections stay open and
// nothing answers on them.
func (p *Process) Pause() error { return p.signal(syscall.SIGSTOP) }

// Resume lets a paused process go on, by SIGCONT; it does not know that time has passed.
func (p *Process) Resume() error { return p.signal(syscall.SIGCONT) }

func (p *Process) signal(s syscall.Signal) error {
	if err := p.cmd.Process.Signal(s); err != nil {
		return fmt.Errorf("signal process %d: %w", p.Pid(), err)
	}
	return nil
}

// end sends a signal to the process and waits until it has ended.
func (p *Process) end(s syscall.Signal, limit time.Duration) error {
	if p.Running() {
		if err := p.signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return err
		}
	}
	timeout := time.NewTimer(limit)
	defer timeout.Stop()
	select {
	case <-p.exited:
		p.watcher.dismiss()
		return nil
	case <-timeout.C:
		return fmt.Errorf("process %d did not end within %s of %s", p.Pid(), limit, s)
	}
}

// dumpTime is for writing stacks.
const dumpTime = 2 * time.Second

// watcher is a process that kills another one when this one dies: a test that is killed
// or runs into its time limit runs no clean-up. It waits on a pipe that nobody
// but this process holds open.
type watcher struct {
	cmd  *exec.Cmd
	pipe io.Closer
}

func watch(pid int) (*watcher, error) {
	//nolint:noctx // our own argument; it ends by itself
	cmd := exec.Command("/bin/sh", "-c", `cat >/dev/null; kill -9 "$1" 2>/dev/null`, "sh", strconv.Itoa(pid))
	pipe, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("watch process: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("watch process: %w", err)
	}
	return &watcher{cmd, pipe}, nil
}

// dismiss ends the watcher without a kill: the process is gone and its id may be another's.
func (w *watcher) dismiss() {
	if w == nil || w.cmd == nil {
		return
	}
	_ = w.cmd.Process.Kill()
	_ = w.pipe.Close()
	_ = w.cmd.Wait()
	w.cmd = nil
}
