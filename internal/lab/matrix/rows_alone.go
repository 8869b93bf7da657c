package matrix

import (
	"fmt"
	"time"

	"example.com/ebb/internal/lab/simnet"
)

const (
	ms     = time.Millisecond
	second = time.Second
	minute = time.Minute
)

// aloneRows are those with one flow of ours on a path that does not change.
func aloneRows() []Scenario {
	return []Scenario{
		{Row: "1", Title: "100 Mbit/s, 40 ms, 1 MB, 120 s: alone", Cases: []Case{{
			Bars: []Bar{
				{Figure: "link, %", Median: 96, Worst: 94},
				atMost("queue p50, ms", 30), atMost("queue p95, ms", 60), atMost("drops", 0),
			},
			Measure: func(e *Env) []Figure {
				return e.alone(path{rate: 100 * mbit, rtt: 40 * ms, buffer: mb}, e.lasting(120*second, 20*second))
			},
		}}},
		{Row: "2", Title: "1 Gbit/s, 10 ms, 1.25 MB, 60 s: alone", Cases: []Case{{
			Bars: []Bar{atLeast("link, %", 92), atMost("queue p95, ms", 8)},
			Measure: func(e *Env) []Figure {
				return e.alone(path{rate: 1000 * mbit, rtt: 10 * ms, buffer: 1250 * kb}, e.lasting(60*second, 11*second))
			},
		}}},
		{Row: "3", Title: "the ramp, alone", Cases: []Case{
			{
				Name: "10 Mbit/s, 40 ms, 256 KB, 10 s",
				Bars: []Bar{atMost("90 % after, ms", 350), atMost("retransmitted, %", 0.5)},
				Measure: func(e *Env) []Figure {
					return e.ramp(path{rate: 10 * mbit, rtt: 40 * ms, buffer: 256 * kb}, 90, 10*second)
				},
			}, {
				Name: "1 Gbit/s, 100 ms, 12.5 MB, 20 s",
				Bars: []Bar{atMost("80 % after, ms", 1500), atMost("retransmitted, %", 0.5)},
				Measure: func(e *Env) []Figure {
					return e.ramp(path{rate: 1000 * mbit, rtt: 100 * ms, buffer: 12500 * kb}, 80, e.lasting(20*second, 3*second))
				},
			},
		}},
		{Row: "19", Title: "20 Mbit/s, 40 ms, 1.25 MB, 60 min: soak", Cases: []Case{{
			Bars:    []Bar{atMost("queue p50 grew by, ms", 5), atLeast("link, %", 95)},
			Measure: soak,
		}}},
		{Row: "21", Title: "10 Mbit/s policer, 64 KB bucket, 40 ms, 60 s: alone", Cases: []Case{{
			Bars:    []Bar{atLeast("link, %", 85), atMost("lost, %", 2)},
			Measure: policed,
		}}},
	}
}

// alone is one flow of ours from the beginning.
func (e *Env) alone(p path, length time.Duration) []Figure {
	l := e.lab("alone", p)
	f := l.bulk("Ebb", e.Subject, 0)
	l.until(length)
	return l.lonely(f, settling, length)
}

// lonely is the figures of a flow that has a path for itself.
func (l *lab) lonely(f *flow, from, to time.Duration) []Figure {
	return []Figure{
		{"link, %", f.share(from, to)},
		{"queue p50, ms", l.queueAt(50, from, to)},
		{"queue p95, ms", l.queueAt(95, from, to)},
		{"drops", l.dropped()},
		{"lost, %", f.lost()},
	}
}

// ramp is a start: how long after the handshake the receiver has had a share of the link, in percent,
// for 100 ms.
func (e *Env) ramp(p path, share float64, length time.Duration) []Figure {
	l := e.lab("ramp", p)
	f := l.bulk("Ebb", e.Subject, 0)
	l.until(length)
	after := f.reaches(f.open, share/100*float64(p.rate), 100*ms)
	return []Figure{
		{fmt.Sprintf("%g %% after, ms", share), after.Seconds() * 1000},
		{"retransmitted, %", f.retransmitted()},
		{"drops", l.dropped()},
		{"longest queue, ms", l.queueAt(100, 0, length)},
	}
}

// soak compares the first minutes of an hour with its last.
func soak(e *Env) []Figure {
	length, part := e.lasting(60*minute, 2*minute), e.lasting(5*minute, 30*second)
	p := path{rate: 20 * mbit, rtt: 40 * ms, buffer: 1250 * kb}
	l := e.lab("soak", p)
	f := l.bulk("Ebb", e.Subject, 0)
	l.until(length)
	first, last := l.queueAt(50, settling, part), l.queueAt(50, length-part, length)
	return []Figure{
		{"queue p50 grew by, ms", last - first},
		{"queue p50 at the end, ms", last},
		{"link, %", f.share(settling, length)},
		{"drops", l.dropped()},
	}
}

// policed is a fast link whose first hop drops what exceeds a token bucket: loss without a queue.
func policed(e *Env) []Figure {
	const rate = 10 * mbit
	l := e.lab("policer", path{rate: rate, rtt: 40 * ms, buffer: mb, out: func(c *simnet.LinkConfig) {
		c.Rate = 100 * mbit / 8
		c.Policer = simnet.Policer{Rate: rate / 8, Bucket: 64 * kb}
	}})
	length := e.lasting(60*second, 30*second)
	f := l.bulk("Ebb", e.Subject, 0)
	l.until(length)
	return l.lonely(f, settling, length)
}
