package hostile

import (
	"net"
	"time"

	"example.com/ebb/wire"
)

// Crowd is many connections of one address, that holds nothing for them: it opens them, says in each what it likes and hears
// nothing. It is used by one goroutine.
type Crowd struct {
	Conn  net.PacketConn // it is read until a deadline that the Crowd sets
	To    net.Addr
	First byte // of each stream, which completes the handshake

	conns []raider
}

// raider is a connection of a crowd: its IDs at both ends, and how far it has come.
type raider struct {
	id, peer wire.ID
	number   uint64
	offset   int
}

// Open begins n connections more, and answers what asks for a cookie, for as long as it takes or patience lasts: INITIALs that get lost are
// repeated. It returns how many were answered.
func (c *Crowd) Open(n int, patience time.Duration) (opened int) {
	first := len(c.conns)
	for i := range n {
		c.conns = append(c.conns, raider{id: wire.ID(first+i+1) << 16, number: 1})
	}
	end := time.Now().Add(patience)
	buf := make([]byte, 2048)
	for opened < n && time.Now().Before(end) {
		sent := 0
		for i := first; i < len(c.conns) && sent < 64; i++ { // no more at once than a socket has room for
			if c.conns[i].peer == 0 {
				c.Conn.WriteTo(initial(c.conns[i].id, nil), c.To)
				sent++
			}
		}
		c.Conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		for {
			k, _, err := c.Conn.ReadFrom(buf)
			if err != nil {
				break
			}
			opened += c.hear(buf[:k])
		}
	}
	return opened
}

// hear takes what a server says in a handshake, and returns how many connections that completes.
func (c *Crowd) hear(b []byte) int {
	h, payload, err := wire.ParseHeader(b)
	if err != nil || h.Dst>>16 == 0 || int(h.Dst>>16) > len(c.conns) {
		return 0
	}
	r := &c.conns[h.Dst>>16-1]
	var f wire.Frame
	switch {
	case h.Type == wire.Retry:
		if _, err := f.ParseIn(h.Type, payload); err == nil {
			c.Conn.WriteTo(initial(r.id, f.Data), c.To)
		}
	case h.Type == wire.Accept && r.peer == 0:
		r.peer = h.Src
		r.offset = c.say(r, 0, 1) - 1
		return 1
	}
	return 0
}

// Say has each connection send DATA of so many bytes more, in packets of a kilobyte. Nothing is repeated, and nothing is
// acknowledged.
func (c *Crowd) Say(bytes int) {
	for i := range c.conns {
		if r := &c.conns[i]; r.peer != 0 {
			for end := r.offset + bytes; r.offset < end; {
				r.offset = c.say(r, r.offset, min(1000, end-r.offset))
			}
		}
	}
}

// say sends n bytes at an offset, and returns the end.
func (c *Crowd) say(r *raider, offset, n int) int {
	data := make([]byte, n)
	data[0] = c.First
	c.Conn.WriteTo(r.short(append(wire.Must(wire.AppendDataHeader(nil, uint64(offset), n, false, true)), data...)), c.To)
	return offset + n
}

// Rewind has Say begin again, for what may have got lost.
func (c *Crowd) Rewind() {
	for i := range c.conns {
		c.conns[i].offset = 0
	}
}

// short is a packet of the connection.
func (r *raider) short(payload []byte) []byte {
	packet := wire.Must(wire.AppendHeader(nil, wire.Header{Type: wire.Short, Version: wire.Version, Dst: r.peer, Number: r.number, NumberLen: 4}))
	r.number++
	return wire.AppendTrailer(append(packet, payload...), 0, wire.Seed(wire.Version, r.peer, r.id))
}

// Initial is an INITIAL of a client with an ID, that opens a connection.
func Initial(id wire.ID) []byte { return initial(id, nil) }

func initial(id wire.ID, cookie []byte) []byte {
	h := wire.Header{Type: wire.Initial, Version: wire.Version, Dst: ^id, Src: id, NumberLen: 1, Cookie: cookie}
	b := wire.Must(wire.AppendHeader(nil, h))
	b = append(b, message(wire.Parameters{FirstDst: ^id, Src: id})...)
	b = wire.AppendPadding(b, wire.MinInitialSize-len(b)-wire.TrailerSize)
	return wire.AppendTrailer(b, 0, wire.Seed(h.Version, h.Dst, h.Src))
}
