package measure

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Usage is what a process has used up, or holds.
type Usage struct {
	CPU        time.Duration // in its own code and in the kernel's, since it began
	RSS        int64         // resident bytes
	Goroutines int
}

// ProcessorTime is what this process has used so far.
func ProcessorTime() (time.Duration, error) {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0, fmt.Errorf("reading this process's times: %w", err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano()), nil
}

// settledUsage is this process's, after it gave back what memory it could.
func settledUsage() (Usage, error) {
	debug.FreeOSMemory()
	debug.FreeOSMemory() // what finalizers let go of
	cpu, err := ProcessorTime()
	if err != nil {
		return Usage{}, err
	}
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return Usage{}, err
	}
	rss, err := residentPages(statm)
	if err != nil {
		return Usage{}, err
	}
	return Usage{CPU: cpu, RSS: rss * int64(os.Getpagesize()), Goroutines: runtime.NumGoroutine()}, nil
}

func residentPages(statm []byte) (int64, error) {
	fields := bytes.Fields(statm)
	if len(fields) < 2 {
		return 0, fmt.Errorf("/proc/self/statm says %q", statm)
	}
	return strconv.ParseInt(string(fields[1]), 10, 64)
}

// Datagrams is the kernel's count of UDP datagrams of this network namespace.
type Datagrams struct{ In, Out uint64 }

// CountDatagrams reads /proc/net/snmp.
func CountDatagrams() (Datagrams, error) {
	text, err := os.ReadFile("/proc/net/snmp")
	if err != nil {
		return Datagrams{}, err
	}
	return parseDatagrams(string(text))
}

// parseDatagrams finds the two lines that begin with "Udp:", the first of
// which names the columns of the second.
func parseDatagrams(snmp string) (Datagrams, error) {
	var names []string
	for line := range strings.Lines(snmp) {
		fields := strings.Fields(line)
		if len(fields) == 0 || fields[0] != "Udp:" {
			continue
		}
		if names == nil {
			names = fields
			continue
		}
		return datagramsOf(names, fields)
	}
	return Datagrams{}, fmt.Errorf("/proc/net/snmp has no line of UDP's numbers")
}

func datagramsOf(names, values []string) (Datagrams, error) {
	var d Datagrams
	found := 0
	for i, name := range names {
		var to *uint64
		switch name {
		case "InDatagrams":
			to = &d.In
		case "OutDatagrams":
			to = &d.Out
		default:
			continue
		}
		if i >= len(values) {
			break
		}
		n, err := strconv.ParseUint(values[i], 10, 64)
		if err != nil {
			return Datagrams{}, fmt.Errorf("/proc/net/snmp, %s: %w", name, err)
		}
		*to = n
		found++
	}
	if found != 2 {
		return Datagrams{}, fmt.Errorf("/proc/net/snmp lacks InDatagrams or OutDatagrams")
	}
	return d, nil
}

// ErrShortCut is that the kernel has not counted the bytes that moved: what
// was measured is not a network.
var ErrShortCut = errors.New("the bytes did not cross the kernel")

// CheckCrossed returns ErrShortCut unless the counts grew by enough for all of n
// bytes to have crossed the kernel in datagrams of at most size bytes. Sending
// may hand over a train of up to 64 KiB as one, whatever the receiver is given.
func (d Datagrams) CheckCrossed(after Datagrams, n int64, size int) error {
	const train = 65535 - 28
	needIn, needOut := uint64(n)/uint64(size), uint64(n)/train
	if in, out := after.In-d.In, after.Out-d.Out; in < needIn || out < needOut {
		return fmt.Errorf("%w: %d moved, but it counted %d datagrams in and %d out, less than %d and %d",
			ErrShortCut, n, in, out, needIn, needOut)
	}
	return nil
}
