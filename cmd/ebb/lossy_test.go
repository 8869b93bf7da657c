package main

import (
	"context"
	"net"
	"sync/atomic"

	"example.com/ebb"
	"example.com/ebb/cmd/ebb/internal/settings"
	"example.com/ebb/internal/lab/simnet"
	"example.com/ebb/peerid"
)

// lossRate is the part of the packets that a lossy network loses in each direction.
const lossRate = 0.02

func init() { openers["ebb-lossy"], openers["plain-lossy"] = openLossy, openLossy }

// openLossy is openEbb over sockets behind links that lose packets: of each side those that it sends.
func openLossy(s settings.Settings) (transport, error) {
	t, err := openEbb(s)
	if err != nil {
		return transport{}, err
	}
	config, err := configFor(s)
	if err != nil {
		return transport{}, err
	}
	key, _, err := loadKey(s.Protection.Key)
	if err != nil {
		return transport{}, err
	}
	var seed atomic.Uint64 // of the last link
	endpoint := func(address string, config *ebb.Config) (*ebb.Endpoint, error) {
		conn, err := net.ListenPacket("udp4", address)
		if err != nil {
			return nil, err
		}
		return ebb.NewEndpoint(simnet.Wrap(conn, simnet.LinkConfig{Loss: lossRate}, seed.Add(1)), config)
	}
	t.listen = func(ctx context.Context, address string, refused func(line string)) (net.Listener, error) {
		own := *config
		if !s.Protection.Plain {
			own.TLS = serverTLS(key, s.Protection.Peers, refused)
		}
		e, err := endpoint(address, &own)
		if err != nil {
			return nil, err
		}
		ln, err := e.Listen()
		if err != nil {
			return nil, err
		}
		context.AfterFunc(ctx, func() { ln.Close() })
		return ln, nil
	}
	t.dial = func(ctx context.Context, to target) (net.Conn, error) {
		own := *config
		if !s.Protection.Plain {
			own.TLS = peerid.Client(key, to.id)
		}
		e, err := endpoint("127.0.0.1:0", &own)
		if err != nil {
			return nil, err
		}
		return e.DialContext(ctx, "udp", to.address)
	}
	return t, nil
}
