package purity

import (
	"errors"
	"fmt"
	"go/importer"
	"go/token"
	"go/types"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// root is the module's directory, seen from this package.
const root = "../.."

// pure are the packages that the rule is for; the value says whether sync/atomic is allowed.
var pure = map[string]bool{
	"wire":                          false,
	"congestion":                    false,
	"congestion/bbr":                false,
	"congestion/cubic":              false,
	"congestion/reno":               false,
	"congestion/internal/lossbased": false,
	"ledbat":                        false,
	"pacing":                        false,
	"pool":                          true,
	"internal/budget":               true,
	"internal/endpoint":             false,
	"internal/engine":               false,
	"internal/router":               false,
	"internal/shaper":               false,
	"internal/stream":               false,
	"trace":                         false,
	"internal/untrusted":            false,
	"internal/protect":              false,
}

// goList runs go list in the module and returns the lines of its answer.
func goList(t *testing.T, env []string, args ...string) []string {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list"}, args...)...)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.Output()
	if err != nil {
		var stderr []byte
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			stderr = exit.Stderr
		}
		t.Fatalf("go list %s: %v\n%s", strings.Join(args, " "), err, stderr)
	}
	return strings.FieldsFunc(string(out), func(r rune) bool { return r == '\n' })
}

// importing makes an importer of everything the given packages import.
func importing(t *testing.T, fset *token.FileSet, packages []string) types.Importer {
	t.Helper()
	export := make(map[string]string)
	args := append([]string{"-export", "-deps", "-f", "{{.ImportPath}} {{.Export}}"}, packages...)
	for _, line := range goList(t, nil, args...) {
		path, file, _ := strings.Cut(line, " ")
		export[path] = file
	}
	return importer.ForCompiler(fset, "gc", func(path string) (io.ReadCloser, error) {
		if export[path] == "" {
			return nil, fmt.Errorf("no export data of %s", path)
		}
		return os.Open(export[path])
	})
}

