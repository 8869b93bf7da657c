package peer

import (
	"context"
	"crypto/tls"
	"net"
	"sync"
	"time"

	"github.com/quic-go/quic-go"
)

func quicPeer() Peer {
	open := func(resume bool) func() (Transport, error) {
		return func() (Transport, error) { return newQUICTransport(resume) }
	}
	return Peer{
		Name: "quic-go", Module: "github.com/quic-go/quic-go", Datagram: wholeDatagrams,
		Tuning: "one stream a connection, windows 4 to 32 MiB, dials from one socket, GSO where it probes it",
		Open:   open(false), Resume: open(true), TLS: stateOf,
	}
}

func newQUICTransport(resume bool) (Transport, error) {
	server, client, err := tlsConfigs(resume)
	if err != nil {
		return nil, err
	}
	socket, err := quicSocket("127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	return &quicTransport{server: server, client: client, dialer: &quic.Transport{Conn: socket}, socket: socket}, nil
}

var quicConfig = &quic.Config{
	InitialStreamReceiveWindow:     4 << 20,
	InitialConnectionReceiveWindow: 4 << 20,
	MaxStreamReceiveWindow:         32 << 20,
	MaxConnectionReceiveWindow:     32 << 20,
	MaxIdleTimeout:                 5 * time.Minute, // idle pairs are not to end
}

type quicTransport struct {
	server, client *tls.Config
	dialer         *quic.Transport
	socket         *net.UDPConn
}

func quicSocket(address string) (*net.UDPConn, error) {
	a, err := net.ResolveUDPAddr("udp", address)
	if err != nil {
		return nil, err
	}
	return net.ListenUDP("udp", a)
}

func (t *quicTransport) Listen(address string) (net.Listener, error) {
	ln, err := quic.ListenAddr(address, t.server, quicConfig)
	if err != nil {
		return nil, err
	}
	q := &quicListener{listener: ln, streams: make(chan net.Conn), done: make(chan struct{})}
	go q.accept()
	return q, nil
}

func (t *quicTransport) Dial(ctx context.Context, address string) (net.Conn, error) {
	a, err := net.ResolveUDPAddr("udp", address)
	if err != nil {
		return nil, err
	}
	c, err := t.dialer.Dial(ctx, a, t.client, quicConfig)
	if err != nil {
		return nil, err
	}
	s, err := c.OpenStreamSync(ctx)
	if err != nil {
		c.CloseWithError(0, "")
		return nil, err
	}
	return &quicConn{s, c}, nil
}

func (t *quicTransport) Close() error {
	err := t.dialer.Close()
	t.socket.Close()
	return err
}

// quicListener hands out the first stream of each connection, once the peer
// has written to it.
type quicListener struct {
	listener *quic.Listener
	streams  chan net.Conn
	done     chan struct{}
	once     sync.Once
}

func (l *quicListener) accept() {
	for {
		c, err := l.listener.Accept(context.Background())
		if err != nil {
			return
		}
		go func() {
			s, err := c.AcceptStream(context.Background())
			if err != nil {
				return
			}
			select {
			case l.streams <- &quicConn{s, c}:
			case <-l.done:
				c.CloseWithError(0, "")
			}
		}()
	}
}

func (l *quicListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.streams:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *quicListener) Close() error {
	l.once.Do(func() { close(l.done) })
	return l.listener.Close()
}

func (l *quicListener) Addr() net.Addr { return l.listener.Addr() }

// quicConn is a connection that has one stream.
type quicConn struct {
	*quic.Stream
	conn *quic.Conn
}

func (c *quicConn) LocalAddr() net.Addr  { return c.conn.LocalAddr() }
func (c *quicConn) RemoteAddr() net.Addr { return c.conn.RemoteAddr() }

func (c *quicConn) ConnectionState() tls.ConnectionState { return c.conn.ConnectionState().TLS }

// Close ends the connection at once: what matters has been answered by then.
func (c *quicConn) Close() error { return c.conn.CloseWithError(0, "") }
