package suites

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"

	"golang.org/x/crypto/ssh"

	"example.com/ebb/internal/lab/lossy"
)

// sshServer runs commands with sh, dials for its clients ("direct-tcpip"), and listens for them ("tcpip-forward"): over Ebb.
type sshServer struct {
	t      *testing.T
	config *ssh.ServerConfig
	dial   func(address string) (net.Conn, error)
	listen func() net.Listener
}

func (s *sshServer) serve(c net.Conn) {
	conn, channels, requests, err := ssh.NewServerConn(c, s.config)
	if err != nil {
		return // the client says what it expected
	}
	var wg sync.WaitGroup
	wg.Go(func() { s.global(conn, requests, &wg) })
	for ch := range channels {
		switch ch.ChannelType() {
		case "session":
			wg.Go(func() { s.session(ch) })
		case "direct-tcpip":
			wg.Go(func() { s.direct(ch) })
		default:
			ch.Reject(ssh.UnknownChannelType, ch.ChannelType())
		}
	}
	wg.Wait()
}

// session runs what is asked for, or a shell.
func (s *sshServer) session(offered ssh.NewChannel) {
	ch, requests, err := offered.Accept()
	if err != nil {
		s.t.Errorf("ssh server: %v", err)
		return
	}
	defer ch.Close()
	for r := range requests {
		command := exec.Command("sh")
		switch r.Type {
		case "exec":
			var asked struct{ Command string }
			if err := ssh.Unmarshal(r.Payload, &asked); err != nil {
				s.t.Errorf("ssh server: %v", err)
			}
			command = exec.Command("sh", "-c", asked.Command)
		case "shell":
		default:
			r.Reply(false, nil)
			continue
		}
		r.Reply(true, nil)
		command.Stdin, command.Stdout, command.Stderr = ch, ch, ch.Stderr()
		err := command.Run()
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			s.t.Errorf("ssh server: sh: %v", err)
		}
		ch.SendRequest("exit-status", false, binary.BigEndian.AppendUint32(nil, uint32(command.ProcessState.ExitCode())))
		return
	}
}

// direct joins a channel with the address that it names.
func (s *sshServer) direct(offered ssh.NewChannel) {
	var to struct {
		Host       string
		Port       uint32
		OriginHost string
		OriginPort uint32
	}
	if err := ssh.Unmarshal(offered.ExtraData(), &to); err != nil {
		s.t.Errorf("ssh server: %v", err)
	}
	c, err := s.dial(net.JoinHostPort(to.Host, strconv.Itoa(int(to.Port))))
	if err != nil {
		offered.Reject(ssh.ConnectionFailed, err.Error())
		return
	}
	defer c.Close()
	ch, requests, err := offered.Accept()
	if err != nil {
		s.t.Errorf("ssh server: %v", err)
		return
	}
	go ssh.DiscardRequests(requests)
	pipe(ch, c)
}

// global listens for the client where it asks for it, until its connection ends.
func (s *sshServer) global(conn *ssh.ServerConn, requests <-chan *ssh.Request, wg *sync.WaitGroup) {
	for r := range requests {
		if r.Type != "tcpip-forward" {
			r.Reply(r.Type == "cancel-tcpip-forward", nil)
			continue
		}
		l := s.listen()
		port := uint32(l.Addr().(*net.TCPAddr).Port)
		r.Reply(true, binary.BigEndian.AppendUint32(nil, port))
		wg.Go(func() {
			conn.Wait()
			l.Close()
		})
		wg.Go(func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				wg.Go(func() { s.forwarded(conn, c, port) })
			}
		})
	}
}

func (s *sshServer) forwarded(conn *ssh.ServerConn, c net.Conn, port uint32) {
	defer c.Close()
	from := c.RemoteAddr().(*net.TCPAddr)
	ch, requests, err := conn.OpenChannel("forwarded-tcpip", ssh.Marshal(struct {
		Host       string
		Port       uint32
		OriginHost string
		OriginPort uint32
	}{"127.0.0.1", port, from.IP.String(), uint32(from.Port)}))
	if err != nil {
		s.t.Errorf("ssh server: %v", err)
		return
	}
	go ssh.DiscardRequests(requests)
	pipe(ch, c)
}

// pipe joins a channel and a connection until both directions have ended.
func pipe(ch ssh.Channel, c net.Conn) {
	var wg sync.WaitGroup
	wg.Go(func() {
		io.Copy(ch, c)
		ch.CloseWrite()
	})
	wg.Go(func() {
		io.Copy(c, ch)
		c.(interface{ CloseWrite() error }).CloseWrite()
	})
	wg.Wait()
	ch.Close()
}

