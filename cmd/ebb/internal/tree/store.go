package tree

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
	"time"
)

// Store is a directory that entries are received into. Its fields must not change while it is used; methods may be called
// from several goroutines.
type Store struct {
	Root      *os.Root    // the directory; nothing outside it is touched
	Overwrite bool        // whether what is received replaces what has its name
	Delete    bool        // whether what a sender does not have may be deleted, folders included
	DryRun    bool        // whether nothing is changed
	Umask     fs.FileMode // permission bits that nothing received has
	// OutsideLinks lets symbolic links lead out of the directory. Nothing is written through them either way.
	OutsideLinks bool
}

// ErrTaken matches the error of what does not replace what has its name.
var ErrTaken = errors.New("it exists with other content, and is not to be overwritten")

// ErrFolderTaken is ErrTaken where a folder has the name, which --overwrite alone does not replace.
var ErrFolderTaken = takenError("there is a folder of this name")

type takenError string

func (e takenError) Error() string        { return string(e) }
func (e takenError) Is(target error) bool { return target == ErrTaken }

// Found is what is at the place of an entry.
type Found uint8

// What there may be.
const (
	Missing   Found = iota
	Same            // the same kind; of files the size and the time too, of links what they lead to
	Different       // something else
)

// Removed reports whether the directory was removed while it is open here: nothing can be made in it any more. One that has another name
// is not removed.
func Removed(root *os.Root) bool {
	name := partialName("removed")
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err == nil {
		f.Close()
		root.Remove(name)
	}
	return errors.Is(err, fs.ErrNotExist)
}

// Look compares what is at the place of e with it. The FileInfo is nil if nothing is.
func (s *Store) Look(e Entry) (Found, fs.FileInfo, error) {
	info, err := s.Root.Lstat(e.Path)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return Missing, nil, nil
	case err != nil:
		return Missing, nil, err
	}
	same := false
	switch kind := info.Mode().Type(); {
	case e.Kind == File && kind == 0:
		same = info.Size() == e.Size && sameTime(info.ModTime(), e.Modified)
	case e.Kind == Folder:
		same = kind == fs.ModeDir
	case e.Kind == Link && kind == fs.ModeSymlink:
		target, err := s.Root.Readlink(e.Path)
		if err != nil {
			return Different, info, err
		}
		same = target == e.Target
	}
	if same {
		return Same, info, nil
	}
	return Different, info, nil
}

// sameTime reports whether a file system that was asked for the time want may say got: some keep whole seconds, others
// tenths of microseconds.
func sameTime(got, want time.Time) bool {
	if got.Unix() != want.Unix() {
		return false
	}
	return got.Nanosecond() == 0 || got.Nanosecond()/1000 == want.Nanosecond()/1000
}

// MakeRoom takes away what stands in the way of an entry of another kind, if it may.
func (s *Store) MakeRoom(e Entry, info fs.FileInfo) error {
	switch {
	case !s.Overwrite:
		return ErrTaken
	case info.IsDir() && e.Kind != Folder && !s.Delete:
		return ErrFolderTaken
	case s.DryRun:
		return nil
	case info.IsDir() && e.Kind != Folder:
		return s.Root.RemoveAll(e.Path)
	case !info.IsDir() && e.Kind == Folder:
		return s.Root.Remove(e.Path)
	}
	return nil
}

// CheckLink reports why the link e is not wanted.
func (s *Store) CheckLink(e Entry) error {
	err := CheckTarget(e.Path, e.Target)
	if s.OutsideLinks && errors.Is(err, errOutside) {
		return nil
	}
	return err
}

// PutLink makes the symbolic link e, in the place of what Look has found there.
func (s *Store) PutLink(e Entry, found fs.FileInfo) error {
	if found != nil {
		if err := s.MakeRoom(e, found); err != nil {
			return err
		}
	}
	if s.DryRun {
		return nil
	}
	temporary := partialName(e.Path)
	if err := s.Root.Symlink(e.Target, temporary); err != nil {
		return err
	}
	setLinkTime(s.Root, temporary, e.Modified)
	var err error
	if found == nil {
		// Nothing new takes a name that is taken: a second link to the link, and not a rename.
		if err = s.Root.Link(temporary, e.Path); err != nil && !errors.Is(err, fs.ErrExist) {
			err = s.Root.Symlink(e.Target, e.Path)
		}
	} else {
		err = s.Root.Rename(temporary, e.Path)
	}
	if err != nil || found == nil {
		s.Root.Remove(temporary)
	}
	return err
}

// Touch gives the file that has e's content its mode and time.
func (s *Store) Touch(e Entry) error {
	if s.DryRun {
		return nil
	}
	if err := s.Root.Chmod(e.Path, e.Mode&^s.Umask); err != nil {
		return err
	}
	return s.Root.Chtimes(e.Path, time.Time{}, e.Modified)
}

// OpenBasis opens a regular file for reading, to have what of another is in it already.
func (s *Store) OpenBasis(name string) (*os.File, error) {
	f, err := s.Root.OpenFile(name, os.O_RDONLY|nonBlocking, 0)
	if err != nil {
		return nil, err
	}
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		f.Close()
		return nil, errors.Join(err, &fs.PathError{Op: "open", Path: name, Err: errors.New("not a regular file")})
	}
	return f, nil
}

// Sync makes what was stored durable.
func (s *Store) Sync() error {
	dir, err := s.Root.Open(".")
	if err != nil {
		return err
	}
	defer dir.Close()
	return syncAll(dir)
}
