package engine_test

import (
	"testing"
	"time"

	"example.com/ebb/congestion"
	"example.com/ebb/internal/lab/simnet"
	"example.com/ebb/ledbat"
)

// lateSides are the processes that are late, and in what order they find what has happened meanwhile.
func lateSides(t *testing.T, run func(t *testing.T, first simnet.Order, late func(w *world) []*simnet.Station)) {
	sides := map[string]func(w *world) []*simnet.Station{
		"sender":   func(w *world) []*simnet.Station { return []*simnet.Station{w.client} },
		"receiver": func(w *world) []*simnet.Station { return []*simnet.Station{w.server} },
		"both":     func(w *world) []*simnet.Station { return []*simnet.Station{w.client, w.server} },
	}
	for name, first := range orders {
		for side, late := range sides {
			t.Run(name+"/"+side, func(t *testing.T) { run(t, first, late) })
		}
	}
}

// busy makes processes 20 ms late, ten times a minute, each time at another moment of their round trips.
func busy(w *world, first simnet.Order, stations []*simnet.Station) {
	for i := range 10 {
		for j, st := range stations {
			w.pause(st, w.Now()+time.Duration(i)*6*time.Second+time.Duration(i*3+j*11)*time.Millisecond, 20*time.Millisecond, first)
		}
	}
}

// TestLateReaderIsNoQueue: on a path without a queue every sample shows its propagation delay to the microsecond, though either
// process is late again and again, by more than the ACK delay that it has declared.
func TestLateReaderIsNoQueue(t *testing.T) {
	lateSides(t, func(t *testing.T, first simnet.Order, late func(w *world) []*simnet.Station) {
		w := newWorld(t, 1, path(0, rtt), path(0, rtt))
		notes := &fixed{window: 64 << 10}
		w.client.Controller = func(congestion.Params) congestion.Controller { return notes }
		c, s := w.connect()
		s.OnChange = func() { readAll0(s) }
		w.Run(time.Second)
		busy(w, first, late(w))
		for range 60_000 / 7 {
			write(t, c, "a message in a packet of its own")
			w.Run(7 * time.Millisecond)
		}
		samples, oneWay := 0, notes.acks[0].OneWay
		for _, e := range notes.acks {
			if e.RTT == 0 {
				continue
			}
			samples++
			if d := e.OneWay - oneWay; abs(e.RTT-rtt) > time.Microsecond || abs(d) > time.Microsecond {
				t.Fatalf("a round trip of %v, and %v more one way, on a path of %v", e.RTT, d, rtt)
			}
		}
		if samples < 3000 || c.Conn.Info().Stats.PacketsLost > 0 {
			t.Errorf("%d samples, %d packets declared lost", samples, c.Conn.Info().Stats.PacketsLost)
		}
	})
}

func abs(d time.Duration) time.Duration { return max(d, -d) }

// lateRun is the default controller over 4 Mbit/s for a minute, with readers that are late or without: its rate in bytes per second, and
// by how much the queue that it sees exceeds that of the link, in the mean.
func lateRun(t *testing.T, delay func(w *world)) (rate float64, excess time.Duration) {
	w := newWorld(t, 1, path(500_000, rtt), path(500_000, rtt))
	w.client.Controller = ledbat.Factory(ledbat.Config{})
	c, s := w.connect()
	out, in := &feed{f: c, salt: 1, n: 1 << 40}, &sink{t: t, f: s, salt: 1}
	c.OnChange, s.OnChange = out.pump, in.pump
	c.Flush()
	w.Run(10 * time.Second)
	delay(w)
	before := in.got
	for range 600 {
		w.Run(100 * time.Millisecond)
		excess += (c.Conn.Info().Congestion.QueueDelay - w.up.QueueDelay(w.Now())) / 600
	}
	return float64(in.got-before) / 60, excess
}

// TestLateReaderKeepsTheRate: the default controller sees no queue that is not there, and has as much of the link, with late readers
// as without. What a sender that was late sends together is a queue, of the link.
func TestLateReaderKeepsTheRate(t *testing.T) {
	calm, excess := lateRun(t, func(*world) {})
	lateSides(t, func(t *testing.T, first simnet.Order, late func(w *world) []*simnet.Station) {
		rate, more := lateRun(t, func(w *world) { busy(w, first, late(w)) })
		if rate < 0.98*calm || more > excess+time.Millisecond {
			t.Errorf("%.0f of %.0f bytes/s, a queue that is %v above the link's in the mean, and %v without", rate, calm, more, excess)
		}
	})
}
