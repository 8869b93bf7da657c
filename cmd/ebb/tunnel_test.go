package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/proxy"
)

// service is a TCP service on loopback; serve is what it does with each connection.
func service(t *testing.T, serve func(conn *net.TCPConn)) (address string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				serve(conn.(*net.TCPConn))
			}()
		}
	}()
	return ln.Addr().String()
}

// reverse is a service that answers when the client has ended its direction: with what it said, and a mark.
func reverse(conn *net.TCPConn) {
	said, err := io.ReadAll(conn)
	if err == nil {
		conn.Write(append(said, '!'))
	}
}

// tunnelTo starts both sides of a tunnel.
func tunnelTo(t *testing.T, network string, accept, listen []string) (near, far *process) {
	t.Helper()
	far = start(t, prepare(t, network, append([]string{"tunnel", "--accept", "127.0.0.1:0"}, accept...)...), true)
	near = start(t, prepare(t, network, append([]string{"tunnel", "--listen", "127.0.0.1:0", "--to", far.address}, listen...)...), true)
	return near, far
}

// terminate has a process end that serves, and wants the status 0.
func terminate(t *testing.T, all ...*process) {
	t.Helper()
	for _, p := range all {
		p.Process.Signal(syscall.SIGTERM)
	}
	finished(t, all...)
}

// finished waits for processes, and wants the status 0.
func finished(t *testing.T, all ...*process) {
	t.Helper()
	for _, p := range all {
		if status := p.wait(t); status != 0 {
			t.Errorf("%q: status %d\n%s", p.Args[1:], status, p.stderr.String())
		}
	}
}

func skipWithoutSignals(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows does not deliver these signals")
	}
}

// asks has a client say something, end its direction, and returns what it reads then.
func asks(t *testing.T, conn net.Conn, text []byte) ([]byte, error) {
	t.Helper()
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := conn.Write(text); err != nil {
		return nil, err
	}
	if half, ok := conn.(interface{ CloseWrite() error }); !ok {
		t.Fatalf("a %T has no CloseWrite", conn)
	} else if err := half.CloseWrite(); err != nil {
		return nil, err
	}
	return io.ReadAll(conn)
}

// Bytes, ends of one direction and the end pass a tunnel.
func TestTunnel(t *testing.T) {
	skipWithoutSignals(t)
	overNetworks(t, func(t *testing.T, network string) {
		near, far := tunnelTo(t, network, []string{"--forward", service(t, reverse)}, nil)
		for _, text := range [][]byte{nil, []byte("hello"), randomBytes(3_000_000)} {
			conn, err := net.Dial("tcp", near.address)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := asks(t, conn, text); err != nil || !bytes.Equal(got, append(bytes.Clone(text), '!')) {
				t.Errorf("%d bytes come back as %d, error %v", len(text), len(got), err)
			}
		}
		terminate(t, near, far)
	})
}

// A reset on one side is one on the other, and so is a service that is not there.
func TestTunnelCarriesResets(t *testing.T) {
	skipWithoutSignals(t)
	seen := make(chan error, 1)
	aborts := service(t, func(conn *net.TCPConn) {
		io.ReadFull(conn, make([]byte, 1))
		conn.SetLinger(0)
	})
	watches := service(t, func(conn *net.TCPConn) {
		conn.Write([]byte("x"))
		_, err := io.Copy(io.Discard, conn)
		seen <- err
	})
	overNetworks(t, func(t *testing.T, network string) {
		for name, to := range map[string]string{"aborts": aborts, "not there": silentPort(t)} {
			near, far := tunnelTo(t, network, []string{"--forward", to}, nil)
			conn := dialled(t, near.address)
			conn.SetDeadline(time.Now().Add(20 * time.Second))
			conn.Write([]byte("x"))
			if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("a service that is %s: the client reads %v", name, err)
			}
			terminate(t, near, far)
		}
		near, far := tunnelTo(t, network, []string{"--forward", watches}, nil)
		conn := dialled(t, near.address)
		io.ReadFull(conn, make([]byte, 1))
		conn.SetLinger(0)
		conn.Close()
		if err := <-seen; !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("a client that aborts: the service reads %v", err)
		}
		terminate(t, near, far)
	})
}

// keepingDialer keeps the last connection that it has made, which a SOCKS client wraps.
type keepingDialer struct {
	net.Dialer
	conn net.Conn
}

// Dial implements proxy.Dialer.
func (d *keepingDialer) Dial(network, address string) (net.Conn, error) {
	return d.DialContext(context.Background(), network, address)
}

// DialContext implements proxy.ContextDialer.
func (d *keepingDialer) DialContext(ctx context.Context, network, address string) (conn net.Conn, err error) {
	d.conn, err = d.Dialer.DialContext(ctx, network, address)
	return d.conn, err
}

