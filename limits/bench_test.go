package limits

import (
	"net/netip"
	"testing"
	"time"
)

// benchConn is a connection under limits that are checked and never reached.
func benchConn(b *testing.B) *Conn {
	l := Limits{Memory: maxMemory, Inbound: 1000, Connections: 1000, HalfOpen: 1000, Handshakes: 1000}
	m, err := New(Config{Process: l, Endpoint: l, Network: l, Peer: l, Conn: l, Allow: []netip.Prefix{}})
	if err != nil {
		b.Fatal(err)
	}
	e, err := m.Endpoint("bench", Limits{})
	if err != nil {
		b.Fatal(err)
	}
	c, err := e.Inbound(0, netip.MustParseAddr("192.0.2.7"), true)
	if err != nil {
		b.Fatal(err)
	}
	return c
}

// BenchmarkReserveEverywhere is a reservation of which nothing was reserved ahead: it is taken in all scopes, those of the connection,
// its peer, network, endpoint and process. There was more in use before, as there was most of the time.
func BenchmarkReserveEverywhere(b *testing.B) {
	c := benchConn(b)
	c.Reserve(1<<30, FirstWindow)
	c.Free(1 << 30)
	c.Trim()
	b.ReportAllocs()
	for b.Loop() {
		if !c.Reserve(step, FirstWindow) {
			b.Fatal("refused")
		}
	}
	if c.charged != int64(b.N)*step+Overhead {
		b.Fatalf("%d bytes are charged after %d reservations", c.charged, b.N)
	}
}

// BenchmarkReserveAndFree is a chunk of memory taken and given back, as most are: within what is reserved ahead.
func BenchmarkReserveAndFree(b *testing.B) {
	c := benchConn(b)
	b.ReportAllocs()
	for b.Loop() {
		c.Reserve(step/2, FirstWindow)
		c.Free(step / 2)
	}
}

func BenchmarkOpenAndRelease(b *testing.B) {
	e := benchConn(b).endpoint
	from := netip.MustParseAddr("198.51.100.7")
	b.ReportAllocs()
	for now := time.Duration(0); b.Loop(); now += time.Second {
		c, err := e.Inbound(now, from, false)
		if err != nil {
			b.Fatal(err)
		}
		if err := c.Establish(0); err != nil {
			b.Fatal(err)
		}
		c.Release()
	}
}

func BenchmarkRefuse(b *testing.B) {
	e := benchConn(b).endpoint
	from := netip.MustParseAddr("198.51.100.7")
	b.ReportAllocs()
	for b.Loop() {
		c, err := e.Inbound(0, from, true)
		if err == nil {
			c.Release()
		}
	}
}
