package matrix

import (
	"slices"
	"strings"
	"time"
)

// Trace is what happened on a path, for a picture. Series begin at time 0.
type Trace struct {
	Name  string
	Step  time.Duration // between the values of Queue and Window
	Queue []float64     // wait at the bottleneck, ms: the longest in the Step that begins there
	Flows []FlowTrace

	RateStep time.Duration // between the values of Rate
}

// FlowTrace is one flow of a Trace.
type FlowTrace struct {
	Name   string
	Rate   []float64 // goodput, Mbit/s, over the RateStep that ends there
	Window []float64 // congestion window, KB
}

// rateStep is the time over which rates are taken for a picture.
const rateStep = 200 * time.Millisecond

// traces makes Traces of what was looked at.
func traces(labs []*lab) []Trace {
	var all []Trace
	for _, l := range labs {
		t := Trace{Name: l.name, Step: flowStep, RateStep: rateStep}
		// The longest, as a link that sends at regular times would show any one of its phases.
		for part := range slices.Chunk(l.queue, int(flowStep/queueStep)) {
			t.Queue = append(t.Queue, float64(slices.Max(part))/1000)
		}
		for _, f := range l.flows {
			t.Flows = append(t.Flows, f.trace())
		}
		slices.SortStableFunc(t.Flows, func(a, b FlowTrace) int { return rivalry(a.Name) - rivalry(b.Name) })
		all = append(all, t)
	}
	return all
}

// rivalry is 0 for a flow of ours and 1 for another: pictures have ours first, in the same colour everywhere.
func rivalry(name string) int {
	if strings.HasPrefix(name, "Ebb") {
		return 0
	}
	return 1
}

func (f *flow) trace() FlowTrace {
	t := FlowTrace{Name: f.name, Rate: []float64{0}}
	if f.sender == nil {
		return t
	}
	for _, w := range f.windows {
		t.Window = append(t.Window, float64(w)/1000)
	}
	end := time.Duration(len(f.delivered)-1) * flowStep
	for at := rateStep; at <= end; at += rateStep {
		t.Rate = append(t.Rate, f.goodput(at-rateStep, at)/mbit)
	}
	return t
}
