package tree

import (
	"context"
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/ebb/cmd/ebb/internal/transfer"
)

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func openStore(t *testing.T, dir string) *Store {
	t.Helper()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	return &Store{Root: root}
}

func TestCheckPath(t *testing.T) {
	for path, allowed := range map[string]bool{
		"a": true, "a/b/c": true, "a/-rf": true, "a/.hidden": true, "a/" + strings.Repeat("x", 255): true,
		"": false, "/": false, "/a": false, "a/": false, "a//b": false, ".": false, "..": false, "a/..": false, "a/../b": false,
		"a/.": false, "a\x00": false, "a/b\x00c": false, "-a": false, "CON": false, "a/b" + transfer.PartialSuffix: false,
		"a/" + strings.Repeat("x", 256): false, strings.Repeat("a/", 2048) + "ab": false,
		// What is odd and not dangerous depends on the system.
		"a/two\nlines": runtime.GOOS != "windows", "a/\xff": runtime.GOOS != "windows", "a/aux.c": runtime.GOOS != "windows",
		`a/b\c`: runtime.GOOS != "windows", "a/b:c": runtime.GOOS != "windows",
	} {
		if err := CheckPath(path); (err == nil) != allowed {
			t.Errorf("%.40q: %v", path, err)
		}
	}
}

func TestCheckTarget(t *testing.T) {
	for _, test := range []struct {
		name, target string
		allowed      bool
	}{
		{"l", "a", true}, {"l", "a/b", true}, {"l", "./a", true}, {"l", ".", true}, {"d/l", "..", true}, {"d/l", "../a", true},
		{"d/e/l", "../../a", true}, {"d/l", "./../a", true},
		{"l", "..", false}, {"l", "../a", false}, {"d/l", "../..", false}, {"d/l", "../../a", false}, {"l", "/a", false},
		{"l", "a/..", false}, {"d/l", "a/../../b", false}, {"l", "", false}, {"l", "a\x00", false},
		{"l", strings.Repeat("x", MaxTarget+1), false},
	} {
		if err := CheckTarget(test.name, test.target); (err == nil) != test.allowed {
			t.Errorf("%s -> %.40s: %v", test.name, test.target, err)
		}
	}
}

// A walk tells a folder before what is in it, everything by name, and its end behind that; partial
// files are nobody's business, and what only ends as they do is told without a folder counting as incomplete.
func TestWalkHasOneOrder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "d")
	for _, name := range []string{"b/z", "b/a", "c", "a", partialName("x"), path.Base(markOf("d")), "ebb-" + rand.Text() + transfer.PartialSuffix,
		"mine" + transfer.PartialSuffix, "ebb-mine" + transfer.PartialSuffix} {
		write(t, filepath.Join(dir, name), name)
	}
	source, err := Open(dir, false)
	if err != nil {
		t.Fatal(err)
	}
	defer source.Close()
	var got []string
	Walk(context.Background(), []*Source{source}, func(i Item) bool {
		name := i.Path
		if i.End && i.Complete {
			name += " end"
		}
		if i.Err != nil {
			name += ": " + i.Err.Error()
		}
		got = append(got, name)
		return true
	})
	const reserved = "names that end in .ebb-partial are reserved for files that are still being received"
	want := []string{"d", "d/a", "d/b", "d/b/a", "d/b/z", "d/b end", "d/c", "d/ebb-mine.ebb-partial: " + reserved, "d/mine.ebb-partial: " + reserved, "d end"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	got = nil
	Walk(context.Background(), []*Source{source}, func(i Item) bool { got = append(got, i.Path); return len(got) < 3 })
	if len(got) != 3 {
		t.Errorf("a walk that is stopped goes on to %q", got)
	}
}

// A file that has become something else, or a link to elsewhere, is not opened.
func TestFilesThatAreSwapped(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("links need a privilege on Windows")
	}
	around := t.TempDir()
	write(t, filepath.Join(around, "secret"), "12345")
	dir := filepath.Join(around, "d")
	for name, swap := range map[string]func(path string) error{
		"link":    func(path string) error { return os.Symlink("../secret", path) },
		"folder":  func(path string) error { return os.Mkdir(path, 0o755) },
		"content": func(path string) error { return os.WriteFile(path, []byte("123456"), 0o644) },
	} {
		path := filepath.Join(dir, name)
		write(t, path, "12345")
		source, err := Open(dir, false)
		if err != nil {
			t.Fatal(err)
		}
		var item Item
		Walk(context.Background(), []*Source{source}, func(i Item) bool {
			if i.Path == "d/"+name {
				item = i
			}
			return true
		})
		os.Remove(path)
		if err := swap(path); err != nil {
			t.Fatal(err)
		}
		if f, err := item.OpenFile(); err == nil {
			f.Close()
			t.Errorf("%s: it is opened", name)
		}
		source.Close()
	}
}

