package peerid

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

// TestText: an ID is printed and read again, in any case and in JSON.
func TestText(t *testing.T) {
	for range 20 {
		id := IDOf(NewKey())
		text := id.String()
		if len(text) != 52 {
			t.Fatalf("%q has %d characters", text, len(text))
		}
		for _, s := range []string{text, strings.ToUpper(text)} {
			if got, err := Parse(s); got != id || err != nil {
				t.Errorf("Parse(%q) = %v, %v", s, got, err)
			}
		}
		b, err := json.Marshal(map[string]ID{"peer": id})
		if err != nil {
			t.Fatal(err)
		}
		var back map[string]ID
		if err := json.Unmarshal(b, &back); err != nil || back["peer"] != id {
			t.Errorf("%s is read as %v, %v", b, back, err)
		}
	}
	fixed := ID{0: 0x01, 31: 0xff}
	if got, want := fixed.String(), "aeaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaad7q"; got != want {
		t.Errorf("%v, want %v", got, want)
	}
}

// TestParse: what is no ID is an error, and an ID has one text.
func TestParse(t *testing.T) {
	good := ID{0: 1}.String()
	for _, s := range []string{
		"", good[:51], good + "a", good[:51] + "b", good[:51] + "1", good[:51] + "=", " " + good[1:], ID{}.String(),
		strings.Repeat("\xff", 52), strings.Repeat("é", 26),
	} {
		if id, err := Parse(s); !errors.Is(err, ErrSyntax) || id != (ID{}) {
			t.Errorf("Parse(%q) = %v, %v", s, id, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(ID{0: 1}.String())
	f.Fuzz(func(t *testing.T, s string) {
		if id, err := Parse(s); err == nil && id.String() != strings.ToLower(s) {
			t.Errorf("Parse(%q) = %v", s, id)
		}
	})
}

// TestKeySize: a key of the wrong size names nobody.
func TestKeySize(t *testing.T) {
	key := NewKey()
	if IDOf(nil) != (ID{}) || IDOf(key[:32]) != (ID{}) || IDOf(key) == (ID{}) {
		t.Error("a key of the wrong size has a name, or one of the right size none")
	}
}
