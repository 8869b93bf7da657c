package against

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"example.com/ebb/bench/internal/measure"
	"example.com/ebb/bench/internal/peer"
)

func TestTurns(t *testing.T) {
	for _, tc := range []struct {
		peers, measurements string
		want                string // empty: an error
	}{
		{"", "", "ebb:bulk*10 ebb:bulk8*10 ebb:ping*10 ebb:dial*10 ebb:dial32*10 ebb:idle*3 " +
			"ebb-endpoint:bulk*10 ebb-endpoint:bulk8*10 ebb-endpoint:ping*10 ebb-endpoint:dial*10 ebb-endpoint:dial32*10 ebb-endpoint:idle*3 " +
			"ebb-sockets:bulk8*10"},
		{"", "ping", "ebb:ping*10 ebb-endpoint:ping*10"},
		{"ebb, tcp-bbr", "bulk8, relay", "ebb:bulk8*10 ebb:relay*3 tcp-bbr:bulk8*10"},
		{"nobody", "", ""},
		{"", "luck", ""},
		{"", "bulk, raw", ""},
		{"tcp-bbr", "relay", ""},
	} {
		turns, err := Turns(tc.peers, tc.measurements, 10)
		var got []string
		for _, turn := range turns {
			got = append(got, fmt.Sprintf("%s:%s*%d", turn.Peer, turn.Measurement, turn.Pairs))
		}
		if (err != nil) != (tc.want == "") || err == nil && strings.Join(got, " ") != tc.want {
			t.Errorf("%q, %q: %v, %v; want %s", tc.peers, tc.measurements, got, err, tc.want)
		}
	}
}

// fake is a tree whose bench is a shell script.
func fake(t *testing.T, script string) bench {
	t.Helper()
	b := bench{filepath.Join(t.TempDir(), "bench"), t.TempDir(), io.Discard}
	if err := os.WriteFile(b.program, []byte("#!/bin/sh\n"+script), 0o700); err != nil {
		t.Fatal(err)
	}
	return b
}

// answer is a script that notes its turn, and has a rate to tell.
func answer(log, name string, rate int) string {
	return fmt.Sprintf(`echo %s "$@" >>%s
echo '{"results":[{"peer":"ebb","metric":"bulk_bytes_per_second","samples":[%d]}]}'
`, name, log, rate)
}

func newRun(t *testing.T, benches ...bench) *run {
	return &run{
		ctx: t.Context(), progress: io.Discard, result: &Comparison{}, benches: [2]bench{benches[0], benches[1]},
		slot: 2 * time.Second, skipped: map[Turn]bool{},
	}
}

// TestWhoIsFirst: the trees take turns, and who begins changes from pair to pair. What is short
// of pairs ends earlier.
func TestWhoIsFirst(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	r := newRun(t, fake(t, answer(log, "old", 100)), fake(t, answer(log, "new", 90)))
	if err := r.pairs([]Turn{{"ebb", "bulk", 3}, {"ebb", "idle", 1}}); err != nil {
		t.Fatal(err)
	}
	const bulk, idle = " -peers ebb -measure bulk -rounds 1 -slot 2s -json\n", " -peers ebb -measure idle -rounds 1 -slot 2s -json\n"
	const want = "old" + bulk + "new" + bulk + "old" + idle + "new" + idle + "new" + bulk + "old" + bulk + "old" + bulk + "new" + bulk
	got, err := os.ReadFile(log)
	if err != nil || string(got) != want {
		t.Errorf("the turns were %v\n%s\nwant\n%s", err, got, want)
	}
	if f := r.result.Figures[0]; !slices.Equal(f.Ratios, []float64{0.9, 0.9, 0.9, 0.9}) || !f.Worse {
		t.Errorf("the figure is %+v", f)
	}
}

