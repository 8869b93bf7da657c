package purity

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// namedTest is how docs/security.md names a test: the directory of its package, or "ebb", and the function.
var namedTest = regexp.MustCompile("`([a-z0-9/]+)\\.(Test\\w+)`")

// TestEveryPromiseHasATest: the tests that docs/security.md names for its promises are there, and no promise is without one.
func TestEveryPromiseHasATest(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(root, "docs/security.md"))
	if err != nil {
		t.Fatal(err)
	}
	promises := 0
	for line := range strings.Lines(string(page)) {
		for _, kind := range []string{"forger", "stranger", "peer", "neighbour"} {
			if !strings.HasPrefix(line, "| "+kind+" |") {
				continue
			}
			promises++
			if !namedTest.MatchString(line) {
				t.Errorf("no test is named for: %s", strings.TrimSpace(line))
			}
		}
		for _, m := range namedTest.FindAllStringSubmatch(line, -1) {
			if !declared(t, m[1], m[2]) {
				t.Errorf("there is no %s in %s", m[2], m[1])
			}
		}
	}
	if promises < 20 {
		t.Errorf("%d promises were found: is that the page?", promises)
	}
}

// declared reports whether a directory has a test of that name.
func declared(t *testing.T, dir, name string) bool {
	t.Helper()
	if dir == "ebb" {
		dir = "."
	}
	files, err := filepath.Glob(filepath.Join(root, dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(content), "\nfunc "+name+"(") {
			return true
		}
	}
	return false
}
