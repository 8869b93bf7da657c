package matrix

import (
	"fmt"
	"time"

	"example.com/ebb/internal/lab/simnet"
)

// spiralCases are long paths on which several timeouts come before the transfer that counts. Where
// every timeout halves the threshold of slow start, nothing is left of it by then.
func spiralCases() []Case {
	var cases []Case
	for _, rtt := range []time.Duration{135 * ms, 166 * ms} {
		cases = append(cases, Case{
			Name:    fmt.Sprintf("%g ms", rtt.Seconds()*1000),
			Bars:    []Bar{atMost("time / clean", 2), atLeast("timeouts before", 8)},
			Measure: func(e *Env) []Figure { return spiral(e, rtt) },
		})
	}
	return cases
}

const (
	spiralTimeouts = 8
	spiralEvery    = 6 * second // from one outage to the next
	spiralOutage   = 3 * second
	spiralSize     = 2300 * kb
	spiralFirst    = second
	spiralBegin    = spiralFirst + spiralTimeouts*spiralEvery + 4*second
)

// spiral is a connection that moves 600 KB every six seconds. Soon after each has begun the path goes
// dead for three seconds, eight times over; then 2.3 MB are to be moved while bursts take 0.2 % of the
// packets. The same on a clean path is what it is compared with.
func spiral(e *Env, rtt time.Duration) []Figure {
	clean, _ := e.spiralRun("clean", rtt, false)
	took, timeouts := e.spiralRun("after timeouts", rtt, true)
	return []Figure{
		{"time / clean", took / clean},
		{"timeouts before", timeouts},
		{"time, ms", took},
		{"clean, ms", clean},
	}
}

// spiralRun returns how long the transfer took, in ms, and how many timeouts the controller was told
// of before.
func (e *Env) spiralRun(name string, rtt time.Duration, hostile bool) (took, timeouts float64) {
	l := e.lab(name, path{rate: 10 * mbit, rtt: rtt, buffer: 256 * kb})
	c := l.chunked("Ebb", e.Subject)
	c.every(spiralEvery, spiralFirst, spiralFirst+spiralTimeouts*spiralEvery, 600*kb)
	if hostile {
		for i := range spiralTimeouts {
			at := spiralFirst + time.Duration(i)*spiralEvery + rtt + 50*ms
			l.change(at, func(c *simnet.LinkConfig) { c.Loss = 1 })
			l.change(at+spiralOutage, func(c *simnet.LinkConfig) { c.Loss = 0 })
		}
		l.change(spiralBegin, func(c *simnet.LinkConfig) { c.Burst = simnet.BurstLoss(0.002, 5) })
	}
	l.At(spiralBegin, func() {
		timeouts = float64(c.flow.sent().PersistentCongestion)
		c.took, c.queue = nil, nil
		c.add(spiralSize)
	})
	l.RunUntil(spiralBegin+5*minute, func() bool { return len(c.took) > 0 && l.Now() > spiralBegin })
	return c.percentiles()[0].Value, timeouts
}
