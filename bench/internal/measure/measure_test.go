package measure

import (
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"example.com/ebb/bench/internal/peer"
)

// TestMain lets the test binary be the other process.
func TestMain(m *testing.M) {
	if ran, err := RunChild(); ran {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

var short = Plan{Slot: 20 * time.Millisecond, RelaySlot: 50 * time.Millisecond, IdlePairs: 5, IdleTime: 10 * time.Millisecond, ManyDivisor: 50}

// TestMeasurements takes every turn once, on a peer of each kind, with the
// far end here and elsewhere.
func TestMeasurements(t *testing.T) {
	want := map[string][]Metric{
		"bulk":           {BulkRate, BulkCPU},
		"bulk8":          {EightRate, EightCPU},
		"ping":           {PingP50, PingP99},
		"dial":           {DialOne},
		"dial32":         {DialMany},
		"dial-resumed":   {Resumed},
		"dial32-resumed": {ResumedAll},
		"relay":          {RelayClean, RelayCleanUsed, RelayCleanSent, RelayLossy, RelayLossyUsed, RelayLossySent},
		"idle":           {IdleRSS, IdleRoutes, IdleCPU},
		"many":           {ManyConns, ManyIdle, ManyMessages, ManyFew, ManyBusy, ManyAlone},
	}
	peers, err := peer.Select("ebb,ebb-endpoint,ebb-tls,tls,quic-go,tcp-cubic")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range All() {
		for _, p := range peers {
			if !m.Takes(p) {
				continue
			}
			for ends, name := range map[Ends]string{Together: "together", Apart: "apart"} {
				if ends == Apart && m.Name != "bulk" && m.Name != "dial" {
					continue // the far end is the same
				}
				t.Run(m.Name+"/"+p.Name+"/"+name, func(t *testing.T) {
					got, err := m.Run(t.Context(), p, short, ends)
					if err != nil {
						t.Fatal(err)
					}
					if len(got) != len(want[m.Name]) {
						t.Errorf("the sample is %v, want %v", got, want[m.Name])
					}
					for _, metric := range want[m.Name] {
						v, ok := got[metric]
						if !ok {
							t.Errorf("there is no %s", metric)
						}
						if m.Name != "idle" && v <= 0 {
							t.Errorf("%s = %v", metric, v)
						}
					}
				})
			}
		}
	}
}

// TestRelayIsABottleneck holds the relay to the rate that it stands for.
func TestRelayIsABottleneck(t *testing.T) {
	peers, err := peer.Select("ebb")
	if err != nil {
		t.Fatal(err)
	}
	plan := short
	plan.RelaySlot = 300 * time.Millisecond
	for _, m := range All() {
		if m.Name != "relay" {
			continue
		}
		got, err := m.Run(t.Context(), peers[0], plan, Together)
		if err != nil {
			t.Fatal(err)
		}
		if got[RelayClean] > RelayRate {
			t.Errorf("%.0f bytes a second passed a link of %d", got[RelayClean], RelayRate)
		}
		if used := got[RelayCleanUsed]; used > 1 || used < got[RelayClean]/RelayRate {
			t.Errorf("%v of the link was used, for %.0f bytes a second", used, got[RelayClean])
		}
		if sent := got[RelayCleanSent]; sent < 1 {
			t.Errorf("%v bytes were sent for each that arrived", sent)
		}
	}
}

func TestPercentile(t *testing.T) {
	hundred := make([]time.Duration, 100)
	for i := range hundred {
		hundred[i] = time.Duration(i + 1)
	}
	for _, tc := range []struct {
		times []time.Duration
		p     int
		want  time.Duration
	}{
		{hundred, 50, 50},
		{hundred, 99, 99},
		{hundred, 100, 100},
		{hundred[:1], 50, 1},
		{hundred[:1], 99, 1},
		{hundred[:3], 50, 2},
		{hundred[:10], 99, 10},
	} {
		if got := percentile(tc.times, tc.p); got != tc.want {
			t.Errorf("percentile %d of %d times = %d, want %d", tc.p, len(tc.times), got, tc.want)
		}
	}
}

func TestParseDatagrams(t *testing.T) {
	const names = "Udp: InDatagrams NoPorts InErrors OutDatagrams\n"
	for _, tc := range []struct {
		name, text string
		want       Datagrams
		bad        bool
	}{
		{"as the kernel writes it", "Tcp: A\nTcp: 1\n" + names + "Udp: 7 1 2 9\nUdpLite: InDatagrams\nUdpLite: 5\n", Datagrams{7, 9}, false},
		{"nothing", "", Datagrams{}, true},
		{"names alone", names, Datagrams{}, true},
		{"a number missing", names + "Udp: 7 1 2\n", Datagrams{}, true},
		{"no number", names + "Udp: 7 1 2 x\n", Datagrams{}, true},
	} {
		got, err := parseDatagrams(tc.text)
		if got != tc.want || (err != nil) != tc.bad {
			t.Errorf("%s: %+v, %v; want %+v", tc.name, got, err, tc.want)
		}
	}
}

func TestCheckCrossed(t *testing.T) {
	before := Datagrams{In: 100, Out: 100}
	for _, tc := range []struct {
		name  string
		after Datagrams
		ok    bool
	}{
		{"every datagram", Datagrams{1100, 1100}, true},
		{"trains out, datagrams in", Datagrams{1100, 123}, true},
		{"too few in", Datagrams{1099, 1100}, false},
		{"none", before, false},
		{"none out", Datagrams{1100, 100}, false},
	} {
		if err := before.CheckCrossed(tc.after, 1_472_000, 1472); (err == nil) != tc.ok || err != nil && !errors.Is(err, ErrShortCut) {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
}

func TestSelect(t *testing.T) {
	if got, err := Select("bulk, idle"); err != nil || len(got) != 2 {
		t.Errorf("two measurements are %d, %v", len(got), err)
	}
	if _, err := Select("luck"); err == nil {
		t.Error("a measurement that there is not was selected")
	}
}
