package matrix

import (
	"bytes"
	"context"
	"errors"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"example.com/ebb/congestion/reno"
)

func mustSelect(t *testing.T, rows ...string) []Case {
	t.Helper()
	cases, err := Select(rows...)
	if err != nil {
		t.Fatal(err)
	}
	return cases
}

func mustRun(t *testing.T, plan Plan, cases []Case) []Result {
	t.Helper()
	results, err := Run(t.Context(), plan, cases)
	if err != nil {
		t.Fatal(err)
	}
	return results
}

// Seeds and cases run in any order on any number of goroutines, with the same result.
func TestRunsAreRepeatable(t *testing.T) {
	cases := mustSelect(t, "7", "13")
	plan := Plan{Subject: reno.Unpaced(), Seeds: 2, First: 5, Quick: true, Workers: 1}
	one := mustRun(t, plan, cases)
	plan.Workers = 3
	three := mustRun(t, plan, cases)
	if !reflect.DeepEqual(one, three) {
		t.Errorf("with one worker\n%+v\nwith three\n%+v", one, three)
	}
	distinct := false
	for _, r := range one {
		for _, o := range r.Figures {
			distinct = distinct || o.Values[0] != o.Values[1]
		}
	}
	if !distinct {
		t.Error("the seed makes no difference")
	}
}

// A controller that does not yield, fills every buffer and takes no notice of loss misses the bars
// that are about that; so does one that sends next to nothing.
func TestBadControllersMiss(t *testing.T) {
	for _, c := range []struct {
		name   string
		plan   Plan
		missed map[string]string // by row
		met    map[string]string
	}{
		{"greedy", Plan{Subject: packets(900)},
			map[string]string{"1": "queue p95, ms", "4": "keep, %", "7": "keep, %", "21": "lost, %", "N1": "own queue p95, ms", "N2": "own queue p95, ms"},
			map[string]string{"1": "link, %"}},
		{"timid", Plan{Subject: packets(2)},
			map[string]string{"1": "link, %", "4": "85 % regained after, s", "7": "link, %", "21": "link, %", "N1": "link, %", "N2": "link, %"},
			map[string]string{"1": "queue p95, ms", "4": "keep, %"}},
	} {
		c.plan.Seeds, c.plan.Quick = 1, true
		results := mustRun(t, c.plan, Daily(mustSelect(t, "1", "4", "7", "21", "N1", "N2")))
		for _, word := range []struct {
			want map[string]string
			met  bool
		}{{c.missed, false}, {c.met, true}} {
			for row, figure := range word.want { // order-free: each is looked up
				if !slices.ContainsFunc(results, func(r Result) bool {
					return r.Row == row && slices.ContainsFunc(r.Figures, func(o Outcome) bool {
						return o.Figure == figure && o.Bar != "" && o.Met == word.met
					})
				}) {
					t.Errorf("%s: row %s, %s is not met = %v", c.name, row, figure, word.met)
				}
			}
		}
	}
}

// The death spiral: with the faults of old, eight timeouts cost the transfer that follows several times
// what it takes on a clean path, and a floor under the threshold cures it. So the row measures that.
func TestSpiralShowsTheCollapse(t *testing.T) {
	for _, c := range spiralCases() {
		for _, subject := range []struct {
			floor     int
			collapses bool
		}{{0, true}, {500 * kb, false}} {
			figures := c.Measure(&Env{Subject: relapses(subject.floor), Seed: 1})
			ratio, timeouts := figures[0], figures[1]
			if ratio.Name != "time / clean" || timeouts.Name != "timeouts before" {
				t.Fatalf("figures %+v", figures)
			}
			if timeouts.Value < spiralTimeouts {
				t.Errorf("%s, floor %d: %v timeouts", c.Name, subject.floor, timeouts.Value)
			}
			if collapsed := ratio.Value > 2; collapsed != subject.collapses {
				t.Errorf("%s, floor %d: %.2f times as long as on a clean path", c.Name, subject.floor, ratio.Value)
			}
			t.Logf("%s, floor %d: %.2f", c.Name, subject.floor, ratio.Value)
		}
	}
}

func TestJudge(t *testing.T) {
	c := &Case{Row: "x", Bars: []Bar{{Figure: "a", Median: 95, Worst: 90}, atMost("b", 3)}}
	runs := func(a, b []float64) [][]Figure {
		var all [][]Figure
		for i := range a {
			all = append(all, []Figure{{"a", a[i]}, {"b", b[i]}, {"c", 1}})
		}
		return all
	}
	for _, test := range []struct {
		a, b       []float64
		aMet, bMet bool
		median     float64
	}{
		{[]float64{96, 90, 95}, []float64{1, 3, 2}, true, true, 95},
		{[]float64{96, 89.9, 95}, []float64{1, 3.1, 2}, false, false, 95}, // the worst
		{[]float64{94, 90, 95}, []float64{3, 3, 3}, false, true, 94},      // the median
		{[]float64{96, 96, 94, 94}, []float64{4, 4, 1, 1}, true, false, 95},
	} {
		r := judge(c, runs(test.a, test.b))
		if got := r.Figures; got[0].Met != test.aMet || got[1].Met != test.bMet || !got[2].Met || got[2].Bar != "" || got[0].Median != test.median {
			t.Errorf("%v, %v: %+v", test.a, test.b, got)
		}
		if r.Missed() == (test.aMet && test.bMet) {
			t.Errorf("%v, %v: missed %v", test.a, test.b, r.Missed())
		}
	}
}

