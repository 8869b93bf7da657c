package transfer

import (
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io/fs"
	"os"
	"strings"
)

// PartialSuffix ends the name of a file that is still being received. One that nobody has locked (see Lock)
// was left behind by a process that was killed, and may be deleted.
const PartialSuffix = ".ebb-partial"

// partialPrefix begins the name of one.
const partialPrefix = "ebb-"

// IsTemporary reports whether a name is of the form that a file has which is received alone, as long as it is not complete.
func IsTemporary(name string) bool {
	random, ok := strings.CutPrefix(strings.TrimSuffix(name, PartialSuffix), partialPrefix)
	return ok && strings.HasSuffix(name, PartialSuffix) && len(random) == randomLength && strings.Trim(random, base32) == ""
}

// randomLength is how many characters rand.Text has, and base32 which.
const (
	randomLength = 26
	base32       = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
)

// partial is a file on its way: hashed as it is written, under a temporary name
// of its own. It either gets its final name whole or disappears.
type partial struct {
	root *os.Root
	file *os.File
	name string // the temporary one
	hash hash.Hash
	err  error // the first failure of a write
}

// newPartial creates a temporary file that only its owner can read, and locks it. Another receiver that begins in the directory between
// the two takes it for one that was left behind, and removes it: then it is made once more.
func newPartial(root *os.Root) (*partial, error) {
	for attempt := 1; ; attempt++ {
		name := partialPrefix + rand.Text() + PartialSuffix
		file, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return nil, err
		}
		p := &partial{root: root, file: file, name: name, hash: sha256.New()}
		locked := Lock(file) || attempt == lockAttempts // where nothing can be locked, nobody else does it
		if _, err = root.Lstat(name); locked && !errors.Is(err, fs.ErrNotExist) {
			return p, nil
		}
		p.discard()
	}
}

// Write implements io.Writer. The first failure stays in p.err, so that a
// failure to store is told from one to receive.
func (p *partial) Write(b []byte) (int, error) {
	n, err := p.file.Write(b)
	p.hash.Write(b[:n])
	if err != nil && p.err == nil {
		p.err = err
	}
	return n, err
}

func (p *partial) sum() (sum [sha256.Size]byte) {
	p.hash.Sum(sum[:0])
	return sum
}

// commit makes the content durable and gives the file its name and mode. With
// overwrite it replaces what has the name; without, it fails with an error that
// matches fs.ErrExist, whoever took the name and however late.
func (p *partial) commit(name string, mode fs.FileMode, overwrite bool) error {
	err := p.file.Chmod(mode)
	if err == nil {
		err = p.file.Sync()
	}
	if closeErr := p.file.Close(); err == nil {
		err = closeErr
	}
	p.file = nil
	if err != nil {
		return err
	}
	if err = Place(p.root, p.name, name, overwrite); err == nil {
		p.syncDir()
	}
	return err
}

// discard removes what has the temporary name. It follows every newPartial; after
// a commit that is at most a second link to the file.
func (p *partial) discard() error {
	if p.file != nil {
		p.file.Close()
		p.file = nil
	}
	if err := p.root.Remove(p.name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Place gives the complete file that is called temporary its name. With overwrite it replaces what has the name;
// without, it fails with an error that matches fs.ErrExist, whoever took the name and however late. Both names are paths
// below root. The temporary name may remain, as a second link to the file.
func Place(root *os.Root, temporary, name string, overwrite bool) error {
	if overwrite {
		return root.Rename(temporary, name)
	}
	// A hard link is the one operation that both names a complete file and never replaces another.
	err := root.Link(temporary, name)
	if err == nil || errors.Is(err, fs.ErrExist) {
		return err
	}
	return claim(root, temporary, name)
}

// claim is Place for file systems without hard links: it takes the name with
// an empty file of its own and renames over that.
func claim(root *os.Root, temporary, name string) error {
	placeholder, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	placeholder.Close()
	if err := root.Rename(temporary, name); err != nil {
		return errors.Join(err, root.Remove(name))
	}
	return nil
}

// syncDir makes the new name durable where directories can be synchronised. A
// failure is not reported: the file is complete, and some systems cannot.
func (p *partial) syncDir() {
	if dir, err := p.root.Open("."); err == nil {
		dir.Sync()
		dir.Close()
	}
}

// Reason is an error without the temporary name that means nothing to a peer.
func Reason(err error) string {
	var path *fs.PathError
	var link *os.LinkError
	switch {
	case errors.As(err, &path):
		return fmt.Sprintf("%s: %v", operation(path.Op), path.Err)
	case errors.As(err, &link):
		return fmt.Sprintf("%s: %v", operation(link.Op), link.Err)
	}
	return err.Error()
}

// operation is the name of an operation of an os.Root without what tells that it is relative to a directory: open of openat.
func operation(op string) string {
	if short := strings.TrimSuffix(op, "at"); !strings.HasSuffix(op, "stat") {
		return short
	}
	return op
}
