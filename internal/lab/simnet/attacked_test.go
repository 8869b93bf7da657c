package simnet

import (
	"bytes"
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"example.com/ebb/internal/protect"
	"example.com/ebb/wire"
)

// onPath is an attacker who sees every packet and sends what it likes, in the name of both sides, and cannot drop any.
type onPath struct {
	*rand.Rand
	sim      *Sim
	from, to *Station // of the packets that it sees
	forges   func() bool
	injected int
	dst      wire.ID        // of the receiver, as short packets show it; 0: none was seen
	first    wire.ID        // the destination of the first packet of a dial
	back     *onPath        // the other direction
	check    func(b []byte) // of each packet that is sent; nil: there is none
	kept     [][]byte       // to be replayed
}

// maxKept is how many packets an attacker keeps.
const maxKept = 64

// see is the Drop of a link.
func (a *onPath) see(_ int, b []byte) bool {
	b = bytes.Clone(b)
	if a.check != nil {
		a.check(b)
	}
	if len(a.kept) < maxKept {
		a.kept = append(a.kept, b)
	} else {
		a.kept[a.IntN(maxKept)] = b
	}
	a.sim.After(time.Duration(a.Int64N(int64(20*time.Millisecond))), func() { a.attack(b) })
	return false
}

// attack does what a packet that was seen is good for.
func (a *onPath) attack(b []byte) {
	old := a.kept[a.IntN(len(a.kept))]
	all := [][]byte{b, a.flipped(b), a.flipped(old), old, b[:a.IntN(len(b))], append(bytes.Clone(b), 0)}
	if a.forges() {
		all = append(all, a.forged(b)...)
		for _, kind := range []ICMPCode{PortUnreachable, HostUnreachable} {
			if f := a.from.handleReport(Unreachable{kind, a.to.Addr, b}); f != nil {
				f.Flush()
			}
		}
	}
	for _, b := range all {
		a.injected++
		a.to.Inject(a.from.Addr, b)
	}
	if h, _, err := wire.ParseSealed(b); err == nil && h.Type == wire.Initial && a.forges() {
		answers := a.madeUp(h.Src, h.Dst)
		a.injected++
		a.from.Inject(a.to.Addr, answers[a.IntN(len(answers))])
	}
}

func (a *onPath) flipped(b []byte) []byte {
	b = bytes.Clone(b)
	b[a.IntN(len(b))] ^= 1 << a.IntN(8)
	return b
}

// forged is what can be made up about the receiver of a packet, and its sender, in both versions.
func (a *onPath) forged(seen []byte) (all [][]byte) {
	if id, ok := wire.ShortDst(seen); ok && !wire.IsLong(seen) {
		a.dst = id
	}
	dst, src := a.dst, a.back.dst
	if h, _, err := wire.ParseSealed(seen); err == nil {
		dst, src = h.Dst, h.Src
	}
	if dst == 0 || src == 0 {
		return nil
	}
	return append(a.madeUp(dst, src), a.forgedHandshake(seen)...)
}

// madeUp is what needs no keys, to dst and from src.
func (a *onPath) madeUp(dst, src wire.ID) (all [][]byte) {
	all = append(all, wire.Must(wire.AppendUnknownToken(nil, src, make([]byte, wire.ResetTokenSize))),
		wire.Must(wire.AppendVersions(nil, idBytes(src), idBytes(dst))))
	for _, version := range []uint32{wire.Version, wire.VersionProtected} {
		end := func(h wire.Header, frames []byte) {
			h.Version = version
			b := append(wire.Must(wire.AppendHeader(nil, h)), frames...)
			all = append(all, wire.AppendTrailer(b, 0, wire.Seed(version, h.Dst, h.Src)))
		}
		end(wire.Header{Type: wire.Unknown, Src: src}, nil)
		end(wire.Header{Type: wire.Refuse, Dst: dst, Src: src}, wire.AppendClose(nil, wire.CodeRefused, ""))
		end(wire.Header{Type: wire.Retry, Dst: dst, Src: src}, wire.Must(wire.AppendCookie(nil, []byte("cookie"))))
		for _, frames := range [][]byte{
			wire.AppendClose(nil, wire.CodeNone, ""), wire.Must(wire.AppendReset(nil, wire.CodeReset, a.Uint64N(1<<20))), wire.AppendStop(nil, wire.CodeReset),
			a.ack(), wire.Must(wire.AppendDataHeader(nil, a.Uint64N(1<<20), 0, true, false)),
		} {
			end(wire.Header{Type: wire.Short, Dst: dst, Number: a.Uint64N(1 << 12), NumberLen: 4}, append(frames, make([]byte, 20)...))
		}
	}
	return all
}

