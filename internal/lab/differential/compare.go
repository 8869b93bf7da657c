package differential

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Comparison compares two transports.
type Comparison struct {
	Model, Subject Transport // what is right, and what is looked at
	Host           string    // of the listener; nobody else uses it
	Rules          []Rule
}

const (
	enough = 20  // so many runs without a new outcome are taken for all
	most   = 500 // so many runs are made of one program, at most
)

// pauses are those of the runs over the subject. One whose barriers were too short for the machine as it is loaded at the moment shows outcomes that
// are none: it is repeated with longer ones.
var pauses = []time.Duration{time.Millisecond, 5 * time.Millisecond, 25 * time.Millisecond, 100 * time.Millisecond}

// Verdict is what a comparison has found.
type Verdict struct {
	Rules      []string // names of the rules that were needed
	Runs       int      // over the model
	Outcomes   int      // that these have had, at most
	Repeated   int      // runs over the subject, with longer pauses
	Difference *Difference
}

// String is the verdict of a program that differs, in lines.
func (v *Verdict) String() string {
	d := v.Difference
	var b strings.Builder
	fmt.Fprintf(&b, "%v\n", d.Program)
	fmt.Fprintf(&b, "%v returns over Ebb: %v\n", d.Call(), d.Got)
	fmt.Fprintf(&b, "%*s over TCP: %v\n", len(d.Call().String())+8, "", d.Want)
	fmt.Fprintf(&b, "up to its step Ebb has returned: %v\n", d.Seen)
	return b.String()
}

// Compare compares the outcomes of a program.
func (c *Comparison) Compare(p Program, seed uint64) (*Verdict, error) {
	v := new(Verdict)
	for {
		d, rule, err := c.compare(p, seed, v)
		if err != nil || d == nil {
			return v, err
		}
		if rule == "" {
			v.Difference = d
			return v, nil
		}
		v.Rules = append(v.Rules, rule)
		p = p.without(d.At)
	}
}

// compare compares them once, and names the rule that explains the difference. nil: there is none.
func (c *Comparison) compare(p Program, seed uint64, v *Verdict) (d *Difference, rule string, err error) {
	m := model{Comparison: c, program: p, seed: seed, known: make(map[string]Outcome)}
	defer func() { v.Runs += m.runs }()
	for i, pause := range pauses {
		if err := m.learn(100 * time.Microsecond << i); err != nil {
			return nil, "", err
		}
		v.Outcomes = max(v.Outcomes, len(m.known))
		o, err := c.Subject.Run(p, c.Host, pause, seed+uint64(i))
		if err != nil {
			return nil, "", err
		}
		if _, ok := m.known[o.key()]; ok {
			return nil, "", nil
		}
		if d, rule = c.explain(differences(p, o, m.known)); rule != "" {
			return d, rule, nil
		}
		v.Repeated++
	}
	return d, "", nil
}

// model is what is known of a program over the model.
type model struct {
	*Comparison
	program Program
	seed    uint64
	runs    int
	known   map[string]Outcome
}

// learn runs the program until enough runs add nothing.
func (m *model) learn(pause time.Duration) error {
	for fresh := 0; fresh < enough && m.runs < most; fresh++ {
		o, err := m.Model.Run(m.program, m.Host, pause, m.seed+uint64(m.runs))
		if err != nil {
			return err
		}
		m.runs++
		if _, ok := m.known[o.key()]; !ok {
			m.known[o.key()] = o
			fresh = -1
		}
	}
	return nil
}

// differences compares an outcome with those known that agree with it for the most steps: for each the calls of the next step that
// differ.
func differences(p Program, o Outcome, known map[string]Outcome) (all [][]*Difference) {
	from := 0
	for _, s := range p {
		if !slices.ContainsFunc(slices.Collect(maps.Values(known)), func(k Outcome) bool { return slices.Equal(k[:from+len(s)], o[:from+len(s)]) }) {
			break
		}
		from += len(s)
	}
	for _, key := range slices.Sorted(maps.Keys(known)) {
		k := known[key]
		if !slices.Equal(k[:from], o[:from]) {
			continue
		}
		all = append(all, nil)
		for at := from; at < from+p.stepAt(from); at++ {
			if o[at] != k[at] {
				all[len(all)-1] = append(all[len(all)-1], &Difference{Program: p, At: at, Got: o[at], Want: k[at], Seen: o[:from+p.stepAt(from)]})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b []*Difference) int { return len(a) - len(b) })
	return all
}

// explain finds an outcome of the model each difference to which has a rule, and returns the first of them with its rule. Otherwise
// the rule is "".
func (c *Comparison) explain(all [][]*Difference) (*Difference, string) {
	for _, ds := range all {
		names := make([]string, len(ds))
		for i, d := range ds {
			for _, r := range c.Rules {
				if names[i] == "" && r.Applies(d) {
					names[i] = r.Name
				}
			}
		}
		if !slices.Contains(names, "") {
			return ds[0], names[0]
		}
	}
	return all[0][0], ""
}

// Shrink makes a program that differs shorter, as long as it differs.
func (c *Comparison) Shrink(v *Verdict, seed uint64) (*Verdict, error) {
	for i := len(v.Difference.Program.Calls()) - 1; i >= 0; i-- {
		p := v.Difference.Program
		if i >= len(p.Calls()) {
			continue
		}
		shorter, err := c.Compare(p.without(i), seed)
		if err != nil {
			return v, err
		}
		if shorter.Difference != nil {
			v = shorter
		}
	}
	return v, nil
}
