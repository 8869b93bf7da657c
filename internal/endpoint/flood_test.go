package endpoint_test

import (
	"net/netip"
	"testing"
	"time"

	"example.com/ebb/internal/lab/scripted"
	"example.com/ebb/internal/lab/simnet"
	"example.com/ebb/ledbat"
	"example.com/ebb/wire"
)

// halfOpener is a host that begins handshakes, answers cookies, and confirms nothing.
type halfOpener struct {
	sim    *simnet.Sim
	server *simnet.Station
	delay  time.Duration // one way
	source func(i int) netip.AddrPort
	from   map[wire.ID]netip.AddrPort // by the client's ID
	begun  int
	sealed bool // its INITIALs are those of protected connections
	proved int  // INITIALs with a cookie
}

// initial is an INITIAL, with a cookie if there is one.
func initial(client wire.ID, cookie []byte) []byte {
	parameters := wire.DefaultParameters()
	parameters.Version, parameters.FirstDst, parameters.Src = wire.Version, ^client, client
	message := wire.Must(wire.AppendParameters(nil, &parameters))
	h := wire.Header{Type: wire.Initial, Version: wire.Version, Dst: ^client, Src: client, NumberLen: 1, Cookie: cookie}
	b := wire.Must(wire.AppendCrypto(wire.Must(wire.AppendHeader(nil, h)), 0, message))
	b = wire.AppendPadding(b, wire.MinInitialSize-len(b)-wire.TrailerSize)
	return wire.AppendTrailer(b, 0, wire.Seed(h.Version, h.Dst, h.Src))
}

// initial is what the host begins with.
func (h *halfOpener) initial(client wire.ID, cookie []byte) []byte {
	if h.sealed {
		return sealedInitial(client, cookie)
	}
	return initial(client, cookie)
}

// begin begins one handshake.
func (h *halfOpener) begin() {
	h.begun++
	client := wire.ID(h.begun)<<32 | 1
	h.from[client] = h.source(h.begun)
	h.server.Inject(h.from[client], h.initial(client, nil))
}

// hear is the Drop of the link to the host: it answers a RETRY.
func (h *halfOpener) hear(_ int, b []byte) bool {
	version := wire.Version
	if h.sealed {
		version = wire.VersionProtected
	}
	p, payload, err := wire.ParseAnswer(b, version)
	var f wire.Frame
	if err != nil || p.Type != wire.Retry {
		return true
	}
	if _, err := f.Parse(payload); err != nil {
		return true
	}
	cookie, client := append([]byte(nil), f.Data...), p.Dst
	h.sim.After(2*h.delay, func() {
		h.proved++
		h.server.Inject(h.from[client], h.initial(client, cookie))
	})
	return true
}

// TestNewcomersDespiteHalfOpenFlood: while one address, or one network, begins 6,000 handshakes a second and
// answers each cookie, dials from elsewhere take three round trips and 50 ms at most, and none fails.
func TestNewcomersDespiteHalfOpenFlood(t *testing.T) { halfOpenFlood(t, false) }

func halfOpenFlood(t *testing.T, sealed bool) {
	t.Helper()
	const rtt, perSecond = 20 * time.Millisecond, 6000
	for name, source := range map[string]func(i int) netip.AddrPort{
		"address": func(i int) netip.AddrPort {
			return netip.AddrPortFrom(netip.AddrFrom4([4]byte{203, 0, 113, 9}), uint16(1024+i%60000))
		},
		"network": func(i int) netip.AddrPort {
			return netip.AddrPortFrom(netip.AddrFrom4([4]byte{203, 0, 113, byte(i)}), 4000)
		},
	} {
		t.Run(name, func(t *testing.T) {
			sim := simnet.NewSim(1)
			factory := ledbat.Factory(ledbat.Config{})
			server := sim.NewStation("192.0.2.1:9000", factory)
			accepted := 0
			server.Accept = func(*simnet.Flow) { accepted++ }
			h := &halfOpener{sim: sim, server: server, delay: rtt / 2, source: source, from: make(map[wire.ID]netip.AddrPort), sealed: sealed}
			server.RouteElsewhere(simnet.NewLink(simnet.LinkConfig{Drop: h.hear}, 3))
			client := sim.NewStation("198.51.100.7:2000", factory)
			sim.Join(client, server, simnet.LinkConfig{Delay: rtt / 2}, simnet.LinkConfig{Delay: rtt / 2})
			if sealed {
				server.Protect(scripted.Script{Seed: 1})
				client.Protect(scripted.Script{Seed: 1})
			}

			const seconds = 5
			for i := range seconds * perSecond {
				sim.At(time.Duration(i)*time.Second/perSecond, h.begin)
			}
			sim.Run(2 * time.Second) // all places are taken
			dials, slowest := 0, time.Duration(0)
			for sim.Now() < seconds*time.Second {
				began := sim.Now()
				f := client.Dial(server)
				if !sim.RunUntil(time.Second, f.Conn.Established) {
					t.Fatalf("dial %d at %v: %v", dials, began, f.Conn.Err())
				}
				slowest = max(slowest, sim.Now()-began)
				dials++
			}
			sim.Run(rtt)
			c := server.Endpoint().Counters()
			t.Logf("%d dials, the slowest %v; %d accepted; %+v", dials, slowest, accepted, c)
			if c.HalfOpen < 4000 || h.proved < 20_000 {
				t.Errorf("the attack holds %d places with %d cookies", c.HalfOpen, h.proved)
			}
			if slowest > 3*rtt+50*time.Millisecond || accepted != dials {
				t.Errorf("the slowest of %d dials takes %v, %d are accepted", dials, slowest, accepted)
			}
		})
	}
}
