package udp

import (
	"encoding/binary"
	"unsafe"

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

// parseStamp reads when a datagram arrived, in ns since 1970 (a timespec).
func parseStamp(typ int32, data []byte) (ns int64, ok bool) {
	if typ != unix.SO_TIMESTAMPNS || len(data) < int(unsafe.Sizeof(unix.Timespec{})) {
		return 0, false
	}
	t := (*unix.Timespec)(unsafe.Pointer(&data[0])) // aligned as the header before it is
	return t.Nano(), true
}
