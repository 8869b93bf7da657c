// Package hostile is a peer for tests: it speaks the wire format and says in it what no implementation
// would.
package hostile

import (
	"net"

	"example.com/ebb/wire"
)

// Peer is one end of a connection at a time, in either role.
type Peer struct {
	Conn   net.PacketConn // whoever closes it ends Serve and Dial
	Refuse bool           // answer every INITIAL with REFUSE
	Say    []byte         // what a dial sends once it is accepted, in one packet
	Reason string         // of the REFUSE, and of the CLOSE that answers the first DATA

	local, peer wire.ID
	number      uint64
}

// Serve answers whoever dials.
func (p *Peer) Serve() { p.answer() }

// Dial makes a connection to addr, which it sends what it has to say.
func (p *Peer) Dial(addr net.Addr) {
	p.local, p.peer = 0x1111, 0x2222
	p.send(addr, p.initial())
	p.answer()
}

// answer deals with packets until Conn is closed.
func (p *Peer) answer() {
	buf := make([]byte, 65536)
	for {
		n, from, err := p.Conn.ReadFrom(buf)
		if err != nil {
			return
		}
		h, payload, err := wire.ParseHeader(buf[:n])
		if err != nil {
			continue
		}
		switch {
		case h.Type == wire.Initial && p.Refuse:
			p.send(from, sealed(wire.Header{Type: wire.Refuse, Version: wire.Version, Dst: h.Src, Src: h.Dst},
				wire.AppendClose(nil, wire.CodeRefused, p.Reason)))
		case h.Type == wire.Initial:
			p.local, p.peer = 0x3333, h.Src
			p.send(from, sealed(wire.Header{Type: wire.Accept, Version: wire.Version, Dst: p.peer, Src: p.local, NumberLen: 1},
				message(wire.Parameters{FirstDst: h.Dst, Src: p.local, Dst: p.peer, Cookie: h.Cookie})))
		case h.Type == wire.Accept:
			p.peer = h.Src
			data := wire.Must(wire.AppendDataHeader(nil, 0, len(p.Say), false, true))
			p.send(from, p.short(append(data, p.Say...)))
		case h.Type == wire.Short && hasData(payload):
			p.send(from, p.short(wire.AppendClose(nil, wire.CodeReset, p.Reason)))
		}
	}
}

func (p *Peer) send(to net.Addr, packet []byte) { p.Conn.WriteTo(packet, to) }

func (p *Peer) initial() []byte {
	payload := message(wire.Parameters{FirstDst: p.peer, Src: p.local})
	return sealed(wire.Header{Type: wire.Initial, Version: wire.Version, Dst: p.peer, Src: p.local, NumberLen: 1},
		wire.AppendPadding(payload, wire.MinInitialSize-len(payload)))
}

// short is a short packet of the connection. Its IDs go into the trailer.
func (p *Peer) short(payload []byte) []byte {
	packet := wire.Must(wire.AppendHeader(nil, wire.Header{Type: wire.Short, Version: wire.Version, Dst: p.peer, Number: p.number, NumberLen: 4}))
	p.number++
	return wire.AppendTrailer(append(packet, payload...), 0, wire.Seed(wire.Version, p.peer, p.local))
}

// sealed is a long packet.
func sealed(h wire.Header, payload []byte) []byte {
	packet := append(wire.Must(wire.AppendHeader(nil, h)), payload...)
	return wire.AppendTrailer(packet, 0, wire.Seed(h.Version, h.Dst, h.Src))
}

// message is the frame that a handshake begins with, with the parameters that repeat what was seen of it.
func message(p wire.Parameters) []byte {
	p.Version, p.InitialWindow, p.MaxDatagramSize = wire.Version, 1<<20, 1200
	return wire.Must(wire.AppendCrypto(nil, 0, wire.Must(wire.AppendParameters(nil, &p))))
}

func hasData(payload []byte) bool {
	var f wire.Frame
	for len(payload) > 0 {
		n, err := f.ParseIn(wire.Short, payload)
		if err != nil {
			return false
		}
		if f.Type == wire.FrameData {
			return true
		}
		payload = payload[n:]
	}
	return false
}
