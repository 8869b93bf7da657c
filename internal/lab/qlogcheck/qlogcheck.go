// Package qlogcheck checks qlog files against the schemas that were published. The rules are put by hand after the CDDL of
// draft-ietf-quic-qlog-main-schema and draft-ietf-quic-qlog-quic-events, in the editors' copies of 23 July 2026
// (github.com/quicwg/qlog, commit f8dfcfcb3d53), as far as Ebb writes such events. They are stricter than the CDDL in one respect: what has
// room for extensions there has none here, as Ebb extends no event of QUIC's. The events of Ebb's own namespace have rules of their own
// here, which specify them.
package qlogcheck

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"
)

// File checks a whole file and returns how often it has each event. Its error names the first record that is wrong. ended says that the file has
// to be whole: that its connection has ended.
func File(b []byte, ended bool) (map[string]int, error) {
	if len(b) == 0 || b[0] != 0x1e {
		return nil, errors.New("the file does not begin with a record separator (RFC 7464 section 2.2)")
	}
	counts := make(map[string]int)
	last, name := math.Inf(-1), ""
	for i, record := range bytes.Split(b[1:], []byte{0x1e}) {
		if !bytes.HasSuffix(record, []byte("\n")) {
			return counts, fmt.Errorf("record %d does not end in a line feed: %.100q", i, record)
		}
		d := json.NewDecoder(bytes.NewReader(record))
		d.UseNumber()
		var v any
		if err := d.Decode(&v); err != nil {
			return counts, fmt.Errorf("record %d is no JSON: %v: %.200q", i, err, record)
		}
		if d.More() {
			return counts, fmt.Errorf("record %d is more than one value: %.200q", i, record)
		}
		if i == 0 {
			if err := checkHeader(b, v); err != nil {
				return counts, fmt.Errorf("the header: %w: %s", err, record)
			}
			continue
		}
		at, kind, err := checkEvent(v)
		if err == nil && at < last {
			err = fmt.Errorf("it is of %v, and the one before of %v", at, last)
		}
		if err != nil {
			return counts, fmt.Errorf("record %d: %w: %.300s", i, err, record)
		}
		last, name = at, kind
		counts[kind]++
	}
	if ended && name != "quic:connection_closed" {
		return counts, fmt.Errorf("the last event is %q, not quic:connection_closed", name)
	}
	return counts, nil
}

// checkHeader checks the first record.
func checkHeader(b []byte, v any) error {
	if err := file("the file", v); err != nil {
		return err
	}
	for _, field := range []string{"file_schema", "serialization_format"} {
		if !bytes.Contains(b[:min(len(b), 256)], []byte(field)) {
			return fmt.Errorf("%s is not within the first 256 bytes", field)
		}
	}
	return nil
}

// checkEvent checks a record that is not the first.
func checkEvent(v any) (at float64, name string, err error) {
	if err := event("the event", v); err != nil {
		return 0, "", err
	}
	fields := v.(map[string]any)
	name = fields["name"].(string)
	at, err = fields["time"].(json.Number).Float64()
	if err != nil {
		return 0, name, err
	}
	data, ok := events[name]
	if !ok {
		return at, name, fmt.Errorf("there is no event %q", name)
	}
	return at, name, data("data", fields["data"])
}

// rule checks a value, which a path leads to.
type rule func(path string, v any) error

// text is any string.
func text(path string, v any) error {
	if _, ok := v.(string); !ok {
		return fmt.Errorf("%s is %v: want a string", path, v)
	}
	return nil
}

// hex is a hexstring: of whole bytes.
func hex(path string, v any) error {
	s, ok := v.(string)
	if !ok || len(s)%2 != 0 || len(bytes.Trim([]byte(s), "0123456789abcdef")) != 0 {
		return fmt.Errorf("%s is %v: want a hexstring", path, v)
	}
	return nil
}

// dateTime is a date and time of RFC 3339.
func dateTime(path string, v any) error {
	s, _ := v.(string)
	if _, err := time.Parse(time.RFC3339Nano, s); err != nil {
		return fmt.Errorf("%s is %v: %w", path, v, err)
	}
	return nil
}

// number is a float.
func number(path string, v any) error {
	n, ok := v.(json.Number)
	if !ok {
		return fmt.Errorf("%s is %v: want a number", path, v)
	}
	if f, err := n.Float64(); err != nil || math.IsInf(f, 0) {
		return fmt.Errorf("%s is %v: want a number", path, v)
	}
	return nil
}

// unsigned is an integer from 0 to most.
func unsigned(most float64) rule {
	return func(path string, v any) error {
		n, ok := v.(json.Number)
		f, err := n.Float64()
		if !ok || err != nil || f < 0 || f > most || f != math.Trunc(f) || bytes.ContainsAny([]byte(n), ".eE") {
			return fmt.Errorf("%s is %v: want an integer from 0 to %v", path, v, most)
		}
		return nil
	}
}

// boolean is true or false.
func boolean(path string, v any) error {
	if _, ok := v.(bool); !ok {
		return fmt.Errorf("%s is %v: want true or false", path, v)
	}
	return nil
}

// oneOf is one of some strings.
func oneOf(all ...string) rule {
	return func(path string, v any) error {
		if s, ok := v.(string); !ok || !slices.Contains(all, s) {
			return fmt.Errorf("%s is %v: want one of %q", path, v, all)
		}
		return nil
	}
}

// either is one of two.
func either(a, b rule) rule {
	return func(path string, v any) error {
		if err := a(path, v); err == nil {
			return nil
		}
		return b(path, v)
	}
}

// list has at least some items of a kind.
func list(least, most int, item rule) rule {
	return func(path string, v any) error {
		all, ok := v.([]any)
		if !ok || len(all) < least || len(all) > most {
			return fmt.Errorf("%s is %v: want an array of %d to %d", path, v, least, most)
		}
		for i, v := range all {
			if err := item(fmt.Sprintf("%s[%d]", path, i), v); err != nil {
				return err
			}
		}
		return nil
	}
}

// field is one of an object.
type field struct {
	name     string
	required bool
	rule     rule
}

func req(name string, r rule) field { return field{name, true, r} }
func opt(name string, r rule) field { return field{name, false, r} }

// object has these fields and no others.
func object(fields ...field) rule {
	return func(path string, v any) error {
		m, ok := v.(map[string]any)
		if !ok {
			return fmt.Errorf("%s is %v: want an object", path, v)
		}
		left := maps.Clone(m)
		for _, f := range fields {
			v, ok := m[f.name]
			delete(left, f.name)
			if !ok && f.required {
				return fmt.Errorf("%s has no %s", path, f.name)
			}
			if !ok {
				continue
			}
			if err := f.rule(path+"."+f.name, v); err != nil {
				return err
			}
		}
		if len(left) > 0 {
			return fmt.Errorf("%s has %q, which is not in the schema", path, slices.Sorted(maps.Keys(left)))
		}
		return nil
	}
}

// anyMap is an object of any fields.
func anyMap(path string, v any) error {
	if _, ok := v.(map[string]any); !ok {
		return fmt.Errorf("%s is %v: want an object", path, v)
	}
	return nil
}
