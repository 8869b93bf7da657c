package kernel

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// scenario is one row of the matrix.
type scenario struct {
	name, about string
	missing     string // what it would need, if that is not there
	run         func(ctx context.Context, b bench) ([]figure, error)
}

// bench is what a scenario runs on: a laboratory, and how long things take in it.
type bench struct {
	run    func(ctx context.Context, p path, flows []flow) (trace, error)
	scale  float64
	traces string // folder of recorded links
}

// The ports of the first flows, and what a run excludes at its start.
const (
	ours, theirs = 7001, 5001
	warmUp       = 10 * time.Second
	// aloneTime bounds the runs of a competitor alone, which only have to show its steady rate.
	aloneTime = 15 * time.Second
)

// last is a length of the matrix, scaled, of whole seconds and at least six of them.
func (b bench) last(d time.Duration) time.Duration {
	return max(time.Duration(b.scale*d.Seconds()+0.5)*time.Second, 6*time.Second)
}

// warm is what is excluded at the start of a run of length d: ten seconds, a third of a short run.
func warm(d time.Duration) time.Duration { return min(warmUp, d/3) }

// scenarios are the rows, in the order in which they run. Their lengths are the shortest that the question of the row
// allows: some periods of what a competitor does again and again, and the time that a bar gives.
func scenarios() []scenario {
	return []scenario{
		{name: "1", about: "100 Mbit/s, 40 ms, 1 MB: alone", run: alone},
		{name: "3a", about: "10 Mbit/s, 40 ms, 256 KB: ramp", run: ramp},
		{name: "4", about: "10 Mbit/s, 40 ms, 256 KB: one Reno, 1.5 s earlier", run: besideReno},
		{name: "5", about: "50 Mbit/s, 30 ms, 375 KB: one CUBIC, both orders", run: besideCUBIC},
		{name: "6", about: "50 Mbit/s, 20, 40, 100 ms, 1 and 4 BDP: one BBR", run: besideBBR},
		{name: "7", about: "10 Mbit/s, 40 ms, 16 KB: alone, and with one CUBIC", run: shallow},
		{name: "9", about: "10 Mbit/s, 40 ms, 256 KB: two of ours, 0.3, 1.5, 10 s apart", run: latecomer},
		{name: "11", about: "50 Mbit/s, 40 ms, 500 KB: ten of ours and one CUBIC", run: many},
		{name: "12", about: "50 Mbit/s, 50 ms, 312 KB: random loss of 0.1, 1, 3 %", run: lossy},
		{name: "14", about: "50 Mbit/s, 40 ms, 500 KB: 60 ms more at a third, back at two", run: detour},
		{name: "N1", about: "50 Mbit/s, 40 ms, 500 KB, departures every 10 ms: alone, and with one CUBIC", run: aggregated},
		{name: "N2", about: "50 Mbit/s, 40 ms, 500 KB, order-keeping jitter of 20 ms: alone, and with one CUBIC", run: jittery},
		{name: "N3", about: "50 Mbit/s, 40 ms, 500 KB, 1 % of the packets 10 ms early: alone, and with one CUBIC", run: reordered},
		{name: "LE", about: "20 Mbit/s, 40 ms, 200 ms, bands by DSCP and FQ-CoDel: with one CUBIC, and with a call", run: lowerEffort},
		{name: "N4", about: "Verizon's LTE down, 50 ms, 500 KB: alone, and with one CUBIC", run: mobile},
	}
}

// mobileTrace is the file of N4.
const mobileTrace = "Verizon-LTE-short.down"

// choose returns the scenarios that are asked for, or all of them.
func choose(o Options) ([]scenario, error) {
	if o.Calibrate {
		return chooseByWord(o.Scenarios)
	}
	all := scenarios()
	for i := range all {
		if _, err := os.Stat(filepath.Join(o.Traces, mobileTrace)); all[i].name == "N4" && (o.Traces == "" || err != nil) {
			all[i].missing = "there is no " + mobileTrace + ": --traces, or EBB_TRACES, is the folder of recorded links"
		}
	}
	if len(o.Scenarios) == 0 {
		return all, nil
	}
	var chosen []scenario
	for _, name := range o.Scenarios {
		i := slices.IndexFunc(all, func(s scenario) bool { return s.name == name })
		if i < 0 {
			return nil, fmt.Errorf("there is no scenario %q: choose from %s", name, strings.Join(Names(), ", "))
		}
		chosen = append(chosen, all[i])
	}
	return chosen, nil
}

// chooseByWord returns the calibrations whose names have one of the words.
func chooseByWord(words []string) ([]scenario, error) {
	all := calibrations()
	if len(words) == 0 {
		return all, nil
	}
	chosen := slices.DeleteFunc(all, func(s scenario) bool {
		return !slices.ContainsFunc(words, func(word string) bool { return strings.Contains(s.name, word) })
	})
	if len(chosen) == 0 {
		return nil, fmt.Errorf("no path of the calibration has a name with %s", strings.Join(words, " or "))
	}
	return chosen, nil
}

// Names lists the scenarios.
func Names() []string {
	var names []string
	for _, s := range scenarios() {
		names = append(names, s.name)
	}
	return names
}

// SetUp is what building and removing a path and starting the ends takes.
const SetUp = 1500 * time.Millisecond

// Listing is a scenario for people.
type Listing struct {
	Name, About string
	Takes       time.Duration // what one round's flows take
	Runs        int           // paths that a round builds and removes again, SetUp each
}

// Round is what one round takes in all.
func (l Listing) Round() time.Duration { return l.Takes + time.Duration(l.Runs)*SetUp }

// List says what the options would measure, and how long one round takes if nothing is repeated.
func List(o Options) ([]Listing, error) {
	chosen, err := choose(o)
	if err != nil {
		return nil, err
	}
	var all []Listing
	for _, s := range chosen {
		l := Listing{Name: s.name, About: s.about}
		count := bench{scale: o.Scale, traces: o.Traces, run: func(_ context.Context, _ path, flows []flow) (trace, error) {
			l.Takes += length(flows)
			l.Runs++
			return steadily(flows), nil
		}}
		if _, err := s.run(context.Background(), count); err != nil {
			return nil, err
		}
		all = append(all, l)
	}
	return all, nil
}

// steadily is a trace of flows that send a packet in every interval.
func steadily(flows []flow) trace {
	t := make(trace)
	for _, f := range flows {
		for at := f.after + tick; at <= f.after+f.runs; at += tick {
			t[f.port] = append(t[f.port], row{at: at, bytes: fullPacket, queue: time.Millisecond})
			if f.watched {
				t[f.port+received] = append(t[f.port+received], row{at: at, bytes: fullPacket, queue: -1})
			}
		}
	}
	return t
}

// percent of a whole.
func percent(part, whole float64) float64 { return 100 * part / whole }

func ms(d time.Duration) float64 { return d.Seconds() * 1e3 }
