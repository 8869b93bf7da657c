package transfer

import (
	"errors"
	"path/filepath"
	"runtime"
	"strings"
	"unicode"
	"unicode/utf8"
)

// CheckName reports why name may not be the name of a received file. Allowed is
// one path element of 1 to 255 bytes of UTF-8 that no common system treats
// specially: without control characters, without invisible ones, which make two
// names look alike or turn the direction of the line, and without a dash in front, which
// commands take for an option. The rules are the same everywhere, so that what one machine
// accepts does not become a device or another directory on the next; Windows
// adds the characters and endings that its file systems refuse.
func CheckName(name string) error {
	switch {
	case name == "":
		return errors.New("the name is empty")
	case len(name) > maxName:
		return errors.New("the name is longer than 255 bytes")
	case !utf8.ValidString(name):
		return errors.New("the name is not UTF-8")
	case strings.ContainsFunc(name, unicode.IsControl):
		return errors.New("the name has control characters")
	case hasInvisible(name):
		return errors.New("the name has invisible characters")
	case name[0] == '-':
		return errors.New("the name begins with a dash")
	case strings.ContainsAny(name, `/\`):
		return errors.New("the name has a path separator")
	case name == "." || name == "..":
		return errors.New("the name is a directory's")
	case len(name) >= 2 && name[1] == ':' && isASCIILetter(name[0]):
		return errors.New("the name begins with a drive")
	case strings.HasSuffix(name, PartialSuffix):
		return errReserved
	case isDevice(name):
		return errors.New("the name is a device's on Windows")
	case runtime.GOOS == "windows" && !windowsAllows(name):
		return errors.New("the name is not allowed on Windows")
	case !filepath.IsLocal(name):
		return errors.New("the name leads out of the directory")
	}
	return nil
}

// CheckElement reports why name may not be one element of a path below a received folder. Folders have names that
// nobody would choose for a file that stands alone, and keep them: in another encoding, with line breaks, with a dash in
// front. Not allowed is what the system here treats specially (a device of Windows, on Windows), what leads elsewhere, and
// what is reserved for files that are still being received.
func CheckElement(name string) error {
	switch {
	case name == "":
		return errors.New("the name is empty")
	case len(name) > maxName:
		return errors.New("the name is longer than 255 bytes")
	case name == "." || name == "..":
		return errors.New("the name is a directory's")
	case strings.ContainsAny(name, "/\x00"):
		return errors.New("the name has a path separator or a zero byte")
	case strings.HasSuffix(name, PartialSuffix):
		return errReserved
	case runtime.GOOS == "windows" && (!utf8.ValidString(name) || strings.Contains(name, `\`) || !windowsAllows(name) ||
		isDevice(name) || strings.ContainsFunc(name, unicode.IsControl)):
		return errors.New("the name is not allowed on Windows")
	case !filepath.IsLocal(name):
		return errors.New("the name leads out of the directory")
	}
	return nil
}

// errReserved is why a name is refused that a file has while it is being received.
var errReserved = errors.New("names that end in " + PartialSuffix + " are reserved for files that are still being received")

// The zero width non-joiner and joiner, which Persian, Hindi and emoji are written with.
const (
	nonJoiner = '\u200c'
	joiner    = '\u200d'
)

// hasInvisible reports whether a name has a character that is not seen: a mark of
// direction, one without width, a separator of lines. A joiner counts
// unless it stands behind a character that may need it.
func hasInvisible(name string) bool {
	var before rune
	for _, r := range name {
		joins := (r == nonJoiner || r == joiner) && before >= utf8.RuneSelf
		if unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp) && !joins {
			return true
		}
		before = r
	}
	return false
}

// isDevice reports whether Windows opens a device under this name in any
// directory, whatever the extension.
func isDevice(name string) bool {
	base, _, _ := strings.Cut(name, ".")
	base, _, _ = strings.Cut(base, ":")
	base = strings.ToUpper(strings.TrimRight(base, " "))
	switch base {
	case "CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$":
		return true
	}
	number, ok := strings.CutPrefix(base, "COM")
	if !ok {
		number, ok = strings.CutPrefix(base, "LPT")
	}
	// The superscripts one, two and three are digits to Windows.
	return ok && utf8.RuneCountInString(number) == 1 && strings.ContainsAny(number, "0123456789¹²³")
}

func windowsAllows(name string) bool {
	return !strings.ContainsAny(name, `<>:"|?*`) && !strings.HasSuffix(name, ".") && !strings.HasSuffix(name, " ")
}

func isASCIILetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }
