package differential

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
)

var (
	firstSeed = flag.Uint64("seed", 0, "the first program of TestPrograms")
	programs  = flag.Int("programs", 200, "how many programs TestPrograms compares")
)

// host is a loopback address of a program's own.
func host(seed uint64) string {
	return fmt.Sprintf("127.%d.%d.%d", 1+seed>>14&63, 1+seed>>7&127, 1+seed&127)
}

// TestPrograms: what random programs see over Ebb is what they may see over TCP, or what docs/dropin.md says.
func TestPrograms(t *testing.T) {
	const workers = 16
	var (
		wg            sync.WaitGroup
		mu            sync.Mutex
		used          = make(map[string]int)
		repeated, all int
		runs          int
	)
	seeds := make(chan uint64)
	for range workers {
		wg.Go(func() {
			for seed := range seeds {
				c := &Comparison{Model: Kernel(), Subject: Ebb(), Host: host(seed), Rules: Rules()}
				v, err := c.Compare(Generate(seed), seed)
				if err == nil && v.Difference != nil {
					v, err = c.Shrink(v, seed)
				}
				mu.Lock()
				all++
				runs += v.Runs
				for _, name := range v.Rules {
					used[name]++
				}
				repeated += v.Repeated
				switch {
				case err != nil:
					t.Errorf("seed %d: %v", seed, err)
				case v.Difference != nil:
					t.Errorf("seed %d:\n%v", seed, v)
				}
				mu.Unlock()
			}
		})
	}
	for i := range *programs {
		seeds <- *firstSeed + uint64(i)
	}
	close(seeds)
	wg.Wait()
	t.Logf("%d programs, %d runs over TCP, %d over Ebb repeated with longer pauses", all, runs, repeated)
	for _, name := range slices.Sorted(maps.Keys(used)) {
		t.Logf("%4d × %s", used[name], name)
	}
}

// TestRulesAreOnThePage: docs/dropin.md has every rule, by its name, and no other.
func TestRulesAreOnThePage(t *testing.T) {
	page, err := os.ReadFile("../../../docs/dropin.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(page), "\n| rule |")
	table, _, _ = strings.Cut(table, "\n\n")
	var want, got []string
	for _, r := range Rules() {
		want = append(want, r.Name)
	}
	for line := range strings.Lines(table) {
		if cells := strings.Split(line, " | "); strings.HasPrefix(line, "| ") && len(cells) == 4 {
			got = append(got, strings.TrimPrefix(cells[0], "| "))
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("the page has %q\nthe rules are %q", got, want)
	}
}

// forgetful is a connection on which the reset of a peer looks like an end in order.
type forgetful struct{ *net.TCPConn }

func (c forgetful) Read(b []byte) (int, error) {
	n, err := c.TCPConn.Read(b)
	if errors.Is(err, syscall.ECONNRESET) {
		err = io.EOF
	}
	return n, err
}

// TestAFaultIsFound: a transport that is TCP but for one fault is told from TCP, by a program that shows no more than the fault.
func TestAFaultIsFound(t *testing.T) {
	faulty := Kernel()
	dial := faulty.Dial
	faulty.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return forgetful{c.(*net.TCPConn)}, nil
	}
	c := &Comparison{Model: Kernel(), Subject: faulty, Host: "127.127.127.1", Rules: Rules()}
	for seed := uint64(36); seed < 1000; seed++ { // 36 shows it
		v, err := c.Compare(Generate(seed), seed)
		if err == nil && v.Difference != nil {
			v, err = c.Shrink(v, seed)
		}
		if err != nil {
			t.Fatal(err)
		}
		if v.Difference == nil {
			continue
		}
		d := v.Difference
		if n := len(d.Program.Calls()); d.Call().Op != Read || d.Got.Err != "EOF" || !d.Want.Is("ECONNRESET") || n > 6 {
			t.Errorf("seed %d: %d calls:\n%v", seed, n, v)
		}
		return
	}
	t.Error("nothing was found")
}

// TestGenerate: a seed is a program, and programs have what they are for.
func TestGenerate(t *testing.T) {
	made := make(map[Op]int)
	for seed := range uint64(500) {
		p := Generate(seed)
		if a, b := p.String(), Generate(seed).String(); a != b {
			t.Fatalf("seed %d is two programs:\n%s\n%s", seed, a, b)
		}
		for _, c := range p.Calls() {
			made[c.Op]++
		}
	}
	for _, op := range []Op{
		Listen, ListenerClose, ListenerAddr, ListenerDeadline, Accept, Dial, Read, Write, CloseRead, CloseWrite, Close,
		SetDeadline, SetReadDeadline, SetWriteDeadline, SetLinger, SetNoDelay, LocalAddr, RemoteAddr,
	} {
		if made[op] < 20 {
			t.Errorf("%s is made %d times in 500 programs", op, made[op])
		}
	}
}
