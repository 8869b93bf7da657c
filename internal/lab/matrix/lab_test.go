package matrix

import (
	"math"
	"testing"
	"time"

	"example.com/ebb/congestion"
	"example.com/ebb/congestion/bbr"
	"example.com/ebb/congestion/cubic"
	"example.com/ebb/congestion/reno"
	"example.com/ebb/internal/lab/simnet"
)

// With 1.2 ms for a packet and an ACK for every second one, a pair that finds no queue is back after
// 40 ms and its own 2.4 ms. Twenty packets, less than what fills the path, go round in just that time.
func TestWindowBelowThePath(t *testing.T) {
	e := &Env{Subject: packets(20), Seed: 1}
	l := e.lab("", path{rate: 10 * mbit, rtt: 40 * ms, buffer: 256 * kb})
	f := l.bulk("", e.Subject, 0)
	l.until(20 * second)
	if got, want := f.share(10*second, 20*second), 100*20*1.2/42.4; math.Abs(got-want) > 0.2 {
		t.Errorf("%.3f %% of the link, want %.3f", got, want)
	}
	if got := l.used(10*second, 20*second); math.Abs(got-f.share(10*second, 20*second)) > 0.3 {
		t.Errorf("the link was used for %.3f %%, and the flow had %.3f", got, f.share(10*second, 20*second))
	}
}

// Fifty packets take 60 ms to pass the link, so that is how long one goes round: a pair waits for
// 60 - 40 - 2.4 ms, and the queue is that and the pair until the next one comes.
func TestWindowAboveThePath(t *testing.T) {
	e := &Env{Subject: packets(50), Seed: 1}
	l := e.lab("", path{rate: 10 * mbit, rtt: 40 * ms, buffer: 256 * kb})
	f := l.bulk("", e.Subject, 0)
	l.until(20 * second)
	if got := f.share(10*second, 20*second); math.Abs(got-100) > 0.1 {
		t.Errorf("%.3f %% of the link, want 100", got)
	}
	if got := l.used(10*second, 20*second); math.Abs(got-100) > 0.001 {
		t.Errorf("the link was used for %.4f %%", got)
	}
	least, most := l.queueAt(0, 10*second, 20*second), l.queueAt(100, 10*second, 20*second)
	if least < 17.59 || most > 20.01 || most-least < 1 {
		t.Errorf("queue from %.3f to %.3f ms, want 17.6 to 20", least, most)
	}
}

// More than path and buffer hold is dropped, again and again; less is only where the first flight comes
// in one burst.
func TestWindowAboveTheBuffer(t *testing.T) {
	for _, c := range []struct {
		window int
		drops  bool
	}{{33 + 38, false}, {33 + 60, true}} { // the path holds 33.3, the buffer 42 packets
		e := &Env{Subject: packets(c.window), Seed: 1}
		l := e.lab("", path{rate: 10 * mbit, rtt: 40 * ms, buffer: 63 * kb})
		f := l.bulk("", e.Subject, 0)
		l.until(10 * second)
		dropped, lost := l.dropped(), f.sent().PacketsLost
		if dropped == 0 {
			t.Errorf("window of %d packets: no drops from the first flight", c.window)
		}
		l.until(20 * second)
		if got := l.dropped() > dropped; got != c.drops {
			t.Errorf("window of %d packets: %v drops after 10 s", c.window, l.dropped()-dropped)
		}
		if got := f.sent().PacketsLost > lost; got != c.drops {
			t.Errorf("window of %d packets: %v lost after 10 s", c.window, f.sent().PacketsLost-lost)
		}
	}
}

