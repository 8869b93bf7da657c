package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/ebb"
	"example.com/ebb/peerid"
)

// Nothing is sent to nobody in particular: who has to be there is named, or nothing is protected at all.
func TestProtectionUsage(t *testing.T) {
	checkUsage(t, []badUsage{
		{"tunnel --listen :8080 --to host:1", `"ebb tunnel --accept" prints it`},
		{"tunnel --listen :8080 --plain --to " + somebody + "@host:1", "one of the two"},
		{"tunnel --listen :8080 --peer " + somebody + " --to " + somebody + "@host:1", "for who accepts"},
		{"tunnel --accept :4000 --forward a:1 --peer me", "52 letters"},
		{"send file host:1", `want ID@host:1, as "ebb receive" prints it at the other end (or --plain`},
		{"send file me@host:1", `"me" is not an identity`},
		{"send file " + somebody + "@host", `"host"`},
		{"send file --plain " + somebody + "@host:1", "one of the two"},
		{"send --peer " + somebody + " file host:1", "--peer"},
		{"send --key= file host:1", "--key"},
		{"receive --plain --peer " + somebody + " :0 dir", "exclude each other"},
		{"receive --plain=maybe :0 dir", "--plain"},
		{"pipe localhost:1", `"ebb pipe -l" prints it`},
		{"pipe --peer " + somebody + " " + somebody + "@localhost:1", "for who accepts"},
	})
}

// withConfig is a command whose user has a configuration folder of his own.
func withConfig(cmd *exec.Cmd, dir string) *exec.Cmd {
	for _, variable := range []string{"XDG_CONFIG_HOME", "HOME", "AppData"} {
		cmd.Env = append(cmd.Env, variable+"="+dir)
	}
	return cmd
}

// runOf starts a command that does not listen, waits for its end, and returns the status.
func runOf(t *testing.T, cmd *exec.Cmd) (status int, p *process) {
	t.Helper()
	p = start(t, cmd, false)
	return p.wait(t), p
}

// idOf is the identity that "ebb id" prints.
func idOf(t *testing.T, dir string) string {
	t.Helper()
	status, p := runOf(t, withConfig(prepare(t, "ebb", "id"), dir))
	if status != 0 {
		t.Fatalf("ebb id: status %d, says %s", status, p.stderr.String())
	}
	return strings.TrimSpace(p.stdout.String())
}

// interrupted ends a receiver, and returns what it has said.
func interrupted(t *testing.T, p *process) string {
	t.Helper()
	p.Process.Signal(os.Interrupt)
	p.wait(t)
	return p.stderr.String()
}

// joins wants two ends of a pipe to meet, and to end when neither has anything to say.
func joins(t *testing.T, listener *process, dialler *exec.Cmd) {
	t.Helper()
	p := start(t, dialler, false)
	listener.stdin.Close()
	if status := p.wait(t); status != 0 {
		t.Errorf("%q: status %d, says %s", dialler.Args[1:], status, p.stderr.String())
	}
	if status := listener.wait(t); status != 0 {
		t.Errorf("%q: status %d, says %s", listener.Args[1:], status, listener.stderr.String())
	}
}

// A receiver has the same identity each time, prints it and what to type, and that is enough for a sender.
func TestIdentityIsMadeOnce(t *testing.T) {
	mine, yours, to := t.TempDir(), t.TempDir(), t.TempDir()
	file := writeFile(t, filepath.Join(t.TempDir(), "a"), []byte("x"))
	var first string
	for i := range 2 {
		receiver := start(t, withConfig(prepare(t, "ebb", "receive", "--overwrite", "--once", "127.0.0.1:0", to), mine), true)
		status, sender := runOf(t, withConfig(prepare(t, "ebb", "send", file, receiver.address), yours))
		if status != 0 || receiver.wait(t) != 0 {
			t.Fatalf("status %d: %s%s", status, sender.stderr.String(), receiver.stderr.String())
		}
		id, _, _ := strings.Cut(receiver.address, "@")
		said := receiver.stderr.String()
		if i == 0 {
			first = id
		}
		if id != first || !strings.Contains(said, "ebb receive: identity "+id+"\n") || !strings.Contains(said, "ebb send FILE... "+receiver.address+"\n") {
			t.Errorf("the receiver, which was %s, says\n%s", first, said)
		}
		for side, stderr := range map[string]string{"receiver": said, "sender": sender.stderr.String()} {
			if made := strings.Contains(stderr, "created a key in "); made != (i == 0) {
				t.Errorf("time %d: the %s says\n%s", i, side, stderr)
			}
		}
	}
	if got := idOf(t, mine); got != first {
		t.Errorf("ebb id prints %s, and it is %s", got, first)
	}
	if runtime.GOOS == "linux" {
		info, err := os.Stat(filepath.Join(mine, "ebb", keyName))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("the key's file: %v, %v", info, err)
		}
	}
}

