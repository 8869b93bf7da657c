// Package purity holds the project's rules about its own source, as tests.
//
// A pure package is one whose results depend on its arguments alone, time and
// randomness included, so that a connection can be replayed. It does not
// import net (net/netip is fine), os, sync, syscall or crypto/rand, reads no
// clock, starts no timer or goroutine, draws nothing from the global
// generators of math/rand, and does not depend on the order of a map. Packages
// that share state between connections may use sync/atomic. Tests of a pure
// package are free.
//
// A line that ranges over a map where the order cannot matter says so, with a
// comment "// order-free: " and the reason.
//
// Files have at most 600 lines and functions 60, tests included. One that has more says why, in
// a comment "// long: " and the reason.
package purity

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// clock is what package time has that knows what time it is.
var clock = []string{
	"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "NewTimer", "NewTicker", "Tick",
}

// generators is what the two math/rand packages have that does not draw from
// the global generator.
var generators = []string{"New", "NewSource", "NewPCG", "NewChaCha8", "NewZipf"}

// violation is a place where a rule is broken.
type violation struct {
	pos  token.Position
	what string
}

func (v violation) String() string {
	return fmt.Sprintf("%s:%d: %s", filepath.Base(v.pos.Filename), v.pos.Line, v.what)
}

// pkg is a package's source.
type pkg struct {
	fset  *token.FileSet
	files []*ast.File
}

func parse(paths []string) (*pkg, error) {
	p := &pkg{fset: token.NewFileSet()}
	for _, path := range paths {
		f, err := parser.ParseFile(p.fset, path, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		p.files = append(p.files, f)
	}
	return p, nil
}

// impurities checks a package by the rule; atomics says that it may import
// sync/atomic. The importer resolves its imports.
func (p *pkg) impurities(imp types.Importer, atomics bool) ([]violation, error) {
	info := &types.Info{
		Types: make(map[ast.Expr]types.TypeAndValue),
		Uses:  make(map[*ast.Ident]types.Object),
	}
	config := types.Config{Importer: imp}
	if _, err := config.Check("", p.fset, p.files, info); err != nil {
		return nil, err
	}
	var found []violation
	for _, f := range p.files {
		c := checker{pkg: p, info: info, excused: p.comments(f, "order-free:")}
		for _, spec := range f.Imports {
			if path, err := strconv.Unquote(spec.Path.Value); err == nil && forbidden(path, atomics) {
				c.report(spec, "imports "+path)
			}
		}
		ast.Inspect(f, c.visit)
		found = append(found, c.found...)
	}
	return found, nil
}

func forbidden(imported string, atomics bool) bool {
	switch imported {
	case "net/netip":
		return false
	case "sync/atomic":
		return !atomics
	case "crypto/rand", "hash/maphash", "syscall":
		return true
	}
	first, _, _ := strings.Cut(imported, "/")
	return first == "net" || first == "os" || first == "sync"
}

// comments are the lines of a file with a comment of the given kind and a
// reason behind it.
func (p *pkg) comments(f *ast.File, kind string) map[int]bool {
	lines := make(map[int]bool)
	for _, group := range f.Comments {
		for _, c := range group.List {
			if reasoned(c, kind) {
				lines[p.fset.Position(c.Pos()).Line] = true
			}
		}
	}
	return lines
}

func reasoned(c *ast.Comment, kind string) bool {
	text := strings.TrimSpace(strings.TrimPrefix(c.Text, "//"))
	reason, ok := strings.CutPrefix(text, kind)
	return ok && strings.TrimSpace(reason) != ""
}

// checker walks one file.
type checker struct {
	*pkg
	info    *types.Info
	excused map[int]bool // lines whose map order is known not to matter
	sorted  []ast.Expr   // arguments of slices.Sorted and its like
	found   []violation
}

func (c *checker) report(n ast.Node, what string) {
	c.found = append(c.found, violation{c.fset.Position(n.Pos()), what})
}

func (c *checker) visit(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.GoStmt:
		c.report(n, "starts a goroutine")
	case *ast.RangeStmt:
		if isMap(c.info.TypeOf(n.X)) {
			c.order(n, "ranges over a map")
		}
	case *ast.CallExpr:
		c.call(n)
	case *ast.Ident:
		c.use(n)
	}
	return true
}

func (c *checker) order(n ast.Node, what string) {
	if !c.excused[c.fset.Position(n.Pos()).Line] {
		c.report(n, what+` without "// order-free: why"`)
	}
}

// call finds iterators over maps that are not sorted on the spot.
func (c *checker) call(call *ast.CallExpr) {
	name := c.callee(call.Fun)
	if strings.HasPrefix(name, "slices.Sorted") && len(call.Args) > 0 {
		c.sorted = append(c.sorted, call.Args[0])
	}
	switch name {
	case "maps.All", "maps.Keys", "maps.Values":
		if !slices.Contains(c.sorted, ast.Expr(call)) {
			c.order(call, "calls "+name)
		}
	}
}

// callee is the import path and name of the function that is called, without
// its type arguments.
func (c *checker) callee(fun ast.Expr) string {
	switch f := ast.Unparen(fun).(type) {
	case *ast.IndexExpr:
		return c.callee(f.X)
	case *ast.IndexListExpr:
		return c.callee(f.X)
	case *ast.SelectorExpr:
		return c.callee(f.Sel)
	case *ast.Ident:
		if obj := c.info.Uses[f]; obj != nil && obj.Pkg() != nil {
			return obj.Pkg().Path() + "." + obj.Name()
		}
	}
	return ""
}

// use finds what is not a function of its arguments, called or not.
func (c *checker) use(id *ast.Ident) {
	f, ok := c.info.Uses[id].(*types.Func)
	if !ok || f.Pkg() == nil || f.Signature().Recv() != nil {
		return
	}
	from, name := f.Pkg().Path(), f.Name()
	switch from {
	case "time":
		if slices.Contains(clock, name) {
			c.report(id, "uses time."+name)
		}
	case "math/rand", "math/rand/v2":
		if !slices.Contains(generators, name) {
			c.report(id, "uses the global generator: "+path.Base(path.Dir(from))+"/"+path.Base(from)+"."+name)
		}
	}
}

// isMap says whether a value of the type may be a map.
func isMap(t types.Type) bool {
	if t == nil {
		return false
	}
	if param, ok := types.Unalias(t).(*types.TypeParam); ok {
		t = param.Constraint()
	}
	switch u := t.Underlying().(type) {
	case *types.Map:
		return true
	case *types.Union:
		for i := range u.Len() {
			if isMap(u.Term(i).Type()) {
				return true
			}
		}
	case *types.Interface:
		for i := range u.NumEmbeddeds() {
			if isMap(u.EmbeddedType(i)) {
				return true
			}
		}
	}
	return false
}