// No flow gets more than the link gives, no second holds more than a second's bytes, and what was sent
// is what arrived, was dropped or lost.
func TestConservation(t *testing.T) {
	e := &Env{Seed: 3}
	l := e.lab("", path{rate: 10 * mbit, rtt: 40 * ms, buffer: 64 * kb, out: func(c *simnet.LinkConfig) { c.Loss = 0.002 }})
	flows := []*flow{
		l.bulk("", reno.Unpaced(), 0), l.bulk("", cubic.Unpaced(), second),
		l.bulk("", bbr.Factory(), 2*second), l.bulk("", packets(20), 3*second),
	}
	l.until(20 * second)
	for at := 4 * second; at < 20*second; at += second {
		if got := l.used(at, at+second); got > 100.2 || got < 50 {
			t.Errorf("at %v the link carried %.3f %% of what it can", at, got)
		}
	}
	sum := 0.0
	for _, f := range flows {
		if got := f.share(4*second, 20*second); got < 1 {
			t.Errorf("a flow had %.3f %% of the link", got)
		}
		sum += f.share(4*second, 20*second)
	}
	// What had arrived before, behind a hole, counts when it is read: at most what path and buffer hold.
	if most := 100 * (1 + float64(l.path.bdp()+l.path.buffer)*8/(10*mbit*16)); sum > most {
		t.Errorf("together they had %.3f %%, more than %.3f", sum, most)
	}
	s := l.out.Stats()
	if s.Sent != s.Delivered+s.Lost+s.Dropped || s.Lost == 0 || s.Dropped == 0 {
		t.Errorf("%+v", s)
	}
	var sent, received uint64
	for _, f := range flows {
		sent += f.sent().PacketsSent
		received += f.receiver.Conn.Info().Stats.PacketsReceived
	}
	if int(sent) != s.Sent || int(received) > s.Delivered || int(received) < s.Delivered-100 {
		t.Errorf("flows sent %d packets and received %d; the link had %+v", sent, received, s)
	}
}

// Paths of one rate with the same traffic are alike, whether a link or a managed queue is the
// bottleneck, as long as there is nothing to manage.
func TestManagedQueueIsALink(t *testing.T) {
	e := &Env{Seed: 1}
	var reads [2]int64
	for i, p := range []path{
		{rate: 10 * mbit, rtt: 40 * ms},
		{rate: 10 * mbit, rtt: 40 * ms, aqm: &simnet.AQMConfig{}},
	} {
		l := e.lab("", p)
		f := l.bulk("", packets(20), 0)
		l.until(5 * second)
		reads[i] = f.read
	}
	if reads[0] != reads[1] || reads[0] == 0 {
		t.Errorf("%d and %d bytes", reads[0], reads[1])
	}
}

func TestReaches(t *testing.T) {
	e := &Env{Seed: 1}
	l := e.lab("", path{rate: 10 * mbit, rtt: 40 * ms})
	l.path.rate = 8000 // 1000 bytes/s
	f := &flow{lab: l, sender: l.bulk("", packets(10), 0).sender}
	l.until(10 * ms)
	f.sender = l.flows[0].sender
	for i := range 101 { // nothing in half a second, then 10 bytes every 10 ms
		f.delivered = append(f.delivered, int64(max(0, i-50)*10))
	}
	unit := f.cost() // of the handshake: whatever it is, goodput scales with it
	if got := f.reaches(0, 0.9*8000*unit, 100*ms); got != 590*ms {
		t.Errorf("90 %% after %v, want 590 ms", got)
	}
	if got := f.reaches(0, 8001*unit, 100*ms); got != time.Second {
		t.Errorf("more than there is after %v, want all the time there was", got)
	}
}

// A watch is in front of the sender's controller alone: the receiver's has delays of its own.
func TestAWatchLeavesTheReceiverItsController(t *testing.T) {
	w := &timeoutWatch{}
	made := 0
	factory := w.watch(func(p congestion.Params) congestion.Controller {
		made++
		return packets(made)(p)
	})
	sender, receiver := factory(congestion.Params{MaxDatagramSize: 1000}), factory(congestion.Params{MaxDatagramSize: 1000})
	if sender != congestion.Controller(w) || w.Window() != packetBytes {
		t.Errorf("the sender has %v with %d, want the watch with one packet", sender, w.Window())
	}
	if receiver == congestion.Controller(w) || receiver.Window() != 2*packetBytes {
		t.Errorf("the receiver has %v with %d, want its own with two", receiver, receiver.Window())
	}
}
