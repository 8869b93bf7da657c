package matrix

import (
	"fmt"
	"time"

	"example.com/ebb/congestion"
	"example.com/ebb/internal/lab/simnet"
)

// lossRows are those on paths that lose packets without a queue.
func lossRows() []Scenario {
	lossy := path{rate: 50 * mbit, rtt: 50 * ms, buffer: 312 * kb}
	var random []Case
	for _, c := range []struct{ loss, bar float64 }{{0.001, 95}, {0.01, 90}, {0.03, 75}} {
		random = append(random, Case{
			Name: fmt.Sprintf("%g %%", 100*c.loss), Bars: []Bar{atLeast("link, %", c.bar)},
			Measure: func(e *Env) []Figure {
				p := lossy
				p.out = func(l *simnet.LinkConfig) { l.Loss = c.loss }
				return e.alone(p, e.lasting(60*second, 30*second))
			},
		})
	}
	return []Scenario{
		{Row: "12", Title: "50 Mbit/s, 50 ms, 312 KB, 60 s: random loss, while rows 4 to 7 and 11 hold", Cases: random},
		{Row: "13", Title: "50 Mbit/s, 50 ms, 312 KB: a transfer of about 30 s", Cases: []Case{
			{
				Name:    "last 24 packets dropped",
				Bars:    []Bar{atMost("later than clean, ms", 350), atMost("timeouts", 0)},
				Measure: func(e *Env) []Figure { return tailDrop(e, lossy) },
			}, {
				Name:    "Gilbert 1 %, burst 5",
				Bars:    []Bar{atMost("timeouts", 0)},
				Measure: func(e *Env) []Figure { return gilbert(e, lossy) },
			},
		}},
	}
}

// sized is a transfer of that many bytes over the path, with what the link does besides.
func (e *Env) sized(name string, p path, n int, out func(*simnet.LinkConfig)) (f *flow, w *timeoutWatch) {
	p.out = out
	l := e.lab(name, p)
	w = &timeoutWatch{}
	f = l.transfer("Ebb", w.watch(e.Subject), 0, n)
	l.RunUntil(10*minute, func() bool {
		w.update(f)
		return f.over > 0
	})
	return f, w
}

// transferSize is what row 13 moves: 30 s of the link.
func (e *Env) transferSize() int {
	if e.Quick {
		return 20 * mb
	}
	return 175 * mb
}

func tailDrop(e *Env, p path) []Figure {
	const tail = 24
	// The number of the last packet with data comes from a run in which nothing is dropped. A second run is
	// the same, packet for packet, up to the first drop.
	last := 0
	clean, _ := e.sized("clean", p, e.transferSize(), func(c *simnet.LinkConfig) {
		c.Drop = func(n int, b []byte) bool {
			if len(b) > 200 {
				last = n
			}
			return false
		}
	})
	cut, w := e.sized("tail dropped", p, e.transferSize(), func(c *simnet.LinkConfig) {
		c.Drop = func(n int, _ []byte) bool { return n > last-tail && n <= last }
	})
	return []Figure{
		{"later than clean, ms", (cut.over - clean.over).Seconds() * 1000},
		{"timeouts", float64(w.timeouts)},
		{"clean, s", clean.over.Seconds()},
		{"dropped", float64(cut.lab.out.Stats().Scripted)},
	}
}

func gilbert(e *Env, p path) []Figure {
	clean, _ := e.sized("clean", p, e.transferSize(), nil)
	f, w := e.sized("Gilbert", p, e.transferSize(), func(c *simnet.LinkConfig) { c.Burst = simnet.BurstLoss(0.01, 5) })
	return []Figure{
		{"timeouts", float64(w.timeouts)},
		{"later than clean, ms", (f.over - clean.over).Seconds() * 1000},
		{"rate / clean, %", 100 * clean.over.Seconds() / f.over.Seconds()},
		{"lost, %", f.lost()},
	}
}

// timeoutWatch counts what a retransmission timeout would have been in TCP: persistent congestion,
// or a second probe timeout in a row. It stands in front of the controller to see the ACKs.
type timeoutWatch struct {
	congestion.Controller
	timeouts int

	acks, acksSeen int
	probes         uint64 // at the last ACK
	episodes       uint64
	row            uint64 // timeouts in the present row that were counted
}

// watch is a factory that watches the first controller it makes, that of the side that dials. The other
// side has a controller of its own: one for both would mix the delays of two directions.
func (w *timeoutWatch) watch(f congestion.Factory) congestion.Factory {
	return func(p congestion.Params) congestion.Controller {
		c := f(p)
		if w.Controller != nil {
			return c
		}
		w.Controller = c
		return w
	}
}

// OnAck implements congestion.Controller.
func (w *timeoutWatch) OnAck(now time.Duration, e congestion.AckEvent) {
	w.acks++
	w.Controller.OnAck(now, e)
}

// update is called after every event.
func (w *timeoutWatch) update(f *flow) {
	if f.sender == nil {
		return
	}
	s := f.sent()
	if w.acks != w.acksSeen {
		w.acksSeen, w.probes, w.row = w.acks, s.Probes, 0
	}
	if again := s.Probes - w.probes; again >= 2 && again-1 > w.row {
		w.timeouts += int(again - 1 - w.row)
		w.row = again - 1
	}
	w.timeouts += int(s.PersistentCongestion - w.episodes)
	w.episodes = s.PersistentCongestion
}
