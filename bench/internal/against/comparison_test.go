package against

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"example.com/ebb/bench/internal/measure"
	"example.com/ebb/bench/internal/report"
)

// TestVerdict: the median of the ratios within the pairs decides, in the direction of the metric,
// and 3 % exactly is still borne.
func TestVerdict(t *testing.T) {
	for _, tc := range []struct {
		name   string
		metric measure.Metric
		old    []float64
		new    []float64
		ratio  report.Spread
		worse  bool
	}{
		{"equal", measure.BulkRate, []float64{100, 200}, []float64{100, 200}, report.Spread{Median: 1, Min: 1, Max: 1}, false},
		{"a rate 3 % lower", measure.BulkRate, []float64{100}, []float64{97}, report.Spread{Median: 0.97, Min: 0.97, Max: 0.97}, false},
		{"a rate lower by more", measure.BulkRate, []float64{1000}, []float64{969}, report.Spread{Median: 0.969, Min: 0.969, Max: 0.969}, true},
		{"a rate twice as high", measure.DialMany, []float64{50}, []float64{100}, report.Spread{Median: 2, Min: 2, Max: 2}, false},
		{"a time 3 % longer", measure.PingP50, []float64{100}, []float64{103}, report.Spread{Median: 1.03, Min: 1.03, Max: 1.03}, false},
		{"a time longer by more", measure.PingP50, []float64{1000}, []float64{1031}, report.Spread{Median: 1.031, Min: 1.031, Max: 1.031}, true},
		{"a cost halved", measure.EightCPU, []float64{2}, []float64{1}, report.Spread{Median: 0.5, Min: 0.5, Max: 0.5}, false},
		// The medians are 200 and 100, and yet each pair but one says 1.
		{"pairs, not medians", measure.BulkRate, []float64{100, 200, 400}, []float64{100, 200, 50}, report.Spread{Median: 1, Min: 0.125, Max: 1}, false},
		{"one pair astray", measure.BulkRate, []float64{100, 100, 100, 100}, []float64{10, 100, 102, 98}, report.Spread{Median: 0.99, Min: 0.1, Max: 1.02}, false},
		{"most pairs worse", measure.PingP99, []float64{4, 4, 4}, []float64{5, 5, 1}, report.Spread{Median: 1.25, Min: 0.25, Max: 1.25}, true},
		{"no goroutine, nor less than none", measure.IdleRoutes, []float64{0, 0.001}, []float64{-0.001, 0}, report.Spread{Median: 1, Min: 1, Max: 1}, false},
		{"idle within the bar", measure.IdleCPU, []float64{2e-6}, []float64{10e-6}, report.Spread{Median: 1, Min: 1, Max: 1}, false},
		{"idle beyond it", measure.IdleCPU, []float64{2e-6}, []float64{20e-6}, report.Spread{Median: 2, Min: 2, Max: 2}, true},
		{"a goroutine where was none", measure.IdleRoutes, []float64{0}, []float64{1}, report.Spread{Median: 20, Min: 20, Max: 20}, true},
	} {
		var c Comparison
		for i := range tc.old {
			c.add("ebb", measure.Sample{tc.metric: tc.old[i]}, measure.Sample{tc.metric: tc.new[i]})
		}
		f := c.Figures[0]
		if len(c.Figures) != 1 || f.Ratio != tc.ratio || f.Worse != tc.worse {
			t.Errorf("%s: %d figures, ratios %v, worse %t; want %v, %t", tc.name, len(c.Figures), f.Ratio, f.Worse, tc.ratio, tc.worse)
		}
		if (c.Err() != nil) != tc.worse {
			t.Errorf("%s: the error is %v", tc.name, c.Err())
		}
	}
}

