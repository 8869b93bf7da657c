package engine_test

import (
	"testing"
	"time"

	"example.com/ebb/congestion"
	"example.com/ebb/internal/engine"
	"example.com/ebb/internal/lab/simnet"
	"example.com/ebb/wire"
)

// marker is a link's Remark that counts what passes.
type marker struct {
	seen   [4]int
	change func(n int, ecn engine.ECN) engine.ECN // nil: none
}

func (m *marker) remark(_ int, ecn engine.ECN) engine.ECN {
	m.seen[ecn]++
	if m.change != nil && ecn == engine.ECT0 {
		return m.change(m.seen[engine.ECT0], ecn)
	}
	return ecn
}

// markedTransfer sends a mebibyte over a path that does to marks what change says, and returns
// what the link saw, the client and what its controller was told.
func markedTransfer(t *testing.T, adjust func(*engine.Params), link simnet.LinkConfig, m *marker) (*world, *simnet.Flow, *fixed) {
	t.Helper()
	link.Delay, link.Remark = rtt/2, m.remark
	w := newWorld(t, 1, link, path(0, rtt))
	notes := &fixed{window: 64 << 10}
	w.client.Controller = func(congestion.Params) congestion.Controller { return notes }
	w.client.Adjust = adjust
	c, s := w.connect()
	s.OnChange = func() { readAll0(s) }
	out := &feed{f: c, n: 1 << 20}
	c.OnChange = out.pump
	c.Flush()
	if !w.RunUntil(time.Minute, func() bool { return out.done && c.Conn.Info().SendBuffered == 0 }) {
		t.Fatalf("stuck: %+v", c.Conn.Info())
	}
	return w, c, notes
}

// TestMarksAreValidated: packets are marked while that is known to work or being tried, and only
// then (RFC 9000 section 13.4.2).
// Of docs/wire.md: [W139].
func TestMarksAreValidated(t *testing.T) {
	to := func(e engine.ECN) func(int, engine.ECN) engine.ECN {
		return func(int, engine.ECN) engine.ECN { return e }
	}
	late := func(n int, ecn engine.ECN) engine.ECN {
		if n > 200 {
			return engine.NotECT
		}
		return ecn
	}
	tests := []struct {
		name   string
		change func(int, engine.ECN) engine.ECN
		works  bool
		most   int // packets that may be marked
	}{
		{name: "untouched", works: true, most: 2000},
		{name: "erased", change: to(engine.NotECT), most: 60},
		{name: "changed to ECT(1)", change: to(engine.ECT1), most: 60},
		{name: "erased from the 200th on", change: late, most: 300},
		{name: "all CE", change: to(engine.CE), works: true, most: 2000},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m := &marker{change: test.change}
			_, c, notes := markedTransfer(t, nil, simnet.LinkConfig{}, m)
			if got := c.Conn.Info().ECN; got != test.works {
				t.Errorf("marks in use: %v", got)
			}
			if n := m.seen[engine.ECT0]; n < 10 || n > test.most || test.works && n < 700 {
				t.Errorf("%d packets were marked, %d not", n, m.seen[engine.NotECT])
			}
			if len(notes.losses) != 0 {
				t.Error("lost something")
			}
		})
	}
}

// TestMarksReachTheController: as many as the path made, each once, although ACKs are lost.
// Of docs/wire.md: [W137] [W138] [W140].
func TestMarksReachTheController(t *testing.T) {
	made := 0
	m := &marker{change: func(n int, ecn engine.ECN) engine.ECN {
		if n%10 == 0 {
			made++
			return engine.CE
		}
		return ecn
	}}
	w, c, notes := markedTransfer(t, nil, simnet.LinkConfig{}, m)
	w.down.SetConfig(w.Now(), simnet.LinkConfig{Delay: rtt / 2, Loss: 0.3})
	out := &feed{f: c, n: 1 << 20}
	c.OnChange = out.pump
	c.Flush()
	w.RunUntil(time.Minute, func() bool { return out.done && c.Conn.Info().SendBuffered == 0 })
	w.down.SetConfig(w.Now(), simnet.LinkConfig{Delay: rtt / 2})
	w.Run(time.Minute) // a keep-alive brings the last count
	told := 0
	for _, e := range notes.acks {
		told += e.CE
	}
	if made < 100 || told != made || c.Conn.Info().Stats.PacketsMarked != uint64(made) {
		t.Errorf("%d marks were made, the controller was told of %d, the counter says %d", made, told, c.Conn.Info().Stats.PacketsMarked)
	}
}

// TestMarkedPacketsVanish: a path that drops what is marked costs a dial's first packets
// their way, and no more.
func TestMarkedPacketsVanish(t *testing.T) {
	m := &marker{}
	marked, lost := false, 0
	link := simnet.LinkConfig{Delay: rtt / 2}
	link.Remark = func(n int, e engine.ECN) engine.ECN { marked = e != engine.NotECT; return m.remark(n, e) }
	link.Drop = func(int, []byte) bool {
		if marked {
			lost++
		}
		return marked
	}
	w := newWorld(t, 1, link, path(0, rtt))
	took := w.transfer(1<<20, time.Minute)
	if took > 3*time.Second {
		t.Errorf("took %v", took)
	}
	if lost < 3 || lost > 100 {
		t.Errorf("%d marked packets were lost", lost)
	}
}

