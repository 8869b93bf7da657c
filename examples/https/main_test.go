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

	"example.com/ebb/ebbtest"
)

// TestHTTPS: a file comes over TLS of the server's certificate, and not to who trusts another.
func TestHTTPS(t *testing.T) {
	ebbtest.NoLeaks(t)
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	for _, name := range []string{"", "other "} {
		if err := run(t.Context(), []string{"new", at(name + "cert"), at(name + "key")}, io.Discard); err != nil {
			t.Fatal(err)
		}
	}
	want := bytes.Repeat([]byte("a line of a file\n"), 10000)
	if err := os.WriteFile(at("file"), want, 0o666); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	r, w := io.Pipe()
	served := make(chan error, 1)
	go func() {
		err := run(ctx, []string{"serve", "localhost:0", at("cert"), at("key"), dir}, w)
		w.CloseWithError(err)
		served <- err
	}()
	line, err := bufio.NewReader(r).ReadString('\n')
	address, ok := strings.CutPrefix(strings.TrimSpace(line), "serving on ")
	if !ok {
		t.Fatalf("%q, %v", line, err)
	}
	var got bytes.Buffer
	if err := run(t.Context(), []string{"get", address, at("cert"), "/file"}, &got); err != nil || !bytes.Equal(got.Bytes(), want) {
		t.Errorf("%d bytes of %d, %v", got.Len(), len(want), err)
	}
	if err := run(t.Context(), []string{"get", address, at("cert"), "/nothing"}, io.Discard); err == nil {
		t.Error("a file that is not there was got")
	}
	if err := run(t.Context(), []string{"get", address, at("other cert"), "/file"}, io.Discard); err == nil {
		t.Error("a server with another certificate was trusted")
	}
	stop()
	if err := <-served; err != nil {
		t.Error(err)
	}
	if err := drained(); err != nil && !strings.Contains(err.Error(), "certificate") {
		t.Error(err)
	}
}
