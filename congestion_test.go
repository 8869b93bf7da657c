package ebb_test

import (
	"errors"
	"io"
	"testing"
	"time"

	"example.com/ebb"
	"example.com/ebb/congestion"
	"example.com/ebb/internal/lab/simnet"
)

// TestWhatIsWrongWithAFactoryIsTheError: a factory's own error can be matched where it was given.
func TestWhatIsWrongWithAFactoryIsTheError(t *testing.T) {
	cause := errors.New("no such algorithm")
	_, err := (&ebb.Dialer{Config: &ebb.Config{Congestion: congestion.Invalid(cause)}}).Dial("udp", "127.0.0.1:9")
	if !errors.Is(err, cause) {
		t.Errorf("got %v, want %v in it", err, cause)
	}
}

// aimd is a congestion controller as a program may bring its own: a packet more each round trip, half with
// every loss. What it embeds deals with all else.
type aimd struct {
	congestion.Base
	window, most int
	seen         aimdStats
}

// aimdStats is what only an aimd has to say.
type aimdStats struct{ Sent, Acked, Lost, Most int }

func newAIMD(p congestion.Params) congestion.Controller {
	return &aimd{window: 10 * p.MaxDatagramSize, most: 40_000}
}

func (c *aimd) OnSend(_ time.Duration, e congestion.SendEvent) {
	c.seen.Sent += e.Bytes
	c.seen.Most = max(c.seen.Most, e.InFlight)
}

func (c *aimd) OnAck(_ time.Duration, e congestion.AckEvent) {
	c.seen.Acked += e.Bytes
	if !e.AppLimited {
		c.window = min(c.window+1200*e.Bytes/c.window, c.most)
	}
}

func (c *aimd) OnLoss(_ time.Duration, e congestion.LossEvent) {
	c.seen.Lost += e.Packets
	c.window = max(c.window/2, 2*1472)
}

func (c *aimd) Window() int { return c.window }

func (c *aimd) PacingRate(time.Duration) int64 { return 0 }

func (c *aimd) Stats() congestion.Stats {
	return congestion.Stats{Name: "aimd", State: "as ever", Window: c.window, Own: c.seen}
}

// TestAControllerOfTheProgramDrivesAConnection: it is told what is sent, acknowledged and lost, its window is kept, and
// what it says of itself is in the connection's Info.
func TestAControllerOfTheProgramDrivesAConnection(t *testing.T) {
	const size = 1 << 20
	dropped := false // one packet with data, in the middle
	up := simnet.LinkConfig{Delay: oneWay, Drop: func(n int, b []byte) bool {
		drop := !dropped && n >= 300 && len(b) > 1000
		dropped = dropped || drop
		return drop
	}}
	inBubble(t, up, delayed, func(b *bubble) {
		c, s := b.connect(&ebb.Config{BandwidthLimit: ebb.Unlimited, Congestion: newAIMD}, nil)
		start := time.Now()
		go func() { c.Write(make([]byte, size)); c.CloseWrite() }()
		if n, err := io.Copy(io.Discard, s); n != size || err != nil {
			b.Fatalf("%d bytes arrived, %v", n, err)
		}
		took := time.Since(start)
		time.Sleep(time.Second) // the last ACK
		got := c.Info().Congestion
		own, ok := got.Own.(aimdStats)
		if got.Name != "aimd" || !ok {
			b.Fatalf("Info has %+v, want the controller's own", got)
		}
		if own.Acked < size || own.Sent < own.Acked || own.Lost != 1 {
			b.Errorf("it was told of %+v, want all of %d bytes and one loss", own, size)
		}
		if least := 2 * oneWay * (size / 40_000); took < least {
			b.Errorf("%d bytes took %v: with 40,000 in flight at most they take %v", size, took, least)
		}
		if own.Most > 40_000+1472 {
			b.Errorf("%d bytes were in flight, of 40000 that it allows", own.Most)
		}
	})
}
