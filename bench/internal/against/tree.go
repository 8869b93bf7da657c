package against

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"example.com/ebb/bench/internal/measure"
	"example.com/ebb/bench/internal/report"
)

// Tree is a checkout of Ebb.
type Tree struct {
	Dir      string `json:"dir"`
	Revision string `json:"revision,omitempty"` // if git knows it
}

// FindTree is the tree in a folder. It is an error if the folder has no bench of Ebb's.
func FindTree(dir string) (Tree, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return Tree{}, err
	}
	text, err := os.ReadFile(filepath.Join(dir, "bench", "go.mod"))
	if err != nil {
		return Tree{}, fmt.Errorf("%s is no tree of Ebb: %w", dir, err)
	}
	if !strings.HasPrefix(string(text), "module example.com/ebb/bench\n") {
		return Tree{}, fmt.Errorf("%s is no tree of Ebb: its bench/go.mod is of another module", dir)
	}
	t := Tree{Dir: dir}
	git := exec.Command("git", "--no-optional-locks", "-C", dir, "describe", "--always", "--dirty")
	if out, err := git.Output(); err == nil {
		t.Revision = strings.TrimSpace(string(out))
	}
	return t, nil
}

func (t Tree) String() string {
	if t.Revision == "" {
		return t.Dir
	}
	return t.Revision + ", " + t.Dir
}

// bench is a program that was built from a tree.
type bench struct {
	program, dir string
	messages     io.Writer // where it goes what a bench that died has written
}

// build makes the tree's bench, whoever's the folder is: git is not asked for its revision.
func (t Tree) build(ctx context.Context, program string, messages io.Writer) (bench, error) {
	dir := filepath.Join(t.Dir, "bench")
	_, said, err := output(ctx, dir, "go", "build", "-buildvcs=false", "-o", program, ".")
	switch {
	case ctx.Err() != nil:
		return bench{}, ctx.Err()
	case err != nil:
		return bench{}, fmt.Errorf("%s does not build: %s", t.Dir, telling(said, err))
	}
	return bench{program, dir, messages}, nil
}

// outcome is what a bench made of a turn: a sample, or why there is none.
type outcome struct {
	sample measure.Sample
	failed string // the error of the turn
	absent string // what the tree has not, as in `no peer "ebb-sockets"`
}

// take has the bench take a turn in a process of its own. The flags are those that benches have
// had from the first on.
func (b bench) take(ctx context.Context, t Turn, slot time.Duration) (outcome, error) {
	out, said, err := output(ctx, b.dir, b.program,
		"-peers", t.Peer, "-measure", t.Measurement, "-rounds", "1", "-slot", slot.String(), "-json")
	if ctx.Err() != nil {
		return outcome{}, ctx.Err()
	}
	if what := absent(said, t); err != nil && what != "" {
		return outcome{absent: what}, nil
	}
	var r report.Report
	if err == nil {
		err = json.Unmarshal(out, &r)
	}
	if err != nil {
		io.WriteString(b.messages, said)
		return outcome{}, fmt.Errorf("%s, %s, the bench of %s: %s", t.Peer, t.Measurement, filepath.Dir(b.dir), telling(said, err))
	}
	return outcomeOf(r), nil
}

// outcomeOf is that of a report of one turn.
func outcomeOf(r report.Report) outcome {
	o := outcome{sample: measure.Sample{}}
	for _, to := range r.Results {
		if len(to.Samples) > 0 {
			o.sample[to.Metric] = to.Samples[0]
		}
		if len(to.Failures) > 0 {
			o.failed = to.Failures[0]
		}
	}
	return o
}

// absent is what the tree has not, in the words of its bench, or empty.
func absent(said string, t Turn) string {
	for _, what := range []string{fmt.Sprintf("no peer %q", t.Peer), fmt.Sprintf("no measurement %q", t.Measurement)} {
		if strings.Contains(said, what) {
			return what
		}
	}
	return ""
}

// telling is the line that says most of what a program wrote before it failed: the first of a
// compiler or a panic, that of the bench itself.
func telling(said string, err error) string {
	var first string
	for line := range strings.Lines(said) {
		line = strings.TrimSpace(line)
		for _, mark := range []string{"bench: ", "panic: ", "fatal error: "} {
			if text, ok := strings.CutPrefix(line, mark); ok {
				return text
			}
		}
		if first == "" && line != "" && !strings.HasPrefix(line, "#") {
			first = line
		}
	}
	if first == "" {
		return err.Error()
	}
	return first
}

// output runs a program to its end and returns what it wrote. The end of ctx kills it with all
// processes that it has started: they are a group of their own.
func output(ctx context.Context, dir, program string, args ...string) (out []byte, said string, err error) {
	command := exec.CommandContext(ctx, program, args...)
	command.Dir = dir
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	command.Cancel = func() error {
		err := syscall.Kill(-command.Process.Pid, syscall.SIGKILL)
		if errors.Is(err, syscall.ESRCH) {
			return os.ErrProcessDone
		}
		return err
	}
	err = command.Run()
	return stdout.Bytes(), stderr.String(), err
}
