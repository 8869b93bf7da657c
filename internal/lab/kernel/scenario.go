package kernel

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// figure is one number that a scenario measured, and what it has to be.
type figure struct {
	name    string
	value   float64
	unit    string
	least   bool    // the bars are lower bounds; else upper ones
	bar     float64 // for the median over the rounds
	worst   float64 // for the worst round; equal to bar if nothing else is asked
	noBar   bool    // shown for its own sake
	details string
}

func atLeast(name string, value float64, unit string, bar, worst float64) figure {
	return figure{name: name, value: value, unit: unit, least: true, bar: bar, worst: worst}
}

func atMost(name string, value float64, unit string, bar, worst float64) figure {
	return figure{name: name, value: value, unit: unit, bar: bar, worst: worst}
}

func shown(name string, value float64, unit string) figure {
	return figure{name: name, value: value, unit: unit, noBar: true}
}

// scenario is one row of the matrix.
type scenario struct {
	name, about string
	run         func(ctx context.Context, b bench) ([]figure, error)
}

// bench is what a scenario runs on: a laboratory, and how long things take in it.
type bench struct {
	run   func(ctx context.Context, p path, flows []flow) (trace, error)
	scale float64
}

// The ports of the first flows, and what a run excludes at its start.
const (
	ours, theirs = 7001, 5001
	warmUp       = 10 * time.Second
	// aloneTime bounds the runs of a competitor alone, which only have to show its steady rate.
	aloneTime = 40 * time.Second
)

// last is a length of the matrix, scaled, of whole seconds and at least six of them.
func (b bench) last(d time.Duration) time.Duration {
	return max(time.Duration(b.scale*d.Seconds()+0.5)*time.Second, 6*time.Second)
}

// warm is what is excluded at the start of a run of length d: ten seconds, a third of a short run.
func warm(d time.Duration) time.Duration { return min(warmUp, d/3) }

// scenarios are the rows, in the order in which they run.
func scenarios() []scenario {
	return []scenario{
		{"1", "100 Mbit/s, 40 ms, 1 MB: alone", alone},
		{"3a", "10 Mbit/s, 40 ms, 256 KB: ramp", ramp},
		{"4", "10 Mbit/s, 40 ms, 256 KB: one Reno, 1.5 s earlier", besideReno},
		{"5", "50 Mbit/s, 30 ms, 375 KB: one CUBIC, both orders; it leaves at three quarters", besideCUBIC},
		{"6", "50 Mbit/s, 20, 40, 100 ms, 1 and 4 BDP: one BBR", besideBBR},
		{"7", "10 Mbit/s, 40 ms, 16 KB: alone, and with one CUBIC", shallow},
		{"9", "10 Mbit/s, 40 ms, 256 KB: two of ours, 0.3, 1.5, 10 s apart", latecomer},
		{"11", "50 Mbit/s, 40 ms, 500 KB: ten of ours and one CUBIC", many},
		{"12", "50 Mbit/s, 50 ms, 312 KB: random loss of 0.1, 1, 3 %", lossy},
		{"14", "50 Mbit/s, 40 ms, 500 KB: 60 ms more at a third, back at two", detour},
	}
}

// choose returns the scenarios of these names, or all of them.
func choose(names []string) ([]scenario, error) {
	all := scenarios()
	if len(names) == 0 {
		return all, nil
	}
	var chosen []scenario
	for _, name := range names {
		found := false
		for _, s := range all {
			if s.name == name {
				chosen, found = append(chosen, s), true
			}
		}
		if !found {
			return nil, fmt.Errorf("there is no scenario %q: choose from %s", name, strings.Join(Names(), ", "))
		}
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

// percent of a whole.
func percent(part, whole float64) float64 { return 100 * part / whole }

func ms(d time.Duration) float64 { return d.Seconds() * 1e3 }
