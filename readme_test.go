package ebb_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// readmeAddress is where the examples listen. The tests put a free port in its
// place.
const readmeAddress = "localhost:9000"

// readmeBlock is one fenced block of the README.
type readmeBlock struct {
	language, text string
}

// readmeBlocks returns the blocks of the languages in order. Every block has to be
// of a language that a test here knows what to do with.
func readmeBlocks(t *testing.T, language string) (texts []string) {
	t.Helper()
	b, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	var block *readmeBlock
	for line := range strings.Lines(string(b)) {
		fence, fenced := strings.CutPrefix(line, "```")
		switch {
		case fenced && block == nil:
			block = &readmeBlock{language: strings.TrimSpace(fence)}
		case fenced:
			if block.language == language {
				texts = append(texts, block.text)
			} else if !slices.Contains([]string{"go", "sh", "toml"}, block.language) {
				t.Errorf("a block of %q, which no test looks at:\n%s", block.language, block.text)
			}
			block = nil
		case block != nil:
			block.text += line
		}
	}
	if block != nil || len(texts) == 0 {
		t.Fatalf("no blocks of %s, or one that does not end", language)
	}
	return texts
}

// readmePort is a free port in the place of the README's.
func readmePort(t *testing.T) string {
	t.Helper()
	pc, err := net.ListenPacket("udp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	defer pc.Close()
	return fmt.Sprint("localhost:", pc.LocalAddr().(*net.UDPAddr).Port)
}

// readmeTool runs the go command at the root of the module.
func readmeTool(t *testing.T, args ...string) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// buildReadme compiles a block as a command of this module, without writing into
// the tree.
func buildReadme(t *testing.T, name, text string) (program string) {
	t.Helper()
	root, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	source, overlay := filepath.Join(dir, "main.go"), filepath.Join(dir, "overlay.json")
	program = filepath.Join(dir, name+readmeExe())
	place := filepath.Join(root, "cmd", "readme-"+name, "main.go")
	b, err := json.Marshal(map[string]map[string]string{"Replace": {place: source}})
	if err != nil {
		t.Fatal(err)
	}
	for path, content := range map[string][]byte{source: []byte(text), overlay: b} {
		if err := os.WriteFile(path, content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	readmeTool(t, "build", "-overlay", overlay, "-o", program, "./cmd/readme-"+name)
	return program
}

func readmeExe() string {
	if runtime.GOOS == "windows" {
		return ".exe"
	}
	return ""
}

// startReadme starts a program that runs until the test ends.
func startReadme(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
}

// untilReadme repeats a command that may find nobody listening yet.
func untilReadme(t *testing.T, name string, stdin []byte, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for {
		cmd := exec.CommandContext(ctx, name, args...)
		cmd.Stdin = bytes.NewReader(stdin)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err == nil {
			return string(out)
		}
		if ctx.Err() != nil || !strings.Contains(stderr.String(), "connection refused") {
			t.Fatalf("%s %q: %v\n%s", name, args, err, stderr.String())
		}
	}
}

func TestReadmePrograms(t *testing.T) {
	programs := readmeBlocks(t, "go")
	if len(programs) != 4 {
		t.Fatalf("%d programs, this test knows a server, a client, HTTP and HTTPS", len(programs))
	}
	address := readmePort(t)
	for i, text := range programs {
		if !strings.Contains(text, readmeAddress) {
			t.Errorf("program %d does not use %s", i, readmeAddress)
		}
		programs[i] = strings.ReplaceAll(text, readmeAddress, address)
	}
	if !strings.Contains(programs[1], "ebb.Drain(") {
		t.Error("the client does not wait for what it has written")
	}
	startReadme(t, exec.Command(buildReadme(t, "server", programs[0])))
	if got := untilReadme(t, buildReadme(t, "client", programs[1]), nil); got != "hello, tide\n" {
		t.Errorf("the client prints %q", got)
	}
	other := strings.ReplaceAll(programs[2], address, readmePort(t))
	if got := untilReadme(t, buildReadme(t, "http", other), nil); got != "/tide over Ebb\n" {
		t.Errorf("the HTTP program prints %q", got)
	}
	other = strings.ReplaceAll(programs[3], address, readmePort(t))
	if got := untilReadme(t, buildReadme(t, "https", other), nil); !strings.HasPrefix(got, "/tide for ") || !strings.HasSuffix(got, " <nil>\n") {
		t.Errorf("the HTTPS program prints %q", got)
	}
}

// Every command line is one that this test runs, or that runs this test.
func TestReadmeCommands(t *testing.T) {
	known := []string{
		"go run ./cmd/ebb bench",
		"go test ./...",
		"go install ./cmd/ebb",
		"mkdir inbox",
		"ebb receive localhost:9000 inbox",
		"ebb send photo.jpg ID@localhost:9000",
		"ebb receive --overwrite --delete localhost:9000 inbox",
		"ebb send -r --delete photos ID@localhost:9000",
		"ebb tunnel --accept localhost:4000 --forward localhost:80",
		"ebb tunnel --listen localhost:8080 --to ID@localhost:4000",
		"ebb pipe -l localhost:9000 > copy",
		"ebb pipe ID@localhost:9000 < photo.jpg",
		"ebb send --config ebb.toml video.mp4 ID@localhost:9000",
	}
	lines := strings.Split(strings.TrimSpace(strings.Join(readmeBlocks(t, "sh"), "")), "\n")
	if !slices.Equal(lines, known) {
		t.Fatalf("the README has the commands\n%s\nand this test knows\n%s", strings.Join(lines, "\n"), strings.Join(known, "\n"))
	}
	dir := t.TempDir()
	t.Setenv("GOBIN", dir)
	readmeTool(t, "install", "./cmd/ebb")
	ebb := filepath.Join(dir, "ebb"+readmeExe())
	out := untilReadme(t, "go", nil, "run", "./cmd/ebb", "bench", "--seconds", "0.2", "--rounds", "1")
	if !strings.Contains(out, "Ebb") {
		t.Errorf("bench prints\n%s", out)
	}

	photo, video, settings := filepath.Join(dir, "photo.jpg"), filepath.Join(dir, "video.mp4"), filepath.Join(dir, "ebb.toml")
	content := bytes.Repeat([]byte("light and shade "), 10_000)
	inbox := filepath.Join(dir, "inbox")
	for path, b := range map[string][]byte{
		photo: content, video: content, settings: []byte(strings.Join(readmeBlocks(t, "toml"), "")),
	} {
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(inbox, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, variable := range []string{"XDG_CONFIG_HOME", "AppData"} { // where os.UserConfigDir looks, but on a Mac
		t.Setenv(variable, filepath.Join(dir, "config"))
	}
	id := strings.TrimSpace(untilReadme(t, ebb, nil, "id")) + "@" // of both ends: a user has one
	address := readmePort(t)
	startReadme(t, exec.Command(ebb, "receive", address, inbox))
	untilReadme(t, ebb, nil, "send", photo, id+address)
	untilReadme(t, ebb, nil, "send", "--config", settings, video, id+address)
	for _, path := range []string{photo, video} {
		if got, err := os.ReadFile(filepath.Join(inbox, filepath.Base(path))); err != nil || !bytes.Equal(got, content) {
			t.Errorf("the inbox has %d bytes of %s, error %v", len(got), path, err)
		}
	}

	readmeFolder(t, ebb, id, content)
	readmePipe(t, ebb, id, content)
	readmeTunnel(t, ebb, id)
}

// readmeFolder sends a folder twice, and has deleted what it does not have any more.
func readmeFolder(t *testing.T, ebb, id string, content []byte) {
	t.Helper()
	photos, inbox, address := filepath.Join(t.TempDir(), "photos"), t.TempDir(), readmePort(t)
	if err := os.Mkdir(photos, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"kept", "gone"} {
		if err := os.WriteFile(filepath.Join(photos, name), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	startReadme(t, exec.Command(ebb, "receive", "--overwrite", "--delete", address, inbox))
	untilReadme(t, ebb, nil, "send", "-r", "--delete", photos, id+address)
	if err := os.Remove(filepath.Join(photos, "gone")); err != nil {
		t.Fatal(err)
	}
	untilReadme(t, ebb, nil, "send", "-r", "--delete", photos, id+address)
	got, err := os.ReadFile(filepath.Join(inbox, "photos", "kept"))
	_, gone := os.Stat(filepath.Join(inbox, "photos", "gone"))
	if err != nil || !bytes.Equal(got, content) || !errors.Is(gone, fs.ErrNotExist) {
		t.Errorf("the inbox has %d bytes, error %v; what is gone: %v", len(got), err, gone)
	}
}

// readmePipe sends content through a pipe.
func readmePipe(t *testing.T, ebb, id string, content []byte) {
	t.Helper()
	address := readmePort(t)
	var copied bytes.Buffer
	listener := exec.Command(ebb, "pipe", "-l", address)
	listener.Stdout = &copied
	startReadme(t, listener)
	untilReadme(t, ebb, content, "pipe", id+address)
	if err := listener.Wait(); err != nil || !bytes.Equal(copied.Bytes(), content) {
		t.Errorf("the copy has %d bytes, error %v", copied.Len(), err)
	}
}

// readmeTunnel asks a web server through a tunnel.
func readmeTunnel(t *testing.T, ebb, id string) {
	t.Helper()
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "through") }))
	defer service.Close()
	far, near := readmePort(t), readmePort(t)
	startReadme(t, exec.Command(ebb, "tunnel", "--accept", far, "--forward", service.Listener.Addr().String()))
	startReadme(t, exec.Command(ebb, "tunnel", "--listen", near, "--to", id+far))
	answer, err := http.Get("http://" + near)
	for deadline := time.Now().Add(30 * time.Second); err != nil; answer, err = http.Get("http://" + near) { // until both listen
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
	defer answer.Body.Close()
	if got, err := io.ReadAll(answer.Body); err != nil || string(got) != "through" {
		t.Errorf("the service answers %q, error %v", got, err)
	}
}
