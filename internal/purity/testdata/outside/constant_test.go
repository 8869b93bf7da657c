package outside

import (
	"io"
	"testing"

	"example.com/ebb"
)

// TestAConnectionUsesIt: a mebibyte over loopback is sent as the controller says.
func TestAConnectionUsesIt(t *testing.T) {
	const size = 1 << 20
	l, err := ebb.Listen("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	got := make(chan int64, 1)
	go func() {
		defer close(got)
		c, err := l.Accept()
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		n, err := io.Copy(io.Discard, c)
		if err != nil {
			t.Error(err)
		}
		got <- n
	}()
	d := ebb.Dialer{Config: &ebb.Config{Congestion: New, BandwidthLimit: ebb.Unlimited}}
	conn, err := d.Dial("udp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	c := conn.(*ebb.Conn)
	if n, err := c.Write(make([]byte, size)); n != size || err != nil {
		t.Fatalf("Write = %d, %v", n, err)
	}
	if err := c.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if n := <-got; n != size {
		t.Fatalf("%d bytes arrived", n)
	}
	stats := c.Info().Congestion
	seen, ok := stats.Own.(Seen)
	if stats.Name != "constant" || !ok || seen.Sent < size || seen.Acked == 0 {
		t.Errorf("Info has %+v", stats)
	}
	if most := window + 1472; seen.MostInFlight > most || seen.MostInFlight < window/2 {
		t.Errorf("%d bytes were in flight, want at most %d", seen.MostInFlight, most)
	}
}
