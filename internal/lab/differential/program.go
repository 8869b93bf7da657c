package differential

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
)

// Op is what a call does.
type Op string

// The operations. Those of the listener have no end; Dial and Accept make the ends of a connection.
const (
	Listen           Op = "Listen" // again, on the address that the program has had from the beginning
	ListenerClose    Op = "Listener.Close"
	ListenerAddr     Op = "Listener.Addr"
	ListenerDeadline Op = "Listener.SetDeadline"
	Accept           Op = "Accept"
	Dial             Op = "Dial"
	Read             Op = "Read"
	Write            Op = "Write"
	CloseRead        Op = "CloseRead"
	CloseWrite       Op = "CloseWrite"
	Close            Op = "Close"
	SetDeadline      Op = "SetDeadline"
	SetReadDeadline  Op = "SetReadDeadline"
	SetWriteDeadline Op = "SetWriteDeadline"
	SetLinger        Op = "SetLinger"
	SetNoDelay       Op = "SetNoDelay"
	LocalAddr        Op = "LocalAddr"
	RemoteAddr       Op = "RemoteAddr"
)

// The arguments of operations that set a deadline.
const (
	Past = iota
	Future
	Zero
)

// End is one end of a connection: 0 and 1 are dialled, 2 and 3 what accepts them.
type End int

const ends = 4

// Peer is the other end.
func (e End) Peer() End { return e ^ 2 }

// String is a name: a and b are dialled, A and B accepted.
func (e End) String() string { return string("abAB"[e]) }

// Call is a call of a method.
type Call struct {
	Op  Op
	End End // of operations on a connection, and of Dial
	N   int // bytes, seconds, or a deadline
}

func (c Call) ofListener() bool {
	return slices.Contains([]Op{Listen, ListenerClose, ListenerAddr, ListenerDeadline, Accept}, c.Op)
}

func (c Call) setsDeadline() bool {
	return slices.Contains([]Op{SetDeadline, SetReadDeadline, SetWriteDeadline, ListenerDeadline}, c.Op)
}

// String is the call in the manner of Go.
func (c Call) String() string {
	arg := ""
	switch {
	case c.setsDeadline():
		arg = [...]string{"past", "future", "zero"}[c.N]
	case slices.Contains([]Op{Read, Write, SetLinger, SetNoDelay}, c.Op):
		arg = fmt.Sprint(c.N)
	}
	switch {
	case c.ofListener():
		return fmt.Sprintf("%s(%s)", c.Op, arg)
	case c.Op == Dial:
		return fmt.Sprintf("%v = Dial()", c.End)
	}
	return fmt.Sprintf("%v.%s(%s)", c.End, c.Op, arg)
}

// Step is calls that are made at the same time.
type Step []Call

// Program is what is run. A listener is there before its first step.
type Program []Step

// Calls is every call of the program, in the order of the text.
func (p Program) Calls() []Call { return slices.Concat(p...) }

// stepAt is how many calls the step has that begins with a call.
func (p Program) stepAt(call int) int {
	for _, s := range p {
		if call == 0 {
			return len(s)
		}
		call -= len(s)
	}
	return 0
}

// without is the program without its i-th call.
func (p Program) without(i int) Program {
	var q Program
	for _, s := range p {
		if i >= 0 && i < len(s) {
			s = slices.Delete(slices.Clone(s), i, i+1)
			i = -1
		} else {
			i -= len(s)
		}
		if len(s) > 0 {
			q = append(q, s)
		}
	}
	return q
}

// String is a step a line.
func (p Program) String() string {
	var b strings.Builder
	for i, s := range p {
		var calls []string
		for _, c := range s {
			calls = append(calls, c.String())
		}
		fmt.Fprintf(&b, "%2d  %s\n", i+1, strings.Join(calls, " ‖ "))
	}
	return b.String()
}

// generator knows enough of a program's state to make the next call one that may say something.
type generator struct {
	*rand.Rand
	dialled  int
	accepted int
	closed   [ends]bool
	unread   [ends]int // bytes that are there, roughly
	ended    [ends]bool
	waits    int // calls that may have to wait, each of which costs time
}

