package udp

import (
	"net"
	"syscall"

	"golang.org/x/sys/windows"
)

// Winsock's numbers for the options that keep datagrams whole.
const (
	ipDontFragment = 14 // IP_DONTFRAGMENT
	ipv6DontFrag   = 14 // IPV6_DONTFRAG
)

// configure sets the options of a socket and reports which ones the system
// agreed to. Only a descriptor out of use is an error.
func configure(raw syscall.RawConn, _ bool) (f features, err error) {
	cerr := raw.Control(func(fd uintptr) {
		h := windows.Handle(fd)
		var sa windows.Sockaddr
		if sa, err = windows.Getsockname(h); err != nil {
			return
		}
		_, f.is6 = sa.(*windows.SockaddrInet6)
		err4 := windows.SetsockoptInt(h, windows.IPPROTO_IP, ipDontFragment, 1)
		if !f.is6 {
			f.dontFragment = err4 == nil
			return
		}
		err6 := windows.SetsockoptInt(h, windows.IPPROTO_IPV6, ipv6DontFrag, 1)
		v6only, err := windows.GetsockoptInt(h, windows.IPPROTO_IPV6, windows.IPV6_V6ONLY)
		f.dontFragment = err6 == nil && (err4 == nil || err == nil && v6only != 0)
	})
	if cerr != nil {
		return f, cerr
	}
	return f, err
}

// resize asks for the socket's buffers. The system's answer is in
// bufferSizes; not to grant it is no error.
func resize(c *net.UDPConn, raw syscall.RawConn, opt Options) {
	receive, send := bufferSizes(raw)
	if n := bufferToAsk(opt.ReadBuffer, receive); n > 0 {
		ask(c.SetReadBuffer, n)
	}
	if n := bufferToAsk(opt.WriteBuffer, send); n > 0 {
		ask(c.SetWriteBuffer, n)
	}
}

// bufferSizes returns the sizes of the socket's buffers, 0 if unknown.
func bufferSizes(raw syscall.RawConn) (receive, send int) {
	raw.Control(func(fd uintptr) {
		h := windows.Handle(fd)
		if n, err := windows.GetsockoptInt(h, windows.SOL_SOCKET, windows.SO_RCVBUF); err == nil {
			receive = n
		}
		if n, err := windows.GetsockoptInt(h, windows.SOL_SOCKET, windows.SO_SNDBUF); err == nil {
			send = n
		}
	})
	return receive, send
}
