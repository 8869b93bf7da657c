package differential

// Difference is a call that has returned over Ebb what it does not return over TCP.
type Difference struct {
	Program Program
	At      int     // of the calls in the program's order
	Got     Result  // over Ebb
	Want    Result  // over TCP, where everything before the step of the call went the same way
	Seen    Outcome // over Ebb, to the end of the step
}

// Call is the call.
func (d *Difference) Call() Call { return d.Program.Calls()[d.At] }

// before reports whether one of the calls that are made before this one, or with it, is as asked.
func (d *Difference) before(is func(Call) bool) bool {
	at := 0
	for _, s := range d.Program {
		if at > d.At {
			break
		}
		for _, c := range s {
			if at != d.At && is(c) {
				return true
			}
			at++
		}
	}
	return false
}

// made reports whether such a call is made on an end before this one, or with it.
func (d *Difference) made(e End, ops ...Op) bool {
	return d.before(func(c Call) bool {
		for _, op := range ops {
			if c.Op == op && (c.End == e || c.ofListener()) {
				return true
			}
		}
		return false
	})
}

// Rule is a difference that docs/dropin.md states, with its reason.
type Rule struct {
	Name    string // as the page has it
	Applies func(*Difference) bool
}

// told reports whether another call on the end, before this one or with it, has returned one of the errors.
func (d *Difference) told(e End, names ...string) bool {
	calls := d.Program.Calls()
	for i, r := range d.Seen {
		if c := calls[i]; i == d.At || c.ofListener() || c.End != e {
			continue
		}
		for _, name := range names {
			if r.Is(name) {
				return true
			}
		}
	}
	return false
}

// Rules is all of them.
func Rules() []Rule {
	return []Rule{
		{"a reset is told again", func(d *Difference) bool {
			c := d.Call()
			return c.Op == Read && d.Got.N == 0 && d.Got.Is("ECONNRESET") && d.Want.Err == "EOF" && d.told(c.End, "ECONNRESET", "EPIPE")
		}},
		{"a reset behind the end", func(d *Difference) bool {
			c := d.Call()
			ended := d.made(c.End.Peer(), CloseWrite) && d.made(c.End.Peer(), Close)
			return ended && d.Got.N == 0 && d.Got.Is("ECONNRESET") &&
				(c.Op == Read && d.Want.Err == "EOF" || c.Op == Write && d.Want.Is("EPIPE"))
		}},
		{"CloseRead and CloseWrite after the end", func(d *Difference) bool {
			c := d.Call()
			over := d.made(c.End.Peer(), Close, CloseWrite, ListenerClose)
			return (c.Op == CloseWrite || c.Op == CloseRead) && over && d.Got.Err == "" && d.Want.Is("ENOTCONN")
		}},
		{"CloseRead discards", func(d *Difference) bool {
			c := d.Call()
			return c.Op == Read && d.made(c.End, CloseRead) && d.Got.Err == "EOF" && (d.Want.N > 0 || d.Want.Is("ECONNRESET"))
		}},
		{"CloseRead resets nothing", func(d *Difference) bool {
			c := d.Call()
			discards := func(e End) bool {
				return d.made(e, CloseRead) && d.made(e, CloseWrite, Close) && d.made(e.Peer(), Write)
			}
			return (discards(c.End) || discards(c.End.Peer())) && !d.Got.Is("ECONNRESET") &&
				((c.Op == Read || c.Op == Write) && (d.Want.Is("ECONNRESET") || d.Want.Is("EPIPE")) ||
					(c.Op == CloseRead || c.Op == CloseWrite) && d.Want.Is("ENOTCONN"))
		}},
		{"a write after CloseWrite", func(d *Difference) bool {
			c := d.Call()
			return c.Op == Write && d.made(c.End, CloseWrite) && d.Got.Is("EPIPE") && d.Want.Is("ECONNRESET")
		}},
		{"an aborted connection is not accepted", func(d *Difference) bool {
			aborted := func(e End) bool { return d.made(e, SetLinger) && d.made(e, Close) }
			return d.Call().Op == Accept && (aborted(0) || aborted(1)) && d.Got != d.Want && d.Want.Err == ""
		}},
	}
}
