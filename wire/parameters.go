package wire

import (
	"encoding/binary"
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
	paramVersion         = 5
	paramFirstDst        = 6
	paramSrc             = 7
	paramDst             = 8
	paramCookie          = 9
)

// Bounds of parameters.
const (
	// MaxAckDelayLimit is the largest value of Parameters.MaxAckDelay.
	MaxAckDelayLimit = 1 << 24 * time.Microsecond
	// maxIdleTimeout is the longest idle timeout that can be told.
	maxIdleTimeout = math.MaxUint32 * time.Millisecond
	// versionSize is the size of a version number.
	versionSize = 4
)

// Parameters is what a side tells the other in the handshake: about itself, and
// what it has seen of the headers, so that both know that they have seen the same.
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

	// Version is the version of the connection; 0: absent, as below.
	Version uint32
	// FirstDst is the destination of the client's INITIAL.
	FirstDst ID
	// Src is the sender's own ID.
	Src ID
	// Dst is the receiver's ID. Only a server sends it, as a client does not know it yet.
	Dst ID
	// Cookie is that of the INITIAL that has opened the connection, at most MaxCookie bytes. Only a server
	// sends it, and only if there was one. It is borrowed from the list that was parsed.
	Cookie []byte
}

// DefaultParameters is what holds for a peer that says nothing.
func DefaultParameters() Parameters {
	return Parameters{
		InitialWindow:   65536,
		MaxAckDelay:     25 * time.Millisecond,
		MaxDatagramSize: 65527,
	}
}

// AppendParameters appends the message with which a side of a plain connection begins: the size of the
// list and the list, of the first four parameters, those too that have their default value, and of the
// others that are not absent. One that is out of its range is an error.
func AppendParameters(dst []byte, p *Parameters) ([]byte, error) {
	if p.InitialWindow > MaxOffset || p.MaxAckDelay < 0 || p.MaxAckDelay > MaxAckDelayLimit ||
		p.MaxDatagramSize < MinInitialSize || p.MaxDatagramSize > MaxOffset || p.IdleTimeout < 0 || len(p.Cookie) > MaxCookie {
		return dst, errRange
	}
	values := [...]uint64{
		paramInitialWindow:   p.InitialWindow,
		paramMaxAckDelay:     uint64(p.MaxAckDelay / time.Microsecond),
		paramMaxDatagramSize: p.MaxDatagramSize,
		paramIdleTimeout:     uint64(min(p.IdleTimeout, maxIdleTimeout) / time.Millisecond),
	}
	dst = appendVarint(dst, uint64(p.listLen(values[1:])))
	for id, v := range values[1:] {
		dst = append(dst, byte(id+1), byte(varintLen(v)))
		dst = appendVarint(dst, v)
	}
	if p.Version != 0 {
		dst = binary.BigEndian.AppendUint32(append(dst, paramVersion, versionSize), p.Version)
	}
	for i, id := range [...]ID{p.FirstDst, p.Src, p.Dst} {
		if id != 0 {
			dst = binary.BigEndian.AppendUint64(append(dst, byte(paramFirstDst+i), IDSize), uint64(id))
		}
	}
	if n := len(p.Cookie); n > 0 {
		dst = appendVarint(append(dst, paramCookie), uint64(n))
		dst = append(dst, p.Cookie...)
	}
	return dst, nil
}

// listLen is the size of the list with the given values of the first parameters.
func (p *Parameters) listLen(values []uint64) (size int) {
	for _, v := range values {
		size += 1 + 1 + varintLen(v)
	}
	if p.Version != 0 {
		size += 1 + 1 + versionSize
	}
	for _, id := range [...]ID{p.FirstDst, p.Src, p.Dst} {
		if id != 0 {
			size += 1 + 1 + IDSize
		}
	}
	if n := len(p.Cookie); n > 0 {
		size += 1 + varintLen(uint64(n)) + n
	}
	return size
}

// CutMessage returns the list in the message that b begins with, for ParseParameters. ok says that all of it is
// there. One that would be longer than MaxMessage, or that something follows, is an error.
func CutMessage(b []byte) (list []byte, ok bool, err error) {
	n, rest, err := splitVarint(b)
	switch {
	case err == ErrTruncated:
		return nil, false, nil
	case err != nil:
		return nil, false, err
	case n > uint64(MaxMessage-(len(b)-len(rest))), uint64(len(rest)) > n:
		return nil, false, errParameter
	case uint64(len(rest)) < n:
		return nil, false, nil
	}
	return rest, true, nil
}

// ParseParameters reads a list of parameters. One that is not
// there has its default value, or is absent; unknown ones are passed over.
func ParseParameters(b []byte) (Parameters, error) {
	p := DefaultParameters()
	var seen [maxParameters]uint64 // the ids so far
	c := cursor{b: b}
	for n := 0; len(c.b) > 0; n++ {
		id := c.varint()
		value := c.bytes(c.varint())
		if c.err != nil {
			break
		}
		if n == len(seen) || slices.Contains(seen[:n], id) {
			return Parameters{}, errParameter
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
	switch id {
	case paramInitialWindow, paramMaxAckDelay, paramMaxDatagramSize, paramIdleTimeout:
		return p.setNumber(id, value)
	case paramVersion:
		if len(value) != versionSize {
			return errParameter
		}
		if p.Version = binary.BigEndian.Uint32(value); p.Version == 0 {
			return errRange
		}
	case paramFirstDst, paramSrc, paramDst:
		if len(value) != IDSize {
			return errParameter
		}
		v, err := parseID(value)
		if err != nil {
			return errRange
		}
		*[...]*ID{&p.FirstDst, &p.Src, &p.Dst}[id-paramFirstDst] = v
	case paramCookie:
		if len(value) < 1 || len(value) > MaxCookie {
			return errRange
		}
		p.Cookie = value
	}
	return nil
}

// setNumber stores the value of one of the parameters that are numbers.
func (p *Parameters) setNumber(id uint64, value []byte) error {
	c := cursor{b: value}
	v := c.varint()
	switch {
	case c.err == ErrTruncated || len(c.b) != 0:
		return errParameter
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
		return errRange
	}
	return nil
}
