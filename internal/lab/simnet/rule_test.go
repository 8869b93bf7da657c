package simnet

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/ebb/internal/endpoint"
)

// outcome of a datagram on a link with one rule: when it arrives and with which codepoint; -1: not at all.
type outcome struct {
	At  time.Duration
	ECN endpoint.ECN
}

func pass(l *Link, ps ...Packet) []outcome {
	var got []outcome
	for _, p := range ps {
		f := l.pass(p)
		if f.n == 0 {
			got = append(got, outcome{At: -1})
		}
		for _, a := range f.arrivals[:f.n] {
			got = append(got, outcome{a.At, a.ECN})
		}
	}
	return got
}

// TestRulesApplyToTheirDatagramsOnly: in its time, to those that match, to each n-th.
func TestRulesApplyToTheirDatagramsOnly(t *testing.T) {
	lost := outcome{At: -1}
	small, large := make([]byte, 72), make([]byte, 1373) // 100 and 1401 bytes as IP packets
	tests := []struct {
		name string
		rule Rule
		sent []Packet
		want []outcome
	}{
		{"marked ones vanish from a time on", Rule{From: 5 * ms, Match: Marked(endpoint.ECT0), Loss: 1},
			[]Packet{{At: 5*ms - 1, ECN: endpoint.ECT0}, {At: 5 * ms, ECN: endpoint.ECT0}, {At: 6 * ms, ECN: endpoint.CE}, {At: 7 * ms}},
			[]outcome{{5*ms - 1, endpoint.ECT0}, lost, {6 * ms, endpoint.CE}, {7 * ms, endpoint.NotECT}}},
		{"CE on everything from a time on", Rule{From: 5 * ms, Mark: true, ECN: endpoint.CE},
			[]Packet{{At: 4 * ms, ECN: endpoint.ECT0}, {At: 5 * ms, ECN: endpoint.ECT0}, {At: 6 * ms}},
			[]outcome{{4 * ms, endpoint.ECT0}, {5 * ms, endpoint.CE}, {6 * ms, endpoint.CE}}},
		{"marks are bleached", Rule{Mark: true},
			[]Packet{{ECN: endpoint.CE}}, []outcome{{0, endpoint.NotECT}}},
		{"the MTU falls at a time", Rule{From: 5 * ms, Match: Larger(1400), Loss: 1},
			[]Packet{{At: 4 * ms, Payload: large}, {At: 5 * ms, Payload: large}, {At: 6 * ms, Payload: large[:1372]}},
			[]outcome{{At: 4 * ms}, lost, {At: 6 * ms}}},
		{"small ones vanish", Rule{Match: Smaller(101), Loss: 1},
			[]Packet{{Payload: small}, {Payload: large}, {Payload: make([]byte, 73)}},
			[]outcome{lost, {}, {}}},
		{"every third is late, and nobody waits for it", Rule{Every: 3, Late: 4 * ms},
			[]Packet{{At: 0}, {At: 1 * ms}, {At: 2 * ms}, {At: 3 * ms}, {At: 4 * ms}, {At: 5 * ms}, {At: 6 * ms}},
			[]outcome{{At: 0}, {At: 1 * ms}, {At: 6 * ms}, {At: 3 * ms}, {At: 4 * ms}, {At: 9 * ms}, {At: 6 * ms}}},
		{"every second of those that match", Rule{Match: Smaller(101), Every: 2, Loss: 1},
			[]Packet{{Payload: small}, {Payload: large}, {Payload: large}, {Payload: small}, {Payload: small}},
			[]outcome{{}, {}, {}, lost, {}}},
		{"trains vanish as wholes", Rule{Match: InTrain(0), Loss: 1},
			[]Packet{{Payload: large, Segments: 2, Train: 2000}, {Payload: large[:627], Segments: 2, Train: 2000}, {Payload: large}},
			[]outcome{lost, lost, {}}},
		{"trains above a size vanish, before they are cut up", Rule{Match: InTrain(9000), Loss: 1},
			[]Packet{{Payload: small, Segments: 7, Train: 8972}, {Payload: small, Segments: 7, Train: 8973}, {Payload: make([]byte, 9000)}},
			[]outcome{{}, lost, {}}},
		{"an outage ends", Rule{From: 5 * ms, Until: 7 * ms, Loss: 1},
			[]Packet{{At: 4 * ms}, {At: 5 * ms}, {At: 7*ms - 1}, {At: 7 * ms}},
			[]outcome{{At: 4 * ms}, lost, lost, {At: 7 * ms}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := NewLink(LinkConfig{Rules: []Rule{tt.rule}}, 1)
			if diff := cmp.Diff(tt.want, pass(l, tt.sent...)); diff != "" {
				t.Errorf("outcomes (-want +got):\n%s", diff)
			}
		})
	}
}

