// Package outside is a congestion controller as somebody else may write one: it knows package congestion alone.
package outside

import (
	"time"

	"example.com/ebb/congestion"
)

// window is how many bytes may be in flight.
const window = 30_000

// constant is a controller whose window never changes. What it embeds deals with all that it does not care about.
type constant struct {
	congestion.Base
	seen Seen
}

// Seen is what the controller has to say of itself, in congestion.Stats.
type Seen struct{ Sent, Acked, MostInFlight int }

// New is the Factory.
func New(congestion.Params) congestion.Controller { return new(constant) }

func (c *constant) OnSend(_ time.Duration, e congestion.SendEvent) {
	c.seen.Sent += e.Bytes
	c.seen.MostInFlight = max(c.seen.MostInFlight, e.InFlight)
}

func (c *constant) OnAck(_ time.Duration, e congestion.AckEvent) { c.seen.Acked += e.Bytes }

func (c *constant) OnLoss(time.Duration, congestion.LossEvent) {}

func (c *constant) Window() int { return window }

func (c *constant) PacingRate(time.Duration) int64 { return 0 }

func (c *constant) Stats() congestion.Stats {
	return congestion.Stats{Name: "constant", Window: window, Own: c.seen}
}
