package purity

import (
	"fmt"
	"go/ast"
	"go/token"
)

// The longest file and function that need no reason, in lines.
const (
	maxFile     = 600
	maxFunction = 60
)

// tooLong finds files and functions that are too long and do not say why.
func (p *pkg) tooLong() []violation {
	var found []violation
	for _, f := range p.files {
		reasons := p.reasons(f)
		for _, decl := range f.Decls {
			fn, ok := decl.(*ast.FuncDecl)
			if !ok {
				continue
			}
			from, to := p.fset.Position(fn.Type.Pos()), p.fset.Position(fn.End())
			excused := false
			for pos := range reasons {
				if within(fn, pos) {
					excused = true
					delete(reasons, pos) // it speaks of the function, not of the file
				}
			}
			if n := to.Line - from.Line + 1; n > maxFunction && !excused {
				found = append(found, violation{from, fmt.Sprintf("%s has %d lines", fn.Name.Name, n)})
			}
		}
		if n := p.fset.File(f.FileStart).LineCount(); n > maxFile && len(reasons) == 0 {
			found = append(found, violation{p.fset.Position(f.Package), fmt.Sprintf("file of %d lines", n)})
		}
	}
	return found
}

// reasons are the places of the comments that say why something is long.
func (p *pkg) reasons(f *ast.File) map[token.Pos]bool {
	found := make(map[token.Pos]bool)
	for _, group := range f.Comments {
		for _, c := range group.List {
			if reasoned(c, "long:") {
				found[c.Pos()] = true
			}
		}
	}
	return found
}

// within says whether a place is in a function or its doc comment.
func within(fn *ast.FuncDecl, pos token.Pos) bool {
	start := fn.Pos()
	if fn.Doc != nil {
		start = fn.Doc.Pos()
	}
	return start <= pos && pos < fn.End()
}
