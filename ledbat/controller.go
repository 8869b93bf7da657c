package ledbat

import (
	"time"

	"example.com/ebb/congestion"
)

// Controller is the congestion controller of one connection: a
// congestion.Controller. Packet numbers in its events are of one number space,
// and its clock does not go back: an earlier now than the last counts as that.
type Controller struct {
	config Config
	mode   congestion.Controller // the algorithm of the Config's mode
}

var (
	_ congestion.Controller = (*Controller)(nil)
	_ congestion.Yielder    = (*Controller)(nil)
)

// New returns a controller at the start of a connection, or what Validate has
// against the Config.
func New(config Config) (*Controller, error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	return &Controller{config, newMode(config)}, nil
}

// Factory makes controllers of one Config, for ebb.Config.Congestion. MaxDatagramSize and Seed of the
// Config are not used: each connection has its own. A Config that Validate refuses makes a
// factory that congestion.Check refuses with the same error.
func Factory(config Config) congestion.Factory {
	if err := config.Validate(); err != nil {
		return congestion.Invalid(err)
	}
	return func(p congestion.Params) congestion.Controller {
		c := config
		c.MaxDatagramSize, c.Seed = p.MaxDatagramSize, p.Seed
		return &Controller{c, newMode(c)}
	}
}

func newMode(config Config) congestion.Controller {
	switch config.Mode {
	case PlusPlus:
		return newPlusPlus(config)
	case RFC6817:
		return newRFC6817(config)
	}
	return newAdaptive(config)
}

// OnSend reports one packet that was just sent.
func (c *Controller) OnSend(now time.Duration, e congestion.SendEvent) { c.mode.OnSend(now, e) }

// OnAck reports one ACK: samples of the delay, and bytes that let the window move.
func (c *Controller) OnAck(now time.Duration, e congestion.AckEvent) { c.mode.OnAck(now, e) }

// OnLoss reports packets declared lost together.
func (c *Controller) OnLoss(now time.Duration, e congestion.LossEvent) { c.mode.OnLoss(now, e) }

// OnSpuriousLoss reports that packets declared lost have arrived. When all that
// the last reduction answered have, it is undone.
func (c *Controller) OnSpuriousLoss(now time.Duration, e congestion.LossEvent) {
	c.mode.OnSpuriousLoss(now, e)
}

// OnTimeout reports persistent congestion: the window falls to its least, or to
// a quarter of MinSSThresh, and slow start begins again. What is known of the
// path stays known.
func (c *Controller) OnTimeout(now time.Duration) { c.mode.OnTimeout(now) }

// OnMaxDatagramSize reports the size of a full packet from now on, in bytes. A
// size that no packet has, below 1 or above 65527, changes nothing.
func (c *Controller) OnMaxDatagramSize(size int) { c.mode.OnMaxDatagramSize(size) }

// OnPathChange begins anew: delays and rates of another path say nothing of this one.
func (c *Controller) OnPathChange(time.Duration) { c.mode = newMode(c.config) }

// Window is the number of bytes that may be in flight, between the minimum
// window and 1e9.
func (c *Controller) Window() int { return c.mode.Window() }

// PacingRate is the rate, in bytes per second, at which the window should leave:
// somewhat more than the window per smoothed round trip. It is 0 before there is
// a round trip.
func (c *Controller) PacingRate(srtt time.Duration) int64 { return c.mode.PacingRate(srtt) }

// Yields reports that all modes give way to other flows: see congestion.Yielder.
func (c *Controller) Yields() bool { return true }

// Stats is what a Controller has besides congestion.Stats: it is their Own.
type Stats struct {
	MinSSThresh int // the floor under the slow start threshold in force, in bytes
	Slowdowns   int // begun, to look at the path with its queue drained
}

// Stats describes the controller; its Own is a Stats of this package.
func (c *Controller) Stats() congestion.Stats { return c.mode.Stats() }
