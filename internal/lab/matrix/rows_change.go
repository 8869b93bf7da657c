package matrix

import (
	"fmt"
	"time"

	"example.com/ebb/congestion/cubic"
	"example.com/ebb/internal/lab/simnet"
)

// changeRows are those in which a path, or a process at its end, stops and comes back.
func changeRows() []Scenario {
	n6 := Scenario{Row: "N6", Title: "50 Mbit/s, 625 KB: the round trip steps from 20 ms up and back; alone"}
	for _, rtt := range []time.Duration{60 * ms, 100 * ms, 300 * ms, 600 * ms} {
		n6.Cases = append(n6.Cases, Case{
			Name: fmt.Sprintf("to %g ms", rtt.Seconds()*1000), Full: rtt != 100*ms,
			Bars: []Bar{
				atMost("90 % after the rise, s", inSeconds(2*second+12*rtt)),
				atMost("90 % after the fall, s", inSeconds(2*second+12*shortRTT)),
			},
			Measure: func(e *Env) []Figure { return stepUp(e, rtt) },
		})
	}
	return []Scenario{n6, {Row: "N7", Title: "50 Mbit/s, 40 ms, 625 KB: what stops and comes back", Cases: stopCases()}}
}

// inSeconds is d in seconds, as a decimal fraction of three digits has it: bars are printed.
func inSeconds(d time.Duration) float64 { return float64(d.Milliseconds()) / 1000 }

const shortRTT = 20 * ms // before N6's rise and after its fall

func stepUp(e *Env, rtt time.Duration) []Figure {
	l := e.lab("step up", path{rate: noisyRate, rtt: shortRTT, buffer: noisyBuffer})
	rise := e.lasting(30*second, 12*second)
	fall := rise + e.lasting(60*second, 10*second)
	length := fall + e.lasting(20*second, 5*second)
	f := l.ebb("Ebb", 0)
	l.change(rise, func(c *simnet.LinkConfig) { c.Delay += rtt - shortRTT })
	l.change(fall, func(c *simnet.LinkConfig) { c.Delay -= rtt - shortRTT })
	l.until(length)
	return []Figure{
		{"90 % after the rise, s", min(f.regains(rise, 90), fall-rise).Seconds()},
		{"90 % after the fall, s", f.regains(fall, 90).Seconds()},
		{"queue p95, ms", l.queueAt(95, settling, length)},
		{"drops", l.dropped()},
	}
}

// comeBack is the bar of row N7: 80 % within 2 s and ten round trips.
func comeBack() Bar { return atMost("80 % after, s", inSeconds(2*second+10*noisyRTT)) }

func stopCases() []Case {
	var cases []Case
	stop := func(name string, daily bool, at func(l *lab, f *flow, begin, end time.Duration), lasts time.Duration) {
		cases = append(cases, Case{
			Name: fmt.Sprintf("%s for %g s", name, lasts.Seconds()), Full: !daily, Bars: []Bar{comeBack(), ownQueue()},
			Measure: func(e *Env) []Figure { return stopped(e, at, lasts) },
		})
	}
	for _, lasts := range []time.Duration{2 * second, 10 * second, 25 * second} {
		stop("the path", lasts == 2*second, cutPath, lasts)
	}
	for _, lasts := range []time.Duration{5 * second, 20 * second} {
		stop("the sender", false, pauseSender, lasts)
		stop("the receiver", lasts == 5*second, pauseReceiver, lasts)
	}
	for _, lasts := range []time.Duration{50 * ms, 200 * ms} {
		for _, read := range []bool{false, true} {
			name := fmt.Sprintf("a reader busy for %g ms, 10 times a minute", lasts.Seconds()*1000)
			if read {
				name += ", no receive times"
			}
			cases = append(cases, Case{
				Name: name, Full: read || lasts != 200*ms,
				Bars:    []Bar{atLeast("link, %", 80), comeBack(), ownQueue()},
				Measure: func(e *Env) []Figure { return busyReader(e, lasts, read) },
			})
		}
	}
	for _, left := range []struct {
		row  string
		path noisy
	}{{"N1", named(aggregatePaths(), "every 10 ms")}, {"N2", named(jitterPaths(), "20 ms")}} {
		cases = append(cases, Case{
			Name: fmt.Sprintf("CUBIC leaves %s, %s", left.row, left.path.name), Full: left.row != "N1", Bars: []Bar{comeBack(), ownQueue()},
			Measure: func(e *Env) []Figure { return leftAlone(e, left.path.path()) },
		})
	}
	return cases
}

