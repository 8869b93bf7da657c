//go:build unix

package settings

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

// A pipe that nobody writes to is not waited for, and does not pass for a file without settings.
func TestReadSilentPipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Skip("no named pipes here:", err)
	}
	if l, err := ReadFile(path); err == nil || !strings.Contains(err.Error(), "nobody writes") {
		t.Errorf("settings %+v, error %v", l, err)
	}
}

// A shell's <(command) is a pipe whose content may come late.
func TestReadPipe(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("how /dev/fd opens a pipe differs")
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	written := make(chan error, 1)
	go func() {
		_, err := w.WriteString("[network-api]\nbandwidth-limit = 5000\n")
		w.Close()
		written <- err
	}()
	l, err := ReadFile(fmt.Sprint("/dev/fd/", r.Fd()))
	if err != nil || l.Text(limitKey) != "5000" {
		t.Errorf("settings %+v, error %v", l, err)
	}
	if err := <-written; err != nil {
		t.Error(err)
	}
}
