package matrix

import (
	"fmt"
	"time"

	"example.com/ebb/congestion"
	"example.com/ebb/congestion/bbr"
	"example.com/ebb/congestion/cubic"
	"example.com/ebb/congestion/reno"
	"example.com/ebb/internal/lab/simnet"
)

// besideRows are those beside foreground traffic on noisy paths, at queues that are managed or small, and by class of
// service.
func besideRows(recorded []Recording) []Scenario {
	return []Scenario{
		{Row: "Y", Title: "the paths of N1 to N4: CUBIC, Reno or BBR; ours 5 s earlier and 5 s later; it leaves at 40 s, of N4 at 80 s", Cases: yieldOnNoise(recorded)},
		{Row: "Q", Title: "40 ms: CUBIC and ours, either 5 s earlier, at managed and at small queues", Cases: queueCases()},
		{Row: "V", Title: "20 Mbit/s drop-tail, and N1 every 10 ms: a video call of 2.5 Mbit/s, 30 frames a second, beside ours", Cases: videoCases()},
		{Row: "LE", Title: "20 Mbit/s, 40 ms, 250 KB: ours marked as lower effort, beside CUBIC and beside a call", Cases: classCases()},
	}
}

// beside is ours and a competitor, which begins at 5 s: ours has come 5 s before it, and in a run of its own comes 5 s
// after it.
type beside struct {
	path   func(*Env) path
	rival  rival
	wander bool // the link's rate: what is regained is compared with what the competitor had there alone
	length time.Duration
}

// rival is the foreground's controller, as pictures call it.
type rival struct {
	name    string
	factory congestion.Factory
}

// foreground is what ours yields to in the rows here.
func foreground() (renos, cubics, bbrs rival) {
	return rival{"Reno", reno.Unpaced()}, rival{"CUBIC", cubic.Unpaced()}, rival{"BBR", bbr.Factory()}
}

// besideRun is one of its runs.
type besideRun struct {
	lab         *lab
	theirs, own *flow
	gone        time.Duration // when what the competitor has left in a wandering link's queue has passed
}

const besideApart = 5 * second // between the two starts

// times are when the competitor leaves and when the run ends.
func (b beside) times(e *Env) (leave, length time.Duration) {
	leave = e.lasting(b.length, 26*second)
	if b.wander { // several seconds of queue may go first
		return leave, leave + e.lasting(14*second, 10*second)
	}
	return leave, leave + e.lasting(6*second, 4*second)
}

// run runs both, ours from a time; below 0 it does not come.
func (b beside) run(e *Env, name string, oursAt time.Duration) *besideRun {
	leave, length := b.times(e)
	l := e.lab(name, b.path(e))
	r := &besideRun{lab: l, theirs: l.bulk(b.rival.name, b.rival.factory, besideApart)}
	if oursAt >= 0 {
		r.own = l.ebb("Ebb", oursAt)
		r.theirs.stop(leave)
		l.At(leave, func() { r.gone = leave + l.out.QueueDelay(leave) })
	}
	l.until(length)
	return r
}

func (b beside) measure(e *Env) []Figure {
	alone := b.run(e, b.rival.name+" alone", -1)
	var figures []Figure
	for _, order := range []struct {
		name   string
		oursAt time.Duration
	}{{"first", 0}, {"second", 2 * besideApart}} {
		r := b.run(e, "ours "+order.name, order.oursAt)
		leave, _ := b.times(e)
		from := max(r.theirs.begin, r.own.begin) + settling
		from = from.Truncate(flowStep)
		figures = append(figures,
			Figure{"keeps, ours " + order.name + ", %", 100 * r.theirs.goodput(from, leave) / alone.theirs.goodput(from, leave)},
			Figure{"85 % regained, ours " + order.name + ", s", b.regained(r, alone, leave).Seconds()},
			Figure{"had, ours " + order.name + ", %", r.own.share(from, leave)},
			Figure{"queue p50, ours " + order.name + ", ms", r.lab.queueAt(50, from, leave)})
	}
	return figures
}

