package settings

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"example.com/ebb/peerid"
)

func TestFile(t *testing.T) {
	whole := `# what this host may send
[network-api]
preset = "gateway"
bandwidth-limit = "unlimited"
total-bandwidth-limit = "50MB/s"
min-bandwidth-per-connection = 2_000_000
congestion-control = "ledbat++"
min-ssthresh = '100KiB'
`
	tests := map[string]string{
		whole: "preset=gateway@3 bandwidth-limit=unlimited@4 total-bandwidth-limit=50MB/s@5 " +
			"min-bandwidth-per-connection=2000000@6 congestion-control=ledbat++@7 min-ssthresh=100KiB@8",
		strings.ReplaceAll(whole, "\n", "\r\n"): "preset=gateway@3 bandwidth-limit=unlimited@4 total-bandwidth-limit=50MB/s@5 " +
			"min-bandwidth-per-connection=2000000@6 congestion-control=ledbat++@7 min-ssthresh=100KiB@8",
		"[limits]\nmemory = \"64MiB\"\nconnections-per-peer = 8\n[network-api]\nmin-ssthresh = 5000": "limit-memory=64MiB@2 limit-connections-per-peer=8@3 min-ssthresh=5000@5",
		"": "", "\n\n# nothing\n": "", "[network-api]\n": "",
		"\xef\xbb\xbf[network-api]\nnetwork-type = \"lan\"":                   "network-type=lan@2",
		"network-api.bandwidth-limit = 5000\nnetwork-api.min-ssthresh = 5000": "bandwidth-limit=5000@1 min-ssthresh=5000@2",
		"\nnetwork-api = { bandwidth-limit = 5000 }":                          "bandwidth-limit=5000@2",
		"[network-api]\nbandwidth-limit = -1\nmin-ssthresh = 0x1000":          "bandwidth-limit=-1@2 min-ssthresh=4096@3",
		"[ \"network-api\" ]\n\"bandwidth-limit\" = \"\"\"5MB/s\"\"\"":        "bandwidth-limit=5MB/s@2",
	}
	for content, want := range tests {
		got, err := parseFile("f", []byte(content))
		if err != nil {
			t.Errorf("%q: %v", content, err)
			continue
		}
		all := make(map[string]setting)
		for word := range strings.FieldsSeq(want) {
			key, rest, _ := strings.Cut(word, "=")
			text, line, _ := strings.Cut(rest, "@")
			all[key] = setting{text: text, origin: "f:" + line}
		}
		for key, s := range got.given {
			s.value = 0 // TestPrecedence has the values
			got.given[key] = s
		}
		if diff := cmp.Diff(all, got.given, cmp.AllowUnexported(setting{}), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%q (-want +got):\n%s", content, diff)
		}
	}
}

// head is the first line of a file.
const head = "[network-api]\n"

// wrongFile is a file and the whole of the error it is answered with.
type wrongFile struct{ content, want string }

func wantErrors(t *testing.T, tests []wrongFile) {
	t.Helper()
	for _, test := range tests {
		got, err := parseFile("f", []byte(test.content))
		if err == nil || err.Error() != test.want {
			t.Errorf("%q is %+v, error\n%v, want\n%s", test.content, got, err, test.want)
		}
	}
}

