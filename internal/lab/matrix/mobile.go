package matrix

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"example.com/ebb/internal/lab/simnet"
)

// Recording is a rate trace that was recorded on a mobile link.
type Recording struct {
	Name  string // of its file
	Trace *simnet.Trace
}

// Recordings reads the traces in mahimahi's format of a directory: files that end in .up or .down. An error names the
// file and its line.
func Recordings(dir string) ([]Recording, error) {
	var all []Recording
	for _, end := range []string{"down", "up"} {
		names, err := filepath.Glob(filepath.Join(dir, "*."+end))
		if err != nil {
			return nil, fmt.Errorf("matrix: %w", err)
		}
		for _, name := range names {
			trace, err := readTrace(name)
			if err != nil {
				return nil, fmt.Errorf("matrix: %s: %w", name, err)
			}
			all = append(all, Recording{Name: filepath.Base(name), Trace: trace})
		}
	}
	return all, nil
}

func readTrace(name string) (*simnet.Trace, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return simnet.ParseTrace(f)
}

// recordedPrefix begins the names of the cases that only a machine with recordings has.
const recordedPrefix = "recorded "

// mobile is a mobile link: its trace, and where in it a seed begins.
type mobile struct {
	name     string
	daily    bool
	trace    func(seed uint64) *simnet.Trace
	recorded bool
}

// traceLength is how long a generated trace lasts before it begins again, as the recorded ones do.
const traceLength = 140 * second

// generated are links that are like recorded ones: Verizon's LTE down and up, T-Mobile's, and AT&T's from a moving car.
func generated() []mobile {
	like := func(name string, daily bool, m simnet.Mobile) mobile {
		return mobile{name: name, daily: daily, trace: func(seed uint64) *simnet.Trace { return m.Trace(traceLength, seed) }}
	}
	return []mobile{
		like("LTE, 5 Mbit/s", true, simnet.Mobile{Mean: 5 * mbit / 8, Spread: 105, Over: 3500 * ms, Pauses: 8, Longest: 1400 * ms}),
		like("LTE, 6 Mbit/s", false, simnet.Mobile{Mean: 6 * mbit / 8, Spread: 110, Over: 2500 * ms, Pauses: 6, Longest: 1700 * ms}),
		like("LTE, 13 Mbit/s", false, simnet.Mobile{Mean: 13 * mbit / 8, Spread: 110, Over: 12 * second, Clump: 2, Pauses: 2, Longest: 700 * ms}),
		like("LTE, driving, 2 Mbit/s", false, simnet.Mobile{Mean: 1900 * kbit / 8, Spread: 160, Over: 1500 * ms, Pauses: 10, Longest: 4100 * ms}),
	}
}

// mobiles are the links of all rows with traces: those that are generated, then the recorded ones.
func mobiles(recorded []Recording) []mobile {
	all := generated()
	for _, r := range recorded {
		all = append(all, mobile{name: r.Name, recorded: true, trace: func(uint64) *simnet.Trace { return r.Trace }})
	}
	return all
}

// named is the name of a case on the link: what it is, and which link.
func (m mobile) named(what string) string {
	if m.recorded {
		return recordedPrefix + what + m.name
	}
	return what + m.name
}

// path is the link with 50 ms and 500 KB. A seed has a generated trace of its own, and of a recorded one a beginning.
func (m mobile) path(e *Env) path {
	trace, start := m.trace(e.Seed), time.Duration(0)
	if m.recorded {
		start = time.Duration(e.Seed*7919%uint64(trace.Length()/ms)) * ms
	}
	return path{
		rate: trace.Mean() * 8, rtt: 50 * ms, buffer: 500 * kb,
		out: func(c *simnet.LinkConfig) { c.Schedule = trace.From(start) },
	}
}
