package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"example.com/ebb/bench/internal/against"
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

// TestPictureIsOfTheTable: docs/performance.svg shows the figures of the table that it stands above.
func TestPictureIsOfTheTable(t *testing.T) {
	drawn := filepath.Join(t.TempDir(), "drawn.svg")
	if err := run(t.Context(), []string{"-from", "../docs/performance.md", "-chart", drawn}, io.Discard, io.Discard); err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(drawn)
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("../docs/performance.svg")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("docs/performance.svg is not of the table in docs/performance.md: run testdata/pictures/make")
	}
}

func TestBadArguments(t *testing.T) {
	for _, args := range [][]string{
		{"-peers", "nobody"}, {"-measure", "luck"}, {"-rounds", "-1"}, {"-slot", "-1s"}, {"more"}, {"-such"}, {"-from", "../docs/performance.md"},
		{"-against", "."}, {"-against", "..", "-apart"}, {"-against", "..", "-measure", "raw"}, {"-against", "..", "-peers", "nobody"},
	} {
		var messages bytes.Buffer
		err := run(t.Context(), args, io.Discard, &messages)
		if _, ok := errors.AsType[usageError](err); !ok {
			t.Errorf("%q: %v, want an error of the command line", args, err)
		} else if messages.Len() > 0 || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: more than a line: %v\n%s", args, err, messages.Bytes())
		}
	}
}

// TestAgainst compares this tree with itself. What turns of 20 ms say of speed is nothing; each
// figure must be there, in one pair, and the error must be the verdict.
func TestAgainst(t *testing.T) {
	var out bytes.Buffer
	args := []string{"-against", "..", "-json", "-rounds", "1", "-slot", "20ms", "-peers", "ebb", "-measure", "bulk,ping"}
	err := run(t.Context(), args, &out, io.Discard)
	var c against.Comparison
	if wrong := json.Unmarshal(out.Bytes(), &c); wrong != nil {
		t.Fatal(wrong, err)
	}
	if verdict := c.Err(); (err == nil) != (verdict == nil) || err != nil && err.Error() != verdict.Error() {
		t.Errorf("the error is %v, want the verdict, %v", err, verdict)
	}
	if len(c.Figures) != 4 || len(c.Skipped)+len(c.Failures) > 0 || c.Old != c.New || c.SlotSeconds != 0.02 {
		t.Errorf("the comparison is %+v", c)
	}
	for _, f := range c.Figures {
		if f.Peer != "ebb" || len(f.Old) != 1 || len(f.New) != 1 || f.Ratio.Median != f.New[0]/f.Old[0] {
			t.Errorf("the figure is %+v", f)
		}
	}
}
