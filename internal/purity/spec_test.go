package purity

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestEveryRuleHasATest: in the specification of the wire format no sentence obliges anybody without a label, and no label is
// without a test that names it.
func TestEveryRuleHasATest(t *testing.T) {
	content, err := os.ReadFile(filepath.Join(root, "docs/wire.md"))
	if err != nil {
		t.Fatal(err)
	}
	page := string(content)
	for _, s := range unlabelled(page) {
		t.Errorf("no label: %s", s)
	}
	rules := make(map[string]int)
	for _, label := range ruleLabel.FindAllString(strings.Replace(page, "`[W1]`", "", 1), -1) {
		if rules[label]++; rules[label] == 2 {
			t.Errorf("%s is the label of two sentences", label)
		}
	}
	tested := testedRules(t)
	for _, label := range slices.Sorted(maps.Keys(rules)) {
		if len(tested[label]) == 0 {
			t.Errorf("no test carries %s", label)
		}
	}
	for _, label := range slices.Sorted(maps.Keys(tested)) {
		if rules[label] == 0 {
			t.Errorf("%s, in %s, is no sentence's label", label, strings.Join(tested[label], ", "))
		}
	}
	if len(rules) < 100 {
		t.Errorf("%d rules were found: is that the page?", len(rules))
	}
}

// testedRules are the labels that the module's tests name, and where.
func testedRules(t *testing.T) map[string][]string {
	t.Helper()
	found := make(map[string][]string)
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".") && d.Name() != ".." || d.Name() == "purity"):
			return filepath.SkipDir
		case !strings.HasSuffix(path, "_test.go"):
			return nil
		}
		content, err := os.ReadFile(path)
		for _, label := range ruleLabel.FindAllString(string(content), -1) {
			found[label] = append(found[label], path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// TestRulesAreFound: what the check takes for a sentence, and for one that obliges.
func TestRulesAreFound(t *testing.T) {
	const page = "# A must in a heading\n\nIt is so. [W1] It must be so: if not, it\nis dropped. It may\nbe otherwise; `x` is ignored.\n\n" +
		"```\nnothing must\n```\n\n| it | must |\n\n- one that is answered\n- [W2] one that must be\n- and one that is\n"
	want := []string{"It may be otherwise;", "`x` is ignored.", "one that is answered"}
	if diff := cmp.Diff(want, unlabelled(page)); diff != "" {
		t.Errorf("without a label (-want +got):\n%s", diff)
	}
	if n := len(ruleSentences(page)); n != 7 {
		t.Errorf("%d sentences: %q", n, ruleSentences(page))
	}
}
