package folder

import (
	"errors"
	"fmt"
	"io/fs"
	"path"

	"example.com/ebb/cmd/ebb/internal/delta"
	"example.com/ebb/cmd/ebb/internal/tree"
	"example.com/ebb/internal/untrusted"
)

// folders is what the decider knows of the folders that were sent and not left.
type folders struct {
	byNumber map[uint64]*openFolder
	byPath   map[string]*openFolder
	splitter delta.Splitter
}

// openFolder is one of them; dir is nil if it was refused.
type openFolder struct {
	path string
	dir  *tree.Dir
}

// errRefusedFolder is why an entry in a refused folder is.
var errRefusedFolder = errors.New("the folder that it is in is not stored")

// decideAll decides about entries until the queue is closed. The first error ends the session.
func (s *receiveSession) decideAll() {
	all := &folders{
		byNumber: make(map[uint64]*openFolder),
		byPath:   map[string]*openFolder{".": {path: ".", dir: s.store.Top()}},
	}
	defer func() {
		for _, f := range all.byNumber {
			if f.dir != nil {
				f.dir.Abandon()
			}
		}
	}()
	for q := range s.queue {
		s.mu.Lock()
		over := s.ended || s.decideErr != nil
		s.mu.Unlock()
		if over {
			continue
		}
		err := s.decide(all, q)
		if s.undecided.Add(-1) == 0 && err == nil {
			err = s.flush()
		}
		if err != nil {
			s.mu.Lock()
			s.decideErr = err
			s.mu.Unlock()
			s.conn.Interrupt() // the reader has to know
		}
	}
}

// decide answers an entry, or says that its content is wanted.
func (s *receiveSession) decide(all *folders, q queued) error {
	if q.leave {
		return s.leave(all, q)
	}
	e := q.entry
	parent := all.byPath[path.Dir(e.Path)]
	if _, twice := all.byPath[e.Path]; twice || parent == nil {
		return protocolErrorf("%s comes twice, or before its folder", untrusted.Text(e.Path))
	}
	if e.Kind == tree.Folder {
		if len(all.byNumber) >= maxFolders {
			return protocolErrorf("more than %d folders", maxFolders)
		}
		f := &openFolder{path: e.Path}
		all.byNumber[q.number], all.byPath[e.Path] = f, f
	}
	if err := tree.CheckPath(e.Path); err != nil {
		s.answer(q.number, e, CodeName, err, nil)
		return nil
	}
	if parent.dir == nil {
		s.answer(q.number, e, CodeFolder, errRefusedFolder, nil)
		return nil
	}
	parent.dir.Mention(path.Base(e.Path))
	found, info, err := s.store.Look(e)
	if err != nil {
		return s.refuse(q.number, e, err)
	}
	switch e.Kind {
	case tree.Folder:
		return s.folder(all.byNumber[q.number], q.number, e, found, info)
	case tree.Link:
		return s.link(q.number, e, found, info)
	}
	return s.file(all, parent.dir, q.number, e, found, info)
}

// refuse answers an entry that could not be stored; the error is not nil if nothing could.
func (s *receiveSession) refuse(number uint64, e tree.Entry, err error) error {
	code := CodeStorage
	switch {
	case errors.Is(err, tree.ErrTaken), errors.Is(err, fs.ErrExist):
		code = CodeTaken
	}
	s.answer(number, e, code, err, nil)
	if isFull(err) {
		return &storageError{path: e.Path, err: err}
	}
	return nil
}

// errQuota is why an entry is refused that is more than the receiver takes.
var errQuota = errors.New("the receiver's quota of files or bytes is used up")

// take takes the quota of something new.
func (s *receiveSession) take(number uint64, e tree.Entry) bool {
	if s.store.DryRun || s.Quota.Take(e.Size) {
		return true
	}
	s.answer(number, e, CodeQuota, errQuota, nil)
	return false
}

// made is the code of something new.
func (s *receiveSession) made() Code {
	if s.store.DryRun {
		return CodeWould
	}
	return CodeStored
}

func (s *receiveSession) folder(f *openFolder, number uint64, e tree.Entry, found tree.Found, info fs.FileInfo) error {
	if found != tree.Same && !s.take(number, e) {
		return nil
	}
	dir, err := s.store.Enter(e, found, info, s.deleting)
	if err != nil {
		if found != tree.Same {
			s.giveBack(0)
		}
		return s.refuse(number, e, err)
	}
	f.dir = dir
	code := CodeKept
	if found != tree.Same {
		code = s.made()
	}
	s.answer(number, e, code, nil, nil)
	return nil
}

