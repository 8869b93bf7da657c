package endpoint

import (
	"net/netip"
	"testing"
	"time"

	"example.com/ebb/internal/stream"
	"example.com/ebb/ledbat"
	"example.com/ebb/limits"
)

// TestVanishingTrainsAreRememberedForAWhile: until the time that was told, not beyond, for that address only, and for no more addresses
// than there is room for: those that were found last stay.
func TestVanishingTrainsAreRememberedForAWhile(t *testing.T) {
	var v vanishingTrains
	peer := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}) }
	if got := v.until(0, peer(0)); got != 0 {
		t.Errorf("nothing was noted: until %v", got)
	}
	for i := range maxVanishing + 100 {
		v.note(0, peer(i), time.Minute+time.Duration(i))
	}
	if len(v) != maxVanishing {
		t.Errorf("%d addresses are remembered, want %d", len(v), maxVanishing)
	}
	for i, want := range map[int]time.Duration{0: 0, 99: 0, 100: time.Minute + 100, maxVanishing + 99: time.Minute + maxVanishing + 99, maxVanishing + 100: 0} {
		if got := v.until(time.Second, peer(i)); got != want {
			t.Errorf("address %d: until %v, want %v", i, got, want)
		}
	}
	v.note(time.Second, peer(200), 0)
	if got := v.until(time.Second, peer(200)); got != 0 {
		t.Errorf("trains pass again: until %v", got)
	}
	for i := range maxVanishing + 100 {
		v.until(2*time.Minute, peer(i))
	}
	if len(v) != 0 {
		t.Errorf("%d addresses are remembered for ever", len(v))
	}
}

// TestAConnectionsVerdictOnTrainsIsItsPeersOnly: what a connection finds out about trains holds for the next one to the same
// address alone.
func TestAConnectionsVerdictOnTrainsIsItsPeersOnly(t *testing.T) {
	e := New[*Driver](Config{Numbers: func() Numbers { return Numbers{} }})
	var heap chunkHeap
	s := &Settings{Congestion: ledbat.Factory(ledbat.Config{}), Chunks: func(*limits.Conn) stream.Allocator { return &heap }}
	dial := func(now time.Duration, path Path, c *Driver) Params {
		p, err := e.Dial(now, s, path, c)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	to := func(a string) Path { return Path{Remote: netip.MustParseAddrPort(a)} }
	here, elsewhere := to("127.0.0.1:9"), to("127.0.0.2:9")
	d := new(Driver)
	p := dial(0, here, d)
	e.Report(0, d, News{Topic: Trains, Local: p.Local, Remote: here.Remote.Addr(), TrainsVanish: time.Minute})
	if got := dial(time.Second, here, new(Driver)).TrainsVanish; got != time.Minute {
		t.Errorf("to the same address: until %v, want %v", got, time.Minute)
	}
	if got := dial(time.Second, elsewhere, new(Driver)).TrainsVanish; got != 0 {
		t.Errorf("to another address: until %v", got)
	}
}
