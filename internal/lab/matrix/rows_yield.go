package matrix

import (
	"fmt"
	"time"

	"example.com/ebb/congestion/bbr"
	"example.com/ebb/congestion/cubic"
	"example.com/ebb/congestion/reno"
	"example.com/ebb/internal/lab/simnet"
)

// yieldRows are those with foreground traffic, which is to notice nothing.
func yieldRows() []Scenario {
	return []Scenario{
		{Row: "4", Title: "10 Mbit/s, 40 ms, 256 KB, 60 s: one Reno, 1.5 s earlier; it leaves at 45 s", Cases: []Case{
			duel{
				path:  path{rate: 10 * mbit, rtt: 40 * ms, buffer: 256 * kb},
				rival: rival{"Reno", reno.Unpaced()}, ours: 1, oursAt: 1500 * ms,
				leave: 45 * second, length: 60 * second, quick: 25 * second, full: true,
			}.against("", keeps(95, 90)),
		}},
		{Row: "5", Title: "50 Mbit/s, 30 ms, 375 KB, 120 s: one CUBIC, 5 s earlier or later; it leaves at 90 s", Cases: []Case{
			cubicDuel(5*second, 0).against("CUBIC first", keeps(95, 90)),
			cubicDuel(0, 5*second).against("CUBIC second", keeps(95, 90)),
		}},
		{Row: "6", Title: "50 Mbit/s, 120 s: one BBR, 5 s earlier; it leaves at 90 s", Cases: bbrDuels()},
		{Row: "7", Title: "10 Mbit/s, 40 ms, 16 KB, 60 s: alone; one CUBIC, 5 s earlier or later", Cases: shallowCases()},
		{Row: "11", Title: "50 Mbit/s, 40 ms, 500 KB, 120 s: ten of ours within 5 s, then one CUBIC; it leaves at 90 s", Cases: []Case{
			duel{
				path:  path{rate: 50 * mbit, rtt: 40 * ms, buffer: 500 * kb},
				rival: rival{"CUBIC", cubic.Unpaced()}, ours: 10, apart: 500 * ms, rivalAt: 5 * second,
				leave: 90 * second, length: 120 * second, quick: 30 * second, full: true,
			}.against("", keeps(80, 70)),
		}},
		{Row: "18", Title: "20 Mbit/s down, 2 up, 40 ms, 500 KB down, 125 KB up, 60 s: CUBIC fills the ACK path", Cases: []Case{{
			Bars: []Bar{atLeast("link, %", 85)}, Measure: busyReturn,
		}}},
		{Row: "20", Title: "20 Mbit/s, 40 ms, 1 MB, 120 s: CUBIC connections of 100 KB, one every 2 s", Cases: []Case{{
			Bars: []Bar{atMost("p95 completion / idle", 1.5)}, Measure: shortRivals,
		}}},
	}
}

// duel is ours beside one competitor.
type duel struct {
	path            path
	rival           rival
	ours            int           // flows
	apart           time.Duration // their starts
	oursAt, rivalAt time.Duration
	leave           time.Duration // when the competitor ends
	length          time.Duration
	quick           time.Duration // the leave of a quick run
	full            bool          // the link is to be full, and regained afterwards
}

// keeps are the bars of a duel, in percent.
func keeps(median, worst float64) []Bar {
	return []Bar{{Figure: "keep, %", Median: median, Worst: worst}}
}

// against makes a case of the duel.
func (d duel) against(name string, bars []Bar) Case {
	if d.full {
		bars = append(bars, atLeast("link used, %", 95), atMost("85 % regained after, s", 3))
	}
	return Case{Name: name, Bars: bars, Measure: d.measure}
}

func (d duel) measure(e *Env) []Figure {
	leave, length := d.leave, d.length
	if e.Quick {
		leave = d.quick
		length = leave + min(d.length-d.leave, 5*second)
	}
	alone := e.lab(d.rival.name+" alone", d.path)
	rival := alone.bulk(d.rival.name, d.rival.factory, d.rivalAt)
	alone.until(leave)

	l := e.lab("both", d.path)
	// First, so that it draws the same start as alone.
	both := l.bulk(d.rival.name, d.rival.factory, d.rivalAt)
	var ours []*flow
	for i := range d.ours {
		ours = append(ours, l.bulk("Ebb", e.Subject, d.oursAt+time.Duration(i)*d.apart))
	}
	last := both.begin
	for _, f := range ours {
		last = max(last, f.begin)
	}
	if length > leave {
		both.stop(leave)
	}
	l.until(length)
	from := (last + settling).Truncate(flowStep)
	had := 0.0
	for _, f := range ours {
		had += f.share(from, leave)
	}
	figures := []Figure{
		{"keep, %", 100 * both.goodput(from, leave) / rival.goodput(from, leave)},
		{"link used, %", l.used(from, leave)},
		{"ours, %", had},
		{"alone, %", rival.share(from, leave)},
		{"queue p50, ms", l.queueAt(50, from, leave)},
	}
	if d.full {
		figures = append(figures, Figure{"85 % regained after, s", l.regained(ours, leave, 85).Seconds()})
	}
	return figures
}

