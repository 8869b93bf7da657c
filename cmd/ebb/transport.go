package main

import (
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"

	"example.com/ebb"
	"example.com/ebb/cmd/ebb/internal/settings"
	"example.com/ebb/congestion"
	"example.com/ebb/limits"
	"example.com/ebb/peerid"
	"example.com/ebb/pool"
)

// openEbb is the opener of the program: everything the commands know of Ebb
// itself.
func openEbb(s settings.Settings) (transport, error) {
	config, err := configFor(s)
	if err != nil {
		return transport{}, err
	}
	var key ed25519.PrivateKey // nil: plain
	var notes []string
	if !s.Protection.Plain {
		if key, notes, err = loadKey(s.Protection.Key); err != nil {
			return transport{}, err
		}
	}
	traces := os.Getenv(traceVariable)
	if err := traceable(traces); err != nil {
		notes = append(notes, fmt.Sprintf("connections are not traced: nothing can be written into %s, which $%s names: %v", traces, traceVariable, err))
	}
	clients := clientConfigs{key: key, of: make(map[peerid.ID]*tls.Config)}
	return transport{
		identity: peerid.IDOf(key),
		notes:    notes,
		listen: func(ctx context.Context, address string, refused func(line string)) (net.Listener, error) {
			own := *config
			if key != nil {
				own.TLS = serverTLS(key, s.Protection.Peers, refused)
			}
			if refused != nil {
				own.Logger = slog.New(refusals(refused))
			}
			return (&ebb.ListenConfig{Config: &own}).Listen(ctx, "udp", address)
		},
		dial: func(ctx context.Context, to target) (net.Conn, error) {
			own := *config
			if key != nil {
				own.TLS = clients.config(to.id)
			}
			return (&ebb.Dialer{Config: &own}).DialContext(ctx, "udp", to.address)
		},
		drain: ebb.Drain,
		describe: func(conn net.Conn) func() string {
			switch c := conn.(type) {
			case *ebb.Conn:
				return newDescription(c.Info)
			case *ebb.SecureConn:
				return newDescription(c.Info)
			}
			return func() string { return "" }
		},
	}, nil
}

// traceVariable names the folder that package ebb traces connections in.
const traceVariable = "QLOGDIR"

// traceable reports that no trace can be written into a folder, which is made if it is not there; "" is none. The connections would say
// so when they are closed, to a log that nobody reads.
func traceable(dir string) error {
	if dir == "" {
		return nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	probe, err := os.CreateTemp(dir, ".ebb-*")
	if err != nil {
		return err
	}
	return errors.Join(probe.Close(), os.Remove(probe.Name()))
}

// configFor is what the settings ask of connections, but for their protection.
func configFor(s settings.Settings) (*ebb.Config, error) {
	config := &ebb.Config{
		BandwidthLimit: s.BandwidthLimit,
		Congestion:     s.CongestionControl.Factory(s.MinSSThresh),
		DSCP:           s.DSCP,
	}
	if s.Limits != (settings.Limits{}) {
		m, err := limits.New(limits.Config{
			Process: limits.Limits{Memory: s.Limits.Memory, Inbound: int(s.Limits.Connections)},
			Peer:    limits.Limits{Connections: int(s.Limits.ConnectionsPerPeer), Handshakes: int(s.Limits.HandshakesPerPeer)},
		})
		if err != nil {
			return nil, &usageError{err}
		}
		config.Limits = m
	}
	if s.TotalBandwidthLimit > 0 {
		shared, err := pool.New(s.TotalBandwidthLimit, s.MinBandwidthPerConnection)
		if err != nil {
			return nil, &usageError{err}
		}
		config.Pool = shared
	}
	if err := congestion.Check(config.Congestion); err != nil {
		return nil, &usageError{err}
	}
	return config, nil
}

// clientConfigs has one config for each peer that is dialled, so that sessions with it are resumed. Methods may be called from any number of
// goroutines.
type clientConfigs struct {
	key ed25519.PrivateKey

	mu sync.Mutex
	of map[peerid.ID]*tls.Config
}

func (c *clientConfigs) config(id peerid.ID) *tls.Config {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.of[id] == nil {
		c.of[id] = peerid.Client(c.key, id)
	}
	return c.of[id]
}
