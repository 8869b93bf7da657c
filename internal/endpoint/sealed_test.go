package endpoint_test

import (
	"testing"

	"example.com/ebb/internal/protect"
	"example.com/ebb/wire"
)

// sealedInitial is the first part of a protected dial, with a cookie if there is one: as much of a ClientHello as makes the server keep a
// place for it.
func sealedInitial(client wire.ID, cookie []byte) []byte {
	seal, _, err := protect.NewInitialKeys(^client, true)
	if err != nil {
		panic("BUG: AES-128-GCM: " + err.Error())
	}
	h := wire.Header{Type: wire.Initial, Version: wire.VersionProtected, Dst: ^client, Src: client, NumberLen: 1, Cookie: cookie}
	b := wire.Must(wire.AppendHeader(nil, h))
	body := len(b)
	b = wire.Must(wire.AppendCrypto(b, 0, []byte{1, 0, 0, 8, 0, 3, 3}))
	return seal.Seal(wire.AppendPadding(b, wire.MinInitialSize-len(b)-protect.TagSize), 0, body, 0)
}

// TestProtectedNewcomersDespiteHalfOpenFlood [W243]: the same with protected connections. No key is made for who has no cookie.
func TestProtectedNewcomersDespiteHalfOpenFlood(t *testing.T) { halfOpenFlood(t, true) }
