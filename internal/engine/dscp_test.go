package engine_test

import (
	"testing"
	"time"

	"example.com/ebb/internal/engine"
	"example.com/ebb/internal/lab/simnet"
	"example.com/ebb/wire"
)

const testDSCP = 1 // LE

// asking has a station's connections ask for a service.
func asking(p *engine.Params) { p.DSCP = testDSCP }

// inService counts packets with the test's DSCP and without, and keeps those with it that should have none.
type inService struct {
	with, without int
	wrong         []string
}

// rule is a Rule that counts and changes nothing.
func (s *inService) rule(t *testing.T) simnet.Rule {
	return simnet.Rule{Match: func(p simnet.Packet) bool {
		switch {
		case p.DSCP == 0:
			s.without++
		case p.DSCP != testDSCP:
			t.Errorf("a packet with DSCP %d", p.DSCP)
		default:
			s.with++
			if len(p.Payload) < 100 || wire.IsLong(p.Payload) {
				s.wrong = append(s.wrong, wire.Describe(p.Payload))
			}
		}
		return false
	}}
}

// TestServiceIsAskedForData: packets of data have the connection's DSCP. What opens it, keeps it alive, acknowledges or follows
// a timeout has none.
// Of docs/wire.md: [W138].
func TestServiceIsAskedForData(t *testing.T) {
	up, down := &inService{}, &inService{}
	link := path(2_500_000, rtt)
	link.Rules = []simnet.Rule{up.rule(t)}
	back := path(0, rtt)
	back.Rules = []simnet.Rule{down.rule(t)}
	w := newWorld(t, 1, link, back)
	w.client.Adjust, w.server.Adjust = asking, asking
	c, s := w.connect()
	s.OnChange = func() { readAll0(s) }
	out := &feed{f: c, n: 4 << 20}
	c.OnChange = out.pump
	c.Flush()
	if !w.RunUntil(time.Minute, func() bool { return out.done && c.Conn.Info().SendBuffered == 0 }) {
		t.Fatalf("stuck: %+v", c.Conn.Info())
	}
	w.Run(time.Minute) // keep-alives
	if up.with < 2500 || up.without > 200 {
		t.Errorf("%d packets of data have a DSCP, %d have none", up.with, up.without)
	}
	if down.with > 0 || down.without < 1000 {
		t.Errorf("%d ACKs have a DSCP, %d have none", down.with, down.without)
	}
	if len(up.wrong) > 0 {
		t.Errorf("%d packets have a DSCP that should have none, such as %s", len(up.wrong), up.wrong[0])
	}
	if got := c.Conn.Info().DSCP; got != testDSCP {
		t.Errorf("Info says %d", got)
	}
	if !c.Conn.Info().ECN {
		t.Error("marks of ECN are not in use")
	}
}

// TestProbesAskForNoService: what follows a timeout goes out as best effort, until something is acknowledged.
func TestProbesAskForNoService(t *testing.T) {
	w := newWorld(t, 1, path(0, rtt), path(0, rtt))
	w.client.Adjust = asking
	c, s := w.connect()
	s.OnChange = func() { readAll0(s) }
	for range 40 {
		write(t, c, string(make([]byte, 3000)))
		w.Run(2 * rtt)
	}
	probes, wrong := 0, 0
	dead := path(0, rtt)
	before := c.Conn.Info().Stats.Probes
	dead.Rules = []simnet.Rule{{Match: func(p simnet.Packet) bool {
		if c.Conn.Info().Stats.Probes > before {
			if probes++; p.DSCP != 0 {
				wrong++
			}
		}
		return true
	}, Loss: 1}}
	w.up.SetConfig(w.Now(), dead)
	write(t, c, string(make([]byte, 3000)))
	w.Run(10 * time.Second)
	if probes < 3 || wrong > 0 {
		t.Errorf("%d of %d probes asked for a service", wrong, probes)
	}
}

// TestServicesVanish: a path that drops what asks for a service costs the first packets that do, and no rate: the controller is told
// of nothing that lasts. Ten minutes later it is tried again, which brings the service back where it passes then.
func TestServicesVanish(t *testing.T) {
	lost := 0
	broken := path(2_500_000, rtt)
	broken.Rules = []simnet.Rule{{Match: func(p simnet.Packet) bool {
		if p.DSCP != 0 {
			lost++
		}
		return p.DSCP != 0
	}, Loss: 1}}
	for _, ecn := range []bool{true, false} {
		lost = 0
		w := newWorld(t, 1, broken, path(0, rtt))
		w.client.Adjust = func(p *engine.Params) { asking(p); p.NoECN = !ecn }
		c, s := w.connect()
		s.OnChange = func() { readAll0(s) }
		lightly(w, c, time.Minute)
		in := c.Conn.Info()
		if lost < 3 || lost > 60 || in.DSCP != 0 || in.ECN != ecn {
			t.Errorf("ECN %v: %d packets were lost at first, the DSCP is %d, ECN in use: %v", ecn, lost, in.DSCP, in.ECN)
		}
		lost = 0
		lightly(w, c, 10*time.Minute)
		if lost < 3 || lost > 30 || c.Conn.Info().DSCP != 0 {
			t.Errorf("ECN %v: %d packets were lost later, the DSCP is %d", ecn, lost, c.Conn.Info().DSCP)
		}
		w.up.SetConfig(w.Now(), path(2_500_000, rtt))
		lightly(w, c, 10*time.Minute)
		if c.Conn.Info().DSCP != testDSCP {
			t.Errorf("ECN %v: the service is not asked for though it passes", ecn)
		}
	}
}

// TestServicesThatVanishLater: a path that begins to drop what asks for a service is found out, without the controller beginning anew:
// it may be congestion.
func TestServicesThatVanishLater(t *testing.T) {
	w := newWorld(t, 1, path(2_500_000, rtt), path(0, rtt))
	w.client.Adjust = asking
	c, s := w.connect()
	s.OnChange = func() { readAll0(s) }
	lightly(w, c, time.Minute)
	if c.Conn.Info().DSCP != testDSCP {
		t.Fatal("the service is not asked for")
	}
	broken := path(2_500_000, rtt)
	broken.Rules = []simnet.Rule{{Match: simnet.InClass(testDSCP), Loss: 1}}
	w.up.SetConfig(w.Now(), broken)
	lightly(w, c, time.Minute)
	if in := c.Conn.Info(); in.DSCP != 0 || !in.ECN {
		t.Errorf("the DSCP is %d, ECN in use: %v", in.DSCP, in.ECN)
	}
}

// TestNoServiceByDefault: an engine that is not told to asks for none.
func TestNoServiceByDefault(t *testing.T) {
	seen := &inService{}
	link := path(2_500_000, rtt)
	link.Rules = []simnet.Rule{seen.rule(t)}
	w := newWorld(t, 1, link, path(0, rtt))
	w.transfer(1<<20, time.Minute)
	if seen.with > 0 {
		t.Errorf("%d packets have a DSCP", seen.with)
	}
}
