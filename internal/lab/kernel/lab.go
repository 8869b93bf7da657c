package kernel

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

// ErrUnavailable is why nothing can be measured here: the system, the rights or the laboratory are
// missing. The error that wraps it says which.
var ErrUnavailable = errors.New("no laboratory")

const (
	// setupTime is what building and removing a path and starting the ends may take, beyond
	// what the flows do.
	setupTime = 20 * time.Second
	// endTime is how long netlab may take to clean up when it is asked to end.
	endTime = 10 * time.Second
	// attempts is how often a run is measured at most, if the laboratory stalls in each.
	attempts = 3
)

// lab is netlab, built, and the ebb command.
type lab struct {
	dir    string // its own, for what runs leave behind
	netlab string
	ebb    string
	extra  []string      // arguments of the ebb command's sending side
	stall  time.Duration // a run whose packets were delivered so much too late is repeated; 0: none is
	stderr io.Writer
	runs   int
	late   lateness // since it was last taken
}

// lateness is how far the laboratory itself departed from its model, over some runs.
type lateness struct {
	worst    time.Duration // by which a packet was delivered too late, in the runs that count
	repeated int           // runs that did not count
	stalled  bool          // in one of those that count it stalled nevertheless
}

// openLab builds netlab from its folder. Close removes what it made.
func openLab(ctx context.Context, o Options) (*lab, error) {
	if err := available(o.Folder); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "ebb-kernel-")
	if err != nil {
		return nil, fmt.Errorf("a folder for the measurements: %w", err)
	}
	l := &lab{
		dir: dir, netlab: filepath.Join(dir, "netlab"), ebb: o.Ebb, extra: o.Arguments, stall: o.Stall, stderr: io.Discard,
	}
	if o.Log != nil {
		l.stderr = o.Log
	}
	build := exec.CommandContext(ctx, "go", "-C", o.Folder, "build", "-o", l.netlab, ".")
	if out, err := build.CombinedOutput(); err != nil {
		l.close()
		return nil, fmt.Errorf("building netlab in %s: %w\n%s", o.Folder, err, out)
	}
	return l, nil
}

func (l *lab) close() { os.RemoveAll(l.dir) }

// available says why there is no laboratory, if there is none.
func available(folder string) error {
	missing := func(format string, args ...any) error {
		return fmt.Errorf("%w: %s", ErrUnavailable, fmt.Sprintf(format, args...))
	}
	if folder == "" {
		return missing("the folder of netlab is not given: --netlab, or EBB_NETLAB")
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
	for _, tool := range []string{"ip", "ss", "timeout", "seq", "sh", "go"} {
		if _, err := exec.LookPath(tool); err != nil {
			return missing("there is no %s command", tool)
		}
	}
	return nil
}

// takeLateness is what there was since the last call.
func (l *lab) takeLateness() lateness {
	late := l.late
	l.late = lateness{}
	return late
}

// run lets the flows use a path and returns what the bottleneck saw. If the laboratory says that it
// stalled, the figures are not the path's, and the run is repeated.
func (l *lab) run(ctx context.Context, p path, flows []flow) (trace, error) {
	for attempt := 1; ; attempt++ {
		t, late, err := l.runOnce(ctx, p, flows)
		if err != nil {
			return nil, err
		}
		stalled := l.stall > 0 && late > l.stall
		if stalled && attempt < attempts {
			l.late.repeated++
			continue
		}
		l.late.worst = max(l.late.worst, late)
		l.late.stalled = l.late.stalled || stalled
		return t, nil
	}
}

// runOnce also returns by how much the latest of the packets was delivered too late. A command that
// netlab runs inherits its priority, which is an ordinary one: with a real-time priority the kernel's own
// work for the packets starves, and Linux stops the laboratory for 50 ms and more every second.
func (l *lab) runOnce(ctx context.Context, p path, flows []flow) (trace, time.Duration, error) {
	l.runs++
	name := fmt.Sprintf("eb%d", os.Getpid()%100_000)
	csv := filepath.Join(l.dir, fmt.Sprintf("%d.csv", l.runs))
	ctx, cancel := context.WithTimeout(ctx, length(flows)+setupTime)
	defer cancel()
	args := append(p.arguments(), "-timing", "-name", name, "-csv", csv, "-seed", fmt.Sprint(l.runs), "--",
		"sh", "-c", script(flows, l.ebb, l.extra))
	cmd := exec.CommandContext(ctx, l.netlab, args...)
	// netlab removes the path and ends its command when it is asked to; killing it would leave
	// both.
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = endTime
	var said strings.Builder
	cmd.Stderr = io.MultiWriter(&said, l.stderr)
	err := cmd.Run()
	removeNamespaces(name)
	if cause := context.Cause(ctx); cause != nil {
		return nil, 0, fmt.Errorf("netlab %s: %w", strings.Join(p.arguments(), " "), cause)
	}
	if err != nil {
		return nil, 0, fmt.Errorf("netlab %s: %w\n%s", strings.Join(p.arguments(), " "), err, said.String())
	}
	late, err := latest(said.String())
	if err != nil {
		return nil, 0, err
	}
	t, err := l.read(csv, flows)
	if err != nil {
		return nil, 0, fmt.Errorf("%w\n%s", err, said.String())
	}
	return t, late, nil
}

// read takes the series that netlab wrote.
func (l *lab) read(csv string, flows []flow) (trace, error) {
	f, err := os.Open(csv)
	if err != nil {
		return nil, fmt.Errorf("netlab's series: %w", err)
	}
	defer os.Remove(csv)
	defer f.Close()
	t, err := readTrace(f)
	if err != nil {
		return nil, err
	}
	for _, f := range flows {
		if len(t[f.port]) == 0 {
			return nil, fmt.Errorf("%s to port %d sent nothing", f.kind, f.port)
		}
	}
	return t, nil
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
