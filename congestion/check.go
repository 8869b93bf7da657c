package congestion

import (
	"errors"
	"time"
)

// minDatagramSize is the least Params.MaxDatagramSize, in bytes.
const minDatagramSize = 1200

// Invalid is a Factory for settings that no controller can be made from. A function that makes a
// Factory of settings has no error to return: it returns Invalid(err), and Check finds err. Where
// nobody checks, the controllers of an invalid Factory keep two packets in flight.
func Invalid(err error) Factory {
	return func(p Params) Controller { return &invalid{err: err, size: p.MaxDatagramSize} }
}

// Check says what is wrong with a Factory, if anything: it is nil, it makes a nil Controller, or
// it is Invalid, whose error Check returns as it is. For that it calls the Factory once. A Factory that
// wraps another has to check that one itself.
func Check(f Factory) error {
	if f == nil {
		return errors.New("congestion: no Factory")
	}
	switch c := f(Params{MaxDatagramSize: minDatagramSize}).(type) {
	case nil:
		return errors.New("congestion: the Factory makes a nil Controller")
	case *invalid:
		return c.err
	}
	return nil
}

// invalid is what an invalid Factory makes.
type invalid struct {
	Base
	err  error
	size int // of a full packet
}

func (c *invalid) OnMaxDatagramSize(size int) { c.size = size }

func (c *invalid) Window() int { return 2 * c.size }

func (c *invalid) PacingRate(time.Duration) int64 { return 0 }

func (c *invalid) Stats() Stats {
	return Stats{Name: "invalid", State: c.err.Error(), Window: c.Window()}
}
