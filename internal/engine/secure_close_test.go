package engine_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"example.com/ebb/internal/engine"
	"example.com/ebb/internal/protect"
	"example.com/ebb/wire"
)

// closes has a duo note what each side sends from now on, of which nothing arrives but packets of one type.
func (d *duo) closes(arrives wire.PacketType) (sent map[bool][]wire.PacketType) {
	sent = map[bool][]wire.PacketType{}
	d.mangle = func(b []byte, toServer bool) [][]byte {
		h, _, _ := wire.ParseSealed(b)
		if !wire.IsLong(b) {
			h.Type = wire.Short
		}
		if sent[toServer] = append(sent[toServer], h.Type); h.Type != arrives {
			return nil
		}
		return [][]byte{b}
	}
	return sent
}

// TestSecureCloseBeforeConfirmed [W253]: a client that ends before it knows that the server can open short packets says so in a HANDSHAKE
// packet as well, and either ends the server's: the one if the end of the handshake was lost, and the other if it was not.
func TestSecureCloseBeforeConfirmed(t *testing.T) {
	for _, lost := range []bool{true, false} {
		d := newDuo(t, 1)
		if lost {
			d.mangle = func(b []byte, toServer bool) [][]byte {
				if toServer && d.client.Established() {
					return nil
				}
				return [][]byte{b}
			}
		}
		if !d.run(time.Second, func() bool { return d.client.up() && (lost || d.server.up()) }) || d.server.up() == lost {
			t.Fatalf("lost %v: no connection, or too early", lost)
		}
		arrives := wire.Short
		if lost {
			arrives = wire.Handshake
		}
		sent := d.closes(arrives)
		d.client.Abort(d.now)
		d.client.flush()
		if want := []wire.PacketType{wire.Handshake, wire.Short}; !slices.Equal(sent[true], want) {
			t.Errorf("lost %v: %v was sent, want %v", lost, sent[true], want)
		}
		if !d.run(2*d.delay, d.server.Done) {
			t.Fatalf("lost %v: the server goes on", lost)
		}
		if e, ok := errors.AsType[*engine.Error](d.server.Err()); !ok || e.Code != wire.CodeReset || e.Reason != "" && lost {
			t.Errorf("lost %v: the server has %v", lost, d.server.Err())
		}
	}
}

// TestSecureCloseOfServer [W253]: a server that ends before it has heard a HANDSHAKE packet says so at both levels of the handshake, and
// either ends the client's: one that has the keys of HANDSHAKE takes no ACCEPT any more, one that has not can open nothing else.
func TestSecureCloseOfServer(t *testing.T) {
	for _, arrives := range []wire.PacketType{wire.Accept, wire.Handshake} {
		d, flight := newDuo(t, 1), false
		d.mangle = func(b []byte, toServer bool) [][]byte {
			h, _, err := wire.ParseSealed(b)
			flight = flight || !toServer && h.Type == wire.Handshake
			if err == nil && (toServer && h.Type == wire.Handshake || !toServer && arrives == wire.Accept) {
				return nil // the end of the handshake, or all of the server's flight
			}
			return [][]byte{b}
		}
		ready := func() bool {
			return flight && (arrives == wire.Accept || d.client.Established())
		}
		if !d.run(time.Second, ready) {
			t.Fatal("no handshake")
		}
		sent := d.closes(arrives)
		seal, _, err := protect.NewInitialKeys(duoDst, true)
		if err != nil {
			t.Fatal(err)
		}
		b := wire.Must(wire.AppendHeader(nil, wire.Header{Type: wire.Initial, Version: wire.VersionProtected, Dst: duoDst, Src: duoClient, Number: 50, NumberLen: 1}))
		body := len(b)
		b = wire.AppendStop(b, wire.CodeNone) // which is of short packets only
		breach := seal.Seal(wire.AppendPadding(b, wire.MinInitialSize-len(b)-protect.TagSize), 0, body, 50)
		d.server.HandleSegment(d.now, &engine.Arrival{Path: d.server.path, At: d.now}, breach)
		d.server.flush()
		if want := []wire.PacketType{wire.Accept, wire.Handshake}; !slices.Equal(sent[false], want) {
			t.Errorf("%v arrives, at %v: %v was sent, want %v", arrives, d.now, sent[false], want)
		}
		if !d.run(2*d.delay, d.client.Done) {
			t.Fatalf("%v alone does not end the client's", arrives)
		}
		if e, ok := errors.AsType[*engine.Error](d.client.Err()); !ok || e.Code != wire.CodeProtocol {
			t.Errorf("%v: the client has %v", arrives, d.client.Err())
		}
	}
}
