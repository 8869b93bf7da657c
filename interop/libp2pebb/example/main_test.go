package main

import (
	"bufio"
	"io"
	"strings"
	"testing"
	"time"

	"example.com/ebb/ebbtest"
)

// patience is how long what has to happen may take.
const patience = 2 * time.Minute

// terminal is a node that runs, with what is typed at it and what it prints.
type terminal struct {
	t     *testing.T
	typed *io.PipeWriter
	lines chan string
}

// opened starts a node that knows others.
func opened(t *testing.T, others ...string) (at *terminal, address string) {
	t.Helper()
	in, typed := io.Pipe()
	printed, out := io.Pipe()
	at = &terminal{t, typed, make(chan string, 100)}
	ended := make(chan error, 1)
	go func() {
		err := run(t.Context(), append([]string{"-listen", "/ip4/127.0.0.1/udp/0/ebb"}, others...), in, out)
		out.Close()
		ended <- err
	}()
	go func() {
		defer close(at.lines)
		for s := bufio.NewScanner(printed); s.Scan(); {
			at.lines <- s.Text()
		}
	}()
	t.Cleanup(func() {
		typed.Close()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return at, at.line()
}

// line is the next one that the node prints.
func (at *terminal) line() string {
	at.t.Helper()
	select {
	case line, ok := <-at.lines:
		if !ok {
			at.t.Fatal("the node has ended")
		}
		return line
	case <-time.After(patience):
		at.t.Fatalf("nothing is printed within %s", patience)
	}
	return ""
}

// TestChat: three nodes in a row. What the first says the third hears, although neither knows the other.
func TestChat(t *testing.T) {
	ebbtest.NoLeaks(t)
	first, address := opened(t)
	_, address = opened(t, address)
	third, _ := opened(t, address)
	tick := time.NewTicker(50 * time.Millisecond) // a line that is said before the nodes have heard of each other is heard by nobody
	defer tick.Stop()
	for limit := time.After(patience); ; {
		if _, err := io.WriteString(first.typed, "hello\n"); err != nil {
			t.Fatal(err)
		}
		select {
		case line := <-third.lines:
			if !strings.HasSuffix(line, `: "hello"`) {
				t.Errorf("the third prints %q", line)
			}
			return
		case <-tick.C:
		case <-limit:
			t.Fatalf("the third hears nothing within %s", patience)
		}
	}
}

// TestBadAddress: an address of no peer is one clear error.
func TestBadAddress(t *testing.T) {
	ebbtest.NoLeaks(t)
	err := run(t.Context(), []string{"-listen", "/ip4/127.0.0.1/udp/0/ebb", "/ip4/127.0.0.1/udp/1/ebb"}, strings.NewReader(""), io.Discard)
	if err == nil || !strings.Contains(err.Error(), "/ip4/127.0.0.1/udp/1/ebb") {
		t.Errorf("run = %v", err)
	}
}
