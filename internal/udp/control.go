package udp

import (
	"context"
	"net"
	"syscall"
)

// Control is given a socket before it is bound or connected, with the network, "udp4" or "udp6", and the address.
type Control func(network, address string, raw syscall.RawConn) error

// DialControl is Dial with a socket that control has seen. nil: it is Dial.
func DialControl(network string, local, remote *net.UDPAddr, control Control, opt Options) (*Socket, error) {
	if control == nil {
		return Dial(network, local, remote, opt)
	}
	d := net.Dialer{Control: control}
	if local != nil {
		d.LocalAddr = local
	}
	c, err := d.DialContext(context.Background(), network, remote.String()) // an address: there is nothing to wait for
	if err != nil {
		return nil, err
	}
	return own(c.(*net.UDPConn), opt)
}

// listenControl is Listen with a socket that control has seen. nil: it is Listen.
func listenControl(network string, local *net.UDPAddr, control Control, opt Options) (*Socket, error) {
	if control == nil {
		return Listen(network, local, opt)
	}
	lc := net.ListenConfig{Control: control}
	pc, err := lc.ListenPacket(context.Background(), network, local.String())
	if err != nil {
		return nil, err
	}
	return own(pc.(*net.UDPConn), opt)
}
