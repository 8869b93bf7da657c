package udp

import "golang.org/x/sys/unix"

// IPv4's control messages. Packet information is struct in_pktinfo: interface
// index, source address to send from, address of the header.
const (
	receivedTOS       = unix.IP_RECVTOS
	tosSize           = 4
	receivedInfo4     = unix.IP_PKTINFO
	info4Offset       = 8
	sentInfo4         = unix.IP_PKTINFO
	info4Size         = unix.SizeofInet4Pktinfo
	info4SourceOffset = 4
)

// parseDropped finds nothing: the system does not say.
func parseDropped(int32, []byte) (uint32, bool) { return 0, false }

// parseStamp finds nothing: a datagram counts as arrived when it is read.
func parseStamp(int32, []byte) (int64, bool) { return 0, false }

// parseSegmentSize finds nothing: the system hands over single datagrams.
func parseSegmentSize(int32, []byte) (int, bool) { return 0, false }
