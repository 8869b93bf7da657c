package report

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"example.com/ebb/bench/internal/measure"
)

// pageOf is the path of a page with a table, between text and another table.
func pageOf(t *testing.T, table string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "page.md")
	text := "# Bulk\n\n```\ngo run .\n```\n\n```\n" + table + "```\n\n```\nBulk   1 connection, MB/s\nebb   1\n```\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestReadPage: what was printed is read back.
func TestReadPage(t *testing.T) {
	var b strings.Builder
	if err := sampled().WriteTable(&b); err != nil {
		t.Fatal(err)
	}
	r, err := ReadPage(pageOf(t, b.String()))
	if err != nil {
		t.Fatal(err)
	}
	var again strings.Builder
	for _, s := range sections {
		r.writeSection(&again, s)
	}
	if again.Len() == 0 || !strings.Contains(b.String(), again.String()) {
		t.Errorf("read back, it is\n%s\nof\n%s", again.String(), b.String())
	}
	if got, ok := r.find("ebb", measure.BulkRate); !ok || got.Spread != (Spread{100e6, 90e6, 110e6}) {
		t.Errorf("the bulk rate is %v, want 100 (90 to 110) MB/s", got.Spread)
	}
	if _, ok := r.find("quic-go", measure.PingP50); ok {
		t.Error("quic-go, which failed, has a figure")
	}
}

// TestReadPageOfThePicture: of docs/performance.md it reads every figure that the picture has, as the page has them.
func TestReadPageOfThePicture(t *testing.T) {
	const path = "../../../docs/performance.md"
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	r, err := ReadPage(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range sections {
		if s.title != "Bulk" && !strings.HasPrefix(s.title, "Raw UDP") {
			continue
		}
		var b strings.Builder
		r.writeSection(&b, s)
		got, want := measuredCells(s.title, b.String()), measuredCells(s.title, string(page))
		if got == "" || got != want {
			t.Errorf("%s: read are\n%swant\n%s", s.title, got, want)
		}
	}
}

// measuredCells is the first section of that title in a text, a line for each cell, without the ratios: of
// figures that are rounded the last digit of a ratio may be another.
func measuredCells(title, text string) string {
	var b strings.Builder
	var head []string
	for line := range strings.Lines(text) {
		cells := cellGap.Split(strings.TrimSpace(line), -1)
		switch {
		case head == nil && cells[0] == title:
			head = cells
		case head != nil && cells[0] == "":
			return b.String()
		}
		for i := range head {
			if head[i] != "×TCP" {
				b.WriteString(cells[0] + ", " + head[i] + ": " + cells[i] + "\n")
			}
		}
	}
	return b.String()
}

func TestReadPageWithoutFigures(t *testing.T) {
	for table, want := range map[string]string{
		"": "has no table",
		"Bulk   1 connection, MB/s\nebb   fast\n":  "fast",
		"Bulk   1 connection, MB/s\nebb   1   2\n": "3 cells",
		"Bulk   1 connection, MB/s\nebb   1.2.3\n": "1.2.3",
	} {
		path := pageOf(t, table)
		if table == "" {
			path = filepath.Join(t.TempDir(), "empty.md")
			if err := os.WriteFile(path, []byte("# Bulk\n\nBulk   1 connection, MB/s\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := ReadPage(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("of %q the error is %v, want one with %q", table, err, want)
		}
	}
}
