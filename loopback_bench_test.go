package ebb_test

import (
	"fmt"
	"io"
	"testing"

	"example.com/ebb"
)

// benchPair is a connection over loopback without a limit.
func benchPair(b *testing.B) (dialled, accepted *ebb.Conn) {
	b.Helper()
	l, err := (&ebb.ListenConfig{Config: inMode(fast)}).Listen(b.Context(), "udp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { l.Close() })
	d := ebb.Dialer{Config: inMode(fast)}
	c, err := d.Dial("udp", l.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	s, err := l.Accept()
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { c.Close(); s.Close() })
	return c.(*ebb.Conn), s.(*ebb.Conn)
}

// BenchmarkLoopback moves bytes over one connection, in writes of several sizes.
func BenchmarkLoopback(b *testing.B) {
	for _, size := range []int{1 << 10, 16 << 10, 128 << 10, 1 << 20} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			c, s := benchPair(b)
			buf := make([]byte, size)
			done := make(chan struct{})
			total := 0
			go func() {
				defer close(done)
				in := make([]byte, 256<<10)
				for {
					n, err := s.Read(in)
					total += n
					if err != nil {
						return
					}
				}
			}()
			b.SetBytes(int64(size))
			b.ReportAllocs()
			sent := 0
			for b.Loop() {
				if _, err := c.Write(buf); err != nil {
					b.Fatal(err)
				}
				sent += size
			}
			c.CloseWrite()
			<-done
			if total != sent {
				b.Fatalf("%d of %d bytes", total, sent)
			}
		})
	}
}

// BenchmarkPingPong is the round trip of 64 bytes.
func BenchmarkPingPong(b *testing.B) {
	c, s := benchPair(b)
	go io.Copy(s, struct{ io.Reader }{s})
	buf := make([]byte, 64)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Write(buf); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(c, buf); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkDial dials, has a byte echoed and closes.
func BenchmarkDial(b *testing.B) {
	l, err := (&ebb.ListenConfig{Config: inMode(fast)}).Listen(b.Context(), "udp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { io.Copy(c, struct{ io.Reader }{c}); c.Close() }()
		}
	}()
	d := ebb.Dialer{Config: inMode(fast)}
	buf := make([]byte, 1)
	b.ReportAllocs()
	for b.Loop() {
		c, err := d.Dial("udp", l.Addr().String())
		if err != nil {
			b.Fatal(err)
		}
		c.Write(buf)
		if _, err := io.ReadFull(c, buf); err != nil {
			b.Fatal(err)
		}
		c.Close()
	}
}