func TestFilesThatAreWrong(t *testing.T) {
	wantErrors(t, []wrongFile{
		{head + "bandwith-limit = 5000", `f:2: there is no key "bandwith-limit" in [network-api]: want preset, bandwidth-limit, ` +
			"total-bandwidth-limit, min-bandwidth-per-connection, congestion-control, network-type, min-ssthresh or dscp"},
		{head + "Bandwidth-Limit = 5000", `f:2: there is no key "Bandwidth-Limit" in [network-api]: want preset, bandwidth-limit, ` +
			"total-bandwidth-limit, min-bandwidth-per-connection, congestion-control, network-type, min-ssthresh or dscp"},
		{"bandwidth-limit = 5000", "f:1: bandwidth-limit stands before the table: want it below a line [network-api]"},
		{head + "\n[node]\nname = 'x'", `f:3: there is no table or key "node": want the tables [network-api], [limits] and [tls] alone`},
		{"[Network-API]\nbandwidth-limit = 5000", `f:1: there is no table or key "Network-API": want the tables [network-api], [limits] and [tls] alone`},
		{"[network-api.peers]\nx = 1", `f:1: there is no key "peers" in [network-api]: want preset, bandwidth-limit, ` +
			"total-bandwidth-limit, min-bandwidth-per-connection, congestion-control, network-type, min-ssthresh or dscp"},
		{"network-api = 5", "f:1: network-api is not a table: want a line [network-api]"},
		{"[[network-api]]\nbandwidth-limit = 5000", "f:1: network-api is not a table: want a line [network-api]"},

		{head + "bandwidth-limit = 5000\nmin-ssthresh = 5000\nbandwidth-limit = 6000",
			`f:4: not TOML: key bandwidth-limit is already defined, in "bandwidth-limit = 6000"`},
		{head + "bandwidth-limit = 5000\n" + head + "bandwidth-limit = 6000",
			`f:3: not TOML: table network-api already exists, in "[network-api]"`},
		{head + "bandwidth-limit = 50MB/s", `f:2: not TOML: strings must be quoted, in "bandwidth-limit = 50MB/s"`},
		{head + "bandwidth-limit =", `f:2: not TOML: expected value, not end of input, in "bandwidth-limit ="`},
		{"[network-api", `f:1: not TOML: expected ']' to close table name, in "[network-api"`},
		{head + "bandwidth-limit = 9223372036854775808",
			`f:2: not TOML: decimal number is too large to fit in a 64-bit signed integer, in "bandwidth-limit = 9223372036854775808"`},
		{"\x7fELF\x02\x01\x00\x00", `f:1: not TOML: invalid character at start of key: U+007F, in "\x7fELF\x02\x01\x00\x00"`},
	})
}

func TestFileValuesThatAreWrong(t *testing.T) {
	const rates = "bytes per second from 1kB/s to 1TB/s, such as 5000000, 50MB/s, 1MiB/s or 400mbit"
	const limits = rates + `, or "unlimited" (-1)`
	wantErrors(t, []wrongFile{
		{head + "bandwidth-limit = -5", "f:2: bandwidth-limit = -5: it is negative; want " + limits},
		{head + "bandwidth-limit = 0", "f:2: bandwidth-limit = 0: it is not from 1kB/s to 1TB/s; want " + limits},
		{head + "bandwidth-limit = 5", "f:2: bandwidth-limit = 5: it is not from 1kB/s to 1TB/s; want " + limits},
		{head + "bandwidth-limit = 9223372036854775807",
			"f:2: bandwidth-limit = 9223372036854775807: it is not from 1kB/s to 1TB/s; want " + limits},
		{head + "bandwidth-limit = 1e7", "f:2: bandwidth-limit is a fraction; want " + limits + ", a whole number or a string"},
		{head + "bandwidth-limit = nan", "f:2: bandwidth-limit is a fraction; want " + limits + ", a whole number or a string"},
		{head + "bandwidth-limit = true", "f:2: bandwidth-limit is true or false; want " + limits + ", a whole number or a string"},
		{head + "bandwidth-limit = [5000]", "f:2: bandwidth-limit is a list; want " + limits + ", a whole number or a string"},
		{head + "bandwidth-limit = {}", "f:2: bandwidth-limit is a table; want " + limits + ", a whole number or a string"},
		{head + "bandwidth-limit = 2026-01-01", "f:2: bandwidth-limit is a date or a time; want " + limits + ", a whole number or a string"},
		{head + "bandwidth-limit = '50Mb/s'", `f:2: bandwidth-limit = "50Mb/s": "Mb" could be bits or bytes: write MB or Mbit; want ` + limits},
		{head + "bandwidth-limit = '5\\n'", `f:2: bandwidth-limit = "5\\n": there is no unit "\\n"; want ` + limits},
		{head + "total-bandwidth-limit = -1", "f:2: total-bandwidth-limit = -1: it is negative; want " + rates + `, or "none"`},
		{head + "total-bandwidth-limit = 0", "f:2: total-bandwidth-limit = 0: it is not from 1kB/s to 1TB/s; want " + rates + `, or "none"`},
		{head + "min-bandwidth-per-connection = -1",
			"f:2: min-bandwidth-per-connection = -1: it is negative; want " + rates + `, or "none" (0)`},
		{head + "min-ssthresh = 100", "f:2: min-ssthresh = 100: it is not from 1200B to 1GB; " +
			`want bytes from 1200 to 1GB, such as 102400, 500kB or 1MiB, or "auto" (0) or "none" (-1)`},
		{head + "preset = 1", "f:2: preset = 1: there is none of this name; want gateway, regular, testing or testing-total"},
		{head + "network-type = 'moon'",
			`f:2: network-type = "moon": there is none of this name; want lan, regional, continental, intercontinental or satellite`},
		{head + "congestion-control = 'vegas'",
			`f:2: congestion-control = "vegas": there is none of this name; want ` + list(controlNames(), "or")},
		// The first of several is told.
		{head + "min-ssthresh = -7\nbandwidth-limit = -7\n", "f:2: min-ssthresh = -7: it is negative; " +
			`want bytes from 1200 to 1GB, such as 102400, 500kB or 1MiB, or "auto" (0) or "none" (-1)`},
	})
}

