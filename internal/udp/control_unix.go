//go:build darwin || freebsd || linux

package udp

import (
	"encoding/binary"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// controlSpace is room for all the control messages of one datagram: on an
// IPv6 socket an IPv4 datagram may come with the packet information of both
// families, with its TOS, with the time of its arrival, with the count of drops and with the
// segment size. A multiple of 8, so that arrays of it stay aligned.
const controlSpace = 224

// parseControl reads a received datagram's control messages into m. Unknown
// ones are passed over. stamp is when it arrived by the wall clock, in ns since 1970; 0: none says.
func (s *Socket) parseControl(m *Message, b []byte) (stamp int64) {
	for len(b) > 0 {
		h, data, rest := nextControl(b)
		if h == nil {
			return stamp // cut off
		}
		b = rest
		switch h.Level {
		case unix.IPPROTO_IP:
			switch {
			case h.Type == receivedTOS && len(data) >= 1:
				m.setTOS(data[0])
			case h.Type == receivedInfo4 && len(data) >= info4Offset+4 && s.features.packetInfo:
				m.Local = netip.AddrFrom4([4]byte(data[info4Offset:]))
			}
		case unix.IPPROTO_IPV6:
			switch {
			case h.Type == unix.IPV6_TCLASS && len(data) >= 4:
				m.setTOS(uint8(binary.NativeEndian.Uint32(data)))
			case h.Type == unix.IPV6_PKTINFO && len(data) >= 16 && s.features.packetInfo:
				// The IPv4 message says more of an IPv4 datagram.
				if a := netip.AddrFrom16([16]byte(data)).Unmap(); a.Is6() || !m.Local.IsValid() {
					m.Local = a
				}
			}
		case unix.SOL_SOCKET:
			if n, ok := parseDropped(h.Type, data); ok {
				s.counters.dropped.Store(n)
			} else if at, ok := parseStamp(h.Type, data); ok {
				stamp = at
			}
		case unix.IPPROTO_UDP:
			if size, ok := parseSegmentSize(h.Type, data); ok {
				m.SegmentSize = size
			}
		}
	}
	return stamp
}

// nextControl takes the first control message off b, which is aligned as a header is. The header is nil if the message was cut off.
// Package unix does the same, but two or three for each datagram make that worth its time.
func nextControl(b []byte) (h *unix.Cmsghdr, data, rest []byte) {
	start := unix.CmsgLen(0)
	if len(b) < start {
		return nil, nil, nil
	}
	h = (*unix.Cmsghdr)(unsafe.Pointer(&b[0]))
	end := int(h.Len)
	if end < start || end > len(b) {
		return nil, nil, nil
	}
	return h, b[start:end], b[min(unix.CmsgSpace(end-start), len(b)):]
}

// appendControl appends the control messages that m asks for to b, which has
// room for controlSpace bytes.
func (s *Socket) appendControl(b []byte, m *Message) []byte {
	info := s.features.packetInfo && m.Local.IsValid()
	tos := s.features.ecn && m.tos() != s.marking.own
	if !info && !tos {
		return b
	}
	remote := m.Remote
	if s.remote.IsValid() {
		remote = s.remote
	}
	if remote.Addr().Unmap().Is4() {
		if s.features.is6 && !s.features.loose4 {
			return b
		}
		if info && m.Local.Unmap().Is4() {
			var data []byte
			b, data = extend(b, unix.IPPROTO_IP, sentInfo4, info4Size)
			a := m.Local.Unmap().As4()
			copy(data[info4SourceOffset:], a[:])
		}
		if tos {
			b = appendInt(b, unix.IPPROTO_IP, unix.IP_TOS, tosSize, m.tos())
		}
		return b
	}
	if info && m.Local.Is6() && !m.Local.Is4In6() {
		var data []byte
		b, data = extend(b, unix.IPPROTO_IPV6, unix.IPV6_PKTINFO, unix.SizeofInet6Pktinfo)
		a := m.Local.As16()
		copy(data, a[:])
	}
	if tos {
		b = appendInt(b, unix.IPPROTO_IPV6, unix.IPV6_TCLASS, 4, m.tos())
	}
	return b
}

// appendInt appends a control message with a C int, or a char if size is 1.
func appendInt(b []byte, level, typ int32, size int, v uint8) []byte {
	b, data := extend(b, level, typ, size)
	if size == 1 {
		data[0] = v
	} else {
		binary.NativeEndian.PutUint32(data, uint32(v))
	}
	return b
}

// extend appends a control message of size zero bytes and returns them too.
func extend(b []byte, level, typ int32, size int) (all, data []byte) {
	n := len(b)
	if cap(b)-n < unix.CmsgSpace(size) {
		panic("BUG: control messages overflow their buffer")
	}
	all = b[:n+unix.CmsgSpace(size)]
	clear(all[n:])
	h := (*unix.Cmsghdr)(unsafe.Pointer(&all[n]))
	h.Level = level
	h.Type = typ
	h.SetLen(unix.CmsgLen(size))
	return all, all[n+unix.CmsgLen(0):][:size]
}

// truncated reports whether a receive's flags say that the datagram was longer.
func truncated(flags int) bool { return flags&unix.MSG_TRUNC != 0 }
