// Package untrusted is the border at which text from the network, or from whoever has named a file, becomes safe to show.
//
// Whoever takes text out of a packet or a stream makes it a [Text] at once. From there it
// prints escaped, whatever prints it: package fmt, package log/slog, encoding/json. Only a
// conversion to string or []byte, which can be seen in the source, gives the bytes
// as they came.
package untrusted

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxText is how long a Text is at most when it is shown, in bytes.
const MaxText = 1024

// ellipsis stands for what is beyond MaxText.
const ellipsis = "..."

// Text is text as somebody else has sent it: of any length, perhaps not UTF-8, perhaps meant for
// the terminal and not for who reads it.
type Text string

// String returns the text so that it can be shown: every character that [unicode.IsPrint] does
// not admit is escaped, \x1b if it is a byte that is no UTF-8, else \u001b or
// \U000e0001. So there is no control character, no space but U+0020, and nothing that
// turns the direction of the line. Everything else is as it was, quotes and
// backslashes too: what was escaped before stays as it is. What is beyond MaxText is
// cut off, and "..." stands for it.
func (t Text) String() string {
	if len(t) <= MaxText && t.printable() {
		return string(t)
	}
	shown := make([]byte, 0, min(len(t)+len(t)/2, MaxText))
	cut := 0 // where the ellipsis would have room
	for i := 0; i < len(t); {
		r, size := utf8.DecodeRuneInString(string(t[i:]))
		shown = appendEscaped(shown, r, t[i:i+size])
		if len(shown) > MaxText {
			return string(append(shown[:cut], ellipsis...))
		}
		if len(shown) <= MaxText-len(ellipsis) {
			cut = len(shown)
		}
		i += size
	}
	return string(shown)
}

// Escaped returns text of any length with the characters escaped that String escapes. It is for a line that has passed into a string
// already, and may have in it what the user has typed or what a file is called: whoever typed "*" has not chosen the names.
func Escaped(text string) string {
	if Text(text).printable() {
		return text
	}
	shown := make([]byte, 0, len(text)+len(text)/2)
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRuneInString(text[i:])
		shown = appendEscaped(shown, r, Text(text[i:i+size]))
		i += size
	}
	return string(shown)
}

// Format implements [fmt.Formatter]: the verbs see what String returns, those too that would not ask for it.
func (t Text) Format(s fmt.State, verb rune) {
	fmt.Fprintf(s, fmt.FormatString(s, verb), t.String())
}

// MarshalText implements [encoding.TextMarshaler], which log/slog and encoding/json ask before anything else.
func (t Text) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// printable reports whether there is nothing to escape.
func (t Text) printable() bool {
	return utf8.ValidString(string(t)) && strings.IndexFunc(string(t), func(r rune) bool { return !unicode.IsPrint(r) }) < 0
}

// appendEscaped appends the character r, whose encoding is raw.
func appendEscaped(b []byte, r rune, raw Text) []byte {
	switch {
	case r == utf8.RuneError && len(raw) == 1:
		return append(b, '\\', 'x', hex[raw[0]>>4], hex[raw[0]&15])
	case unicode.IsPrint(r):
		return append(b, raw...)
	case r < utf8.RuneSelf: // strconv would say \x1b or \n
		return append(b, '\\', 'u', '0', '0', hex[r>>4], hex[r&15])
	}
	quoted := strconv.AppendQuoteRuneToASCII(nil, r)
	return append(b, quoted[1:len(quoted)-1]...)
}

const hex = "0123456789abcdef"
