package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"example.com/ebb/cmd/ebb/internal/ends"
	"example.com/ebb/cmd/ebb/internal/settings"
	"example.com/ebb/cmd/ebb/internal/tunnel"
)

const (
	// targetTimeout is how long a dialling side may take to name a target, and connectTimeout how long the
	// accepting side tries to reach one.
	targetTimeout  = 30 * time.Second
	connectTimeout = 20 * time.Second
)

// tunnelServer is one side of a tunnel.
type tunnelServer struct {
	transport transport
	console   console
	places    *places
	patience  time.Duration // of the connections that stand, when it is stopped
	verbose   bool

	to      target   // dialling side
	socks   bool     // dialling side: each client names its target
	forward string   // accepting side
	any     networks // accepting side: where the dialling side may choose targets; empty: nowhere

	mu        sync.Mutex // one line at a time
	grumbling *grumbler
	carried   atomic.Int64 // connections
}

// runTunnel is the command.
func runTunnel(ctx context.Context, c console, open opener, args []string) error {
	fs := newFlagSet("tunnel", "",
		`Carries TCP connections over Ebb. One side accepts TCP connections, and makes an Ebb
connection for each to the other side, which makes a TCP connection to the target.
Half-closes and resets are passed on. A tunnel runs until it is stopped; it then accepts
no more connections, and waits for the open ones to end.

Ebb connections are encrypted, and ID is the identity of the side that accepts them.
That side prints its identity and the command to run at the other end. It accepts
anyone who can reach it, unless --peer lists who may connect.`,
		`  ebb tunnel --accept :4000 --forward 127.0.0.1:80                  beside the service
  ebb tunnel --listen 127.0.0.1:8080 --to ID@gateway.example:4000   beside its users
  ebb tunnel --accept :4000 --forward-any 10.0.0.0/8 --peer ID      a gateway to a network
  ebb tunnel --listen 127.0.0.1:1080 --socks --to ID@gateway.example:4000
`)
	var options transportOptions
	server := &tunnelServer{console: c, grumbling: newGrumbler(c.stderr, "tunnel")}
	var own tunnelOptions
	server.register(fs, &own)
	options.registerProtection(fs, true)
	var figures debugFlag
	figures.register(fs)
	options.register(fs, defaultBandwidthLimit)
	if err := fs.parse(args, 0, 0); err != nil {
		return err
	}
	if err := server.check(&own); err != nil {
		return err
	}
	server.places = newPlaces(own.most, own.mostOfHost)
	var chosen settings.Settings
	var err error
	if own.to != "" {
		server.to, chosen, err = options.resolveTarget(c.stderr, own.to, "ebb tunnel --accept")
	} else {
		chosen, err = options.resolve(c.stderr)
	}
	if err != nil {
		return err
	}
	server.places.listed = len(chosen.Protection.Peers) > 0
	if server.transport, err = options.open(c.stderr, open, chosen); err != nil {
		return err
	}
	shown, err := figures.serve("tunnel")
	if err != nil {
		return err
	}
	defer shown.close()
	ln, handle, err := server.listen(ctx, own.listen, own.accept)
	if err != nil {
		return err
	}
	shown.say(c.stderr, "tunnel")
	return server.serve(ctx, ln, handle)
}

// tunnelOptions are flags that are needed at the beginning only.
type tunnelOptions struct {
	listen, accept, to string
	most, mostOfHost   int
}

