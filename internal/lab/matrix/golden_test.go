package matrix

import (
	"bytes"
	"flag"
	"os"
	"strings"
	"testing"

	"example.com/ebb/congestion"
	"example.com/ebb/ledbat"
)

var update = flag.Bool("update", false, "rewrite testdata/quick.tsv")

const goldenPath = "testdata/quick.tsv"

// standard is the default controller with the default Config.
func standard(p congestion.Params) congestion.Controller {
	return ledbat.Factory(ledbat.Config{})(p)
}

// TestGolden: a run is bit for bit repeatable, so whatever changes the figures of the default controller,
// be it the controller, the engine or the harness, shows here as a difference to be looked at and
// committed with the change. Rows are shortened: whether the bars are met is for ebb sim to say.
func TestGolden(t *testing.T) {
	cases := Daily(mustSelect(t))
	if raceDetector {
		cases = mustSelect(t, "4", "7", "9", "13", "spiral") // ten times as slow
	}
	var got bytes.Buffer
	if err := WriteTSV(&got, mustRun(t, Plan{Subject: standard, Seeds: 1, First: 1, Quick: true}, cases)); err != nil {
		t.Fatal(err)
	}
	if *update && !raceDetector {
		if err := os.WriteFile(goldenPath, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	file, err := os.ReadFile(goldenPath)
	if err != nil {
		t.Fatal(err)
	}
	want := make(map[string]string)
	for line := range strings.Lines(string(file)) {
		want[figureOf(line)] = line
	}
	seen := make(map[string]bool)
	for line := range strings.Lines(got.String()) {
		seen[figureOf(line)] = true
		if want[figureOf(line)] != line {
			t.Errorf("want %sgot  %s", want[figureOf(line)], line)
		}
	}
	for line := range strings.Lines(string(file)) {
		if !seen[figureOf(line)] && !raceDetector {
			t.Errorf("no longer measured: %s", line)
		}
	}
	if t.Failed() {
		t.Log("if that is what was meant: go test ./internal/lab/matrix -run TestGolden -update")
	}
}

// figureOf is what names a line of the table: row, case, figure.
func figureOf(line string) string {
	f := strings.Split(line, "\t")
	return f[0] + "\t" + f[1] + "\t" + f[3]
}

// The kept table of a full run has every figure of the matrix as it is, judged by the bars as they are.
func TestFullTableIsOfThisMatrix(t *testing.T) {
	lines := func(path string) map[string]kept {
		found := make(map[string]kept)
		for _, k := range readKept(t, path) {
			found[k.row+"\t"+k.name+"\t"+k.figure] = k
		}
		return found
	}
	quick, full := lines(goldenPath), lines(fullPath)
	for figure, k := range quick { // order-free: each is looked up
		if g, ok := full[figure]; !ok || g.bar != k.bar {
			t.Errorf("%s, bar %q: the full table has %+v", figure, k.bar, g)
		}
	}
	unseen := make(map[string]bool) // what no quick run has
	for _, c := range mustSelect(t) {
		unseen[c.Row+"\t"+c.Name] = c.Full
	}
	for figure, k := range full { // order-free: each is looked up
		if _, ok := quick[figure]; !ok && !unseen[k.row+"\t"+k.name] && !strings.HasPrefix(k.name, recordedPrefix) {
			t.Errorf("%s is no longer measured", figure)
		}
	}
	for _, c := range mustSelect(t) {
		for _, bar := range c.Bars {
			if g, ok := full[c.Row+"\t"+c.Name+"\t"+bar.Figure]; !ok || g.bar != bar.String() {
				t.Errorf("%s, %s, bar %s: the full table has %+v", c.String(), bar.Figure, bar, g)
			}
		}
	}
}
