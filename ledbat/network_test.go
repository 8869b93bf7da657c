package ledbat

import (
	"testing"
	"time"
)

func TestNetworkTypes(t *testing.T) {
	for _, c := range []struct {
		name                 string
		want                 NetworkType
		least, most          time.Duration
		floor, lowest, upper int
	}{
		{"lan", LAN, 0, 10 * ms, 0, 0, 0},
		{"regional", Regional, 10 * ms, 50 * ms, 0, 0, 0},
		{"continental", Continental, 50 * ms, 100 * ms, 50_000, 50_000, 50_000},
		{"intercontinental", Intercontinental, 100 * ms, 200 * ms, 250_000, 100_000, 500_000},
		{"satellite", Satellite, 500 * ms, 0, 1_000_000, 500_000, 2_000_000},
		{"gateway", Gateway, 0, 0, 500_000, 500_000, 500_000},
	} {
		n, err := ParseNetworkType(c.name)
		if err != nil || n != c.want || n.String() != c.name {
			t.Errorf("%q: %v, %v", c.name, n, err)
		}
		least, most := n.RTT()
		lowest, upper := n.MinSSThreshRange()
		if least != c.least || most != c.most || n.MinSSThresh() != c.floor || lowest != c.lowest || upper != c.upper {
			t.Errorf("%v: RTT %v to %v, floor %d of %d to %d", n, least, most, n.MinSSThresh(), lowest, upper)
		}
		if err := (Config{MinSSThresh: n.MinSSThresh()}).Validate(); err != nil {
			t.Errorf("%v: %v", n, err)
		}
	}
	if got := NetworkTypes(); len(got) != len(networkTypes) || got[0] != LAN || got[len(got)-1] != Gateway {
		t.Errorf("types %v", got)
	}
}

func TestUnknownNetworkTypes(t *testing.T) {
	for _, name := range []string{"", "LAN", "moon", NetworkType(99).String()} {
		if _, err := ParseNetworkType(name); err == nil {
			t.Errorf("%q is accepted", name)
		}
	}
	for _, n := range []NetworkType{-1, 99} {
		least, most := n.RTT()
		lowest, upper := n.MinSSThreshRange()
		if least != 0 || most != 0 || lowest != 0 || upper != 0 || n.MinSSThresh() != 0 {
			t.Errorf("%v has advice", n)
		}
	}
}
