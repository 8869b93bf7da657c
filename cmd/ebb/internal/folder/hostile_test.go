package folder

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/ebb/cmd/ebb/internal/delta"
	"example.com/ebb/cmd/ebb/internal/ends"
	"example.com/ebb/cmd/ebb/internal/transfer"
	"example.com/ebb/cmd/ebb/internal/tree"
	"example.com/ebb/internal/untrusted"
)

// said is what a receiver has answered.
type said struct {
	answers map[uint64]Code
	wants   []uint64
	final   Code // 0: none
	message untrusted.Text
}

// listenTo takes in all that a receiver says; each is called with how many answers and wants there are.
func listenTo(t *testing.T, r io.Reader, each func(replies int)) said {
	t.Helper()
	s := said{answers: make(map[uint64]Code)}
	in := frameReader{r: bufio.NewReader(r)}
	if _, err := readGreeting(in.r); err != nil {
		return s
	}
	for {
		f, err := in.next()
		if err != nil {
			return s
		}
		p := fields{b: f.payload}
		switch f.kind {
		case frameAnswer:
			number := p.u64()
			s.answers[number] = Code(p.u8())
		case frameWant:
			s.wants = append(s.wants, p.u64())
		case frameFinal:
			s.final, s.message = Code(p.u8()), p.rest()
		}
		each(len(s.answers) + len(s.wants))
	}
}

// told is one session of a receiver with a sender that says so, whatever the receiver answers, and then no more.
func told(t *testing.T, r Receiver, dir string, frames ...[]byte) (said, error) {
	return toldUntil(t, r, dir, 0, frames...)
}

// toldUntil is told with a sender that stays until it has so many answers and wants.
func toldUntil(t *testing.T, r Receiver, dir string, replies int, frames ...[]byte) (said, error) {
	t.Helper()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	conn, server := tcpPair(t)
	r.Root, r.Timeout = root, 20*time.Second
	done := make(chan error, 1)
	go func() {
		err := r.Receive(context.Background(), server)
		server.Close()
		done <- err
	}()
	heard := make(chan said, 1)
	go func() {
		heard <- listenTo(t, conn, func(n int) {
			if n == replies {
				ends.CloseWrite(conn)
			}
		})
	}()
	conn.Write(slices.Concat(append([][]byte{greeting(0)}, frames...)...))
	if replies == 0 {
		ends.CloseWrite(conn)
	}
	s := <-heard
	conn.Close()
	return s, <-done
}

func file(path string, size int64) []byte {
	return appendEntry(nil, tree.Entry{Path: path, Kind: tree.File, Mode: 0o644, Size: size, Modified: time.Unix(1, 0)})
}

func folderEntry(path string) []byte {
	return appendEntry(nil, tree.Entry{Path: path, Kind: tree.Folder, Mode: 0o755, Modified: time.Unix(1, 0)})
}

func link(path, target string) []byte {
	return appendEntry(nil, tree.Entry{Path: path, Kind: tree.Link, Target: target, Modified: time.Unix(1, 0)})
}

func dataFrame(b []byte) []byte { return endFrame(append(beginFrame(nil, frameData), b...)) }

func wholeFrame(content []byte) []byte {
	sum := sha256.Sum256(content)
	return endFrame(append(beginFrame(nil, frameWhole), sum[:]...))
}

var doneFrame = endFrame(beginFrame(nil, frameDone))

// everything is what is below a directory, to see that nothing has changed.
func everything(t *testing.T, dir string) []string {
	t.Helper()
	var all []string
	filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		all = append(all, path)
		return err
	})
	return all
}

