package scripted

import (
	"bytes"
	"testing"

	"example.com/ebb/internal/protect"
)

// TestAgree: two sides come to the same secrets and parameters, in the order of TLS, in pieces of any size.
func TestAgree(t *testing.T) {
	for _, suite := range []protect.Suite{protect.AES128GCM, protect.AES256GCM} {
		c := New(Script{Client: true, Seed: 3, Suite: suite}, []byte("client's"))
		s := New(Script{Seed: 3, Suite: suite}, []byte("server's"))
		c.Start()
		s.Start()
		got := map[*Handshake]map[protect.EventKind][]protect.Event{c: {}, s: {}}
		for range 10 {
			for _, side := range [][2]*Handshake{{c, s}, {s, c}} {
				for e := side[0].Next(); e.Kind != protect.EventNone; e = side[0].Next() {
					got[side[0]][e.Kind] = append(got[side[0]][e.Kind], e)
					for len(e.Data) > 0 && e.Kind == protect.EventSend {
						n := min(100, len(e.Data))
						if err := side[1].Receive(e.Level, e.Data[:n]); err != nil {
							t.Fatal(err)
						}
						e.Data = e.Data[n:]
					}
				}
			}
		}
		for _, side := range [][2]*Handshake{{c, s}, {s, c}} {
			sealed, opened := got[side[0]][protect.EventSealSecret], got[side[1]][protect.EventOpenSecret]
			if len(sealed) != 2 || len(opened) != 2 || len(got[side[0]][protect.EventDone]) != 1 {
				t.Fatalf("%d secrets to seal, %d to open", len(sealed), len(opened))
			}
			for i := range sealed {
				if !bytes.Equal(sealed[i].Data, opened[i].Data) || sealed[i].Level != opened[i].Level || sealed[i].Suite != suite {
					t.Errorf("sealed with %+v, opened with %+v", sealed[i], opened[i])
				}
			}
			if peer := got[side[1]][protect.EventPeer]; len(peer) != 1 || !bytes.Equal(peer[0].Data, side[0].ours) {
				t.Errorf("%+v is what was heard of %q", peer, side[0].ours)
			}
		}
		if c.Tickets() != 1 {
			t.Errorf("%d tickets", c.Tickets())
		}
	}
}

// TestUnexpected: a message at the wrong time or level ends the handshake.
func TestUnexpected(t *testing.T) {
	for _, b := range [][]byte{{finished, 0, 0, 0, 2, 0, 0}, {9, 0, 0, 0, 2, 0, 0}, {hello, 0, 0, 0, 1, 0}} {
		s := New(Script{}, nil)
		if err := s.Receive(protect.LevelInitial, b); err != nil {
			t.Fatal(err)
		}
		if e := s.Next(); e.Kind != protect.EventFailed || e.Alert == 0 || e.Err == nil {
			t.Errorf("%x: %+v", b, e)
		}
	}
}