// ack is an ACK of packets that may have been sent.
func (a *onPath) ack() []byte {
	last := a.Uint64N(1 << 10)
	return wire.Must(wire.AppendAck(nil, &wire.Ack{Largest: last}, []wire.Range{{First: 0, Last: last}}, 100))
}

// forgedHandshake is packets of the initial level, whose keys everybody has who sees the first packet of a dial.
func (a *onPath) forgedHandshake(seen []byte) (all [][]byte) {
	h, _, err := wire.ParseSealed(seen)
	if err != nil || h.Type != wire.Initial && h.Type != wire.Accept {
		return nil
	}
	first := h.Dst
	if h.Type == wire.Accept {
		first = a.back.first
	}
	a.first = first
	seal, _, err := protect.NewInitialKeys(first, h.Type == wire.Initial)
	if err != nil {
		panic(err)
	}
	for _, frames := range [][]byte{
		a.ack(), wire.AppendClose(nil, wire.CodeReset, ""), wire.Must(wire.AppendCrypto(nil, a.Uint64N(2000), make([]byte, 1+a.IntN(200)))), wire.AppendPing(nil),
	} {
		h.Number, h.NumberLen = a.Uint64N(4), 1
		b := wire.Must(wire.AppendHeader(nil, h))
		body := len(b)
		b = wire.AppendPadding(append(b, frames...), wire.MinInitialSize-protect.TagSize-len(b)-len(frames))
		all = append(all, seal.Seal(b, 0, body, h.Number))
	}
	return all
}

func idBytes(id wire.ID) []byte {
	var b [8]byte
	for i := range b {
		b[i] = byte(id >> (56 - 8*i))
	}
	return b[:]
}

// TestProtectedUnderAttack [W231] [W235]: whatever somebody on the path sends, no established connection ends and no byte changes.
func TestProtectedUnderAttack(t *testing.T) {
	injected := 0
	for seed := range uint64(20) {
		s, c, d := protectedPair(true, true)
		var f, e *Flow
		established := func() bool { return f != nil && f.Conn.Established() && e != nil }
		up := &onPath{Rand: rand.New(rand.NewPCG(seed, 1)), sim: s, from: c, to: d, forges: established}
		down := &onPath{Rand: rand.New(rand.NewPCG(seed, 2)), sim: s, from: d, to: c, forges: established}
		up.back, down.back = down, up
		c.Route(d, NewLink(LinkConfig{Delay: 10 * time.Millisecond, Loss: 0.01, Drop: up.see}, seed))
		d.Route(c, NewLink(LinkConfig{Delay: 10 * time.Millisecond, Loss: 0.01, Drop: down.see}, seed+1))
		sent := make([]byte, 300<<10)
		for i := range sent {
			sent[i] = byte(up.Uint64())
		}
		var got bytes.Buffer
		var end error
		d.Accept = func(flow *Flow) {
			e = flow
			e.OnChange = func() {
				for b := make([]byte, 4096); end == nil; {
					n, err := e.Conn.Read(b)
					got.Write(b[:n])
					if end = err; n == 0 {
						return
					}
				}
			}
		}
		f = c.Dial(d)
		if !s.RunUntil(time.Second, established) {
			t.Fatalf("seed %d: no connection: %v", seed, f.Conn.Err())
		}
		s.Run(5 * time.Second) // whatever is done to idle ones
		rest := sent
		f.OnChange = func() {
			n, err := f.Conn.Write(rest)
			if rest = rest[n:]; len(rest) == 0 && err == nil {
				f.Conn.CloseWrite()
				f.OnChange = nil
			}
		}
		f.Flush()
		if !s.RunUntil(5*time.Minute, func() bool { return end != nil }) || end != io.EOF || !bytes.Equal(got.Bytes(), sent) {
			t.Fatalf("seed %d: %d of %d bytes, %v; client %v", seed, got.Len(), len(sent), end, f.Conn.Err())
		}
		injected += up.injected + down.injected
	}
	if injected < 10_000 {
		t.Errorf("%d packets are no attack", injected)
	}
	t.Logf("%d packets were injected", injected)
}