// Whatever names and links a sender sends, nothing outside the directory is touched, and nothing through a link.
func TestHostileNamesStayInside(t *testing.T) {
	around := t.TempDir()
	inbox := filepath.Join(around, "inbox")
	os.Mkdir(inbox, 0o755)
	write(t, filepath.Join(around, "victim"), []byte("untouched"))
	os.Mkdir(filepath.Join(around, "folder"), 0o700)
	os.Symlink("..", filepath.Join(inbox, "out")) // as an administrator might have it
	before := everything(t, around)
	withContent := func(name string) [][]byte {
		return [][]byte{file(name, 1), numbered(nil, frameContent, 0), dataFrame([]byte("x")), wholeFrame([]byte("x"))}
	}
	tests := map[string][][]byte{
		"climbing":            withContent("../victim"),
		"absolute":            withContent(filepath.Join(around, "victim")),
		"climbing inside":     withContent("a/../../victim"),
		"through a link":      withContent("out/victim"),
		"the directory":       withContent("."),
		"the one above":       withContent(".."),
		"nothing":             withContent(""),
		"a slash at the end":  withContent("a/"),
		"zero byte":           withContent("a\x00b"),
		"temporary":           withContent("a" + transfer.PartialSuffix),
		"folder above":        {folderEntry("../new")},
		"folder of a link":    {folderEntry("out"), folderEntry("out/new")},
		"link outside":        {link("l", "../victim")},
		"absolute link":       {link("l", "/etc/passwd")},
		"link by way of":      {link("l", "out/../victim")},
		"control characters":  withContent("\x1b[2J"),
		"a file in a file":    append(withContent("a"), file("a/b", 1)),
		"a folder as a file":  {file("a", 0), folderEntry("a/b")},
		"a folder twice":      {folderEntry("a\x00"), folderEntry("a\x00")},
		"end of no folder":    {numbered(nil, frameLeave, 7, 1)},
		"end of another kind": {numbered(nil, frameLeave, 0, 1)},
	}
	for name, frames := range tests {
		s, err := told(t, Receiver{Overwrite: name != "folder of a link"}, inbox, frames...)
		if err == nil {
			t.Errorf("%s: no error; %+v", name, s)
		}
		os.Remove(filepath.Join(inbox, "a"))
		if after := everything(t, around); !slices.Equal(before, after) {
			t.Fatalf("%s: there is %q", name, after)
		}
		if b, _ := os.ReadFile(filepath.Join(around, "victim")); string(b) != "untouched" {
			t.Fatalf("%s: the file outside has %q", name, b)
		}
	}
}

// A sender that breaks the protocol hears so, and leaves nothing.
func TestBrokenProtocol(t *testing.T) {
	x := file("x", 3)
	begin := numbered(nil, frameContent, 0)
	tooMany := make([][]byte, maxOutstanding+1)
	deep := [][]byte{}
	for i := range tooMany {
		tooMany[i] = file("f"+string(rune('a'+i%26))+strings.Repeat("x", i/26), 1)
	}
	for i := range maxFolders + 2 {
		deep = append(deep, folderEntry("g"+string(rune('\u4e00'+i))))
	}
	tests := map[string][][]byte{
		"unknown frame":           {endFrame(beginFrame(nil, 99))},
		"a receiver's frame":      {numbered(nil, frameAnswer, 0, 0)},
		"huge frame":              {{byte(frameData), 0xff, 0xff, 0xff, 0xff}},
		"short entry":             {endFrame(append(beginFrame(nil, frameEntry), 1))},
		"long entry":              {endFrame(append(slices.Clone(x), 1))},
		"mode":                    {replaced(x, 6, 0xff, 0xff)},
		"kind":                    {replaced(x, 5, 9)},
		"time":                    {replaced(x, 8, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)},
		"size":                    {replaced(x, 20, 0xff)},
		"content of nothing":      {dataFrame([]byte("x"))},
		"unwanted content":        {begin},
		"content twice":           {x, begin, begin},
		"too much content":        {x, begin, dataFrame([]byte("abcd"))},
		"too little content":      {x, begin, dataFrame([]byte("ab")), wholeFrame([]byte("ab"))},
		"no such chunk":           {x, begin, endFrame(append(beginFrame(nil, frameCopy), 0, 0, 0, 0, 0, 0, 0, 1))},
		"same as nothing":         {x, begin, endFrame(append(beginFrame(nil, frameSame), make([]byte, 32)...))},
		"more held than there is": {x, begin, numbered(nil, frameHeld, 4)},
		"an early end":            {x, doneFrame},
		"too many entries":        tooMany,
		"too many folders":        deep,
	}
	for name, frames := range tests {
		dir := t.TempDir()
		s, err := waitingForWants(t, dir, frames)
		if !errors.Is(err, transfer.ErrNoSender) || s.final != CodeProtocol || s.message == "" {
			t.Errorf("%s: %v; the sender hears %+v", name, err, s)
		}
		for _, path := range everything(t, dir)[1:] {
			if !strings.HasPrefix(filepath.Base(path), "g") && !strings.Contains(path, "UNFINISHED") {
				t.Errorf("%s: there is %s", name, path)
			}
		}
	}
}

