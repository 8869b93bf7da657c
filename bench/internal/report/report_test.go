package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"example.com/ebb/bench/internal/measure"
)

func TestSpread(t *testing.T) {
	for _, tc := range []struct {
		values []float64
		want   Spread
	}{
		{[]float64{5}, Spread{5, 5, 5}},
		{[]float64{4, 1}, Spread{2.5, 1, 4}},
		{[]float64{9, 1, 2}, Spread{2, 1, 9}},
		{[]float64{4, 3, 2, 1}, Spread{2.5, 1, 4}},
		{[]float64{7, 7, 7, 7, 7}, Spread{7, 7, 7}},
	} {
		given := append([]float64(nil), tc.values...)
		if got := NewSpread(tc.values); got != tc.want {
			t.Errorf("NewSpread(%v) = %v, want %v", tc.values, got, tc.want)
		}
		for i := range given {
			if given[i] != tc.values[i] {
				t.Fatalf("NewSpread sorted its argument: %v", tc.values)
			}
		}
	}
}

func TestDigits(t *testing.T) {
	for _, tc := range []struct {
		v    float64
		want string
	}{
		{0, "0"}, {0.1234, "0.123"}, {1.234, "1.23"}, {9.999, "10.0"}, {12.34, "12.3"},
		{99.99, "100"}, {123.4, "123"}, {12345.6, "12346"}, {-1.5, "-1.50"},
	} {
		if got := Digits(tc.v); got != tc.want {
			t.Errorf("Digits(%v) = %q, want %q", tc.v, got, tc.want)
		}
	}
}

// sampled is a run of three peers with round numbers.
func sampled() *Report {
	r := &Report{Peers: []Peer{
		{Name: "ebb", Version: "v1", Tuning: "tuned"}, {Name: "tcp-bbr", Tuning: "none"}, {Name: "quic-go"},
	}}
	for _, rate := range []float64{90e6, 100e6, 110e6} {
		r.Add("ebb", measure.Sample{measure.BulkRate: rate, measure.PingP50: 50e-6, measure.PingP99: 300e-6})
		r.Add("tcp-bbr", measure.Sample{measure.BulkRate: 160e6, measure.PingP50: 40e-6, measure.PingP99: 80e-6})
		r.Add("quic-go", measure.Sample{measure.BulkRate: 25e6})
	}
	r.AddFailure("quic-go", "ping", errors.New("it broke"))
	r.Finish()
	return r
}

func TestFinish(t *testing.T) {
	r := sampled()
	got, ok := r.find("ebb", measure.BulkRate)
	if want := (Spread{100e6, 90e6, 110e6}); !ok || got.Spread != want {
		t.Errorf("bulk is %v, want %v", got.Spread, want)
	}
	if got.ToTCP != 0.625 {
		t.Errorf("bulk is %v of TCP, want 0.625", got.ToTCP)
	}
	want := map[string]bool{
		"bulk / TCP": true, "bulk / quic-go": false, "ping-pong p50 / TCP": true, "ping-pong p99 / p50": false,
	}
	for _, v := range r.Bars {
		met, known := want[v.Bar]
		if !known || met != v.Met {
			t.Errorf("%s: met is %v", v.Bar, v.Met)
		}
		delete(want, v.Bar)
	}
	if len(want) > 0 {
		t.Errorf("bars not judged: %v", want)
	}
}

// A link that is full of what was sent before is used, but not by the application.
func TestRelayBars(t *testing.T) {
	r := &Report{Peers: []Peer{{Name: "ebb"}}}
	r.Add("ebb", measure.Sample{
		measure.RelayClean: 0.95 * measure.RelayRate, measure.RelayCleanUsed: 0.98, measure.RelayCleanSent: 1.02,
		measure.RelayLossy: 0.5 * measure.RelayRate, measure.RelayLossyUsed: 1, measure.RelayLossySent: 2,
	})
	r.Finish()
	want := map[string]bool{
		"relay, no loss, link used": true, "relay, no loss, application's bytes / link": true, "relay, no loss, sent / delivered": true,
		"relay, 1 % loss, link used": true, "relay, 1 % loss, application's bytes / link": false, "relay, 1 % loss, sent / delivered": false,
	}
	if len(r.Bars) != len(want) {
		t.Errorf("%d bars, want %d", len(r.Bars), len(want))
	}
	for _, v := range r.Bars {
		if met, known := want[v.Bar]; !known || met != v.Met {
			t.Errorf("%s: met is %v", v.Bar, v.Met)
		}
	}
}

