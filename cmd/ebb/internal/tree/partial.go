package tree

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"hash"
	"io/fs"
	"os"
	"path"
	"strings"
	"time"

	"example.com/ebb/cmd/ebb/internal/transfer"
)

const (
	partialPrefix = "ebb-"
	keyLength     = 26
	randomLength  = 13
)

// keyOf stands for a name of any characters, and of any length.
func keyOf(name string) string {
	sum := sha256.Sum256([]byte(name))
	return base32.StdEncoding.EncodeToString(sum[:])[:keyLength]
}

// partialName is a new name beside the path.
func partialName(name string) string {
	dir, base := path.Split(name)
	return dir + partialPrefix + keyOf(base) + "-" + rand.Text()[:randomLength] + transfer.PartialSuffix
}

// isPartial reports whether a name is one of a file that is being received.
func isPartial(name string) bool { return strings.HasSuffix(name, transfer.PartialSuffix) }

// isTemporary reports whether a name is of a form that only we give to what is not complete: a file of a folder, the mark of an
// unfinished folder, or a file that is received alone. Others that end alike are a user's.
func isTemporary(name string) bool {
	_, ok := partialKey(name)
	return ok && isPartial(name) || transfer.IsTemporary(name)
}

// partialKey is what the name of a partial file stands for.
func partialKey(name string) (key string, ok bool) {
	name, ok = strings.CutPrefix(strings.TrimSuffix(name, transfer.PartialSuffix), partialPrefix)
	if !ok || len(name) != keyLength+1+randomLength || name[keyLength] != '-' {
		return "", false
	}
	return name[:keyLength], true
}

// Partial is a file on its way. It gets its name whole, or stays behind for the next time, or disappears.
type Partial struct {
	store *Store
	path  string // that it will have
	name  string // that it has
	file  *os.File
	hash  hash.Hash
	size  int64
}

// NewPartial begins the file that will be at path. Only its owner can read it until it is complete.
func (s *Store) NewPartial(path string) (*Partial, error) {
	name := partialName(path)
	file, err := s.Root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	transfer.Lock(file)
	return &Partial{store: s, path: path, name: name, file: file, hash: sha256.New()}, nil
}

// Write implements io.Writer.
func (p *Partial) Write(b []byte) (int, error) {
	n, err := p.file.Write(b)
	p.hash.Write(b[:n])
	p.size += int64(n)
	return n, err
}

// Size is how many bytes were written.
func (p *Partial) Size() int64 { return p.size }

// Sum is the SHA-256 of what was written.
func (p *Partial) Sum() (sum [sha256.Size]byte) {
	p.hash.Sum(sum[:0])
	return sum
}

// durableSize is from which size on a file is on the disk before it has its name. Smaller ones are many, and cost
// little to send again; Store.Sync is for all of them together.
const durableSize = 1 << 20

// Commit gives the complete file its mode, its time and its name. Without replacing it fails with an error that matches
// fs.ErrExist if the name is taken. After a failure the file has its temporary name still.
func (p *Partial) Commit(e Entry, replacing bool) error {
	err := p.file.Chmod(e.Mode &^ p.store.Umask)
	if err == nil && p.size >= durableSize {
		err = p.file.Sync()
	}
	if err == nil {
		err = p.store.Root.Chtimes(p.name, time.Time{}, e.Modified)
	}
	if err == nil {
		err = transfer.Place(p.store.Root, p.name, p.path, replacing)
	}
	if err != nil {
		return err
	}
	p.close()
	if !replacing {
		p.store.remove(p.name) // the other link
	}
	return nil
}

// worthKeeping is from which size on a partial file is left for the next time.
const worthKeeping = 64 << 10

// Leave ends a file that is not complete: it stays for the next time if it is worth it, and nobody else has brought e
// meanwhile.
func (p *Partial) Leave(e Entry) {
	found, _, err := p.store.Look(e)
	useless := p.size < worthKeeping || err == nil && found == Same
	p.close()
	if useless {
		p.store.removeQuietly(p.name)
	}
}

// Discard ends a file that serves nobody.
func (p *Partial) Discard() {
	p.close()
	p.store.remove(p.name)
}

func (p *Partial) close() { p.file.Close() }

func (s *Store) remove(name string) error {
	if err := s.Root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// removeQuietly leaves the folder the time that it has: whoever finished it has set it.
func (s *Store) removeQuietly(name string) error {
	dir := path.Dir(name)
	info, err := s.Root.Lstat(dir)
	if err := s.remove(name); err != nil {
		return err
	}
	if err == nil {
		s.Root.Chtimes(dir, time.Time{}, info.ModTime())
	}
	return nil
}

// RemoveLeftover removes a partial file that nobody writes.
func (s *Store) RemoveLeftover(name string) error {
	f, err := s.Root.OpenFile(name, os.O_RDONLY|nonBlocking, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	if !transfer.Lock(f) {
		return errors.New("somebody is writing it")
	}
	if onWindows { // which removes nothing that is open; elsewhere nobody is to lock it before it is gone
		f.Close()
	}
	return s.removeQuietly(name)
}

// Sweep removes the partial files below the directory that nobody has written to since a time, and nobody writes. Those of files that
// are received alone, which serve no other session, are removed whenever they were written to. It returns how many. What cannot be
// read is left alone.
func Sweep(ctx context.Context, root *os.Root, before time.Time) (removed int) {
	s := Store{Root: root}
	fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case ctx.Err() != nil:
			return fs.SkipAll
		case err != nil && d != nil && d.IsDir():
			return fs.SkipDir
		case err != nil || d.IsDir() || !isTemporary(d.Name()):
			return nil
		}
		info, err := d.Info()
		if err == nil && (info.ModTime().Before(before) || info.Mode().IsRegular() && transfer.IsTemporary(d.Name())) && (!info.Mode().IsRegular() && s.remove(name) == nil ||
			info.Mode().IsRegular() && s.RemoveLeftover(name) == nil) {
			removed++
		}
		return nil
	})
	return removed
}
