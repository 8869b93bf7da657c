package matrix

import (
	"fmt"
	"time"

	"example.com/ebb/congestion/cubic"
	"example.com/ebb/internal/engine"
	"example.com/ebb/internal/lab/simnet"
)

// extraRows are those without a number. app and published have no bar: nothing was promised, but a change
// should be seen.
func extraRows() []Scenario {
	return []Scenario{
		{Row: "aqm", Title: "50 Mbit/s, 40 ms, 500 KB, 60 s: a managed queue, alone and beside CUBIC", Cases: aqmCases()},
		{Row: "app", Title: "10 Mbit/s, 40 ms, 256 KB, 60 s: senders that do not always have something to send", Cases: appCases()},
		{Row: "edge", Title: "paths at the edge of what there is", Cases: edgeCases()},
		{Row: "published", Title: "10 Mbit/s, 40 ms: paths for which others have published figures", Cases: publishedCases()},
		{Row: "relay", Title: "100 Mbit/s, 20 ms, 1 BDP, 30 s: alone, with loss", Cases: relayCases()},
		{Row: "lossless", Title: "50 Mbit/s, a queue without end: any round trip, ACKs ackDelay back", Cases: losslessCases()},
		{Row: "spiral", Title: "10 Mbit/s, 256 KB: 2.3 MB after eight timeouts, on a path with loss bursts", Cases: spiralCases()},
	}
}

// aqmCases ask for what CUBIC has alone at such a queue, 95 % of the link, and that it keeps what row Q asks for. Where
// each flow has a queue of its own nobody can yield: the bar is that CUBIC has half.
func aqmCases() []Case {
	var cases []Case
	for _, q := range []struct {
		name string
		cfg  simnet.AQMConfig
		keep Bar
	}{
		{"CoDel", simnet.AQMConfig{}, about("keep, %", 92)},
		{"CoDel, ECN", simnet.AQMConfig{ECN: true}, about("keep, %", 90)},
		{"FQ-CoDel", simnet.AQMConfig{Flows: 1024}, atLeast("keep, %", 50)},
		{"FQ-CoDel, ECN", simnet.AQMConfig{Flows: 1024, ECN: true}, atLeast("keep, %", 50)},
	} {
		p := path{rate: 50 * mbit, rtt: 40 * ms, buffer: 500 * kb, aqm: &q.cfg}
		cases = append(cases,
			Case{Name: q.name + ", alone", Bars: []Bar{about("link, %", 95), atMost("queue p95, ms", 8)}, Measure: func(e *Env) []Figure {
				return e.alone(p, e.lasting(60*second, 15*second))
			}},
			duel{
				path: p, rival: rival{"CUBIC", cubic.Unpaced()}, ours: 1, oursAt: 5 * second,
				leave: 60 * second, length: 60 * second, quick: 25 * second,
			}.against(q.name+", CUBIC first", []Bar{q.keep}))
	}
	return cases
}

func appCases() []Case {
	p := path{rate: 10 * mbit, rtt: 40 * ms, buffer: 256 * kb}
	return []Case{
		{Name: "video, 10 KB every 40 ms", Measure: func(e *Env) []Figure {
			l, length := e.lab("video", p), e.lasting(60*second, 15*second)
			c := l.chunked("video", e.Subject)
			c.every(40*ms, second, length-second, 10*kb)
			l.until(length)
			return append(c.percentiles(), Figure{"lost, %", c.flow.lost()}, Figure{"queue p95, ms", l.queueAt(95, second, length)})
		}},
		{Name: "video beside CUBIC", Measure: func(e *Env) []Figure {
			l, length := e.lab("video beside CUBIC", p), e.lasting(60*second, 15*second)
			l.bulk("CUBIC", cubic.Unpaced(), 0)
			c := l.chunked("video", e.Subject)
			c.every(40*ms, second, length-second, 10*kb)
			l.until(length)
			return append(c.percentiles(), Figure{"lost, %", c.flow.lost()}, Figure{"queue p95, ms", l.queueAt(95, second, length)})
		}},
		{Name: "answers of 100 KB every 500 ms", Measure: func(e *Env) []Figure {
			l, length := e.lab("answers", p), e.lasting(60*second, 15*second)
			c := l.chunked("answers", e.Subject)
			c.every(500*ms, second, length-second, 100*kb)
			l.until(length)
			return append(c.percentiles(), Figure{"lost, %", c.flow.lost()}, Figure{"queue p95, ms", l.queueAt(95, second, length)})
		}},
		{Name: "5 s of bulk, 15 s idle, bulk", Measure: idleThenBusy},
	}
}

// idleThenBusy is a flow that falls silent, and what it still knows of the path when it sends again.
func idleThenBusy(e *Env) []Figure {
	p := path{rate: 10 * mbit, rtt: 40 * ms, buffer: 256 * kb}
	l := e.lab("idle, then busy", p)
	const again = 22 * second
	c := l.chunked("Ebb", e.Subject)
	c.every(second, 100*ms, second, 6*mb) // 5 s of the link
	dropped := 0.0
	l.At(again, func() {
		dropped = l.dropped()
		c.add(20 * mb)
	})
	l.until(again + 10*second)
	return []Figure{
		{"90 % again after, ms", c.flow.reaches(again, 0.9*float64(p.rate), 100*ms).Seconds() * 1000},
		{"dropped then", l.dropped() - dropped},
		{"longest queue then, ms", l.queueAt(100, again, again+2*second)},
	}
}