// regained is how long after the competitor has left ours has 85 % of the link for 200 ms. Where the rate wanders, it is
// counted from when the competitor's queue has gone, which may take seconds, and is 85 % of what passed the link in the
// same half second when the competitor was alone; one in which the link carried less than a quarter of its mean
// shows nothing.
func (b beside) regained(r, alone *besideRun, leave time.Duration) time.Duration {
	if !b.wander {
		return r.lab.regained([]*flow{r.own}, leave, 85)
	}
	const window = 500 * ms
	end := time.Duration(len(r.own.delivered)-1) * flowStep
	gone := r.gone.Truncate(flowStep)
	for t := gone + window; t <= end; t += flowStep {
		had := alone.lab.used(t-window, t)
		if had >= 25 && r.own.share(t-window, t) >= 0.85*had {
			return t - gone
		}
	}
	return end - gone
}

// bars are of both orders.
func (b beside) bars(keep float64, regain bool) []Bar {
	var bars []Bar
	for _, order := range []string{"first", "second"} {
		bars = append(bars, about("keeps, ours "+order+", %", keep))
		if regain {
			bars = append(bars, atMost("85 % regained, ours "+order+", s", 3))
		}
	}
	return bars
}

func yieldOnNoise(recorded []Recording) []Case {
	var cases []Case
	add := func(name string, daily bool, b beside, keep float64) {
		b.length = 40 * second
		if b.wander { // longer, as single losses weigh more at a low rate
			b.length = 80 * second
		}
		cases = append(cases, Case{Name: name, Full: !daily, Bars: b.bars(keep, true), Measure: b.measure})
	}
	renos, cubics, bbrs := foreground()
	for _, c := range []struct {
		rival rival
		keep  float64
		daily string // the path of a quick run of everything
	}{{cubics, 95, "N1 every 10 ms"}, {renos, 95, "N3 free jitter of 10 ms"}, {bbrs, 88, "N2 20 ms"}} {
		for _, row := range []struct {
			name  string
			paths []noisy
		}{{"N1", aggregatePaths()}, {"N2", jitterPaths()}, {"N3", overtakingPaths()}} {
			for _, n := range row.paths {
				name := row.name + " " + n.name
				add(c.rival.name+", "+name, name == c.daily, beside{path: func(*Env) path { return n.path() }, rival: c.rival}, c.keep)
			}
		}
		for _, m := range mobiles(recorded) {
			add(m.named(c.rival.name+", N4 "), c.rival.name == "CUBIC" && m.daily, beside{path: m.path, rival: c.rival, wander: true}, c.keep)
		}
	}
	return cases
}

func queueCases() []Case {
	_, cubics, _ := foreground()
	var cases []Case
	for _, c := range []struct {
		name  string
		path  path
		keep  float64
		daily bool
	}{
		{"CoDel, 50 Mbit/s", path{rate: 50 * mbit, rtt: 40 * ms, buffer: 500 * kb, aqm: &simnet.AQMConfig{}}, 92, true},
		{"CoDel with ECN, 50 Mbit/s", path{rate: 50 * mbit, rtt: 40 * ms, buffer: 500 * kb, aqm: &simnet.AQMConfig{ECN: true}}, 90, false},
		{"16 KB, 10 Mbit/s", path{rate: 10 * mbit, rtt: 40 * ms, buffer: 16 * kb}, 90, true},
		{"ten packets, 50 Mbit/s", path{rate: 50 * mbit, rtt: 40 * ms, buffer: 15 * kb}, 85, false},
		{"3 ms, 50 Mbit/s", path{rate: 50 * mbit, rtt: 40 * ms, buffer: 50 * mbit / 8 * 3 / 1000}, 88, false},
	} {
		b := beside{path: func(*Env) path { return c.path }, rival: cubics, length: 60 * second}
		cases = append(cases, Case{Name: c.name, Full: !c.daily, Bars: b.bars(c.keep, false), Measure: b.measure})
	}
	return cases
}

