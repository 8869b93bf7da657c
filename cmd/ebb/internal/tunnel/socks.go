package tunnel

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"strconv"
	"syscall"

	"github.com/things-go/go-socks5"
	"github.com/things-go/go-socks5/statute"

	"example.com/ebb/cmd/ebb/internal/ends"
)

// SOCKS is a SOCKS5 server (RFC 1928) without authentication whose clients connect through a function. It knows CONNECT alone.
type SOCKS struct {
	dial func(ctx context.Context, target string) (net.Conn, error)
}

// NewSOCKS returns a server that reaches a target, HOST:PORT, with dial. Names are not looked up here.
func NewSOCKS(dial func(ctx context.Context, target string) (net.Conn, error)) *SOCKS {
	return &SOCKS{dial}
}

// unresolved leaves the look-up of names to who connects.
type unresolved struct{}

func (unresolved) Resolve(ctx context.Context, name string) (context.Context, net.IP, error) {
	return ctx, nil, nil
}

// Serve serves one client until its connection ends, which is closed then.
func (s *SOCKS) Serve(ctx context.Context, conn net.Conn) error {
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	unsupported := func(_ context.Context, w io.Writer, _ *socks5.Request) error {
		socks5.SendReply(w, statute.RepCommandNotSupported, nil)
		return errors.New("the client asks for something else than CONNECT")
	}
	server := socks5.NewServer(
		socks5.WithResolver(unresolved{}),
		socks5.WithLogger(socks5.NewLogger(log.New(io.Discard, "", 0))),
		socks5.WithBindHandle(unsupported), socks5.WithAssociateHandle(unsupported),
		socks5.WithConnectHandle(func(_ context.Context, w io.Writer, r *socks5.Request) error {
			return s.connect(ctx, conn, w, r)
		}),
	)
	return server.ServeConn(conn)
}

// connect serves a CONNECT. What the client has sent behind it is in the request's reader.
func (s *SOCKS) connect(ctx context.Context, conn net.Conn, w io.Writer, r *socks5.Request) error {
	host := r.DestAddr.FQDN
	if host == "" {
		host = r.DestAddr.IP.String()
	}
	far, err := s.dial(ctx, net.JoinHostPort(host, strconv.Itoa(r.DestAddr.Port)))
	if err != nil {
		socks5.SendReply(w, replyTo(err), nil)
		return err
	}
	if err := socks5.SendReply(w, statute.RepSuccess, conn.LocalAddr()); err != nil {
		far.Close()
		return fmt.Errorf("answering the client: %w", err)
	}
	return Join(ctx, &readerConn{conn, r.Reader}, far)
}

// replyTo is the reply of SOCKS5 that an error of a dial stands for.
func replyTo(err error) uint8 {
	var no *TargetError
	switch {
	case errors.As(err, &no) && no.Code == CodeForbidden:
		return statute.RepRuleFailure
	case errors.Is(err, syscall.ECONNREFUSED):
		return statute.RepConnectionRefused
	case errors.Is(err, syscall.ENETUNREACH):
		return statute.RepNetworkUnreachable
	}
	return statute.RepHostUnreachable
}

// readerConn is a connection some of whose bytes are in a reader already.
type readerConn struct {
	net.Conn
	r io.Reader
}

// Read implements io.Reader.
func (c *readerConn) Read(b []byte) (int, error) { return c.r.Read(b) }

// CloseWrite ends our direction.
func (c *readerConn) CloseWrite() error { return ends.CloseWrite(c.Conn) }

// SetLinger is the connection's.
func (c *readerConn) SetLinger(seconds int) error {
	if l, ok := c.Conn.(interface{ SetLinger(seconds int) error }); ok {
		return l.SetLinger(seconds)
	}
	return errors.ErrUnsupported
}
