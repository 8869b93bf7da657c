package ledbat

import (
	"math"
	"testing"

	"example.com/ebb/congestion"
)

func TestZeroConfig(t *testing.T) {
	c, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	want := congestion.Stats{
		Name: "adaptive", State: "slow start", Window: 12_000, Own: Stats{MinSSThresh: 4800},
	}
	if got := c.Stats(); got != want {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
}

func TestInitialWindow(t *testing.T) {
	for _, c := range []struct {
		config Config
		want   int
	}{
		{Config{MaxDatagramSize: 1200}, 12_000},
		{Config{MaxDatagramSize: 1452}, 14_520},
		{Config{MaxDatagramSize: 1500}, 14_720},
		{Config{MaxDatagramSize: 9000}, 18_000},
		{Config{InitialWindow: 38_000}, 38_000},
		{Config{InitialWindow: 1}, 2400},
		{Config{MinWindow: 20_000}, 20_000},
		{Config{InitialWindow: maxWindow}, maxWindow},
	} {
		got, err := New(c.config)
		if err != nil {
			t.Errorf("%+v: %v", c.config, err)
		} else if got.Window() != c.want {
			t.Errorf("%+v: window %d, want %d", c.config, got.Window(), c.want)
		}
	}
}

func TestValidateRefuses(t *testing.T) {
	for _, c := range []Config{
		{Mode: -1}, {Mode: 99},
		{MinSSThresh: maxWindow + 1},
		{InitialWindow: -1}, {InitialWindow: maxWindow + 1},
		{MinWindow: -1}, {MinWindow: maxWindow + 1},
		{MaxDatagramSize: -1}, {MaxDatagramSize: 1199}, {MaxDatagramSize: 65_528}, {MaxDatagramSize: math.MaxInt},
	} {
		if err := c.Validate(); err == nil {
			t.Errorf("%+v is accepted", c)
		}
		if got, err := New(c); err == nil || got != nil {
			t.Errorf("New(%+v) = %v, %v", c, got, err)
		}
	}
}

func TestModeNames(t *testing.T) {
	for _, m := range []Mode{ModeDefault, PlusPlus, RFC6817, Adaptive} {
		if got, err := ParseMode(m.String()); err != nil || got != m {
			t.Errorf("ParseMode(%q) = %v, %v", m.String(), got, err)
		}
	}
	for _, name := range []string{"", "LEDBAT++", "reno", Mode(99).String()} {
		if _, err := ParseMode(name); err == nil {
			t.Errorf("ParseMode(%q) is accepted", name)
		}
	}
}
