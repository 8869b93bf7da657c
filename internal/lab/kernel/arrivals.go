package kernel

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"
)

const (
	// received, added to a port, is where a trace has what the receiver's application of a watched flow got.
	received = 1 << 16
	// fine is the width of its intervals: netlab's are too wide for a start.
	fine = 10 * time.Millisecond
	// perByte is what a byte of the application costs on the link: headers of IP, UDP and Ebb.
	perByte = 1500.0 / 1450
)

// watchName is the file in the laboratory's folder that a watched receiver writes to.
const watchName = "watched"

// arrivals reads what a watched receiver writes, as it comes.
type arrivals struct {
	file *os.File
	name string
	done chan struct{}
	rows series // since the first byte, in intervals of fine
}

// watchArrivals makes the pipe for a receiver and begins to read it. Close ends that.
func watchArrivals(dir string) (*arrivals, error) {
	a := &arrivals{name: filepath.Join(dir, watchName), done: make(chan struct{})}
	// The system call is not there on every system that this has to build for.
	if out, err := exec.Command("mkfifo", "-m", "600", a.name).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("a pipe for what is received: %w\n%s", err, out)
	}
	// Open for writing too, so that neither side has to wait for the other.
	file, err := os.OpenFile(a.name, os.O_RDWR, 0)
	if err != nil {
		os.Remove(a.name)
		return nil, fmt.Errorf("a pipe for what is received: %w", err)
	}
	a.file = file
	go a.read()
	return a, nil
}

func (a *arrivals) read() {
	defer close(a.done)
	var began time.Time
	buffer := make([]byte, 64<<10)
	for {
		n, err := a.file.Read(buffer)
		if err != nil {
			return
		}
		if began.IsZero() {
			began = time.Now()
		}
		a.note(time.Since(began), n)
	}
}

// note counts bytes at a time since the first.
func (a *arrivals) note(since time.Duration, n int) {
	at := since.Truncate(fine) + fine
	if k := len(a.rows); k > 0 && a.rows[k-1].at == at {
		a.rows[k-1].bytes += perByte * float64(n)
		return
	}
	a.rows = append(a.rows, row{at: at, bytes: perByte * float64(n), queue: -1})
}

// close ends the reading and returns what came.
func (a *arrivals) close() series {
	a.file.Close()
	os.Remove(a.name)
	<-a.done
	return a.rows
}

// watched is the flow whose receiver is watched, if there is one.
func watched(flows []flow) (flow, bool) {
	i := slices.IndexFunc(flows, func(f flow) bool { return f.watched })
	if i < 0 {
		return flow{}, false
	}
	return flows[i], true
}
