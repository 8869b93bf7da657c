package tree

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"time"

	"example.com/ebb/cmd/ebb/internal/transfer"
)

// Dir is a folder that is being received. One goroutine uses it.
type Dir struct {
	store *Store
	entry Entry
	made  bool                // by us, or by a session before that did not finish it
	had   fs.FileMode         // permission bits, if it was there
	extra map[string]struct{} // with Delete: the names in it that no entry has had yet
	left  map[string][]string // partial files that are somebody's or nobody's, by what they stand for; nil: not looked
}

// Top is the receiver's directory itself, which nothing is deleted from and whose mode and time stay.
func (s *Store) Top() *Dir { return &Dir{store: s, entry: Entry{Path: ".", Kind: Folder}} }

// Enter begins with the folder e: it makes it, in the place of what Look has found there, or uses the one that is there.
// Until Leave its owner may write into it. With deleting, Leave deletes what Mention has not named.
func (s *Store) Enter(e Entry, found Found, info fs.FileInfo, deleting bool) (*Dir, error) {
	d := &Dir{store: s, entry: e, made: found != Same}
	if found == Different {
		if err := s.MakeRoom(e, info); err != nil {
			return nil, err
		}
	}
	if found != Same {
		d.left = map[string][]string{}
		if s.DryRun {
			return d, nil
		}
		if err := s.Root.Mkdir(e.Path, 0o700); err != nil {
			return nil, err
		}
		return d, s.mark(e.Path)
	}
	d.had = info.Mode().Perm()
	d.made = s.marked(e.Path)
	if d.had&reachable != reachable && !s.DryRun {
		if err := s.Root.Chmod(e.Path, d.had|reachable); err != nil {
			return nil, err
		}
	}
	if deleting && s.Delete {
		if err := d.list(); err != nil {
			return nil, err
		}
	} else {
		deleting = false
	}
	return d, nil
}

// list looks at what is in the folder.
func (d *Dir) list() error {
	dir, err := d.store.Root.Open(d.entry.Path)
	if err != nil {
		return err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return err
	}
	d.left, d.extra = make(map[string][]string), make(map[string]struct{})
	for _, name := range names {
		if !isPartial(name) {
			d.extra[name] = struct{}{}
		} else if key, ok := partialKey(name); ok {
			d.left[key] = append(d.left[key], path.Join(d.entry.Path, name))
		}
	}
	return nil
}

// Mention says that the sender has an entry of this name in the folder.
func (d *Dir) Mention(name string) { delete(d.extra, name) }

// maxLeftovers is how many files that were left behind serve one file.
const maxLeftovers = 4

// Leftovers is the paths of partial files that were begun for the file of this name in the folder.
func (d *Dir) Leftovers(name string) []string {
	if d.left == nil {
		extra := d.extra
		if d.list() != nil {
			return nil
		}
		d.extra = extra
	}
	found := d.left[keyOf(name)]
	return found[:min(len(found), maxLeftovers)]
}

// Leave ends the folder: with Delete it deletes what no entry has named, if the sender has named all that it has, and tells
// the paths; then the folder gets the mode and time of its entry, if it is new or may be overwritten.
func (d *Dir) Leave(complete bool, deleted func(path string)) error {
	var failed error
	if complete {
		for _, name := range slices.Sorted(maps.Keys(d.extra)) {
			full := path.Join(d.entry.Path, name)
			if !d.store.DryRun {
				if err := d.store.Root.RemoveAll(full); err != nil {
					failed = errors.Join(failed, err)
					continue
				}
			}
			deleted(full)
		}
	}
	if d.store.DryRun {
		return failed
	}
	mode, when := d.had, time.Time{}
	if d.made || d.store.Overwrite {
		mode, when = d.entry.Mode&^d.store.Umask, d.entry.Modified
	}
	if d.made {
		failed = errors.Join(failed, d.store.remove(markOf(d.entry.Path)))
	}
	if err := d.store.Root.Chmod(d.entry.Path, mode); err != nil {
		return errors.Join(failed, err)
	}
	if !when.IsZero() {
		failed = errors.Join(failed, d.store.Root.Chtimes(d.entry.Path, time.Time{}, when))
	}
	return failed
}

// Abandon ends a folder whose session has broken: it has the mode that it had, or nearly that of its entry. A new one is
// still marked, so that the next session gives it what it is to have.
func (d *Dir) Abandon() {
	root, name := d.store.Root, d.entry.Path
	switch {
	case d.store.DryRun || name == ".":
	case d.made && d.store.marked(name):
		root.Chmod(name, (d.entry.Mode|reachable)&^d.store.Umask)
	case !d.made && d.had&reachable != reachable:
		if info, err := root.Lstat(name); err == nil && info.Mode().Perm() == d.had|reachable {
			root.Chmod(name, d.had)
		}
	}
}

// markOf is the name of an empty file in a folder that was made, and does not have its mode and time yet. It is one of
// partial files, so no entry has it.
func markOf(dir string) string {
	return path.Join(dir, partialPrefix+keyOf(".")+"-"+"UNFINISHEDDIR"+transfer.PartialSuffix)
}

func (s *Store) mark(dir string) error {
	f, err := s.Root.OpenFile(markOf(dir), os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

// marked reports whether a folder was made by a session that has not finished it.
func (s *Store) marked(dir string) bool {
	info, err := s.Root.Lstat(markOf(dir))
	return err == nil && info.Mode().IsRegular()
}
