package ebb_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"example.com/ebb"
)

// zoned is the interface in the namespace of TestZones, and its address.
const zoned, zonedAddr = "ebb0", "fe80::1"

func init() { systemRoles["zones"] = zonesRole }

// TestZones runs zonesRole in a network namespace of its own.
func TestZones(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("a network namespace needs root")
	}
	if _, err := exec.LookPath("ip"); err != nil {
		t.Skip("a link-local address needs the command ip")
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), roleEnv+"=zones")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Skipf("no network namespace: %v", err)
	}
	if strings.HasPrefix(string(out), "skip") {
		t.Skip(string(out))
	}
	if err != nil {
		t.Errorf("%v:\n%s", err, out)
	}
}

// zonesRole dials and listens on a link-local address, with the zone by name and by number.
func zonesRole(string) error {
	for _, args := range []string{
		"link set lo up", "link add " + zoned + " type veth peer name ebb1", "link set ebb1 up", "link set " + zoned + " up",
		"addr add " + zonedAddr + "/64 dev " + zoned + " nodad",
	} {
		if out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput(); err != nil {
			fmt.Printf("skip: ip %s: %v: %s", args, err, out)
			return nil
		}
	}
	i, err := net.InterfaceByName(zoned)
	if err != nil {
		return err
	}
	if err := awaitZone(); err != nil {
		return err
	}
	zones := []string{zoned, fmt.Sprint(i.Index)}
	var errs []error
	for _, listens := range zones {
		for _, dials := range zones {
			if err := acrossZone(fmt.Sprintf("[%s%%%s]:0", zonedAddr, listens), dials); err != nil {
				errs = append(errs, fmt.Errorf("listening on %s, dialling %s: %w", listens, dials, err))
			}
		}
	}
	for _, dials := range zones {
		if err := acrossZone("[::]:0", dials); err != nil {
			errs = append(errs, fmt.Errorf("listening on all, dialling %s: %w", dials, err))
		}
		errs = append(errs, failsWithZone(dials))
	}
	return errors.Join(errs...)
}

// awaitZone waits until a datagram to the link-local address arrives: the interface has no carrier at once.
func awaitZone() error {
	pc, err := net.ListenUDP("udp6", &net.UDPAddr{IP: net.ParseIP(zonedAddr), Zone: zoned})
	if err != nil {
		return err
	}
	defer pc.Close()
	for range 1000 {
		pc.WriteTo([]byte("there?"), pc.LocalAddr())
		pc.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
		if _, _, err = pc.ReadFrom(make([]byte, 10)); err == nil {
			return nil
		}
	}
	return fmt.Errorf("nothing arrives at %v: %w", pc.LocalAddr(), err)
}

// numbered is a PacketConn that has zones by number.
type numbered struct{ net.PacketConn }

func (n numbered) ReadFrom(b []byte) (int, net.Addr, error) {
	size, a, err := n.PacketConn.ReadFrom(b)
	if u, ok := a.(*net.UDPAddr); ok && u.Zone == zoned {
		if i, err := net.InterfaceByName(zoned); err == nil {
			a = &net.UDPAddr{IP: u.IP, Port: u.Port, Zone: fmt.Sprint(i.Index)}
		}
	}
	return size, a, err
}

// acrossZone connects to a listener by each kind of socket.
func acrossZone(address, zone string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	l, err := ebb.Listen("udp", address)
	if err != nil {
		return err
	}
	defer l.Close()
	port := int(addrPort(l.Addr()).Port())
	to := &net.UDPAddr{IP: net.ParseIP(zonedAddr), Port: port, Zone: zone}
	want := netip.AddrPortFrom(netip.MustParseAddr(zonedAddr+"%"+zoned), uint16(port)).String()
	if !strings.HasPrefix(address, "[::]") && l.Addr().String() != want {
		return fmt.Errorf("it listens on %v, want %s", l.Addr(), want)
	}
	kinds := map[string]func() (net.Conn, error){
		"Dial": func() (net.Conn, error) { return ebb.DialContext(ctx, "udp", to.String()) },
	}
	for name, over := range map[string]func(net.PacketConn) net.PacketConn{
		"endpoint":   func(pc net.PacketConn) net.PacketConn { return pc },
		"PacketConn": func(pc net.PacketConn) net.PacketConn { return numbered{pc} },
	} {
		pc, err := net.ListenPacket("udp6", "[::]:0")
		if err != nil {
			return err
		}
		e, err := ebb.NewEndpoint(over(pc), nil)
		if err != nil {
			return err
		}
		defer e.Close()
		kinds[name] = func() (net.Conn, error) { return e.DialAddr(ctx, to) }
	}
	for name, dial := range kinds {
		if err := converses(l, dial, want); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// converses checks a connection, and how its addresses are printed.
func converses(l net.Listener, dial func() (net.Conn, error), want string) error {
	c, err := dial()
	if err != nil {
		return err
	}
	defer c.Close()
	s, err := l.Accept()
	if err != nil {
		return err
	}
	defer s.Close()
	c.SetDeadline(time.Now().Add(3 * time.Second))
	s.SetDeadline(time.Now().Add(3 * time.Second))
	if _, err := io.WriteString(c, "hello"); err != nil {
		return err
	}
	if _, err := io.ReadFull(s, make([]byte, 5)); err != nil {
		return err
	}
	if got := c.RemoteAddr().String(); got != want {
		return fmt.Errorf("RemoteAddr is %s, want %s", got, want)
	}
	if got := s.LocalAddr().String(); got != want {
		return fmt.Errorf("LocalAddr of the accepted end is %s, want %s", got, want)
	}
	if got := s.RemoteAddr().String(); !strings.Contains(got, zonedAddr+"%"+zoned) {
		return fmt.Errorf("RemoteAddr of the accepted end is %s", got)
	}
	return nil
}

// failsWithZone checks that an error has the zone, as one of package net's.
func failsWithZone(zone string) error {
	to := fmt.Sprintf("[%s%%%s]:9", zonedAddr, zone)
	_, err := ebb.DialTimeout("udp", to, 3*time.Second)
	if !errors.Is(err, syscall.ECONNREFUSED) || !strings.Contains(err.Error(), zonedAddr+"%"+zoned) {
		return fmt.Errorf("Dial to nobody at %s: %v", to, err)
	}
	// A zone that is none: what connect says of it for TCP.
	for _, to := range []string{"[fe80::1%nowhere]:9", "[fe80::1]:9"} {
		_, want := net.Dial("tcp", to)
		_, err := ebb.DialTimeout("udp", to, 3*time.Second)
		if !errors.Is(want, syscall.EINVAL) || !errors.Is(err, syscall.EINVAL) {
			return fmt.Errorf("Dial to %s: %v; net.Dial: %v", to, err, want)
		}
	}
	return nil
}
