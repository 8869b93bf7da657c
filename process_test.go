package ebb_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"example.com/ebb"
	"example.com/ebb/internal/lab/simnet"
)

// roleEnv makes the test binary play one side of a test in a process of its own.
const roleEnv = "EBB_TEST_ROLE"

// systemRoles are the roles that one system alone has.
var systemRoles = make(map[string]func(arg string) error)

// childBytes is what the child of TestChildDelivers writes.
const childBytes = 10 << 20

func TestMain(m *testing.M) {
	switch role, arg, _ := strings.Cut(os.Getenv(roleEnv), " "); role {
	case "":
		os.Exit(m.Run())
	case "echo":
		exitWith(echoRole(arg))
	case "writer":
		exitWith(writerRole(arg))
	case "aborter":
		exitWith(aborterRole(arg))
	case "asker":
		exitWith(askerRole(arg))
	case "stopped":
		exitWith(stoppedRole(arg))
	default:
		exitWith(systemRoles[role](arg))
	}
}

func exitWith(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// startRole starts this binary in a role and returns the first line it prints.
func startRole(t *testing.T, role string) (*exec.Cmd, string) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), roleEnv+"="+role)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("role %s said nothing: %v", role, err)
	}
	return cmd, strings.TrimSpace(line)
}

// echoRole serves echoes until it is killed.
func echoRole(address string) error {
	l, err := ebb.Listen("udp", address)
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		go func() { io.Copy(c, c); c.Close() }()
	}
}

// writerRole sends childBytes over a path that loses one datagram in fifty, closes,
// drains and exits.
func writerRole(address string) error {
	fmt.Println("started")
	remote, err := net.ResolveUDPAddr("udp", address)
	if err != nil {
		return err
	}
	pc, err := net.ListenUDP("udp", &net.UDPAddr{IP: remote.IP})
	if err != nil {
		return err
	}
	lossy := simnet.Wrap(pc, simnet.LinkConfig{Loss: 0.02, Delay: time.Millisecond}, 1)
	e, err := ebb.NewEndpoint(lossy, &ebb.Config{BandwidthLimit: ebb.Unlimited})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c, err := e.DialAddr(ctx, remote)
	if err != nil {
		return err
	}
	buf := make([]byte, childBytes)
	for i := range buf {
		buf[i] = byte(i * 7 >> 3)
	}
	if _, err := c.Write(buf); err != nil {
		return err
	}
	if err := c.Close(); err != nil {
		return err
	}
	return ebb.Drain(ctx)
}

// TestChildDelivers: a process that writes, closes, drains and exits has delivered
// everything, although its path loses packets.
func TestChildDelivers(t *testing.T) {
	l, err := ebb.Listen("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	child, _ := startRole(t, "writer "+l.Addr().String())
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(time.Minute))
	got, err := io.ReadAll(c)
	if err != nil {
		t.Fatalf("after %d bytes: %v", len(got), err)
	}
	if len(got) != childBytes {
		t.Fatalf("%d bytes of %d", len(got), childBytes)
	}
	for i, b := range got {
		if b != byte(i*7>>3) {
			t.Fatalf("wrong byte at %d", i)
		}
	}
	if err := child.Wait(); err != nil {
		t.Errorf("the child: %v", err)
	}
}

// TestKilledServer: after a kill -9 in mid-transfer and a restart on the same port the
// client's next call fails with ECONNRESET, and a fresh dial works at once.
func TestKilledServer(t *testing.T) {
	server, address := startRole(t, "echo 127.0.0.1:0")
	c, err := ebb.Dial("udp", address)
	if err != nil {
		t.Fatal(err)
	}
	c.SetDeadline(time.Now().Add(time.Minute))
	var group sync.WaitGroup
	defer group.Wait()
	defer c.Close()
	group.Go(func() { // until the kill, and no error of it matters
		for {
			if _, err := c.Write(make([]byte, 64<<10)); err != nil {
				return
			}
		}
	})
	if _, err := io.ReadFull(c, make([]byte, 100<<10)); err != nil {
		t.Fatal(err)
	}
	server.Process.Signal(syscall.SIGKILL)
	server.Wait()
	startRole(t, "echo "+address)

	start := time.Now()
	err = nil
	for err == nil { // what is buffered may still be read
		_, err = c.Read(make([]byte, 64<<10))
	}
	took := time.Since(start)
	if !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the client's call: %v", err)
	}
	t.Logf("reset after %v", took)
	if took > 2*time.Second {
		t.Errorf("the reset took %v; the next packet is a probe, at most a second away", took)
	}
	fresh, err := ebb.Dial("udp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer fresh.Close()
	fresh.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := fresh.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(fresh, make([]byte, 5)); err != nil {
		t.Fatal(err)
	}
}

// TestDeadServer: after a kill -9 without a restart, the next packet is answered by the host alone. Within two seconds
// a call of a client that is busy, idle, or closing fails.
func TestDeadServer(t *testing.T) {
	needsErrorQueue(t)
	server, address := startRole(t, "echo 127.0.0.1:0")
	var busy, idle, closing net.Conn
	for _, p := range []*net.Conn{&busy, &idle, &closing} {
		c, err := ebb.Dial("udp", address)
		if err != nil {
			t.Fatal(err)
		}
		c.SetDeadline(time.Now().Add(time.Minute))
		write(t, c, "hello")
		if _, err := io.ReadFull(c, make([]byte, 5)); err != nil {
			t.Fatal(err)
		}
		*p = c
	}
	ebb.Drain(t.Context()) // what earlier tests have left
	server.Process.Signal(syscall.SIGKILL)
	server.Wait()
	start := time.Now()
	within := func(what string, err error, want error) {
		if took := time.Since(start); !errors.Is(err, want) || took > 2*time.Second {
			t.Errorf("%s: %v after %v, want %v within 2 s", what, err, took, want)
			blameICMP(t)
		} else {
			t.Logf("%s: after %v", what, took)
		}
	}
	write(t, closing, "nobody gets this")
	closing.Close()
	write(t, idle, "is anybody there?")
	var err error
	for err == nil {
		_, err = busy.Write(make([]byte, 64<<10))
	}
	within("busy", err, syscall.ECONNRESET)
	_, err = idle.Read(make([]byte, 1))
	within("idle", err, syscall.ECONNRESET)
	within("closing", ebb.Drain(t.Context()), syscall.ECONNRESET)
	busy.Close()
	idle.Close()
}