// regained is how long after a time flows together had a share of the link, in percent, for 200 ms.
func (l *lab) regained(flows []*flow, at time.Duration, share float64) time.Duration {
	const window = 200 * ms
	end := time.Duration(len(l.passed)-1) * flowStep
	for t := at + window; t <= end; t += flowStep {
		sum := 0.0
		for _, f := range flows {
			sum += f.share(t-window, t)
		}
		if sum >= share {
			return t - at
		}
	}
	return end - at
}

func cubicDuel(oursAt, rivalAt time.Duration) duel {
	return duel{
		path:  path{rate: 50 * mbit, rtt: 30 * ms, buffer: 375 * kb},
		rival: rival{"CUBIC", cubic.Unpaced()}, ours: 1, oursAt: oursAt, rivalAt: rivalAt,
		leave: 90 * second, length: 120 * second, quick: 25 * second, full: true,
	}
}

// bbrDuels are row 6's cells. Without jitter BBR would never look for a smaller round trip if it were
// alone; beside anything that leaves a queue it has to, which costs it 2 to 4 %: hence the lower bar.
func bbrDuels() []Case {
	var cases []Case
	for _, jitter := range []time.Duration{100 * time.Microsecond, 0} {
		for _, rtt := range []time.Duration{20 * ms, 40 * ms, 100 * ms} {
			for _, bdps := range []int{1, 4} {
				p := path{rate: 50 * mbit, rtt: rtt}
				p.buffer = bdps * p.bdp()
				name := fmt.Sprintf("%g ms, %d BDP, no jitter", rtt.Seconds()*1000, bdps)
				bars := keeps(87, 87)
				if jitter > 0 {
					p.out = func(c *simnet.LinkConfig) { c.Jitter = jitter }
					name = fmt.Sprintf("%g ms, %d BDP", rtt.Seconds()*1000, bdps)
					bars = keeps(90, 88)
				}
				cases = append(cases, duel{
					path: p, rival: rival{"BBR", bbr.Factory()}, ours: 1, oursAt: 5 * second,
					leave: 90 * second, length: 120 * second, quick: 25 * second, full: true,
				}.against(name, bars))
			}
		}
	}
	return cases
}

func shallowCases() []Case {
	p := path{rate: 10 * mbit, rtt: 40 * ms, buffer: 16 * kb}
	d := duel{path: p, rival: rival{"CUBIC", cubic.Unpaced()}, ours: 1, leave: 60 * second, length: 60 * second, quick: 30 * second}
	first, later := d, d
	first.oursAt, later.rivalAt = 5*second, 5*second
	return []Case{
		{
			Name: "alone", Bars: []Bar{atLeast("link, %", 80)},
			Measure: func(e *Env) []Figure { return e.alone(p, e.lasting(60*second, 30*second)) },
		},
		first.against("CUBIC first", keeps(75, 75)),
		later.against("CUBIC second", keeps(75, 75)),
	}
}

// busyReturn is our flow down a path whose way back an upload has filled.
func busyReturn(e *Env) []Figure {
	p := path{rate: 20 * mbit, rtt: 40 * ms, buffer: 500 * kb, back: func(c *simnet.LinkConfig) {
		c.Rate, c.Queue = 2*mbit/8, 125*kb
	}}
	l := e.lab("busy return path", p)
	length := e.lasting(60*second, 30*second)
	upload := l.bulkWith("upload", cubic.Unpaced(), 0, flowOptions{against: true})
	f := l.bulk("Ebb", e.Subject, 5*second)
	l.until(length)
	from := 15 * second
	figures := l.lonely(f, from, length)
	return append(figures, Figure{"upload, % of its link", 100 * upload.goodput(from, length) / (2 * mbit)})
}

// shortRivals compares how long short connections take beside ours and alone.
func shortRivals(e *Env) []Figure {
	p := path{rate: 20 * mbit, rtt: 40 * ms, buffer: mb}
	length := e.lasting(120*second, 40*second)
	times := func(name string, ours bool) (done []float64, l *lab, f *flow) {
		l = e.lab(name, p)
		var shorts []*flow
		for at := settling; at+10*second <= length; at += 2 * second {
			shorts = append(shorts, l.transfer("short", cubic.Unpaced(), at, 100*kb))
		}
		if ours {
			f = l.bulk("Ebb", e.Subject, 0)
		}
		l.until(length)
		for _, s := range shorts {
			if s.over == 0 {
				s.over = length // not even now
			}
			done = append(done, (s.over-s.begin).Seconds()*1000)
		}
		return done, l, f
	}
	idle, _, _ := times("idle", false)
	beside, _, f := times("beside ours", true)
	return []Figure{
		{"p95 completion / idle", percentile(95, beside) / percentile(95, idle)},
		{"p50 completion, ms", percentile(50, beside)},
		{"p50 idle, ms", percentile(50, idle)},
		{"ours, %", f.share(settling, length)},
	}
}
