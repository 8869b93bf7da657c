// Package pagetable keeps the tables of docs/ that tests write, so that a page never says anything but what the code or
// a committed result does.
package pagetable

import (
	"bytes"
	"os"
	"testing"
)

// Check compares the tables of a page with what they are to be, by name, and reports each that differs. If update, it writes them
// instead. A table stands between a line "<!-- NAME: written by COMMAND -->", with the command that writes it, and
// "<!-- end -->".
func Check(t testing.TB, page, command string, tables map[string]string, update bool) {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	for name, table := range tables {
		begin := []byte("<!-- " + name + ": written by " + command + " -->\n")
		before, rest, begun := bytes.Cut(text, begin)
		old, after, ended := bytes.Cut(rest, []byte("<!-- end -->"))
		if !begun || !ended {
			t.Errorf("%s has no place for the table %q", page, name)
			continue
		}
		if string(old) != table && !update {
			t.Errorf("the table %q of %s is\n%s, want\n%s", name, page, old, table)
		}
		text = bytes.Join([][]byte{before, begin, []byte(table), []byte("<!-- end -->"), after}, nil)
	}
	if update && !t.Failed() {
		if err := os.WriteFile(page, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
