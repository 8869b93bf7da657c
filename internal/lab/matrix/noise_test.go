package matrix

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"example.com/ebb/internal/lab/simnet"
)

// figure is the one of a name.
func figure(t *testing.T, figures []Figure, name string) float64 {
	t.Helper()
	for _, f := range figures {
		if f.Name == name {
			return f.Value
		}
	}
	t.Fatalf("no figure %q in %+v", name, figures)
	return 0
}

// oneGoroutine skips a test of one goroutine, where there is nothing to race, under the race detector: it is ten times as slow.
func oneGoroutine(t *testing.T) {
	t.Helper()
	if raceDetector {
		t.Skip("one goroutine: there is nothing to race")
	}
}

// Noise is what the path does to a single packet; what a window puts on top of it is its own queue.
func TestOwnQueue(t *testing.T) {
	oneGoroutine(t)
	for _, c := range []struct {
		name     string
		change   func(*simnet.LinkConfig)
		noise    float64 // ms
		fill     int     // packets that fill the path
		standing int     // packets that stand in its queue besides
	}{
		{"clean", nil, 0, 167, 42},
		{"jitter", func(c *simnet.LinkConfig) { c.Jitter = 20 * ms }, 19, 167, 0},
		{"aggregates", func(c *simnet.LinkConfig) { c.Schedule = simnet.Aggregates{Every: 10 * ms} }, 10, 167, 0},
	} {
		p := path{rate: noisyRate, rtt: noisyRTT, buffer: noisyBuffer, out: c.change, probed: true}
		for _, window := range []int{20, c.fill + c.standing, 600} {
			e := &Env{Subject: packets(window), Seed: 1, Quick: true}
			figures := e.noisyAlone(p)
			if got := figure(t, figures, "noise p95, ms"); math.Abs(got-c.noise) > 0.7 {
				t.Errorf("%s: noise of %.2f ms, want %v", c.name, got, c.noise)
			}
			own := figure(t, figures, "own queue p95, ms")
			switch {
			case window == 20 && (own < -1 || own > 6): // it leaves in bursts
				t.Errorf("%s: a window below the path has a queue of %.2f ms", c.name, own)
			case window == 167+42 && c.noise == 0 && math.Abs(own-10) > 0.8: // 42 packets of 0.24 ms
				t.Errorf("%s: 42 packets are a queue of %.2f ms, want 10", c.name, own)
			case window == 600 && own < 60:
				t.Errorf("%s: a window that fills the buffer has a queue of %.2f ms", c.name, own)
			}
		}
	}
}

// A sender that knows what the rate was a round trip ago cannot help what a fall leaves in its way.
func TestLagging(t *testing.T) {
	r := &simnet.Rates{Every: second, Steps: []int64{1_000_000, 500_000}}
	// 40 ms at twice the rate leave 20,000 bytes, 40 ms of the new rate; they are gone within two round trips more.
	if got := lagging(r, 40*ms, second, second+100*ms); math.Abs(got-40) > 2 {
		t.Errorf("p95 in the tenth of a second behind a fall is %.2f ms, want 40", got)
	}
	if got := lagging(r, 40*ms, 1200*ms, 2*second); got > 1 {
		t.Errorf("later it is %.2f ms", got)
	}
	if got := lagging(&simnet.Rates{Every: second, Steps: []int64{1_000_000}}, 40*ms, 0, 5*second); got != 0 {
		t.Errorf("%.2f ms where nothing changes", got)
	}
}

// A mobile link is the seed's.
func TestMobilePath(t *testing.T) {
	for _, m := range generated() {
		a, again, b := m.path(&Env{Seed: 1}), m.path(&Env{Seed: 1}), m.path(&Env{Seed: 2})
		if a.rate != again.rate {
			t.Errorf("%s: seed 1 is %d bit/s, and again %d", m.name, a.rate, again.rate)
		}
		if a.rate == b.rate && m.trace(1).Pause() == m.trace(2).Pause() {
			t.Errorf("%s: the seed makes no difference", m.name)
		}
	}
}

