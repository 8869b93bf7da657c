package delta

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"testing"
)

func randomBytes(n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{byte(n)}).Read(b)
	return b
}

// split returns the chunks of b, and checks that they are b.
func split(t *testing.T, s *Splitter, b []byte, size int64) []Chunk {
	t.Helper()
	var chunks []Chunk
	var all []byte
	s.Begin(bytes.NewReader(b), size)
	for {
		c, data, err := s.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if c.Length != len(data) || c.Length < 1 || c.Length > MaxLength(size) {
			t.Fatalf("a chunk of %d bytes says %d, at most %d are allowed", len(data), c.Length, MaxLength(size))
		}
		chunks, all = append(chunks, c), append(all, data...)
	}
	if !bytes.Equal(all, b) {
		t.Fatalf("%d bytes are %d in chunks", len(b), len(all))
	}
	return chunks
}

// Bytes that are inserted, changed or taken away make few chunks new, and none where they are not.
func TestChangesStayWhereTheyAre(t *testing.T) {
	var s Splitter
	const size = 10 << 20
	old := randomBytes(size)
	before := split(t, &s, old, size)
	if len(before) < 80 || len(before) > 320 {
		t.Errorf("%d bytes are %d chunks", size, len(before))
	}
	known := make(map[Chunk]bool)
	for _, c := range before {
		known[c] = true
	}
	middle := size / 2
	for name, changed := range map[string][]byte{
		"inserted":       slices.Insert(slices.Clone(old), middle, 'x'),
		"removed":        slices.Delete(slices.Clone(old), middle, middle+100),
		"in front":       slices.Insert(slices.Clone(old), 0, 'x'),
		"changed":        slices.Concat(old[:middle], []byte{old[middle] ^ 1}, old[middle+1:]),
		"cut off":        old[:middle],
		"nothing at all": old,
	} {
		fresh := 0
		for _, c := range split(t, &s, changed, size) {
			if !known[c] {
				fresh++
			}
		}
		if fresh > 3 || (name == "nothing at all" && fresh > 0) {
			t.Errorf("%s: %d chunks are new", name, fresh)
		}
	}
}

func TestFewBytes(t *testing.T) {
	var s Splitter
	for _, n := range []int{0, 1, 63, 64, 16<<10 - 1, 16 << 10} {
		if chunks := split(t, &s, randomBytes(n), int64(n)); len(chunks) != min(n, 1) {
			t.Errorf("%d bytes are %d chunks", n, len(chunks))
		}
	}
}

// The number of chunks does not grow with the file, nor what is held of one.
func TestChunksGrowWithTheFile(t *testing.T) {
	for size, want := range map[int64]int{0: 1 << 18, 1 << 30: 1 << 18, 1<<30 + 16<<10: 1 << 19, 1 << 40: 1 << 24, 1<<63 - 1: 1 << 24} {
		if got := MaxLength(size); got != want {
			t.Errorf("a chunk of a file of %d bytes has up to %d bytes, want %d", size, got, want)
		}
	}
}

func TestErrorsOfTheReader(t *testing.T) {
	var s Splitter
	broken := errors.New("broken")
	s.Begin(io.MultiReader(bytes.NewReader(make([]byte, 100)), iotestErr{broken}), 1000)
	if _, _, err := s.Next(); !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
}

type iotestErr struct{ error }

func (e iotestErr) Read([]byte) (int, error) { return 0, e.error }

func BenchmarkSplit(b *testing.B) {
	var s Splitter
	content := randomBytes(16 << 20)
	b.SetBytes(int64(len(content)))
	for b.Loop() {
		s.Begin(bytes.NewReader(content), int64(len(content)))
		for {
			if _, _, err := s.Next(); err != nil {
				break
			}
		}
	}
}
