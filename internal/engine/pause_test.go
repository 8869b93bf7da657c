package engine_test

import (
	"fmt"
	"io"
	"testing"
	"time"

	"example.com/ebb/internal/engine"
	"example.com/ebb/internal/lab/simnet"
)

// orders is how a process that goes on may find what has happened meanwhile.
var orders = map[string]simnet.Order{"timers first": simnet.TimersFirst, "datagrams first": simnet.DatagramsFirst}

// pausable is a world whose sides have an idle timeout each. The linger and user timeouts are as long.
func pausable(t *testing.T, seed uint64, link simnet.LinkConfig, client, server time.Duration) *world {
	w := newWorld(t, seed, link, link)
	for st, d := range map[*simnet.Station]time.Duration{w.client: client, w.server: server} {
		st.Adjust = func(p *engine.Params) { p.IdleTimeout, p.LingerTimeout, p.UserTimeout = d, d, d }
	}
	return w
}

// pause stops a process at a time and lets it go on.
func (w *world) pause(st *simnet.Station, at, length time.Duration, first simnet.Order) {
	w.At(at, st.Pause)
	w.At(at+length, func() { st.Resume(first) })
}

// stoppedCase is a process that stops, beside a peer that goes on.
type stoppedCase struct {
	own, peer time.Duration // idle timeouts
	length    time.Duration
}

// stoppedCases are stops that nothing may be lost by: shorter than the peer's idle timeout. The own one does not matter.
var stoppedCases = []stoppedCase{
	{30 * time.Second, 30 * time.Second, 25 * time.Second},
	{3 * time.Second, 30 * time.Second, 5 * time.Second},
	{3 * time.Second, 30 * time.Second, 25 * time.Second},
	{time.Second, 10 * time.Minute, 2 * time.Second},
	{3 * time.Second, 10 * time.Minute, 5 * time.Second},
	{30 * time.Second, 10 * time.Minute, 40 * time.Second},
	{30 * time.Second, 10 * time.Minute, 8 * time.Minute},
}

// eachStop runs a test for each case, order and moment of a stop, from before anything is wrong to after the own idle
// timeout.
func eachStop(t *testing.T, test func(w *world, stopped *simnet.Station, at time.Duration, c stoppedCase, first simnet.Order)) {
	link := simnet.LinkConfig{Rate: 250_000, Queue: 64 << 10, Delay: rtt / 2, Loss: 0.02}
	for name, first := range orders {
		for i, c := range stoppedCases {
			for _, sender := range []bool{true, false} {
				t.Run(fmt.Sprintf("%s/%v of %v beside %v/sender %v", name, c.length, c.own, c.peer, sender), func(t *testing.T) {
					for k := range 8 {
						seed := uint64(100*i + k)
						w := pausable(t, seed, link, c.own, c.peer)
						stopped := w.client
						if !sender {
							w = pausable(t, seed, link, c.peer, c.own)
							stopped = w.server
						}
						at := 300*time.Millisecond + time.Duration(k)*c.own/4
						test(w, stopped, at, c, first)
					}
				})
			}
		}
	}
}

// TestAStopLosesNothing: a process that was stopped does not take its own pause for the peer's silence, be it busy
// or closing. What lies in its socket is read, and a probe answered, before anybody is declared dead.
func TestAStopLosesNothing(t *testing.T) {
	eachStop(t, func(w *world, stopped *simnet.Station, at time.Duration, c stoppedCase, first simnet.Order) {
		w.onAccept = func(*simnet.Flow) { w.pause(stopped, w.Now()+at, c.length, first) }
		w.transfer(200<<10, c.length+2*c.own+time.Minute)
	})
}

// TestAStopLosesNoIdleConnection: the same of connections that nobody uses.
func TestAStopLosesNoIdleConnection(t *testing.T) {
	eachStop(t, func(w *world, stopped *simnet.Station, at time.Duration, c stoppedCase, first simnet.Order) {
		a, b := w.connect()
		w.pause(stopped, w.Now()+at, c.length, first)
		w.Run(at + c.length + 2*c.own)
		if a.Conn.Err() != nil || b.Conn.Err() != nil {
			t.Fatalf("stopped at %v: %v, %v", at, a.Conn.Err(), b.Conn.Err())
		}
	})
}

// crowd is many connections of one client: a third of them idle, a third busy, and a third that close behind what
// they write.
type crowd struct {
	dialled []*simnet.Flow
	sinks   []*sink
}

const crowdBytes = 50_000 // of each that is not idle

func newCrowd(w *world, n int) *crowd {
	m := new(crowd)
	w.onAccept = func(s *simnet.Flow) {
		in := &sink{t: w.t, f: s, salt: 1}
		m.sinks = append(m.sinks, in)
		s.OnChange = in.pump
	}
	for i := range n {
		c := w.client.Dial(w.server)
		m.dialled = append(m.dialled, c)
		out := &feed{f: c, salt: 1, n: crowdBytes}
		if i%3 == 1 {
			out.end = func() { c.Conn.Close(w.Now()) }
		}
		if i%3 != 0 {
			c.OnChange = func() {
				if c.Conn.Established() {
					out.pump()
				}
			}
		}
	}
	return m
}

