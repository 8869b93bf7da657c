package purity

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What docs/design.md says under "Where a change goes" is shown by examples: a frame here, a controller outside the module here too,
// and a limit that a test makes up in internal/engine/quota_test.go.

// naming are the files of the module, tests apart, in which one of the words stands.
func naming(t *testing.T, words ...string) (found []string) {
	t.Helper()
	named := regexp.MustCompile(`\b(` + strings.Join(words, "|") + `)\b`)
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata"):
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		content, err := os.ReadFile(path)
		if err == nil && named.Match(content) {
			rel, _ := filepath.Rel(root, path)
			found = append(found, filepath.ToSlash(rel))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// TestWhereAFrameGoes: the files that know of one frame, BLOCKED, are those that the page names, the field of Conn and the
// place that wants it sent included.
func TestWhereAFrameGoes(t *testing.T) {
	want := []string{
		"internal/engine/allowance.go", // wants it sent
		"internal/engine/conn.go",
		"internal/engine/frame_blocked.go",
		"internal/engine/frames.go",
		"qlog/frames.go",
		"wire/describe.go",
		"wire/frame.go",
	}
	if diff := cmp.Diff(want, naming(t, "FrameBlocked", "AppendBlocked", "blockedFrame", "blockedRoom", "blockedAt", "sayBlocked")); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	content, err := os.ReadFile(filepath.Join(root, "docs/design.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(content), "\n**A frame**")
	paragraph, _, _ := strings.Cut(rest, "\n\n")
	for _, file := range []string{"wire/frame.go", "wire/describe.go", "wire.md", "testdata/packets", "frame_NAME.go", "frames.go", "conn.go"} {
		if !strings.Contains(paragraph, "`"+file) && !strings.Contains(paragraph, "["+file+"]") {
			t.Errorf("the page does not name %s", file)
		}
	}
}

// TestAControllerOutsideTheModule: a congestion controller in a module of its own, which sees what everybody sees, drives a
// connection over loopback.
func TestAControllerOutsideTheModule(t *testing.T) {
	cmd := exec.Command("go", "test", "-count=1", "./...")
	cmd.Dir = "testdata/outside"
	cmd.Env = append(os.Environ(), "GOWORK=", "GOFLAGS=-mod=readonly")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
