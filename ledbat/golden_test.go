package ledbat

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"example.com/ebb/congestion"
)

var update = flag.Bool("update", false, "rewrite the golden curves")

// bottleneck is one flow through a drop-tail queue: a paced sender with a
// window, a link, and ACKs of every packet after the rest of the round trip.
type bottleneck struct {
	*Controller
	rate   int64 // bytes per second
	base   time.Duration
	buffer int64 // bytes

	now      time.Duration
	free     time.Duration // when the link has sent all that it holds
	nextSend time.Duration
	flying   []flight // sent, in order
	inFlight int
	sent     uint64
	srtt     time.Duration

	delivered int64
	lastACK   time.Duration
	lost      int
	peakQueue time.Duration
}

type flight struct {
	number uint64
	at     time.Duration
	ack    time.Duration // 0 if it was dropped

	// What was delivered when it was sent, when the last of that was, and what was
	// in flight.
	delivered   int64
	deliveredAt time.Duration
	inFlight    int
}

func (b *bottleneck) send() {
	b.sent++
	b.inFlight += mss
	b.OnSend(b.now, congestion.SendEvent{Number: b.sent, Bytes: mss, InFlight: b.inFlight})
	f := flight{
		number: b.sent, at: b.now,
		delivered: b.delivered, deliveredAt: b.lastACK, inFlight: b.inFlight,
	}
	serialise := time.Duration(mss * int64(time.Second) / b.rate)
	queue := max(0, b.free-b.now)
	if int64(queue)*b.rate/int64(time.Second)+mss <= b.buffer {
		b.free = b.now + queue + serialise
		b.peakQueue = max(b.peakQueue, queue)
		f.ack = b.free + b.base - serialise
	}
	b.flying = append(b.flying, f)
	if rate := b.PacingRate(b.srtt); rate > 0 {
		b.nextSend = b.now + time.Duration(mss*int64(time.Second)/rate)
	}
}

// arrived takes the first ACK that is due; packets sent before it were dropped,
// and are found missing when the third one behind them is acknowledged.
func (b *bottleneck) arrived(i int) {
	f := b.flying[i]
	var loss congestion.LossEvent
	var oldest uint64
	kept := b.flying[:0]
	for _, p := range b.flying {
		switch {
		case p.number == f.number:
		case p.number+3 <= f.number:
			if loss.Packets == 0 {
				oldest = p.number
			}
			loss = congestion.LossEvent{
				Bytes: loss.Bytes + mss, Packets: loss.Packets + 1,
				Smallest: oldest, Largest: p.number, LargestSent: b.sent, SentAt: p.at,
			}
		default:
			kept = append(kept, p)
		}
	}
	b.flying = kept
	prior := b.inFlight
	b.inFlight -= mss + loss.Bytes
	b.delivered += mss
	b.lastACK = b.now
	b.lost += loss.Packets
	if loss.Packets > 0 {
		loss.InFlight = b.inFlight
		b.OnLoss(b.now, loss)
	}
	rtt := b.now - f.at
	if b.srtt == 0 {
		b.srtt = rtt
	}
	b.srtt += (rtt - b.srtt) / 8
	b.OnAck(b.now, congestion.AckEvent{
		Bytes: mss, LargestAcked: f.number, LargestSent: b.sent,
		PriorInFlight: prior, InFlight: b.inFlight,
		RTT: rtt, SmoothedRTT: b.srtt, MinRTT: b.base,
		OneWay: rtt - b.base/2, HasOneWay: true,
		Delivery: congestion.Delivery{
			Delivered: b.delivered, PriorDelivered: f.delivered, Interval: b.now - f.deliveredAt, TxInFlight: f.inFlight,
		},
	})
}

