package tree

import (
	"errors"
	"path"
	"strings"

	"example.com/ebb/cmd/ebb/internal/transfer"
)

const (
	// MaxPath is how many bytes the path of an entry has at most, and MaxTarget that of what a link leads to.
	MaxPath   = 4096
	MaxTarget = 4096
)

// CheckPath reports why path cannot be that of a received entry. The first element is a name in the receiver's own
// directory, where [transfer.CheckName] decides; for the others [transfer.CheckElement] does.
func CheckPath(name string) error {
	if len(name) > MaxPath {
		return errors.New("the path is longer than 4096 bytes")
	}
	first, rest, more := strings.Cut(name, "/")
	if err := transfer.CheckName(first); err != nil {
		return err
	}
	for more {
		first, rest, more = strings.Cut(rest, "/")
		if err := transfer.CheckElement(first); err != nil {
			return err
		}
	}
	return nil
}

// errOutside is why a link is refused.
var errOutside = errors.New("the link leads out of the receiver's directory")

// CheckTarget reports whether a link at name leads out of the receiver's directory. It may climb at its beginning only,
// and not beyond the directory; "a/.." would lead where a, which may be a link itself, has its parent. As every link keeps
// to that, none leads out by way of another.
func CheckTarget(name, target string) error {
	if target == "" || strings.ContainsRune(target, 0) || len(target) > MaxTarget {
		return errors.New("no link can lead there")
	}
	if path.IsAbs(target) || strings.ContainsAny(target, `\:`) && onWindows {
		return errOutside
	}
	depth := strings.Count(name, "/") // folders that the link is in
	down := false
	for element := range strings.SplitSeq(target, "/") {
		switch element {
		case "", ".":
		case "..":
			if depth--; down || depth < 0 {
				return errOutside
			}
		default:
			down = true
		}
	}
	return nil
}