func TestTable(t *testing.T) {
	var b bytes.Buffer
	if err := sampled().WriteTable(&b); err != nil {
		t.Fatal(err)
	}
	text := b.String()
	for _, want := range []string{
		"100 (90.0 to 110)", "0.625", "160 (160 to 160)", "50.0 (50.0 to 50.0)",
		"FAILED: quic-go, ping: it broke", "missed", "ratio to tcp-bbr",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the table lacks %q:\n%s", want, text)
		}
	}
	if strings.Contains(text, "Relay") {
		t.Errorf("there is a section without numbers:\n%s", text)
	}
	aligned(t, text)
}

// aligned checks that the rows of the bulk section end in the same column.
func aligned(t *testing.T, text string) {
	_, section, ok := strings.Cut(text, "\nBulk ")
	if !ok {
		t.Fatalf("there is no bulk section:\n%s", text)
	}
	section, _, _ = strings.Cut("Bulk "+section, "\n\n")
	lines := strings.Split(section, "\n")
	if len(lines) != 4 {
		t.Fatalf("the bulk section has %d lines, not a head and three peers:\n%s", len(lines), section)
	}
	for _, line := range lines {
		if utf8.RuneCountInString(line) != utf8.RuneCountInString(lines[0]) {
			t.Errorf("not aligned:\n%s", section)
			return
		}
	}
}

func TestJSON(t *testing.T) {
	var b bytes.Buffer
	if err := sampled().WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Machine map[string]any
		Plan    map[string]any
		Peers   []struct{ Name, Version, Tuning string }
		Results []struct {
			Peer, Metric     string
			Median, Min, Max float64
			Samples          []float64
			ToTCP            float64 `json:"to_tcp"`
			Failures         []string
		}
		Bars []struct {
			Bar, Wanted string
			Measured    float64
			Met         bool
		}
	}
	d := json.NewDecoder(&b)
	d.DisallowUnknownFields()
	if err := d.Decode(&got); err != nil {
		t.Fatal(err)
	}
	found := false
	for _, r := range got.Results {
		if r.Peer == "ebb" && r.Metric == string(measure.BulkRate) {
			found = r.Median == 100e6 && r.Min == 90e6 && r.Max == 110e6 && len(r.Samples) == 3 && r.ToTCP == 0.625
		}
	}
	if !found || len(got.Peers) != 3 || len(got.Bars) == 0 {
		t.Errorf("the document is %+v", got)
	}
}

func TestChart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bulk.svg")
	if err := sampled().WriteChart(path); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"<svg", "ebb", "tcp-bbr", "quic-go", "one connection over loopback Ebb moves", "fill:#FFFFFF", "sans-serif", "textLength="} {
		if !bytes.Contains(text, []byte(want)) {
			t.Errorf("the picture lacks %q", want)
		}
	}
	if err := new(Report).WriteChart(path); err == nil {
		t.Error("a picture was made of nothing")
	}
}

// Protection is judged beside TLS and quic-go.
func TestProtectedBars(t *testing.T) {
	r := &Report{Peers: []Peer{{Name: "ebb-tls"}, {Name: "ebb-tls-endpoint"}, {Name: "tls"}, {Name: "quic-go"}}}
	r.Add("ebb-tls", measure.Sample{
		measure.BulkRate: 100, measure.BulkCPU: 1.1, measure.EightRate: 95, measure.PingP50: 12, measure.DialOne: 10, measure.DialMany: 9, measure.Resumed: 10,
		measure.ResumedAll: 20,
	})
	r.Add("tls", measure.Sample{
		measure.BulkRate: 100, measure.BulkCPU: 1, measure.EightRate: 100, measure.PingP50: 10, measure.DialOne: 10, measure.DialMany: 10, measure.Resumed: 11,
		measure.ResumedAll: 20,
	})
	r.Add("quic-go", measure.Sample{measure.BulkRate: 41, measure.PingP50: 12})
	r.Add("ebb-tls-endpoint", measure.Sample{measure.IdleRSS: 19e3, measure.IdleRoutes: 1})
	r.Finish()
	want := map[string]bool{
		"protected, bulk / TLS": true, "protected, bulk / quic-go": false, "protected, CPU per GB / TLS": false, "protected, eight connections / TLS": true,
		"protected, ping-pong p50 / TLS": true, "protected, ping-pong p50 / quic-go": false,
		"protected, dial one at a time / TLS": true, "protected, dials 32 at a time / TLS": false,
		"protected, resumed / TLS": false, "protected, 32 resumed at a time / TLS": true,
		"protected, idle pair, RSS in KB": true, "protected, idle pair, goroutines": false,
	}
	if len(r.Bars) != len(want) {
		t.Errorf("%d bars, want %d", len(r.Bars), len(want))
	}
	for _, v := range r.Bars {
		if met, known := want[v.Bar]; !known || met != v.Met {
			t.Errorf("%s: met is %v", v.Bar, v.Met)
		}
	}
}