// run goes on until the time given.
func (b *bottleneck) run(t *testing.T, until time.Duration) {
	t.Helper()
	for {
		next, ack := time.Duration(1<<63-1), -1
		for i, f := range b.flying {
			if f.ack > 0 {
				next, ack = f.ack, i
				break
			}
		}
		if b.inFlight+mss <= b.Window() && max(b.now, b.nextSend) <= next {
			next, ack = max(b.now, b.nextSend), -1
		} else if ack < 0 {
			t.Fatalf("%v: everything in flight was lost", b.now)
		}
		if next > until {
			b.now = until
			return
		}
		b.now = next
		if ack >= 0 {
			b.arrived(ack)
		} else {
			b.send()
		}
	}
}

func TestGoldenCurves(t *testing.T) {
	for _, c := range []struct {
		name   string
		rate   int64
		base   time.Duration
		buffer int64
		config Config
	}{
		{"deep", 1_250_000, 40 * ms, 256_000, Config{Mode: PlusPlus}},
		{"shallow", 1_250_000, 40 * ms, 16_000, Config{Mode: PlusPlus}},
		{"long", 2_500_000, 200 * ms, 1_000_000, Config{Mode: PlusPlus}},
		{"adaptive-deep", 1_250_000, 40 * ms, 256_000, Config{}},
		{"adaptive-shallow", 1_250_000, 40 * ms, 16_000, Config{}},
		{"adaptive-long", 2_500_000, 200 * ms, 1_000_000, Config{}},
		{"rfc6817-deep", 1_250_000, 40 * ms, 256_000, Config{Mode: RFC6817}},
		{"rfc6817-long", 2_500_000, 200 * ms, 1_000_000, Config{Mode: RFC6817}},
		{"draft-start", 1_250_000, 40 * ms, 256_000, Config{Mode: PlusPlus, InitialWindow: 2 * mss, MinSSThresh: -1}},
	} {
		c.config.MaxDatagramSize = mss
		b := &bottleneck{Controller: mustNew(t, c.config), rate: c.rate, base: c.base, buffer: c.buffer}
		var curve strings.Builder
		fmt.Fprintf(&curve, "# %d B/s, %v, %d B\n# ms window ssthresh queue_us state\n", c.rate, c.base, c.buffer)
		for at := 100 * ms; at <= 20*time.Second; at += 100 * ms {
			b.run(t, at)
			s := b.Stats()
			fmt.Fprintf(&curve, "%d %d %d %d %s\n", at/ms, s.Window, threshold(s), s.QueueDelay/us, s.State)
		}
		used := 100 * float64(b.delivered) / (float64(c.rate) * 20)
		fmt.Fprintf(&curve, "# delivered %.1f %%, lost %d, longest queue %v, slowdowns %d\n",
			used, b.lost, b.peakQueue.Round(ms), own(b.Stats()).Slowdowns)
		golden(t, filepath.Join("testdata", c.name+".golden"), curve.String())
	}
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	gotLines, wantLines := strings.Split(got, "\n"), strings.Split(string(want), "\n")
	for i := range min(len(gotLines), len(wantLines)) {
		if gotLines[i] != wantLines[i] {
			t.Fatalf("%s:%d:\n got %s\nwant %s", path, i+1, gotLines[i], wantLines[i])
		}
	}
	if len(gotLines) != len(wantLines) {
		t.Fatalf("%s: %d lines, want %d", path, len(gotLines), len(wantLines))
	}
}

func mustNew(t testing.TB, config Config) *Controller {
	t.Helper()
	c, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// feed gives a controller in congestion avoidance one ACK after another, with a
// queue that swings about the target.
func feed(c *Controller) func() {
	var now time.Duration
	var number uint64
	return func() {
		number += 2
		now += 200 * us
		rtt := 40*ms + time.Duration(number%1000)*100*us
		c.OnSend(now, congestion.SendEvent{Number: number + 200, Bytes: mss, InFlight: 200 * mss})
		c.OnAck(now, congestion.AckEvent{
			Bytes: 2 * mss, LargestAcked: number, LargestSent: number + 200,
			PriorInFlight: 200 * mss, InFlight: 198 * mss,
			RTT: rtt, SmoothedRTT: rtt, MinRTT: 40 * ms, OneWay: rtt / 2, HasOneWay: true,
		})
	}
}
