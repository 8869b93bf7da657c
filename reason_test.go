package ebb_test

import (
	"bytes"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"unicode"

	"example.com/ebb"
	"example.com/ebb/internal/hostile"
)

// nastyReasons are words of a peer that would do something to a terminal, and how they are shown.
var nastyReasons = []struct{ reason, shown string }{
	{"\x1b]0;owned\x07\x1b[2J", `\u001b]0;owned\u0007\u001b[2J`},
	{"all is well\r\nroot# ", `all is well\u000d\u000aroot# `},
	{"fdp.\u202egnp\u2069\u200f", `fdp.\u202egnp\u2069\u200f`},
	{"tab\tnul\x00 csi\u009b1m\u2028 \U000e0041", `tab\u0009nul\u0000 csi\u009b1m\u2028 \U000e0041`},
	{"no room for 名", "no room for 名"},
}

// hostilePeer is a peer on loopback that is not one of ours.
func hostilePeer(t *testing.T, p *hostile.Peer) net.Addr {
	t.Helper()
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p.Conn = conn
	var serving sync.WaitGroup
	serving.Go(p.Serve)
	t.Cleanup(func() { conn.Close(); serving.Wait() })
	return conn.LocalAddr()
}

func wantPrintable(t *testing.T, where, text, words string) {
	t.Helper()
	if strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) || !strings.Contains(text, words) {
		t.Errorf("%s is %q, want %q in it and nothing that is not printable", where, text, words)
	}
}

// What a peer gives as its reason is escaped in the errors that it causes and in the log, be it in a
// REFUSE or in a CLOSE.
func TestReasonsOfAPeerAreEscaped(t *testing.T) {
	leavesNothing(t)
	for _, test := range nastyReasons {
		var text, js bytes.Buffer
		for _, handler := range []slog.Handler{
			slog.NewTextHandler(&text, &slog.HandlerOptions{Level: slog.LevelDebug}),
			slog.NewJSONHandler(&js, &slog.HandlerOptions{Level: slog.LevelDebug}),
		} {
			e := endpoint(t, &ebb.Config{Logger: slog.New(handler)})
			_, err := e.DialAddr(t.Context(), hostilePeer(t, &hostile.Peer{Refuse: true, Reason: test.reason}))
			if err == nil {
				t.Fatal("a dial that is refused gives a connection")
			}
			wantPrintable(t, "the error of a dial", err.Error(), test.shown)
			conn, err := e.DialAddr(t.Context(), hostilePeer(t, &hostile.Peer{Reason: test.reason}))
			if err != nil {
				t.Fatal(err)
			}
			conn.Write([]byte("x"))
			_, err = conn.Read(make([]byte, 1))
			if err == nil {
				t.Fatal("Read returns no error on a connection that the peer has closed with one")
			}
			wantPrintable(t, "the error of a read", err.Error(), test.shown)
			e.Close() // and nothing is logged any more
		}
		for handler, log := range map[string]string{"text": text.String(), "JSON": js.String()} {
			shown := strings.ReplaceAll(test.shown, `\`, `\\`) // by the handlers
			if n := strings.Count(log, shown); n != 2 {
				t.Errorf("the %s log has %q %d times:\n%s", handler, shown, n, log)
			}
			for line := range strings.Lines(log) {
				wantPrintable(t, "a line of the log", strings.TrimSuffix(line, "\n"), "")
			}
		}
	}
}
