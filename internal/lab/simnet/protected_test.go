package simnet

import (
	"errors"
	"testing"
	"time"

	"example.com/ebb/internal/engine"
	"example.com/ebb/internal/lab/scripted"
	"example.com/ebb/ledbat"
	"example.com/ebb/wire"
)

// protectedPair is a client and a server, protected or not, 10 ms apart.
func protectedPair(client, server bool) (s *Sim, c, d *Station) {
	s = NewSim(1)
	c, d = s.NewStation("10.0.0.1:1", ledbat.Factory(ledbat.Config{})), s.NewStation("10.0.0.2:2", ledbat.Factory(ledbat.Config{}))
	s.Join(c, d, LinkConfig{Delay: 10 * time.Millisecond}, LinkConfig{Delay: 10 * time.Millisecond})
	if client {
		c.Protect(scripted.Script{Seed: 1})
	}
	if server {
		d.Protect(scripted.Script{Seed: 1})
	}
	return s, c, d
}

// TestProtectedAndPlain [W241]: a dial of the wrong kind learns after one round trip what is wrong with it.
func TestProtectedAndPlain(t *testing.T) {
	for client, want := range map[bool]wire.Code{false: wire.CodeProtected, true: wire.CodePlain} {
		s, c, d := protectedPair(client, !client)
		d.Accept = func(*Flow) { t.Error("accepted") }
		f := c.Dial(d)
		s.Run(20 * time.Millisecond)
		var e *engine.Error
		if !errors.As(f.Conn.Err(), &e) || e.Kind != engine.KindRefused || e.Code != want {
			t.Errorf("the dial ends with %v, want code %v", f.Conn.Err(), want)
		}
	}
}

// TestProtectedRestart [W234]: a server that has lost its connections says so, and is believed for its token at once.
func TestProtectedRestart(t *testing.T) {
	for _, forgets := range []bool{false, true} {
		s, c, d := protectedPair(true, true)
		d.Accept = func(*Flow) {}
		f := c.Dial(d)
		if !s.RunUntil(time.Second, f.Conn.Established) {
			t.Fatal("not connected")
		}
		s.Run(time.Second)
		if forgets {
			d.Protect(scripted.Script{Seed: 1}) // which draws another key
		} else {
			d.Restart()
		}
		f.Conn.Write([]byte("are you there?"))
		f.Flush()
		s.Run(20 * time.Millisecond)
		if ended := f.Conn.Err() != nil; ended != !forgets {
			t.Errorf("after a restart that forgets the key (%v): %v", forgets, f.Conn.Err())
		}
		s.Run(time.Minute)
		if f.Conn.Err() == nil {
			t.Error("the dead connection lives")
		}
	}
}

// TestProtectedStray [W239] [W244]: what looks like an INITIAL and cannot be opened leaves nothing and gets no answer.
func TestProtectedStray(t *testing.T) {
	s, c, d := protectedPair(true, true)
	d.Accept = func(*Flow) { t.Error("accepted") }
	b := wire.Must(wire.AppendHeader(nil, wire.Header{Type: wire.Initial, Version: wire.VersionProtected, Dst: 1, Src: 2, NumberLen: 4}))
	d.Inject(c.Addr, append(b, make([]byte, 1200)...))
	if got := d.Endpoint().Counters(); got.Connections+got.HalfOpen+got.Tombstones != 0 || got.Opened != 1 || got.Forgotten != 1 {
		t.Errorf("%+v", got)
	}
	if !s.Idle() {
		t.Error("something follows")
	}
}

// TestProtectedTombstones [W247]: two sides that are both gone do not keep each other busy.
func TestProtectedTombstones(t *testing.T) {
	s, c, d := protectedPair(true, true)
	var e *Flow
	d.Accept = func(f *Flow) { e = f }
	f := c.Dial(d)
	s.Run(time.Second)
	f.Conn.Abort(s.Now())
	e.Conn.Abort(s.Now())
	f.Flush()
	e.Flush()
	s.Run(time.Second)
	if sum := c.Endpoint().Counters().Closes + d.Endpoint().Counters().Closes; sum == 0 || sum > 20 {
		t.Errorf("%d answers", sum)
	}
	s.Run(time.Minute)
	if !s.Idle() {
		t.Error("something goes on")
	}
}

// TestPlainRestart [W249]: a plain connection takes UNKNOWN with a token as well as without.
func TestPlainRestart(t *testing.T) {
	for _, size := range []int{1, 1000} {
		s, c, d := protectedPair(false, false)
		d.Accept = func(*Flow) {}
		f := c.Dial(d)
		s.Run(time.Second)
		d.Restart()
		f.Conn.Write(make([]byte, size))
		f.Flush()
		s.Run(20 * time.Millisecond)
		var e *engine.Error
		if !errors.As(f.Conn.Err(), &e) || e.Kind != engine.KindReset {
			t.Errorf("after %d bytes: %v", size, f.Conn.Err())
		}
	}
}
