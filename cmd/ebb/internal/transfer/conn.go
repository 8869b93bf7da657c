package transfer

import (
	"io"
	"net"
	"time"
)

// lastWords is how long a receiver that ends a session waits for the sender to
// notice, so that its reason is not lost with the connection.
const lastWords = 5 * time.Second

// patientConn gives every Read and Write its own deadline.
type patientConn struct {
	net.Conn
	timeout time.Duration
}

// Read implements io.Reader.
func (c *patientConn) Read(b []byte) (int, error) {
	if c.timeout > 0 {
		c.SetReadDeadline(time.Now().Add(c.timeout))
	}
	return c.Conn.Read(b)
}

// Write implements io.Writer.
func (c *patientConn) Write(b []byte) (int, error) {
	if c.timeout > 0 {
		c.SetWriteDeadline(time.Now().Add(c.timeout))
	}
	return c.Conn.Write(b)
}

// lastWords ends our direction and discards the other until the peer is gone.
func (c *patientConn) lastWords() {
	closeWrite(c.Conn)
	c.Conn.SetReadDeadline(time.Now().Add(lastWords))
	io.Copy(io.Discard, c.Conn)
}

// closeWrite ends our direction of conn, if it has directions.
func closeWrite(conn net.Conn) {
	if half, ok := conn.(interface{ CloseWrite() error }); ok {
		half.CloseWrite()
	}
}

// abort closes conn and drops what it has not delivered.
func abort(conn net.Conn) {
	if c, ok := conn.(interface{ SetLinger(seconds int) error }); ok {
		c.SetLinger(0)
	}
	conn.Close()
}