// leave ends a folder.
func (s *receiveSession) leave(all *folders, q queued) error {
	f := all.byNumber[q.number]
	if f == nil {
		return protocolErrorf("the end of folder %d, which is none", q.number)
	}
	delete(all.byNumber, q.number)
	delete(all.byPath, f.path)
	if f.dir == nil {
		s.write(appendAnswer(nil, q.number, CodeFolder, ""))
		return nil
	}
	err := f.dir.Leave(q.complete, func(deleted string) {
		s.tell(Outcome{Path: untrusted.Text(deleted), Deleted: true}, false)
		s.write(endFrame(append(beginFrame(nil, frameDeleted), deleted[:min(len(deleted), maxData)]...)))
	})
	if err != nil {
		s.tell(Outcome{Path: untrusted.Text(f.path), Kind: tree.Folder, Code: CodeStorage, Err: err}, false)
		s.write(appendAnswer(nil, q.number, CodeStorage, fmt.Sprint("its end: ", err)))
		return nil
	}
	s.write(appendAnswer(nil, q.number, CodeKept, ""))
	return nil
}

func (s *receiveSession) link(number uint64, e tree.Entry, found tree.Found, info fs.FileInfo) error {
	if err := s.store.CheckLink(e); err != nil {
		s.answer(number, e, CodeName, err, nil)
		return nil
	}
	if found == tree.Same {
		s.answer(number, e, CodeKept, nil, nil)
		return nil
	}
	if !s.take(number, e) {
		return nil
	}
	if err := s.store.PutLink(e, info); err != nil {
		s.giveBack(0)
		return s.refuse(number, e, err)
	}
	s.answer(number, e, s.made(), nil, nil)
	return nil
}

// file decides about a file.
func (s *receiveSession) file(all *folders, dir *tree.Dir, number uint64, e tree.Entry, found tree.Found, info fs.FileInfo) error {
	regular := info != nil && info.Mode().IsRegular()
	alike := regular && info.Size() == e.Size // the content may be the same
	switch {
	case found == tree.Same && !s.checksum:
		return s.kept(number, e, info)
	case alike && e.Size == 0:
		return s.touch(number, e)
	case found != tree.Missing && !s.Overwrite && !alike:
		return s.refuse(number, e, tree.ErrTaken)
	case s.store.DryRun && !alike:
		s.answer(number, e, CodeWould, nil, nil)
		return nil
	}
	if info != nil && !regular {
		if err := s.store.MakeRoom(e, info); err != nil {
			return s.refuse(number, e, err)
		}
		if info.IsDir() {
			info = nil // it is gone
		}
	}
	if !s.take(number, e) {
		return nil
	}
	w := &wanted{number: number, entry: e, found: info}
	if regular {
		w.basis = append(w.basis, e.Path)
	}
	if e.Size >= leastResumed && !s.store.DryRun {
		w.basis = append(w.basis, dir.Leftovers(path.Base(e.Path))...)
	}
	return s.want(w, &all.splitter)
}

// leastResumed is the size from which on it is looked for what was left behind of a file.
const leastResumed = 64 << 10

// kept answers for a file that is here with its size and time.
func (s *receiveSession) kept(number uint64, e tree.Entry, info fs.FileInfo) error {
	if s.Overwrite && info.Mode().Perm() != e.Mode&^s.Umask {
		return s.touch(number, e)
	}
	s.answer(number, e, CodeKept, nil, nil)
	return nil
}

// touch gives a file with the right content its mode and time, if it may be changed.
func (s *receiveSession) touch(number uint64, e tree.Entry) error {
	if !s.Overwrite {
		s.answer(number, e, CodeKept, nil, nil)
		return nil
	}
	if err := s.store.Touch(e); err != nil {
		return s.refuse(number, e, err)
	}
	s.answer(number, e, CodeTouched, nil, nil)
	return nil
}

// want asks for the content of a file, and says what of it is here.
func (s *receiveSession) want(w *wanted, splitter *delta.Splitter) error {
	chunks, err := s.sign(w, splitter)
	if err != nil {
		return err
	}
	s.mu.Lock()
	for s.chunks+len(chunks) > maxChunks && !s.ended {
		s.mu.Unlock()
		err := s.flush() // the sender sends what it knows to be wanted
		s.mu.Lock()
		if err != nil {
			s.mu.Unlock()
			return err
		}
		if s.chunks+len(chunks) > maxChunks && !s.ended {
			s.room.Wait()
		}
	}
	s.chunks += len(chunks)
	s.wants[w.number] = w
	s.mu.Unlock()
	s.engaged.Store(true)
	s.write(appendWant(nil, w.number, w.whole, len(chunks)))
	for len(chunks) > 0 {
		n := min(len(chunks), chunksInFrame)
		s.write(appendChunks(nil, chunks[:n]))
		chunks = chunks[n:]
	}
	return nil
}