// TestLateDatagramsCountAsOvertaken: whatever arrives before an earlier one is counted.
func TestLateDatagramsCountAsOvertaken(t *testing.T) {
	l := NewLink(LinkConfig{Rules: []Rule{{Every: 3, Late: 4 * ms}}}, 1)
	// Those of 2 ms and 5 ms arrive at 6 and 9 ms, behind two each; the one of 8 ms is late itself.
	for i := range 9 {
		pass(l, Packet{At: time.Duration(i) * ms})
	}
	if got := l.Stats().Reordered; got != 4 {
		t.Errorf("%d reordered, want 4", got)
	}
}

// TestRulesSeeWhatEarlierOnesDid: a codepoint that one rule sets is matched by the next.
func TestRulesSeeWhatEarlierOnesDid(t *testing.T) {
	l := NewLink(LinkConfig{Rules: []Rule{
		{Every: 2, Mark: true, ECN: endpoint.CE},
		{Match: Marked(endpoint.CE), Loss: 1},
	}}, 1)
	got := pass(l, Packet{ECN: endpoint.ECT0}, Packet{ECN: endpoint.ECT0}, Packet{ECN: endpoint.CE})
	want := []outcome{{0, endpoint.ECT0}, {At: -1}, {At: -1}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("outcomes (-want +got):\n%s", diff)
	}
	if s := l.Stats(); s.Scripted != 2 || s.Delivered != 1 {
		t.Errorf("stats %+v, want 2 scripted and 1 delivered", s)
	}
}

// TestRuleLossIsTheFraction: of those that match, independently of what the link loses besides.
func TestRuleLossIsTheFraction(t *testing.T) {
	const n = 50_000
	losing := func(cfg LinkConfig, loss float64) (which map[int]bool) {
		cfg.Rules = []Rule{{Match: Smaller(101), Loss: loss}}
		l := NewLink(cfg, 3)
		which = make(map[int]bool)
		for i := range n {
			p := Packet{Payload: make([]byte, 50+i%2*1000)}
			if l.pass(p); l.Stats().Scripted > len(which) {
				which[i] = true
			}
		}
		return which
	}
	half := losing(LinkConfig{}, 0.5)
	within(t, "lost small ones", len(half), n/2, 0.5)
	for i := range half {
		if i%2 == 1 {
			t.Fatalf("datagram %d is large and lost", i)
		}
	}
	if diff := cmp.Diff(half, losing(LinkConfig{Loss: 0.3, Duplicate: 0.5, Jitter: ms}, 0.5)); diff != "" {
		t.Errorf("other impairments change what a rule loses:\n%s", diff)
	}
	if got := len(losing(LinkConfig{}, 0)); got != 0 {
		t.Errorf("%d lost at 0", got)
	}
}

// TestRulesDrawForThemselves: what a link loses besides does not depend on its rules.
func TestRulesDrawForThemselves(t *testing.T) {
	lost := func(rules ...Rule) (which []int) {
		l := NewLink(LinkConfig{Loss: 0.1, Rules: rules}, 5)
		for i := range 2000 {
			before := l.Stats().Lost
			if l.Send(0, []byte{1}); l.Stats().Lost > before {
				which = append(which, i)
			}
		}
		return which
	}
	if diff := cmp.Diff(lost(), lost(Rule{Mark: true, Late: ms}, Rule{Match: Larger(1000), Loss: 0.5})); diff != "" {
		t.Errorf("rules that lose nothing change what is lost:\n%s", diff)
	}
}
