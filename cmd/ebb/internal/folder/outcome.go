package folder

import (
	"fmt"
	"sync/atomic"
	"time"

	"example.com/ebb/cmd/ebb/internal/tree"
	"example.com/ebb/internal/untrusted"
)

// Outcome is the end of one entry.
type Outcome struct {
	Path    untrusted.Text // on the disk it is string(Path)
	Kind    tree.Kind      // 0 if the sender could not tell
	Size    int64          // bytes of a file
	Wire    int64          // bytes of its content that crossed the connection
	Elapsed time.Duration  // from the first byte of its content on; 0 if there was none
	Code    Code
	Deleted bool  // the sender does not have it, and the receiver has deleted it or would
	Err     error // why it failed; nil if it did not
}

// Totals is what was done so far.
type Totals struct {
	Entries int64 `json:"entries"` // that came to their end, failed ones included
	Files   int64 `json:"files"`   // among them
	Bytes   int64 `json:"bytes"`   // of files, whether they crossed the connection or not
	Wire    int64 `json:"sent"`    // of content that crossed it
	Stored  int64 `json:"stored"`  // entries; with DryRun those that would be
	Kept    int64 `json:"kept"`    // entries that were as they should be, or only had their mode or time set
	Deleted int64 `json:"deleted"`
	Failed  int64 `json:"failed"`
}

// Meter counts what sessions do. Methods may be called from any number of goroutines; the zero value is ready.
type Meter struct {
	entries, files, bytes, wire, stored, kept, deleted, failed atomic.Int64
	current                                                    atomic.Pointer[untrusted.Text]
}

// Totals is what was counted so far.
func (m *Meter) Totals() Totals {
	return Totals{
		Entries: m.entries.Load(), Files: m.files.Load(), Bytes: m.bytes.Load(), Wire: m.wire.Load(),
		Stored: m.stored.Load(), Kept: m.kept.Load(), Deleted: m.deleted.Load(), Failed: m.failed.Load(),
	}
}

// Current is the file whose content was on the way last.
func (m *Meter) Current() untrusted.Text {
	if p := m.current.Load(); p != nil {
		return *p
	}
	return ""
}

// moved counts content: wire says whether it crossed the connection.
func (m *Meter) moved(n int64, wire bool) {
	m.bytes.Add(n)
	if wire {
		m.wire.Add(n)
	}
}

// ended counts the end of an entry, whose content has been counted if it was on the way.
func (m *Meter) ended(o Outcome, counted bool) {
	if o.Deleted {
		m.deleted.Add(1)
		return
	}
	m.entries.Add(1)
	if o.Kind == tree.File {
		m.files.Add(1)
		if !counted {
			m.bytes.Add(o.Size)
		}
	}
	switch o.Code {
	case CodeKept, CodeTouched:
		m.kept.Add(1)
	case CodeStored, CodeWould:
		m.stored.Add(1)
	default:
		m.failed.Add(1)
	}
}

// IncompleteError ends a session that was orderly but left entries behind. The reasons are in the Outcomes.
type IncompleteError struct {
	Failed, Entries int64
}

func (e *IncompleteError) Error() string {
	return fmt.Sprintf("%d of %d entries not stored", e.Failed, e.Entries)
}

// RemoteError is what the receiver says when it refuses an entry, or ends the session.
type RemoteError struct {
	Code    Code
	Message untrusted.Text // at most 512 bytes
}

// Error is the receiver's own message, or the code if it sent none.
func (e *RemoteError) Error() string {
	if e.Message == "" {
		return fmt.Sprintf("the receiver refused it with code %d", e.Code)
	}
	return "the receiver says: " + e.Message.String()
}

// ByeError ends a session whose sender has said that it stops.
type ByeError struct{ Message untrusted.Text }

func (e *ByeError) Error() string { return "the sender says: " + e.Message.String() }