// register adds the flags that are tunnel's alone.
func (s *tunnelServer) register(fs *flagSet, own *tunnelOptions) {
	fs.StringVar(&own.listen, "listen", "", "accept TCP connections on `HOST:PORT`, with --to")
	fs.StringVar(&own.to, "to", "", "with --listen: carry the connections over Ebb to the other side of the tunnel, at `ID@HOST:PORT`")
	fs.BoolVar(&s.socks, "socks", false, "with --listen: be a SOCKS5 server; each client names its target, which the other side has to allow with --forward-any")
	fs.StringVar(&own.accept, "accept", "", "accept Ebb connections on `HOST:PORT`, with --forward or --forward-any")
	fs.StringVar(&s.forward, "forward", "", "with --accept: forward the connections to the TCP service at `HOST:PORT`")
	fs.Var(&s.any, "forward-any", "with --accept: let the other side choose TCP services in this `NETWORK`, such as 10.0.0.0/8 or ::/0; may be repeated")
	fs.IntVar(&own.most, "max-connections", 4096, "carry at most this `NUMBER` of connections at once")
	fs.IntVar(&own.mostOfHost, "max-connections-per-host", 4096, "carry at most this `NUMBER` of connections from one IPv4 address or IPv6 /56, or with --peer from one identity")
	fs.DurationVar(&s.patience, "drain", 30*time.Second, "when stopped, wait at most this `DURATION` for open connections to end")
	fs.BoolVarP(&s.verbose, "verbose", "v", false, "print a line for each connection when it ends")
}

// check reports what is wrong with the flags.
func (s *tunnelServer) check(own *tunnelOptions) error {
	switch {
	case (own.listen == "") == (own.accept == ""):
		return usageErrorf("want either --listen, beside the users of a service, or --accept, beside the service")
	case own.most < 1 || own.mostOfHost < 1:
		return usageErrorf("--max-connections and --max-connections-per-host: want at least 1")
	case s.patience < 0:
		return usageErrorf("--drain is %v: want at least 0", s.patience)
	case own.listen != "" && (s.forward != "" || len(s.any) > 0):
		return usageErrorf("--forward and --forward-any are for --accept")
	case own.listen != "" && own.to == "":
		return usageErrorf("--listen wants --to: where is the other side of the tunnel?")
	case own.accept != "" && (own.to != "" || s.socks):
		return usageErrorf("--to and --socks are for --listen")
	case own.accept != "" && (s.forward == "") == (len(s.any) == 0):
		return usageErrorf("--accept wants either --forward or --forward-any")
	}
	for _, a := range []struct {
		address string
		listens bool
	}{{own.listen, true}, {own.accept, true}, {s.forward, false}} {
		if a.address == "" {
			continue
		}
		if err := checkAddress(a.address, a.listens); err != nil {
			return err
		}
	}
	return nil
}

// carrier carries one accepted connection to its end.
type carrier func(ctx context.Context, conn net.Conn) error

// listen begins to accept on the one side or the other, and says where.
func (s *tunnelServer) listen(ctx context.Context, listen, accept string) (net.Listener, carrier, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if accept != "" {
		ln, err := s.transport.listenOrSay(ctx, accept, func(line string) { s.grumble("ebb tunnel: %s\n", line) })
		if err != nil {
			return nil, nil, err
		}
		other, carry := " --listen HOST:PORT --to", s.forwardTo
		if len(s.any) > 0 {
			other, carry = " --listen HOST:PORT --socks --to", s.forwardAny
		}
		s.transport.announce(s.console.stderr, "tunnel", "tunnel", other, accept, ln.Addr())
		return ln, carry, nil
	}
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", listen)
	if err != nil {
		return nil, nil, fmt.Errorf("cannot listen on %s: %w", listen, err)
	}
	context.AfterFunc(ctx, func() { ln.Close() })
	fmt.Fprintf(s.console.stderr, "ebb tunnel: listening on %v\n", ln.Addr())
	if s.socks {
		socks := tunnel.NewSOCKS(s.dialTarget)
		return ln, socks.Serve, nil
	}
	return ln, s.dialTo, nil
}

// serve accepts until ctx ends, and waits for what stands then.
func (s *tunnelServer) serve(ctx context.Context, ln net.Listener, carry carrier) error {
	defer ln.Close()
	carrying, abort := context.WithCancelCause(context.WithoutCancel(ctx))
	defer abort(nil)
	var all sync.WaitGroup
	daemon.SdNotify(false, daemon.SdNotifyReady)
	err := s.acceptAll(ctx, carrying, ln, carry, &all)
	daemon.SdNotify(false, daemon.SdNotifyStopping)
	s.waitFor(&all, abort)
	s.mu.Lock()
	s.grumbling.flush()
	s.mu.Unlock()
	s.transport.drainEnds()
	if ctx.Err() != nil {
		return errStopped
	}
	return fmt.Errorf("cannot accept connections: %w", err)
}

