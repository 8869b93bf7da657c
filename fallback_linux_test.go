package ebb_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"example.com/ebb"
)

func init() {
	systemRoles["blocked"] = blockedRole
	systemRoles["behind"] = behindRole
}

// The two ends of the link between the namespaces of TestFallbackInANetwork.
const (
	blockedDialer, blockedServer = "10.9.8.1", "10.9.8.2"
	blockedAddress               = blockedServer + ":9000"
)

// blockades are the firewalls of TestFallbackInANetwork: the rules of routing (ip rule add) at the server, and at the dialler, for what arrives there.
var blockades = []struct {
	name         string
	at, dialling string        // empty: everything passes
	kind         string        // of the connection that a dial makes
	least, most  time.Duration // that it takes; most: beside a dial that knows the way, of Ebb without a Fallback or of TCP
}{
	{name: "nothing is dropped", kind: plainEbb, most: 5 * time.Millisecond},
	{name: "UDP is dropped", at: "blackhole", kind: plainTCP, least: 250 * time.Millisecond, most: 300 * time.Millisecond},
	{name: "the first packets pass, and the answers are dropped", dialling: "blackhole", kind: plainTCP, least: 250 * time.Millisecond, most: 300 * time.Millisecond},
	{name: "UDP is rejected, host unreachable", at: "unreachable", kind: plainTCP, most: 300 * time.Millisecond},
	{name: "UDP is rejected by an administrator", at: "prohibit", kind: plainTCP, most: 300 * time.Millisecond},
}

// TestFallbackInANetwork dials from one network namespace to another, where real packets of UDP are dropped or rejected, by blockedRole.
func TestFallbackInANetwork(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("a network namespace needs root")
	}
	if _, err := exec.LookPath("ip"); err != nil {
		t.Skip("rules of routing need the command ip")
	}
	cmd := inNamespace("blocked")
	out, err := cmd.CombinedOutput()
	switch {
	case cmd.ProcessState == nil:
		t.Skipf("no network namespace: %v", err)
	case strings.HasPrefix(string(out), "skip"):
		t.Skip(string(out))
	case err != nil:
		t.Errorf("%v:\n%s", err, out)
	default:
		t.Logf("%s", out)
	}
}

// inNamespace is this binary in a role, in a network namespace of its own.
func inNamespace(role string) *exec.Cmd {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), roleEnv+"="+role)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	return cmd
}

// configured runs commands of ip, each a line.
func configured(lines ...string) error {
	for _, line := range lines {
		if out, err := exec.Command("ip", strings.Fields(line)...).CombinedOutput(); err != nil {
			return fmt.Errorf("ip %s: %v: %s", line, err, out)
		}
	}
	return nil
}

// behindRole is the server: it makes its own namespace ready when it is told to, listens for Ebb and TCP, and puts the rules up that it is told.
func behindRole(string) error {
	orders := bufio.NewScanner(os.Stdin)
	if !orders.Scan() {
		return io.ErrUnexpectedEOF
	}
	if err := configured("addr add "+blockedServer+"/24 dev behind", "link set behind up", "link set lo up"); err != nil {
		return err
	}
	if err := os.WriteFile("/proc/sys/net/ipv4/conf/all/forwarding", []byte("1"), 0); err != nil { // or nothing is rejected, only dropped
		return err
	}
	lc := ebb.ListenConfig{Fallback: true}
	l, err := lc.Listen(context.Background(), "tcp", blockedAddress)
	if err != nil {
		return err
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { io.Copy(c, c); c.Close() }()
		}
	}()
	for fmt.Println("ready"); orders.Scan(); fmt.Println("ready") {
		if err := firewall("behind", orders.Text()); err != nil {
			return err
		}
	}
	return nil
}

// firewall has what arrives by UDP on a device treated as the kernel's rule of that name does, instead of the rule before. Local addresses are
// looked up behind it.
func firewall(device, rule string) error {
	for _, line := range []string{"rule del pref 50", "rule add pref 100 lookup local", "rule del pref 0"} {
		configured(line) // it may have been done before
	}
	if rule == "" {
		return nil
	}
	return configured("rule add pref 50 iif " + device + " ipproto udp " + rule)
}

// blockedRole makes the link, starts behindRole at its other end, and dials through each of the blockades.
func blockedRole(string) error {
	server := inNamespace("behind")
	server.Stderr = os.Stderr
	orders, err := server.StdinPipe()
	if err != nil {
		return err
	}
	answers, err := server.StdoutPipe()
	if err != nil {
		return err
	}
	if err := server.Start(); err != nil {
		return err
	}
	defer server.Wait()
	defer orders.Close()
	err = configured("link add near type veth peer name behind", "link set behind netns "+strconv.Itoa(server.Process.Pid),
		"addr add "+blockedDialer+"/24 dev near", "link set near up", "link set lo up", "rule add pref 99 ipproto udp blackhole", "rule del pref 99")
	if err != nil {
		fmt.Printf("skip: %v", err)
		return nil
	}
	ready := bufio.NewScanner(answers)
	tell := func(order string) error {
		if _, err := fmt.Fprintln(orders, order); err != nil {
			return err
		}
		if !ready.Scan() {
			return fmt.Errorf("the server has ended: %v", ready.Err())
		}
		return nil
	}
	if err := tell(""); err != nil {
		return err
	}
	var errs []error
	for _, b := range blockades {
		if err := errors.Join(tell(b.at), firewall("near", b.dialling)); err != nil {
			return err
		}
		if err := blockedDials(b.name, b.kind, b.least, b.most); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", b.name, err))
		}
	}
	return errors.Join(errs...)
}

// blockedDials dials up to ten times, as the machine may be busy: each makes a connection of a kind, which carries bytes, and the fastest is there in time, beside
// the fastest of dials that know the way.
func blockedDials(name, kind string, least, most time.Duration) error {
	direct := net.Dial
	if kind == plainEbb {
		direct = ebb.Dial
	}
	best, without := time.Hour, time.Hour
	for try := 0; try < 10 && (try == 0 || best > most+without); try++ {
		start := time.Now()
		c, err := direct("tcp4", blockedAddress)
		if err != nil {
			return err
		}
		without = min(without, time.Since(start))
		c.Close()
		start = time.Now()
		d := ebb.Dialer{Fallback: new(ebb.Fallback)}
		if c, err = d.Dial("tcp4", blockedAddress); err != nil {
			return err
		}
		took := time.Since(start)
		if got := fmt.Sprintf("%T", c); got != kind || took < least {
			return fmt.Errorf("after %v the connection is a %s, want %s after %v or more", took, got, kind, least)
		}
		best = min(best, took)
		b := make([]byte, 4)
		if _, err := c.Write([]byte("echo")); err != nil {
			return err
		}
		if _, err := io.ReadFull(c, b); err != nil || string(b) != "echo" {
			return fmt.Errorf("%q comes back: %v", b, err)
		}
		c.Close()
	}
	fmt.Printf("%s: a %s after %v, and %v by a dial that knows the way\n", name, kind, best, without)
	if best > most+without {
		return fmt.Errorf("a dial takes %v at least, want %v and the %v of one that knows the way", best, most, without)
	}
	return nil
}
