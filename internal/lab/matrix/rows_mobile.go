package matrix

import (
	"fmt"
	"math/rand/v2"
	"time"

	"example.com/ebb/congestion/cubic"
	"example.com/ebb/internal/lab/simnet"
)

// mobileRows are those on links whose rate wanders, and those with several of ours on noisy paths.
func mobileRows(recorded []Recording) []Scenario {
	n4 := Scenario{Row: "N4", Title: "traces of mobile links, 50 ms, 500 KB, 120 s: alone, beside what CUBIC alone gets"}
	for _, m := range mobiles(recorded) {
		n4.Cases = append(n4.Cases, Case{
			Name: m.named(""), Full: !m.daily,
			Bars:    []Bar{about("of CUBIC's goodput, %", 85), {Figure: "queue p95 / CUBIC's", Most: true, Median: 0.5, Worst: 0.55}},
			Measure: func(e *Env) []Figure { return e.beyondCUBIC(m.path(e)) },
		})
	}
	bars := []Bar{about("link, %", 80), ownQueue()}
	return []Scenario{n4,
		{Row: "N8", Title: "3 to 50 Mbit/s, 40 ms, 625 KB, 60 s: the rate changes; alone", Cases: []Case{
			{Name: "anew each second", Bars: bars, Measure: func(e *Env) []Figure {
				rng := rand.New(rand.NewPCG(e.Seed, 8))
				r := &simnet.Rates{Every: second}
				for range 60 {
					r.Steps = append(r.Steps, (3*mbit+rng.Int64N(47*mbit+1))/8)
				}
				return e.changing(r)
			}},
			{Name: "in steps of 5 s", Full: true, Bars: bars, Measure: func(e *Env) []Figure {
				r := &simnet.Rates{Every: 5 * second}
				for _, rate := range []int64{50, 10, 30, 3, 20, 50, 3, 40, 5, 50, 25, 12} {
					r.Steps = append(r.Steps, rate*mbit/8)
				}
				return e.changing(r)
			}},
		}},
		{Row: "F", Title: "noisy paths, 120 s: two of ours, 5 s apart, or four on a mobile link", Cases: fairOnNoise(recorded)},
	}
}

// beyondCUBIC compares ours with CUBIC on the same path.
func (e *Env) beyondCUBIC(p path) []Figure {
	length := e.lasting(120*second, 25*second)
	theirs := e.lab("CUBIC alone", p)
	competitor := theirs.bulk("CUBIC", cubic.Unpaced(), 0)
	theirs.until(length)
	l := e.lab("alone", p)
	f := l.ebb("Ebb", 0)
	l.until(length)
	queue, full := l.queueAt(95, settling, length), theirs.queueAt(95, settling, length)
	return []Figure{
		{"of CUBIC's goodput, %", 100 * f.goodput(settling, length) / competitor.goodput(settling, length)},
		{"queue p95 / CUBIC's", queue / full},
		{"goodput, Mbit/s", f.goodput(settling, length) / mbit},
		{"CUBIC's, Mbit/s", competitor.goodput(settling, length) / mbit},
		{"queue p50, ms", l.queueAt(50, settling, length)},
		{"queue p95, ms", queue},
		{"CUBIC's queue p95, ms", full},
		{"lost, %", f.lost()},
	}
}

// changing is one flow of ours on a link with such rates. Its share is of what the link could carry then.
func (e *Env) changing(r *simnet.Rates) []Figure {
	length := e.lasting(60*second, 25*second)
	l := e.lab("alone", path{rate: r.Mean() * 8, rtt: noisyRTT, buffer: noisyBuffer, probed: true, out: func(c *simnet.LinkConfig) {
		c.Schedule = r
	}})
	f := l.ebb("Ebb", 0)
	l.until(length)
	carried := 0.0
	for at := settling; at < length; at += second {
		carried += 8 * float64(r.Steps[int(at/r.Every)%len(r.Steps)])
	}
	mean := carried / (length - settling).Seconds()
	figures := []Figure{
		{"link, %", 100 * f.goodput(settling, length) / mean},
		{"queue p50, ms", l.queueAt(50, settling, length)},
		{"queue p95, ms", l.queueAt(95, settling, length)},
		{"drops", l.dropped()},
	}
	figures = append(figures, l.own(settling, length)...)
	return append(figures, Figure{"unavoidable p95, ms", lagging(r, noisyRTT, settling, length)})
}

// lagging is the 95th percentile of the queue, in ms, of a sender that knows the rate and the queue exactly, a round
// trip late: it sends at the rate there was, less what empties the queue there was within a round trip.
func lagging(r *simnet.Rates, rtt, from, to time.Duration) float64 {
	const step = ms
	rate := func(at time.Duration) float64 { return float64(r.Steps[int(max(at, 0)/r.Every)%len(r.Steps)]) }
	lag := int(rtt / step)
	queues := make([]float64, lag) // bytes, every step
	var waits []float64
	for at := time.Duration(0); at < to; at += step {
		was := queues[len(queues)-lag]
		sent := max(0, rate(at-rtt)*step.Seconds()-was/float64(lag))
		queue := max(0, queues[len(queues)-1]+sent-rate(at)*step.Seconds())
		queues = append(queues, queue)
		if at >= from {
			waits = append(waits, queue/rate(at)*1000)
		}
	}
	return percentile(95, waits)
}

// fairOnNoise are the cases with several flows of ours.
func fairOnNoise(recorded []Recording) []Case {
	bars := []Bar{{Figure: "Jain", Median: 0.95, Worst: 0.90}}
	var cases []Case
	for _, two := range []struct {
		row  string
		path noisy
	}{{"N1", named(aggregatePaths(), "every 10 ms")}, {"N2", named(jitterPaths(), "20 ms")}} {
		cases = append(cases, Case{
			Name: fmt.Sprintf("two on %s, %s", two.row, two.path.name), Full: two.row != "N1", Bars: bars,
			Measure: func(e *Env) []Figure {
				return e.sharing(two.path.path(), 2, 5*second, e.lasting(120*second, 30*second))
			},
		})
	}
	for _, m := range mobiles(recorded) {
		cases = append(cases, Case{Name: m.named("four on "), Full: true, Bars: bars, Measure: func(e *Env) []Figure {
			return e.sharing(m.path(e), 4, second, e.lasting(120*second, 30*second))
		}})
	}
	return cases
}

// sharing is flows of ours that begin one after the other.
func (e *Env) sharing(p path, n int, apart, length time.Duration) []Figure {
	l := e.lab("sharing", p)
	var flows []*flow
	for i := range n {
		flows = append(flows, l.ebb(fmt.Sprintf("Ebb %d", i+1), time.Duration(i)*apart))
	}
	l.until(length)
	from := time.Duration(n-1)*apart + settling
	return []Figure{
		{"Jain", jain(rates(flows, from, length))},
		{"link used, %", l.used(from, length)},
		{"queue p50, ms", l.queueAt(50, from, length)},
		{"queue p95, ms", l.queueAt(95, from, length)},
	}
}