// Processes that make the key at once have the same.
func TestKeyIsMadeByOne(t *testing.T) {
	dir := t.TempDir()
	var all []*process
	for range 8 {
		all = append(all, start(t, withConfig(prepare(t, "ebb", "id"), dir), false))
	}
	ids := make(map[string]bool)
	for _, p := range all {
		if status := p.wait(t); status != 0 {
			t.Errorf("status %d, says %s", status, p.stderr.String())
		}
		ids[p.stdout.String()] = true
	}
	if len(ids) != 1 {
		t.Errorf("they are %v", ids)
	}
	if names := listDir(t, filepath.Join(dir, "ebb")); !slices.Equal(names, []string{keyName}) {
		t.Errorf("the folder has %q", names)
	}
}

// A key that cannot be used is an error that names the file, and stays as it is.
func TestKeyErrors(t *testing.T) {
	dir := t.TempDir()
	key := func(name string, mode os.FileMode, content string) string {
		path := writeFile(t, filepath.Join(dir, name), []byte(content))
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	if err := peerid.Save(filepath.Join(dir, "good"), peerid.NewKey()); err != nil {
		t.Fatal(err)
	}
	good, err := os.ReadFile(filepath.Join(dir, "good"))
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		key("broken", 0o600, "not a key"):              "no private key in PEM",
		key("half", 0o600, string(good[:len(good)/2])): "no private key in PEM",
		key("empty", 0o600, ""):                        "no private key in PEM",
		dir:                                            "is a directory, not a key file",
		filepath.Join(dir, "good", "key"):              "not a directory",
		key("open", 0o644, string(good)):               "chmod 600",
		key("unreadable", 0, string(good)):             "permission denied",
	} {
		if runtime.GOOS == "windows" && want != "no private key in PEM" {
			t.Logf("not tried: Windows has no modes (%s)", want)
			continue
		}
		if os.Geteuid() == 0 && want == "permission denied" {
			t.Log("not tried: there is nothing that root cannot read")
			continue
		}
		if path == dir {
			os.Chmod(dir, 0o755) // which is no reason to take rights to a directory away
		}
		before, _ := os.ReadFile(path)
		for _, args := range [][]string{{"receive", "--key", path, "127.0.0.1:0", dir}, {"pipe", "--key", path, somebody + "@127.0.0.1:1"}, {"id", "--key", path}} {
			status, stdout, stderr := execute(t, "ebb", args...)
			if status != 1 || stdout != "" {
				t.Errorf("%q: status %d, prints %q", args, status, stdout)
			}
			wantOneLine(t, stderr, path, want)
		}
		if after, _ := os.ReadFile(path); !bytes.Equal(before, after) {
			t.Errorf("%s has become %q", path, after)
		}
	}
	cmd := withConfig(prepare(t, "ebb", "id"), "")
	if status, p := runOf(t, cmd); status != 1 || !strings.Contains(p.stderr.String(), "--key") {
		t.Errorf("without a configuration folder: status %d, says %s", status, p.stderr.String())
	}
}

// Who is not meant learns it, and both identities are named; nothing is stored.
func TestWrongIdentity(t *testing.T) {
	to := t.TempDir()
	file := writeFile(t, filepath.Join(t.TempDir(), "a"), []byte("x"))
	receiver := start(t, prepare(t, "ebb", "receive", "127.0.0.1:0", to), true)
	id, address, _ := strings.Cut(receiver.address, "@")
	for _, args := range [][]string{{"send", file}, {"pipe"}} {
		status, _, stderr := execute(t, "ebb", append(args, somebody+"@"+address)...)
		if status != 1 {
			t.Errorf("%s: status %d", args[0], status)
		}
		wantOneLine(t, stderr, id, somebody, address)
	}
	interrupted(t, receiver)
	if names := listDir(t, to); len(names) != 0 {
		t.Errorf("the directory has %q", names)
	}
}

