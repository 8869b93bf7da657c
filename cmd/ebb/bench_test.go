package main

import (
	"encoding/json"
	"runtime"
	"strings"
	"testing"

	"example.com/ebb/cmd/ebb/internal/measure"
)

func TestBenchJSON(t *testing.T) {
	status, stdout, stderr := execute(t, "ebb", "bench", "--json", "--seconds", "0.4", "--rounds", "2", "--size", "3000000")
	if status != 0 || stderr != "" {
		t.Fatalf("status %d\n%s", status, stderr)
	}
	var report benchReport
	decoder := json.NewDecoder(strings.NewReader(stdout))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&report); err != nil {
		t.Fatalf("%v in\n%s", err, stdout)
	}
	if want := (machine{runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version()}); report.Machine != want {
		t.Errorf("machine %+v", report.Machine)
	}
	if want := (benchPlan{Rounds: 2, Seconds: 0.4, Size: 3_000_000}); report.Plan != want {
		t.Errorf("plan %+v", report.Plan)
	}
	if want := (benchSettings{"unlimited", 0, "adaptive", 1500}); report.Ebb != want {
		t.Errorf("Ebb's settings %+v", report.Ebb)
	}
	var names []string
	for _, r := range report.Results {
		names = append(names, r.Transport)
		for _, s := range []measure.Spread{r.Rate, r.CPU, r.PingP50, r.PingP99} {
			if !(0 <= s.Min && s.Min <= s.Median && s.Median <= s.Max && s.Max > 0) {
				t.Errorf("%s has a spread of %+v", r.Transport, s)
			}
		}
	}
	if got := strings.Join(names, " "); got != "TCP Ebb" {
		t.Errorf("results of %s", got)
	}
	// The names are an interface: scripts read them.
	for _, key := range []string{"os", "arch", "cpus", "go", "rounds", "seconds", "size", "bandwidth_limit", "min_ssthresh",
		"congestion_control", "max_packet_bytes", "transport", "bytes_per_second", "cpu_seconds_per_gb", "ping_p50_seconds",
		"ping_p99_seconds", "median", "min", "max"} {
		if !strings.Contains(stdout, `"`+key+`":`) {
			t.Errorf("no key %q", key)
		}
	}
}

func TestBenchTable(t *testing.T) {
	status, stdout, stderr := execute(t, "tcp", "bench", "--seconds", "0.1", "--rounds", "1")
	if status != 0 || stderr != "" {
		t.Fatalf("status %d\n%s", status, stderr)
	}
	for _, want := range []string{runtime.GOOS + "/" + runtime.GOARCH, runtime.Version(), "limit here: unlimited", "1500 bytes",
		"\nTCP ", "\nEbb ", "MB/s", "s/GB", "p50", "p99", "better"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("no %q in\n%s", want, stdout)
		}
	}
	for line := range strings.Lines(stdout) {
		if len(line) > 130 {
			t.Errorf("a line of %d bytes: %s", len(line), line)
		}
	}
}

func TestSpreadText(t *testing.T) {
	tests := []struct {
		spread measure.Spread
		scale  float64
		want   string
	}{
		{measure.Spread{Median: 1234e6, Min: 999.4e6, Max: 2000e6}, 1e-6, "1234 (999 to 2000)"},
		{measure.Spread{Median: 0.4321, Min: 0.4, Max: 0.5}, 1, "0.432 (0.400 to 0.500)"},
		{measure.Spread{Median: 15.62e-6, Min: 9e-6, Max: 120e-6}, 1e6, "15.6 (9.0 to 120.0)"},
		{measure.Spread{}, 1, "0 (0 to 0)"},
	}
	for _, test := range tests {
		if got := spreadText(test.spread, test.scale); got != test.want {
			t.Errorf("spreadText(%v) = %q, want %q", test.spread, got, test.want)
		}
	}
}