// manyTables is as many tables of different names as a file may have.
func manyTables() string {
	var b strings.Builder
	for i := 0; b.Len() < maxFile-20; i++ {
		fmt.Fprintf(&b, "[a%x.b]\nc=1\n", i)
	}
	return b.String()
}

// BenchmarkHostileFile is the time that the widest file takes: it must not grow with the square of the tables.
func BenchmarkHostileFile(b *testing.B) {
	content := []byte(manyTables())
	for b.Loop() {
		parseFile("f", content)
	}
}

// Files that are large, deep or wide take no time and no stack.
func TestFilesThatAreHostile(t *testing.T) {
	half := maxFile / 2
	for name, content := range map[string]string{
		"arrays":        "a=" + strings.Repeat("[", half-1) + strings.Repeat("]", half-1),
		"arrays within": "[network-api]\nbandwidth-limit=" + strings.Repeat("[", half-20) + strings.Repeat("]", half-20),
		"inline tables": strings.Repeat("a={", maxFile/4) + strings.Repeat("}", maxFile/4),
		"dotted key":    strings.Repeat("a.", half-2) + "a=1",
		"dotted within": "[network-api]\n" + strings.Repeat("a.", half-10) + "a=1",
		"table name":    "[" + strings.Repeat("a.", half-2) + "a]",
		"long key":      "[network-api]\n" + strings.Repeat("k", maxFile-20) + "=1",
		"long value":    "[network-api]\nbandwidth-limit=\"" + strings.Repeat("5", maxFile-40) + "\"",
		"many tables":   strings.Repeat("[[a]]\n", maxFile/6),
		"other tables":  manyTables(),
		"zeros":         strings.Repeat("\x00", maxFile),
		"garbage":       strings.Repeat("\xff\xfe\x00[", maxFile/4),
	} {
		_, err := parseFile("f", []byte(content))
		if err == nil || len(err.Error()) > 1000 || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: error %.2000v", name, err)
		}
	}
}

func TestReadFile(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	if l, err := ReadFile(write("good", "[network-api]\nbandwidth-limit = 5000", 0o600)); err != nil || l.Text(limitKey) != "5000" {
		t.Errorf("a good file: %+v, %v", l, err)
	}
	huge := write("huge", "", 0o600)
	if err := os.Truncate(huge, 1<<30); err != nil {
		t.Fatal(err)
	}
	bad := map[string]string{
		dir:                           "is a directory",
		filepath.Join(dir, "nothing"): "no such file",
		huge:                          "more than 16384 bytes",
		write("bad", "x", 0o600):      "bad:1: ",
		dir + "/nul\x00":              "invalid argument",
	}
	if runtime.GOOS == "windows" {
		delete(bad, dir)
		delete(bad, filepath.Join(dir, "nothing"))
	} else {
		bad["/dev/zero"] = "more than 16384 bytes"
	}
	if os.Getuid() > 0 { // the superuser may read everything
		bad[write("secret", "[network-api]", 0)] = "permission denied"
	}
	for path, want := range bad {
		if _, err := ReadFile(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want %q", path, err, want)
		}
	}
}

