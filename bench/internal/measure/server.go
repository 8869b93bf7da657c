package measure

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"

	"example.com/ebb/bench/internal/peer"
)

// Ends says where the far end of a measurement lives.
type Ends int

const (
	Together Ends = iota // both ends in this process
	Apart                // each end in a process of its own
)

// Server is the far end.
type Server struct {
	Address string
	local   *service
	process *child
}

// StartServer starts the far end.
func StartServer(ctx context.Context, p peer.Peer, ends Ends) (*Server, error) {
	if ends == Apart {
		return startApart(ctx, p)
	}
	transport, err := p.Open()
	if err != nil {
		return nil, err
	}
	s, err := listen(p, transport)
	if err != nil {
		transport.Close()
		return nil, err
	}
	return &Server{Address: s.listener.Addr().String(), local: s}, transport.Close()
}

func listen(p peer.Peer, t peer.Transport) (*service, error) {
	ln, err := t.Listen("127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("%s cannot listen: %w", p.Name, err)
	}
	return serve(ln), nil
}

// processorTime is what both ends have used so far.
func (s *Server) processorTime() (time.Duration, error) {
	own, err := ProcessorTime()
	if err != nil || s.process == nil {
		return own, err
	}
	far, err := s.process.ask()
	return own + far.CPU, err
}

// Close ends the far end.
func (s *Server) Close() error {
	if s.process != nil {
		return s.process.stop()
	}
	return s.local.close()
}

// childVariable tells a process that it is a part of another, and which.
const childVariable = "EBB_BENCH_CHILD"

// task is what a child does, as JSON in its environment.
type task struct {
	Kind string // "serve", or the name of a measurement
	Peer string
	Plan Plan
}

// RunChild does what the process was started for if another one of this
// program started it, and says whether that was so. main calls it before
// anything else.
func RunChild() (ran bool, err error) {
	text := os.Getenv(childVariable)
	if text == "" {
		return false, nil
	}
	var t task
	if err := json.Unmarshal([]byte(text), &t); err != nil {
		return true, fmt.Errorf("%s: %w", childVariable, err)
	}
	selected, err := peer.Select(t.Peer)
	if err != nil {
		return true, err
	}
	if t.Kind == "serve" {
		return true, serveChild(selected[0])
	}
	m, err := find(All(), t.Kind)
	if err != nil {
		return true, err
	}
	sample, err := m.alone(context.Background(), selected[0], t.Plan)
	if err != nil {
		return true, err
	}
	return true, json.NewEncoder(os.Stdout).Encode(sample)
}

// serveChild is the far end as a process: it prints its address, and for each
// line that it reads its usage, until there are no more.
func serveChild(p peer.Peer) error {
	transport, err := p.Open()
	if err != nil {
		return err
	}
	defer transport.Close()
	s, err := listen(p, transport)
	if err != nil {
		return err
	}
	out := json.NewEncoder(os.Stdout)
	if err := out.Encode(s.listener.Addr().String()); err != nil {
		return err
	}
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		cpu, err := ProcessorTime()
		if err != nil {
			return err
		}
		if err := out.Encode(Usage{CPU: cpu}); err != nil {
			return err
		}
	}
	return s.close()
}

// child is another process of this program.
type child struct {
	command *exec.Cmd
	in      io.WriteCloser
	out     *json.Decoder
}

func startChild(ctx context.Context, t task) (*child, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(t)
	if err != nil {
		return nil, err
	}
	command := exec.CommandContext(ctx, program)
	command.Env = append(os.Environ(), childVariable+"="+string(text))
	command.Stderr = os.Stderr
	in, err := command.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := command.Start(); err != nil {
		return nil, err
	}
	return &child{command, in, json.NewDecoder(out)}, nil
}

func startApart(ctx context.Context, p peer.Peer) (*Server, error) {
	c, err := startChild(ctx, task{Kind: "serve", Peer: p.Name})
	if err != nil {
		return nil, err
	}
	s := &Server{process: c}
	if err := c.out.Decode(&s.Address); err != nil {
		return nil, errors.Join(fmt.Errorf("the process that listens: %w", err), c.stop())
	}
	return s, nil
}

// ask is the child's usage now.
func (c *child) ask() (Usage, error) {
	if _, err := io.WriteString(c.in, "\n"); err != nil {
		return Usage{}, err
	}
	var u Usage
	err := c.out.Decode(&u)
	return u, err
}

func (c *child) stop() error {
	return errors.Join(c.in.Close(), c.command.Wait())
}
