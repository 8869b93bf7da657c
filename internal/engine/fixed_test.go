package engine_test

import (
	"time"

	"example.com/ebb/congestion"
	"example.com/ebb/ledbat"
)

// fixed is a controller with a window that never changes and no pacing, so that
// a test of something else sees only that. It notes what it is told.
type fixed struct {
	congestion.Base

	window   int
	acks     []congestion.AckEvent
	losses   []congestion.LossEvent
	spurious []congestion.LossEvent
	timeouts int
	quiet    bool // note nothing
}

func (f *fixed) OnAck(_ time.Duration, e congestion.AckEvent) {
	if !f.quiet {
		f.acks = append(f.acks, e)
	}
}

func (f *fixed) OnLoss(_ time.Duration, e congestion.LossEvent) {
	if !f.quiet {
		f.losses = append(f.losses, e)
	}
}

func (f *fixed) OnSpuriousLoss(_ time.Duration, e congestion.LossEvent) {
	if !f.quiet {
		f.spurious = append(f.spurious, e)
	}
}

func (f *fixed) OnTimeout(time.Duration)        { f.timeouts++ }
func (f *fixed) Window() int                    { return f.window }
func (f *fixed) PacingRate(time.Duration) int64 { return 0 }
func (f *fixed) Stats() congestion.Stats        { return congestion.Stats{Name: "fixed", Window: f.window} }

// fixedFactory makes controllers with the given window.
func fixedFactory(window int) congestion.Factory {
	return func(congestion.Params) congestion.Controller { return &fixed{window: window, quiet: true} }
}

// ledbatFactory makes the default controller.
func ledbatFactory(p congestion.Params) congestion.Controller {
	return ledbat.Factory(ledbat.Config{})(p)
}
