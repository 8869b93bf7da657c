package lossbased_test

import (
	"fmt"
	"testing"
	"time"

	"example.com/ebb/congestion"
	"example.com/ebb/congestion/bbr"
	"example.com/ebb/congestion/cubic"
	"example.com/ebb/congestion/reno"
	"example.com/ebb/internal/lab/simnet"
	"example.com/ebb/ledbat"
)

// TestForegroundBesideBackground: of two connections over one bottleneck the one that competes has at least
// nine tenths, and the one that yields fills the rest, whoever is first.
func TestForegroundBesideBackground(t *testing.T) {
	const rate = 1_250_000
	background := ledbat.Factory(ledbat.Config{})
	for name, foreground := range map[string]congestion.Factory{"reno": reno.Factory(), "cubic": cubic.Factory(), "bbr": bbr.Factory()} {
		for _, first := range []string{"foreground", "background"} {
			sim := simnet.NewSim(1)
			link := simnet.NewLink(simnet.LinkConfig{Rate: rate, Delay: 20 * time.Millisecond, Queue: 128_000}, 1)
			back := simnet.NewLink(simnet.LinkConfig{Rate: rate, Delay: 20 * time.Millisecond}, 2)
			var got [2]int
			for i, factory := range []congestion.Factory{foreground, background} {
				from := sim.NewStation(fmt.Sprintf("10.0.1.%d:1", i), factory)
				to := sim.NewStation(fmt.Sprintf("10.0.2.%d:1", i), factory)
				from.Route(to, link)
				to.Route(from, back)
				to.Accept = func(f *simnet.Flow) { f.OnChange = func() { got[i] += readAll(f) } }
				at := time.Duration(0)
				if (first == "foreground") == (i == 1) {
					at = 3 * time.Second
				}
				sim.At(at, func() {
					f := from.Dial(to)
					f.OnChange = func() { fill(f) }
					f.Flush()
				})
			}
			sim.Run(10 * time.Second)
			before := got
			sim.Run(20 * time.Second)
			share := 100 * float64(got[0]-before[0]) / (20 * rate)
			both := share + 100*float64(got[1]-before[1])/(20*rate)
			// 97 % of the bytes on the link are the stream's.
			if share < 87 || both < 93 {
				t.Errorf("%s, %s first: it has %.1f %% of the link, both have %.1f", name, first, share, both)
			}
		}
	}
}

// fill writes as much as the connection takes.
func fill(f *simnet.Flow) {
	var zeros [32 << 10]byte
	for n := len(zeros); n == len(zeros); {
		n, _ = f.Conn.Write(zeros[:])
	}
}

// readAll reads what there is and returns how much.
func readAll(f *simnet.Flow) (all int) {
	var b [32 << 10]byte
	for n := 1; n > 0; all += n {
		n, _ = f.Conn.Read(b[:])
	}
	return all
}
