// Package delta tells what of a file is elsewhere already: content is split where the content itself says, so that
// bytes inserted in one place move no boundary in another, and each chunk is known by its SHA-256.
//
// The splitting is that of github.com/restic/chunker, a rolling Rabin fingerprint over 64 bytes, with a polynomial that
// is part of the format: both sides must cut alike.
package delta

import (
	"crypto/sha256"
	"io"
	"math/bits"

	"github.com/restic/chunker"
)

// polynomial is irreducible and of degree 53, as the chunker wants it.
const polynomial = chunker.Pol(0x3DA3358B4DC173)

const (
	leastBits = 16       // chunks of files of up to 1 GiB have 64 KiB on average
	mostBits  = 22       // no chunk has more than 4 × 4 MiB
	aimed     = 16 << 10 // chunks of a file that has more than that, as far as mostBits allows
)

// MaxChunks is how many chunks are made of one file at most when its signature is taken. Content behind them is not found.
const MaxChunks = 64 << 10

// Chunk is a piece of content.
type Chunk struct {
	Length int // bytes, at least 1
	Sum    [sha256.Size]byte
}

// averageBits is the binary logarithm of the average length of chunks of a file of so many bytes.
func averageBits(size int64) int {
	n := bits.Len64(uint64(max(size-1, 0)) / aimed)
	return min(max(n, leastBits), mostBits)
}

// MaxLength is how many bytes a chunk of a file of so many bytes has at most.
func MaxLength(size int64) int { return 4 << averageBits(size) }

// Splitter splits content. The zero value is ready; it keeps its buffers from one file to the next.
type Splitter struct {
	chunker *chunker.Chunker
	buf     []byte
}

// Begin starts with the content of r, as content of a file of size bytes is split: both sides have to name the
// same size, that of the file which is to be sent, whatever r has.
func (s *Splitter) Begin(r io.Reader, size int64) {
	average := averageBits(size)
	least, most := uint(1)<<(average-2), uint(MaxLength(size))
	if s.chunker == nil {
		s.chunker = chunker.NewWithBoundaries(r, polynomial, least, most)
	} else {
		s.chunker.ResetWithBoundaries(r, polynomial, least, most)
	}
	s.chunker.SetAverageBits(average)
}

// Next returns the next chunk and its bytes, which are good until the next call. At the end it returns io.EOF.
func (s *Splitter) Next() (Chunk, []byte, error) {
	c, err := s.chunker.Next(s.buf)
	if err != nil {
		return Chunk{}, nil, err
	}
	s.buf = c.Data[:0]
	return Chunk{Length: len(c.Data), Sum: sha256.Sum256(c.Data)}, c.Data, nil
}
