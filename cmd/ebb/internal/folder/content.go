package folder

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"example.com/ebb/cmd/ebb/internal/tree"
	"example.com/ebb/internal/untrusted"
)

// content does what a frame about content says.
func (s *receiveSession) content(f frame) error {
	p := fields{b: f.payload}
	if f.kind == frameContent {
		number := p.u64()
		if err := p.end(); err != nil {
			return err
		}
		return s.begin(number)
	}
	w := s.current
	if w == nil {
		return protocolErrorf("content of nothing")
	}
	switch f.kind {
	case frameData:
		return s.data(w, f.payload, true)
	case frameCopy:
		first, count := p.u32(), p.u32()
		if err := p.end(); err != nil {
			return err
		}
		return s.copyChunks(w, int64(first), int64(count))
	case frameHeld:
		held := p.u64()
		if err := p.end(); err != nil {
			return err
		}
		if held > uint64(w.entry.Size) || int64(held) < w.held {
			return protocolErrorf("%d bytes of %d are said to be here", held, w.entry.Size)
		}
		s.conn.Credit(int64(held) - w.held)
		w.held = int64(held)
		return nil
	case frameWithdraw:
		message := p.rest()
		if err := p.end(); err != nil {
			return err
		}
		if s.store.DryRun && message == "" { // its content is another
			return s.finish(w, CodeWould, nil)
		}
		return s.finish(w, CodeWithdrawn, errors.New("the sender says: "+message.String()))
	}
	var sum [sha256.Size]byte
	copy(sum[:], p.take(len(sum)))
	if err := p.end(); err != nil {
		return err
	}
	if f.kind == frameSame {
		return s.same(w)
	}
	return s.whole(w, sum)
}

// begin begins the content of a file.
func (s *receiveSession) begin(number uint64) error {
	s.mu.Lock()
	w := s.wants[number]
	s.mu.Unlock()
	if s.current != nil || w == nil {
		return protocolErrorf("content of file %d, which is not wanted, or within another's", number)
	}
	w.began = time.Now()
	s.current = w
	if s.Meter != nil {
		name := untrusted.Text(w.entry.Path)
		s.Meter.current.Store(&name)
	}
	return nil
}

// partial returns the file that content is written to, or nil if the file has failed.
func (s *receiveSession) partial(w *wanted) (*tree.Partial, error) {
	if w.part != nil || w.failed {
		return w.part, nil
	}
	if w.found != nil && !s.Overwrite {
		return nil, s.fail(w, tree.ErrTaken)
	}
	part, err := s.store.NewPartial(w.entry.Path)
	if err != nil {
		return nil, s.fail(w, err)
	}
	w.part = part
	return part, nil
}

// fail answers at once for a file that cannot be stored; what comes of it is dropped. The error is not nil if nothing can
// be stored.
func (s *receiveSession) fail(w *wanted, err error) error {
	w.failed = true
	s.giveBack(w.entry.Size)
	code := CodeStorage
	if errors.Is(err, fs.ErrExist) || errors.Is(err, tree.ErrTaken) {
		code = CodeTaken
	}
	s.answer(w.number, w.entry, code, err, w)
	if isFull(err) {
		return &storageError{path: w.entry.Path, err: err}
	}
	return s.flush()
}

// data stores content.
func (s *receiveSession) data(w *wanted, b []byte, wire bool) error {
	if wire {
		w.wire += int64(len(b))
	}
	s.moved(int64(len(b)), wire)
	part, err := s.partial(w)
	if part == nil {
		return err
	}
	if part.Size()+int64(len(b)) > w.entry.Size {
		return protocolErrorf("more content than the %d bytes of %s", w.entry.Size, untrusted.Text(w.entry.Path))
	}
	if _, err := part.Write(b); err != nil {
		return s.fail(w, err)
	}
	return nil
}

