package folder

import (
	"bytes"
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/ebb/cmd/ebb/internal/delta"
	"example.com/ebb/cmd/ebb/internal/transfer"
	"example.com/ebb/cmd/ebb/internal/tree"
)

// spoken is a connection whose peer has said everything, and reads all.
type spoken struct {
	net.Conn
	r io.Reader
}

func (s *spoken) Read(b []byte) (int, error)     { return s.r.Read(b) }
func (*spoken) Write(b []byte) (int, error)      { return len(b), nil }
func (*spoken) Close() error                     { return nil }
func (*spoken) SetDeadline(time.Time) error      { return nil }
func (*spoken) SetReadDeadline(time.Time) error  { return nil }
func (*spoken) SetWriteDeadline(time.Time) error { return nil }

// Whatever a sender says, the receiver comes to an end, and touches nothing outside its directory.
func FuzzReceiver(f *testing.F) {
	f.Add([]byte{})
	f.Add(slices.Concat(greeting(0), folderEntry("d"), file("d/a", 1), link("d/l", "a"), numbered(nil, frameContent, 1),
		dataFrame([]byte("x")), wholeFrame([]byte("x")), numbered(nil, frameLeave, 0, 1), doneFrame))
	f.Add(slices.Concat(greeting(flagDelete|flagDryRun), file("../a", 1), link("l", "../../etc"), link("m", "l/..")))
	f.Add(slices.Concat(greeting(flagChecksum), file("here", 4), numbered(nil, frameContent, 0), numbered(nil, frameHeld, 4),
		endFrame(append(beginFrame(nil, frameSame), make([]byte, 32)...)), doneFrame))
	f.Fuzz(func(t *testing.T, says []byte) {
		around := t.TempDir()
		inbox := filepath.Join(around, "inbox")
		os.Mkdir(inbox, 0o700)
		write(t, filepath.Join(inbox, "here"), []byte("here"))
		write(t, filepath.Join(around, "victim"), []byte("untouched"))
		os.Symlink("../victim", filepath.Join(inbox, "out"))
		root, err := os.OpenRoot(inbox)
		if err != nil {
			t.Fatal(err)
		}
		defer root.Close()
		r := Receiver{Root: root, Overwrite: true, Delete: true, Quota: transfer.NewQuota(100, 1<<20)}
		r.Receive(context.Background(), &spoken{r: bytes.NewReader(says)})
		got, err := os.ReadFile(filepath.Join(around, "victim"))
		names, _ := os.ReadDir(around)
		if err != nil || string(got) != "untouched" || len(names) != 2 {
			t.Errorf("what is outside: %q, %v, %d names", got, err, len(names))
		}
	})
}

// Whatever a receiver says, the sender comes to an end, and believes nobody who has not read everything.
func FuzzSender(f *testing.F) {
	dir := filepath.Join(f.TempDir(), "d")
	os.Mkdir(dir, 0o700)
	os.WriteFile(filepath.Join(dir, "file"), randomBytes(70_000), 0o600)
	f.Add([]byte{})
	f.Add(slices.Concat(greeting(0), appendAnswer(nil, 0, CodeKept, ""), appendAnswer(nil, 1, CodeKept, ""),
		appendAnswer(nil, 0, CodeKept, ""), endFrame(beginFrame(nil, frameStored))))
	f.Add(slices.Concat(greeting(0), appendAnswer(nil, 0, CodeStored, ""), appendWant(nil, 1, 1, 2),
		appendChunks(nil, []delta.Chunk{{Length: 1}, {Length: 2}}), appendAnswer(nil, 1, CodeSum, "no")))
	f.Add([]byte("ebbf\x01\x88\x00\x04busy"))
	f.Fuzz(func(t *testing.T, says []byte) {
		source, err := tree.Open(dir, false)
		if err != nil {
			t.Fatal(err)
		}
		defer source.Close()
		s := Sender{Meter: new(Meter)}
		s.Send(context.Background(), &spoken{r: bytes.NewReader(says)}, []*tree.Source{source})
	})
}

// An entry that is understood is the one that was sent.
func FuzzEntry(f *testing.F) {
	f.Add(file("a/b", 7)[5:])
	f.Add(link("l", "a")[5:])
	f.Add(folderEntry("d")[5:])
	f.Fuzz(func(t *testing.T, payload []byte) {
		e, err := parseEntry(payload)
		if err != nil {
			return
		}
		if again := appendEntry(nil, e)[5:]; !bytes.Equal(again, payload) {
			t.Errorf("(-want +got):\n%s", cmp.Diff(payload, again))
		}
		if err := tree.CheckPath(e.Path); err == nil && !filepath.IsLocal(filepath.FromSlash(e.Path)) {
			t.Errorf("%q is allowed", e.Path)
		}
	})
}
