package tree

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// Source is a folder or a file that is to be sent. Close gives back what it holds open.
type Source struct {
	name   string   // what the receiver calls it
	root   *os.Root // the directory that the entry is in, or for a folder the folder itself
	folder bool
	base   string // of what is sent, in root
	disk   string // root's path, for messages and for following
	follow bool
}

// Open opens what is at path for sending. Its name for the receiver is the last element of path, made absolute. With
// follow symbolic links stand for what they lead to, wherever that is.
func Open(path string, follow bool) (*Source, error) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(absolute)
	if err != nil {
		return nil, err
	}
	s := &Source{name: filepath.Base(absolute), follow: follow, folder: info.IsDir(), base: ".", disk: absolute}
	if s.name == string(filepath.Separator) || filepath.VolumeName(absolute) == s.name {
		return nil, &fs.PathError{Op: "send", Path: path, Err: errors.New("a whole file system has no name")}
	}
	if !s.folder {
		if !info.Mode().IsRegular() {
			return nil, &fs.PathError{Op: "send", Path: path, Err: errors.New("neither a file nor a folder")}
		}
		s.follow = true // what is named is meant, as with a file that is sent alone
		s.base, s.disk = s.name, filepath.Dir(absolute)
	}
	if s.root, err = os.OpenRoot(s.disk); err != nil {
		return nil, err
	}
	return s, nil
}

// Name is what the receiver calls it.
func (s *Source) Name() string { return s.name }

// Close closes it.
func (s *Source) Close() error { return s.root.Close() }

// Item is what Walk tells: an entry, the end of a folder, or why there is none.
type Item struct {
	Entry
	Source *Source
	Err    error // why it is not sent: then only Path is set
	// End says that all entries of a folder were told. Complete says that none is missing because it could not be read;
	// what is no file, folder or link is not missing, nor what has a name that is reserved.
	End, Complete bool
}

// odd is the error of an entry that is none to send.
type odd string

func (e odd) Error() string { return string(e) }

// walker is one Walk.
type walker struct {
	*Source
	ctx     context.Context
	yield   func(Item) bool
	parents []fs.FileInfo // the folders that we are in, with follow
	stopped bool
}

// Walk tells everything in the sources, until ctx ends or yield returns false. A folder comes before what is in it, and
// its End behind that. It holds the names of as many folders as are nested.
func Walk(ctx context.Context, sources []*Source, yield func(Item) bool) {
	for _, s := range sources {
		w := &walker{Source: s, ctx: ctx, yield: yield}
		w.entry(s.base, s.name)
		if w.stopped {
			return
		}
	}
}

// tell reports whether to go on.
func (w *walker) tell(item Item) bool {
	item.Source = w.Source
	w.stopped = w.stopped || w.ctx.Err() != nil || !w.yield(item)
	return !w.stopped
}

// entry tells what is called inside in the source and name at the receiver. It reports whether it could be read.
func (w *walker) entry(inside, name string) (complete bool) {
	e, info, err := w.describe(inside, name)
	if err != nil {
		w.tell(Item{Entry: Entry{Path: name}, Err: err})
		var nothing odd
		return errors.As(err, &nothing)
	}
	if e.Kind != Folder {
		w.tell(Item{Entry: e})
		return true
	}
	if w.follow {
		if slices.ContainsFunc(w.parents, func(p fs.FileInfo) bool { return os.SameFile(p, info) }) {
			w.tell(Item{Entry: Entry{Path: name}, Err: odd("a link to a folder that it is in")})
			return true
		}
		w.parents = append(w.parents, info)
		defer func() { w.parents = w.parents[:len(w.parents)-1] }()
	}
	names, err := w.list(inside)
	if err != nil {
		w.tell(Item{Entry: Entry{Path: name}, Err: err})
		return false
	}
	if !w.tell(Item{Entry: e}) {
		return false
	}
	complete = true
	for _, n := range names {
		complete = w.entry(path.Join(inside, n), name+"/"+n) && complete
		if w.stopped {
			return false
		}
	}
	w.tell(Item{Entry: e, End: true, Complete: complete})
	return true
}

// list is the sorted names in a folder, without the ones of files that are being received there. Any other name that ends
// as theirs does is told, as one that no receiver takes.
func (w *walker) list(inside string) ([]string, error) {
	dir, err := w.openFile(inside, os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	slices.Sort(names)
	return slices.DeleteFunc(names, isTemporary), nil
}

// describe looks at an entry.
func (w *walker) describe(inside, name string) (Entry, fs.FileInfo, error) {
	var info fs.FileInfo
	var err error
	if w.follow {
		info, err = os.Stat(w.onDisk(inside))
	} else {
		info, err = w.root.Lstat(inside)
	}
	if err != nil {
		return Entry{}, nil, err
	}
	e := Entry{Path: name, Mode: info.Mode().Perm(), Modified: info.ModTime()}
	if err := CheckPath(name); err != nil {
		if isPartial(name) { // nor does the receiver have one, which could be deleted there
			err = odd(err.Error())
		}
		return Entry{}, nil, err
	}
	switch kind := info.Mode().Type(); kind {
	case 0:
		e.Kind, e.Size = File, info.Size()
	case fs.ModeDir:
		e.Kind = Folder
	case fs.ModeSymlink:
		e.Kind = Link
		if e.Target, err = w.root.Readlink(inside); err == nil && len(e.Target) > MaxTarget {
			err = fmt.Errorf("the link has %d bytes, at most %d are sent", len(e.Target), MaxTarget)
		}
		e.Target = filepath.ToSlash(e.Target)
	default:
		err = odd("neither a file nor a folder nor a link: " + kindName(kind))
	}
	return e, info, err
}

func kindName(mode fs.FileMode) string {
	switch {
	case mode&fs.ModeNamedPipe != 0:
		return "a named pipe"
	case mode&fs.ModeSocket != 0:
		return "a socket"
	case mode&fs.ModeDevice != 0:
		return "a device"
	}
	return mode.String()
}

func (s *Source) onDisk(inside string) string {
	return filepath.Join(s.disk, filepath.FromSlash(inside))
}

// openFile never waits for the other end of a pipe that has taken the place of a file.
func (s *Source) openFile(inside string, flags int) (*os.File, error) {
	if s.follow {
		return os.OpenFile(s.onDisk(inside), flags|nonBlocking, 0)
	}
	return s.root.OpenFile(inside, flags|nonBlocking, 0)
}

// OpenFile opens a File that Walk has told, if it is as it was then.
func (i Item) OpenFile() (*os.File, error) {
	f, err := i.Source.openFile(i.inside(), os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	if err := i.Unchanged(f); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// inside is the path in the source.
func (i Item) inside() string {
	if !i.Source.folder {
		return i.Source.base
	}
	return strings.TrimPrefix(strings.TrimPrefix(i.Path, i.Source.name), "/")
}

// Unchanged reports a change of the open file since Walk told it.
func (i Item) Unchanged(f *os.File) error {
	info, err := f.Stat()
	switch {
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return errors.New("it was a file and is none any more")
	case info.Size() != i.Size:
		return fmt.Errorf("it changed while being sent: it had %d bytes and has %d now", i.Size, info.Size())
	case !info.ModTime().Equal(i.Modified):
		return errors.New("it changed while being sent: it was written to")
	}
	return nil
}
