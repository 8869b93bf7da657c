package matrix

import (
	"time"

	"example.com/ebb/internal/lab/simnet"
)

// pathRows are those on paths that change, or lie about time and order.
func pathRows() []Scenario {
	return []Scenario{
		{Row: "14", Title: "50 Mbit/s, 40 ms, 500 KB, 180 s: base +60 ms at 60 s, -60 ms at 120 s", Cases: []Case{{
			Bars:    []Bar{atMost("90 % after the rise, s", 10), atMost("90 % after the fall, s", 2)},
			Measure: baseSteps,
		}}},
		{Row: "15", Title: "10, 4, 10 Mbit/s, 40 ms, 256 KB, 90 s: steps at 30 and 60 s", Cases: []Case{{
			Bars:    []Bar{atMost("queue p50 from 2 s after, ms", 60), atMost("90 % after the rise, s", 5)},
			Measure: rateSteps,
		}}},
		{Row: "16", Title: "20 Mbit/s, 40 ms, 500 KB, 30 min: clocks", Cases: clockCases()},
		{Row: "17", Title: "50 Mbit/s, 20 ms, 500 KB, 60 s: jitter, reordering", Cases: []Case{
			{
				Name: "10 ms jitter", Bars: []Bar{atLeast("link, %", 85)},
				Measure: func(e *Env) []Figure {
					p := path{rate: 50 * mbit, rtt: 20 * ms, buffer: 500 * kb}
					p.out = func(c *simnet.LinkConfig) { c.Jitter = 10 * ms }
					return e.alone(p, e.lasting(60*second, 30*second))
				},
			}, {
				Name: "2 % reordered", Bars: []Bar{atLeast("of clean, %", 95)}, Measure: reordered,
			},
		}},
	}
}

func baseSteps(e *Env) []Figure {
	l := e.lab("base steps", path{rate: 50 * mbit, rtt: 40 * ms, buffer: 500 * kb})
	rise, fall, length := e.lasting(60*second, 20*second), e.lasting(120*second, 35*second), e.lasting(180*second, 40*second)
	f := l.bulk("Ebb", e.Subject, 0)
	l.change(rise, func(c *simnet.LinkConfig) { c.Delay += 60 * ms })
	l.change(fall, func(c *simnet.LinkConfig) { c.Delay -= 60 * ms })
	l.until(length)
	return []Figure{
		{"90 % after the rise, s", min(f.regains(rise, 90), fall-rise).Seconds()},
		{"90 % after the fall, s", f.regains(fall, 90).Seconds()},
		{"link, %", f.share(settling, length)},
		{"queue p95, ms", l.queueAt(95, settling, length)},
		{"drops", l.dropped()},
	}
}

// regains is how long after a step the receiver has had a share of the link, in percent, for 200 ms.
// Nothing arrives in the 60 ms after a rise of the delay.
func (f *flow) regains(at time.Duration, share float64) time.Duration {
	return f.reaches(at, share/100*float64(f.lab.path.rate), 200*ms)
}

func rateSteps(e *Env) []Figure {
	const high, low = 10 * mbit, 4 * mbit
	l := e.lab("rate steps", path{rate: high, rtt: 40 * ms, buffer: 256 * kb})
	f := l.bulk("Ebb", e.Subject, 0)
	down, up, length := 30*second, 60*second, 90*second
	l.change(down, func(c *simnet.LinkConfig) { c.Rate = low / 8 })
	l.change(up, func(c *simnet.LinkConfig) { c.Rate = high / 8 })
	l.until(length)
	return []Figure{
		{"queue p50 from 2 s after, ms", l.queueAt(50, down+2*second, up)},
		{"90 % after the rise, s", f.reaches(up, 0.9*high, 200*ms).Seconds()},
		{"at the low rate, %", 100 * f.goodput(down+2*second, up) / low},
		{"drops", l.dropped()},
	}
}

// clockCases compare receivers whose clocks run wrong with one whose runs right.
func clockCases() []Case {
	var cases []Case
	for _, c := range []struct {
		name  string
		clock simnet.Clock
	}{
		{"+200 ppm", simnet.Clock{PPM: 200}},
		{"-200 ppm", simnet.Clock{PPM: -200, Offset: second}},
		{"a step of +1 s", simnet.Clock{Steps: []simnet.ClockStep{{At: 60 * second, By: second}}}},
		{"a step of -1 s", simnet.Clock{Offset: 10 * second, Steps: []simnet.ClockStep{{At: 60 * second, By: -second}}}},
	} {
		cases = append(cases, Case{
			Name:    c.name,
			Bars:    []Bar{atMost("goodput off by, %", 3), atMost("queue p50 off by, ms", 5)},
			Measure: func(e *Env) []Figure { return wrongClock(e, c.clock) },
		})
	}
	return cases
}

func wrongClock(e *Env, clock simnet.Clock) []Figure {
	length := e.lasting(30*minute, 90*second)
	run := func(name string, clock simnet.Clock) (goodput, queue float64) {
		l := e.lab(name, path{rate: 20 * mbit, rtt: 40 * ms, buffer: 500 * kb})
		f := l.bulk("Ebb", e.Subject, 0)
		f.to.Clock = clock
		l.until(length)
		return f.share(settling, length), l.queueAt(50, settling, length)
	}
	right, rightQueue := run("right clock", simnet.Clock{})
	wrong, wrongQueue := run("wrong clock", clock)
	return []Figure{
		{"goodput off by, %", 100 * abs(wrong/right-1)},
		{"queue p50 off by, ms", abs(wrongQueue - rightQueue)},
		{"link, %", wrong},
		{"queue p50, ms", wrongQueue},
	}
}

func abs(v float64) float64 { return max(v, -v) }

// reordered compares with the same path in order.
func reordered(e *Env) []Figure {
	length := e.lasting(60*second, 30*second)
	run := func(name string, fraction float64) (float64, *flow) {
		p := path{rate: 50 * mbit, rtt: 20 * ms, buffer: 500 * kb}
		p.out = func(c *simnet.LinkConfig) { c.Reorder = fraction }
		l := e.lab(name, p)
		f := l.bulk("Ebb", e.Subject, 0)
		l.until(length)
		return f.share(settling, length), f
	}
	clean, _ := run("in order", 0)
	got, f := run("reordered", 0.02)
	return []Figure{
		{"of clean, %", 100 * got / clean},
		{"clean, %", clean},
		{"retransmitted, %", f.retransmitted()},
		{"lost, %", f.lost()},
	}
}