// A plain sender at a protected receiver, and the reverse, fail at once, and both sides say what to do.
func TestPlainMeetsProtected(t *testing.T) {
	file := writeFile(t, filepath.Join(t.TempDir(), "a"), []byte("x"))
	for _, plain := range []bool{true, false} {
		network, sender, receiver := "plain", "takes protected connections only", "is refused: it has --plain"
		if plain {
			network, sender, receiver = "ebb", "takes plain connections only", "is refused: it wants a protected connection"
		}
		r := start(t, prepare(t, map[bool]string{true: "plain", false: "ebb"}[plain], "receive", "127.0.0.1:0", t.TempDir()), true)
		to := r.at()
		if plain {
			to = somebody + "@" + to
		}
		began := time.Now()
		status, _, stderr := execute(t, network, "send", file, to)
		if status != 1 {
			t.Errorf("the sender: status %d", status)
		}
		wantOneLine(t, stderr, sender, r.at())
		if took := time.Since(began); took > 5*time.Second { // a handshake that nobody answers takes 10
			t.Errorf("the sender learned it after %v", took)
		}
		if said := interrupted(t, r); !strings.Contains(said, receiver) {
			t.Errorf("the receiver says\n%s", said)
		}
	}
}

// Only listed peers are served, whichever command it is. The others learn their own identity, and the listener says who has come.
func TestPeers(t *testing.T) {
	skipWithoutSignals(t)
	friend, stranger, to := t.TempDir(), t.TempDir(), t.TempDir()
	id, not := idOf(t, friend), idOf(t, stranger)
	file := writeFile(t, filepath.Join(t.TempDir(), "a"), []byte("x"))
	admit := []string{"--peer", somebody, "--peer", id}
	refused := func(name string, said string) {
		t.Helper()
		if !strings.Contains(said, "is refused: its identity is "+not+", which no --peer names") {
			t.Errorf("%s says\n%s", name, said)
		}
	}
	told := func(name string, status int, p *process) {
		t.Helper()
		if status != 1 || !strings.Contains(p.stderr.String(), "does not admit our identity: add --peer "+not+" there") {
			t.Errorf("%s of a stranger: status %d, says %s", name, status, p.stderr.String())
		}
	}

	receiver := start(t, prepare(t, "ebb", slices.Concat([]string{"receive", "--once"}, admit, []string{"127.0.0.1:0", to})...), true)
	status, p := runOf(t, withConfig(prepare(t, "ebb", "send", file, receiver.address), stranger))
	told("send", status, p)
	if status, p := runOf(t, withConfig(prepare(t, "ebb", "send", file, receiver.address), friend)); status != 0 {
		t.Errorf("send of a friend: status %d, says %s", status, p.stderr.String())
	}
	receiver.wait(t)
	refused("receive", receiver.stderr.String())

	listener := start(t, prepare(t, "ebb", slices.Concat([]string{"pipe", "-l"}, admit, []string{"127.0.0.1:0"})...), true)
	status, p = runOf(t, withConfig(prepare(t, "ebb", "pipe", listener.address), stranger))
	told("pipe", status, p)
	joins(t, listener, withConfig(prepare(t, "ebb", "pipe", listener.address), friend))
	refused("pipe -l", listener.stderr.String())

	far := start(t, prepare(t, "ebb", slices.Concat([]string{"tunnel", "--accept", "127.0.0.1:0", "--forward", service(t, reverse)}, admit)...), true)
	for dir, want := range map[string]string{friend: "hello!", stranger: ""} {
		near := start(t, withConfig(prepare(t, "ebb", "tunnel", "--listen", "127.0.0.1:0", "--to", far.address), dir), true)
		if got, err := asks(t, dialled(t, near.address), []byte("hello")); string(got) != want || (err == nil) != (want != "") {
			t.Errorf("through a tunnel: %q, error %v, want %q", got, err, want)
		}
		terminate(t, near)
		if want == "" && !strings.Contains(near.stderr.String(), "add --peer "+not) {
			t.Errorf("the tunnel of a stranger says\n%s", near.stderr.String())
		}
	}
	terminate(t, far)
	refused("tunnel --accept", far.stderr.String())
}

// Listed peers have places of their own, though they have one address.
func TestPlacesOfIdentities(t *testing.T) {
	file := writeFile(t, filepath.Join(t.TempDir(), "a"), []byte("x"))
	dirs := []string{t.TempDir(), t.TempDir()}
	receiver := start(t, prepare(t, "ebb", "receive", "--overwrite", "--max-senders-per-host", "1", "--peer", idOf(t, dirs[0]), "--peer", idOf(t, dirs[1]),
		"127.0.0.1:0", t.TempDir()), true)
	to, err := parseTarget(receiver.address)
	if err != nil {
		t.Fatal(err)
	}
	key, err := peerid.Load(filepath.Join(dirs[0], "ebb", keyName))
	if err != nil {
		t.Fatal(err)
	}
	silent, err := (&ebb.Dialer{Config: &ebb.Config{TLS: peerid.Client(key, to.id)}}).Dial("udp", to.address)
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	io.WriteString(silent, offer("b"))
	silent.Read(make([]byte, 1)) // it has a place now
	status, p := runOf(t, withConfig(prepare(t, "ebb", "send", file, receiver.address), dirs[0]))
	if said := p.stderr.String(); status != 1 || !strings.Contains(said, "1 of 1 places of your identity are taken") {
		t.Errorf("a second connection of the identity: status %d, says %s", status, said)
	}
	if status, p := runOf(t, withConfig(prepare(t, "ebb", "send", file, receiver.address), dirs[1])); status != 0 {
		t.Errorf("another identity of the same address: status %d, says %s", status, p.stderr.String())
	}
	interrupted(t, receiver)
}

