package suites

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"net"
	"sync"
	"testing"

	"github.com/hashicorp/yamux"
	"github.com/xtaci/smux"
)

// session is what yamux and smux have in common.
type session struct {
	open, accept func() (net.Conn, error)
	close        func() error
	ended        func(error) bool // what Accept says when the session is over
}

// muxes are the two libraries with their default settings.
var muxes = map[string]func(c net.Conn, dialled bool) (session, error){
	"yamux": func(c net.Conn, dialled bool) (session, error) {
		make := yamux.Server
		if dialled {
			make = yamux.Client
		}
		s, err := make(c, nil)
		if err != nil {
			return session{}, err
		}
		return session{s.Open, s.Accept, s.Close, func(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, yamux.ErrSessionShutdown) }}, nil
	},
	"smux": func(c net.Conn, dialled bool) (session, error) {
		make := smux.Server
		if dialled {
			make = smux.Client
		}
		s, err := make(c, nil)
		if err != nil {
			return session{}, err
		}
		return session{
			func() (net.Conn, error) { return s.OpenStream() },
			func() (net.Conn, error) { return s.AcceptStream() },
			s.Close,
			func(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, io.ErrClosedPipe) },
		}, nil
	},
}

// TestMux: streams of yamux and smux over one connection: one with many bytes, and many at once.
func TestMux(t *testing.T) {
	for name, over := range muxes {
		t.Run(name, func(t *testing.T) {
			t.Run("bulk", func(t *testing.T) { muxBulk(t, muxed(t, over)) })
			t.Run("streams", func(t *testing.T) { muxStreams(t, muxed(t, over)) })
		})
	}
}

// muxed is the client's session with a server that sends each stream back.
func muxed(t *testing.T, make func(net.Conn, bool) (session, error)) session {
	t.Helper()
	n := over(t, nil)
	l := n.Listen()
	eachAccepted(t, l, func(c net.Conn) {
		s, err := make(c, false)
		if err != nil {
			t.Error(err)
			return
		}
		defer s.close()
		var wg sync.WaitGroup
		defer wg.Wait()
		for {
			stream, err := s.accept()
			if err != nil {
				if !s.ended(err) && !errors.Is(err, net.ErrClosed) { // the end of the test closes what is open
					t.Errorf("the server's session: %v", err)
				}
				return
			}
			wg.Go(func() {
				io.Copy(stream, stream)
				stream.Close()
			})
		}
	})
	c, err := n.DialContext(within(t), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	s, err := make(c, true)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.close()
		c.Close()
	})
	bound(t, c)
	return s
}

func muxBulk(t *testing.T, s session) {
	sent := noise(1, size(8<<20, 64<<20))
	stream, err := s.open()
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	wrote := make(chan error, 1)
	go func() {
		_, err := stream.Write(sent)
		wrote <- err
	}()
	if sum, n, err := digest(io.LimitReader(stream, int64(len(sent)))); err != nil || sum != sha256.Sum256(sent) {
		t.Errorf("%d bytes of %d came back, not the same, %v", n, len(sent), err)
	}
	if err := <-wrote; err != nil {
		t.Error(err)
	}
}

func muxStreams(t *testing.T, s session) {
	var wg sync.WaitGroup
	turns := make(chan struct{}, 200) // streams at once: yamux admits 256 that nobody has accepted yet
	for i := range size(500, 5000) {
		turns <- struct{}{}
		wg.Go(func() {
			defer func() { <-turns }()
			sent := noise(uint64(i), 100+20*i%10_000)
			stream, err := s.open()
			if err != nil {
				t.Errorf("stream %d: %v", i, err)
				return
			}
			defer stream.Close()
			if _, err := stream.Write(sent); err != nil {
				t.Errorf("stream %d: %v", i, err)
				return
			}
			got := make([]byte, len(sent))
			if n, err := io.ReadFull(stream, got); err != nil || !bytes.Equal(got, sent) {
				t.Errorf("stream %d: %d bytes of %d, %v", i, n, len(sent), err)
			}
		})
	}
	wg.Wait()
}
