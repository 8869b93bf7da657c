//go:build darwin || freebsd || linux

package udp

import (
	"net"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"
)

// configure sets the options of a socket and reports which ones the system
// agreed to. Only a descriptor out of use is an error.
func configure(raw syscall.RawConn, wildcard bool) (f features, err error) {
	cerr := raw.Control(func(fd uintptr) {
		var sa unix.Sockaddr
		if sa, err = unix.Getsockname(int(fd)); err != nil {
			return
		}
		_, f.is6 = sa.(*unix.SockaddrInet6)
		o := socketOptions{fd: int(fd), is6: f.is6}
		if f.is6 {
			v6only, err := unix.GetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_V6ONLY)
			o.is4 = err != nil || v6only == 0
		} else {
			o.is4 = true
		}
		f.is4, f.loose4 = o.is4, looseIPv4
		f.dontFragment = o.set(dontFragment4, dontFragment6)
		f.ecn = o.set(option{unix.IP_RECVTOS, 1}, option{unix.IPV6_RECVTCLASS, 1})
		if wildcard {
			f.packetInfo = o.set(option{receiveInfo4, 1}, option{unix.IPV6_RECVPKTINFO, 1})
		}
		f.stamps = !onLoopback(sa) && reportArrivals(int(fd))
		reportDropped(int(fd))
	})
	if cerr != nil {
		return f, cerr
	}
	return f, err
}

// onLoopback reports whether a socket is bound to an address of the loopback interface. There is no path to measure there, and stamps
// would cost a seventh of the throughput of eight connections.
func onLoopback(sa unix.Sockaddr) bool {
	switch a := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrFrom4(a.Addr).IsLoopback()
	case *unix.SockaddrInet6:
		return netip.AddrFrom16(a.Addr).Unmap().IsLoopback()
	}
	return false
}

// option is an option of a protocol level and the value to give it.
type option struct{ name, value int }

// socketOptions sets options of both families.
type socketOptions struct {
	fd       int
	is4, is6 bool // what the socket can carry: a dual-stack one, both
}

// set sets an option for whatever the socket carries. Where the system does not
// take IPv4's options on an IPv6 socket, IPv6's alone must do.
func (o socketOptions) set(v4, v6 option) bool {
	ok := true
	if o.is6 {
		ok = unix.SetsockoptInt(o.fd, unix.IPPROTO_IPV6, v6.name, v6.value) == nil
	}
	if o.is4 {
		ok4 := unix.SetsockoptInt(o.fd, unix.IPPROTO_IP, v4.name, v4.value) == nil
		ok = ok && (ok4 || o.is6 && !looseIPv4)
	}
	return ok
}

// resize asks for the socket's buffers. The system's answer is in
// bufferSizes; not to grant it is no error.
func resize(c *net.UDPConn, raw syscall.RawConn, opt Options) {
	have, send := bufferSizes(raw)
	if n := bufferToAsk(opt.ReadBuffer, have); n > 0 && !forceBuffer(raw, receiveForced, n) {
		ask(c.SetReadBuffer, n)
	}
	if n := bufferToAsk(opt.WriteBuffer, send); n > 0 && !forceBuffer(raw, sendForced, n) {
		ask(c.SetWriteBuffer, n)
	}
}

// bufferSizes returns the sizes of the socket's buffers, 0 if unknown.
func bufferSizes(raw syscall.RawConn) (receive, send int) {
	raw.Control(func(fd uintptr) {
		if n, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF); err == nil {
			receive = n / bufferMeasure
		}
		if n, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_SNDBUF); err == nil {
			send = n / bufferMeasure
		}
	})
	return receive, send
}

// forceBuffer asks for a buffer beyond the limit for ordinary users, and
// reports whether that was granted.
func forceBuffer(raw syscall.RawConn, name, n int) (ok bool) {
	if name == 0 {
		return false
	}
	err := raw.Control(func(fd uintptr) {
		ok = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, name, n) == nil
	})
	return ok && err == nil
}
