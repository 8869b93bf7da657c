package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"unicode"
)

// inTerminals runs a test in terminals of two widths. TestFoldersInATerminal has send -r, and TestTopInATerminal top.
func inTerminals(t *testing.T, test func(t *testing.T, term tmuxWindows)) {
	tmux, err := exec.LookPath("tmux")
	if err != nil {
		t.Skip("skipped: there is no tmux here:", err)
	}
	for _, width := range []int{45, 120} {
		t.Run(fmt.Sprint(width), func(t *testing.T) {
			dir, err := os.MkdirTemp("", "ebb") // whose name leaves room for that of a socket
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { os.RemoveAll(dir) })
			term := tmuxWindows{tmux: tmux, socket: filepath.Join(dir, "s"), width: width}
			t.Cleanup(func() { term.run(t, "kill-server") })
			test(t, term)
		})
	}
}

// ended waits until the command of a window has ended, and wants its status, text without anything that moves a cursor, and the words, which
// may go on in the next line.
func (term tmuxWindows) ended(t *testing.T, name string, status int, words ...string) (screen string) {
	t.Helper()
	screen = term.until(t, name, "ended: status ")
	joined := strings.ReplaceAll(screen, "\n", "")
	if !strings.Contains(joined, fmt.Sprintf("ended: status %d.", status)) {
		t.Errorf("%s: not status %d:\n%s", name, status, screen)
	}
	if strings.ContainsFunc(screen, func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }) {
		t.Errorf("%s: the screen has what cannot be printed: %q", name, screen)
	}
	for _, word := range words {
		if !strings.Contains(joined, word) {
			t.Errorf("%s: no %q:\n%s", name, word, screen)
		}
	}
	return screen
}

// keys types into a window.
func (term tmuxWindows) keys(t *testing.T, name string, keys ...string) {
	t.Helper()
	term.run(t, append([]string{"send-keys", "-t", name}, keys...)...)
}

// Files: the sender has a line of progress, and both sides leave a line of the file.
func TestFilesInATerminal(t *testing.T) {
	file := writeFile(t, filepath.Join(t.TempDir(), "a film with quite a long name, 文件.mkv"), randomBytes(3_000_000))
	inTerminals(t, func(t *testing.T, term tmuxWindows) {
		address := freeAddress(t)
		term.open(t, "receive", prepare(t, "plain", "receive", "--once", address, t.TempDir()))
		term.until(t, "receive", "listening")
		term.open(t, "send", prepare(t, "plain", "send", "--bandwidth-limit", "2MB/s", file, address))
		term.until(t, "send", " %  ", "B/s", " left")
		for _, side := range []string{"send", "receive"} {
			screen := term.ended(t, side, 0, "文件.mkv", "3000000 bytes", "sha256:")
			if strings.Contains(screen, " left") || strings.Contains(screen, " %") {
				t.Errorf("%s: progress is left at the end:\n%s", side, screen)
			}
		}
	})
}

// A tunnel says where it listens and, with -v, what it has carried; an interrupt ends it.
func TestTunnelInATerminal(t *testing.T) {
	service := service(t, reverse)
	inTerminals(t, func(t *testing.T, term tmuxWindows) {
		far, near := freeAddress(t), freeAddress(t)
		term.open(t, "accept", prepare(t, "plain", "tunnel", "-v", "--accept", far, "--forward", service))
		term.until(t, "accept", "listening")
		term.open(t, "listen", prepare(t, "plain", "tunnel", "-v", "--listen", near, "--to", far))
		term.until(t, "listen", "listening")
		conn, err := net.Dial("tcp", near)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := asks(t, conn, []byte("hello")); err != nil || string(got) != "hello!" {
			t.Errorf("read %q, %v", got, err)
		}
		for _, side := range []string{"listen", "accept"} {
			term.until(t, side, "after")
			term.keys(t, side, "C-c")
			term.ended(t, side, 130, "ended in order", "interrupt")
		}
	})
}

// A pipe carries what is typed at both ends, and ends when both have.
func TestPipeInATerminal(t *testing.T) {
	inTerminals(t, func(t *testing.T, term tmuxWindows) {
		address := freeAddress(t)
		term.open(t, "listen", prepare(t, "plain", "pipe", "-l", address))
		term.until(t, "listen", "listening")
		term.open(t, "dial", prepare(t, "plain", "pipe", address))
		term.keys(t, "dial", "good", "Space", "morning", "Enter")
		term.until(t, "listen", "good morning")
		term.keys(t, "listen", "evening", "Enter")
		term.until(t, "dial", "evening")
		for _, side := range []string{"dial", "listen"} {
			term.keys(t, side, "C-d")
		}
		for _, side := range []string{"dial", "listen"} {
			term.ended(t, side, 0)
		}
	})
}

// What measures and tells, and then ends.
func TestReportsInATerminal(t *testing.T) {
	traces := t.TempDir()
	receiver := start(t, prepare(t, "plain", "receive", "--once", "127.0.0.1:0", t.TempDir()), true)
	traced := prepare(t, "plain", "send", writeFile(t, filepath.Join(t.TempDir(), "file"), randomBytes(100_000)), receiver.address)
	traced.Env = append(traced.Env, "QLOGDIR="+traces)
	finished(t, start(t, traced, false), receiver)
	trace, err := filepath.Glob(filepath.Join(traces, "*"))
	if err != nil || len(trace) != 1 {
		t.Fatalf("the traces are %q, %v", trace, err)
	}
	inTerminals(t, func(t *testing.T, term tmuxWindows) {
		address := freeAddress(t)
		term.open(t, "server", prepare(t, "plain", "perf", "--serve", address))
		term.until(t, "server", "listening")
		for _, c := range []struct {
			args []string
			word string
		}{
			{[]string{"perf", "--seconds", "1", address}, "bit/s"},
			{[]string{"sim", "--quick", "--seeds", "1", "1"}, "link, %"},
			{[]string{"bench", "--rounds", "1", "--seconds", "0.5", "--size", "1000000"}, "TCP"},
			{[]string{"qlog", trace[0]}, "limited"},
			{[]string{"id"}, "status"},
			{[]string{"version"}, "status"},
			{[]string{"completion", "bash"}, "status"},
			{[]string{"kernel", "-h"}, "status"},
		} {
			term.open(t, c.args[0], prepare(t, "plain", c.args...))
			term.ended(t, c.args[0], 0, c.word)
		}
		term.keys(t, "server", "C-c")
		term.ended(t, "server", 130)
	})
}
