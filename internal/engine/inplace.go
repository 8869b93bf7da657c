package engine

import (
	"bytes"

	"example.com/ebb/internal/protect"
	"example.com/ebb/wire"
)

// A full packet of a transfer has a DATA frame to its end and nothing else. A protected connection has such a frame encrypted from where its
// bytes stand in the send buffer, and decrypted to where they belong in the receive buffer, or in the memory of a Read that waits:
// they are not copied besides. An AEAD wants its text in one piece, and so the frame's header stands ahead of the bytes for that
// time, in place of bytes of the stream which are put back. Nobody else looks at them meanwhile: buffers are the connection's, as
// the engine is.

// maxDataHeader is how many bytes the header of a DATA frame to the end of its packet has, at most.
const maxDataHeader = 1 + 8

// usualNumber is how many bytes the number of a packet has, unless very many are on their way.
const usualNumber = 3

// sealNext appends to the header dst[start:] a DATA frame of the next length bytes of the stream, to the end of the packet, sealed.
// It reports false, and has done nothing, if these bytes do not stand in one piece.
func (c *Conn) sealNext(dst []byte, start, length int) ([]byte, bool) {
	offset := c.send.Next()
	n := wire.DataHeaderLen(offset, 0, true)
	frame := c.send.PeekNew(n, length)
	if frame == nil {
		return dst, false
	}
	var before [maxDataHeader]byte
	copy(before[:n], frame)
	wire.Must(wire.AppendDataHeader(frame[:0], offset, length, false, true))
	dst = c.secure.keys.SealFrom(dst, start, frame, c.sent.next)
	copy(frame, before[:n])
	c.send.SentNew(length)
	return dst, true
}

// openShort opens a short packet of a protected connection. If it is what it most likely is, a DATA frame of the next bytes of
// the stream and nothing else, these are the data, and are where they belong already. Otherwise data is nil.
func (c *Conn) openShort(seg []byte) (number uint64, frames, data []byte, ok bool) {
	k, at := c.secure.keys, wire.ShortHeaderLen(0)
	offset := c.recv.Next()
	n := wire.DataHeaderLen(offset, 0, true)
	var landing []byte
	if c.trace == nil { // or the frames have to stay in one piece
		landing = c.recv.Landing(n, len(seg)-at-usualNumber-n-protect.TagSize)
	}
	if landing == nil {
		number, frames, ok = k.Open(seg, at, c.acks.largest, c.acks.any)
		return number, frames, nil, ok
	}
	var before, expected [maxDataHeader]byte
	copy(before[:n], landing)
	number, frames, ok = k.OpenTo(landing, seg, at, c.acks.largest, c.acks.any)
	if ok && len(frames) == len(landing) {
		wire.Must(wire.AppendDataHeader(expected[:0], offset, len(frames)-n, false, true))
		if bytes.Equal(frames[:n], expected[:n]) {
			data = frames[n:]
		} else {
			frames = append(seg[:0], frames...)
		}
	}
	copy(landing, before[:n])
	return number, frames, data, ok
}