func cutPath(l *lab, _ *flow, begin, end time.Duration) {
	for _, link := range []*simnet.Link{l.out, l.back} {
		set := func(at time.Duration, loss float64) {
			l.At(at, func() {
				cfg := link.Config()
				cfg.Loss = loss
				link.SetConfig(l.Now(), cfg)
			})
		}
		set(begin, 1)
		set(end, 0)
	}
}

func pauseSender(l *lab, f *flow, begin, end time.Duration) {
	l.At(begin, f.from.Pause)
	l.At(end, func() { f.from.Resume(simnet.TimersFirst) })
}

func pauseReceiver(l *lab, f *flow, begin, end time.Duration) {
	l.At(begin, f.to.Pause)
	l.At(end, func() { f.to.Resume(simnet.TimersFirst) })
}

// clean is row N7's path where nothing else is said.
func clean() path { return path{rate: noisyRate, rtt: noisyRTT, buffer: noisyBuffer, probed: true} }

// again is how long after a time the flow has had 80 % of the link for 200 ms. What a reader takes from its socket
// at that very time does not count.
func (f *flow) again(at time.Duration) float64 { return f.regains(at+flowStep, 80).Seconds() }

func stopped(e *Env, stop func(l *lab, f *flow, begin, end time.Duration), lasts time.Duration) []Figure {
	l := e.lab("stopped", clean())
	f := l.ebb("Ebb", 0)
	begin := e.lasting(20*second, 8*second) + time.Duration(l.rng.Int64N(int64(second)))
	end := begin + lasts + time.Duration(l.rng.Int64N(int64(second))) // so that probes come at any phase of it
	stop(l, f, begin, end)
	length := end.Truncate(second) + e.lasting(30*second, 8*second)
	l.until(length)
	return append([]Figure{
		{"80 % after, s", f.again(end)},
		{"link afterwards, %", f.share((end + 3*second).Truncate(flowStep), length)},
		{"queue p95, ms", l.queueAt(95, end, length)},
		{"drops", l.dropped()},
	}, l.own(end, length)...)
}

// busyReader is a receiver whose process often does not run. Its socket tells when datagrams have arrived, or they count
// as arrived when they are read.
func busyReader(e *Env, lasts time.Duration, read bool) []Figure {
	length := e.lasting(70*second, 30*second)
	l := e.lab("busy reader", clean())
	f := l.ebb("Ebb", 0)
	f.to.ReadTimes = read
	ends := f.to.SetBusy(simnet.Busy{PerMinute: 10, Length: lasts, From: settling, Until: length - 5*second}, e.Seed)
	l.until(length)
	longest := 0.0
	for _, at := range ends {
		longest = max(longest, f.again(at))
	}
	return append([]Figure{
		{"link, %", f.share(settling, length)},
		{"80 % after, s", longest},
		{"queue p95, ms", l.queueAt(95, settling, length)},
		{"drops", l.dropped()},
		{"sockets full", float64(f.to.Overflow())},
	}, l.own(settling, length)...)
}

// leftAlone is ours when a CUBIC that was there first has gone.
func leftAlone(e *Env, p path) []Figure {
	l := e.lab("left alone", p)
	leave := e.lasting(30*second, 12*second)
	theirs := l.bulk("CUBIC", cubic.Unpaced(), 0)
	f := l.ebb("Ebb", 3*second)
	theirs.stop(leave)
	length := leave + e.lasting(20*second, 6*second)
	l.until(length)
	from := leave + second // CUBIC's queue has gone
	return append([]Figure{
		{"80 % after, s", f.regains(leave, 80).Seconds()},
		{"link afterwards, %", f.share(leave+3*second, length)},
		{"queue p95, ms", l.queueAt(95, from, length)},
	}, l.own(from, length)...)
}