// TestPairsNeedBoth: a metric that one tree lacks has no figure, and a turn that failed in one
// takes the other's sample with it.
func TestPairsNeedBoth(t *testing.T) {
	var c Comparison
	c.add("ebb", measure.Sample{measure.PingP50: 2, measure.PingP99: 9}, measure.Sample{measure.PingP50: 4})
	c.add("ebb", nil, measure.Sample{measure.PingP50: 7})
	c.add("ebb", measure.Sample{measure.PingP50: 5}, measure.Sample{measure.PingP50: 5})
	c.add("ebb-endpoint", measure.Sample{measure.PingP50: 1}, measure.Sample{measure.PingP50: 1})
	if len(c.Figures) != 2 {
		t.Fatalf("there are %d figures, want 2: %+v", len(c.Figures), c.Figures)
	}
	f := c.Figures[0]
	if !slices.Equal(f.Old, []float64{2, 5}) || !slices.Equal(f.New, []float64{4, 5}) || !slices.Equal(f.Ratios, []float64{2, 1}) {
		t.Errorf("the pairs are %v, %v with ratios %v; want [2 5], [4 5], [2 1]", f.Old, f.New, f.Ratios)
	}
	if f.OldMedian != 3.5 || f.NewMedian != 4.5 || f.Ratio.Median != 1.5 || f.WorsePairs != 1 {
		t.Errorf("the medians are %v, %v, %v, and %d pairs worse; want 3.5, 4.5, 1.5, 1", f.OldMedian, f.NewMedian, f.Ratio.Median, f.WorsePairs)
	}
}

// TestEveryMetricIsComparable: each can be shown, and has a least value, without which a ratio
// may be one to nothing.
func TestEveryMetricIsComparable(t *testing.T) {
	seen := map[measure.Metric]bool{}
	for _, k := range kinds {
		if seen[k.metric] || k.title == "" || k.scale <= 0 || k.least <= 0 {
			t.Errorf("%+v: twice, or incomplete", k)
		}
		seen[k.metric] = true
		if r := k.ratio(0, 0); r != 1 {
			t.Errorf("%s: nothing to nothing is %v, want 1", k.metric, r)
		}
	}
}

func TestTable(t *testing.T) {
	c := Comparison{
		Old: Tree{Dir: "/a", Revision: "1234567"}, New: Tree{Dir: "/b"}, SlotSeconds: 2,
		Skipped:  []string{`ebb-sockets, bulk8: the old tree has no peer "ebb-sockets"`},
		Failures: []string{"ebb, ping, new tree: i/o timeout"},
	}
	c.add("ebb", measure.Sample{measure.PingP50: 8e-6, measure.BulkRate: 2e9}, measure.Sample{measure.PingP50: 1e-5, measure.BulkRate: 2e9})
	var out bytes.Buffer
	if err := c.WriteTable(&out); err != nil {
		t.Fatal(err)
	}
	_, got, _ := strings.Cut(out.String(), "old: ")
	const want = `1234567, /a
new: /b

                        old    new   new/old   smallest   largest   worse in
ebb
  1 connection, MB/s   2000   2000     1.000      1.000     1.000     0 of 1
  ping-pong p50, µs    8.00   10.0     1.250      1.250     1.250     1 of 1   WORSE

Skipped: ebb-sockets, bulk8: the old tree has no peer "ebb-sockets"

FAILED: ebb, ping, new tree: i/o timeout
`
	if got != want {
		t.Errorf("the table is\n%s\nwant\n%s", got, want)
	}
	if err := c.Err(); err == nil || err.Error() != "figures more than 3 % worse: 1 of 2; turns that failed: 1" {
		t.Errorf("the verdict is %v", err)
	}
	readBack(t, &c)
}

// readBack: what JSON says is what there was.
func readBack(t *testing.T, c *Comparison) {
	t.Helper()
	var first, second bytes.Buffer
	if err := c.WriteJSON(&first); err != nil {
		t.Fatal(err)
	}
	var again Comparison
	if err := json.Unmarshal(first.Bytes(), &again); err != nil {
		t.Fatal(err)
	}
	if err := again.WriteJSON(&second); err != nil {
		t.Fatal(err)
	}
	if first.String() != second.String() {
		t.Errorf("read back, it is\n%s\nwant\n%s", second.String(), first.String())
	}
}
