package kernel

import (
	"context"
	"math"
	"strings"
	"testing"
	"time"
)

func TestGather(t *testing.T) {
	rounds := []round{
		{figures: []figure{atLeast("keep", 96, "%", 95, 90), atMost("queue", 20, "ms", 30, 40), shown("rate", 5, "%"), closeTo("ours", 90, 100, 10)}},
		{figures: []figure{atLeast("keep", 89, "%", 95, 90), atMost("queue", 35, "ms", 30, 40), shown("rate", 1, "%"), closeTo("ours", 125, 100, 10)}},
		{figures: []figure{atLeast("keep", 97, "%", 95, 90), atMost("queue", 22, "ms", 30, 40), shown("rate", 9, "%"), closeTo("ours", 91, 100, 10)},
			late: lateness{repeated: 2}},
		{figures: []figure{atLeast("keep", 1, "%", 95, 90), atMost("queue", 99, "ms", 30, 40), shown("rate", 9, "%"), closeTo("ours", 1, 100, 10)},
			late: lateness{stalled: true, repeated: 2}},
	}
	lines := gather("4", rounds)
	for i, want := range []struct {
		median, worst float64
		met           bool
	}{{96, 89, false}, {22, 35, true}, {5, 9, true}, {91, 125, true}} {
		l := lines[i]
		if l.median != want.median || l.extreme != want.worst || l.met() != want.met || l.rounds != 3 || l.stalled != 1 || l.repeated != 4 {
			t.Errorf("%s: %+v, met %v, want %+v", l.name, l, l.met(), want)
		}
	}
	var b strings.Builder
	if err := writeTSV(&b, lines); err != nil {
		t.Fatal(err)
	}
	const want = "scenario\tmetric\tunit\tbar\tmedian\tworst\trounds\tstalled\trepeated\tverdict\n" +
		"4\tkeep\t%\t>=95;>=90\t96\t89\t3\t1\t4\tmissed\n" +
		"4\tqueue\tms\t<=30;<=40\t22\t35\t3\t1\t4\tmet\n" +
		"4\trate\t%\t\t5\t9\t3\t1\t4\t\n" +
		"4\tours\t%\t100+-10\t91\t125\t3\t1\t4\tmet\n"
	if b.String() != want {
		t.Errorf("TSV\n%s\nwant\n%s", b.String(), want)
	}
	b.Reset()
	if err := writeTable(&b, lines); err != nil {
		t.Fatal(err)
	}
	table := b.String()
	for _, want := range []string{"≥ 95; 90", "≤ 30; 40", "100 ± 10", "3, 1 dropped, 4 runs repeated"} {
		if !strings.Contains(table, want) || strings.Count(table, "missed") != 1 {
			t.Errorf("no %q, or not one missed, in the table\n%s", want, table)
		}
	}
	b.Reset()
	if err := writeMarkdown(&b, lines); err != nil {
		t.Fatal(err)
	}
	if table := b.String(); !strings.Contains(table, "| 4 | keep, % | ≥ 95; 90 | **96** | 89 | 3, 1 dropped, 4 runs repeated |") {
		t.Errorf("Markdown\n%s", table)
	}
}

func TestWritePivot(t *testing.T) {
	lines := append(gather("one", []round{{figures: []figure{closeTo("rate", 130, 100, 10), shown("loss", 0.5, "%")}}}),
		gather("two", []round{{figures: []figure{closeTo("rate", 95, 100, 10), shown("share", 60, "")}, late: lateness{repeated: 1}}})...)
	var b strings.Builder
	if err := writePivot(&b, lines); err != nil {
		t.Fatal(err)
	}
	const want = "| | rate, % (100 ± 10) | loss, % | share | rounds |\n|---|---|---|---|---|\n" +
		"| one | **130** | 0.5 |  | 1 |\n| two | 95 |  | 60 | 1, 1 runs repeated |\n"
	if b.String() != want {
		t.Errorf("got\n%swant\n%s", b.String(), want)
	}
}

// TestStalledRoundsCountAlone: where the laboratory stalled in every round, they are what there is.
func TestStalledRoundsCountAlone(t *testing.T) {
	lines := gather("4", []round{{figures: []figure{atLeast("keep", 96, "%", 95, 90)}, late: lateness{stalled: true}}})
	if len(lines) != 1 || lines[0].median != 96 || lines[0].stalled != 1 {
		t.Errorf("%+v", lines)
	}
	if got := gather("4", nil); got != nil {
		t.Errorf("%+v of nothing", got)
	}
}

