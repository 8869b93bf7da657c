package wire

import (
	"math"
	"slices"
	"time"
)

// The ids of parameters.
const (
	paramInitialWindow   = 1
	paramMaxAckDelay     = 2
	paramMaxDatagramSize = 3
	paramIdleTimeout     = 4
)

// Bounds of parameters.
const (
	// MaxAckDelayLimit is the largest value of Parameters.MaxAckDelay.
	MaxAckDelayLimit = 1 << 24 * time.Microsecond
	// maxIdleTimeout is the longest idle timeout that can be told.
	maxIdleTimeout = math.MaxUint32 * time.Millisecond
)

// Parameters is what a side tells the other about itself in the handshake.
type Parameters struct {
	// InitialWindow is the number of bytes the peer may send before it has seen
	// a WINDOW, at most MaxOffset.
	InitialWindow uint64
	// MaxAckDelay is the longest time for which this side holds back an ACK, at
	// most MaxAckDelayLimit, in whole microseconds.
	MaxAckDelay time.Duration
	// MaxDatagramSize is the largest UDP payload this side accepts, at least
	// MinInitialSize and at most MaxOffset.
	MaxDatagramSize uint64
	// IdleTimeout is the silence after which this side gives up, in whole
	// milliseconds; 0 for none. The largest is 2^32-1 ms, as which longer ones
	// are sent. It is for information.
	IdleTimeout time.Duration
}

// DefaultParameters is what holds for a peer that says nothing.
func DefaultParameters() Parameters {
	return Parameters{
		InitialWindow:   65536,
		MaxAckDelay:     25 * time.Millisecond,
		MaxDatagramSize: 65527,
	}
}

// AppendParameters appends a PARAMETERS frame with all parameters, those too that
// have their default value. One that is out of its range is ErrRange.
func AppendParameters(dst []byte, p *Parameters) ([]byte, error) {
	if p.InitialWindow > MaxOffset || p.MaxAckDelay < 0 || p.MaxAckDelay > MaxAckDelayLimit ||
		p.MaxDatagramSize < MinInitialSize || p.MaxDatagramSize > MaxOffset || p.IdleTimeout < 0 {
		return dst, ErrRange
	}
	values := [...]uint64{
		paramInitialWindow:   p.InitialWindow,
		paramMaxAckDelay:     uint64(p.MaxAckDelay / time.Microsecond),
		paramMaxDatagramSize: p.MaxDatagramSize,
		paramIdleTimeout:     uint64(min(p.IdleTimeout, maxIdleTimeout) / time.Millisecond),
	}
	size := 0
	for _, v := range values[1:] {
		size += 1 + 1 + varintLen(v)
	}
	dst = appendVarint(append(dst, byte(FrameParameters)), uint64(size))
	for id, v := range values[1:] {
		dst = append(dst, byte(id+1), byte(varintLen(v)))
		dst = appendVarint(dst, v)
	}
	return dst, nil
}

// ParseParameters reads the list in a PARAMETERS frame. A parameter that is not
// there has its default value; unknown ones are passed over.
func ParseParameters(b []byte) (Parameters, error) {
	p := DefaultParameters()
	var seen [MaxParameters]uint64 // the ids so far
	c := cursor{b: b}
	for n := 0; len(c.b) > 0; n++ {
		id := c.varint()
		value := c.bytes(c.varint())
		if c.err != nil {
			break
		}
		if n == len(seen) || slices.Contains(seen[:n], id) {
			return Parameters{}, ErrParameter
		}
		seen[n] = id
		if err := p.set(id, value); err != nil {
			return Parameters{}, err
		}
	}
	if c.err != nil {
		return Parameters{}, c.err
	}
	return p, nil
}

// set stores the value of one parameter.
func (p *Parameters) set(id uint64, value []byte) error {
	if id < paramInitialWindow || id > paramIdleTimeout {
		return nil
	}
	c := cursor{b: value}
	v := c.varint()
	switch {
	case c.err == ErrTruncated || len(c.b) != 0:
		return ErrParameter
	case c.err != nil:
		return c.err
	}
	switch {
	case id == paramInitialWindow:
		p.InitialWindow = v
	case id == paramMaxAckDelay && v <= uint64(MaxAckDelayLimit/time.Microsecond):
		p.MaxAckDelay = time.Duration(v) * time.Microsecond
	case id == paramMaxDatagramSize && v >= MinInitialSize:
		p.MaxDatagramSize = v
	case id == paramIdleTimeout && v <= math.MaxUint32:
		p.IdleTimeout = time.Duration(v) * time.Millisecond
	default:
		return ErrRange
	}
	return nil
}
