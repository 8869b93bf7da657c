package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"unicode/utf8"

	"example.com/ebb/cmd/ebb/internal/measure"
	"example.com/ebb/internal/lab/matrix"
)

func TestBenchJSON(t *testing.T) {
	status, stdout, stderr := execute(t, "ebb", "bench", "--json", "--only", "speed", "--seconds", "0.4", "--rounds", "2", "--size", "3000000")
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
	status, stdout, stderr := execute(t, "tcp", "bench", "--only", "speed", "--seconds", "0.1", "--rounds", "1")
	if status != 0 || stderr != "" {
		t.Fatalf("status %d\n%s", status, stderr)
	}
	for _, want := range []string{runtime.GOOS + "/" + runtime.GOARCH, runtime.Version(), "limit here: unlimited", "1500",
		"\n  TCP ", "\n  Ebb ", "MB/s", "for a GB", "p50", "p99", "better"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("no %q in\n%s", want, stdout)
		}
	}
	wantNarrow(t, stdout, plainWidth)
}

// TestBenchShared: what others keep, as bars, in JSON and as a picture. The figures are equal in every run.
func TestBenchShared(t *testing.T) {
	drawn := filepath.Join(t.TempDir(), "shared.svg")
	status, stdout, stderr := execute(t, "ebb", "bench", "--only", "shared", "--picture", drawn)
	if status != 0 || stderr != "" {
		t.Fatalf("status %d\n%s", status, stderr)
	}
	wantNarrow(t, stdout, plainWidth)
	if strings.Contains(stdout, "SPEED") || strings.Count(stdout, "  alone ") != 2 || strings.Count(stdout, "  beside Ebb ") != 2 || strings.Count(stdout, "  beside CUBIC ") != 2 {
		t.Errorf("it prints\n%s", stdout)
	}
	picture, err := os.ReadFile(drawn)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"<svg", "Beside Ebb a CUBIC download keeps", "Beside Ebb, Mbit/s", "another CUBIC", "one way, ms", "seconds", "sans-serif", "fill:#FFFFFF"} {
		if !strings.Contains(string(picture), want) {
			t.Errorf("no %q in the picture", want)
		}
	}
	kept, err := os.ReadFile("../../docs/pictures/cubic-beside-ebb.svg")
	if err != nil || runtime.GOARCH == "amd64" && !bytes.Equal(kept, picture) {
		t.Errorf("docs/pictures/cubic-beside-ebb.svg, error %v, is not what ebb bench --only shared --picture draws now", err)
	}
	status, stdout, stderr = execute(t, "ebb", "bench", "--only", "shared", "--json", "--congestion-control", "cubic")
	var report benchReport
	if err := json.Unmarshal([]byte(stdout), &report); err != nil || status != 0 || stderr != "" {
		t.Fatalf("status %d, %v\n%s%s", status, err, stdout, stderr)
	}
	if len(report.Beside) != 3 || report.Beside[1].Kept > 75 || report.Line == "" || report.Results != nil {
		t.Errorf("with CUBIC as the controller of Ebb: %+v", report)
	}
	for _, key := range []string{"line", "shared", "beside", "download_percent_kept", "bulk_percent_of_link", "call_p50_ms", "call_p95_ms", "call_percent_lost"} {
		if !strings.Contains(stdout, `"`+key+`":`) {
			t.Errorf("no key %q", key)
		}
	}
}

func TestBenchUsage(t *testing.T) {
	for want, args := range map[string][]string{
		"speed or shared": {"--only", "everything"},
		"leaves out":      {"--only", "speed", "--picture", "x.svg"},
	} {
		status, _, stderr := execute(t, "ebb", append([]string{"bench"}, args...)...)
		if status != 2 {
			t.Errorf("%q: status %d", args, status)
		}
		wantOneLine(t, stderr, want)
	}
}

// TestBarsFitAnyTerminal: no line is wider than the terminal, and bars are as long as their values say.
func TestBarsFitAnyTerminal(t *testing.T) {
	spread := func(m float64) measure.Spread { return measure.Spread{Median: m, Min: m * 0.9, Max: m * 1.1} }
	r := benchReport{
		Machine: machine{"linux", "amd64", 2, "go1.26"}, Ebb: benchSettings{BandwidthLimit: "unlimited", MaxPacket: maxPacket}, Line: matrix.ForegroundLine(),
		Results: []measure.Result{
			{Transport: "TCP", Rate: spread(12345e6), CPU: spread(0.2345), PingP50: spread(10e-6), PingP99: spread(1234e-6)},
			{Transport: "Ebb", Rate: spread(2e9), CPU: spread(0.9), PingP50: spread(15e-6), PingP99: spread(100e-6)},
		},
		Beside: []matrix.Beside{{Bulk: "nothing", Kept: 100, P95: 20}, {Bulk: "Ebb", Kept: 50, P95: 40}, {Bulk: "CUBIC", Kept: 0.1, P95: 160}},
	}
	for _, width := range []int{leastWidth, 45, plainWidth, mostWidth} {
		var out strings.Builder
		r.printSpeed(&out, width)
		r.printShared(&out, width)
		wantNarrow(t, out.String(), width)
		var lengths []int
		for line := range strings.Lines(out.String()) {
			if n := strings.Count(line, "█"); n > 0 {
				lengths = append(lengths, n)
			}
		}
		if len(lengths) != 14 {
			t.Fatalf("%d bars at %d columns:\n%s", len(lengths), width, out.String())
		}
		keeps, delay := lengths[8:11], lengths[11:]
		if diff := 2*keeps[1] - keeps[0]; diff < -1 || diff > 1 || keeps[2] != 1 || keeps[0] < 8 {
			t.Errorf("at %d columns 100, 50 and 0.1 %% have bars of %v", width, keeps)
		}
		if diff := 8*delay[0] - delay[2]; diff < -8 || diff > 8 {
			t.Errorf("at %d columns 20, 40 and 160 ms have bars of %v", width, delay)
		}
	}
}

// wantNarrow checks that no line is wider than the terminal.
func wantNarrow(t *testing.T, text string, width int) {
	t.Helper()
	for line := range strings.Lines(text) {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > width {
			t.Errorf("%d columns of %d: %s", n, width, line)
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

// Where no picture can be put is found out before anything is measured.
func TestBenchLooksWhereThePictureGoes(t *testing.T) {
	dir := t.TempDir()
	for _, path := range []string{dir, filepath.Join(dir, "missing", "x.svg")} {
		status, stdout, stderr := execute(t, "ebb", "bench", "--only", "shared", "--picture", path)
		if status != 1 || stdout != "" {
			t.Errorf("%s: status %d, output %q", path, status, stdout)
		}
		wantOneLine(t, stderr, "--picture", path)
	}
	there := writeFile(t, filepath.Join(dir, "there"), []byte("x"))
	for _, path := range []string{there, filepath.Join(dir, "new")} {
		if err := checkWritable(path); err != nil {
			t.Error(err)
		}
	}
	if b, _ := os.ReadFile(there); string(b) != "x" || len(listDir(t, dir)) != 1 {
		t.Errorf("it looked, and left %q and %q", b, listDir(t, dir))
	}
}
