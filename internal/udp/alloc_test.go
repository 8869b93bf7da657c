//go:build !race

package udp

import "testing"

func TestReadAndWriteDoNotAllocate(t *testing.T) {
	for _, p := range paths {
		sink := p.listen(t, "udp", ":0")
		client := p.listen(t, "udp", ":0")
		b := make([]byte, 10_000)
		in := single{ms: room(sink, 20)}
		for _, ip := range []string{"127.0.0.1", "::1"} {
			ms := []Message{
				{Buf: b, N: len(b), SegmentSize: 1000, Remote: at(sink, ip), ECN: 2},
				{Buf: b, N: len(b), SegmentSize: 1000, Remote: at(sink, ip), Local: at(sink, ip).Addr()},
			}
			avg := testing.AllocsPerRun(100, func() {
				ms[0].Sent, ms[1].Sent = 0, 0
				write(t, client, ms...)
				for n := 0; n < 20 && !p.noUDP; { // a PacketConn allocates the addresses itself
					if err := sink.Receive(&in); err != nil {
						t.Fatal(err)
					}
					for i := range in.n {
						n += in.ms[i].datagrams()
					}
				}
			})
			if avg != 0 {
				t.Errorf("%s, %s: a Write and its Reads allocate %v times", p.name, ip, avg)
			}
		}
	}
}
