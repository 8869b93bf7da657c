package kernel

import (
	"strings"
	"testing"
	"time"
)

func TestGather(t *testing.T) {
	rounds := [][]figure{
		{atLeast("keep", 96, "%", 95, 90), atMost("queue", 20, "ms", 30, 40), shown("rate", 5, "%")},
		{atLeast("keep", 89, "%", 95, 90), atMost("queue", 35, "ms", 30, 40), shown("rate", 1, "%")},
		{atLeast("keep", 97, "%", 95, 90), atMost("queue", 22, "ms", 30, 40), shown("rate", 9, "%")},
	}
	lines := gather("4", rounds)
	for i, want := range []struct {
		median, worst float64
		met           bool
	}{{96, 89, false}, {22, 35, true}, {5, 9, true}} {
		if l := lines[i]; l.median != want.median || l.extreme != want.worst || l.met() != want.met || l.rounds != 3 {
			t.Errorf("%s: median %v, worst %v, met %v, want %+v", l.name, l.median, l.extreme, l.met(), want)
		}
	}
	var b strings.Builder
	if err := writeTSV(&b, lines); err != nil {
		t.Fatal(err)
	}
	const want = "scenario\tmetric\tunit\tbar_median\tbar_worst\tmedian\tworst\trounds\tverdict\n" +
		"4\tkeep\t%\t>=95\t>=90\t96\t89\t3\tmissed\n" +
		"4\tqueue\tms\t<=30\t<=40\t22\t35\t3\tmet\n" +
		"4\trate\t%\t\t\t5\t9\t3\t\n"
	if b.String() != want {
		t.Errorf("TSV\n%s\nwant\n%s", b.String(), want)
	}
	b.Reset()
	if err := writeTable(&b, lines); err != nil {
		t.Fatal(err)
	}
	if table := b.String(); !strings.Contains(table, "≥ 95; ≥ 90") || strings.Count(table, "missed") != 1 {
		t.Errorf("table\n%s", table)
	}
}

func TestMedianOfAnEvenNumber(t *testing.T) {
	if got := median([]float64{1, 2, 4, 9}); got != 3 {
		t.Errorf("median %v, want 3", got)
	}
}

func TestChoose(t *testing.T) {
	chosen, err := choose([]string{"7", "3a"})
	if err != nil || len(chosen) != 2 || chosen[0].name != "7" || chosen[1].name != "3a" {
		t.Errorf("chose %v, %v", chosen, err)
	}
	if all, err := choose(nil); err != nil || len(all) != len(Names()) {
		t.Errorf("chose %d scenarios, %v, want all", len(all), err)
	}
	if _, err := choose([]string{"99"}); err == nil || !strings.Contains(err.Error(), "3a") {
		t.Errorf("error %v, want one that lists the scenarios", err)
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

func TestComparison(t *testing.T) {
	for _, c := range []struct {
		model, kernel float64
		met           bool
	}{{0, 0, true}, {1, 0, false}, {0, 1, false}, {10.9, 10, true}, {11.1, 10, false}, {8.9, 10, false}} {
		if got := (comparison{model: c.model, kernel: c.kernel}).met(); got != c.met {
			t.Errorf("model %v, kernel %v: met %v", c.model, c.kernel, got)
		}
	}
}