// A client of the SOCKS server reaches what the other side allows, and hears why not.
func TestTunnelSOCKS(t *testing.T) {
	skipWithoutSignals(t)
	to := service(t, reverse)
	overNetworks(t, func(t *testing.T, network string) {
		near, far := tunnelTo(t, network, []string{"--forward-any", "127.0.0.0/8"}, []string{"--socks"})
		under := new(keepingDialer)
		dialer, err := proxy.SOCKS5("tcp", near.address, nil, under)
		if err != nil {
			t.Fatal(err)
		}
		_, port, _ := net.SplitHostPort(to)
		for target, want := range map[string]string{
			to:                            "",
			"127.0.0.1:" + port:           "",
			silentPort(t):                 "host unreachable",
			"[::1]:" + port:               "not allowed",
			"192.0.2.1:" + port:           "not allowed",
			"name.invalid:" + port:        "host unreachable",
			"\x1bc\u202e.invalid:" + port: "host unreachable",
		} {
			ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
			_, err := dialer.(proxy.ContextDialer).DialContext(ctx, "tcp", target)
			cancel()
			if err != nil {
				if want == "" || !strings.Contains(err.Error(), want) {
					t.Errorf("%q: %v", target, err)
				}
				continue
			}
			got, err := asks(t, under.conn, []byte("hello"))
			if want != "" || string(got) != "hello!" {
				t.Errorf("%q: read %q, error %v", target, got, err)
			}
		}
		terminate(t, near, far)
		wantSafe(t, near.stderr.String()+far.stderr.String())
	})
}

// A tunnel that is stopped takes no more connections and lets those end that stand.
func TestTunnelDrains(t *testing.T) {
	skipWithoutSignals(t)
	overNetworks(t, func(t *testing.T, network string) {
		carried, first := make(chan struct{}), sync.Once{}
		near, far := tunnelTo(t, network, []string{"--forward", service(t, func(conn *net.TCPConn) {
			first.Do(func() { close(carried) })
			reverse(conn)
		})}, nil)
		conn := dialled(t, near.address)
		conn.Write([]byte("hello"))
		select {
		case <-carried:
		case <-time.After(20 * time.Second):
			t.Fatal("the service is not reached")
		}
		near.Process.Signal(syscall.SIGTERM)
		for refused := false; !refused; {
			another, err := net.Dial("tcp", near.address)
			if refused = err != nil; !refused {
				another.Close()
			}
		}
		far.Process.Signal(syscall.SIGTERM)
		if got, err := asks(t, conn, []byte(" again")); err != nil || string(got) != "hello again!" {
			t.Errorf("read %q, error %v", got, err)
		}
		finished(t, near, far)

		near, far = tunnelTo(t, network, []string{"--forward", service(t, reverse), "--drain", "10ms"}, []string{"--drain", "10ms"})
		stuck := dialled(t, near.address)
		stuck.Write([]byte("hello"))
		terminate(t, near, far)
		stuck.SetDeadline(time.Now().Add(20 * time.Second))
		if _, err := stuck.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) && err != io.EOF {
			t.Errorf("what took too long: read %v", err)
		}
	})
}

// A service manager hears when a tunnel is ready, and when it stops.
func TestTunnelNotifies(t *testing.T) {
	skipWithoutSignals(t)
	dir, err := os.MkdirTemp("", "ebb")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(dir, "notify")})
	if err != nil {
		t.Skip("no datagram sockets of Unix here:", err)
	}
	defer manager.Close()
	manager.SetDeadline(time.Now().Add(20 * time.Second))
	cmd := prepare(t, "tcp", "tunnel", "--accept", "127.0.0.1:0", "--forward", "127.0.0.1:9")
	cmd.Env = append(cmd.Env, "NOTIFY_SOCKET="+manager.LocalAddr().String())
	p := start(t, cmd, true)
	told := func(want string) {
		b := make([]byte, 100)
		if n, err := manager.Read(b); err != nil || string(b[:n]) != want {
			t.Errorf("the manager is told %q, error %v, want %q", b[:n], err, want)
		}
	}
	told("READY=1")
	p.Process.Signal(syscall.SIGTERM)
	told("STOPPING=1")
	if status := p.wait(t); status != 0 {
		t.Errorf("status %d", status)
	}
}

// The unit files are such as systemd takes.
func TestUnitsAreValid(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("no systemd-analyze here")
	}
	units, err := filepath.Glob("../../contrib/systemd/*.service")
	if err != nil || len(units) == 0 {
		t.Fatalf("no units: %v", err)
	}
	for _, unit := range units {
		content, err := os.ReadFile(unit)
		if err != nil {
			t.Fatal(err)
		}
		// The command need not be installed where the unit is checked.
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		checked := writeFile(t, filepath.Join(t.TempDir(), filepath.Base(unit)), bytes.ReplaceAll(content, []byte("/usr/local/bin/ebb"), []byte(self)))
		if out, err := exec.Command(analyze, "verify", "--man=no", checked).CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("%s: %v\n%s", unit, err, out)
		}
	}
}
