// Package tree reads folders that are sent, and writes those that are received.
//
// [Walk] goes through folders in one order, that of names, and tells each entry before what is in it. A [Store] keeps to
// one directory through an [os.Root]: whatever names and links a peer sends, and whatever is renamed meanwhile, nothing
// outside is read or written.
//
// A file on its way has a name of its own beside the one that it will have: "ebb-", 26 characters that stand for its name,
// "-", 13 at random, and [transfer.PartialSuffix]. No received name ends so, and nobody guesses the name of another's. On
// Unix it is locked while somebody writes it, so what is not locked was left behind: it can serve the next transfer of the
// same file, and is swept when it is old, or at once if it was of a file that is received alone. An empty one in a folder marks that the folder was made here, and is not finished.
package tree

import (
	"io/fs"
	"time"
)

// Kind is what an entry is.
type Kind uint8

// The kinds of entries that are sent. Their numbers are those of the protocol.
const (
	File   Kind = 1
	Folder Kind = 2
	Link   Kind = 3 // symbolic
)

// Entry is one thing in a folder.
type Entry struct {
	Path     string // below the receiver's directory, elements separated by slashes
	Kind     Kind
	Mode     fs.FileMode // permission bits; of no meaning for a Link
	Modified time.Time
	Size     int64  // bytes of a File, else 0
	Target   string // of a Link, else ""
}