// Row 12 counts only if the rows about yielding hold with the same controller.
func TestJudgeTogether(t *testing.T) {
	for _, miss := range []bool{false, true} {
		var cases []Case
		var results []Result
		for _, row := range append(withYielding(), "12") {
			cases = append(cases, Case{Row: row})
			results = append(results, Result{Row: row, Figures: []Outcome{{Met: !miss || row != "6"}}})
		}
		judgeTogether(cases, results)
		last := results[len(results)-1].Figures
		if len(last) != 2 || last[1].Met == miss {
			t.Errorf("row 6 missed: %v; row 12: %+v", miss, last)
		}
	}
}

func TestSelect(t *testing.T) {
	if _, err := Select("4", "8"); err == nil || !strings.Contains(err.Error(), `"8"`) || !strings.Contains(err.Error(), "21") {
		t.Errorf("error %v", err)
	}
	all := mustSelect(t)
	rows := map[string]bool{}
	names := map[string]bool{}
	for _, c := range all {
		rows[c.Row] = true
		if names[c.String()] {
			t.Errorf("two cases called %q", c.String())
		}
		names[c.String()] = true
	}
	for _, row := range strings.Fields("1 2 3 4 5 6 7 9 10 11 12 13 14 15 16 17 18 19 20 21 aqm app edge published relay lossless spiral N1 N2 N3 N4 N5 N6 N7 N8 F Y Q LE") {
		if !rows[row] {
			t.Errorf("no row %s", row)
		}
	}
	if n := len(mustSelect(t, "6")); n != 12 {
		t.Errorf("%d cases in row 6", n)
	}
}

func TestRunStops(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Run(ctx, Plan{Subject: packets(1), Seeds: 1000}, mustSelect(t, "7")); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	for _, plan := range []Plan{{Seeds: 1}, {Subject: packets(1)}} {
		if _, err := Run(t.Context(), plan, nil); err == nil {
			t.Errorf("%+v is accepted", plan)
		}
	}
	broken := errors.New("no more paper")
	plan := Plan{Subject: packets(20), Seeds: 1, Quick: true, Picture: func(*Case, []Figure, []Trace) error { return broken }}
	if _, err := Run(t.Context(), plan, mustSelect(t, "7")[:1]); !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
}

// The traces that pictures are made of say what the figures say.
func TestTraces(t *testing.T) {
	var got []Trace
	plan := Plan{Subject: packets(50), Seeds: 1, Quick: true, Picture: func(c *Case, _ []Figure, traces []Trace) error {
		got = traces
		return nil
	}}
	mustRun(t, plan, mustSelect(t, "3")[:1])
	if len(got) != 1 || len(got[0].Flows) != 1 || got[0].Flows[0].Name != "Ebb" {
		t.Fatalf("%d traces: %+v", len(got), got)
	}
	f := got[0].Flows[0]
	if n := len(f.Rate); n != 51 || math.Abs(f.Rate[n-1]-10) > 0.3 {
		t.Errorf("%d rates, at last %v Mbit/s", n, f.Rate[n-1])
	}
	if n := len(f.Window); n != 1001 || f.Window[n-1] != 50*1.472 {
		t.Errorf("%d windows, at last %v KB", n, f.Window[n-1])
	}
	if n := len(got[0].Queue); n != 1001 || got[0].Queue[n-1] < 17.5 || got[0].Queue[n-1] > 20 {
		t.Errorf("%d queues, at last %v ms", n, got[0].Queue[n-1])
	}
}

func TestTable(t *testing.T) {
	results := []Result{{Row: "4", Case: "x", Seeds: 3, Figures: []Outcome{
		{Figure: "keep, %", Median: 98.6, Worst: 97, Min: 97, Max: 99.25, Bar: "≥ 95; 90", Met: true},
		{Figure: "drops", Median: 120, Worst: 130.5, Max: 130.5, Bar: "≤ 0"},
		{Figure: "jain", Median: 0.99951, Min: 0.9, Max: 1, Met: true},
	}}}
	var table, tsv, page bytes.Buffer
	if err := errors.Join(WriteTable(&table, results), WriteTSV(&tsv, results), WriteMarkdown(&page, results)); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"| 4 | x | 3 | keep, % | 98.60; 97.00 | ≥ 95; 90 | met |\n", "| 120.0; 130.5 | ≤ 0 | **missed** |"} {
		if !strings.Contains(page.String(), want) || strings.Contains(page.String(), "jain") {
			t.Errorf("no %q, or what has no bar, in\n%s", want, &page)
		}
	}
	for _, want := range []string{"98.60", "met", "MISSED", "≥ 95; 90", "0.9995"} {
		if !strings.Contains(table.String(), want) {
			t.Errorf("no %q in\n%s", want, &table)
		}
	}
	want := "row\tcase\tseeds\tfigure\tmedian\tmin\tmax\tbar\tmet\n" +
		"4\tx\t3\tkeep, %\t98.60\t97.00\t99.25\t≥ 95; 90\ttrue\n" +
		"4\tx\t3\tdrops\t120.0\t0\t130.5\t≤ 0\tfalse\n" +
		"4\tx\t3\tjain\t0.9995\t0.9000\t1.0000\t\t\n"
	if tsv.String() != want {
		t.Errorf("got\n%swant\n%s", &tsv, want)
	}
	if met, bars := Count(results); met != 1 || bars != 2 {
		t.Errorf("%d of %d", met, bars)
	}
}
