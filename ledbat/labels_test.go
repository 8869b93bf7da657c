package ledbat

import (
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var (
	label = regexp.MustCompile(`\b[AL][1-9][0-9]?\b`)
	// ruleRow is a row of the tables of rules: its label, and in the last cell the files where the rule stands.
	ruleRow = regexp.MustCompile(`(?m)^\| ([AL][1-9][0-9]?) \|.*\| ([^|]*) \|$`)
)

// TestRulesAreLabelled holds the tables of docs/congestion.md to the code: a rule's label stands in comments of
// the files that the table names, and in no other.
func TestRulesAreLabelled(t *testing.T) {
	page, err := os.ReadFile("../docs/congestion.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := make(map[string][]string)
	for _, row := range ruleRow.FindAllStringSubmatch(string(page), -1) {
		files := strings.Split(row[2], ", ")
		slices.Sort(files)
		documented[row[1]] = files
	}
	if len(documented) != 32 {
		t.Errorf("%d rules in docs/congestion.md, want A1 to A23 and L1 to L9", len(documented))
	}
	if diff := cmp.Diff(documented, labelled(t)); diff != "" {
		t.Errorf("files of each rule (-docs/congestion.md +code):\n%s", diff)
	}
}

// labelled are the files of the package in whose comments each label stands, tests apart.
func labelled(t *testing.T) map[string][]string {
	t.Helper()
	names, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	found := make(map[string][]string)
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, group := range file.Comments {
			for _, l := range label.FindAllString(group.Text(), -1) {
				if !slices.Contains(found[l], name) {
					found[l] = append(found[l], name)
				}
			}
		}
	}
	return found
}
