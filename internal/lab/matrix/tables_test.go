package matrix

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"example.com/ebb/internal/lab/pagetable"
)

// kept is a line of testdata/full.tsv.
type kept struct{ row, name, seeds, figure, median, least, most, bar, met string }

// worst is the seed that misses the bar by most, or comes nearest to it.
func (k *kept) worst() string {
	if strings.HasPrefix(k.bar, "≥") {
		return k.least
	}
	return k.most
}

func fullRun(t *testing.T) (all []kept) {
	text, err := os.ReadFile("testdata/full.tsv")
	if err != nil {
		t.Fatal(err)
	}
	for i, line := range strings.Split(strings.TrimSuffix(string(text), "\n"), "\n") {
		f := strings.Split(line, "\t")
		if len(f) != 9 {
			t.Fatalf("line %d of testdata/full.tsv has %d fields", i+1, len(f))
		}
		if k := (kept{f[0], f[1], f[2], f[3], f[4], f[5], f[6], f[7], f[8]}); i > 0 && k.bar != "" {
			all = append(all, k)
		}
	}
	return all
}

// TestTables: the tables of docs/congestion.md are what testdata/full.tsv says.
func TestTables(t *testing.T) {
	run := fullRun(t)
	pagetable.Check(t, "../../../docs/congestion.md", "go test ./internal/lab/matrix -run TestTables -update", map[string]string{
		"missed": missedTable(run),
		"full":   fullTable(run),
	}, *update)
}

// missedTable has a line for each bar that is missed. Of row Y, which has a case for each competitor and path, it has how many are.
func missedTable(run []kept) string {
	var b strings.Builder
	missed := 0
	missedOfY, ofY := make(map[string]int), make(map[string]int)
	for _, k := range run {
		kind, _, _ := strings.Cut(k.figure, ",")
		if k.row == "Y" {
			ofY[kind]++
		}
		if k.met != "false" {
			continue
		}
		missed++
		if k.row == "Y" {
			missedOfY[kind]++
			continue
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s; %s | %s |\n", k.row, k.name, k.figure, k.median, k.worst(), k.bar)
	}
	for _, kind := range slices.Sorted(maps.Keys(missedOfY)) {
		fmt.Fprintf(&b, "| Y | %d of %d | %s | | |\n", missedOfY[kind], ofY[kind], kind)
	}
	return fmt.Sprintf("Of %d bars, %d are missed:\n\n| row | case | figure | median; worst | bar |\n|---|---|---|---|---|\n", len(run), missed) + b.String()
}

// fullTable has a line for each case.
func fullTable(run []kept) string {
	var b strings.Builder
	b.WriteString("| row | case | seeds | median; worst (bar) |\n|---|---|---|---|")
	for i, k := range run {
		separator := ". "
		if i == 0 || k.row != run[i-1].row || k.name != run[i-1].name {
			end := " |"
			if i == 0 {
				end = ""
			}
			fmt.Fprintf(&b, "%s\n| %s | %s | %s | ", end, k.row, k.name, k.seeds)
			separator = ""
		}
		text := fmt.Sprintf("%s %s; %s (%s)", k.figure, k.median, k.worst(), k.bar)
		if k.met == "false" {
			text = "**" + text + "**"
		}
		b.WriteString(separator + text)
	}
	b.WriteString(" |\n")
	return b.String()
}
