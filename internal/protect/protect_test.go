package protect

import (
	"bytes"
	"testing"

	"example.com/ebb/wire"
)

// TestChecksum: what one side seals the other opens, with the number in full, and nothing that was changed or cut.
func TestChecksum(t *testing.T) {
	var client, server = NewChecksum(wire.Version, 1, 2), NewChecksum(wire.Version, 2, 1)
	var _ Sealer = client
	var _ Opener = server
	const number, largest = 0x12345678, 0x12345670
	header := wire.Must(wire.AppendShort([]byte("before"), 2, number, 2))
	frames := wire.AppendPing(wire.AppendPing(nil))
	b := client.Seal(append(header, frames...), len("before"), len(header), number)
	packet := b[len("before"):]
	if len(packet) != len(header)-len("before")+len(frames)+client.Overhead() {
		t.Errorf("%d bytes, with an overhead of %d", len(packet), client.Overhead())
	}
	at := wire.ShortHeaderLen(0)
	got, body, ok := server.Open(packet, at, largest, true)
	if !ok || got != number || !bytes.Equal(body, frames) || cap(body) != len(body) {
		t.Fatalf("opened as %#x, %x, %v", got, body, ok)
	}
	if _, _, ok := client.Open(packet, at, largest, true); ok {
		t.Error("its own sender opens it")
	}
	for bit := range 8 * len(packet) {
		packet[bit/8] ^= 1 << (bit % 8)
		if _, _, ok := server.Open(packet, at, largest, true); ok {
			t.Errorf("opened with bit %d changed", bit)
		}
		packet[bit/8] ^= 1 << (bit % 8)
	}
	for n := range len(packet) {
		if _, _, ok := server.Open(packet[:n], at, largest, true); ok {
			t.Errorf("opened with %d bytes of %d", n, len(packet))
		}
	}
	for _, at := range []int{-1, len(packet) - wire.TrailerSize - 1, len(packet)} {
		if _, _, ok := server.Open(packet, at, largest, true); ok {
			t.Errorf("opened with a number at %d of %d bytes", at, len(packet))
		}
	}
}
