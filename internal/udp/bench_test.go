package udp

import (
	"net/netip"
	"testing"
)

// BenchmarkLoopback sends trains of 44 datagrams of 1452 bytes and reads them, on
// one goroutine.
func BenchmarkLoopback(b *testing.B) {
	for _, p := range paths {
		for _, connected := range []bool{false, true} {
			name := p.name + "/open"
			if connected {
				name = p.name + "/connected"
			}
			b.Run(name, func(b *testing.B) { benchmark(b, p, connected) })
		}
	}
}

func benchmark(b *testing.B, p path, connected bool) {
	const size, count = 1452, 44
	server := p.listen(b, "udp4", "127.0.0.1:0")
	to := at(server, "127.0.0.1")
	var client *Socket
	if connected {
		client = p.dial(b, "udp4", netip.AddrPort{}, to)
	} else {
		client = p.listen(b, "udp4", "127.0.0.1:0")
	}
	out := []Message{{Buf: make([]byte, size*count), N: size * count, SegmentSize: size, Remote: to}}
	in := single{ms: room(server, count)}
	b.SetBytes(size * count)
	b.ReportAllocs()
	for b.Loop() {
		out[0].Sent = 0
		write(b, client, out...)
		for n := 0; n < count; {
			if err := server.Receive(&in); err != nil {
				b.Fatal(err)
			}
			for i := range in.n {
				n += in.ms[i].datagrams()
			}
		}
	}
}