// videoCases have no router that knows who should yield.
func videoCases() []Case {
	var cases []Case
	for _, c := range []struct {
		name string
		path path
	}{
		{"20 Mbit/s, 250 KB", path{rate: 20 * mbit, rtt: 40 * ms, buffer: 250 * kb}},
		{"N1 every 10 ms", named(aggregatePaths(), "every 10 ms").path()},
	} {
		cases = append(cases, Case{
			Name: c.name, Full: c.path.out != nil,
			Bars:    []Bar{atMost("p95 delay rises by, ms", 5), atMost("of the call lost, %", 0)},
			Measure: func(e *Env) []Figure { return videoCall().beside(e, c.path, 95) },
		})
	}
	return cases
}

// classCases have a router that knows classes of service, and one that gives every flow its share whatever its class.
func classCases() []Case {
	marked := func(cfg simnet.AQMConfig) path {
		return path{rate: 20 * mbit, rtt: 40 * ms, buffer: 250 * kb, aqm: &cfg, lowerEffort: true}
	}
	_, cubics, _ := foreground()
	bands, fair := simnet.AQMConfig{Bands: true}, simnet.AQMConfig{Flows: 1024}
	var cases []Case
	for _, c := range []struct {
		name string
		cfg  simnet.AQMConfig
		keep float64 // 0: no bar
	}{{"bands", bands, 95}, {"FQ-CoDel", fair, 0}} {
		b := beside{path: func(*Env) path { return marked(c.cfg) }, rival: cubics, length: 40 * second}
		var bars []Bar
		if c.keep > 0 {
			bars = b.bars(c.keep, false)
		}
		cases = append(cases,
			Case{Name: c.name + ", CUBIC", Bars: bars, Full: c.keep == 0, Measure: b.measure},
			Case{
				Name: c.name + ", a call", Full: c.keep == 0,
				Bars:    []Bar{atMost("p99 delay rises by, ms", 2), atMost("of the call lost, %", 0)},
				Measure: func(e *Env) []Figure { return steadyCall().beside(e, marked(c.cfg), 99) },
			})
	}
	return cases
}

// call is an application that sends at a steady rate whatever the path does: so many bytes at a time.
type call struct {
	every time.Duration
	bytes int
}

// steadyCall sends single packets, 3 Mbit/s.
func steadyCall() call { return call{3 * ms, 1125} }

// videoCall sends 30 frames a second at 2.5 Mbit/s, which is what browsers send at most.
func videoCall() call { return call{second / 30, 10417} }

// callPiece is the most that a call has in a packet, in bytes.
const callPiece = 1150

// start lets the call begin, in pieces of at most a packet.
func (k call) start(l *lab, from, to time.Duration) *chunks {
	c := l.chunked("call", steadyRate)
	for left := k.bytes; left > 0; left -= callPiece {
		c.every(k.every, from, to, min(left, callPiece))
	}
	return c
}

// beside compares what the call sees beside ours with what it sees alone, at a percentile of its packets.
func (k call) beside(e *Env, p path, percent int) []Figure {
	length := e.lasting(60*second, 20*second)
	run := func(name string, ours bool) (c *chunks, l *lab, f *flow) {
		l = e.lab(name, p)
		c = k.start(l, second, length-second)
		if ours {
			f = l.ebb("Ebb", 2*second)
		}
		l.until(length)
		return c, l, f
	}
	alone, _, _ := run("call alone", false)
	c, _, f := run("call and ours", true)
	before, after := alone.percentile(float64(percent)), c.percentile(float64(percent))
	name := fmt.Sprintf("p%d delay", percent)
	return []Figure{
		{name + " rises by, ms", after - before},
		{"of the call lost, %", c.flow.lost()},
		{name + ", ms", after},
		{"ours, %", f.share(settling, length)},
	}
}
