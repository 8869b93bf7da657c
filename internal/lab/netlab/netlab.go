// Package netlab runs a laboratory of two hosts and one emulated path on this machine, which real packets cross: the
// netlab command, a Go module of its own whose folder the caller names. It needs Linux, root, /dev/net/tun and
// iproute2. What the package starts it ends, also when its context does.
//
// The laboratory is as good as the machine is idle: it says itself by how much the latest packet was delivered too
// late, and Run tells. It runs at an ordinary priority: with a real-time one (chrt -f) the kernel's own work for the
// packets starves, and Linux stops the laboratory for 50 ms to a second.
package netlab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Variable names the folder of netlab's module in the environment.
const Variable = "EBB_NETLAB"

// ErrUnavailable is why nothing can be measured here: the system, the rights or the laboratory are
// missing. The error that wraps it says which.
var ErrUnavailable = errors.New("no laboratory")

// endTime is how long netlab may take to clean up when it is asked to end.
const endTime = 10 * time.Second

// Lab is netlab, built. It is used by one goroutine at a time.
type Lab struct {
	Dir    string // of the laboratory's own, for what runs leave behind; Close removes it
	binary string
	stderr io.Writer
}

// Open builds netlab from its folder. What its runs say goes to stderr as well; nil: nowhere.
func Open(ctx context.Context, folder string, stderr io.Writer) (*Lab, error) {
	if err := available(folder); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "ebb-netlab-")
	if err != nil {
		return nil, fmt.Errorf("a folder for the measurements: %w", err)
	}
	if stderr == nil {
		stderr = io.Discard
	}
	l := &Lab{Dir: dir, binary: filepath.Join(dir, "netlab"), stderr: stderr}
	build := exec.CommandContext(ctx, "go", "-C", folder, "build", "-o", l.binary, ".")
	if out, err := build.CombinedOutput(); err != nil {
		l.Close()
		return nil, fmt.Errorf("building netlab in %s: %w\n%s", folder, err, out)
	}
	return l, nil
}

// Close removes what Open and the runs have left.
func (l *Lab) Close() { os.RemoveAll(l.Dir) }

// available says why there is no laboratory, if there is none.
func available(folder string) error {
	missing := func(format string, args ...any) error {
		return fmt.Errorf("%w: %s", ErrUnavailable, fmt.Sprintf(format, args...))
	}
	if folder == "" {
		return missing("the folder of netlab is not given: --netlab, or %s", Variable)
	}
	if _, err := os.Stat(filepath.Join(folder, "go.mod")); err != nil {
		return missing("%s does not hold netlab's module", folder)
	}
	if os.Geteuid() != 0 {
		return missing("network namespaces need root")
	}
	if _, err := os.Stat("/dev/net/tun"); err != nil {
		return missing("there is no /dev/net/tun")
	}
	for _, tool := range []string{"ip", "ss", "timeout", "seq", "sh", "mkfifo", "go"} {
		if _, err := exec.LookPath(tool); err != nil {
			return missing("there is no %s command", tool)
		}
	}
	return nil
}

// Report is what a run has to say.
type Report struct {
	Said string        // of netlab and its command, on standard error
	Late time.Duration // by which the latest packet was delivered too late
}

// Run builds a path by netlab's arguments, lets a shell run a script while it is up, and takes it away again. The
// script finds NETLAB_A, NETLAB_B and the rest in its environment. Beyond limit both are ended.
func (l *Lab) Run(ctx context.Context, limit time.Duration, arguments []string, script string) (Report, error) {
	name := fmt.Sprintf("eb%d", os.Getpid()%100_000)
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	all := append(append([]string{}, arguments...), "-timing", "-name", name, "--", "sh", "-c", script)
	cmd := exec.CommandContext(ctx, l.binary, all...)
	// netlab removes the path and ends its command when it is asked to; killing it would leave
	// both.
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = endTime
	var said strings.Builder
	cmd.Stderr = io.MultiWriter(&said, l.stderr)
	err := cmd.Run()
	removeNamespaces(name)
	if cause := context.Cause(ctx); cause != nil {
		return Report{}, fmt.Errorf("netlab %s: %w", strings.Join(arguments, " "), cause)
	}
	if err != nil {
		return Report{}, fmt.Errorf("netlab %s: %w\n%s", strings.Join(arguments, " "), err, said.String())
	}
	late, err := latest(said.String())
	return Report{said.String(), late}, err
}

// latest reads netlab's -timing: by how much the latest packet of either direction was delivered too late.
func latest(said string) (worst time.Duration, err error) {
	found := false
	for line := range strings.Lines(said) {
		_, text, ok := strings.Cut(strings.TrimSpace(line), " max ")
		if !ok || !strings.Contains(line, "late by") {
			continue
		}
		late, err := time.ParseDuration(text)
		if err != nil {
			return 0, fmt.Errorf("netlab's timing, %q: %w", line, err)
		}
		worst, found = max(worst, late), true
	}
	if !found {
		return 0, errors.New("netlab does not say how late packets were: it has to know -timing")
	}
	return worst, nil
}

// removeNamespaces takes away what netlab leaves behind if it had to be killed; otherwise there is
// nothing to remove and the command's complaint is expected.
func removeNamespaces(name string) {
	for _, end := range []string{"-a", "-b"} {
		if _, err := os.Stat("/run/netns/" + name + end); err == nil {
			exec.Command("ip", "netns", "del", name+end).Run()
		}
	}
}