// TestTreeWithoutThePeer: its turn is skipped, is said to be so once, and costs the other tree
// nothing. The words are those of the real selections.
func TestTreeWithoutThePeer(t *testing.T) {
	_, noPeer := peer.Select("ebb-new")
	_, noMeasurement := measure.Select("luck")
	for _, tc := range []struct {
		turn Turn
		err  error
		want string
	}{
		{Turn{"ebb-new", "bulk", 3}, noPeer, `ebb-new, bulk: the old tree has no peer "ebb-new"`},
		{Turn{"ebb", "luck", 3}, noMeasurement, `ebb, luck: the old tree has no measurement "luck"`},
	} {
		log := filepath.Join(t.TempDir(), "log")
		r := newRun(t, fake(t, fmt.Sprintf("echo 'bench: %v' >&2; exit 1", tc.err)), fake(t, answer(log, "new", 1)))
		if err := r.pairs([]Turn{tc.turn}); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(r.result.Skipped, []string{tc.want}) {
			t.Errorf("skipped is %q, want %q", r.result.Skipped, tc.want)
		}
		if _, err := os.Stat(log); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the new tree took the turn: %v", err)
		}
	}
}

// TestFailures: a turn that failed is noted and the run goes on; a bench that dies ends it.
func TestFailures(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	failed := fake(t, `echo '{"results":[{"peer":"ebb","metric":"bulk","failures":["i/o timeout"]}]}'`)
	r := newRun(t, fake(t, answer(log, "old", 1)), failed)
	if err := r.pairs([]Turn{{"ebb", "bulk", 2}}); err != nil {
		t.Fatal(err)
	}
	if want := "ebb, bulk, new tree: i/o timeout"; !slices.Equal(r.result.Failures, []string{want, want}) || len(r.result.Figures) != 0 {
		t.Errorf("failures are %q, want twice %q; figures %v", r.result.Failures, want, r.result.Figures)
	}
	for script, want := range map[string]string{
		"echo round 1 >&2; echo 'panic: BUG: no' >&2; exit 2": "BUG: no",
		"echo 'round 1' >&2; echo 'bench: no' >&2; exit 1":    "no",
		"exit 3":   "exit status 3",
		"echo yes": "invalid character 'y' looking for beginning of value",
	} {
		r := newRun(t, fake(t, answer(log, "old", 1)), fake(t, script))
		if err := r.pairs([]Turn{{"ebb", "bulk", 2}}); err == nil || !strings.HasSuffix(err.Error(), ": "+want) {
			t.Errorf("%s: %v, want %s", script, err, want)
		}
	}
}

// TestInterruptKillsAll: the end of the context ends a bench and what it has started.
func TestInterruptKillsAll(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	b := fake(t, "exec 3>"+pipe+"; echo >&3; sleep 60 & wait")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		_, err := b.take(ctx, Turn{"ebb", "bulk", 1}, time.Second)
		ended <- err
	}()
	alive, err := os.Open(pipe) // when the script has opened it too
	if err != nil {
		t.Fatal(err)
	}
	defer alive.Close()
	if err := alive.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := alive.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := io.ReadAll(alive); err != nil { // it ends with the last process that has it
		t.Fatalf("a process lives on: %v", err)
	}
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("the turn ended with %v", err)
	}
}

// TestBadTrees: what is no tree of Ebb, and one that does not build, are told in a line.
func TestBadTrees(t *testing.T) {
	write := func(dir, name, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Join(dir, "bench"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "bench", name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	empty, other, broken := t.TempDir(), t.TempDir(), t.TempDir()
	write(other, "go.mod", "module example.com/other\n")
	write(broken, "go.mod", "module example.com/ebb/bench\n\ngo 1.26\n")
	write(broken, "main.go", "package main\n\nfunc main() { no() }\n")
	for _, dir := range []string{empty, other} {
		if _, err := FindTree(dir); err == nil || !strings.Contains(err.Error(), dir+" is no tree of Ebb") {
			t.Errorf("%s: %v", dir, err)
		}
	}
	tree, err := FindTree(broken)
	if err != nil {
		t.Fatal(err)
	}
	want := broken + " does not build: ./main.go:3:15: undefined: no"
	if _, err := tree.build(t.Context(), filepath.Join(empty, "out"), io.Discard); err == nil || err.Error() != want {
		t.Errorf("the build ended with %v, want %s", err, want)
	}
}
