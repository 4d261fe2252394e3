package lab

import (
	"errors"
	"time"

	"github.com/callstream/enricher/bench/internal/measure"
)

// moment is what the clocks said.
type moment struct {
	at      time.Time
	cpu     time.Duration
	machine measure.Machine
	err     error
}

func now(pid int) moment {
	m := moment{at: time.Now()}
	m.cpu, m.err = measure.CPUTime(pid)
	if m.err == nil {
		m.machine, m.err = measure.MachineNow()
	}
	return m
}

// warmedUp notes the clocks when the warm-up is over. Offsets are a little more than events, by one for each
// transaction and partition: less than a thousandth.
func (r *run) warmedUp(done int64) {
	if r.WarmUp == 0 || r.warm != nil || done < r.WarmUp {
		return
	}
	r.cold = done
	for _, p := range r.procs {
		r.warm = append(r.warm, now(p.Pid()))
	}
}

// read reads all clocks.
func (r *run) read(f *Figures) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	begun := r.began[0].at
	from := r.began
	if r.warm != nil {
		from = r.warm
	}
	first := from[0]
	*f = Figures{Events: f.Events, ColdEvents: r.cold, RSS: f.RSS, FirstOut: f.FirstOut}
	end := time.Now()
	var machine measure.Machine
	for i, p := range r.procs {
		m := now(p.Pid())
		if err := errors.Join(m.err, r.began[i].err, from[i].err); err != nil {
			return err
		}
		f.CPU += (m.cpu - from[i].cpu).Seconds()
		f.ColdCPU += (from[i].cpu - r.began[i].cpu).Seconds()
		f.StartCPU += r.began[i].cpu.Seconds()
		if r.began[i].at.Before(begun) {
			begun = r.began[i].at
		}
		if from[i].at.Before(first.at) {
			first = from[i]
		}
		machine = m.machine
	}
	f.Wall, f.Start = end.Sub(first.at).Seconds(), begun.Sub(r.started).Seconds()
	if spent := machine.Sub(first.machine); spent.Total > 0 {
		f.Busy, f.Stolen = spent.Busy.Seconds()/spent.Total.Seconds(), spent.Stolen.Seconds()/spent.Total.Seconds()
	}
	for i, p := range r.procs {
		memory, err := measure.MemoryOf(p.Pid())
		if err != nil {
			return err
		}
		if err := r.meters[i].Read(); err != nil {
			return err
		}
		wire := r.meters[i].Total()
		f.PeakRSS = max(f.PeakRSS, memory.Peak)
		f.Sent, f.Received, f.Connections = f.Sent+wire.Sent, f.Received+wire.Received, f.Connections+wire.Connections
	}
	return nil
}

// lookEvery is how often connections are looked at, before they are closed. A look takes the kernel some milliseconds: it goes
// through all connections of the machine.
const lookEvery = 250 * time.Millisecond

func (r *run) look() error {
	if time.Since(r.looked) < lookEvery {
		return nil
	}
	r.looked = time.Now()
	for i, m := range r.meters {
		select {
		case <-r.procs[i].Exited():
			return r.procs[i].Ended()
		default:
		}
		if err := m.Read(); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) sample(f *Figures, done int64) error {
	s := Sample{At: time.Since(r.started).Seconds(), Done: done}
	for _, p := range r.procs {
		memory, err := measure.MemoryOf(p.Pid())
		if err != nil {
			return err
		}
		cpu, err := measure.CPUTime(p.Pid())
		if err != nil {
			return err
		}
		s.RSS, s.CPU = s.RSS+memory.Resident, s.CPU+cpu.Seconds()
	}
	f.RSS = append(f.RSS, s)
	return nil
}
