package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestKernelWithoutALaboratory: the command says what is missing, with a status of its own.
func TestKernelWithoutALaboratory(t *testing.T) {
	status, _, stderr := execute(t, "ebb", "kernel", "--netlab", t.TempDir())
	if status != exitSkipped {
		t.Errorf("status %d, want %d", status, exitSkipped)
	}
	wantOneLine(t, stderr, "skipped", "netlab")
}

func TestKernelRefusesNonsense(t *testing.T) {
	for _, args := range [][]string{{"--rounds", "0"}, {"--scale", "0"}, {"--scale", "NaN"}, {"99"}, {"--stall", "-1s"}, {"--report"},
		{"--congestion-control", "vegas"}, {"--calibrate", "vegas"}} {
		status, _, stderr := execute(t, "ebb", append([]string{"kernel", "--netlab", t.TempDir()}, args...)...)
		if status != 2 {
			t.Errorf("%v: status %d, want 2", args, status)
		}
		wantOneLine(t, stderr)
	}
}

// TestKernelMeasures: a short scenario runs over the laboratory and leaves nothing behind.
func TestKernelMeasures(t *testing.T) {
	netlab(t)
	tsv := filepath.Join(t.TempDir(), "figures")
	p := start(t, prepare(t, "ebb", "kernel", "--netlab", os.Getenv(netlabEnv), "--quick", "--tsv", tsv, "3a"), false)
	status := p.wait(t)
	if status != 0 && status != 1 {
		t.Fatalf("status %d\n%s", status, p.stderr.String())
	}
	figures, err := os.ReadFile(tsv)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s", figures)
	if lines := strings.Count(string(figures), "\n"); lines != 3 {
		t.Errorf("%d lines of figures, want a heading and two", lines)
	}
	name := fmt.Sprintf("eb%d-", p.Process.Pid%100_000)
	if out, err := exec.Command("ip", "netns").CombinedOutput(); err != nil || strings.Contains(string(out), name) {
		t.Errorf("namespaces are left: %v\n%s", err, out)
	}
}

// A report of figures that are not there is no empty table.
func TestKernelReportsNoMissingFile(t *testing.T) {
	status, stdout, stderr := execute(t, "ebb", "kernel", "--report", "--results", filepath.Join(t.TempDir(), "none.tsv"))
	if status != 1 || stdout != "" {
		t.Errorf("status %d, output %q", status, stdout)
	}
	wantOneLine(t, stderr, "none.tsv")
}
