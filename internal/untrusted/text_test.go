package untrusted

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// nasty is text that nobody wants in a log or on a terminal, and how it is shown.
var nasty = []struct{ text, shown string }{
	{"", ""},
	{"no room for 名.txt – naïve", "no room for 名.txt – naïve"},
	{`"quoted" C:\dir`, `"quoted" C:\dir`},
	{"\x1b]0;title\x07\x1b[2J", `\u001b]0;title\u0007\u001b[2J`},
	{"done\rebb: all is well\n", `done\u000debb: all is well\u000a`},
	{"tab\tnul\x00del\x7f", `tab\u0009nul\u0000del\u007f`},
	{"csi \u009b31m nel \u0085", `csi \u009b31m nel \u0085`},
	{"evil\u202egpj.exe\u2066\u200f", `evil\u202egpj.exe\u2066\u200f`},
	{"zero\u200bwidth\ufeff soft\u00adhyphen", `zero\u200bwidth\ufeff soft\u00adhyphen`},
	{"no\u00a0break\u2003em\u3000wide\u2028line", `no\u00a0break\u2003em\u3000wide\u2028line`},
	{"tag \U000e0041 private \ue000", `tag \U000e0041 private \ue000`},
	{"cut \xe2\x80, lone \xff, surrogate \xed\xa0\x80, long \xc0\xaf", `cut \xe2\x80, lone \xff, surrogate \xed\xa0\x80, long \xc0\xaf`},
	{"replaced \ufffd", "replaced \ufffd"},
	{`\u001b as text`, `\u001b as text`},
}

func TestTextIsShownEscaped(t *testing.T) {
	for _, test := range nasty {
		if got := Text(test.text).String(); got != test.shown {
			t.Errorf("%q is shown as %q, want %q", test.text, got, test.shown)
		}
		long := strings.Repeat("x", MaxText)
		if got := Escaped(long + test.text); got != long+test.shown {
			t.Errorf("%q behind %d bytes is escaped as %q, want %q", test.text, MaxText, got[min(MaxText, len(got)):], test.shown)
		}
	}
}

func TestTextIsShownInMaxBytes(t *testing.T) {
	for _, test := range []struct{ text, shown string }{
		{strings.Repeat("x", MaxText), strings.Repeat("x", MaxText)},
		{strings.Repeat("x", MaxText+1), strings.Repeat("x", MaxText-3) + "..."},
		{strings.Repeat("é", MaxText), strings.Repeat("é", (MaxText-3)/2) + "..."},
		{strings.Repeat("\x1b", MaxText), strings.Repeat(`\u001b`, (MaxText-3)/6) + "..."},
		{strings.Repeat("x", MaxText-6) + "\x1b", strings.Repeat("x", MaxText-6) + `\u001b`},
		{strings.Repeat("x", MaxText-5) + "\x1b", strings.Repeat("x", MaxText-5) + "..."},
	} {
		if got := Text(test.text).String(); got != test.shown {
			t.Errorf("%d bytes %.8q are shown as %d bytes that end in %q, want %d that end in %q", len(test.text), test.text,
				len(got), got[max(0, len(got)-12):], len(test.shown), test.shown[max(0, len(test.shown)-12):])
		}
	}
}

// No way to print a Text gives what it holds, those included that are a mistake.
func TestNoWayToPrintIsRaw(t *testing.T) {
	const raw = Text("a\x1b[31m\u202eb")
	type line struct{ Reason Text }
	var text, js bytes.Buffer
	slog.New(slog.NewTextHandler(&text, nil)).Warn("m", "reason", raw, "in", line{raw}, slog.Any("any", raw))
	slog.New(slog.NewJSONHandler(&js, nil)).Warn("m", "reason", raw, "in", line{raw})
	encoded, err := json.Marshal(line{raw})
	if err != nil {
		t.Fatal(err)
	}
	ways := map[string]string{"text handler": text.String(), "json handler": js.String(), "json": string(encoded)}
	for _, verb := range []string{"%v", "%s", "%q", "%+v", "%#v", "%d", "%x", "%10.20s", "%t"} {
		ways[verb] = fmt.Sprintf(verb, raw)
		ways[verb+" in a struct"] = fmt.Sprintf(verb, line{raw})
	}
	for way, got := range ways {
		if !printable(strings.TrimSuffix(got, "\n")) {
			t.Errorf("%s prints %q", way, got)
		}
	}
	if got := fmt.Sprint(raw); got != `a\u001b[31m\u202eb` {
		t.Errorf("Sprint is %q", got)
	}
}

func printable(s string) bool {
	return utf8.ValidString(s) && strings.IndexFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) < 0
}

// Whatever comes in, what goes out is printable, bounded, and not changed by a second border.
func FuzzText(f *testing.F) {
	for _, test := range nasty {
		f.Add(test.text)
	}
	f.Add(strings.Repeat("\x1b", MaxText))
	f.Fuzz(func(t *testing.T, s string) {
		got := Text(s).String()
		if !printable(got) || len(got) > MaxText {
			t.Errorf("%q is shown as %q, of %d bytes", s, got, len(got))
		}
		if again := Text(got).String(); again != got {
			t.Errorf("%q is shown as %q once and as %q twice", s, got, again)
		}
		if len(s) <= MaxText && printable(s) && got != s {
			t.Errorf("%q was printable and is shown as %q", s, got)
		}
	})
}
