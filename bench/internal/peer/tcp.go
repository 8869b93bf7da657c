package peer

import (
	"context"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

func tcpPeer(congestion string) Peer {
	return Peer{
		Name: "tcp-" + congestion, Many: 5000,
		Tuning: "TCP_CONGESTION " + congestion + ", Go's defaults",
		Open:   func() (Transport, error) { return tcpTransport{congestion}, nil },
	}
}

// tcpTransport is the kernel's TCP with a named congestion control.
type tcpTransport struct{ congestion string }

func (t tcpTransport) Listen(address string) (net.Listener, error) {
	lc := net.ListenConfig{Control: t.control} // accepted sockets inherit it
	return lc.Listen(context.Background(), "tcp", address)
}

func (t tcpTransport) Dial(ctx context.Context, address string) (net.Conn, error) {
	d := net.Dialer{Control: t.control}
	return d.DialContext(ctx, "tcp", address)
}

func (tcpTransport) Close() error { return nil }

func (t tcpTransport) control(_, _ string, raw syscall.RawConn) error {
	var failed error
	err := raw.Control(func(fd uintptr) {
		failed = unix.SetsockoptString(int(fd), unix.IPPROTO_TCP, unix.TCP_CONGESTION, t.congestion)
	})
	if err != nil {
		return err
	}
	return failed
}
