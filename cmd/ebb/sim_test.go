package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"example.com/ebb/internal/lab/matrix"
)

func TestSimTable(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "drawn")
	args := strings.Fields("sim 7 --case alone --quick --seeds 2 --congestion-control reno --pictures " + dir)
	status, stdout, stderr := execute(t, "ebb", args...)
	if status != 0 || stderr != "" {
		t.Fatalf("status %d\n%s", status, stderr)
	}
	for _, want := range []string{"median", "link, %", "≥ 80", "met", "queue p95, ms"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("no %q in\n%s", want, stdout)
		}
	}
	picture, err := os.ReadFile(filepath.Join(dir, "7-alone-alone.svg"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"<svg", "Goodput, Mbit/s", "Queue at the bottleneck, ms", "window, KB", "row 7, case &#34;alone&#34;", ">Ebb has ", "sans-serif"} {
		if !strings.Contains(string(picture), want) {
			t.Errorf("no %q in the picture", want)
		}
	}
	if again, stdout2, _ := execute(t, "ebb", args...); again != 0 || stdout2 != stdout {
		t.Errorf("again, with status %d:\n%s", again, stdout2)
	}
}

// A missed bar is told in the table, on standard error and in the status.
func TestSimMissedBar(t *testing.T) {
	status, stdout, stderr := execute(t, "ebb", "sim", "3", "--case", "10 Mbit/s, 40 ms, 256 KB, 10 s", "--seeds", "1", "--congestion-control", "reno")
	if status != 1 || !strings.Contains(stdout, "MISSED") {
		t.Errorf("status %d\n%s", status, stdout)
	}
	wantOneLine(t, stderr, "1 of 2 bars")
}

func TestSimJSON(t *testing.T) {
	status, stdout, stderr := execute(t, "ebb", "sim", "7", "--case", "alone", "--quick", "--seeds", "2", "--seed", "9", "--json", "--congestion-control", "reno")
	if status != 0 {
		t.Fatalf("status %d\n%s", status, stderr)
	}
	var results []matrix.Result
	if err := json.Unmarshal([]byte(stdout), &results); err != nil {
		t.Fatalf("%v in\n%s", err, stdout)
	}
	if len(results) != 1 || results[0].Row != "7" || results[0].Case != "alone" || results[0].Seeds != 2 || len(results[0].Figures[0].Values) != 2 {
		t.Errorf("%+v", results)
	}
	// The names are an interface: scripts read them.
	for _, key := range []string{"row", "case", "seeds", "figures", "figure", "median", "min", "max", "values", "bar", "met"} {
		if !strings.Contains(stdout, `"`+key+`":`) {
			t.Errorf("no key %q", key)
		}
	}
}

func TestSimList(t *testing.T) {
	status, stdout, stderr := execute(t, "ebb", "sim", "--list")
	if status != 0 || stderr != "" {
		t.Fatalf("status %d\n%s", status, stderr)
	}
	for _, s := range matrix.Scenarios() {
		if !strings.Contains(stdout, s.Title) {
			t.Errorf("no %q", s.Title)
		}
		for _, c := range s.Cases {
			if !strings.Contains(stdout, c.Name) {
				t.Errorf("no %q", c.Name)
			}
		}
	}
}

// Recorded traces are cases of row N4. A directory that is named has to have some.
func TestSimTraces(t *testing.T) {
	dir := t.TempDir()
	if status, _, stderr := execute(t, "ebb", "sim", "--list", "--traces", dir); status != 2 || !strings.Contains(stderr, dir) {
		t.Errorf("status %d without a trace\n%s", status, stderr)
	}
	name := filepath.Join(dir, "slow.down")
	if err := os.WriteFile(name, []byte("1\n5\nten\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	status, _, stderr := execute(t, "ebb", "sim", "--list", "--traces", dir)
	if status != 1 {
		t.Errorf("status %d with a bad trace", status)
	}
	wantOneLine(t, stderr, "line 3")
	if err := os.WriteFile(name, []byte("1\n5\n10\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	args := []string{"sim", "N4", "--case", "recorded slow.down", "--quick", "--seeds", "1", "--congestion-control", "cubic", "--traces", dir}
	status, stdout, stderr := execute(t, "ebb", args...)
	if !strings.Contains(stdout, "recorded slow.down") || !strings.Contains(stdout, "of CUBIC's goodput, %") {
		t.Errorf("status %d\n%s%s", status, stdout, stderr)
	}
}

// Where there are no recordings the command says so.
func TestSimWithoutTraces(t *testing.T) {
	t.Setenv("EBB_TRACES", "")
	t.Chdir(t.TempDir())
	args := []string{"sim", "N4", "--quick", "--seeds", "1", "--congestion-control", "cubic"}
	_, stdout, stderr := execute(t, "ebb", args...)
	if !strings.Contains(stderr, "no recorded traces") || strings.Contains(stdout, "recorded") {
		t.Errorf("%s%s", stdout, stderr)
	}
}

// The cases that there are instead of one that is not are told once each, and those alone that have a name.
func TestSimTellsTheNamesOfCases(t *testing.T) {
	status, _, stderr := execute(t, "ebb", "sim", "--case", "nonesuch")
	_, names, _ := strings.Cut(stderr, "; there are ")
	names, _, _ = strings.Cut(names, " (see ")
	all := strings.Split(strings.ReplaceAll(names, `", "`, "\",\n\""), ",\n")
	slices.Sort(all)
	if status != 2 || len(all) < 10 || slices.Contains(all, `""`) || len(slices.Compact(slices.Clone(all))) != len(all) {
		t.Errorf("status %d, cases %q", status, all)
	}
}