// The file says the same as the flags, which win.
func TestProtectionFromFile(t *testing.T) {
	mine, dir := t.TempDir(), t.TempDir()
	id := idOf(t, mine)
	config := writeFile(t, filepath.Join(dir, "ebb.toml"), []byte(fmt.Sprintf(
		"[tls]\nkey = %q\npeer = [%q]\n", filepath.Join(mine, "ebb", keyName), somebody)))
	listener := start(t, prepare(t, "ebb", "pipe", "-l", "--config", config, "127.0.0.1:0"), true)
	if !strings.HasPrefix(listener.address, id+"@") {
		t.Errorf("with the key of %s it is %s", id, listener.address)
	}
	if status, p := runOf(t, prepare(t, "ebb", "pipe", listener.address)); status != 1 {
		t.Errorf("who is not listed: status %d, says %s", status, p.stderr.String())
	}
	interrupted(t, listener)

	listener = start(t, prepare(t, "ebb", "pipe", "-l", "--config", config, "--peer", id, "127.0.0.1:0"), true)
	joins(t, listener, withConfig(prepare(t, "ebb", "pipe", listener.address), mine))

	plain := writeFile(t, filepath.Join(dir, "plain.toml"), []byte("[tls]\nplain = true\n"))
	listener = start(t, prepare(t, "ebb", "pipe", "-l", "--config", plain, "127.0.0.1:0"), true)
	if strings.Contains(listener.address, "@") {
		t.Errorf("plain, it is %s", listener.address)
	}
	joins(t, listener, prepare(t, "ebb", "pipe", "--config", plain, listener.address))
	status, _, stderr := execute(t, "ebb", "pipe", "--config", plain, "--plain=false", listener.address)
	if status != 2 {
		t.Errorf("plain no more: status %d", status)
	}
	wantOneLine(t, stderr, "want ID@")
}

// Everything works plain as well.
func TestPlain(t *testing.T) {
	skipWithoutSignals(t)
	to := t.TempDir()
	file := writeFile(t, filepath.Join(t.TempDir(), "a"), []byte("x"))
	receiver := start(t, prepare(t, "plain", "receive", "--once", "127.0.0.1:0", to), true)
	if status, _, stderr := execute(t, "plain", "send", file, receiver.address); status != 0 || receiver.wait(t) != 0 {
		t.Errorf("send: status %d, says %s", status, stderr)
	}
	if said := receiver.stderr.String(); !strings.Contains(said, "ebb send --plain FILE... "+receiver.address+"\n") || strings.Contains(said, "identity") {
		t.Errorf("the receiver says\n%s", said)
	}
	near, far := tunnelTo(t, "plain", []string{"--forward", service(t, reverse)}, nil)
	if got, err := asks(t, dialled(t, near.address), []byte("hello")); err != nil || string(got) != "hello!" {
		t.Errorf("through a tunnel: %q, error %v", got, err)
	}
	terminate(t, near, far)
}

// What to type at the other end has the name that was given, or an address that is not every one.
func TestReachable(t *testing.T) {
	at := func(a string) net.Addr { return net.UDPAddrFromAddrPort(netip.MustParseAddrPort(a)) }
	for _, test := range []struct{ typed, at, want string }{
		{"localhost:0", "127.0.0.1:9000", "localhost:9000"},
		{"gateway.example:domain", "192.0.2.1:53", "gateway.example:53"},
		{"[::1]:0", "[::1]:9000", "[::1]:9000"},
		{"192.0.2.7:9000", "192.0.2.7:9000", "192.0.2.7:9000"},
	} {
		if got := reachable(test.typed, at(test.at)); got != test.want {
			t.Errorf("reachable(%q, %s) = %q, want %q", test.typed, test.at, got, test.want)
		}
	}
	for _, typed := range []string{":9000", "0.0.0.0:9000", "[::]:9000"} {
		host, port, err := net.SplitHostPort(reachable(typed, at("[::]:9000")))
		if ip, bad := netip.ParseAddr(host); err != nil || port != "9000" || host == "" || bad == nil && ip.IsUnspecified() {
			t.Errorf("%s: others are to reach us at %s:%s, %v", typed, host, port, err)
		}
	}
}
