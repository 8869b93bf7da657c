package udp

import "golang.org/x/sys/unix"

// IPv4's control messages. Instead of packet information there is a bare
// address.
const (
	receivedTOS       = unix.IP_RECVTOS
	tosSize           = 1
	receivedInfo4     = unix.IP_RECVDSTADDR
	info4Offset       = 0
	sentInfo4         = unix.IP_SENDSRCADDR
	info4Size         = 4
	info4SourceOffset = 0
)

// parseDropped finds nothing: the system does not say.
func parseDropped(int32, []byte) (uint32, bool) { return 0, false }

// parseStamp finds nothing: a datagram counts as arrived when it is read.
func parseStamp(int32, []byte) (int64, bool) { return 0, false }

// parseSegmentSize finds nothing: the system hands over single datagrams.
func parseSegmentSize(int32, []byte) (int, bool) { return 0, false }
