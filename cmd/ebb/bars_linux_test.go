package main

import (
	"fmt"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// TestWidthOfATerminal: as wide as the terminal says, within bounds; what is no terminal has 80 columns.
func TestWidthOfATerminal(t *testing.T) {
	if r, w, err := os.Pipe(); err != nil || widthOf(w) != plainWidth {
		t.Errorf("a pipe: %v", err)
	} else {
		r.Close()
		w.Close()
	}
	control, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip("no pseudoterminals: ", err)
	}
	defer control.Close()
	n, err := unix.IoctlGetInt(int(control.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(control.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	terminal, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer terminal.Close()
	for columns, want := range map[uint16]int{0: plainWidth, 10: leastWidth, 45: 45, 120: 120, 300: mostWidth} {
		if err := unix.IoctlSetWinsize(int(control.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: columns}); err != nil {
			t.Fatal(err)
		}
		if got := widthOf(terminal); got != want {
			t.Errorf("%d columns of a terminal are taken for %d", columns, got)
		}
	}
}
