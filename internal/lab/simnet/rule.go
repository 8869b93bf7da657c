package simnet

import (
	"time"

	"example.com/ebb/internal/endpoint"
)

// Rule is something that a link does to some datagrams only: to those that come in its time and for which
// Match holds; of these, to all or to every n-th. Rules are applied in their order, each to what the ones before
// have made of the datagram.
type Rule struct {
	// From is when the rule begins and Until when it ends, on the clock of Send: it is in force for what comes
	// at From and before Until. Until 0: for good.
	From, Until time.Duration
	// Match says which datagrams the rule is for. nil: all.
	Match func(Packet) bool
	// Every picks, of those that match, each n-th, counted from NewLink or the last SetConfig. 0 or 1: all.
	Every int

	// Loss is the fraction lost, independently of each other.
	Loss float64
	// Report is what the router that lost a datagram says to the sender, whom the news reaches after Delay. 0:
	// nothing.
	Report ICMPCode
	// Mark replaces the codepoint by ECN.
	Mark bool
	ECN  endpoint.ECN
	// Late delays the arrival. What was sent afterwards does not wait for it.
	Late time.Duration
}

// Packet is a datagram as a Rule sees it.
type Packet struct {
	N       int           // its number on the link; the first has 0
	At      time.Duration // when it came to the link
	Size    int           // of the IP packet, in bytes: payload and Overhead
	ECN     endpoint.ECN
	DSCP    uint8  // class of service
	Payload []byte // borrowed

	// Segments is how many datagrams were sent as one train, and Train how large that is before it is cut up, as
	// one IP packet, in bytes. A datagram that was sent alone has 1 and Size.
	Segments int
	Train    int
	// ICMP is what the packet reports, 0 for a datagram. The payload is what the report quotes.
	ICMP ICMPCode
}

// Marked matches datagrams with an ECN codepoint.
func Marked(ecn endpoint.ECN) func(Packet) bool {
	return func(p Packet) bool { return p.ECN == ecn }
}

// InClass matches datagrams of a class of service.
func InClass(dscp uint8) func(Packet) bool {
	return func(p Packet) bool { return p.DSCP == dscp }
}

// Smaller matches datagrams whose IP packet has less than size bytes.
func Smaller(size int) func(Packet) bool {
	return func(p Packet) bool { return p.Size < size }
}

// Larger matches datagrams whose IP packet has more than size bytes.
func Larger(size int) func(Packet) bool {
	return func(p Packet) bool { return p.Size > size }
}

// InTrain matches the datagrams of trains of more than one that have more than size bytes before they are cut
// up: with a Loss of 1, such a train vanishes as a whole. Size 0 matches every train.
func InTrain(size int) func(Packet) bool {
	return func(p Packet) bool { return p.Segments > 1 && p.Train > size }
}

// ruling is what the rules of a link make of a datagram.
type ruling struct {
	lost   bool
	report ICMPCode // of a lost one
	late   time.Duration
}

// rule applies the rules to a datagram, whose codepoint they may change.
func (l *Link) rule(p *Packet) (r ruling) {
	for i := range l.cfg.Rules {
		rule := &l.cfg.Rules[i]
		if !l.picks(i, rule, p) {
			continue
		}
		if rule.Mark {
			p.ECN = rule.ECN
		}
		r.late += max(rule.Late, 0)
		if l.rolls.chance(rollRule+roll(i), p.N, rule.Loss) {
			r.lost, r.report = true, rule.Report
			return r
		}
	}
	return r
}

// picks says whether a rule, the i-th, is for a datagram.
func (l *Link) picks(i int, rule *Rule, p *Packet) bool {
	if p.At < rule.From || rule.Until > 0 && p.At >= rule.Until || rule.Match != nil && !rule.Match(*p) {
		return false
	}
	l.matched[i]++
	return rule.Every <= 1 || l.matched[i]%rule.Every == 0
}
