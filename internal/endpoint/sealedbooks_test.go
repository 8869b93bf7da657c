package endpoint

import (
	"testing"

	"example.com/ebb/internal/lab/scripted"
	"example.com/ebb/internal/protect"
)

// protect has a connection that is about to be started be a protected one, if the world's are.
func (w *world) protect(p *Params) {
	if w.protected {
		client := p.Client
		p.Handshake = func(ours []byte) protect.Handshake {
			return scripted.New(scripted.Script{Client: client, Seed: 1}, ours)
		}
	}
}

// TestEveryBookOfProtectedConnections [W251]: the same for protected connections, of which none crosses another.
func TestEveryBookOfProtectedConnections(t *testing.T) {
	everyBook(t, true, "connected", "failed", "given up", "accepted", "unaccepted")
}
