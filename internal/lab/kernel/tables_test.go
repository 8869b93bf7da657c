package kernel

import (
	"flag"
	"strings"
	"testing"

	"example.com/ebb/internal/lab/pagetable"
)

var update = flag.Bool("update", false, "write the tables of docs/congestion.md anew")

const (
	page    = "../../../docs/congestion.md"
	results = "../../../testdata/kernel/results.tsv"
)

// TestTables: the tables of docs/congestion.md are what the committed results say.
func TestTables(t *testing.T) {
	pagetable.Check(t, page, "go test ./internal/lab/kernel -run TestTables -update", map[string]string{
		"kernel":      reported(t, false),
		"calibration": reported(t, true),
	}, *update)
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
