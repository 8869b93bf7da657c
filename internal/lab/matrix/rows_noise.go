package matrix

import (
	"fmt"
	"slices"
	"time"

	"example.com/ebb/internal/lab/simnet"
)

// The path of the rows whose names begin with N: 100 ms of buffer.
const (
	noisyRate   = 50 * mbit
	noisyRTT    = 40 * ms
	noisyBuffer = 625 * kb
)

// noisy is a path whose delays vary of themselves.
type noisy struct {
	name      string
	daily     bool // part of a quick run of everything
	out, back func(*simnet.LinkConfig)
	bar       Bar // of the share of the link of one flow of ours alone
}

// path is the path of the noise.
func (n noisy) path() path {
	return path{rate: noisyRate, rtt: noisyRTT, buffer: noisyBuffer, out: n.out, back: n.back, probed: true}
}

// ownQueue is the bar that keeps a controller from filling a buffer where it cannot tell its own queue from the
// path's noise.
func ownQueue() Bar { return Bar{Figure: "own queue p95, ms", Most: true, Median: 15, Worst: 20} }

// noiseRows are those with one flow of ours on paths whose delays vary of themselves.
func noiseRows() []Scenario {
	row := func(name, title string, paths []noisy) Scenario {
		s := Scenario{Row: name, Title: title}
		for _, n := range paths {
			s.Cases = append(s.Cases, Case{
				Name: n.name, Full: !n.daily, Bars: []Bar{n.bar, ownQueue()},
				Measure: func(e *Env) []Figure { return e.noisyAlone(n.path()) },
			})
		}
		return s
	}
	return []Scenario{
		row("N1", "50 Mbit/s, 40 ms, 625 KB, 60 s: departures in aggregates, as on Wi-Fi; alone", aggregatePaths()),
		row("N2", "50 Mbit/s, 40 ms, 625 KB, 60 s: jitter that keeps the order; alone", jitterPaths()),
		row("N3", "50 Mbit/s, 40 ms, 625 KB, 60 s: packets that overtake; alone", overtakingPaths()),
		{Row: "N5", Title: "50 Mbit/s, 50 ms, 312 KB, 60 s: much random loss; alone", Cases: []Case{
			lossCase("5 %", 0.05, 70, true), lossCase("10 %", 0.10, 50, false),
		}},
	}
}

// named is the one of the paths with this name.
func named(paths []noisy, name string) noisy {
	return paths[slices.IndexFunc(paths, func(n noisy) bool { return n.name == name })]
}

func aggregatePaths() []noisy {
	var all []noisy
	for _, every := range []time.Duration{4 * ms, 8 * ms, 10 * ms, 15 * ms, 20 * ms, 30 * ms} {
		all = append(all, noisy{
			name: fmt.Sprintf("every %g ms", every.Seconds()*1000), daily: every == 10*ms || every == 20*ms,
			out: func(c *simnet.LinkConfig) { c.Schedule = simnet.Aggregates{Every: every} },
			bar: about("link, %", 98),
		})
	}
	return all
}

func jitterPaths() []noisy {
	var all []noisy
	for _, jitter := range []time.Duration{5 * ms, 10 * ms, 20 * ms, 30 * ms} {
		change := func(c *simnet.LinkConfig) { c.Jitter = jitter }
		bar := Bar{Figure: "link, %", Median: 97, Worst: 90}
		if jitter == 30*ms {
			bar.Worst = 85
		}
		name := fmt.Sprintf("%g ms", jitter.Seconds()*1000)
		all = append(all,
			noisy{name: name, daily: jitter == 10*ms, out: change, bar: bar},
			noisy{name: name + ", both ways", daily: jitter == 30*ms, out: change, back: change, bar: bar})
	}
	return all
}

func overtakingPaths() []noisy {
	bar := Bar{Figure: "link, %", Median: 95, Worst: 88}
	var all []noisy
	for _, jitter := range []time.Duration{2 * ms, 5 * ms, 10 * ms} {
		change := func(c *simnet.LinkConfig) { c.FreeJitter = jitter }
		all = append(all, noisy{
			name: fmt.Sprintf("free jitter of %g ms", jitter.Seconds()*1000), daily: jitter == 10*ms,
			out: change, back: change, bar: bar,
		})
	}
	for _, fraction := range []float64{0.001, 0.01, 0.05} {
		early := func(by time.Duration) func(*simnet.LinkConfig) {
			return func(c *simnet.LinkConfig) { c.Reorder, c.ReorderBy = fraction, by }
		}
		percent := fmt.Sprintf("%g %% early by ", 100*fraction)
		all = append(all,
			noisy{name: percent + "10 ms", daily: fraction == 0.01, out: early(10 * ms), back: early(10 * ms), bar: bar},
			// On both ways it would be a round trip of no time.
			noisy{name: percent + "20 ms, one way", out: early(noisyRTT / 2), bar: bar})
	}
	return all
}

func lossCase(name string, loss, bar float64, daily bool) Case {
	return Case{Name: name, Full: !daily, Bars: []Bar{about("link, %", bar)}, Measure: func(e *Env) []Figure {
		p := path{rate: 50 * mbit, rtt: 50 * ms, buffer: 312 * kb, out: func(c *simnet.LinkConfig) { c.Loss = loss }}
		return e.alone(p, e.lasting(60*second, 15*second))
	}}
}

// noisyAlone is one flow of ours from the beginning.
func (e *Env) noisyAlone(p path) []Figure {
	length := e.lasting(60*second, 14*second)
	l := e.lab("alone", p)
	f := l.ebb("Ebb", 0)
	l.until(length)
	return append(l.lonely(f, settling, length), l.own(settling, length)...)
}

// own is what ours has added, between two times, to the delays that the path has of itself: the difference of what
// a packet sees beside it and of what a single packet a second sees.
func (l *lab) own(from, to time.Duration) []Figure {
	noise := l.noise()
	seen := append([]uint32(nil), l.delays[from/queueStep:to/queueStep]...)
	return []Figure{
		{"own queue p95, ms", (percentile(95, seen) - noise) / 1000},
		{"noise p95, ms", noise / 1000},
	}
}

// noise is the 95th percentile of the delay, beyond propagation, of a packet a second that has the path for itself, µs.
func (l *lab) noise() float64 {
	const packets, apart = 1000, second + 618*time.Microsecond // no multiple of what the path does at regular times
	link := simnet.NewLink(l.out.Config(), l.seed)
	var seen []uint32
	for i := range packets {
		now := time.Duration(i) * apart
		seen = append(seen, uint32(link.Probe(now, i)/time.Microsecond))
	}
	return percentile(95, seen)
}
