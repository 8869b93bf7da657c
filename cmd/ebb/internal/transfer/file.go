package transfer

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// File is a regular file as it was when it was offered.
type File struct {
	Path     string      // where it is read
	Name     string      // what the receiver calls it: one path element
	Size     int64       // bytes
	Mode     fs.FileMode // permission bits
	Modified time.Time
}

// Stat describes the file at path, following symbolic links. Anything but a
// regular file is an error, and so is a name that no receiver accepts.
func Stat(path string) (File, error) {
	info, err := os.Stat(path)
	if err != nil {
		return File{}, err
	}
	file := describe(path, info)
	if !info.Mode().IsRegular() {
		return File{}, &fs.PathError{Op: "send", Path: path, Err: errors.New("not a regular file")}
	}
	if err := CheckName(file.Name); err != nil {
		return File{}, &fs.PathError{Op: "send", Path: path, Err: err}
	}
	return file, nil
}

func describe(path string, info fs.FileInfo) File {
	return File{
		Path: path, Name: filepath.Base(path), Size: info.Size(),
		Mode: info.Mode().Perm(), Modified: info.ModTime(),
	}
}

// open opens the file for reading if it is still what was offered.
func (f File) open() (*os.File, error) {
	r, err := os.Open(f.Path)
	if err != nil {
		return nil, err
	}
	if err := f.unchanged(r); err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

// unchanged reports a change of the open file since it was offered.
func (f File) unchanged(r *os.File) error {
	info, err := r.Stat()
	if err != nil {
		return err
	}
	if size := info.Size(); size != f.Size {
		return fmt.Errorf("%s changed while being sent: it had %d bytes and has %d now", f.Path, f.Size, size)
	}
	if !info.ModTime().Equal(f.Modified) {
		return fmt.Errorf("%s changed while being sent: it was written to", f.Path)
	}
	return nil
}

// ended reports a change of the open file after all its bytes were read. Reading
// on tells growth even where sizes and times are reported late.
func (f File) ended(r *os.File) error {
	if n, err := r.Read(make([]byte, 1)); n > 0 || err != io.EOF {
		return fmt.Errorf("%s changed while being sent: it has more than its %d bytes now", f.Path, f.Size)
	}
	return f.unchanged(r)
}
