package kernel

import (
	"bytes"
	"flag"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the tables of docs/congestion.md anew")

const (
	page    = "../../../docs/congestion.md"
	results = "../../../testdata/kernel/results.tsv"
)

// TestTables: the tables of docs/congestion.md are what the committed results say.
func TestTables(t *testing.T) {
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	for name, calibrate := range map[string]bool{"kernel": false, "calibration": true} {
		table := reported(t, calibrate)
		begin := []byte("<!-- " + name + ": written by go test ./internal/lab/kernel -run TestTables -update -->\n")
		before, rest, begun := bytes.Cut(text, begin)
		old, after, ended := bytes.Cut(rest, []byte("<!-- end -->"))
		if !begun || !ended {
			t.Fatalf("there is no place for the table %s", name)
		}
		if string(old) != table && !*update {
			t.Errorf("the table %s is\n%s, want\n%s", name, old, table)
		}
		text = bytes.Join([][]byte{before, begin, []byte(table), []byte("<!-- end -->"), after}, nil)
	}
	if *update {
		if err := os.WriteFile(page, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// reported is the table of what was measured, if anything was.
func reported(t *testing.T, calibrate bool) string {
	var table strings.Builder
	if _, err := Run(t.Context(), Options{Report: true, Markdown: true, Calibrate: calibrate, Results: results}, &table); err != nil {
		t.Fatal(err)
	}
	if strings.Count(table.String(), "\n") <= 2 {
		return "Not measured yet.\n"
	}
	return table.String()
}
