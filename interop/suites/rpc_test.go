package suites

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/rpc"
	"net/rpc/jsonrpc"
	"sync"
	"testing"
)

// Arithmetic is a service of net/rpc.
type Arithmetic struct{}

// Pair is two numbers.
type Pair struct{ A, B int }

// Divide divides A by B.
func (Arithmetic) Divide(p Pair, quotient *int) error {
	if p.B == 0 {
		return errors.New("division by zero")
	}
	*quotient = p.A / p.B
	return nil
}

// Reverse turns bytes round.
func (Arithmetic) Reverse(b []byte, reversed *[]byte) error {
	for i := len(b) - 1; i >= 0; i-- {
		*reversed = append(*reversed, b[i])
	}
	return nil
}

// TestRPC: net/rpc with both of its codecs, calls at once on one connection, and one that is over while calls wait.
func TestRPC(t *testing.T) {
	for name, codec := range map[string]struct {
		client func(io.ReadWriteCloser) *rpc.Client
		server func(*rpc.Server, io.ReadWriteCloser)
	}{
		"gob":  {rpc.NewClient, func(s *rpc.Server, c io.ReadWriteCloser) { s.ServeConn(c) }},
		"json": {jsonrpc.NewClient, func(s *rpc.Server, c io.ReadWriteCloser) { s.ServeCodec(jsonrpc.NewServerCodec(c)) }},
	} {
		t.Run(name, func(t *testing.T) {
			n := over(t, nil)
			l := n.Listen()
			server := rpc.NewServer()
			if err := server.Register(Arithmetic{}); err != nil {
				t.Fatal(err)
			}
			eachAccepted(t, l, func(c net.Conn) { codec.server(server, c) })
			c, err := n.DialContext(within(t), "tcp", l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			client := codec.client(c)
			bound(t, client)
			called(t, client)
			if err := client.Close(); err != nil {
				t.Error(err)
			}
			if err := client.Call("Arithmetic.Divide", Pair{1, 1}, new(int)); !errors.Is(err, rpc.ErrShutdown) {
				t.Errorf("a call after Close: %v", err)
			}
		})
	}
}

// called makes calls of each kind.
func called(t *testing.T, client *rpc.Client) {
	t.Helper()
	var wg sync.WaitGroup
	for i := range size(200, 5000) {
		wg.Go(func() {
			var quotient int
			if err := client.Call("Arithmetic.Divide", Pair{6 * i, 3}, &quotient); err != nil || quotient != 2*i {
				t.Errorf("%d / 3 = %d, %v", 6*i, quotient, err)
			}
		})
	}
	wg.Wait()
	if err := client.Call("Arithmetic.Divide", Pair{1, 0}, new(int)); err != rpc.ServerError("division by zero") {
		t.Errorf("1 / 0: %v", err)
	}
	sent, got := noise(1, size(1<<18, 4<<20)), []byte(nil)
	if err := client.Call("Arithmetic.Reverse", sent, &got); err != nil {
		t.Fatal(err)
	}
	for i, j := 0, len(got)-1; i < j; i, j = i+1, j-1 {
		got[i], got[j] = got[j], got[i]
	}
	if !bytes.Equal(got, sent) {
		t.Errorf("%d bytes came back turned round, not those %d that were sent", len(got), len(sent))
	}
}