// sources are the Go files of a directory of the module, tests apart.
func sources(t *testing.T, dir string) []string {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(root, dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(all, func(s string) bool { return strings.HasSuffix(s, "_test.go") })
}

func impurities(t *testing.T, dir string, atomics bool) []violation {
	t.Helper()
	p, err := parse(sources(t, dir))
	if err != nil {
		t.Fatal(err)
	}
	found, err := p.impurities(importing(t, p.fset, []string{"./" + dir}), atomics)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestPurePackages(t *testing.T) {
	for _, dir := range slices.Sorted(maps.Keys(pure)) {
		t.Run(dir, func(t *testing.T) {
			if len(sources(t, dir)) == 0 {
				t.Fatal("there is no such package: take it off the list, or put its new name there")
			}
			for _, v := range impurities(t, dir, pure[dir]) {
				t.Errorf("%s/%v", dir, v)
			}
		})
	}
}

// The rule finds each violation in a source full of them, and nothing else.
func TestImpurities(t *testing.T) {
	const dir = "internal/purity/testdata/impure"
	source, err := os.ReadFile("testdata/impure/impure.go")
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	marked := regexp.MustCompile(`// want (.*)$`)
	for i, line := range strings.Split(string(source), "\n") {
		if m := marked.FindStringSubmatch(line); m != nil {
			want = append(want, fmt.Sprintf("impure.go:%d: %s", i+1, m[1]))
		}
		if strings.HasSuffix(line, "// order-free:") { // a reason is missing
			want = append(want, fmt.Sprintf("impure.go:%d: ranges over a map without \"// order-free: why\"", i+1))
		}
	}
	var got []string
	for _, v := range impurities(t, dir, false) {
		got = append(got, v.String())
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("violations (-want +got):\n%s", diff)
	}
}

func TestAtomics(t *testing.T) {
	const dir = "internal/purity/testdata/pure"
	if found := impurities(t, dir, true); len(found) != 0 {
		t.Errorf("with atomics allowed: %v", found)
	}
	if found := impurities(t, dir, false); len(found) != 1 {
		t.Errorf("with atomics forbidden: %v, want one violation", found)
	}
}

// outside is what the library needs besides the standard library and itself.
var outside = []string{
	"golang.org/x/net", "golang.org/x/sys",
	// crypto/tls may agree on ChaCha20-Poly1305, which the standard library does not export.
	"golang.org/x/crypto/chacha20", "golang.org/x/crypto/chacha20poly1305", "golang.org/x/crypto/internal",
}

// The library needs what outside says, on every system; commands and tests may need more.
func TestLibraryDependencies(t *testing.T) {
	module := goList(t, nil, "-m")[0]
	var library []string
	for _, path := range goList(t, nil, "-f", "{{if .GoFiles}}{{.ImportPath}}{{end}}", "./...") {
		if kind(module, path) == "library" {
			library = append(library, path)
		}
	}
	if len(library) == 0 {
		t.Fatal("no library packages")
	}
	for _, goos := range []string{"linux", "windows", "darwin", "freebsd"} {
		args := append([]string{"-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}"}, library...)
		for _, path := range goList(t, []string{"GOOS=" + goos, "CGO_ENABLED=0"}, args...) {
			if kind(module, path) != "library" && !slices.ContainsFunc(outside, func(prefix string) bool { return under(prefix, path) }) {
				t.Errorf("on %s the library depends on %s", goos, path)
			}
		}
	}
}

// apart are the packages that must not import others, because a third stands between them.
var apart = map[string][]string{
	".":                   {"internal/router", "internal/shaper"},
	"internal/lab/simnet": {"internal/engine", "internal/router", "internal/shaper"},
	"internal/router":     {"internal/engine"},
	"internal/engine":     {"internal/router", "internal/shaper", "internal/endpoint", "pool", "ledbat"},
	"internal/lab/matrix": {"internal/router", "internal/shaper"},
	"internal/lab/kernel": {"internal/router", "internal/shaper"},
}

// What is simulated is what ships: package ebb and the simulator have one endpoint between them, and no part of one of
// their own.
func TestApart(t *testing.T) {
	module := goList(t, nil, "-m")[0]
	for _, dir := range slices.Sorted(maps.Keys(apart)) {
		imports := goList(t, nil, "-f", `{{join .Imports "\n"}}`, "./"+dir)
		if len(imports) == 0 {
			t.Errorf("%s imports nothing", dir)
		}
		for _, other := range apart[dir] {
			goList(t, nil, "./"+other) // it exists
			if slices.Contains(imports, module+"/"+other) {
				t.Errorf("%s imports %s", dir, other)
			}
		}
	}
}

// kind is what a package is for: "library", "other" if it is of the module but
// not of its library, or "" if it is not of the module.
func kind(module, path string) string {
	if !under(module, path) {
		return ""
	}
	for _, other := range []string{"cmd", "fuzz", "examples", "internal/lab", "internal/purity"} {
		if under(module+"/"+other, path) {
			return "other"
		}
	}
	return "library"
}

func under(prefix, path string) bool {
	return path == prefix || strings.HasPrefix(path, prefix+"/")
}

func TestKind(t *testing.T) {
	for path, want := range map[string]string{
		"m":                       "library",
		"m/wire":                  "library",
		"m/internal/engine":       "library",
		"m/cmd/ebb":               "other",
		"m/internal/lab/simnet":   "other",
		"m/internal/labours":      "library",
		"mm":                      "",
		"github.com/spf13/pflag":  "",
		"golang.org/x/net/ipv4":   "",
		"m/cmd/ebb/internal/send": "other",
	} {
		if got := kind("m", path); got != want {
			t.Errorf("kind of %s is %q, want %q", path, got, want)
		}
	}
}

// Every Go file of the module keeps to the lengths.
func TestLengths(t *testing.T) {
	var files []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() && path != root && (name == "testdata" || strings.HasPrefix(name, ".")) {
			return filepath.SkipDir
		}
		if strings.HasSuffix(name, ".go") {
			files = append(files, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	p, err := parse(files)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range p.tooLong() {
		t.Errorf("%s:%d: %s", v.pos.Filename, v.pos.Line, v.what)
	}
}

func TestTooLong(t *testing.T) {
	function := func(lines int, inside string) string {
		return "func f() {\n" + inside + strings.Repeat("\n", lines-2-strings.Count(inside, "\n")) + "}\n"
	}
	pad := func(source string, lines int) string {
		return source + strings.Repeat("\n", lines-strings.Count(source, "\n"))
	}
	tests := []struct {
		name, source string
		want         []string
	}{
		{"at the bounds", pad("package p\n"+function(60, ""), 600), nil},
		{"function", "package p\n" + function(61, ""), []string{"x.go:2: f has 61 lines"}},
		{"excused", "package p\n" + function(61, "// long: a table\n"), nil},
		{"excused in its doc", "package p\n// long: a table\n" + function(61, ""), nil},
		{"without a reason", "package p\n" + function(61, "// long:\n"), []string{"x.go:2: f has 61 lines"}},
		{"its doc is not counted", "package p\n//\n//\n" + function(60, ""), nil},
		{"file", pad("package p\n", 601), []string{"x.go:1: file of 601 lines"}},
		{"file excused", pad("// long: generated\npackage p\n", 601), nil},
		{"a function's reason is not the file's", pad("package p\n"+function(61, "// long: a table\n"), 601),
			[]string{"x.go:1: file of 601 lines"}},
		{"a file's reason is not the function's", "// long: generated\npackage p\n" + function(61, ""),
			[]string{"x.go:3: f has 61 lines"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "x.go")
			if err := os.WriteFile(path, []byte(tt.source), 0o600); err != nil {
				t.Fatal(err)
			}
			p, err := parse([]string{path})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, v := range p.tooLong() {
				got = append(got, v.String())
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("violations (-want +got):\n%s", diff)
			}
		})
	}
}
