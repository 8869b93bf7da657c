//go:build !race

package ebb_test

import (
	"io"
	"testing"

	"example.com/ebb"
)

// TestAllocationsOfADial bounds what a dial, a byte each way and the end of both connections allocate, at both ends
// together. With a socket of its own, the larger part is package net's and the socket's options.
func TestAllocationsOfADial(t *testing.T) {
	l, err := ebb.Listen("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	shared, err := ebb.Listen("udp", "127.0.0.1:0") // its endpoint dials
	if err != nil {
		t.Fatal(err)
	}
	defer shared.Close()
	for _, tt := range []struct {
		name   string
		dialer ebb.Dialer
		most   float64
	}{
		{"shared socket", ebb.Dialer{Endpoint: shared.(*ebb.Listener).Endpoint()}, 48},
		{"own socket", ebb.Dialer{}, 124},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := make([]byte, 1)
			got := testing.AllocsPerRun(100, func() {
				c, err := tt.dialer.Dial("udp", l.Addr().String())
				if err != nil {
					t.Fatal(err)
				}
				s := accept(t, l.(*ebb.Listener))
				write(t, c, "x")
				if _, err := io.ReadFull(s, b); err != nil {
					t.Fatal(err)
				}
				s.Close()
				if _, err := c.Read(b); err != io.EOF {
					t.Fatal(err)
				}
				c.Close()
			})
			t.Logf("%v allocations", got)
			if got > tt.most {
				t.Errorf("%v allocations, want at most %v", got, tt.most)
			}
		})
	}
}

// TestAllocationsOfSmallWrites: pieces that are written one after the other allocate nothing, also where each begins to be held back anew.
func TestAllocationsOfSmallWrites(t *testing.T) {
	c, s := pair(t, nil)
	piece, both := make([]byte, 64), make([]byte, 128)
	got := testing.AllocsPerRun(1000, func() {
		for range 2 {
			if _, err := c.Write(piece); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := io.ReadFull(s, both); err != nil {
			t.Fatal(err)
		}
	})
	if got != 0 {
		t.Errorf("%v allocations, want none", got)
	}
}