// check says what was lost.
func (m *crowd) check(t *testing.T) {
	t.Helper()
	dead, got := 0, uint64(0)
	for i, f := range m.dialled {
		if f.Conn.Err() != nil {
			dead++
		}
		if i%3 == 1 && !f.Conn.Delivered() {
			t.Errorf("connection %d is closed and not delivered: %v", i, f.Conn.Err())
		}
	}
	for _, in := range m.sinks {
		if in.err != nil && in.err != io.EOF {
			dead++
		}
		got += in.got
	}
	if want := uint64(len(m.dialled) * 2 / 3 * crowdBytes); dead > 0 || got != want || len(m.sinks) != len(m.dialled) {
		t.Errorf("%d dialled and %d accepted, %d ends declared dead, %d bytes of %d", len(m.dialled), len(m.sinks), dead, got, want)
	}
}

// TestAStopLosesNoneOfMany: 300 connections of one socket, whose process stops. The idle timeout, which is shorter than
// the stop, leaves time for three probes: one of 2500 pairs of exchanges gets lost on this path, stop or not.
func TestAStopLosesNoneOfMany(t *testing.T) {
	const idle = 4 * time.Second
	for name, first := range orders {
		for _, sender := range []bool{true, false} {
			t.Run(fmt.Sprint(name, "/sender ", sender), func(t *testing.T) {
				link := simnet.LinkConfig{Rate: 1_250_000, Queue: 4 << 20, Delay: rtt / 2, Loss: 0.01}
				w := pausable(t, 1, link, idle, 10*time.Minute)
				stopped := w.client
				if !sender {
					w = pausable(t, 1, link, 10*time.Minute, idle)
					stopped = w.server
				}
				w.client.Controller = fixedFactory(4 << 10)
				m := newCrowd(w, 300)
				w.pause(stopped, 2*time.Second, 5*time.Second, first)
				w.Run(time.Minute)
				m.check(t)
			})
		}
	}
}

// TestAStopDuringADial: the answer is in the socket of a process that was stopped until the dial's time was over.
func TestAStopDuringADial(t *testing.T) {
	for name, first := range orders {
		w := newWorld(t, 1, path(0, rtt), path(0, rtt))
		w.client.Adjust = func(p *engine.Params) { p.HandshakeTimeout = 3 * time.Second }
		c := w.client.Dial(w.server)
		w.pause(w.client, rtt/4, 5*time.Second, first)
		w.Run(20 * time.Second)
		if !c.Conn.Established() || c.Conn.Err() != nil {
			t.Errorf("%s: established %v, %v", name, c.Conn.Established(), c.Conn.Err())
		}
	}
}

// TestAStopOnADeadPathEndsAll: a grace is no second life: without an answer it is over soon after the stop.
func TestAStopOnADeadPathEndsAll(t *testing.T) {
	for name, first := range orders {
		w := pausable(t, 1, path(0, rtt), 3*time.Second, 3*time.Second)
		c, _ := w.connect()
		w.up.SetConfig(w.Now(), simnet.LinkConfig{Loss: 1})
		w.down.SetConfig(w.Now(), simnet.LinkConfig{Loss: 1})
		w.pause(w.client, w.Now()+time.Second, 20*time.Second, first)
		write(t, c, "into the void")
		w.Run(25 * time.Second)
		if kindOf(c.Conn.Err()) != engine.KindIdleTimeout {
			t.Errorf("%s: %v four seconds after a stop that began a second after the path died", name, c.Conn.Err())
		}
	}
}

// TestTheRateIsBackAfterAStop: what a round trip lasted in which one side was stopped says nothing of the path. Two
// seconds after the next ACK the sender has at least 80 % of its rate again.
func TestTheRateIsBackAfterAStop(t *testing.T) {
	t.Parallel()
	for name, first := range orders {
		for _, length := range []time.Duration{time.Second, 20 * time.Second} {
			for _, sender := range []bool{true, false} {
				w := newWorld(t, 1, path(1_250_000, rtt), path(1_250_000, rtt))
				w.client.Controller = ledbatFactory
				stopped := w.client
				if !sender {
					stopped = w.server
				}
				c, s := w.connect()
				out, in := &feed{f: c, salt: 1, n: 1 << 40}, &sink{t: t, f: s, salt: 1}
				c.OnChange, s.OnChange = out.pump, in.pump
				c.Flush()
				w.Run(5 * time.Second)
				before := in.got
				w.Run(2 * time.Second)
				before = (in.got - before) / 2
				stopped.Pause()
				w.Run(length)
				stopped.Resume(first)
				w.Run(2 * time.Second)
				after := in.got
				w.Run(time.Second)
				after = in.got - after
				if after < before*8/10 {
					t.Errorf("%s, sender %v: after a stop of %v %d bytes/s, before it %d; %+v", name, sender, length, after, before, c.Conn.Info())
				}
			}
		}
	}
}

// TestALongerPathIsLearnt: a round trip that has become fifty times as long, of which the first sample looks like a
// stop, is known two round trips later.
func TestALongerPathIsLearnt(t *testing.T) {
	w := newWorld(t, 1, path(0, rtt), path(0, rtt))
	c, s := w.connect()
	out, in := &feed{f: c, salt: 1, n: 1 << 40}, &sink{t: t, f: s, salt: 1}
	c.OnChange, s.OnChange = out.pump, in.pump
	c.Flush()
	w.Run(time.Second)
	w.up.SetConfig(w.Now(), path(0, 50*rtt))
	w.down.SetConfig(w.Now(), path(0, 50*rtt))
	w.Run(3 * 50 * rtt)
	if got := c.Conn.Info().LatestRTT; got < 50*rtt {
		t.Errorf("after three round trips of %v the last sample is %v", 50*rtt, got)
	}
}
