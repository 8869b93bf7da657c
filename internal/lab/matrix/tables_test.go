package matrix

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"example.com/ebb/internal/lab/pagetable"
)

// kept is a line of a kept table.
type kept struct{ row, name, seeds, figure, median, least, most, bar, met string }

// worst is the seed that misses the bar by most, or comes nearest to it.
func (k *kept) worst() string {
	if strings.HasPrefix(k.bar, "≥") {
		return k.least
	}
	return k.most
}

const fullPath = "testdata/full.tsv"

// readKept reads a table that WriteTSV wrote.
func readKept(t *testing.T, path string) (all []kept) {
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i, line := range strings.Split(strings.TrimSuffix(string(text), "\n"), "\n") {
		f := strings.Split(line, "\t")
		if len(f) != 9 {
			t.Fatalf("line %d of %s has %d fields", i+1, path, len(f))
		}
		if i > 0 {
			all = append(all, kept{f[0], f[1], f[2], f[3], f[4], f[5], f[6], f[7], f[8]})
		}
	}
	return all
}

// medianMisses reports whether even the median misses the bar.
func (k *kept) medianMisses(t *testing.T) bool {
	sign, rest, _ := strings.Cut(k.bar, " ")
	bar, _, _ := strings.Cut(rest, ";")
	want, err := strconv.ParseFloat(bar, 64)
	median, err2 := strconv.ParseFloat(k.median, 64)
	if err != nil || err2 != nil {
		t.Fatalf("row %s, %s: median %q, bar %q", k.row, k.name, k.median, k.bar)
	}
	return sign == "≥" && median < want || sign == "≤" && median > want
}

// TestTables: the tables of docs/congestion.md are what testdata/full.tsv says.
func TestTables(t *testing.T) {
	run := slices.DeleteFunc(readKept(t, fullPath), func(k kept) bool { return k.bar == "" })
	pagetable.Check(t, "../../../docs/congestion.md", "go test ./internal/lab/matrix -run TestTables -update", map[string]string{
		"missed": missedTable(t, run),
		"full":   fullTable(run),
	}, *update)
}

// missedTable has a line for each bar that is missed. Row Y, which has a case for each competitor and path, has one for each kind of figure.
func missedTable(t *testing.T, run []kept) string {
	var b strings.Builder
	missed := 0
	for _, k := range run {
		if k.met == "true" {
			continue
		}
		if missed++; k.row != "Y" {
			fmt.Fprintf(&b, "| %s | %s | %s | %s; %s | %s |\n", k.row, k.name, k.figure, k.median, k.worst(), k.bar)
		}
	}
	for _, kind := range []string{"keeps", "85 % regained"} {
		ofY := slices.DeleteFunc(slices.Clone(run), func(k kept) bool { return k.row != "Y" || !strings.HasPrefix(k.figure, kind) })
		all := len(ofY)
		ofY = slices.DeleteFunc(ofY, func(k kept) bool { return k.met == "true" })
		inOneSeed := len(ofY)
		ofY = slices.DeleteFunc(ofY, func(k kept) bool { return !k.medianMisses(t) })
		fmt.Fprintf(&b, "| Y | %d of %d, of %d the median | %s | | |\n", inOneSeed, all, len(ofY), kind)
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
