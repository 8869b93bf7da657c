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

// The pages whose commands and programs are tested.
const (
	readmePage  = "README.md"
	commandPage = "docs/command.md"
	libraryPage = "docs/library.md"
)

// readmeBlock is one fenced block of a page.
type readmeBlock struct {
	language, text string
}

// readmeBlocks returns the blocks of a language in a page, in order. Every block has
// to be of a language that a test here knows what to do with.
func readmeBlocks(t *testing.T, page, language string) (texts []string) {
	t.Helper()
	b, err := os.ReadFile(filepath.FromSlash(page))
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
		t.Fatalf("%s has no blocks of %s, or one that does not end", page, language)
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

// readmeTool runs the go command at the root of the module, and returns what it prints. How long that takes is up to what has to be compiled.
func readmeTool(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
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
	programs := readmeBlocks(t, libraryPage, "go")
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

// The library in a few lines: as the body of a function that may fail it compiles, and does what it says.
func TestReadmeSnippet(t *testing.T) {
	snippets := readmeBlocks(t, readmePage, "go")
	if len(snippets) != 1 || strings.Count(snippets[0], "\n") > 13 {
		t.Fatalf("%d blocks of Go, want one that is short", len(snippets))
	}
	text := strings.ReplaceAll(snippets[0], readmeAddress, readmePort(t))
	program := "package main\n\nimport (\n\"io\"\n\"log\"\n\"net/http\"\n\"os\"\n\n\"example.com/ebb\"\n)\n\n" +
		"func main() {\nif err := run(); err != nil {\nlog.Fatal(err)\n}\n}\n\nfunc run() error {\n" + text + "return err\n}\n"
	want, err := os.ReadFile(filepath.FromSlash("docs/wire.md"))
	if got := untilReadme(t, buildReadme(t, "snippet", program), nil); err != nil || got != string(want) {
		t.Errorf("it prints %d bytes of %d, error %v", len(got), len(want), err)
	}
}

// readmeCommands are those of the pages: TestReadmeCommands runs each, or is run by it.
func readmeCommands() []string {
	return []string{
		"go run ./cmd/ebb bench",
		"go test ./...",
		"go install ./cmd/ebb",
		"go install ./cmd/ebb",
		"mkdir inbox",
		"ebb receive localhost:9000 inbox",
		"ebb send photo.jpg ID@localhost:9000",
		"ebb tunnel --accept localhost:4000 --forward localhost:80",
		"ebb tunnel --listen localhost:8080 --to ID@localhost:4000",
		"ebb send --debug video.mp4 ID@localhost:9000",
		"ebb top",
		"QLOGDIR=traces ebb send --bandwidth-limit unlimited music.flac ID@localhost:9000",
		"ebb qlog traces/*_client.sqlog",
		"ebb receive --overwrite --delete localhost:9000 inbox",
		"ebb send -r --delete photos ID@localhost:9000",
		"ebb pipe -l localhost:9000 > copy",
		"ebb pipe ID@localhost:9000 < photo.jpg",
		"ebb send --config ebb.toml video.mp4 ID@localhost:9000",
	}
}

func TestReadmeCommands(t *testing.T) {
	known := readmeCommands()
	blocks := append(readmeBlocks(t, readmePage, "sh"), readmeBlocks(t, commandPage, "sh")...)
	lines := strings.Split(strings.TrimSpace(strings.Join(blocks, "")), "\n")
	if !slices.Equal(lines, known) {
		t.Fatalf("the pages have the commands\n%s\nand this test knows\n%s", strings.Join(lines, "\n"), strings.Join(known, "\n"))
	}
	dir := t.TempDir()
	t.Setenv("GOBIN", dir)
	readmeTool(t, "install", "./cmd/ebb")
	ebb := filepath.Join(dir, "ebb"+readmeExe())
	out := readmeTool(t, "run", "./cmd/ebb", "bench", "--seconds", "0.2", "--rounds", "1")
	if !strings.Contains(out, "\n  Ebb ") || !strings.Contains(out, "\n  beside Ebb ") {
		t.Errorf("bench prints\n%s", out)
	}

	photo, video, settings := filepath.Join(dir, "photo.jpg"), filepath.Join(dir, "video.mp4"), filepath.Join(dir, "ebb.toml")
	content := bytes.Repeat([]byte("light and shade "), 10_000)
	inbox := filepath.Join(dir, "inbox")
	for path, b := range map[string][]byte{
		photo: content, video: content, settings: []byte(strings.Join(readmeBlocks(t, commandPage, "toml"), "")),
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

	readmeSlow(t, ebb, id+address, content)
	readmeFolder(t, ebb, id, content)
	readmePipe(t, ebb, id, content)
	readmeTunnel(t, ebb, id)
}

// readmeSlow asks two ways why a transfer is slow: ebb top while it is on, and a trace of another.
func readmeSlow(t *testing.T, ebb, to string, content []byte) {
	t.Helper()
	dir := t.TempDir()
	video, music, traces := filepath.Join(dir, "long.mp4"), filepath.Join(dir, "music.flac"), filepath.Join(dir, "traces")
	for path, b := range map[string][]byte{video: bytes.Repeat(content, 1000), music: content} {
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("XDG_RUNTIME_DIR", dir)
	startReadme(t, exec.Command(ebb, "send", "--debug", video, to))
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for shown := ""; !strings.Contains(shown, "established"); {
		out, err := exec.CommandContext(ctx, ebb, "top", "--interval", "100ms").CombinedOutput() // until it has a connection
		shown = string(out)
		if ctx.Err() != nil {
			t.Fatalf("ebb top: %v\n%s", err, shown)
		}
	}
	traced := exec.CommandContext(ctx, ebb, "send", "--bandwidth-limit", "unlimited", music, to)
	traced.Env = append(os.Environ(), "QLOGDIR="+traces)
	out, err := traced.CombinedOutput()
	files, _ := filepath.Glob(filepath.Join(traces, "*_client.sqlog"))
	if err != nil || len(files) != 1 {
		t.Fatalf("%d traces: %v\n%s", len(files), err, out)
	}
	if said := untilReadme(t, ebb, nil, "qlog", files[0]); !strings.Contains(said, "limited by  ") {
		t.Errorf("ebb qlog says\n%s", said)
	}
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