// acceptAll accepts until it fails.
func (s *tunnelServer) acceptAll(ctx, carrying context.Context, ln net.Listener, carry carrier, all *sync.WaitGroup) error {
	for delay := time.Duration(0); ; {
		conn, err := ln.Accept()
		if err != nil {
			if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return err
			}
			// Such as too many open files: what ends makes room.
			delay = min(max(2*delay, 5*time.Millisecond), time.Second)
			s.grumble("ebb tunnel: cannot accept a connection: %s\n", oneLine(err))
			select {
			case <-time.After(delay):
			case <-ctx.Done():
			}
			continue
		}
		delay = 0
		release, err := s.places.takeFor(conn)
		if err != nil {
			s.grumble("ebb tunnel: the connection from %v is refused: %v\n", conn.RemoteAddr(), err)
			ends.Abort(conn)
			continue
		}
		all.Go(func() {
			defer release()
			s.one(carrying, conn, carry)
		})
	}
}

// waitFor waits for the connections that stand, and aborts them when that takes too long.
func (s *tunnelServer) waitFor(all *sync.WaitGroup, abort context.CancelCauseFunc) {
	timer := time.AfterFunc(s.patience, func() { abort(errors.New("the tunnel is stopped")) })
	defer timer.Stop()
	all.Wait()
}

// one carries a connection and tells how it ended.
func (s *tunnelServer) one(ctx context.Context, conn net.Conn, carry carrier) {
	from := conn.RemoteAddr()
	began := time.Now()
	err := carry(ctx, conn)
	s.carried.Add(1)
	switch {
	case err != nil:
		ends.Abort(conn)
		s.grumble("ebb tunnel: from %v, after %.1f s: %s\n", from, time.Since(began).Seconds(), oneLine(s.transport.explain(err)))
	case s.verbose:
		s.mu.Lock()
		fmt.Fprintf(s.console.stderr, "ebb tunnel: from %v: ended in order after %.1f s\n", from, time.Since(began).Seconds())
		s.mu.Unlock()
	}
}

// dialTo is the dialling side.
func (s *tunnelServer) dialTo(ctx context.Context, conn net.Conn) error {
	far, err := s.transport.dialOrSay(ctx, s.to)
	if err != nil {
		return err
	}
	return tunnel.Join(ctx, conn, far)
}

// dialTarget connects a client of the SOCKS server.
func (s *tunnelServer) dialTarget(ctx context.Context, target string) (net.Conn, error) {
	far, err := s.transport.dialOrSay(ctx, s.to)
	if err != nil {
		return nil, err
	}
	if err := tunnel.Ask(far, target, targetTimeout); err != nil {
		ends.Abort(far)
		return nil, err
	}
	return far, nil
}

// forwardTo is the accepting side of one service.
func (s *tunnelServer) forwardTo(ctx context.Context, conn net.Conn) error {
	dialer := net.Dialer{Timeout: connectTimeout}
	near, err := dialer.DialContext(ctx, "tcp", s.forward)
	if err != nil {
		return fmt.Errorf("cannot connect to %s: %w", s.forward, err)
	}
	return tunnel.Join(ctx, conn, near)
}

// forwardAny is the accepting side where the dialling side chooses.
func (s *tunnelServer) forwardAny(ctx context.Context, conn net.Conn) error {
	target, err := tunnel.ReadTarget(conn, targetTimeout)
	if err != nil {
		return err
	}
	near, err := tunnel.Dial(ctx, target, connectTimeout, s.any.admit)
	if err != nil {
		tunnel.Refuse(conn, err)
		return err
	}
	if err := tunnel.Answer(conn, tunnel.CodeOK, ""); err != nil {
		near.Close()
		return err
	}
	return tunnel.Join(ctx, conn, near)
}

// grumble writes a line about what has gone wrong, if there were not too many.
func (s *tunnelServer) grumble(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.grumbling.printf(time.Now(), format, args...)
}
