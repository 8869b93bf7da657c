package tlsdriver

import (
	"errors"
	"testing"

	"example.com/ebb/peerid"
)

// TestPeerID: peers that are named by their keys, in resumed handshakes as well.
func TestPeerID(t *testing.T) {
	clientKey, serverKey := peerid.NewKey(), peerid.NewKey()
	clientTLS, err := ClientConfig(peerid.Client(clientKey, peerid.IDOf(serverKey)), "192.0.2.1")
	if err != nil {
		t.Fatal(err)
	}
	server, err := ServerConfig(peerid.Server(serverKey))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 2 {
		c, s := endsOf(t, clientTLS, server)
		converse(t, c, s, 1200)
		agreed(t, c, s)
		ours, _ := c.State()
		theirs, _ := s.State()
		if id, err := peerid.Of(ours); id != peerid.IDOf(serverKey) || err != nil || ours.DidResume != (i > 0) {
			t.Errorf("the client meets %v, %v, resumed %v", id, err, ours.DidResume)
		}
		if id, err := peerid.Of(theirs); id != peerid.IDOf(clientKey) || err != nil {
			t.Errorf("the server meets %v, %v", id, err)
		}
	}
	other, err := ServerConfig(peerid.Server(peerid.NewKey()))
	if err != nil {
		t.Fatal(err)
	}
	c, s := endsOf(t, clientTLS, other)
	converse(t, c, s, 1200)
	if _, ok := errors.AsType[*peerid.WrongPeerError](c.err); !ok || c.done || s.done {
		t.Errorf("somebody else: %v", c.err)
	}
}
