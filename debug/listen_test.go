package debug

import (
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func listenOn(t *testing.T, address string) net.Listener {
	t.Helper()
	ln, err := Listen(address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	return ln
}

// TestSocketsAreTheirOwners: mode 0600, in a directory of mode 0700 if none is named, found while somebody listens, and gone afterwards.
func TestSocketsAreTheirOwners(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("modes mean nothing here")
	}
	dir := t.TempDir()
	t.Setenv("XDG_RUNTIME_DIR", dir)
	if found, err := Sockets(); err != nil || len(found) != 0 {
		t.Errorf("before the first: %q, %v", found, err)
	}
	ln := listenOn(t, "")
	path := ln.Addr().String()
	if want := filepath.Join(dir, "ebb"); filepath.Dir(path) != want {
		t.Errorf("the socket is %s, want one in %s", path, want)
	}
	for path, want := range map[string]fs.FileMode{path: 0o600, filepath.Dir(path): 0o700} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v, want mode %v", path, info.Mode(), err, want)
		}
	}
	if found, err := Sockets(); err != nil || len(found) != 1 || found[0] != path {
		t.Errorf("found %q, %v", found, err)
	}
	if _, err := Listen(unixPrefix + path); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("a second listener on it: %v", err)
	}
	ln.Close()
	if _, err := os.Lstat(path); err == nil {
		t.Error("the socket is left")
	}
}

// TestWhatAKilledProcessLeft: its socket is neither found nor in the way; a file that is no socket stays what it is.
func TestWhatAKilledProcessLeft(t *testing.T) {
	t.Setenv("XDG_RUNTIME_DIR", t.TempDir())
	first := listenOn(t, "")
	dir := filepath.Dir(first.Addr().String())
	stale := filepath.Join(dir, "1.sock")
	left, err := net.ListenUnix("unix", &net.UnixAddr{Name: stale, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	left.SetUnlinkOnClose(false)
	left.Close()
	if found, err := Sockets(); err != nil || len(found) != 1 {
		t.Errorf("found %q, %v, want the one that is listened on", found, err)
	}
	listenOn(t, unixPrefix+stale)
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(unixPrefix + file); err == nil {
		t.Error("a file was replaced")
	}
	if b, _ := os.ReadFile(file); string(b) != "precious" {
		t.Errorf("the file has %q", b)
	}
}

// TestADirectoryOfOthersIsRefused: where anybody may write, a socket may be anybody's.
func TestADirectoryOfOthersIsRefused(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("modes mean nothing here")
	}
	dir := t.TempDir()
	t.Setenv("XDG_RUNTIME_DIR", dir)
	open := filepath.Join(dir, "ebb")
	if err := os.Mkdir(open, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(open, 0o777); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(""); err == nil || !strings.Contains(err.Error(), open) {
		t.Errorf("Listen: %v", err)
	}
	if _, err := Sockets(); err == nil {
		t.Error("Sockets trusts it")
	}
	for _, address := range []string{"unix:", "nonsense", "127.0.0.1"} {
		if _, err := Listen(address); err == nil || !strings.HasPrefix(err.Error(), "debug: ") {
			t.Errorf("Listen(%q): %v", address, err)
		}
	}
}