func edgeCases() []Case {
	alone := func(name string, p path, full, quick time.Duration, bars ...Bar) Case {
		return Case{Name: name, Bars: bars, Measure: func(e *Env) []Figure { return e.alone(p, e.lasting(full, quick)) }}
	}
	beside := func(name string, p path, oursAt, length, quick time.Duration, keep float64) Case {
		return duel{
			path: p, rival: rival{"CUBIC", cubic.Unpaced()}, ours: 1, oursAt: oursAt, leave: length, length: length, quick: quick,
		}.against(name, []Bar{about("keep, %", keep)})
	}
	with := func(rtt time.Duration, buffer int, change func(*simnet.LinkConfig)) path {
		return path{rate: 50 * mbit, rtt: rtt, buffer: buffer, out: change}
	}
	lossy := func(loss float64) path {
		return with(50*ms, 312*kb, func(c *simnet.LinkConfig) { c.Loss = loss })
	}
	return []Case{
		alone("500 ms, 20 Mbit/s, 1 MB", path{rate: 20 * mbit, rtt: 500 * ms, buffer: mb}, 120*second, 30*second,
			atLeast("link, %", 97), atMost("queue p95, ms", 8)),
		alone("1 Mbit/s, 40 ms, 64 KB", path{rate: mbit, rtt: 40 * ms, buffer: 64 * kb}, 120*second, 30*second,
			atLeast("link, %", 97), atMost("queue p95, ms", 40)),
		alone("5 % loss, 50 Mbit/s, 50 ms", lossy(0.05), 60*second, 20*second, about("link, %", 70)),
		alone("10 % loss, 50 Mbit/s, 50 ms", lossy(0.10), 60*second, 20*second, about("link, %", 50)),
		alone("30 ms jitter, 50 Mbit/s, 40 ms", with(40*ms, 500*kb, func(c *simnet.LinkConfig) { c.Jitter = 30 * ms }),
			60*second, 20*second, Bar{Figure: "link, %", Median: 97, Worst: 85}),
		alone("wireless, departures every 4 ms", with(20*ms, 500*kb, func(c *simnet.LinkConfig) { c.Aggregate = 4 * ms }),
			60*second, 20*second, about("link, %", 98), atMost("queue p95, ms", 19)),
		alone("mobile, grants of 1 to 10 ms, a tenth repeated", with(50*ms, 500*kb, func(c *simnet.LinkConfig) { c.Schedule = simnet.Grants{Fail: 0.1} }),
			60*second, 20*second, about("link, %", 95), atMost("queue p95, ms", 25)),
		beside("1 Gbit/s, 20 ms, 1 BDP, CUBIC first", path{rate: 1000 * mbit, rtt: 20 * ms, buffer: 2500 * kb},
			2*second, 40*second, 14*second, 95),
		beside("10 packets of buffer, 50 Mbit/s, CUBIC first", path{rate: 50 * mbit, rtt: 40 * ms, buffer: 15 * kb},
			5*second, 60*second, 25*second, 85),
		{
			Name: "32 flows, 50 Mbit/s, 40 ms", Bars: []Bar{{Figure: "Jain", Median: 0.95, Worst: 0.90}, atMost("queue p95, ms", 70)},
			Measure: func(e *Env) []Figure { return many(e, 32, e.lasting(120*second, 25*second)) },
		},
		{Name: "two flows, receivers at ±200 ppm", Bars: []Bar{atLeast("Jain", 0.99)}, Measure: skewedPair},
	}
}

// many is flows that begin 100 ms apart.
func many(e *Env, n int, length time.Duration) []Figure {
	l := e.lab("many", path{rate: 50 * mbit, rtt: 40 * ms, buffer: 500 * kb})
	var flows []*flow
	for i := range n {
		flows = append(flows, l.bulk(fmt.Sprintf("Ebb %d", i+1), e.Subject, time.Duration(i)*100*ms))
	}
	l.until(length)
	from := time.Duration(n)*100*ms + settling
	return []Figure{
		{"Jain", jain(rates(flows, from, length))},
		{"queue p95, ms", l.queueAt(95, from, length)},
		{"link used, %", l.used(from, length)},
	}
}

// skewedPair is two flows whose receivers' clocks drift apart. A controller that trusts one-way delays alone
// sees a queue that is not there.
func skewedPair(e *Env) []Figure {
	l := e.lab("skewed pair", path{rate: 20 * mbit, rtt: 40 * ms, buffer: 500 * kb})
	length := e.lasting(5*minute, minute)
	fast, slow := l.bulk("fast clock", e.Subject, 0), l.bulk("slow clock", e.Subject, second)
	fast.to.Clock = simnet.Clock{PPM: 200}
	slow.to.Clock = simnet.Clock{PPM: -200, Offset: second}
	l.until(length)
	r := rates([]*flow{fast, slow}, 15*second, length)
	return []Figure{
		{"fast clock's share, %", 100 * r[0] / (r[0] + r[1])},
		{"Jain", jain(r)},
		{"link used, %", l.used(15*second, length)},
	}
}