// identity is a new key.
func identity(t *testing.T) ssh.Signer {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// certificate is a key that the authority vouches for, from certain addresses only.
func certificate(t *testing.T, authority ssh.Signer, sources string) ssh.Signer {
	t.Helper()
	key := identity(t)
	cert := &ssh.Certificate{
		Key: key.PublicKey(), CertType: ssh.UserCert, ValidPrincipals: []string{"user"}, ValidBefore: ssh.CertTimeInfinity,
		Permissions: ssh.Permissions{CriticalOptions: map[string]string{"source-address": sources}},
	}
	if err := cert.SignCert(rand.Reader, authority); err != nil {
		t.Fatal(err)
	}
	s, err := ssh.NewCertSigner(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestSSH: x/crypto/ssh's client and server: commands, a shell, ports forwarded in both directions, and certificates for some addresses.
func TestSSH(t *testing.T) {
	if _, err := exec.LookPath("sh"); err != nil {
		t.Skipf("no sh: %v", err)
	}
	n := over(t, nil)
	authority, host := identity(t), identity(t)
	checker := &ssh.CertChecker{IsUserAuthority: func(k ssh.PublicKey) bool { return bytes.Equal(k.Marshal(), authority.PublicKey().Marshal()) }}
	config := &ssh.ServerConfig{PublicKeyCallback: checker.Authenticate}
	config.AddHostKey(host)
	dial := func(address string) (net.Conn, error) { return n.DialContext(within(t), "tcp", address) }
	l := n.Listen()
	s := &sshServer{t, config, dial, func() net.Listener { return n.Listen() }}
	eachAccepted(t, l, s.serve)
	connect := func(t *testing.T, sources string) (*ssh.Client, error) {
		c, err := dial(l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		bound(t, c)
		conn, channels, requests, err := ssh.NewClientConn(c, l.Addr().String(), &ssh.ClientConfig{
			User: "user", Auth: []ssh.AuthMethod{ssh.PublicKeys(certificate(t, authority, sources))},
			HostKeyCallback: ssh.FixedHostKey(host.PublicKey()),
		})
		if err != nil {
			return nil, err
		}
		return ssh.NewClient(conn, channels, requests), nil
	}
	t.Run("source-address", func(t *testing.T) {
		if c, err := connect(t, "192.0.2.0/24"); err == nil {
			t.Error("a certificate for other addresses is taken")
			c.Close()
		}
	})
	client, err := connect(t, "192.0.2.0/24,127.0.0.0/8")
	if err != nil {
		t.Fatal(err)
	}
	t.Run("exec", func(t *testing.T) { commands(t, client) })
	t.Run("shell", func(t *testing.T) { shell(t, client) })
	forwards(t, n, client, dial)
	client.Close()
}

// forwards has bytes repeated by a server that the other side dials, and by this side for one who dials the other.
func forwards(t *testing.T, n *lossy.Network, client *ssh.Client, dial func(string) (net.Conn, error)) {
	backend := n.Listen()
	eachAccepted(t, backend, func(c net.Conn) { io.Copy(c, c); c.(interface{ CloseWrite() error }).CloseWrite() })
	t.Run("direct", func(t *testing.T) {
		c, err := client.Dial("tcp", backend.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		repeats(t, c)
	})
	t.Run("forwarded", func(t *testing.T) {
		far, err := client.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer far.Close()
		eachAccepted(t, far, func(c net.Conn) { io.Copy(c, c); c.(ssh.Channel).CloseWrite() })
		c, err := dial(far.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		repeats(t, c)
	})
}

// commands runs some: with input and output, many at once, and one that fails.
func commands(t *testing.T, client *ssh.Client) {
	input := noise(1, size(1<<20, 16<<20))
	session, err := client.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	session.Stdin = bytes.NewReader(input)
	if out, err := session.Output("cat"); err != nil || !bytes.Equal(out, input) {
		t.Errorf("cat: %d bytes of %d, %v", len(out), len(input), err)
	}
	var wg sync.WaitGroup
	for i := range 10 {
		wg.Go(func() {
			session, err := client.NewSession()
			if err != nil {
				t.Error(err)
				return
			}
			out, err := session.CombinedOutput(fmt.Sprintf("echo to %d; echo err >&2; exit %d", i, i))
			var exit *ssh.ExitError
			if status := 0; err != nil {
				if errors.As(err, &exit) {
					status = exit.ExitStatus()
				}
				if status != i {
					t.Errorf("exit %d: %v", i, err)
				}
			}
			if !strings.Contains(string(out), fmt.Sprintf("to %d\n", i)) || !strings.Contains(string(out), "err\n") {
				t.Errorf("exit %d: %q", i, out)
			}
		})
	}
	wg.Wait()
}

// shell has a conversation with one.
func shell(t *testing.T, client *ssh.Client) {
	session, err := client.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	in, err := session.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := session.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := session.Shell(); err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		fmt.Fprintf(in, "echo $((%d * %d))\n", i, i)
		var got int
		if _, err := fmt.Fscanln(out, &got); err != nil || got != i*i {
			t.Fatalf("%d * %d = %d, %v", i, i, got, err)
		}
	}
	in.Close()
	if err := session.Wait(); err != nil {
		t.Error(err)
	}
}

// repeats demands that what is sent comes back, up to its end, and closes c.
func repeats(t *testing.T, c net.Conn) {
	t.Helper()
	defer c.Close()
	bound(t, c)
	sent := noise(2, size(1<<20, 16<<20))
	go func() {
		c.Write(sent)
		c.(interface{ CloseWrite() error }).CloseWrite()
	}()
	if got, err := io.ReadAll(c); err != nil || !bytes.Equal(got, sent) {
		t.Errorf("%d bytes of %d came back, %v", len(got), len(sent), err)
	}
}