// waitingForWants is told, with a pause behind an entry whose content follows, so that it is wanted by then.
func waitingForWants(t *testing.T, dir string, frames [][]byte) (said, error) {
	t.Helper()
	if len(frames) < 2 || frames[1][0] != byte(frameContent) {
		return told(t, Receiver{}, dir, frames...)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	conn, server := tcpPair(t)
	r := Receiver{Root: root, Timeout: 20 * time.Second}
	done := make(chan error, 1)
	go func() {
		err := r.Receive(context.Background(), server)
		server.Close()
		done <- err
	}()
	conn.Write(append(greeting(0), frames[0]...))
	first := make([]byte, greetingSize+21) // the want is whole
	if _, err := io.ReadFull(conn, first); err != nil {
		t.Fatal(err)
	}
	conn.Write(slices.Concat(frames[1:]...))
	ends.CloseWrite(conn)
	s := listenTo(t, io.MultiReader(bytes.NewReader(first), conn), func(int) {})
	conn.Close()
	return s, <-done
}

// replaced is b with other bytes at a place.
func replaced(b []byte, at int, by ...byte) []byte {
	b = slices.Clone(b)
	copy(b[at:], by)
	return b
}

// Content whose SHA-256 is another gets no name.
func TestWrongContentGetsNoName(t *testing.T) {
	dir := t.TempDir()
	s, err := waitingForWants(t, dir, [][]byte{
		file("x", 3), numbered(nil, frameContent, 0), dataFrame([]byte("abc")), wholeFrame([]byte("abd")), doneFrame,
	})
	if s.answers[0] != CodeSum || err == nil || len(everything(t, dir)) != 1 {
		t.Errorf("%v, %+v, there is %q", err, s, everything(t, dir))
	}
}

// A quota holds for folders: what would be more is refused, and given back if it does not come.
func TestQuotaOfFolders(t *testing.T) {
	dir := t.TempDir()
	quota := transfer.NewQuota(3, 10)
	s, _ := toldUntil(t, Receiver{Quota: quota}, dir, 5, folderEntry("d"), file("d/a", 11), file("d/b", 10), file("d/c", 1), link("l", "d"))
	want := map[uint64]Code{0: CodeStored, 1: CodeQuota, 3: CodeQuota, 4: CodeStored}
	for number, code := range want {
		if s.answers[number] != code {
			t.Errorf("entry %d: %d, want %d", number, s.answers[number], code)
		}
	}
	if len(s.wants) != 1 || s.wants[0] != 2 {
		t.Errorf("wanted are %v", s.wants)
	}
	if !quota.Take(10) || quota.Take(0) {
		t.Error("the quota is not what is left")
	}
}

// sourceAndPipe are a folder to send and both ends of a connection; the sender's ends with the test.
func sourceAndPipe(t *testing.T, from string) (source *tree.Source, client, server net.Conn) {
	t.Helper()
	source, err := tree.Open(from, false)
	if err != nil {
		t.Fatal(err)
	}
	client, server = net.Pipe()
	t.Cleanup(func() { client.Close(); source.Close() })
	return source, client, server
}

// hostileReceiver is a session of a sender with a receiver that says so.
func hostileReceiver(t *testing.T, says []byte, from string) error {
	t.Helper()
	source, client, server := sourceAndPipe(t, from)
	go io.Copy(io.Discard, server)
	go func() { server.Write(says); server.Close() }()
	return (&Sender{Meter: new(Meter), Timeout: 10 * time.Second, Report: func(Outcome) {}}).Send(context.Background(), client, []*tree.Source{source})
}

// A receiver that breaks the protocol ends the session, and makes the sender hold nothing.
func TestHostileReceiver(t *testing.T) {
	from := filepath.Join(t.TempDir(), "d")
	write(t, filepath.Join(from, "file"), randomBytes(100_000))
	sum := sha256.Sum256(nil)
	chunk := delta.Chunk{Length: 1, Sum: sum}
	tests := map[string][]byte{
		"nothing":              nil,
		"another protocol":     []byte("HTTP/1.1 400 Bad Request\r\n"),
		"another version":      []byte("ebbt\x02\x00"),
		"one that takes files": []byte("ebbf\x01"),
		"a sender's frame":     append(greeting(0), file("x", 1)...),
		"unknown answer":       append(greeting(0), appendAnswer(nil, 77, CodeStored, "")...),
		"unknown want":         append(greeting(0), appendWant(nil, 77, 0, 0)...),
		"a folder is wanted":   append(greeting(0), appendWant(nil, 0, 0, 0)...),
		"too many chunks":      append(greeting(0), appendWant(nil, 1, 0, delta.MaxChunks+1)...),
		"more whole than all":  append(greeting(0), appendWant(nil, 1, 1, 0)...),
		"no chunks":            slices.Concat(greeting(0), appendWant(nil, 1, 0, 1), appendAnswer(nil, 0, CodeKept, "")),
		"more chunks":          slices.Concat(greeting(0), appendWant(nil, 1, 0, 1), appendChunks(nil, []delta.Chunk{chunk, chunk})),
		"chunk of no length":   slices.Concat(greeting(0), appendWant(nil, 1, 0, 1), appendChunks(nil, []delta.Chunk{{}})),
		"early end":            append(greeting(0), endFrame(beginFrame(nil, frameStored))...),
		"wanted twice":         slices.Concat(greeting(0), appendAnswer(nil, 0, CodeKept, ""), appendWant(nil, 1, 0, 0), appendWant(nil, 1, 0, 0)),
		"long message":         append(greeting(0), endFrame(append(beginFrame(nil, frameFinal), make([]byte, 600)...))...),
		"endless answers":      append(greeting(0), bytes.Repeat(appendAnswer(nil, 0, CodeKept, ""), maxEvents+2)...),
	}
	for name, says := range tests {
		if err := hostileReceiver(t, says, from); err == nil || errors.As(err, new(*IncompleteError)) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

// What a receiver has answered before it ended the session counts, though the sender was busy with content then.
func TestAnswersBeforeTheEndCount(t *testing.T) {
	from := filepath.Join(t.TempDir(), "d")
	write(t, filepath.Join(from, "a"), []byte("x"))
	write(t, filepath.Join(from, "large"), randomBytes(1<<20))
	source, client, server := sourceAndPipe(t, from)
	go func() {
		defer server.Close()
		in := frameReader{r: bufio.NewReader(server)}
		go server.Write(greeting(0))
		readGreeting(in.r)
		for entries := 0; ; {
			f, err := in.next()
			if err != nil {
				return
			}
			if f.kind == frameEntry {
				entries++
			}
			if f.kind == frameEntry && entries == 3 {
				server.Write(appendWant(nil, 2, 0, 0))
			}
			if f.kind == frameContent {
				break // and no more of it is read
			}
		}
		server.Write(slices.Concat(appendAnswer(nil, 0, CodeStored, ""), appendAnswer(nil, 1, CodeStored, ""),
			appendAnswer(nil, 2, CodeStorage, "no room"), messageFrame(frameFinal, "no room for d/large", byte(CodeStorage))))
	}()
	meter := new(Meter)
	s := Sender{Meter: meter, Timeout: 10 * time.Second}
	err := s.Send(context.Background(), client, []*tree.Source{source})
	if err == nil || err.Error() != "the receiver says: no room for d/large" {
		t.Errorf("error %v", err)
	}
	if got := meter.Totals(); got.Entries != 3 || got.Stored != 2 || got.Failed != 1 {
		t.Errorf("counted are %+v", got)
	}
}

// What a receiver says reaches nobody unescaped.
func TestMessagesAreEscaped(t *testing.T) {
	from := filepath.Join(t.TempDir(), "d")
	write(t, filepath.Join(from, "file"), []byte("x"))
	final := endFrame(append(beginFrame(nil, frameFinal), append([]byte{byte(CodeBusy)}, "\x1b[2Jgone"...)...))
	err := hostileReceiver(t, append(greeting(0), final...), from)
	var remote *RemoteError
	if !errors.As(err, &remote) || remote.Code != CodeBusy || strings.Contains(err.Error(), "\x1b") {
		t.Errorf("error %q", err)
	}
	old := append([]byte("ebbf\x01\x88"), binary.BigEndian.AppendUint16(nil, 4)...)
	if err := hostileReceiver(t, append(old, "busy"...), from); err == nil || !strings.Contains(err.Error(), "busy") {
		t.Errorf("a receiver that has no place: %v", err)
	}
}
