package ledbat_test

import (
	"testing"
	"time"

	"example.com/ebb/internal/lab/simnet"
	"example.com/ebb/ledbat"
)

const ms = time.Millisecond

// bulk is a connection of the adaptive mode that always has something to send, over a
// simulated path.
type bulk struct {
	*simnet.Sim
	link *simnet.Link
	flow *simnet.Flow
	got  int64 // stream bytes that arrived
}

func newBulk(rate int64, rtt time.Duration, queue int, loss float64) *bulk {
	b := &bulk{Sim: simnet.NewSim(1)}
	factory := ledbat.Factory(ledbat.Config{})
	from, to := b.NewStation("10.0.0.1:1", factory), b.NewStation("10.0.0.2:1", factory)
	b.link, _ = b.Join(from, to,
		simnet.LinkConfig{Rate: rate, Queue: queue, Delay: rtt / 2, Loss: loss}, simnet.LinkConfig{Delay: rtt / 2})
	scratch := make([]byte, 256<<10)
	to.Accept = func(f *simnet.Flow) {
		f.OnChange = func() {
			for {
				n, err := f.Conn.Read(scratch)
				if b.got += int64(n); n == 0 || err != nil {
					return
				}
			}
		}
	}
	b.flow = from.Dial(to)
	b.flow.OnChange = func() {
		for b.flow.Conn.Established() {
			if n, err := b.flow.Conn.Write(scratch); n == 0 || err != nil {
				return
			}
		}
	}
	return b
}

// limit sets the connection's own limit, in bytes per second; 0: none.
func (b *bulk) limit(rate int64) {
	b.flow.Conn.SetRate(b.Now(), rate)
	b.flow.Flush()
}

// share is the percentage of the link that stream bytes take in the time that passes.
func (b *bulk) share(d time.Duration) float64 {
	got := b.got
	b.Run(d)
	return 100 * float64(b.got-got) / (float64(b.link.Config().Rate) * d.Seconds())
}

func TestAThrottledFlowIsBackWithinTenRoundTrips(t *testing.T) {
	for _, first := range []time.Duration{ms, 3 * time.Second} {
		b := newBulk(100_000_000, 40*ms, 4_000_000, 0)
		b.Run(first) // in slow start still, or past it
		b.limit(1_000_000)
		b.Run(time.Minute)
		if got := b.flow.Conn.Info().Congestion.Own.(ledbat.Stats).Slowdowns; got > 1 {
			t.Errorf("%v before the limit: %d drains", first, got)
		}
		b.limit(0)
		b.Run(9 * 40 * ms)
		if got := b.share(40 * ms); got < 80 {
			t.Errorf("%v before the limit: %.1f %% of the path in the tenth round trip", first, got)
		}
		if s := b.link.Stats(); s.Dropped > 0 {
			t.Errorf("%v before the limit: %d packets dropped", first, s.Dropped)
		}
	}
}

func TestARelayFillsItsLink(t *testing.T) {
	for _, c := range []struct{ loss, bar float64 }{{0, 94}, {0.01, 92}} {
		b := newBulk(12_500_000, 20*ms, 250_000, c.loss)
		b.Run(5 * time.Second)
		before := b.link.Stats()
		if got := b.share(10 * time.Second); got < c.bar {
			t.Errorf("loss %v: %.1f %% of the link, want %v", c.loss, got, c.bar)
		}
		s := b.link.Stats()
		sent, delivered := s.Sent-before.Sent, s.Delivered-before.Delivered
		if float64(sent) > 1.05*float64(delivered) {
			t.Errorf("loss %v: %d packets sent for %d", c.loss, sent, delivered)
		}
		if timeouts := b.flow.Conn.Info().Congestion.Timeouts; timeouts > 0 {
			t.Errorf("loss %v: %d timeouts", c.loss, timeouts)
		}
	}
}
