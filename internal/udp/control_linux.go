package udp

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// IPv4's control messages. Packet information is struct in_pktinfo: interface
// index, local address, address of the header. The second is where to
// answer from even if the third is a broadcast.
const (
	receivedTOS       = unix.IP_TOS
	tosSize           = 4
	receivedInfo4     = unix.IP_PKTINFO
	info4Offset       = 4
	sentInfo4         = unix.IP_PKTINFO
	info4Size         = unix.SizeofInet4Pktinfo
	info4SourceOffset = 4
)

// parseDropped reads how many datagrams the socket's full buffer has cost.
func parseDropped(typ int32, data []byte) (n uint32, ok bool) {
	if typ != unix.SO_RXQ_OVFL || len(data) < 4 {
		return 0, false
	}
	return binary.NativeEndian.Uint32(data), true
}
