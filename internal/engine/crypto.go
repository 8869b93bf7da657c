package engine

import (
	"errors"
	"slices"

	"example.com/ebb/internal/stream"
	"example.com/ebb/wire"
)

// The two directions of a crypto stream. It has few bytes and lives for a round trip or two, so its memory is a slice: a
// chunk of package stream would be a thousand times what a plain connection says.

// maxCryptoGaps is how many pieces of a crypto stream may wait for what is missing before them.
const maxCryptoGaps = 16

var (
	errCryptoLimit = &Error{Kind: KindProtocol, Code: wire.CodeFlowControl, Reason: "too much of a handshake whose beginning is missing"}
	errCryptoGaps  = errors.New("too many gaps in the handshake")
)

// cryptoSend is the bytes of the handshake on their way out. They are kept until they are acknowledged, with all before them.
type cryptoSend struct {
	b     []byte         // at and above base
	base  uint64         // the peer has everything below
	next  uint64         // everything below was sent at least once
	acked stream.SpanSet // the peer has these
	lost  stream.SpanSet // to be sent again; below next
}

// write appends what the handshaker says.
func (p *cryptoSend) write(b []byte) { p.b = append(p.b, b...) }

// pending is the next bytes to be sent, lost ones first; none if there are none.
func (p *cryptoSend) pending() (offset uint64, b []byte) {
	if len(p.lost) > 0 {
		return p.lost[0].Start, p.b[p.lost[0].Start-p.base : p.lost[0].End-p.base]
	}
	return p.next, p.b[p.next-p.base:]
}

// waiting reports whether something is to be sent.
func (p *cryptoSend) waiting() bool { return len(p.lost) > 0 || p.next < p.base+uint64(len(p.b)) }

// markSent notes that [offset, offset+n) leaves.
func (p *cryptoSend) markSent(offset uint64, n int) {
	p.lost.Remove(offset, offset+uint64(n))
	p.next = max(p.next, offset+uint64(n))
}

// markAcked notes that the peer has [offset, offset+n).
func (p *cryptoSend) markAcked(offset uint64, n int) {
	p.acked.Add(offset, offset+uint64(n))
	p.lost.Remove(offset, offset+uint64(n))
	if end := p.acked.NextMissing(0, p.next).Start; end > p.base {
		p.b, p.base = p.b[end-p.base:], end
		if len(p.b) == 0 {
			p.b = nil
		}
	}
}

// markLost queues what the peer is not known to have of [offset, offset+n).
func (p *cryptoSend) markLost(offset uint64, n int) {
	for from, end := offset, offset+uint64(n); from < end; {
		s := p.acked.NextMissing(from, end)
		p.lost.Add(s.Start, s.End)
		from = s.End
	}
}

// cryptoRecv is the bytes of the peer's handshake until those before them are there.
type cryptoRecv struct {
	b    []byte         // at and above read, with holes
	read uint64         // the handshaker has everything below
	have stream.SpanSet // received at or above read
	most int            // bound of b
}

// receive takes bytes of a frame. fresh says that some of them are new. It returns errCryptoLimit if they lie beyond what
// may be held, and errCryptoGaps if they would open one gap too many.
func (p *cryptoRecv) receive(offset uint64, b []byte) (fresh bool, err error) {
	end := offset + uint64(len(b))
	if end > p.read+uint64(p.most) {
		return false, errCryptoLimit
	}
	if end <= p.read {
		return false, nil
	}
	if offset < p.read {
		b, offset = b[p.read-offset:], p.read
	}
	if p.have.NextMissing(offset, end).Len() == 0 {
		return false, nil
	}
	if len(p.have) >= maxCryptoGaps && offset > p.read && !p.joins(offset, end) {
		return false, errCryptoGaps
	}
	if n := int(end - p.read); n > len(p.b) {
		p.b = append(p.b, make([]byte, n-len(p.b))...)
	}
	copy(p.b[offset-p.read:], b)
	p.have.Add(offset, end)
	return true, nil
}

// joins reports whether [offset, end) touches something that is there.
func (p *cryptoRecv) joins(offset, end uint64) bool {
	return slices.ContainsFunc(p.have, func(s stream.Span) bool { return s.Start <= end && s.End >= offset })
}

// take returns the bytes that are next in the stream, and gives them up.
func (p *cryptoRecv) take() []byte {
	if len(p.have) == 0 || p.have[0].Start > p.read {
		return nil
	}
	n := p.have[0].End - p.read
	b := p.b[:n:n]
	if p.b, p.read = p.b[n:], p.read+n; len(p.b) == 0 {
		p.b = nil
	}
	p.have.Remove(0, p.read)
	return b
}