// Generate is the program of a seed.
func Generate(seed uint64) Program {
	g := &generator{Rand: rand.New(rand.NewPCG(seed, 1)), waits: 2}
	p := Program{g.opening()}
	parallel := 2 // steps of several calls multiply the outcomes
	for range 4 + g.IntN(11) {
		s := Step{g.call()}
		if parallel > 0 && g.IntN(6) == 0 {
			parallel--
			for range 1 + g.IntN(2) {
				if c := g.call(); !slices.ContainsFunc(s, func(other Call) bool { return clash(c, other) }) {
					s = append(s, c)
				}
			}
		}
		p = append(p, s)
	}
	return p
}

func (g *generator) opening() Step {
	s := Step{{Op: Dial, End: 0}}
	g.dialled = 1
	if g.IntN(3) == 0 {
		s = append(s, Call{Op: Accept})
		g.accepted = 1
	}
	return s
}

// clash reports whether two calls cannot be made at the same time: the runner bounds a Read or an Accept that waits by a
// deadline, and numbers the bytes of each direction.
func clash(a, b Call) bool {
	if a.Op == b.Op && a.End == b.End {
		return true
	}
	waits := func(x, y Call) bool {
		same := x.Op == Accept && y.Op == ListenerDeadline || (x.Op == Read || x.Op == Write) && x.End == y.End && y.setsDeadline() && y.Op != ListenerDeadline
		return same && y.N != Past
	}
	return waits(a, b) || waits(b, a) || a.Op == Listen && b.ofListener() || b.Op == Listen && a.ofListener()
}

var sizes = []int{0, 1, 7, 100, 1000, 3000}

func (g *generator) call() Call {
	switch x := g.IntN(100); {
	case g.dialled < 2 && x < 8:
		g.dialled++
		return Call{Op: Dial, End: End(g.dialled - 1)}
	case g.accepted < g.dialled && x < 60:
		g.accepted++
		return Call{Op: Accept}
	case x >= 91:
		return g.onListener()
	}
	return g.onConnection()
}

func (g *generator) onListener() Call {
	switch g.IntN(8) {
	case 0, 1, 2:
		return Call{Op: ListenerClose}
	case 3:
		return Call{Op: Listen}
	case 4:
		return Call{Op: ListenerAddr}
	case 5:
		if g.waits > 0 {
			g.waits--
			g.accepted++
			return Call{Op: Accept}
		}
	}
	return Call{Op: ListenerDeadline, N: g.IntN(3)}
}

// end chooses one that is there, most often one that is open.
func (g *generator) end() End {
	for {
		e := End(g.IntN(ends))
		if there := int(e)%2 < g.dialled && (e < 2 || int(e)%2 < g.accepted); there && (!g.closed[e] || g.IntN(4) == 0) {
			return e
		}
		if g.IntN(20) == 0 {
			return 0
		}
	}
}

// weights is how often each call of a connection is made.
var weights = []struct {
	op     Op
	weight int
}{
	{Write, 26}, {Read, 26}, {Close, 12}, {CloseWrite, 7}, {CloseRead, 4}, {SetLinger, 5}, {SetDeadline, 4},
	{SetReadDeadline, 3}, {SetWriteDeadline, 3}, {LocalAddr, 2}, {RemoteAddr, 2}, {SetNoDelay, 1},
}

func (g *generator) onConnection() Call {
	c := Call{End: g.end()}
	x := g.IntN(95)
	for _, w := range weights {
		if c.Op = w.op; x < w.weight {
			break
		}
		x -= w.weight
	}
	peer := c.End.Peer()
	switch c.Op {
	case Write:
		c.N = sizes[g.IntN(len(sizes))]
		g.unread[peer] += c.N
	case Read:
		c.N = sizes[g.IntN(len(sizes))]
		if c.N > 0 && g.unread[c.End] == 0 && !g.ended[c.End] && !g.closed[c.End] {
			if g.waits == 0 {
				return Call{Op: Write, End: peer, N: 1}
			}
			g.waits--
		}
		g.unread[c.End] = max(0, g.unread[c.End]-c.N)
	case Close:
		g.closed[c.End], g.ended[peer] = true, true
	case CloseWrite:
		g.ended[peer] = true
	case CloseRead:
		g.ended[c.End] = true
	case SetLinger:
		c.N = g.IntN(3) - 1
	case SetNoDelay:
		c.N = g.IntN(2)
	case SetDeadline, SetReadDeadline, SetWriteDeadline:
		c.N = g.IntN(3)
	}
	return c
}
