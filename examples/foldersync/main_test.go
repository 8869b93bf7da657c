package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"example.com/ebb"
	"example.com/ebb/ebbtest"
)

// serving serves a folder during the test, and returns the address.
func serving(t *testing.T, folder, rate string) string {
	ctx, stop := context.WithCancel(t.Context())
	r, w := io.Pipe()
	served := make(chan error, 1)
	go func() {
		err := run(ctx, []string{"serve", "localhost:0", folder, rate}, w)
		w.CloseWithError(err)
		served <- err
	}()
	t.Cleanup(func() {
		stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	line, err := bufio.NewReader(r).ReadString('\n')
	address, ok := strings.CutPrefix(strings.TrimSpace(line), "serving on ")
	if !ok {
		t.Fatalf("%q, %v", line, err)
	}
	return address
}

func fetches(t *testing.T, address, folder, want string) {
	t.Helper()
	var out bytes.Buffer
	if err := run(t.Context(), []string{"fetch", address, folder}, &out); err != nil || out.String() != want {
		t.Errorf("%q, %v; want %q", out.String(), err, want)
	}
}

func write(t *testing.T, name string, content []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, content, 0o666); err != nil {
		t.Fatal(err)
	}
}

// TestSync: a copy becomes like its source, and again after changes, of which only what has changed is fetched; the pool's budget bounds
// all connections together.
func TestSync(t *testing.T) {
	ebbtest.NoLeaks(t)
	source, folder := t.TempDir(), filepath.Join(t.TempDir(), "copy")
	const files, size = 8, 100_000
	for i := range files {
		write(t, filepath.Join(source, "deep/er", string(rune('a'+i))), bytes.Repeat([]byte{byte(i)}, size))
	}
	write(t, filepath.Join(source, "empty"), nil)
	const rate = 2_000_000
	address := serving(t, source, "2000000")
	start := time.Now()
	fetches(t, address, folder, "9 files, 9 of them fetched, 800000 bytes\n")
	if took := time.Since(start); took < files*size*time.Second/rate*3/4 {
		t.Errorf("%d bytes came in %v: more than %d a second", files*size, took, rate)
	}
	fetches(t, address, folder, "9 files, 0 of them fetched, 0 bytes\n")
	write(t, filepath.Join(source, "deep/er/a"), []byte("changed"))
	write(t, filepath.Join(folder, "empty"), []byte("not any more"))
	fetches(t, address, folder, "9 files, 2 of them fetched, 7 bytes\n")
	if err := os.CopyFS(t.TempDir(), os.DirFS(folder)); err != nil {
		t.Error(err)
	}
	for _, name := range []string{"deep/er/a", "deep/er/b", "deep/er/h", "empty"} {
		want, _ := os.ReadFile(filepath.Join(source, name))
		if got, err := os.ReadFile(filepath.Join(folder, name)); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s has %d bytes, %v; want %d", name, len(got), err, len(want))
		}
	}
}

// TestNothingOutside: a request for a file outside the folder is answered with a reset, and the copy gets nothing.
func TestNothingOutside(t *testing.T) {
	ebbtest.NoLeaks(t)
	parent := t.TempDir()
	write(t, filepath.Join(parent, "secret"), []byte("secret"))
	write(t, filepath.Join(parent, "source/file"), []byte("file"))
	address := serving(t, filepath.Join(parent, "source"), "1000000")
	for _, name := range []string{"../secret", filepath.Join(parent, "secret"), "nothing"} {
		c, err := ask(t.Context(), address, name)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(c); err == nil || len(got) > 0 {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		c.Close()
	}
	ebb.Drain(t.Context())
}
