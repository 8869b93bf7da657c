package matrix

import (
	"fmt"
	"math"
	"time"
)

// fairRows are those with several flows of ours.
func fairRows() []Scenario {
	var latecomers []Case
	for _, apart := range []time.Duration{300 * ms, 1500 * ms, 10 * second} {
		latecomers = append(latecomers, Case{
			Name:    fmt.Sprintf("%g s apart", apart.Seconds()),
			Bars:    []Bar{atMost("furthest from half in 10 s, %", 5), atLeast("least Jain in 10 s", 0.99)},
			Measure: func(e *Env) []Figure { return latecomer(e, apart) },
		})
	}
	unequal := make([]time.Duration, 8)
	for i := range unequal {
		unequal[i] = time.Duration(i+1) * 20 * ms
	}
	return []Scenario{
		{Row: "9", Title: "10 Mbit/s, 40 ms, 256 KB, 120 s: two of ours", Cases: latecomers},
		{Row: "10", Title: "50 Mbit/s, 500 KB, 180 s: eight of ours, 5 s apart", Cases: []Case{
			{
				Name: "40 ms", Bars: []Bar{atLeast("Jain", 0.99), atMost("queue p95, ms", 70)},
				Measure: func(e *Env) []Figure { return eight(e, 40*ms, make([]time.Duration, 8)) },
			}, {
				Name: "20 to 160 ms", Bars: []Bar{atLeast("Jain", 0.95), atMost("queue p95, ms", 70)},
				Measure: func(e *Env) []Figure { return eight(e, 20*ms, unequal) },
			},
		}},
	}
}

// latecomer is a flow that finds another there. Windows of 10 s begin every second from 20 s after it.
func latecomer(e *Env, apart time.Duration) []Figure {
	l := e.lab("two", path{rate: 10 * mbit, rtt: 40 * ms, buffer: 256 * kb})
	length := e.lasting(120*second, 50*second)
	flows := []*flow{l.bulk("Ebb", e.Subject, 0), l.bulk("Ebb, later", e.Subject, apart)}
	l.until(length)
	from := (flows[1].begin + 20*second).Truncate(flowStep)
	off, least := 0.0, 1.0
	for t := from; t+10*second <= length; t += second {
		r := rates(flows, t, t+10*second)
		off = max(off, math.Abs(100*r[1]/(r[0]+r[1])-50))
		least = min(least, jain(r))
	}
	r := rates(flows, from, length)
	return []Figure{
		{"furthest from half in 10 s, %", off},
		{"least Jain in 10 s", least},
		{"latecomer's share, %", 100 * r[1] / (r[0] + r[1])},
		{"link used, %", l.used(from, length)},
		{"queue p95, ms", l.queueAt(95, from, length)},
	}
}

// eight is eight flows; their round trips are the path's or of their own.
func eight(e *Env, rtt time.Duration, rtts []time.Duration) []Figure {
	l := e.lab("eight", path{rate: 50 * mbit, rtt: rtt, buffer: 500 * kb})
	length, apart := e.lasting(180*second, 30*second), e.lasting(5*second, second)
	var flows []*flow
	for i, own := range rtts {
		flows = append(flows, l.bulkWith(fmt.Sprintf("Ebb %d", i+1), e.Subject, time.Duration(i)*apart, flowOptions{rtt: own}))
	}
	l.until(length)
	from := time.Duration(len(rtts))*apart + settling
	r := rates(flows, from, length)
	least, most := math.Inf(1), 0.0
	for _, v := range r {
		least, most = min(least, v), max(most, v)
	}
	return []Figure{
		{"Jain", jain(r)},
		{"queue p95, ms", l.queueAt(95, from, length)},
		{"link used, %", l.used(from, length)},
		{"least share, %", 100 * least / float64(l.path.rate)},
		{"largest share, %", 100 * most / float64(l.path.rate)},
	}
}