func TestMedianOfAnEvenNumber(t *testing.T) {
	if got := median([]float64{1, 2, 4, 9}); got != 3 {
		t.Errorf("median %v, want 3", got)
	}
}

func TestChoose(t *testing.T) {
	chosen, err := choose(Options{Scenarios: []string{"7", "3a"}})
	if err != nil || len(chosen) != 2 || chosen[0].name != "7" || chosen[1].name != "3a" {
		t.Errorf("chose %v, %v", chosen, err)
	}
	if all, err := choose(Options{}); err != nil || len(all) != len(Names()) {
		t.Errorf("chose %d scenarios, %v, want all", len(all), err)
	}
	if _, err := choose(Options{Scenarios: []string{"99"}}); err == nil || !strings.Contains(err.Error(), "3a") {
		t.Errorf("error %v, want one that lists the scenarios", err)
	}
	if two, err := choose(Options{Calibrate: true, Scenarios: []string{"two bbr"}}); err != nil || len(two) != 2 {
		t.Errorf("chose %v, %v, want two calibrations", two, err)
	}
	if _, err := choose(Options{Calibrate: true, Scenarios: []string{"vegas"}}); err == nil {
		t.Error("chose a calibration that there is not")
	}
}

// TestEveryScenarioYieldsFigures: over a laboratory that is never there, every scenario and calibration runs to its end, takes
// some time, and names no figure twice.
func TestEveryScenarioYieldsFigures(t *testing.T) {
	for _, calibrate := range []bool{false, true} {
		all, err := List(Options{Scale: 0.01, Calibrate: calibrate})
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range all {
			if l.Takes < 5*time.Second || l.Runs < 1 {
				t.Errorf("%s takes %v in %d runs", l.Name, l.Takes, l.Runs)
			}
		}
	}
	b := bench{scale: 0.2, run: func(_ context.Context, _ path, flows []flow) (trace, error) { return steadily(flows), nil }}
	for _, s := range scenarios() {
		figures, err := s.run(t.Context(), b)
		if err != nil || len(figures) == 0 {
			t.Errorf("%s: %d figures, %v", s.name, len(figures), err)
		}
		seen := make(map[string]bool)
		for _, f := range figures {
			if seen[f.name] || math.IsNaN(f.value) || math.IsInf(f.value, 0) {
				t.Errorf("%s: %s is there twice, or %v", s.name, f.name, f.value)
			}
			seen[f.name] = true
		}
	}
}

func TestTogether(t *testing.T) {
	flows := []flow{
		{port: 1, runs: 60 * time.Second},
		{port: 2, after: 2 * time.Second, runs: 60 * time.Second},
	}
	tr := trace{1: {{at: 1100 * time.Millisecond}}, 2: {{at: 3100 * time.Millisecond}}}
	want := span{13 * time.Second, 61 * time.Second}
	if got := together(tr, flows); got != want {
		t.Errorf("together %v, want %v: behind ten seconds of the last, to the end of the first", got, want)
	}
}

func TestRegain(t *testing.T) {
	p := path{mbit: 8}
	leaves := flow{port: 1, runs: 2 * time.Second}
	tr := trace{1: {{at: tick}}}
	for at := tick; at <= 6*time.Second; at += tick {
		r := row{at: at}
		if at > 3*time.Second {
			r.bytes = 90_000 // of 100,000
		}
		tr[2] = append(tr[2], r)
	}
	// The rate is 90 % from 3 s on: half a second has 85 % when all five intervals of it do.
	if f := regain("", tr, p, leaves); f.value != 1.5 || f.details != "" {
		t.Errorf("regained after %v s (%s), want 1.5", f.value, f.details)
	}
	p.mbit = 16
	if f := regain("", tr, p, leaves); f.value != 4 || f.details == "" {
		t.Errorf("regained after %v s (%s), want the 4 s there were, and not then", f.value, f.details)
	}
}

func TestCloseTo(t *testing.T) {
	for _, c := range []struct {
		value, of float64
		met       bool
	}{{0, 0, true}, {1, 0, false}, {0, 1, false}, {10.9, 10, true}, {11.1, 10, false}, {8.9, 10, false}} {
		f := closeTo("", c.value, c.of, 10)
		if got := f.met(f.value, f.value); got != c.met {
			t.Errorf("%v of %v: met %v", c.value, c.of, got)
		}
	}
}
