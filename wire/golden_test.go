package wire

import (
	"bytes"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the packets in testdata/packets anew")

const goldenDir = "../testdata/packets"

// golden is a file in testdata/packets, whose README describes the form.
type golden struct {
	name    string // of the file
	title   string
	dst     ID // receiver and sender of a short packet, and of others too if they
	src     ID // break a rule of the header: what the trailer is computed with
	version uint32
	packet  []byte
	means   string
	fails   string // the error of a malformed packet
}

// String returns the content of the file.
func (g *golden) String() string {
	var s strings.Builder
	fmt.Fprintf(&s, "# %s\n", g.title)
	fmt.Fprintf(&s, "seed 0x%08x %v %v\n", g.version, g.dst, g.src)
	for b := g.packet; len(b) > 0; b = b[min(len(b), 32):] {
		fmt.Fprintf(&s, "hex %x\n", b[:min(len(b), 32)])
	}
	for line := range strings.Lines(g.means) {
		s.WriteString("means " + line)
	}
	if g.fails != "" {
		s.WriteString("error " + g.fails + "\n")
	}
	return s.String()
}

// readGolden parses the content of a file.
func readGolden(name, content string) (*golden, error) {
	g := &golden{name: name}
	for line := range strings.Lines(content) {
		key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		switch key {
		case "#":
			g.title = value
		case "seed":
			f := strings.Fields(value)
			if len(f) != 3 {
				return nil, fmt.Errorf("%s: seed %q", name, value)
			}
			var n [3]uint64
			for i, base := range [...]int{0, 16, 16} {
				var err error
				if n[i], err = strconv.ParseUint(f[i], base, 64); err != nil {
					return nil, fmt.Errorf("%s: %v", name, err)
				}
			}
			g.version, g.dst, g.src = uint32(n[0]), ID(n[1]), ID(n[2])
		case "hex":
			b, err := hex.DecodeString(value)
			if err != nil {
				return nil, fmt.Errorf("%s: %v", name, err)
			}
			g.packet = append(g.packet, b...)
		case "means":
			g.means += value + "\n"
		case "error":
			g.fails = value
		default:
			return nil, fmt.Errorf("%s: line %q", name, line)
		}
	}
	return g, nil
}

// errorText is the error as the files have it.
func errorText(err error) string {
	if err == nil {
		return ""
	}
	return strings.TrimPrefix(err.Error(), "wire: ")
}

// TestGoldenFiles compares the files with the packets of goldenPackets, or writes
// them. There are no others.
func TestGoldenFiles(t *testing.T) {
	want := map[string]bool{"README.md": true}
	for _, g := range goldenPackets(t) {
		g.means, g.fails = Describe(g.packet), errorText(g.err)
		if want[g.name] {
			t.Errorf("two packets are called %s", g.name)
		}
		want[g.name] = true
		path := filepath.Join(goldenDir, g.name)
		if *update {
			if err := os.WriteFile(path, []byte(g.String()), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		content, err := os.ReadFile(path)
		if err != nil {
			t.Error(err)
			continue
		}
		if diff := cmp.Diff(string(content), g.String()); diff != "" {
			t.Errorf("%s (-file +packet):\n%s", g.name, diff)
		}
	}
	files, err := os.ReadDir(goldenDir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !want[f.Name()] {
			t.Errorf("%s is of no packet", f.Name())
		}
	}
}

// TestGoldenPackets reads the files alone, as another implementation would: every
// valid packet is written again byte for byte from what was understood of it,
// and every malformed one fails with the error that it is there for.
func TestGoldenPackets(t *testing.T) {
	want := map[string]error{}
	for _, g := range goldenPackets(t) {
		want[g.name] = g.err
	}
	files, err := filepath.Glob(filepath.Join(goldenDir, "*.txt"))
	if err != nil || len(files) == 0 {
		t.Fatal("no files", err)
	}
	for _, path := range files {
		name := filepath.Base(path)
		t.Run(strings.TrimSuffix(name, ".txt"), func(t *testing.T) {
			content, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			g, err := readGolden(name, string(content))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(g.means, Describe(g.packet)); diff != "" {
				t.Errorf("description (-file +packet):\n%s", diff)
			}
			again, err := rewrite(g)
			if err != want[name] {
				t.Fatalf("error %v, want %v", err, want[name])
			}
			if err == nil && !bytes.Equal(again, g.packet) {
				t.Errorf("written again as %x\nwant %x", again, g.packet)
			}
			if g.fails != errorText(err) || strings.HasPrefix(name, "bad-") != (err != nil) {
				t.Errorf("error %v does not fit the file", err)
			}
		})
	}
}

// rewrite parses a packet in the order in which a receiver does and puts it together
// again.
func rewrite(g *golden) ([]byte, error) {
	if !IsEbb(g.packet) {
		return nil, errForeign
	}
	if !Verify(g.packet, Seed(g.version, g.dst, g.src)) {
		return nil, errTrailer
	}
	h, payload, err := ParseHeader(g.packet)
	if err != nil {
		return nil, err
	}
	b := Must(AppendHeader(nil, h))
	if h.Type == Versions {
		b = append(b, payload...)
		payload = nil
	}
	for len(payload) > 0 {
		var f Frame
		n, err := f.ParseIn(h.Type, payload)
		if err != nil {
			return nil, err
		}
		if f.Type == FrameCrypto && f.Offset == 0 {
			list, ok, err := CutMessage(f.Data)
			if err == nil && ok {
				_, err = ParseParameters(list)
			}
			if err != nil {
				return nil, err
			}
		}
		b = Must(f.Append(b))
		payload = payload[n:]
	}
	return AppendTrailer(b, 0, Seed(g.version, g.dst, g.src)), nil
}
