package simnet

import (
	"slices"
	"testing"
	"time"
)

// classed enqueues a datagram of 1000 bytes with its headers.
func (b *aqmBench) classed(dscp uint8) {
	p := b.copyOf(make([]byte, 972), simPacket{from: b.from[0].Addr, dst: b.to.Addr, to: b.to, dscp: dscp})
	p.link = b.link
	b.q.enqueue(p)
}

// classes makes a bench whose link notes the class of what comes out.
func classes(cfg AQMConfig) (b *aqmBench, out *[]uint8) {
	b, out = newAQMBench(cfg, 1), new([]uint8)
	b.link = NewLink(LinkConfig{Rules: []Rule{{Match: func(p Packet) bool {
		*out = append(*out, p.DSCP)
		return true
	}, Loss: 1}}}, 1)
	return b, out
}

func TestBandsServeTheUpperFirst(t *testing.T) {
	b, out := classes(AQMConfig{Rate: 1_000_000, Bands: true})
	for _, dscp := range []uint8{LE, LE, CS1, 0, 46, 0} {
		b.classed(dscp)
	}
	b.Run(time.Second)
	if want := []uint8{LE, 0, 46, 0, LE, CS1}; !slices.Equal(*out, want) { // the first was on the wire
		t.Errorf("served %v, want %v", *out, want)
	}
}

// A lower band that always has something gets a twentieth, and what it is owed ends with its queue.
func TestBandsDoNotStarve(t *testing.T) {
	b, out := classes(AQMConfig{Rate: 1_000_000, Bands: true})
	for range 400 {
		b.classed(0)
	}
	for range 100 {
		b.classed(LE)
	}
	b.Run(201*ms + ms/2)
	lower := 0
	for _, dscp := range *out {
		if dscp == LE {
			lower++
		}
	}
	if len(*out) != 201 || lower != 10 {
		t.Errorf("%d of %d from the lower band, want a twentieth", lower, len(*out))
	}
	if got := (*out)[:21]; slices.Index(got, LE) != 20 { // the first was on the wire before anything waited below
		t.Errorf("served %v: the lower band is to wait for nineteen", got)
	}
}

func TestBandsHaveALimitEach(t *testing.T) {
	b, out := classes(AQMConfig{Rate: 1_000_000, Limit: 3000, Bands: true})
	for range 6 {
		b.classed(LE)
	}
	for range 4 {
		b.classed(0)
	}
	if s := b.q.Stats(); s.Dropped != 3 || s.Queued != 7 {
		t.Errorf("%+v", s)
	}
	if got := b.q.QueueDelay(0); got != 7*ms {
		t.Errorf("a queue of %v, want 7 ms", got)
	}
	b.Run(time.Second)
	if len(*out) != 7 || b.q.Stats().Bytes != 7000 {
		t.Errorf("served %v", *out)
	}
}

// What a station sends has its class, and rules can tell.
func TestStationMarksClass(t *testing.T) {
	s := NewSim(1)
	a, b := s.NewStation("10.0.0.1:1", newSteady), s.NewStation("10.0.0.2:1", newSteady)
	a.DSCP = LE
	b.Accept = func(*Flow) {}
	marked, plain := 0, 0
	count := func(n *int) Rule {
		return Rule{Match: func(p Packet) bool {
			if p.DSCP == LE {
				*n++
			}
			return false
		}}
	}
	starve := Rule{From: time.Second, Match: InClass(LE), Loss: 1}
	out, _ := s.Join(a, b, LinkConfig{Rules: []Rule{count(&marked), starve}}, LinkConfig{Rules: []Rule{count(&plain)}})
	f := a.Dial(b)
	s.Run(time.Second)
	if !f.Conn.Established() || marked == 0 || marked != out.Stats().Sent || plain != 0 {
		t.Fatalf("established %v; %d of %d marked, %d on the way back", f.Conn.Established(), marked, out.Stats().Sent, plain)
	}
	f.Conn.Write(make([]byte, 1000))
	f.Flush()
	s.Run(time.Second)
	if out.Stats().Scripted == 0 {
		t.Error("a rule for a class lost nothing")
	}
}
