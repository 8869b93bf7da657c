package udp

import (
	"net/netip"
	"runtime"
	"slices"
	"testing"
	"time"
)

// TestArrivalClock: stamps are believed unless the wall clock was set since the read before, and never make a time
// go back or lie in the future.
func TestArrivalClock(t *testing.T) {
	const ms, day = time.Millisecond, 24 * time.Hour
	epoch := int64(1_800_000_000 * time.Second)
	type read struct {
		mono, set time.Duration   // of the read, and by how much the wall clock was set until then
		stamps    []time.Duration // after the epoch, by the wall clock; negative: none
		want      []time.Duration
	}
	tests := []struct {
		name  string
		reads []read
	}{
		{"late read", []read{{20 * ms, 0, []time.Duration{1 * ms, 2 * ms, 19 * ms}, []time.Duration{1 * ms, 2 * ms, 19 * ms}}}},
		{"no stamps", []read{{20 * ms, 0, []time.Duration{-1, -1}, []time.Duration{20 * ms, 20 * ms}}}},
		{"no stamp once", []read{{20 * ms, 0, []time.Duration{1 * ms, -1, 2 * ms}, []time.Duration{1 * ms, 20 * ms, 20 * ms}}}},
		{"stamp of the future", []read{{20 * ms, 0, []time.Duration{21 * ms}, []time.Duration{20 * ms}}}},
		{"before the socket", []read{{20 * ms, 0, []time.Duration{0}, []time.Duration{0}}}},
		{"other order", []read{{20 * ms, 0, []time.Duration{5 * ms, 4 * ms, 6 * ms}, []time.Duration{5 * ms, 5 * ms, 6 * ms}}}},
		{"set forward", []read{
			{20 * ms, 0, []time.Duration{19 * ms}, []time.Duration{19 * ms}},
			{40 * ms, day, []time.Duration{30 * ms, day + 35*ms}, []time.Duration{40 * ms, 40 * ms}},
			{60 * ms, day, []time.Duration{39 * ms, day + 50*ms}, []time.Duration{40 * ms, 50 * ms}},
		}},
		{"set back", []read{
			{20 * ms, 0, []time.Duration{19 * ms}, []time.Duration{19 * ms}},
			{40 * ms, -10 * ms, []time.Duration{30 * ms, 25 * ms}, []time.Duration{40 * ms, 40 * ms}},
			{60 * ms, -10 * ms, []time.Duration{39 * ms, 45 * ms}, []time.Duration{49 * ms, 55 * ms}},
		}},
		{"set before the first read", []read{
			{20 * ms, day, []time.Duration{5 * ms}, []time.Duration{20 * ms}},
			{40 * ms, day, []time.Duration{day + 30*ms}, []time.Duration{30 * ms}},
		}},
	}
	for _, tt := range tests {
		c := newArrivalClock(moment{wall: epoch})
		for i, r := range tt.reads {
			now := moment{wall: epoch + int64(r.mono+r.set), mono: r.mono}
			c.read(func() moment { return now })
			var got []time.Duration
			for _, stamp := range r.stamps {
				ns := int64(0)
				if stamp >= 0 {
					ns = epoch + int64(stamp)
				}
				got = append(got, c.arrived(ns))
			}
			if !slices.Equal(got, r.want) {
				t.Errorf("%s: read %d: arrived at %v, want %v", tt.name, i, got, r.want)
			}
		}
	}
}

// TestLookAtBothClocks: who is stopped between the looks at the two clocks asks again.
func TestLookAtBothClocks(t *testing.T) {
	c := newArrivalClock(moment{wall: 1000})
	looks := []moment{
		{wall: 1000 + int64(20*time.Millisecond), mono: 50 * time.Millisecond},
		{wall: 1000 + int64(51*time.Millisecond), mono: 51 * time.Millisecond},
	}
	c.read(func() moment { m := looks[0]; looks = looks[1:]; return m })
	if got, want := c.arrived(1000+int64(30*time.Millisecond)), 30*time.Millisecond; got != want || len(looks) != 0 {
		t.Errorf("arrived at %v, want %v; %d looks left", got, want, len(looks))
	}
}

// TestArrivalsAreOfTheKernel: a reader that comes late, when the datagrams are known to be there, learns when they
// arrived. Without the kernel's word they arrive when they are read.
func TestArrivalsAreOfTheKernel(t *testing.T) {
	each(t, func(t *testing.T, p path) {
		for _, ip := range []string{"127.0.0.1", "::1"} {
			server := p.listen(t, "udp", ":0")
			client := p.dial(t, "udp", netip.AddrPort{}, at(server, ip))
			stamps := server.Info().Stamps
			if want := p.moreOf && runtime.GOOS == "linux"; stamps != want {
				t.Fatalf("Info.Stamps = %v, want %v", stamps, want)
			}
			now := func() time.Duration { return time.Since(server.Epoch()) }
			before := now()
			write(t, client, Message{Buf: pattern(1, 2500), N: 2500, SegmentSize: 1000})
			if server.raw == nil {
				if m := read(t, server, 1)[0]; m.At < before || m.At > now() {
					t.Errorf("%s: arrived %v after it was sent", ip, m.At-before)
				}
				continue
			}
			if err := waitReadable(server.raw); err != nil {
				t.Fatal(err)
			}
			there := now() // the first is
			got := read(t, server, 3)
			// The kernel begins to stamp some time after it was asked to: a datagram before that has the time of its read.
			for try := 0; stamps && got[0].At > there && try < 1000; try++ {
				before = now()
				write(t, client, Message{Buf: pattern(1, 2500), N: 2500, SegmentSize: 1000})
				if err := waitReadable(server.raw); err != nil {
					t.Fatal(err)
				}
				there = now()
				got = read(t, server, 3)
			}
			for i, m := range got {
				late := m.At > there
				if m.At < before || i == 0 && stamps == late || m.At > now() {
					t.Errorf("%s: datagram %d arrived %v after it was sent, read later than %v after that", ip, i, m.At-before, there-before)
				}
			}
		}
	})
}