func TestRecordings(t *testing.T) {
	dir := t.TempDir()
	if got, err := Recordings(dir); len(got) != 0 || err != nil {
		t.Errorf("%v, %v in an empty directory", got, err)
	}
	for name, text := range map[string]string{"b.up": "1\n2\n", "a.down": "3\n9\n", "README.md": "words"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := Recordings(dir)
	if err != nil || len(got) != 2 || got[0].Name != "a.down" || got[1].Name != "b.up" || got[0].Trace.Length() != 9*ms {
		t.Fatalf("%+v, %v", got, err)
	}
	cases, err := SelectFrom(Scenarios(got...), "N4")
	if err != nil || len(cases) != len(generated())+2 || cases[len(cases)-1].Name != "recorded b.up" || !cases[len(cases)-1].Full {
		t.Errorf("%d cases, %v", len(cases), err)
	}
	if err := os.WriteFile(filepath.Join(dir, "c.up"), []byte("1\nx\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Recordings(dir); err == nil || !strings.Contains(err.Error(), "c.up") || !strings.Contains(err.Error(), "line 2") {
		t.Errorf("error %v", err)
	}
}

// The recorded traces that a machine has play, and carry what they say.
func TestRecordedTracesPlay(t *testing.T) {
	oneGoroutine(t)
	dir := os.Getenv("EBB_TRACES")
	if dir == "" {
		t.Skip("EBB_TRACES does not name a directory with recorded traces")
	}
	recorded, err := Recordings(dir)
	if err != nil || len(recorded) == 0 {
		t.Fatalf("%d traces, %v", len(recorded), err)
	}
	for _, r := range recorded {
		e := &Env{Subject: packets(400), Seed: 3}
		l := e.lab("", mobile{name: r.Name, recorded: true, trace: func(uint64) *simnet.Trace { return r.Trace }}.path(e))
		l.bulk("", e.Subject, 0)
		l.until(r.Trace.Length())
		// What waits is used, up to what a window of 400 packets leaves unused in the fastest seconds.
		if got := l.used(0, r.Trace.Length().Truncate(flowStep)); got < 90 || got > 101 {
			t.Errorf("%s: %.1f %% of what it carries", r.Name, got)
		}
	}
}

// A quick run of everything has each of the rows, with fewer cases.
func TestDaily(t *testing.T) {
	all := mustSelect(t)
	daily := Daily(all)
	rows := map[string]bool{}
	for _, c := range daily {
		rows[c.Row] = true
	}
	for _, c := range all {
		if !rows[c.Row] {
			t.Errorf("row %s has no case in a quick run", c.Row)
		}
	}
	if len(daily) >= len(all) {
		t.Errorf("%d of %d cases", len(daily), len(all))
	}
}

// A competitor that is not disturbed keeps all it has, and what it leaves is regained at once by who asks for it.
func TestBeside(t *testing.T) {
	oneGoroutine(t)
	_, cubics, _ := foreground()
	b := beside{path: func(*Env) path { return clean() }, rival: cubics, length: 40 * second}
	for _, c := range []struct {
		window   int
		least    float64
		most     float64
		regained bool
	}{{2, 98, 101, false}, {900, 0, 70, true}} {
		figures := b.measure(&Env{Subject: packets(c.window), Seed: 1, Quick: true})
		for _, order := range []string{"first", "second"} {
			if got := figure(t, figures, "keeps, ours "+order+", %"); got < c.least || got > c.most {
				t.Errorf("window of %d, ours %s: CUBIC keeps %.1f %%, want %v to %v", c.window, order, got, c.least, c.most)
			}
			if got := figure(t, figures, "85 % regained, ours "+order+", s"); (got < 3) != c.regained {
				t.Errorf("window of %d, ours %s: regained after %.2f s", c.window, order, got)
			}
		}
	}
}

// A wandering link is judged by what the competitor had there.
func TestRegainedOnAWanderingLink(t *testing.T) {
	oneGoroutine(t)
	r := &simnet.Rates{Every: 2 * second, Steps: []int64{20 * mbit / 8, 5 * mbit / 8}}
	_, cubics, _ := foreground()
	b := beside{rival: cubics, wander: true, length: 40 * second, path: func(*Env) path {
		return path{rate: r.Mean() * 8, rtt: 40 * ms, buffer: 500 * kb, out: func(c *simnet.LinkConfig) { c.Schedule = r }}
	}}
	const bar = 3                                 // seconds, as the row has it
	for _, window := range []int{300, 450, 900} { // the last loses half of what it sends
		figures := b.measure(&Env{Subject: packets(window), Seed: 1, Quick: true})
		if got := figure(t, figures, "85 % regained, ours first, s"); got > bar {
			t.Errorf("who always fills the link, with %d packets, has it after %.2f s", window, got)
		}
	}
	figures := b.measure(&Env{Subject: packets(2), Seed: 1, Quick: true})
	if got := figure(t, figures, "85 % regained, ours first, s"); got < bar {
		t.Errorf("who asks for next to nothing has the link after %.2f s", got)
	}
}

// Beside a flow that fills its band a call is as it was; in one queue it is not.
func TestBesideCall(t *testing.T) {
	oneGoroutine(t)
	e := &Env{Subject: standard, Seed: 1, Quick: true}
	p := path{rate: 20 * mbit, rtt: 40 * ms, buffer: 250 * kb, aqm: &simnet.AQMConfig{Bands: true}}
	figures := steadyCall().beside(e, p, 99)
	if rise, lost := figure(t, figures, "p99 delay rises by, ms"), figure(t, figures, "of the call lost, %"); rise > 1 || lost != 0 {
		t.Errorf("in bands the delay rises by %.2f ms, and %.2f %% are lost", rise, lost)
	}
	p.aqm = nil
	if rise := figure(t, steadyCall().beside(e, p, 99), "p99 delay rises by, ms"); rise < 3 {
		t.Errorf("in one queue the delay rises by %.2f ms", rise)
	}
	// A frame of ten packets is a queue of 4 ms by itself, beside which ours has less than the 5 ms of a free line.
	figures = videoCall().beside(e, p, 95)
	alone := figure(t, figures, "p95 delay, ms") - figure(t, figures, "p95 delay rises by, ms")
	if rise := figure(t, figures, "p95 delay rises by, ms"); rise < 1 || rise > 5 || alone < 23.5 || alone > 25 {
		t.Errorf("the delay of a video rises by %.2f ms, from %.2f", rise, alone)
	}
}

// Who stands still comes back when the path does.
func TestStopped(t *testing.T) {
	oneGoroutine(t)
	for _, stop := range []func(*lab, *flow, time.Duration, time.Duration){cutPath, pauseSender, pauseReceiver} {
		figures := stopped(&Env{Subject: packets(200), Seed: 1, Quick: true}, stop, 2*second)
		if got := figure(t, figures, "80 % after, s"); got < 0.2 || got > 4 {
			t.Errorf("a window that does not change has the link after %.2f s", got)
		}
		if got := figure(t, figures, "link afterwards, %"); got < 99 {
			t.Errorf("%.1f %% of the link afterwards", got)
		}
	}
	figures := busyReader(&Env{Subject: packets(200), Seed: 1, Quick: true}, 200*ms, false)
	if got := figure(t, figures, "80 % after, s"); got < 0.2 || got > 1.5 {
		t.Errorf("a window that does not change has the link %.2f s after a busy time", got)
	}
}
