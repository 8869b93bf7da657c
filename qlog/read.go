package qlog

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"time"
)

// maxTime bounds a time that is read, in milliseconds: a Duration has to hold it.
const maxTime = 1e12

// maxRecord bounds a record that is read, in bytes: far more than one of an event has.
const maxRecord = 1 << 20

// Header is what a file says of itself and of its connection, as far as readers need it.
type Header struct {
	FileSchema string `json:"file_schema"`
	MediaType  string `json:"serialization_format"`
	Title      string `json:"title"`
	Trace      struct {
		Common struct {
			Group     string `json:"group_id"`
			Format    string `json:"time_format"`
			Reference struct {
				Wall string `json:"wall_clock_time"`
			} `json:"reference_time"`
		} `json:"common_fields"`
		VantagePoint struct {
			Name string `json:"name"`
			Type string `json:"type"` // client, server, network or unknown
		} `json:"vantage_point"`
		Schemas []string `json:"event_schemas"`
	} `json:"trace"`
}

// Record is an event as a file has it.
type Record struct {
	Time time.Duration   // since the reference time
	Name string          // with its namespace: quic:packet_sent
	Data json.RawMessage // valid until the next is read
}

// Reader reads a qlog file that is a JSON Text Sequence with times relative to an epoch, whoever has written it.
type Reader struct {
	in     *bufio.Scanner
	header Header
	first  []byte // the header's record
}

// NewReader reads the header of a file.
func NewReader(r io.Reader) (*Reader, error) {
	whole := bufio.NewReader(r)
	_, nothing := whole.Peek(1)
	q := &Reader{in: bufio.NewScanner(whole)}
	q.in.Buffer(make([]byte, 64<<10), maxRecord)
	q.in.Split(splitRecords)
	b, err := q.next()
	switch {
	case err == io.EOF && nothing == io.EOF:
		err = errors.New("the file is empty")
	case err == io.EOF:
		err = errors.New("nothing in the file is a record of a JSON Text Sequence, from a byte 0x1e to a line feed")
	}
	if err != nil {
		return nil, fmt.Errorf("qlog: no header: %w", err)
	}
	if err := json.Unmarshal(b, &q.header); err != nil {
		return nil, fmt.Errorf("qlog: no header: %w", err)
	}
	q.first = bytes.Clone(b)
	switch h := &q.header; {
	case h.FileSchema != fileSchema:
		return nil, fmt.Errorf("qlog: the file's schema is %q: want %q", h.FileSchema, fileSchema)
	case h.Trace.Common.Format != "" && h.Trace.Common.Format != "relative_to_epoch":
		return nil, fmt.Errorf("qlog: times are %q: want relative_to_epoch", h.Trace.Common.Format)
	}
	return q, nil
}

// Header is the file's.
func (q *Reader) Header() Header { return q.header }

// Next returns the next event; the error is io.EOF behind the last. A last record that is not whole, as of a program that was killed, is
// no event and no error.
func (q *Reader) Next() (Record, error) {
	b, err := q.next()
	if err != nil {
		return Record{}, err
	}
	return parseRecord(b)
}

// parseRecord reads an event.
func parseRecord(b []byte) (Record, error) {
	var e struct {
		Time float64         `json:"time"`
		Name string          `json:"name"`
		Data json.RawMessage `json:"data"`
	}
	if err := json.Unmarshal(b, &e); err != nil {
		return Record{}, fmt.Errorf("qlog: a record that is not an event: %w", err)
	}
	if math.Abs(e.Time) > maxTime {
		return Record{}, fmt.Errorf("qlog: an event of %v ms: want at most %v", e.Time, maxTime)
	}
	at := time.Duration(math.Round(e.Time*1000)) * time.Microsecond // times are written to the microsecond
	return Record{at, e.Name, e.Data}, nil
}

// next returns the next record that is not empty.
func (q *Reader) next() ([]byte, error) {
	for q.in.Scan() {
		if b := q.in.Bytes(); len(b) > 0 {
			return b, nil
		}
	}
	if err := q.in.Err(); err != nil {
		return nil, fmt.Errorf("qlog: %w", err)
	}
	return nil, io.EOF
}

// splitRecords is a bufio.SplitFunc of the texts of a JSON Text Sequence. What has no line feed at the end of the file is not whole (RFC 7464
// section 2.4), and left out.
func splitRecords(data []byte, atEOF bool) (advance int, token []byte, err error) {
	switch start := bytes.IndexByte(data, recordStart); {
	case start < 0:
		return len(data), nil, nil
	case start > 0:
		return start, nil, nil // what precedes the first record separator
	}
	if n := bytes.IndexByte(data[1:], recordStart); n >= 0 {
		return n + 1, data[1 : n+1], nil
	}
	if !atEOF {
		return 0, nil, nil
	}
	if n := len(data); data[n-1] == '\n' {
		return n, data[1:], nil
	}
	return len(data), nil, nil
}
