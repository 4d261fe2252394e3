//go:build k8s

package k8s_test

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"time"
)

// podLog is a log in the format of the container runtime interface, which is what `kubectl logs` is given.
type podLog struct {
	*io.PipeWriter
	done chan struct{}
}

func newLog(file string) (*podLog, error) {
	f, err := os.Create(file)
	if err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	r, w := io.Pipe()
	l := &podLog{w, make(chan struct{})}
	go func() {
		defer close(l.done)
		for lines := bufio.NewScanner(r); lines.Scan(); {
			_, _ = fmt.Fprintf(f, "%s stdout F %s\n", time.Now().UTC().Format(time.RFC3339Nano), lines.Text())
		}
		_, _ = io.Copy(io.Discard, r) // after a line that is too long
		_ = f.Close()
	}()
	return l, nil
}

func (l *podLog) close() {
	_ = l.Close()
	<-l.done
}
