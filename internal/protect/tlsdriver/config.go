package tlsdriver

import (
	"crypto/tls"
	"errors"
	"net"
	"os"
	"time"
)

var (
	errMaxVersion = errors.New("tls: Config.MaxVersion is below TLS 1.3, which protected connections need")
	errNoIdentity = errors.New("tls: neither Certificates, GetCertificate, nor GetConfigForClient set in Config")
)

// ClientConfig returns a copy of an application's config that a handshake with host can use. The certificate is compared
// with c.ServerName, or, as tls.Dial does, with host if that is empty.
func ClientConfig(c *tls.Config, host string) (*tls.Config, error) {
	c, err := atLeast13(c)
	if err != nil {
		return nil, err
	}
	if c.ServerName == "" {
		c.ServerName = host
	}
	return c, nil
}

// ServerConfig returns a copy of an application's config for the handshakes of a listener. What its GetConfigForClient
// returns is raised to TLS 1.3 as well. Later changes of c have no effect, session ticket keys included; those of a
// config that GetConfigForClient returns have.
func ServerConfig(c *tls.Config) (*tls.Config, error) {
	if len(c.Certificates) == 0 && c.GetCertificate == nil && c.GetConfigForClient == nil {
		return nil, errNoIdentity
	}
	makeTicketKeys(c) // listeners with the same config resume each other's sessions, as with crypto/tls
	return atLeast13(c)
}

func atLeast13(c *tls.Config) (*tls.Config, error) {
	if c.MaxVersion != 0 && c.MaxVersion < tls.VersionTLS13 {
		return nil, errMaxVersion
	}
	c = c.Clone()
	c.MinVersion = max(c.MinVersion, tls.VersionTLS13)
	return c, nil
}

// withAddrs returns a config for one handshake, in whose callbacks tls.ClientHelloInfo.Conn has the addresses of the
// connection. crypto/tls has none to show in this mode, and applications expect one.
func withAddrs(c *tls.Config, local, remote net.Addr) *tls.Config {
	if c.GetConfigForClient == nil && c.GetCertificate == nil && c.GetEncryptedClientHelloKeys == nil {
		return c
	}
	makeTicketKeys(c) // each day
	c = c.Clone()
	conn := addrConn{local, remote}
	if get := c.GetConfigForClient; get != nil {
		c.GetConfigForClient = func(info *tls.ClientHelloInfo) (*tls.Config, error) {
			info.Conn = conn
			chosen, err := get(info)
			if chosen == nil || err != nil {
				return nil, err
			}
			if chosen, err = atLeast13(chosen); err != nil {
				return nil, err
			}
			chosen.GetCertificate = withConn(chosen.GetCertificate, conn)
			chosen.GetEncryptedClientHelloKeys = withConn(chosen.GetEncryptedClientHelloKeys, conn)
			return chosen, nil
		}
	}
	c.GetCertificate = withConn(c.GetCertificate, conn)
	c.GetEncryptedClientHelloKeys = withConn(c.GetEncryptedClientHelloKeys, conn)
	return c
}

// makeTicketKeys has a config make the keys of its tickets, if they are its own affair and not made or too old, so that a copy
// gets them. DecryptTicket does that before it looks at the ticket.
func makeTicketKeys(c *tls.Config) { c.DecryptTicket(nil, tls.ConnectionState{}) }

// withConn has a callback see conn.
func withConn[T any](get func(*tls.ClientHelloInfo) (T, error), conn net.Conn) func(*tls.ClientHelloInfo) (T, error) {
	if get == nil {
		return nil
	}
	return func(info *tls.ClientHelloInfo) (T, error) {
		info.Conn = conn
		return get(info)
	}
}

// addrConn is the net.Conn that callbacks see: addresses, and nothing to read or write.
type addrConn struct{ local, remote net.Addr }

func (addrConn) Read([]byte) (int, error)         { return 0, os.ErrInvalid }
func (addrConn) Write([]byte) (int, error)        { return 0, os.ErrInvalid }
func (addrConn) Close() error                     { return os.ErrInvalid }
func (c addrConn) LocalAddr() net.Addr            { return c.local }
func (c addrConn) RemoteAddr() net.Addr           { return c.remote }
func (addrConn) SetDeadline(time.Time) error      { return os.ErrInvalid }
func (addrConn) SetReadDeadline(time.Time) error  { return os.ErrInvalid }
func (addrConn) SetWriteDeadline(time.Time) error { return os.ErrInvalid }
