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
)

// lab is netlab, built, and the ebb command.
type lab struct {
	dir    string // its own, for what runs leave behind
	netlab string
	ebb    string
	extra  []string // arguments of the ebb command's sending side
	stderr io.Writer
	runs   int
}

// openLab builds netlab from its folder. Close removes what it made.
func openLab(ctx context.Context, folder, ebb string) (*lab, error) {
	if err := available(folder); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "ebb-kernel-")
	if err != nil {
		return nil, fmt.Errorf("a folder for the measurements: %w", err)
	}
	l := &lab{dir: dir, netlab: filepath.Join(dir, "netlab"), ebb: ebb, stderr: io.Discard}
	build := exec.CommandContext(ctx, "go", "-C", folder, "build", "-o", l.netlab, ".")
	if out, err := build.CombinedOutput(); err != nil {
		l.close()
		return nil, fmt.Errorf("building netlab in %s: %w\n%s", folder, err, out)
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
		return missing("the folder of netlab is not given")
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
	for _, tool := range []string{"ip", "ss", "timeout", "sh", "go"} {
		if _, err := exec.LookPath(tool); err != nil {
			return missing("there is no %s command", tool)
		}
	}
	return nil
}

// run builds a path, lets the flows use it, and returns what the bottleneck saw.
func (l *lab) run(ctx context.Context, p path, flows []flow) (trace, error) {
	l.runs++
	name := fmt.Sprintf("eb%d", os.Getpid()%100_000)
	csv := filepath.Join(l.dir, fmt.Sprintf("%d.csv", l.runs))
	ctx, cancel := context.WithTimeout(ctx, length(flows)+setupTime)
	defer cancel()
	args := append(p.arguments(), "-name", name, "-csv", csv, "-seed", fmt.Sprint(l.runs), "--",
		"sh", "-c", script(flows, l.ebb, l.extra))
	cmd := command(ctx, l.netlab, args)
	// Two of netlab's threads sleep until a packet is due, and Go leaves each its processor for up
	// to 10 ms: with two in all, nobody would read meanwhile. The script takes this off again too.
	cmd.Env = append(os.Environ(), "GOMAXPROCS=8")
	// netlab removes the path and ends its command when it is asked to; killing it would leave
	// both.
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = endTime
	var said strings.Builder
	cmd.Stderr = io.MultiWriter(&said, l.stderr)
	err := cmd.Run()
	removeNamespaces(name)
	if cause := context.Cause(ctx); cause != nil {
		return nil, fmt.Errorf("netlab %s: %w", strings.Join(p.arguments(), " "), cause)
	}
	if err != nil {
		return nil, fmt.Errorf("netlab %s: %w\n%s", strings.Join(p.arguments(), " "), err, said.String())
	}
	f, err := os.Open(csv)
	if err != nil {
		return nil, fmt.Errorf("netlab's series: %w", err)
	}
	defer f.Close()
	t, err := readTrace(f)
	if err != nil {
		return nil, err
	}
	for _, f := range flows {
		if len(t[f.port]) == 0 {
			return nil, fmt.Errorf("%s to port %d sent nothing\n%s", f.kind, f.port, said.String())
		}
	}
	return t, nil
}

// command is netlab at a real-time priority, if chrt is there to set one: on a busy machine the path
// would otherwise stall for milliseconds, and hand out packets in clumps that a sender clocked by
// ACKs keeps. The script takes the priority off again.
func command(ctx context.Context, netlab string, args []string) *exec.Cmd {
	if chrt, err := exec.LookPath("chrt"); err == nil {
		return exec.CommandContext(ctx, chrt, append([]string{"-f", "10", netlab}, args...)...)
	}
	return exec.CommandContext(ctx, netlab, args...)
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
