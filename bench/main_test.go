package main

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"testing"

	"example.com/ebb/bench/internal/measure"
	"example.com/ebb/bench/internal/report"
)

func TestMain(m *testing.M) {
	if ran, err := measure.RunChild(); ran {
		exit(err)
		return
	}
	os.Exit(m.Run())
}

func TestRun(t *testing.T) {
	var out bytes.Buffer
	args := []string{"-json", "-rounds", "2", "-slot", "20ms", "-peers", "ebb,tcp-bbr", "-measure", "bulk,ping,raw"}
	if err := run(t.Context(), args, &out, io.Discard); err != nil {
		t.Fatal(err)
	}
	readBack(t, out.Bytes())
	var r report.Report
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		t.Fatal(err)
	}
	if r.Machine.Kernel == "" || r.Machine.CPUs == 0 || r.Plan.Rounds != 2 {
		t.Errorf("it does not say how: %+v, %+v", r.Machine, r.Plan)
	}
	if len(r.Peers) != 6 { // two and the raw ways
		t.Errorf("%d took part, want 6", len(r.Peers))
	}
	for _, result := range r.Results {
		if len(result.Samples) != 2 || len(result.Failures) > 0 {
			t.Errorf("%s, %s: %v, %v", result.Peer, result.Metric, result.Samples, result.Failures)
		}
	}
	if len(r.Results) != 2*4+4*3 {
		t.Errorf("there are %d results", len(r.Results))
	}
}

// readBack has -from print what -json wrote, once more as JSON.
func readBack(t *testing.T, document []byte) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "run.json")
	if err := os.WriteFile(path, document, 0o600); err != nil {
		t.Fatal(err)
	}
	var again bytes.Buffer
	if err := run(t.Context(), []string{"-json", "-from", path}, &again, io.Discard); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(again.Bytes(), document) {
		t.Errorf("read back, it is\n%s", again.Bytes())
	}
}

func TestBadArguments(t *testing.T) {
	for _, args := range [][]string{
		{"-peers", "nobody"}, {"-measure", "luck"}, {"-rounds", "-1"}, {"-slot", "-1s"}, {"more"}, {"-such"},
	} {
		if err := run(t.Context(), args, io.Discard, io.Discard); err == nil {
			t.Errorf("%q was accepted", args)
		}
	}
}
