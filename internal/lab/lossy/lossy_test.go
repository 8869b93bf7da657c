package lossy_test

import (
	"bytes"
	"io"
	"net"
	"testing"

	"example.com/ebb"
	"example.com/ebb/internal/lab/lossy"
)

// TestNetwork: bytes arrive with and without loss, what is lost is repeated, and addresses are TCP's on both sides.
func TestNetwork(t *testing.T) {
	for _, loss := range []float64{0, 0.1} {
		n := lossy.New(t, loss, nil)
		l := n.Listen()
		c, err := n.DialContext(t.Context(), "tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		s, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		sent := bytes.Repeat([]byte("ebb"), 1<<19)
		go func() {
			c.Write(sent)
			c.Close()
		}()
		if got, err := io.ReadAll(s); err != nil || !bytes.Equal(got, sent) {
			t.Errorf("loss %v: %d bytes of %d, %v", loss, len(got), len(sent), err)
		}
		if loss > 0 && c.(*ebb.Conn).Info().BytesRetransmitted == 0 {
			t.Errorf("loss %v: nothing was sent again", loss)
		}
		for _, a := range []net.Addr{c.LocalAddr(), c.RemoteAddr(), s.LocalAddr(), s.RemoteAddr(), l.Addr()} {
			if _, ok := a.(*net.TCPAddr); !ok || a.Network() != "tcp" {
				t.Errorf("loss %v: the address %v is a %T of network %s", loss, a, a, a.Network())
			}
		}
		s.Close()
	}
}