// publishedCases are those of the comparisons in docs/congestion.md.
func publishedCases() []Case {
	const rate, rtt = 10 * mbit, 40 * ms
	alone := func(name string, buffer int, loss float64) Case {
		return Case{Name: name, Measure: func(e *Env) []Figure {
			p := path{rate: rate, rtt: rtt, buffer: buffer, out: func(c *simnet.LinkConfig) { c.Loss = loss }}
			length := e.lasting(60*second, 20*second)
			l := e.lab("alone", p)
			f := l.bulk("Ebb", e.Subject, 0)
			l.until(length)
			return []Figure{
				{"goodput, Mbit/s", f.goodput(settling, length) / mbit},
				{"queue p50, ms", l.queueAt(50, settling, length)},
				{"lost, %", f.lost()},
			}
		}}
	}
	return []Case{
		alone("64 KB", 64*kb, 0),
		alone("256 KB", 256*kb, 0),
		alone("256 KB, 1 % loss", 256*kb, 0.01),
		alone("256 KB, 5 % loss", 256*kb, 0.05),
		{Name: "100 Mbit/s, 100 ms: ramp", Measure: func(e *Env) []Figure {
			return e.ramp(path{rate: 100 * mbit, rtt: 100 * ms, buffer: 1250 * kb}, 90, 10*second)
		}},
	}
}

// relayCases have jitter on both ways in two of them: what late timers do to the same path on a real machine.
func relayCases() []Case {
	var cases []Case
	for _, c := range []struct {
		name      string
		loss, bar float64
		jitter    time.Duration
	}{
		{"0 % loss", 0, 94, 0}, {"1 % loss", 0.01, 92, 0},
		{"0 % loss, 3 ms jitter", 0, 94, 3 * ms}, {"1 % loss, 3 ms jitter", 0.01, 92, 3 * ms},
	} {
		cases = append(cases, Case{
			Name: c.name,
			Bars: []Bar{atLeast("link, %", c.bar), atMost("sent / delivered", 1.05)},
			Measure: func(e *Env) []Figure {
				p := path{rate: 100 * mbit, rtt: 20 * ms, buffer: 250 * kb}
				p.out = func(l *simnet.LinkConfig) { l.Loss, l.Jitter = c.loss, c.jitter/2 }
				p.back = func(l *simnet.LinkConfig) { l.Jitter = c.jitter / 2 }
				l, length := e.lab("relay", p), e.lasting(30*second, 15*second)
				f := l.bulk("Ebb", e.Subject, 0)
				l.until(length)
				return append(l.lonely(f, settling, length), Figure{"sent / delivered", float64(f.sent().BytesSent) / float64(f.read)})
			},
		})
	}
	return cases
}

// losslessCases delay ACKs so that they leave together, as those of a receiver that is scheduled, or
// acknowledges, only so often. The receiver has declared that delay. Nothing is lost, so nothing may be
// repeated.
func losslessCases() []Case {
	var cases []Case
	for _, rtt := range []time.Duration{100 * time.Microsecond, ms, 10 * ms, 100 * ms, 300 * ms, second} {
		for _, ackDelay := range []time.Duration{0, 10 * ms, 100 * ms} {
			cases = append(cases, Case{
				Name:    fmt.Sprintf("%g ms, ACKs every %g ms", rtt.Seconds()*1000, ackDelay.Seconds()*1000),
				Bars:    []Bar{atMost("timeouts", 0), atMost("retransmitted, %", 0), atLeast("link after 20 RTT, %", 90)},
				Measure: func(e *Env) []Figure { return lossless(e, rtt, ackDelay) },
			})
		}
	}
	return cases
}

func lossless(e *Env, rtt, ackDelay time.Duration) []Figure {
	p := path{rate: 50 * mbit, rtt: rtt, back: func(c *simnet.LinkConfig) { c.Aggregate = ackDelay }}
	l, w := e.lab("lossless", p), &timeoutWatch{}
	f := l.bulk("Ebb", w.watch(e.Subject), 0)
	if ackDelay > 0 { // the receiver declares how long it delays ACKs
		f.to.Adjust = func(p *engine.Params) { p.MaxAckDelay = ackDelay }
	}
	round := rtt + ackDelay // what a sender sees of it
	from := max(20*round, flowStep).Truncate(flowStep)
	length := from + max(second, 20*round) // as long again: a drain in it is a tenth of that
	l.RunUntil(length, func() bool { w.update(f); return false })
	return []Figure{
		{"timeouts", float64(w.timeouts)},
		{"retransmitted, %", f.retransmitted()},
		{"link after 20 RTT, %", f.share(from, length)},
		{"queue p95, ms", l.queueAt(95, from, length)},
	}
}