func FuzzFile(f *testing.F) {
	for _, content := range []string{
		"", "[network-api]\nbandwidth-limit = \"50MB/s\"\n", "[network-api]\nmin-ssthresh = 0x10_000 # floor",
		"network-api = { preset = \"gateway\", min-ssthresh = -1 }", "[network-api]\na = [1, {b = 2026-01-01}]", "[[network-api]]",
		"network-api.a.b = nan", "[network-api]\nbandwidth-limit = '''\n5'''", "\xef\xbb\xbf[network-api]",
	} {
		f.Add([]byte(content))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		if len(content) > maxFile {
			return
		}
		l, err := parseFile("f", content)
		if err != nil {
			if text := err.Error(); strings.Contains(text, "\n") || !strings.HasPrefix(text, "f:") {
				t.Errorf("%q: error %q", content, text)
			}
			return
		}
		for _, s := range l.given {
			if !strings.HasPrefix(s.origin, "f:") {
				t.Errorf("%q: a setting of %q has no line", content, s.origin)
			}
		}
		if _, err := Resolve(1, l); err != nil && strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: error %q", content, err)
		}
	})
}

// The table [tls] is read as the others are, with names instead of numbers.
func TestProtectionInAFile(t *testing.T) {
	first, second := peerid.IDOf(peerid.NewKey()), peerid.IDOf(peerid.NewKey())
	const head = "[tls]\n"
	const identity = `an identity: 52 letters and digits, as "ebb id" prints them, in a string, or a list of such`
	wantErrors(t, []wrongFile{
		{head + "plain = 'yes'", "f:2: plain = \"yes\": want true or false"},
		{head + "key = 5", "f:2: key = 5: want the name of a file, in a string"},
		{head + "key = ''", "f:2: key = \"\": want the name of a file, in a string"},
		{head + "peer = 'me'", "f:2: peer = \"me\": want " + identity},
		{head + "peer = ['" + first.String() + "', 7]", "f:2: peer = [" + first.String() + " 7]: want " + identity},
		{head + "\npeer = []", "f:3: peer = []: want " + identity},
		{head + "peers = ['me']", `f:2: there is no key "peers" in [tls]: want key, peer or plain`},
		{"tls = true", "f:1: tls is not a table: want a line [tls]"},
	})
	for _, test := range []struct {
		flags func(l *Layer)
		file  string
		want  Protection
		err   string
	}{
		{nil, "key = 'k'\npeer = '" + first.String() + "'", Protection{Key: "k", Peers: []peerid.ID{first}}, ""},
		{func(l *Layer) { l.AddPeer(second.String(), "flag") }, "peer = ['" + first.String() + "']", Protection{Peers: []peerid.ID{second}}, ""},
		{func(l *Layer) { l.SetKey("own", "flag") }, "key = 'k'", Protection{Key: "own"}, ""},
		{nil, "plain = true\nkey = 'k'", Protection{Plain: true}, ""},
		{func(l *Layer) { l.SetPlain(false, "flag") }, "plain = true", Protection{}, ""},
		{func(l *Layer) { l.SetPlain(true, "flag") }, "peer = '" + first.String() + "'", Protection{},
			"plain (flag) and peer (f:2) exclude each other: a plain connection does not show who the peer is"},
	} {
		file, err := parseFile("f", []byte(head+test.file))
		if err != nil {
			t.Fatal(err)
		}
		var flags Layer
		if test.flags != nil {
			test.flags(&flags)
		}
		got, err := Resolve(1, &flags, file)
		if test.err != "" {
			if err == nil || err.Error() != test.err {
				t.Errorf("%s: %+v, error %v, want %s", test.file, got.Protection, err, test.err)
			}
			continue
		}
		if err != nil || !reflect.DeepEqual(got.Protection, test.want) {
			t.Errorf("%s: %+v, error %v, want %+v", test.file, got.Protection, err, test.want)
		}
	}
}
