package ebb_test

import (
	"io"
	"net"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"example.com/ebb"
	"example.com/ebb/internal/lab/simnet"
	"example.com/ebb/internal/udp"
)

// moody is a socket whose writes fail as often as a function of their number says.
type moody struct {
	net.PacketConn
	calls atomic.Int64
	fails func(call int64) error
}

func (m *moody) WriteTo(b []byte, addr net.Addr) (int, error) {
	if err := m.fails(m.calls.Add(1) - 1); err != nil {
		return 0, &net.OpError{Op: "write", Net: "udp", Err: err}
	}
	return m.PacketConn.WriteTo(b, addr)
}

// delivers moves n bytes through a connection.
func delivers(t *testing.T, from, to *ebb.Conn, n int) {
	t.Helper()
	sent := noise(9, n)
	go func() {
		from.Write(sent)
		from.CloseWrite()
	}()
	to.SetReadDeadline(time.Now().Add(time.Minute))
	got, err := io.ReadAll(to)
	if err != nil || string(got) != string(sent) {
		t.Errorf("%d bytes of %d arrived, or others: %v", len(got), n, err)
	}
}

// TestSendErrors: a burst of errors, whatever they are, is loss and no more, except that a dial does not begin where there is
// no way to the address.
func TestSendErrors(t *testing.T) {
	for _, errno := range []syscall.Errno{syscall.ENETUNREACH, syscall.ENOBUFS, syscall.EPERM, syscall.EMSGSIZE, syscall.ECONNREFUSED} {
		t.Run(errno.Error(), func(t *testing.T) {
			link := simnet.LinkConfig{Delay: oneWay, Rate: 1e6} // the transfer takes a second
			inBubble(t, link, link, func(b *bubble) {
				l := serves(b.T, b.endpoint(b.server, serverPort, nil))
				pc, err := b.client.ListenPacket(clientPort)
				if err != nil {
					t.Fatal(err)
				}
				start, failed := time.Now(), uint64(0)
				lost := int64(0) // a packet of the handshake's: the first, or the next
				if errno == syscall.ENETUNREACH {
					lost = 1
				}
				e := b.endpointOver(&moody{PacketConn: pc, fails: func(call int64) error {
					since := time.Since(start)
					if call == lost || since > 1100*time.Millisecond && since < 1900*time.Millisecond {
						failed++
						return errno
					}
					return nil
				}}, nil)
				c, err := e.DialAddr(b.Context(), serverAddr)
				if err != nil {
					t.Fatal(err)
				}
				delivers(b.T, c, accept(b.T, l), 1<<20)
				total := uint64(0)
				for _, n := range e.Info().Socket.SendErrors {
					total += n
				}
				if total != failed || total < 10 {
					t.Errorf("%d errors are counted, %d happened", total, failed)
				}
			})
		})
	}
}

// TestFullSocket: a socket without room delays packets and loses none, and the
// connections that share it get their turns.
func TestFullSocket(t *testing.T) {
	leavesNothing(t)
	pc, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	full := &moody{PacketConn: pc, fails: func(call int64) error {
		if call%3 != 0 {
			return udp.ErrWouldBlock
		}
		return nil
	}}
	e, err := ebb.NewEndpoint(full, fast)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	l := listen(t, fast)
	done := make(chan struct{})
	const conns = 4
	for range conns {
		c, err := e.DialAddr(t.Context(), l.Addr())
		if err != nil {
			t.Fatal(err)
		}
		s := accept(t, l)
		go func() {
			delivers(t, c, s, 1<<20)
			done <- struct{}{}
		}()
	}
	for range conns {
		<-done
	}
	if n := e.Info().Socket.SendErrors["would block"]; n == 0 {
		t.Error("the socket was never full")
	}
}

// fillable is an endpoint whose socket has no room while the flag is set.
func fillable(t *testing.T, cfg *ebb.Config) (*ebb.Endpoint, *atomic.Bool) {
	t.Helper()
	full := new(atomic.Bool)
	pc, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	e, err := ebb.NewEndpoint(&moody{PacketConn: pc, fails: func(int64) error {
		if full.Load() {
			return udp.ErrWouldBlock
		}
		return nil
	}}, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return e, full
}

// TestCloseWithAFullSocket: an endpoint closes while its connections wait for room
// that never comes.
func TestCloseWithAFullSocket(t *testing.T) {
	leavesNothing(t)
	e, full := fillable(t, fast)
	l := listen(t, fast)
	for range 3 {
		c, err := e.DialAddr(t.Context(), l.Addr())
		if err != nil {
			t.Fatal(err)
		}
		accept(t, l).SetLinger(0) // it will not hear of the end
		full.Store(true)
		write(t, c, "stuck")
		c.Close()
		full.Store(false)
	}
	full.Store(true)
	if err := e.Close(); err != nil {
		t.Error(err)
	}
	if n := e.Info().Connections; n != 0 {
		t.Errorf("%d connections are left", n)
	}
	drain(t)
}
