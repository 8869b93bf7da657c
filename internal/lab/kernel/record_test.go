package kernel

import (
	"context"
	"crypto/sha256"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// sameRounds compares records.
func sameRounds(t *testing.T, got, want []round) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(round{}, figure{}, lateness{})); diff != "" {
		t.Errorf("rounds (-want +got):\n%s", diff)
	}
}

func TestRecord(t *testing.T) {
	name := filepath.Join(t.TempDir(), "new", "results.tsv")
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	want := []round{
		{source: "abc", scenario: "4", ended: at, took: 60 * time.Second, late: lateness{worst: 12500 * time.Microsecond, repeated: 2, stalled: true},
			figures: []figure{atLeast("keep", 96.5, "%", 95, 90), atMost("queue", 20, "ms", 30, 30), closeTo("rate", 1, 2, 10), shown("x", 0.25, "")}},
		{source: "def", scenario: "cubic, 10 Mbit/s", ended: at.Add(time.Minute), took: time.Second,
			figures: []figure{{name: "85 % regained", kind: upper, bar: 3, worst: 3, value: 4, unit: "s", details: "and not then"}}},
	}
	r, err := openRecord(name)
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range want {
		if err := r.add(one); err != nil {
			t.Fatal(err)
		}
	}
	sameRounds(t, r.rounds, want)
	if r, err = openRecord(name); err != nil {
		t.Fatal(err)
	}
	sameRounds(t, r.rounds, want)
	sameRounds(t, r.of("abc", "4"), want[:1])
	if got := r.last("4"); got != "abc" {
		t.Errorf("last measured with %q, want abc", got)
	}

	// What an interruption leaves of a round is none, and the next one is whole.
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(string(text), "\n")
	cut := strings.Join(lines[:3], "")
	if err := os.WriteFile(name, []byte(cut+strings.Join(lines[5:], "")), 0o644); err != nil {
		t.Fatal(err)
	}
	if r, err = openRecord(name); err != nil {
		t.Fatal(err)
	}
	sameRounds(t, r.rounds, want[1:])
}

func TestRecordRefusesOtherFiles(t *testing.T) {
	for _, text := range []string{"something\n", recordHead + "a\tb\n", recordHead + strings.Repeat("x\t", 12) + "x\n"} {
		name := filepath.Join(t.TempDir(), "results.tsv")
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if r, err := openRecord(name); err == nil {
			t.Errorf("%q has %d rounds", text, len(r.rounds))
		}
	}
}

// scripted is a scenario whose rounds have so much of the link, the last of them again and again.
func scripted(shares ...float64) scenario {
	return scenario{name: "x", run: func(context.Context, bench) ([]figure, error) {
		share := shares[0]
		if len(shares) > 1 {
			shares = shares[1:]
		}
		return []figure{atLeast("rate", share, "%", 90, 80)}, nil
	}}
}

// TestRoundsGoOnWhereTheyWere: a session measures what the record does not have, and more where a bar is missed.
func TestRoundsGoOnWhereTheyWere(t *testing.T) {
	for _, test := range []struct {
		name   string
		had    int // rounds of 95 % in the record
		shares []float64
		rounds int // in the end
		met    bool
	}{
		{"all at once", 0, []float64{95}, 3, true},
		{"the rest", 2, []float64{95}, 3, true},
		{"nothing more", 3, []float64{1}, 3, true},
		{"missed, and five more settle it", 0, []float64{89, 89, 95}, 8, true},
		{"missed for good", 0, []float64{50}, 8, false},
	} {
		s := session{Options: Options{Rounds: 3, Again: 8}, lab: &lab{}, source: "now", kept: &record{}, w: new(strings.Builder)}
		s.kept.add(round{source: "before", scenario: "x", figures: []figure{atLeast("rate", 1, "%", 90, 80)}})
		for range test.had {
			s.kept.add(round{source: "now", scenario: "x", figures: []figure{atLeast("rate", 95, "%", 90, 80)}})
		}
		lines, err := s.scenario(t.Context(), scripted(test.shares...))
		if err != nil || lines[0].rounds != test.rounds || allMet(lines) != test.met {
			t.Errorf("%s: %+v, %v, want %d rounds, met %v", test.name, lines, err, test.rounds, test.met)
		}
	}
}

// TestStalledRoundsAreBounded: rounds that do not count are made up for, but not for ever.
func TestStalledRoundsAreBounded(t *testing.T) {
	l := &lab{}
	s := session{Options: Options{Rounds: 3}, lab: l, source: "now", kept: &record{}, w: new(strings.Builder)}
	stalls := 2
	one := scenario{name: "x", run: func(context.Context, bench) ([]figure, error) {
		l.late.stalled = stalls > 0
		stalls--
		return []figure{atLeast("rate", 95, "%", 90, 80)}, nil
	}}
	if lines, err := s.scenario(t.Context(), one); err != nil || lines[0].rounds != 3 || lines[0].stalled != 2 {
		t.Errorf("%+v, %v, want three rounds beside two that stalled", lines, err)
	}
	s.kept, stalls = &record{}, 1000
	if lines, err := s.scenario(t.Context(), one); err != nil || lines[0].stalled != 3 {
		t.Errorf("%+v, %v, want three that stalled and no more", lines, err)
	}
}

// TestSourceID: it changes with the source and with what the sender was told, and not with tests.
func TestSourceID(t *testing.T) {
	folder := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	id := func(o Options) string {
		o.Folder = folder
		got, err := sourceID(o)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	write("main.go", "package main")
	first := id(Options{Scale: 1})
	write("main_test.go", "package main")
	if got := id(Options{Scale: 1}); got != first {
		t.Errorf("a test changed it from %s to %s", first, got)
	}
	for _, o := range []Options{{Scale: 2}, {Scale: 1, Arguments: []string{"x"}}} {
		if got := id(o); got == first {
			t.Errorf("%+v did not change it", o)
		}
	}
	write("main.go", "package main // changed")
	if got := id(Options{Scale: 1}); got == first {
		t.Error("the laboratory's source did not change it")
	}
}

// TestSourceLeavesOut: a folder that is left out may change, any other not.
func TestSourceLeavesOut(t *testing.T) {
	root := t.TempDir()
	write := func(folder, text string) string {
		dir := filepath.Join(root, folder)
		if err := errors.Join(os.MkdirAll(dir, 0o755), os.WriteFile(filepath.Join(dir, "x.go"), []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
		sum := sha256.New()
		if err := addTree(sum, root, []string{"left"}); err != nil {
			t.Fatal(err)
		}
		return string(sum.Sum(nil))
	}
	write("left", "package x")
	first := write("taken", "package x")
	if write("left", "package x // changed") != first {
		t.Error("what is left out counts")
	}
	if write("taken", "package x // changed") == first {
		t.Error("what is not left out does not count")
	}
}

// TestUnmeasured: what is left out of the source exists, and the library does not use it.
func TestUnmeasured(t *testing.T) {
	root, err := moduleRoot()
	if err != nil || root == "" {
		t.Fatal(root, err)
	}
	found := make(map[string]bool)
	err = filepath.WalkDir(root, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			found[d.Name()] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range unmeasured {
		if !found[name] {
			t.Errorf("there is no folder %s", name)
		}
	}
	used, err := exec.Command("go", "list", "-deps", module[len("module "):]).Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, dep := range strings.Fields(string(used)) {
		if strings.HasPrefix(dep, "example.com/ebb/") && slices.Contains(unmeasured, filepath.Base(dep)) {
			t.Errorf("the library uses %s", dep)
		}
	}
}
