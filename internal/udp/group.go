package udp

import (
	"context"
	"net"
	"syscall"
)

// ListenGroup opens n sockets, at least one, bound to one local address and port, as Listen does
// one. The system spreads what arrives over them by the addresses of the sender and the receiver, so
// that datagrams of one peer arrive at one socket, in order, as long as the group stays as it is.
// More than one need Linux; elsewhere the error matches errors.ErrUnsupported.
//
// The first is bound like any other socket and lets the others join only then. So a port that
// somebody uses, another group of the same user included, is EADDRINUSE and not shared. control sees each before it is bound; nil: nobody
// does.
func ListenGroup(network string, local *net.UDPAddr, n int, control Control, opt Options) ([]*Socket, error) {
	first, err := listenControl(network, local, control, opt)
	if err != nil {
		return nil, err
	}
	group := []*Socket{first}
	if n > 1 {
		err = sharePort(first.raw)
	}
	for err == nil && len(group) < n {
		var s *Socket
		if s, err = join(network, first.LocalAddr(), control, opt); err == nil {
			group = append(group, s)
		}
	}
	if err != nil {
		for _, s := range group {
			s.Close()
		}
		return nil, err
	}
	return group, nil
}

// join opens one more socket on a port that is open to a group.
func join(network string, local *net.UDPAddr, control Control, opt Options) (*Socket, error) {
	lc := net.ListenConfig{Control: func(network, address string, raw syscall.RawConn) error {
		if control != nil {
			if err := control(network, address, raw); err != nil {
				return err
			}
		}
		return sharePort(raw)
	}}
	pc, err := lc.ListenPacket(context.Background(), network, local.String())
	if err != nil {
		return nil, err
	}
	return own(pc.(*net.UDPConn), opt)
}
