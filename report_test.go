package ebb

import (
	"io"
	"log/slog"
	"net"
	"testing"
)

// TestNewsEndNoRead: connections begin and end within one Receive of the endpoint's reader, at both ends. A Receive that ends
// costs a system call, at each handshake and at each end. A logger, which is the application's code, does end it.
func TestNewsEndNoRead(t *testing.T) {
	const dials = 20
	for _, tt := range []struct {
		name   string
		logger *slog.Logger
		most   uint64 // Receives more
	}{{"silent", nil, 2}, {"logging", slog.New(slog.NewTextHandler(io.Discard, nil)), 1e6}} {
		t.Run(tt.name, func(t *testing.T) {
			var ends [2]*Endpoint
			for i := range ends {
				pc, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
				if err != nil {
					t.Fatal(err)
				}
				if ends[i], err = NewEndpoint(pc, &Config{Logger: tt.logger}); err != nil {
					t.Fatal(err)
				}
				defer ends[i].Close()
			}
			l, err := ends[1].Listen()
			if err != nil {
				t.Fatal(err)
			}
			receives := func(e *Endpoint) uint64 { return e.sockets[0].Info().Receives }
			var before [2]uint64
			for i := range dials {
				if i == 1 { // once for what happens once
					before = [2]uint64{receives(ends[0]), receives(ends[1])}
				}
				c, err := ends[0].DialAddr(t.Context(), ends[1].Addr())
				if err != nil {
					t.Fatal(err)
				}
				s, err := l.AcceptConn()
				if err != nil {
					t.Fatal(err)
				}
				c.Close()
				s.Close()
				eventually(t, "nothing is left", func() bool { return ends[0].Info().Connections+ends[1].Info().Connections == 0 })
			}
			for i, e := range ends {
				got := receives(e) - before[i]
				if got > tt.most || tt.logger != nil && got < dials-1 {
					t.Errorf("end %d: %d Receives for %d connections", i, got, dials-1)
				}
			}
		})
	}
}
