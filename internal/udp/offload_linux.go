package udp

import (
	"encoding/binary"
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

// The bounds of a train that the kernel cuts up: its UDP_MAX_SEGMENTS, which newer
// kernels have doubled, and the largest datagram over IPv4, for it builds the
// train as one before it cuts.
const (
	maxTrainDatagrams = 64
	maxTrainBytes     = 65535 - 20 - 8
)

// sendsTrains reports whether the kernel cuts trains up: Linux 4.18 and later
// do. Whether the outgoing interface does shows only on a send.
func sendsTrains(raw syscall.RawConn) (ok bool) {
	err := raw.Control(func(fd uintptr) {
		_, err := unix.GetsockoptInt(int(fd), unix.IPPROTO_UDP, unix.UDP_SEGMENT)
		ok = err == nil
	})
	return ok && err == nil
}

// receiveTrains makes a read return datagrams of one sender and size as a
// train, and reports whether the kernel does: Linux 5.0 and later.
func receiveTrains(raw syscall.RawConn) (ok bool) {
	err := raw.Control(func(fd uintptr) {
		ok = unix.SetsockoptInt(int(fd), unix.IPPROTO_UDP, unix.UDP_GRO, 1) == nil
	})
	return ok && err == nil
}

// refusesTrain reports whether an error of a send says that trains do not go
// this way: EIO, a device that leaves checksums to the sender, or IPsec;
// EINVAL, a kernel or a socket that cannot.
func refusesTrain(err error) bool {
	return errors.Is(err, syscall.EIO) || errors.Is(err, syscall.EINVAL)
}

// appendSegmentSize appends the control message that says where to cut a train.
func appendSegmentSize(b []byte, size int) []byte {
	b, data := extend(b, unix.IPPROTO_UDP, unix.UDP_SEGMENT, 2)
	binary.NativeEndian.PutUint16(data, uint16(size))
	return b
}

// parseSegmentSize reads where to cut a received train.
func parseSegmentSize(typ int32, data []byte) (size int, ok bool) {
	if typ != unix.UDP_GRO || len(data) < 4 {
		return 0, false
	}
	return int(binary.NativeEndian.Uint32(data)), true
}