// TestNoECNMarksNothing: the switch works.
func TestNoECNMarksNothing(t *testing.T) {
	m := &marker{}
	_, c, _ := markedTransfer(t, func(p *engine.Params) { p.NoECN = true }, simnet.LinkConfig{}, m)
	if n := m.seen[engine.ECT0]; n != 0 || c.Conn.Info().ECN {
		t.Errorf("%d packets were marked", n)
	}
}

// TestForgedCountsGainNothing: counts that cannot be true end the marking and tell the
// controller nothing; ones that can be, and accuse the path, only slow the sender down.
func TestForgedCountsGainNothing(t *testing.T) {
	tests := []struct {
		name string
		ack  wire.Ack
		ce   int
	}{
		{"CE beyond what was marked", wire.Ack{CE: 1 << 40}, 0},
		{"ECT(0) beyond what was marked", wire.Ack{ECT0: wire.MaxOffset}, 0},
		{"a sum that wraps", wire.Ack{ECT0: 1<<62 - 1, ECT1: 0, CE: 1<<62 - 1}, 0},
		{"ECT(1), which nobody sent", wire.Ack{ECT0: 4, ECT1: 1}, 0},
		{"fewer than were acknowledged", wire.Ack{ECT0: 1}, 0},
		{"all CE", wire.Ack{CE: 5}, 5},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := newForger(t)
			before := f.server.Conn.Info()
			f.server.Conn.Write(make([]byte, 20_000))
			f.server.Flush()
			f.w.Run(time.Millisecond)
			a := test.ack
			a.HasECN = true
			f.say(wire.Must(wire.AppendAck(nil, &a, []wire.Range{{First: 0, Last: 4}}, 1000)))
			if f.server.Removed {
				t.Fatalf("ended: %v", f.server.Conn.Err())
			}
			in := f.server.Conn.Info()
			if got := in.Stats.PacketsMarked - before.Stats.PacketsMarked; got != uint64(test.ce) {
				t.Errorf("%d packets count as marked, want %d", got, test.ce)
			}
			if in.ECN != (test.ce > 0) {
				t.Errorf("marks in use: %v", in.ECN)
			}
			if in.Window > before.Window {
				t.Errorf("the window grew from %d to %d", before.Window, in.Window)
			}
		})
	}
}

// TestMarksAreTriedAgain: ten minutes after a path was found to drop what is marked, ten packets are marked again, which costs the
// controller nothing where they are dropped still, and brings marks back where they are not.
func TestMarksAreTriedAgain(t *testing.T) {
	lost := 0
	broken := simnet.LinkConfig{Rate: 2_500_000, Delay: rtt / 2, Rules: []simnet.Rule{{Match: func(p simnet.Packet) bool {
		if p.ECN != engine.NotECT {
			lost++
		}
		return p.ECN != engine.NotECT
	}, Loss: 1}}}
	w, c, _, notes := watched(t, broken, path(0, rtt), 1<<20)
	lightly(w, c, time.Minute)
	if lost < 3 || lost > 30 {
		t.Errorf("%d marked packets were lost at first", lost)
	}
	lost, notes.losses = 0, nil
	lightly(w, c, 10*time.Minute)
	if lost < 3 || lost > 20 || len(notes.losses) != 0 {
		t.Errorf("%d marked packets were lost later, the controller was told of %d losses", lost, len(notes.losses))
	}
	w.up.SetConfig(w.Now(), path(2_500_000, rtt))
	lightly(w, c, 10*time.Minute)
	if !c.Conn.Info().ECN {
		t.Error("marks are not in use")
	}
}

// TestUnbelievedMarksAreTriedAgain: ten minutes after marks were found on everything, a few packets are marked again, whose CE the
// controller is not told of while all have it, and marks are in use again where they have not.
func TestUnbelievedMarksAreTriedAgain(t *testing.T) {
	link := path(2_500_000, rtt)
	link.Rules = []simnet.Rule{{Match: simnet.Marked(engine.ECT0), Mark: true, ECN: engine.CE}}
	w, c, _, notes := watched(t, link, path(0, rtt), 5000)
	lightly(w, c, time.Minute)
	if c.Conn.Info().ECN {
		t.Fatal("marks are believed")
	}
	told := func() (n int) {
		for _, e := range notes.acks {
			n += e.CE
		}
		return n
	}
	notes.acks = nil
	lightly(w, c, 10*time.Minute)
	if n := w.up.Stats().Sent; told() != 0 || c.Conn.Info().ECN {
		t.Errorf("the controller was told of %d marks of %d packets, marks in use: %v", told(), n, c.Conn.Info().ECN)
	}
	w.up.SetConfig(w.Now(), path(2_500_000, rtt))
	lightly(w, c, 10*time.Minute)
	if !c.Conn.Info().ECN || told() != 0 {
		t.Errorf("marks in use: %v, %d told", c.Conn.Info().ECN, told())
	}
}
