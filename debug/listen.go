package debug

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// unixPrefix begins an address that is the path of a Unix socket.
const unixPrefix = "unix:"

// suffix ends the names of the sockets in SocketDir.
const suffix = ".sock"

// Listen announces on an address for the handler: "unix:PATH", a Unix socket that only its owner may connect to (mode 0600); "HOST:PORT", on
// TCP, where everybody may read who reaches it; or "", a Unix socket with the process's number for a name in SocketDir, which ebb top finds. A socket
// that a process has left that is gone is replaced; one that somebody listens on is an error. The socket goes with the listener.
func Listen(address string) (net.Listener, error) {
	path, unix := strings.CutPrefix(address, unixPrefix)
	switch {
	case address == "":
		dir, err := privateDir()
		if err != nil {
			return nil, err
		}
		removeStale(dir)
		path = filepath.Join(dir, strconv.Itoa(os.Getpid())+suffix)
	case unix && path == "":
		return nil, fmt.Errorf("debug: %q names no socket: want unix:PATH", address)
	case !unix:
		ln, err := net.Listen("tcp", address)
		if err != nil {
			return nil, fmt.Errorf("debug: cannot listen on %q: %w (want HOST:PORT, unix:PATH, or nothing)", address, err)
		}
		return ln, nil
	}
	if err := clear(path); err != nil {
		return nil, err
	}
	ln, err := listenPrivately(path)
	if err != nil {
		return nil, fmt.Errorf("debug: cannot listen on the Unix socket %s: %w", path, err)
	}
	return ln, nil
}

// SocketDir is the directory of the sockets that Listen makes if it is told no address: $XDG_RUNTIME_DIR/ebb, or else a directory of the user's in
// that for temporary files. It need not exist.
func SocketDir() string {
	if dir := os.Getenv("XDG_RUNTIME_DIR"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "ebb")
	}
	return filepath.Join(os.TempDir(), "ebb-"+strconv.Itoa(os.Getuid()))
}

// Sockets are the paths of the sockets in SocketDir that somebody listens on, the newest first.
func Sockets() ([]string, error) {
	dir := SocketDir()
	if err := checkPrivate(dir); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
		return nil, err
	}
	type socket struct {
		path string
		made time.Time
	}
	var found []socket
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		info, err := e.Info()
		if err == nil && strings.HasSuffix(path, suffix) && alive(path) {
			found = append(found, socket{path, info.ModTime()})
		}
	}
	slices.SortFunc(found, func(a, b socket) int { return cmp.Or(b.made.Compare(a.made), strings.Compare(a.path, b.path)) })
	paths := make([]string, len(found))
	for i, s := range found {
		paths[i] = s.path
	}
	return paths, err
}

// privateDir is SocketDir, made if necessary, and nobody else's.
func privateDir() (string, error) {
	dir := SocketDir()
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", fmt.Errorf("debug: cannot make a directory for the socket: %w", err)
	}
	return dir, checkPrivate(dir)
}

// checkPrivate reports what is wrong with a directory where somebody else could put a socket of theirs.
func checkPrivate(dir string) error {
	info, err := os.Lstat(dir)
	switch {
	case err != nil:
		return fmt.Errorf("debug: %w", err)
	case !info.IsDir():
		return fmt.Errorf("debug: %s is no directory", dir)
	case !ownedAndClosed(info):
		return fmt.Errorf("debug: the directory %s is another user's, or others may write to it (mode %v): remove it, or name a socket with unix:PATH", dir, info.Mode().Perm())
	}
	return nil
}

// alive reports whether somebody listens on a Unix socket.
func alive(path string) bool {
	conn, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		conn.Close()
	}
	return err == nil
}

// clear removes the socket that a process has left at a path. What is no socket, or is in use, stays.
func clear(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("debug: cannot listen on the Unix socket %s: %w", path, err)
	case info.Mode().Type() != fs.ModeSocket:
		return fmt.Errorf("debug: cannot listen on %s: there is something that is no socket", path)
	case alive(path):
		return fmt.Errorf("debug: cannot listen on the Unix socket %s: somebody does", path)
	}
	if err := os.Remove(path); err != nil {
		return fmt.Errorf("debug: cannot replace the Unix socket: %w", err)
	}
	return nil
}

// removeStale removes the sockets that processes have left which were killed.
func removeStale(dir string) {
	left, _ := filepath.Glob(filepath.Join(dir, "*"+suffix))
	for _, path := range left {
		clear(path)
	}
}