// A new file gets its name whole, and never that of another.
func TestPartial(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir)
	e := Entry{Path: "a", Kind: File, Mode: 0o640, Size: 3, Modified: time.Unix(1e9, 5000)}
	for i, want := range []error{nil, fs.ErrExist} {
		p, err := s.NewPartial("a")
		if err != nil {
			t.Fatal(err)
		}
		p.Write([]byte("abc"))
		if err := p.Commit(e, false); !errors.Is(err, want) {
			t.Errorf("commit %d: %v, want %v", i, err, want)
		}
		if want != nil {
			p.Discard()
		}
	}
	info, err := os.Stat(filepath.Join(dir, "a"))
	if err != nil || info.Mode() != 0o640 || !info.ModTime().Equal(e.Modified) {
		t.Errorf("%v, %v", info, err)
	}
	if found, _, err := s.Look(e); found != Same || err != nil {
		t.Errorf("Look: %v, %v", found, err)
	}
	if names, _ := os.ReadDir(dir); len(names) != 1 {
		t.Errorf("there is %v", names)
	}
}

// What is left of a file serves the next session, unless it is nothing; what somebody writes is not taken away; what is old
// is swept, and only that.
func TestLeftovers(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir)
	leave := func(size int) {
		p, err := s.NewPartial("a")
		if err != nil {
			t.Fatal(err)
		}
		p.Write(make([]byte, size))
		p.Leave(Entry{Path: "a", Kind: File, Size: 1 << 30})
	}
	leave(10)
	leave(worthKeeping)
	left := s.Top().Leftovers("a")
	if len(left) != 1 || len(s.Top().Leftovers("b")) != 0 {
		t.Fatalf("left are %q", left)
	}
	writing, err := s.NewPartial("a")
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "a"), "x")
	old := time.Now().Add(-48 * time.Hour)
	for _, name := range []string{"a", left[0], writing.name} {
		os.Chtimes(filepath.Join(dir, name), old, old)
	}
	if n := Sweep(context.Background(), s.Root, old.Add(-time.Hour)); n != 0 {
		t.Errorf("%d are swept that are not old", n)
	}
	if n := Sweep(context.Background(), s.Root, old.Add(time.Hour)); n != 1 {
		t.Errorf("%d are swept, want one: the other is being written", n)
	}
	if names, _ := os.ReadDir(dir); len(names) != 2 {
		t.Errorf("there is %v", names)
	}
	writing.Discard()
}

// What was left behind of a file that is received alone serves nobody, so that it is swept whenever it was written; what somebody
// is writing, and a user's file that is called nearly so, are not.
func TestLeftoversOfFilesAloneAreSwept(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir)
	temporary := func() string { return filepath.Join(dir, "ebb-"+rand.Text()+transfer.PartialSuffix) }
	left, writing, mine := temporary(), temporary(), filepath.Join(dir, "ebb-mine"+transfer.PartialSuffix)
	for _, path := range []string{left, writing, mine} {
		write(t, path, "x")
	}
	f, err := os.Open(writing)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	transfer.Lock(f)
	want := []string{filepath.Base(writing), filepath.Base(mine)}
	if runtime.GOOS == "windows" { // where one that was just written to may be somebody's
		want = append(want, filepath.Base(left))
	}
	Sweep(context.Background(), s.Root, time.Time{})
	var got []string
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		got = append(got, e.Name())
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A folder that was made and not finished gets its mode and time in the next session, one that was there keeps them.
func TestUnfinishedFolders(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir)
	e := Entry{Path: "d", Kind: Folder, Mode: 0o750, Modified: time.Unix(1e9, 0)}
	enter := func() *Dir {
		found, info, err := s.Look(e)
		if err != nil {
			t.Fatal(err)
		}
		d, err := s.Enter(e, found, info, false)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	enter() // and the process is killed
	if err := enter().Leave(true, func(string) {}); err != nil {
		t.Error(err)
	}
	check := func(mode fs.FileMode) {
		t.Helper()
		info, err := os.Stat(filepath.Join(dir, "d"))
		names, _ := os.ReadDir(filepath.Join(dir, "d"))
		if err != nil || info.Mode().Perm() != mode || !info.ModTime().Equal(e.Modified) || len(names) != 0 {
			t.Errorf("%v, %v, there is %v in it", info, err, names)
		}
	}
	check(0o750)
	e.Mode = 0o700
	if err := enter().Leave(true, func(string) {}); err != nil {
		t.Error(err)
	}
	check(0o750)
	s.Overwrite = true
	if err := enter().Leave(true, func(string) {}); err != nil {
		t.Error(err)
	}
	check(0o700)
}

// A directory that was removed is told from one that has another name, in which nothing is left behind.
func TestRemoved(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no folder that is open can be removed here")
	}
	dir := filepath.Join(t.TempDir(), "d")
	os.Mkdir(dir, 0o755)
	root := openStore(t, dir).Root
	os.Rename(dir, dir+".old")
	if Removed(root) {
		t.Error("a folder that was renamed counts as removed")
	}
	if err := os.Remove(dir + ".old"); err != nil { // it is empty
		t.Fatal(err)
	}
	if !Removed(root) {
		t.Error("a folder that was removed does not count as removed")
	}
}