// askers is how many connections the child of TestDrainAfterDeadClients has.
const askers = 5

// askerRole asks over connections, reads the answers, and waits to be killed.
func askerRole(address string) error {
	for range askers {
		c, err := ebb.Dial("udp", address)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprint(c, "ask"); err != nil {
			return err
		}
		if _, err := io.ReadFull(c, make([]byte, len("answer"))); err != nil {
			return err
		}
	}
	fmt.Println("answered")
	select {}
}

// TestDrainAfterDeadClients: clients that have their answers and end without Close keep Drain for no longer than 3 s.
func TestDrainAfterDeadClients(t *testing.T) {
	l := listen(t, nil)
	var conns []*ebb.Conn
	var group sync.WaitGroup
	group.Go(func() {
		for range askers {
			c, err := l.Accept()
			if err != nil {
				t.Error(err)
				return
			}
			io.ReadFull(c, make([]byte, len("ask")))
			fmt.Fprint(c, "answer")
			conns = append(conns, c.(*ebb.Conn))
		}
	})
	clients, _ := startRole(t, "asker "+l.Addr().String())
	group.Wait()
	for _, c := range conns {
		eventually(t, "the answer to be acknowledged", func() bool { return c.Info().SendBuffered == 0 })
	}
	ebb.Drain(t.Context()) // what earlier tests have left
	clients.Process.Signal(syscall.SIGKILL)
	clients.Wait()
	start := time.Now()
	for _, c := range conns {
		c.Close()
	}
	err := ebb.Drain(t.Context())
	took := time.Since(start)
	t.Logf("drained after %v", took)
	if limit := 3200 * time.Millisecond; err != nil || took > limit {
		t.Errorf("Drain: %v after %v, want at most %v", err, took, limit)
	}
}

// aborts is how many connections the child of TestChildAborts has.
const aborts = 20

// aborterRole aborts connections in the middle of writes of other goroutines, drains
// and exits.
func aborterRole(address string) error {
	fmt.Println("started")
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var conns [aborts]*ebb.Conn
	for i := range conns {
		c, err := (&ebb.Dialer{Config: &ebb.Config{BandwidthLimit: ebb.Unlimited}}).DialContext(ctx, "udp", address)
		if err != nil {
			return err
		}
		conns[i] = c.(*ebb.Conn)
		go c.Write(make([]byte, 1<<20))
		if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
			return err
		}
	}
	for _, c := range conns {
		if err := c.Abort(); err != nil {
			return err
		}
	}
	return ebb.Drain(ctx)
}

// TestChildAborts: when Drain returns, the peers of aborted connections have been told,
// even if another goroutine was sending.
func TestChildAborts(t *testing.T) {
	l, err := ebb.Listen("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	child, _ := startRole(t, "aborter "+l.Addr().String())
	var group sync.WaitGroup
	for range aborts {
		c, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		c.SetDeadline(time.Now().Add(20 * time.Second))
		group.Go(func() {
			defer c.Close()
			c.Write([]byte("x"))
			if _, err := io.Copy(io.Discard, c); !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("read: %v", err)
			}
		})
	}
	group.Wait()
	if err := child.Wait(); err != nil {
		t.Errorf("the child: %v", err)
	}
}

const (
	// stoppedConns is how many connections the child of TestStoppedProcess has; every other one is idle.
	stoppedConns = 20
	// stoppedTimeout is its idle and linger timeout.
	stoppedTimeout = time.Second
)

// stoppedRest is what the peer reads of a connection after the first byte.
func stoppedRest(i int) int {
	if i%2 == 0 {
		return len("hello")
	}
	return 60_000 // fit the send buffer, so that the connection is closed long before all is sent
}

// stoppedRole has connections, from one socket, that answer one message, and others that deliver while they are
// closed. It ends when all is delivered.
func stoppedRole(address string) error {
	fmt.Println("started")
	remote, err := net.ResolveUDPAddr("udp", address)
	if err != nil {
		return err
	}
	pc, err := net.ListenUDP("udp", &net.UDPAddr{IP: remote.IP})
	if err != nil {
		return err
	}
	e, err := ebb.NewEndpoint(pc, &ebb.Config{BandwidthLimit: 20_000, IdleTimeout: stoppedTimeout, LingerTimeout: stoppedTimeout})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var group sync.WaitGroup
	failures := make(chan error, stoppedConns)
	for i := range stoppedConns {
		c, err := e.DialAddr(ctx, remote)
		if err != nil {
			return err
		}
		if _, err := c.Write([]byte{1}); err != nil {
			return err
		}
		group.Go(func() {
			b := make([]byte, stoppedRest(i))
			if i%2 == 0 {
				if _, err := io.ReadFull(c, b); err != nil {
					failures <- err
				}
			}
			if _, err := c.Write(b); err != nil {
				failures <- err
			}
			c.Close()
		})
	}
	group.Wait()
	close(failures)
	if err := <-failures; err != nil {
		return err
	}
	return ebb.Drain(ctx)
}
