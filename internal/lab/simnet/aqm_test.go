package simnet

import (
	"slices"
	"testing"
	"time"

	"example.com/ebb/internal/endpoint"
)

// aqmBench sends datagrams straight into an AQM and notes when they come out behind it.
type aqmBench struct {
	*Sim
	q    *AQM
	link *Link
	out  []time.Duration
	from []*Station
	to   *Station
}

func newAQMBench(cfg AQMConfig, senders int) *aqmBench {
	s := NewSim(1)
	b := &aqmBench{Sim: s, q: s.NewAQM(cfg)}
	b.link = NewLink(LinkConfig{Drop: func(int, []byte) bool {
		b.out = append(b.out, s.Now())
		return true
	}}, 1)
	b.to = s.NewStation("10.0.0.1:1", nil)
	for i := range senders {
		b.from = append(b.from, s.NewStation([]string{"10.0.1.1:1", "10.0.1.2:1"}[i], nil))
	}
	return b
}

// send enqueues a datagram of 1000 bytes with its headers.
func (b *aqmBench) send(sender int, ecn endpoint.ECN) {
	p := b.copyOf(make([]byte, 972), simPacket{from: b.from[sender].Addr, dst: b.to.Addr, to: b.to, ecn: ecn})
	p.link = b.link
	b.q.enqueue(p)
}

// At 1000 bytes a millisecond a queue that takes one and a half can only grow. The first drop comes an
// interval after the wait has passed the target, the next ones after interval/√count (RFC 8289).
func TestCoDelDropTimes(t *testing.T) {
	for _, ecn := range []bool{false, true} {
		b := newAQMBench(AQMConfig{Rate: 1_000_000, ECN: ecn}, 1)
		var drops []time.Duration
		for i := range 600 {
			b.At(time.Duration(i)*ms*2/3, func() { b.send(0, endpoint.ECT0) })
		}
		seen := func() int { return b.q.Stats().Dropped + b.q.Stats().Marked }
		for n := 0; b.Now() < 400*ms; {
			b.Run(ms / 10)
			for ; n < seen(); n++ {
				drops = append(drops, b.Now().Truncate(ms))
			}
		}
		// The datagram sent at 10 ms waits 5 ms and leaves the queue at 15 ms; it is looked at when the
		// wire is free, once a millisecond: 115 ms. Then 100/√1, √2, √3 later.
		want := []time.Duration{115 * ms, 215 * ms, 286 * ms, 344 * ms, 394 * ms}
		if !slices.Equal(drops, want) {
			t.Errorf("ECN %v: drops at %v, want %v", ecn, drops, want)
		}
		if s := b.q.Stats(); ecn && s.Dropped != 0 || !ecn && s.Marked != 0 {
			t.Errorf("ECN %v: %+v", ecn, s)
		}
	}
}

// A queue below the target, or of a single packet, is left alone.
func TestCoDelLeavesShortQueues(t *testing.T) {
	b := newAQMBench(AQMConfig{Rate: 1_000_000}, 1)
	for i := range 1000 { // four at once every four milliseconds: at most 3 ms of wait
		b.At(time.Duration(i/4)*4*ms, func() { b.send(0, endpoint.NotECT) })
	}
	b.Run(2 * time.Second)
	if s := b.q.Stats(); s != (AQMStats{Queued: 1000, Bytes: 1_000_000}) {
		t.Errorf("%+v", s)
	}
	for i, at := range b.out {
		if want := time.Duration(i+1) * ms; at != want {
			t.Fatalf("datagram %d left at %v, want %v", i, at, want)
		}
	}
}

func TestAQMLimit(t *testing.T) {
	b := newAQMBench(AQMConfig{Rate: 1_000_000, Limit: 3000}, 1)
	for range 5 { // one on the wire, three queued
		b.send(0, endpoint.NotECT)
	}
	if got := b.q.QueueDelay(0); got != 4*ms {
		t.Errorf("queue of %v, want 4 ms", got)
	}
	b.Run(time.Second)
	if s := b.q.Stats(); s.Queued != 4 || s.Dropped != 1 || len(b.out) != 4 {
		t.Errorf("%+v, %d came out", s, len(b.out))
	}
}

// FQ-CoDel: a flow that has filled its queue does not delay one that sends little, and pays for what
// does not fit.
func TestFQCoDelSeparatesFlows(t *testing.T) {
	b := newAQMBench(AQMConfig{Rate: 1_000_000, Limit: 20_000, Flows: 1024}, 2)
	for range 30 {
		b.send(0, endpoint.NotECT)
	}
	if s := b.q.Stats(); s.Dropped != 9 { // one on the wire, twenty queued
		t.Fatalf("%+v", s)
	}
	var arrived time.Duration
	second := NewLink(LinkConfig{Drop: func(int, []byte) bool {
		arrived = b.Now()
		return true
	}}, 1)
	b.At(ms/2, func() {
		p := b.copyOf(make([]byte, 972), simPacket{from: b.from[1].Addr, dst: b.to.Addr, to: b.to})
		p.link = second
		b.q.enqueue(p) // no room: the first flow loses another
	})
	b.Run(time.Second)
	// At 1 ms the first flow has 514 bytes of its quantum left, and sends one more packet of it.
	if arrived != 3*ms {
		t.Errorf("the second flow's datagram arrived at %v, want 3 ms", arrived)
	}
	if s := b.q.Stats(); len(b.out) != 20 || s != (AQMStats{Queued: 31, Dropped: 10, Bytes: 21_000}) {
		t.Errorf("%+v, %d of the first flow came out", s, len(b.out))
	}
}

func TestPolicer(t *testing.T) {
	// 1000 tokens a second, a bucket of three datagrams of 1000.
	l := NewLink(LinkConfig{Policer: Policer{Rate: 1000, Bucket: 3000}}, 1)
	got := at(l, 972, 0, 0, 0, 0, 999*ms, 1000*ms, 1001*ms, 10*time.Second, 10*time.Second, 10*time.Second, 10*time.Second)
	want := []time.Duration{0, 0, 0, -1, -1, 1000 * ms, -1, 10 * time.Second, 10 * time.Second, 10 * time.Second, -1}
	if !slices.Equal(got, want) {
		t.Errorf("arrivals at %v, want %v", got, want)
	}
	if s := l.Stats(); s.Policed != 4 || s.Delivered != 7 || s.Bytes != 7000 {
		t.Errorf("%+v", s)
	}
	// Asked every microsecond, a policer of 1 MB/s lets as much pass as one that is asked seldom.
	l = NewLink(LinkConfig{Policer: Policer{Rate: 1_000_000, Bucket: 1000}}, 1)
	for now := time.Duration(0); now <= time.Second; now += time.Microsecond {
		l.Send(now, make([]byte, 972))
	}
	if s := l.Stats(); s.Delivered != 1001 {
		t.Errorf("%d datagrams in a second of 1000 and a bucket of one", s.Delivered)
	}
}

func TestAggregate(t *testing.T) {
	l := NewLink(LinkConfig{Rate: 1_000_000, Delay: 10 * ms, Aggregate: 4 * ms}, 1)
	got := at(l, 972, repeat(0, 5)...) // served at 1 to 5 ms
	want := []time.Duration{14 * ms, 14 * ms, 14 * ms, 14 * ms, 18 * ms}
	if !slices.Equal(got, want) {
		t.Errorf("arrivals at %v, want %v", got, want)
	}
}
