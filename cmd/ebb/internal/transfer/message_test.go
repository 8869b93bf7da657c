package transfer

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"
	"unicode"
)

// Whatever a peer sends as a batch is an error or means exactly what we would
// send for it.
func FuzzReadBatch(f *testing.F) {
	f.Add(appendBatch(nil, nil))
	f.Add(appendBatch(nil, []entry{{name: "a", size: 1, mode: 0o644}, {name: "", mode: 0o777}}))
	f.Add([]byte{0xff, 0xff})
	f.Add([]byte{0, 1, 0x0f, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		r := bytes.NewReader(b)
		entries, err := readBatch(r)
		if err != nil {
			return
		}
		if got := appendBatch(nil, entries); !bytes.Equal(got, b[:len(b)-r.Len()]) {
			t.Errorf("%x was read as %+v, which is %x", b, entries, got)
		}
	})
}

func FuzzReadReply(f *testing.F) {
	f.Add([]byte{0, 0, 0})
	f.Add([]byte("\x84\x00\x09disk full"))
	f.Add([]byte("\x01\x02\x01"))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := readReply(bytes.NewReader(b))
		if err != nil {
			return
		}
		// What was read is shown printable, and as it is shown it survives being sent.
		shown := fmt.Sprint(got.message)
		if strings.ContainsFunc(shown, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("%x is shown as %q", b, shown)
		}
		var out bytes.Buffer
		w := bufio.NewWriter(&out)
		if err := writeReply(w, got); err != nil {
			t.Fatal(err)
		}
		w.Flush()
		again, err := readReply(&out)
		if err != nil || again.code != got.code || string(again.message) != clipped(shown) {
			t.Errorf("%+v became %+v, error %v", got, again, err)
		}
	})
}

// Whatever a peer sends, a receiver ends without a panic, and what is then in its
// directory has an allowed name.
func FuzzReceive(f *testing.F) {
	f.Add(append(offered(entry{name: "a", size: 3}), body([]byte("abc"))...))
	f.Add(offered(entry{name: "../a", size: 3}))
	f.Add(append(offered(entry{name: "a", size: 3}), markWithdrawn, 0, 0))
	f.Fuzz(func(t *testing.T, b []byte) {
		dir := t.TempDir()
		var got results
		conn, wait := receiverOf(t, t.Context(), dir, &got)
		conn.Write(b)
		go io.Copy(io.Discard, conn)
		wait()
		for _, name := range names(t, dir) {
			if err := CheckName(name); err != nil || strings.HasSuffix(name, PartialSuffix) {
				t.Errorf("%q is stored: %v", name, err)
			}
		}
	})
}