// copyChunks stores chunks that are here.
func (s *receiveSession) copyChunks(w *wanted, first, count int64) error {
	if count < 1 || first+count > int64(len(w.chunks)) {
		return protocolErrorf("chunks %d to %d of %d", first, first+count, len(w.chunks))
	}
	if w.open == nil {
		w.open = make([]*os.File, len(w.basis))
	}
	buf := make([]byte, maxData)
	for _, c := range w.chunks[first : first+count] {
		if w.open[c.file] == nil {
			f, err := s.store.OpenBasis(w.basis[c.file])
			if err != nil {
				return s.fail(w, fmt.Errorf("what was here of it is gone: %w", err))
			}
			w.open[c.file] = f
		}
		r := io.NewSectionReader(w.open[c.file], c.offset, int64(c.length))
		for left := c.length; left > 0 && !w.failed; {
			n, err := io.ReadFull(r, buf[:min(left, len(buf))])
			if err != nil {
				return s.fail(w, fmt.Errorf("what was here of it has changed: %w", unexpected(err)))
			}
			if err := s.data(w, buf[:n], false); err != nil {
				return err
			}
			left -= n
		}
		s.conn.Credit(int64(c.length))
		if err := s.ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

// same ends a file whose content is that of the one which has the name.
func (s *receiveSession) same(w *wanted) error {
	if w.whole == 0 || w.part != nil {
		return protocolErrorf("content is said to be that of a file which is not here")
	}
	if w.failed {
		return s.finish(w, CodeStorage, nil)
	}
	info, err := s.Root.Lstat(w.entry.Path)
	if err != nil || !os.SameFile(info, w.found) || info.Size() != w.found.Size() || !info.ModTime().Equal(w.found.ModTime()) {
		return s.finish(w, CodeStorage, errors.New("it changed meanwhile"))
	}
	s.moved(w.entry.Size, false)
	if !s.Overwrite || info.ModTime().Equal(w.entry.Modified) && info.Mode().Perm() == w.entry.Mode&^s.Umask {
		return s.finish(w, CodeKept, nil)
	}
	if err := s.store.Touch(w.entry); err != nil {
		return s.finish(w, CodeStorage, err)
	}
	return s.finish(w, CodeTouched, nil)
}

// whole ends a file whose content has come.
func (s *receiveSession) whole(w *wanted, sum [sha256.Size]byte) error {
	part, err := s.partial(w) // an empty file has had no content yet
	if err != nil || w.failed {
		return errors.Join(err, s.finish(w, CodeStorage, nil))
	}
	switch {
	case part.Size() != w.entry.Size:
		return protocolErrorf("the end of %s after %d of %d bytes", untrusted.Text(w.entry.Path), part.Size(), w.entry.Size)
	case part.Sum() != sum:
		return s.finish(w, CodeSum, errors.New("the SHA-256 of what arrived does not match"))
	}
	if err := part.Commit(w.entry, w.found != nil); err != nil {
		if isFull(err) {
			return s.fail(w, err)
		}
		if errors.Is(err, fs.ErrExist) {
			return s.finish(w, CodeTaken, errors.New("something of this name appeared meanwhile"))
		}
		return s.finish(w, CodeStorage, err)
	}
	w.part = nil
	for _, name := range w.basis {
		if name != w.entry.Path {
			s.store.RemoveLeftover(name)
		}
	}
	return s.finish(w, CodeStored, nil)
}

// finish ends a wanted file, and answers unless it has failed before.
func (s *receiveSession) finish(w *wanted, code Code, why error) error {
	s.current = nil
	if w.part != nil {
		if code == CodeWithdrawn {
			w.part.Leave(w.entry) // the sender may send it another time
		} else {
			w.part.Discard()
		}
		w.part = nil
	}
	w.closeBasis()
	s.mu.Lock()
	delete(s.wants, w.number)
	s.chunks -= len(w.chunks)
	s.room.Broadcast()
	s.mu.Unlock()
	if w.failed {
		return nil
	}
	if code != CodeStored {
		s.giveBack(w.entry.Size)
	}
	s.answer(w.number, w.entry, code, why, w)
	return nil
}

func (w *wanted) closeBasis() {
	for _, f := range w.open {
		if f != nil {
			f.Close()
		}
	}
	w.open = nil
}
