package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"example.com/ebb/internal/lab/qlogcheck"
)

// TestQlog: with QLOGDIR a transfer leaves a whole trace at each end, which the command describes, draws and expands.
func TestQlog(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("QLOGDIR", filepath.Join(dir, "traces")+"/")
	file := writeFile(t, filepath.Join(dir, "file"), randomBytes(2_000_000))
	if err := os.Mkdir(filepath.Join(dir, "inbox"), 0o700); err != nil {
		t.Fatal(err)
	}
	receiver := start(t, prepare(t, "ebb", "receive", "--plain", "--once", "127.0.0.1:0", filepath.Join(dir, "inbox")), true)
	if status, _, stderr := execute(t, "ebb", "send", "--plain", file, receiver.address); status != 0 {
		t.Fatalf("the sender: status %d\n%s", status, stderr)
	}
	if status := receiver.wait(t); status != 0 {
		t.Fatalf("the receiver: status %d\n%s", status, receiver.stderr.String())
	}
	for role, limit := range map[string]string{"client": "own limit", "server": "application"} {
		all, err := filepath.Glob(filepath.Join(dir, "traces", "*_"+role+".sqlog"))
		if err != nil || len(all) != 1 {
			t.Fatalf("the traces of the %s are %q, %v", role, all, err)
		}
		picture, expanded := filepath.Join(dir, role+".svg"), filepath.Join(dir, role+".expanded")
		args := []string{"qlog", "--picture", picture, "--expand", expanded, all[0]}
		status, stdout, stderr := execute(t, "ebb", args...)
		if status != 0 || stderr != "" {
			t.Fatalf("status %d\n%s", status, stderr)
		}
		for _, want := range []string{"as its " + role + " has seen it, with 127.0.0.1:", "\nlost        0 packets", limit + ": ", "\nended       "} {
			if !strings.Contains(stdout, want) {
				t.Errorf("no %q in\n%s", want, stdout)
			}
		}
		drawn, err := os.ReadFile(picture)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"<svg", "rate, Mbit/s", "queue, ms", "window, KB", "packets lost", role} {
			if !strings.Contains(string(drawn), want) {
				t.Errorf("no %q in the picture", want)
			}
		}
		b, err := os.ReadFile(expanded)
		if err != nil {
			t.Fatal(err)
		}
		counts, err := qlogcheck.File(b, false)
		if err != nil || counts["ebb:packets_sent"]+counts["ebb:packets_received"] != 0 || counts["quic:packet_sent"] == 0 {
			t.Errorf("expanded: %v, %v", counts, err)
		}
		status, _, stderr = execute(t, "ebb", args...)
		if status != 1 { // what is there is kept
			t.Errorf("again: status %d", status)
		}
		wantOneLine(t, stderr, expanded)
	}
	status, _, stderr := execute(t, "ebb", "qlog", file)
	if status != 1 {
		t.Errorf("of no trace: status %d", status)
	}
	wantOneLine(t, stderr, file, "no header")
}

// TestTracesThatCannotBeWritten: a folder for traces that cannot be written to is told in one line, and the transfer goes on; one that can is
// not talked about.
func TestTracesThatCannotBeWritten(t *testing.T) {
	dir := t.TempDir()
	file := writeFile(t, filepath.Join(dir, "photo"), []byte("x"))
	for traces, told := range map[string]bool{filepath.Join(file, "traces"): true, filepath.Join(dir, "new", "traces"): false} {
		receiver := start(t, prepare(t, "ebb", "receive", "--once", "127.0.0.1:0", t.TempDir()), true)
		cmd := prepare(t, "ebb", "send", file, receiver.address)
		cmd.Env = append(cmd.Env, "QLOGDIR="+traces)
		status, sender := runOf(t, cmd)
		if status != 0 || receiver.wait(t) != 0 {
			t.Errorf("%s: status %d, %v", traces, status, receiver.ProcessState)
		}
		if stderr := sender.stderr.String(); told {
			wantOneLine(t, stderr, "not traced", "QLOGDIR", traces)
		} else if stderr != "" || len(listDir(t, traces)) != 1 {
			t.Errorf("%q, and there are %q", stderr, listDir(t, traces))
		}
	}
}
