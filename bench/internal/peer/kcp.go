package peer

import (
	"context"
	"net"

	"github.com/xtaci/kcp-go/v5"
)

func kcpPeer() Peer {
	return Peer{
		Name: "kcp-go", Module: "github.com/xtaci/kcp-go/v5", Datagram: wholeDatagrams,
		Tuning: "nodelay 1, interval 10 ms, resend 2, no congestion control, windows of 2048 packets, MTU 1472, stream mode, no FEC, no cipher",
		Open:   func() (Transport, error) { return kcpTransport{}, nil },
	}
}

// kcpTransport is KCP in its fastest published mode.
type kcpTransport struct{}

// kcpSocketBuffer is what is asked for on both sockets, in bytes.
const kcpSocketBuffer = 4 << 20

func (kcpTransport) Listen(address string) (net.Listener, error) {
	ln, err := kcp.ListenWithOptions(address, nil, 0, 0)
	if err != nil {
		return nil, err
	}
	ln.SetReadBuffer(kcpSocketBuffer) // as far as the system admits
	ln.SetWriteBuffer(kcpSocketBuffer)
	return kcpListener{ln}, nil
}

func (kcpTransport) Dial(_ context.Context, address string) (net.Conn, error) {
	c, err := kcp.DialWithOptions(address, nil, 0, 0)
	if err != nil {
		return nil, err
	}
	c.SetReadBuffer(kcpSocketBuffer)
	c.SetWriteBuffer(kcpSocketBuffer)
	tuneKCP(c)
	return kcpDialled{c}, nil
}

func (kcpTransport) Close() error { return nil }

func tuneKCP(c *kcp.UDPSession) {
	c.SetNoDelay(1, 10, 2, 1)
	c.SetWindowSize(2048, 2048)
	c.SetMtu(wholeDatagrams)
	c.SetStreamMode(true)
	c.SetACKNoDelay(true)
	c.SetWriteDelay(false)
}

type kcpListener struct{ *kcp.Listener }

func (l kcpListener) Accept() (net.Conn, error) {
	c, err := l.AcceptKCP()
	if err != nil {
		return nil, err
	}
	tuneKCP(c)
	return c, nil
}

// kcpDialled says goodbye before it closes: KCP has no message for that, and
// the other end would keep the session.
type kcpDialled struct{ *kcp.UDPSession }

func (c kcpDialled) Close() error {
	c.Write([]byte{0}) // fails if the session has; then nobody is waiting
	return c.UDPSession.Close()
}
